#include "test/emulator/Parse.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "test/emulator/Fault.h"
#include "test/emulator/Tokens.h"

namespace mirl::emulator {

namespace {

struct TypeInfo {
  std::string_view name;
  uint8_t bytes;
  char kind; // p, b, u, s, f
};
// In the order of Type.
constexpr TypeInfo kTypes[] = {
    {"", 0, '-'},    {"pred", 1, 'p'}, {"b8", 1, 'b'},  {"u8", 1, 'u'},  {"s8", 1, 's'},
    {"b16", 2, 'b'}, {"u16", 2, 'u'},  {"s16", 2, 's'}, {"f16", 2, 'f'}, {"bf16", 2, 'f'},
    {"b32", 4, 'b'}, {"u32", 4, 'u'},  {"s32", 4, 's'}, {"f32", 4, 'f'}, {"bf16x2", 4, 'f'},
    {"b64", 8, 'b'}, {"u64", 8, 'u'},  {"s64", 8, 's'}, {"f64", 8, 'f'}};

// Names that hold in one pair of braces.
struct Scope {
  int id = 0;
  std::unordered_map<std::string, uint32_t> registers;
  struct Family {
    std::string prefix;
    uint32_t count = 0, first = 0;
  };
  std::vector<Family> families;
};

class Parser {
public:
  explicit Parser(std::string_view text) : tokens_(Tokenize(text)) {}

