// Statements to instructions. Each family of instructions (Floats.cpp, …) adds the functions
// that decode its opcodes.

#ifndef MIRL_EMULATOR_DECODE_H
#define MIRL_EMULATOR_DECODE_H

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "test/emulator/Program.h"

namespace mirl::emulator {

class Decoder;
using DecodeTable = std::unordered_map<std::string_view, void (*)(Decoder &)>;

// Of opcodes that are floats' or integers'.
void DecodeFloatAdd(Decoder &d);
void DecodeFloatSub(Decoder &d);
void DecodeFloatMul(Decoder &d);
void DecodeFloatDiv(Decoder &d);
void DecodeFloatMin(Decoder &d);
void DecodeFloatMax(Decoder &d);
void DecodeFloatAbs(Decoder &d);
void DecodeFloatNeg(Decoder &d);

void AddFloats(DecodeTable &table);
void AddIntegers(DecodeTable &table);
void AddComparisons(DecodeTable &table);
void AddConversions(DecodeTable &table);
void AddMemory(DecodeTable &table);
void AddControl(DecodeTable &table);
void AddCollectives(DecodeTable &table);
void AddBarriers(DecodeTable &table);
void AddCopies(DecodeTable &table);
void AddMatrices(DecodeTable &table);
void AddWarpgroups(DecodeTable &table);

class Decoder {
public:
  // Names of variables: where they are, and of which space.
  struct Symbol {
    Space space;
    uint64_t address;
  };
  Decoder(const ParsedKernel &parsed, Kernel &kernel,
          const std::map<std::string, Symbol, std::less<>> &symbols);

  // Appends the instruction of a statement.
  void Decode(const Statement &statement, const DecodeTable &table);

  // The instruction in the making.
  Instruction out;
  Kernel &kernel;

  [[noreturn]] void Fail(const std::string &what) const;
  // That the emulator does not know this instruction, or these parts of its opcode.
  [[noreturn]] void Unknown() const;

  // Parts of the opcode behind its first: whether `part` is among those not yet taken, and takes
  // it.
  bool Take(std::string_view part);
  void Ignore(std::initializer_list<std::string_view> parts);
  // The first part that is a type; Fail when there is none.
  Type TakeType();
  // The same without taking it; kNone when there is none.
  Type PeekType() const;
  // 1 without .v2, .v4, .v8.
  uint32_t TakeVector();
  // Generic when no part is a space.
  Space TakeSpace();
  std::string_view opcode() const { return statement_->opcode; }

  size_t operands() const { return statement_->operands.size(); }
  const Operand &operand(size_t i);
  // The places of operands with values of `type`. A number becomes a constant.
  uint32_t Source(size_t i, Type type) { return Source(operand(i), type); }
  uint32_t Source(const Operand &operand, Type type);
  uint32_t Destination(size_t i, Type type) { return Destination(operand(i), type); }
  uint32_t Destination(const Operand &operand, Type type);
  uint32_t Predicate(size_t i) { return Source(operand(i), Type::kPred); }
  uint32_t Constant(uint32_t bytes, uint64_t bits);
  // The bytes of a register, or of a number `otherwise`.
  uint32_t RegisterBytes(const Operand &operand, uint32_t otherwise) const;
  // A list of values in {} (or one value) behind one another in Kernel::places.
  void List(const Operand &operand, Type type, bool write);
  // [register + offset], [variable + offset] in `space`: a and offset, or only offset with a ==
  // kNoPlace.
  void Address(size_t i, Space space);
  // An address as the place of its register, of 32 or 64 bits, and an offset: for instructions with
  // several.
  struct Place {
    uint32_t base = kNoPlace;
    bool wide = true;
    int64_t offset = 0;
  };
  Place AddressPlace(const Operand &operand, Space space);
  int64_t Immediate(size_t i);
  uint32_t Label(const std::string &name) const;
  const std::vector<std::string> &Targets(const std::string &table) const;
  Symbol Find(const std::string &name) const;

private:
  uint32_t RegisterPlace(const Operand &operand, uint32_t bytes, bool write);

  const ParsedKernel &parsed_;
  const std::map<std::string, Symbol, std::less<>> &symbols_;
  std::vector<uint32_t> register_places_;
  std::map<std::pair<uint32_t, uint64_t>, uint32_t> constants_;
  const Statement *statement_ = nullptr;
  std::vector<std::string_view> parts_;
};

} // namespace mirl::emulator

#endif // MIRL_EMULATOR_DECODE_H
