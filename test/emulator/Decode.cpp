#include "test/emulator/Decode.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "test/emulator/Fault.h"

namespace mirl::emulator {

namespace {

constexpr std::string_view kSpecialNames[kSpecials] = {
    "%tid.x",   "%tid.y",   "%tid.z",    "%ntid.x",   "%ntid.y",   "%ntid.z", "%ctaid.x",
    "%ctaid.y", "%ctaid.z", "%nctaid.x", "%nctaid.y", "%nctaid.z", "%laneid", "%warpid"};
constexpr uint32_t kRow = kLanes * 4;

uint64_t RoundUp(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

std::unordered_map<std::string_view, uint32_t> SpecialPlaces() {
  std::unordered_map<std::string_view, uint32_t> places;
  for (uint32_t i = 0; i < kSpecials; ++i)
    places[kSpecialNames[i]] = i * kRow;
  return places;
}

const DecodeTable &Table() {
  static const DecodeTable table = [] {
    DecodeTable made;
    for (auto add : {AddFloats, AddIntegers, AddComparisons, AddConversions, AddMemory, AddControl,
                     AddCollectives, AddBarriers, AddCopies, AddMatrices, AddWarpgroups})
      add(made);
    return made;
  }();
  return table;
}

} // namespace

Decoder::Decoder(const ParsedKernel &parsed, Kernel &kernel,
                 const std::map<std::string, Symbol, std::less<>> &symbols)
    : kernel(kernel), parsed_(parsed), symbols_(symbols) {
  uint32_t at = kSpecials * kRow;
  register_places_.resize(parsed.registers.size());
  // Predicates last: nothing else is so narrow.
  for (bool predicates : {false, true})
    for (size_t i = 0; i < parsed.registers.size(); ++i)
      if ((parsed.registers[i].type == Type::kPred) == predicates) {
        register_places_[i] = at;
        at += predicates ? 4 : kLanes * BytesOf(parsed.registers[i].type);
      }
  kernel.register_bytes = RoundUp(at, 64);
}

void Decoder::Fail(const std::string &what) const {
  throw Fault{kInvalidPtx, "PTX line " + std::to_string(statement_->line) + ", kernel " +
                               kernel.name + ": " + what};
}

void Decoder::Unknown() const { Fail("the emulator does not know '" + statement_->opcode + "'"); }

void Decoder::Decode(const Statement &statement, const DecodeTable &table) {
  statement_ = &statement;
  parts_.clear();
  std::string_view rest = statement.opcode;
  for (size_t dot; (dot = rest.find('.')) != rest.npos; rest = rest.substr(dot + 1))
    parts_.push_back(rest.substr(0, dot));
  parts_.push_back(rest);
  out = {};
  out.line = statement.line;
  out.touched = static_cast<uint32_t>(kernel.touched.size());
  if (statement.guard >= 0) {
    out.guard = register_places_[statement.guard];
    out.guard_negated = statement.guard_negated;
  }
  auto entry = table.find(parts_.front());
  if (entry == table.end())
    Fail("the emulator does not know the instruction '" + statement.opcode + "'");
  parts_.erase(parts_.begin());
  entry->second(*this);
  if (out.control && out.track == Track::kValues)
    out.track = Track::kStrict;
  if (!parts_.empty())
    Fail("the emulator does not know '." + std::string(parts_.front()) + "' of '" +
         statement.opcode + "'");
  out.touched_count = static_cast<uint32_t>(kernel.touched.size()) - out.touched;
  kernel.code.push_back(out);
}

bool Decoder::Take(std::string_view part) {
  auto it = std::find(parts_.begin(), parts_.end(), part);
  if (it == parts_.end())
    return false;
  parts_.erase(it);
  return true;
}

void Decoder::Ignore(std::initializer_list<std::string_view> parts) {
  for (std::string_view part : parts)
    Take(part);
}

Type Decoder::PeekType() const {
  for (std::string_view part : parts_)
    if (Type type = TypeNamed(part); type != Type::kNone)
      return type;
  return Type::kNone;
}

Type Decoder::TakeType() {
  for (size_t i = 0; i < parts_.size(); ++i)
    if (Type type = TypeNamed(parts_[i]); type != Type::kNone) {
      parts_.erase(parts_.begin() + i);
      return type;
    }
  Fail("'" + statement_->opcode + "' needs a type");
}

uint32_t Decoder::TakeVector() { return Take("v2") ? 2 : Take("v4") ? 4 : Take("v8") ? 8 : 1; }

Space Decoder::TakeSpace() {
  if (Take("global") || Take("const"))
    return Space::kGlobal;
  if (Take("shared") || Take("shared::cta"))
    return Space::kShared;
  if (Take("local"))
    return Space::kLocal;
  if (Take("param"))
    return Space::kParameter;
  return Space::kGeneric;
}

const Operand &Decoder::operand(size_t i) {
  if (i >= operands())
    Fail("'" + statement_->opcode + "' needs " + std::to_string(i + 1) + " operands, has " +
         std::to_string(operands()));
  return statement_->operands[i];
}

uint32_t Decoder::RegisterPlace(const Operand &operand, uint32_t bytes, bool write) {
  const Register &reg = parsed_.registers[operand.reg];
  bool predicate = reg.type == Type::kPred;
  if (predicate ? bytes != 1 : BytesOf(reg.type) != bytes)
    Fail("the register " + reg.name + " is not as wide as '" + statement_->opcode + "' needs");
  kernel.touched.push_back(register_places_[operand.reg] + write);
  return register_places_[operand.reg];
}

uint32_t Decoder::Constant(uint32_t bytes, uint64_t bits) {
  if (bytes < 8)
    bits &= (uint64_t{1} << (8 * bytes)) - 1;
  auto [it, added] = constants_.emplace(std::pair(bytes, bits), kernel.register_bytes);
  if (added) {
    kernel.constants.push_back({kernel.register_bytes, bytes, bits});
    kernel.register_bytes += kLanes * bytes;
  }
  return it->second;
}

uint32_t Decoder::RegisterBytes(const Operand &operand, uint32_t otherwise) const {
  return operand.kind == Operand::Kind::kRegister ? BytesOf(parsed_.registers[operand.reg].type)
                                                  : otherwise;
}

uint32_t Decoder::Source(const Operand &operand, Type type) {
  uint32_t bytes = BytesOf(type);
  switch (operand.kind) {
  case Operand::Kind::kRegister:
    if (operand.negated || operand.offset)
      Fail("a negated or moved register is not served here");
    return RegisterPlace(operand, bytes, false);
  case Operand::Kind::kInteger:
    if (type == Type::kPred)
      return Constant(4, operand.bits ? ~0u : 0);
    return Constant(bytes, operand.bits);
  case Operand::Kind::kFloat32:
  case Operand::Kind::kFloat64:
    if (bytes != (operand.kind == Operand::Kind::kFloat32 ? 4 : 8))
      Fail("the number is not as wide as '" + statement_->opcode + "' needs");
    return Constant(bytes, operand.bits);
  case Operand::Kind::kName: {
    static const auto special = SpecialPlaces();
    if (auto it = special.find(operand.name); it != special.end()) {
      if (bytes != 4)
        Fail(operand.name + " has 32 bits");
      return it->second;
    }
    return Constant(bytes, Find(operand.name).address + operand.offset);
  }
  default:
    Fail("an operand of '" + statement_->opcode + "' is no register or number");
  }
}

uint32_t Decoder::Destination(const Operand &operand, Type type) {
  if (operand.kind != Operand::Kind::kRegister || operand.negated)
    Fail("the result of '" + statement_->opcode + "' needs a register");
  return RegisterPlace(operand, BytesOf(type), true);
}

void Decoder::List(const Operand &operand, Type type, bool write) {
  std::vector<Operand> one{operand};
  const std::vector<Operand> &parts = operand.kind == Operand::Kind::kVector ? operand.parts : one;
  if (!out.count)
    out.list = static_cast<uint32_t>(kernel.places.size());
  std::vector<uint32_t> places;
  for (const Operand &part : parts)
    places.push_back(!write                              ? Source(part, type)
                     : part.kind == Operand::Kind::kSink ? kNoPlace
                                                         : Destination(part, type));
  kernel.places.insert(kernel.places.end(), places.begin(), places.end());
  out.count += static_cast<uint32_t>(places.size());
}

Decoder::Symbol Decoder::Find(const std::string &name) const {
  auto it = symbols_.find(name);
  if (it == symbols_.end())
    Fail("there is no variable " + name);
  return it->second;
}

Decoder::Place Decoder::AddressPlace(const Operand &operand, Space space) {
  if (operand.kind != Operand::Kind::kAddress)
    Fail("'" + statement_->opcode + "' needs an address in []");
  Place place;
  place.offset = operand.offset;
  if (operand.has_register) {
    uint32_t bytes = BytesOf(parsed_.registers[operand.reg].type);
    if (bytes != 4 && bytes != 8)
      Fail("an address has 32 or 64 bits");
    place.base = RegisterPlace(operand, bytes, false);
    place.wide = bytes == 8;
  } else if (!operand.name.empty()) {
    Symbol symbol = Find(operand.name);
    if (symbol.space != space)
      Fail("the variable " + operand.name + " is in another space");
    place.offset += static_cast<int64_t>(symbol.address);
  }
  return place;
}

void Decoder::Address(size_t i, Space space) {
  Place place = AddressPlace(operand(i), space);
  out.narrow_address = !place.wide;
  out.a = place.base;
  out.offset = place.offset;
  out.space = space;
}

int64_t Decoder::Immediate(size_t i) {
  if (operand(i).kind != Operand::Kind::kInteger)
    Fail("operand " + std::to_string(i + 1) + " of '" + statement_->opcode + "' must be a number");
  return static_cast<int64_t>(operand(i).bits);
}

uint32_t Decoder::Label(const std::string &name) const {
  auto it = parsed_.labels.find(name);
  if (it == parsed_.labels.end())
    Fail("there is no label " + name);
  return it->second;
}

const std::vector<std::string> &Decoder::Targets(const std::string &table) const {
  auto it = parsed_.tables.find(table);
  if (it == parsed_.tables.end())
    Fail("there is no list of labels " + table);
  return it->second;
}

std::string_view Program::Line(int line) const {
  if (line < 1 || static_cast<size_t>(line) > lines.size())
    return {};
  std::string_view found = lines[line - 1];
  size_t begin = found.find_first_not_of(" \t");
  return begin == found.npos ? std::string_view() : found.substr(begin);
}

std::unique_ptr<Program> Load(std::string_view text) {
  auto program = std::make_unique<Program>();
  program->text = text;
  std::string_view rest = program->text;
  while (!rest.empty()) {
    size_t end = std::min(rest.find('\n'), rest.size());
    program->lines.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  ParsedModule parsed = Parse(program->text);
  std::map<std::string, Decoder::Symbol, std::less<>> outside;
  for (const Variable &variable : parsed.global) {
    auto memory = std::make_unique<uint8_t[]>(variable.bytes + 64);
    uint64_t address = RoundUp(reinterpret_cast<uint64_t>(memory.get()), 64);
    std::memcpy(reinterpret_cast<void *>(address), variable.data.data(), variable.bytes);
    outside[variable.name] = {Space::kGlobal, address};
    program->variable_ranges.push_back({address, address + variable.bytes});
    program->variables.push_back(std::move(memory));
  }
  for (const ParsedKernel &entry : parsed.kernels) {
    auto kernel = std::make_unique<Kernel>();
    kernel->name = entry.name;
    kernel->parameters = entry.parameters;
    kernel->parameter_bytes = entry.parameter_bytes;
    kernel->most_threads = entry.most_threads;
    auto symbols = outside;
    for (const Variable &parameter : entry.parameters)
      symbols[parameter.name] = {Space::kParameter, parameter.offset};
    // Variables of a fixed size first, then the dynamic memory, which all its names share.
    uint64_t at = kSharedBegin;
    for (const std::vector<Variable> *variables : {&entry.shared, &std::as_const(parsed.shared)})
      for (const Variable &variable : *variables)
        if (!variable.dynamic) {
          at = RoundUp(at, variable.alignment);
          symbols[variable.name] = {Space::kShared, at};
          at += variable.bytes;
        }
    at = RoundUp(at, at == kSharedBegin ? 1 : 1024);
    for (const Variable &variable : parsed.shared)
      if (variable.dynamic)
        symbols[variable.name] = {Space::kShared, at};
    kernel->static_shared = static_cast<uint32_t>(at - kSharedBegin);
    at = 0;
    for (const Variable &variable : entry.local) {
      at = RoundUp(at, variable.alignment);
      symbols[variable.name] = {Space::kLocal, at};
      at += variable.bytes;
    }
    kernel->local_bytes = static_cast<uint32_t>(RoundUp(at, 16));
    Decoder decoder(entry, *kernel, symbols);
    for (const Statement &statement : entry.statements)
      decoder.Decode(statement, Table());
    // The end of a kernel, when no ret stands there.
    Statement end;
    end.opcode = "ret";
    decoder.Decode(end, Table());
    kernel->register_bytes = static_cast<uint32_t>(RoundUp(kernel->register_bytes, 64));
    program->kernels.push_back(std::move(kernel));
  }
  return program;
}

} // namespace mirl::emulator