  ParsedModule Run() {
    while (Here().kind != Token::Kind::kEnd)
      TopLevel();
    return std::move(module_);
  }

private:
  const Token &Here(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  bool Is(std::string_view text) const {
    return Here().kind != Token::Kind::kString && Here().kind != Token::Kind::kEnd &&
           Here().text == text;
  }
  [[noreturn]] void Fail(const std::string &what) const {
    throw Fault{kInvalidPtx, "PTX line " + std::to_string(Here().line) + ": " + what};
  }
  bool Accept(std::string_view text) {
    if (!Is(text))
      return false;
    ++at_;
    return true;
  }
  void Expect(std::string_view text) {
    if (!Accept(text))
      Fail("expected '" + std::string(text) + "', found '" + std::string(Here().text) + "'");
  }
  std::string Word() {
    if (Here().kind != Token::Kind::kWord)
      Fail("expected a name, found '" + std::string(Here().text) + "'");
    return std::string(tokens_[at_++].text);
  }
  int64_t Integer() {
    bool negative = Accept("-");
    if (Here().kind != Token::Kind::kInteger)
      Fail("expected an integer, found '" + std::string(Here().text) + "'");
    int64_t value = static_cast<int64_t>(tokens_[at_++].bits);
    return negative ? -value : value;
  }
  void SkipLine() {
    for (int line = Here().line; Here().line == line && Here().kind != Token::Kind::kEnd;)
      ++at_;
  }

  void TopLevel() {
    if (Is(".version") || Is(".target") || Is(".address_size") || Is(".file"))
      return SkipLine();
    bool external = false;
    while (Is(".visible") || Is(".extern") || Is(".weak") || Is(".common"))
      external |= tokens_[at_++].text == ".extern";
    if (Accept(".entry"))
      return Kernel();
    if (Is(".shared")) {
      module_.shared.push_back(Declaration(external));
      return;
    }
    if (Is(".global") || Is(".const")) {
      module_.global.push_back(Declaration(external));
      return;
    }
    Fail("the emulator does not know '" + std::string(Here().text) + "' outside a kernel");
  }

  // .space [.align N] .type name[count] [= {…}];
  Variable Declaration(bool external) {
    Variable variable;
    ++at_;
    if (Accept(".align"))
      variable.alignment = Integer();
    std::string type = Word();
    uint64_t bytes = BytesOf(TypeNamed(std::string_view(type).substr(1)));
    if (!bytes)
      Fail("a variable of the type '" + type + "'");
    variable.alignment = std::max(variable.alignment, bytes);
    variable.name = Word();
    variable.bytes = bytes;
    if (Accept("[")) {
      if (Is("]"))
        variable.dynamic = external;
      else
        variable.bytes *= Integer();
      Expect("]");
    }
    if (variable.dynamic)
      variable.bytes = 0;
    if (Accept("=")) {
      bool list = Accept("{");
      do {
        uint64_t bits =
            Here().kind == Token::Kind::kInteger || Is("-") ? Integer() : tokens_[at_++].bits;
        for (uint64_t i = 0; i < bytes; ++i)
          variable.data.push_back(bits >> (8 * i) & 255);
      } while (Accept(","));
      if (list)
        Expect("}");
    }
    variable.data.resize(variable.bytes);
    Expect(";");
    return variable;
  }

  void Kernel() {
    kernel_ = {};
    kernel_.name = Word();
    Expect("(");
    uint64_t at = 0;
    while (!Accept(")")) {
      Expect(".param");
      Variable parameter;
      if (Accept(".align"))
        parameter.alignment = Integer();
      std::string type = Word();
      uint64_t bytes = BytesOf(TypeNamed(std::string_view(type).substr(1)));
      if (!bytes)
        Fail("a parameter of the type '" + type + "'");
      while (Is(".ptr") || Is(".global") || Is(".align"))
        if (tokens_[at_++].text == ".align")
          Integer(); // of what it points to
      parameter.alignment = std::max(parameter.alignment, bytes);
      parameter.name = Word();
      parameter.bytes = bytes;
      if (Accept("[")) {
        parameter.bytes *= Integer();
        Expect("]");
      }
      at = (at + parameter.alignment - 1) / parameter.alignment * parameter.alignment;
      parameter.offset = at;
      at += parameter.bytes;
      kernel_.parameters.push_back(parameter);
      Accept(",");
    }
    kernel_.parameter_bytes = at;
    while (!Is("{")) {
      std::string directive = Word();
      std::vector<int64_t> numbers;
      while (Here().kind == Token::Kind::kInteger) {
        numbers.push_back(Integer());
        Accept(",");
      }
      if (directive == ".maxntid" || directive == ".reqntid") {
        kernel_.most_threads = 1;
        for (int64_t n : numbers)
          kernel_.most_threads *= n;
      } else if (directive != ".minnctapersm" && directive != ".maxnreg") {
        Fail("the emulator does not know '" + directive + "'");
      }
    }
    Body();
    module_.kernels.push_back(std::move(kernel_));
  }

  void Body() {
    Expect("{");
    scopes_ = {Scope{}};
    parents_ = {-1};
    references_.clear();
    while (!scopes_.empty()) {
      if (Here().kind == Token::Kind::kEnd)
        Fail("the kernel " + kernel_.name + " has no end");
      if (Accept("{")) {
        parents_.push_back(scopes_.back().id);
        scopes_.push_back({static_cast<int>(parents_.size()) - 1, {}, {}});
      } else if (Accept("}")) {
        scopes_.pop_back();
      } else {
        Line();
      }
    }
    // A label holds in the braces that it stands in, before and behind itself.
    for (auto &[statement, operand, scope, line] : references_)
      Resolve(kernel_.statements[statement].operands[operand].name, scope, line);
    for (auto &[name, scope, line] : listed_)
      for (std::string &label : kernel_.tables[name])
        Resolve(label, scope, line);
    listed_.clear();
  }

  static std::string Scoped(const std::string &label, int scope) {
    return scope ? label + "@" + std::to_string(scope) : label;
  }

  void Resolve(std::string &name, int scope, int line) {
    for (; scope >= 0; scope = parents_[scope])
      if (std::string scoped = Scoped(name, scope); kernel_.labels.count(scoped)) {
        name = scoped;
        return;
      }
    throw Fault{kInvalidPtx, "PTX line " + std::to_string(line) + ": there is no label " + name};
  }

  void Line() {
    if (Is(".loc"))
      return SkipLine();
    if (Accept(".pragma")) {
      ++at_;
      return Expect(";");
    }
    if (Accept(".reg"))
      return Registers();
    if (Is(".shared")) {
      kernel_.shared.push_back(Declaration(false));
      return;
    }
    if (Is(".local")) {
      Variable variable = Declaration(false);
      variable.data.clear();
      kernel_.local.push_back(variable);
      return;
    }
    if (Here().kind == Token::Kind::kWord && Here(1).kind == Token::Kind::kSign &&
        Here(1).text == ":") {
      std::string label = Word();
      Expect(":");
      if (Accept(".branchtargets")) {
        std::vector<std::string> &table = kernel_.tables[label];
        do
          table.push_back(Word());
        while (Accept(","));
        listed_.push_back({label, scopes_.back().id, Here().line});
        return Expect(";");
      }
      uint32_t place = static_cast<uint32_t>(kernel_.statements.size());
      if (!kernel_.labels.emplace(Scoped(label, scopes_.back().id), place).second)
        Fail("the label " + label + " is there twice");
      return;
    }
    ReadStatement();
  }

  void Registers() {
    std::string word = Word();
    Type type = TypeNamed(std::string_view(word).substr(1));
    if (type == Type::kNone)
      Fail("a register of the type '" + word + "'");
    do {
      std::string name = Word();
      uint32_t first = static_cast<uint32_t>(kernel_.registers.size()), count = 1;
      if (Accept("<")) {
        count = static_cast<uint32_t>(Integer());
        Expect(">");
        scopes_.back().families.push_back({name, count, first});
        for (uint32_t i = 0; i < count; ++i)
          kernel_.registers.push_back({name + std::to_string(i), type});
      } else {
        scopes_.back().registers[name] = first;
        kernel_.registers.push_back({name, type});
      }
    } while (Accept(","));
    Expect(";");
  }

  std::optional<uint32_t> FindRegister(const std::string &name) const {
    size_t digits = name.size();
    while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9')
      --digits;
    for (size_t s = scopes_.size(); s-- > 0;) {
      if (auto it = scopes_[s].registers.find(name); it != scopes_[s].registers.end())
        return it->second;
      if (digits == name.size() || name.size() - digits > 9)
        continue;
      uint32_t number = static_cast<uint32_t>(std::stoul(name.substr(digits)));
      for (const Scope::Family &family : scopes_[s].families)
        if (number < family.count && name.compare(0, digits, family.prefix) == 0)
          return family.first + number;
    }
    return std::nullopt;
  }

  void ReadStatement() {
    Statement statement;
    statement.line = Here().line;
    if (Accept("@")) {
      statement.guard_negated = Accept("!");
      std::string name = Word();
      std::optional<uint32_t> reg = FindRegister(name);
      if (!reg)
        Fail("there is no register " + name);
      statement.guard = static_cast<int>(*reg);
    }
    statement.opcode = Word();
    if (!Is(";"))
      do
        statement.operands.push_back(ReadOperand());
      while (Accept(","));
    Expect(";");
    bool branches = statement.opcode.compare(0, 3, "bra") == 0;
    if (branches && !statement.operands.empty())
      references_.push_back({kernel_.statements.size(), 0, scopes_.back().id, statement.line});
    kernel_.statements.push_back(std::move(statement));
  }

  Operand ReadOperand() {
    Operand operand;
    if (Accept("{")) {
      operand.kind = Operand::Kind::kVector;
      do
        operand.parts.push_back(ReadOperand());
      while (Accept(","));
      Expect("}");
      return operand;
    }
    if (Accept("[")) {
      operand = ReadOperand();
      if (operand.kind == Operand::Kind::kRegister)
        operand.has_register = true;
      else if (operand.kind == Operand::Kind::kInteger)
        operand.offset = static_cast<int64_t>(operand.bits);
      else if (operand.kind != Operand::Kind::kName)
        Fail("this is no address");
      operand.kind = Operand::Kind::kAddress;
      if (Accept(","))
        operand.parts = ReadOperand().parts;
      Expect("]");
      return operand;
    }
    if (Accept("!")) {
      operand = ReadOperand();
      operand.negated = true;
      return operand;
    }
    if (Is("-") || Here().kind == Token::Kind::kInteger) {
      operand.kind = Operand::Kind::kInteger;
      operand.bits = static_cast<uint64_t>(Integer());
      return operand;
    }
    if (Here().kind == Token::Kind::kFloat32 || Here().kind == Token::Kind::kFloat64) {
      operand.kind =
          Here().kind == Token::Kind::kFloat32 ? Operand::Kind::kFloat32 : Operand::Kind::kFloat64;
      operand.bits = tokens_[at_++].bits;
      return operand;
    }
    operand.name = Word();
    if (operand.name == "_") {
      operand.kind = Operand::Kind::kSink;
      return operand;
    }
    if (std::optional<uint32_t> reg = FindRegister(operand.name)) {
      operand.kind = Operand::Kind::kRegister;
      operand.reg = *reg;
    }
    if (Accept("+"))
      operand.offset = Integer();
    else if (Is("-"))
      operand.offset = Integer();
    if (Accept("|"))
      operand.parts.push_back(ReadOperand());
    return operand;
  }

  struct Reference {
    size_t statement, operand;
    int scope, line;
  };
  struct Listed {
    std::string name;
    int scope, line;
  };

  std::vector<Token> tokens_;
  size_t at_ = 0;
  ParsedModule module_;
  ParsedKernel kernel_;
  std::vector<Scope> scopes_;
  std::vector<int> parents_;
  std::vector<Reference> references_;
  std::vector<Listed> listed_;
};

} // namespace

Type TypeNamed(std::string_view name) {
  for (size_t i = 1; i < std::size(kTypes); ++i)
    if (kTypes[i].name == name)
      return static_cast<Type>(i);
  return Type::kNone;
}

uint32_t BytesOf(Type type) { return kTypes[static_cast<size_t>(type)].bytes; }
bool IsSigned(Type type) { return kTypes[static_cast<size_t>(type)].kind == 's'; }
bool IsFloat(Type type) { return kTypes[static_cast<size_t>(type)].kind == 'f'; }
Type BitsType(uint32_t bytes) {
  return bytes == 2 ? Type::kB16 : bytes == 4 ? Type::kB32 : Type::kB64;
}

ParsedModule Parse(std::string_view text) { return Parser(text).Run(); }

} // namespace mirl::emulator
