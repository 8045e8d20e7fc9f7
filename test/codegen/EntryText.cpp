#include "EntryText.h"

namespace mirl::test {

static std::string comma(const std::string &list) { return list.empty() ? "" : ", "; }

std::string rows(int64_t columns, llvm::StringRef axis) {
  return "tensor<?x" + std::to_string(columns) + "xf32, #nn.axis<" + axis.str() + ">>";
}
std::string scalars(llvm::StringRef axis) { return "tensor<?xf32, #nn.axis<" + axis.str() + ">>"; }
std::string indices(llvm::StringRef axis) { return "tensor<?xi32, #nn.axis<" + axis.str() + ">>"; }
std::string offsetsOf(llvm::StringRef axis) { return "tensor<?xi32, #nn.axis<" + axis.str() + ", 1>>"; }
std::string fixed(llvm::ArrayRef<int64_t> shape, llvm::StringRef element) {
  std::string type = "tensor<";
  for (int64_t size : shape)
    type += std::to_string(size) + "x";
  return type + element.str() + ">";
}
std::string scalar(llvm::StringRef element) { return "tensor<" + element.str() + ">"; }

EntryText::Value EntryText::input(llvm::StringRef name, std::string type) {
  std::string n = name.str();
  arguments_ += comma(arguments_) + "%" + n + ": " + type + " {nn.name = \"" + n + "\", nn.source = \"input:" + n + "\"}";
  return {"%" + n, type};
}

EntryText::Value EntryText::variable(llvm::StringRef name, std::string type) {
  std::string n = name.str();
  variables_ += "nn.variable @" + n + " \"state\" \"test\" \"" + n + "\" init \"zeros\" : " + type + "\n";
  arguments_ += comma(arguments_) + "%" + n + ": " + type + " {nn.variable = @" + n + "}";
  return {"%" + n, type};
}

std::vector<EntryText::Value> EntryText::op(std::string form, std::vector<Value> operands, std::vector<std::string> results,
                                            std::string trailer) {
  std::vector<Value> values;
  std::string names, from, to;
  for (const std::string &type : results) {
    values.push_back({"%t" + std::to_string(next_++), type});
    names += comma(names) + values.back().name;
    to += comma(to) + type;
  }
  for (size_t i = 0; i < operands.size(); ++i) {
    from += comma(from) + operands[i].type;
    std::string hole = "{" + std::to_string(i) + "}";
    for (size_t at = form.find(hole); at != std::string::npos; at = form.find(hole))
      form.replace(at, hole.size(), operands[i].name);
  }
  if (trailer.empty())
    trailer = "(" + from + ") -> " + (results.size() == 1 ? to : "(" + to + ")");
  body_ += "  " + names + " = " + form + " : " + trailer + "\n";
  return values;
}

void EntryText::result(const Value &value) {
  std::string name = "r" + std::to_string(next_++);
  results_ += comma(results_) + value.type + " {nn.name = \"" + name + "\", nn.source = \"output:" + name + "\"}";
  types_ += comma(types_) + value.type;
  values_ += comma(values_) + value.name;
}

void EntryText::update(const Value &value, int64_t argument) {
  results_ += comma(results_) + value.type + " {nn.alias = " + std::to_string(argument) + " : i64}";
  types_ += comma(types_) + value.type;
  values_ += comma(values_) + value.name;
}

std::string EntryText::str() const {
  return variables_ + "func.func @e(" + arguments_ + ") -> (" + results_ +
         ")\n  attributes {nn.kind = \"plain\", nn.capacities = {context = 4096 : i64, token = 4096 : i64, sequence = 1024 "
         ": i64, group = 1024 : i64}} {\n" +
         body_ + "  return " + values_ + " : " + types_ + "\n}\n";
}

} // namespace mirl::test
