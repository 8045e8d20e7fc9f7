// Text to token ids and back, by a Hugging Face `tokenizer.json`.
//
// Supported: models "WordLevel" and "BPE" without merges (a vocabulary of characters), behind the
// pre-tokenizers Split (pattern String or Regex, behavior Isolated or Removed), Whitespace,
// WhitespaceSplit and sequences of these; decoder none or Fuse; added tokens. A file that asks for
// anything else is refused, naming the feature: a wrong tokenization would be worse.

#ifndef MIRL_RUNTIME_TEXT_TOKENIZER_H
#define MIRL_RUNTIME_TEXT_TOKENIZER_H

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/text/Regex.h"

namespace mirl::rt {

class Tokenizer {
public:
  // Reads `path`; errors name it.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string &path);
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Parse(std::string_view json,
                                                          std::string_view name);

  // Appends the ids of the text. Added tokens are matched first, the longest at each place. What
  // the vocabulary lacks is an error that names it and its position in characters, from 1; with
  // `allow_unknown` it becomes the unk_token, if the file declares one.
  absl::Status Encode(std::string_view text, std::vector<int32_t> &ids,
                      bool allow_unknown = false) const;

  // The text of the ids; special tokens (end of text, padding, …) are left out on request. Words
  // that a whitespace pre-tokenizer separated are joined by spaces. Ids outside of the vocabulary
  // give U+FFFD.
  std::string Decode(std::span<const int32_t> ids, bool skip_special = true) const;

  // The largest id, plus one.
  int64_t vocab_size() const { return static_cast<int64_t>(texts_.size()); }
  // -1 when there is no such token.
  int32_t Find(std::string_view token) const;

private:
  struct Split {
    std::unique_ptr<Regex> pattern; // nullptr: single characters
    bool keep_matches = true;       // Isolated; else Removed
    bool keep_rest = true;          // what lies between the matches
  };
  struct AddedToken {
    std::string text;
    int32_t id = 0;
  };

  absl::Status EncodePart(std::string_view whole, size_t begin, size_t end,
                          std::vector<int32_t> &ids, bool allow_unknown) const;
  absl::Status EncodeWord(std::string_view whole, size_t begin, size_t end,
                          std::vector<int32_t> &ids, bool allow_unknown) const;
  absl::Status Unknown(std::string_view whole, size_t begin, size_t end, std::vector<int32_t> &ids,
                       bool allow_unknown) const;

  bool characters_ = false; // the model splits words into characters (BPE without merges)
  bool join_spaces_ = false;
  int32_t unk_ = -1;
  std::vector<Split> splits_;
  std::vector<AddedToken> added_; // longest first
  std::unordered_map<std::string, int32_t> ids_;
  std::vector<std::string> texts_; // by id
  std::vector<bool> present_, special_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_TEXT_TOKENIZER_H
