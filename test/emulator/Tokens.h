// The words of PTX.

#ifndef MIRL_EMULATOR_TOKENS_H
#define MIRL_EMULATOR_TOKENS_H

#include <cstdint>
#include <string_view>
#include <vector>

namespace mirl::emulator {

struct Token {
  enum class Kind { kWord, kInteger, kFloat32, kFloat64, kString, kSign, kEnd };
  Kind kind = Kind::kEnd;
  std::string_view text;
  uint64_t bits = 0;
  int line = 0;
};

// Throws Fault{kInvalidPtx}.
std::vector<Token> Tokenize(std::string_view text);

} // namespace mirl::emulator

#endif // MIRL_EMULATOR_TOKENS_H
