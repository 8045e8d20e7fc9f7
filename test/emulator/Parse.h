// The text of PTX as statements: names of registers are resolved, opcodes and operands are not yet
// looked at.

#ifndef MIRL_EMULATOR_PARSE_H
#define MIRL_EMULATOR_PARSE_H

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mirl::emulator {

enum class Type : uint8_t {
  kNone,
  kPred,
  kB8,
  kU8,
  kS8,
  kB16,
  kU16,
  kS16,
  kF16,
  kBF16,
  kB32,
  kU32,
  kS32,
  kF32,
  kBF16x2,
  kB64,
  kU64,
  kS64,
  kF64
};

// The type called `name` ("f32"), or kNone.
Type TypeNamed(std::string_view name);
// 1 for predicates, else the bytes of a value.
uint32_t BytesOf(Type type);
bool IsSigned(Type type);
bool IsFloat(Type type);
// The type of bits of 2, 4 or 8 bytes.
Type BitsType(uint32_t bytes);

struct Register {
  std::string name;
  Type type = Type::kNone;
};

struct Operand {
  enum class Kind { kRegister, kInteger, kFloat32, kFloat64, kName, kVector, kAddress, kSink };
  Kind kind = Kind::kName;
  bool negated = false;       // !p
  uint32_t reg = 0;           // kRegister; kAddress with has_register
  bool has_register = false;  // kAddress
  std::string name;           // kName, kAddress with a symbol; %tid.x and labels are names
  int64_t offset = 0;         // kAddress, kName: + offset
  uint64_t bits = 0;          // of a number
  std::vector<Operand> parts; // kVector; kAddress: the coordinates behind the address; d|p: p
};

struct Statement {
  int line = 0;
  int guard = -1; // register
  bool guard_negated = false;
  std::string opcode;
  std::vector<Operand> operands;
};

struct Variable {
  std::string name;
  uint64_t bytes = 0, alignment = 1, offset = 0;
  bool dynamic = false;      // extern: behind all others
  std::vector<uint8_t> data; // of .global and .const
};

struct ParsedKernel {
  std::string name;
  std::vector<Variable> parameters, shared, local;
  uint64_t parameter_bytes = 0;
  uint32_t most_threads = 1024;
  std::vector<Register> registers;
  std::vector<Statement> statements;
  // Where each label's statement is; labels of inner scopes are made unique.
  std::map<std::string, uint32_t, std::less<>> labels;
  std::map<std::string, std::vector<std::string>, std::less<>> tables; // .branchtargets
};

struct ParsedModule {
  std::vector<Variable> shared, global;
  std::vector<ParsedKernel> kernels;
};

// Throws Fault{kInvalidPtx} that names the line.
ParsedModule Parse(std::string_view text);

} // namespace mirl::emulator

#endif // MIRL_EMULATOR_PARSE_H
