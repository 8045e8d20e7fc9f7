// The host program's part of a plan's checks: instructions, the values between them, what they
// name.

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

#include "runtime/artifact/Macros.h"
#include "runtime/artifact/Validate.h"

namespace mirl::rt {

namespace {

constexpr int kMaxInstructionDepth = 16;

const fb::Attribute *FindAttribute(const fb::Instruction &instruction, std::string_view key) {
  for (uint32_t i = 0; i < Length(instruction.attributes()); ++i)
    if (View(instruction.attributes()->Get(i)->key()) == key)
      return instruction.attributes()->Get(i);
  return nullptr;
}

class ProgramValidator {
public:
  explicit ProgramValidator(const fb::Plan &plan) : plan_(plan) {}

  // `values`: the names defined so far.
  absl::Status Program(const flatbuffers::Vector<flatbuffers::Offset<fb::Instruction>> *program,
                       std::set<std::string_view> values, int depth) {
    if (depth > kMaxInstructionDepth)
      return Invalid("the program is nested deeper than ", kMaxInstructionDepth);
    for (uint32_t i = 0; i < Length(program); ++i) {
      const fb::Instruction &instruction = *program->Get(i);
      if (absl::Status status = Instruction(instruction, values, depth); !status.ok())
        return depth ? status : Invalid("program, instruction ", i, ": ", status.message());
    }
    return absl::OkStatus();
  }

private:
  absl::Status Instruction(const fb::Instruction &instruction, std::set<std::string_view> &values,
                           int depth) {
    struct Shape {
      std::string_view op;
      uint32_t operands, results;
      bool body;
    };
    static constexpr Shape kShapes[] = {
        {"draw", 0, 1, false},  {"sample", 1, 1, false},   {"verify", 1, 1, false},
        {"score", 1, 0, false}, {"batches", 1, 1, true},   {"repeat", 0, 0, true},
        {"step", 1, 0, false},  {"evaluate", 0, 0, false}, {"rescore", 1, 0, false},
    };
    std::string_view op = View(instruction.op());
    const Shape *shape = std::find_if(std::begin(kShapes), std::end(kShapes),
                                      [&](const Shape &s) { return s.op == op; });
    if (shape == std::end(kShapes))
      return Invalid("unknown instruction '", op, "'");
    if (Length(instruction.operands()) != shape->operands ||
        Length(instruction.results()) != shape->results)
      return Invalid(op, " has ", Length(instruction.operands()), " operands and ",
                     Length(instruction.results()), " results; it must have ", shape->operands,
                     " and ", shape->results);
    if (!shape->body && Length(instruction.body()))
      return Invalid(op, " has a body");
    for (uint32_t i = 0; i < Length(instruction.operands()); ++i)
      if (!values.count(View(instruction.operands()->Get(i))))
        return Invalid(op, " uses '", View(instruction.operands()->Get(i)),
                       "', which nothing before it makes");

    auto text = [&](std::string_view key) {
      const fb::Attribute *attribute = FindAttribute(instruction, key);
      return attribute ? View(attribute->text()) : std::string_view();
    };
    auto number = [&](std::string_view key, double least) {
      const fb::Attribute *attribute = FindAttribute(instruction, key);
      double value = attribute ? attribute->number() : NAN;
      return value >= least && value <= 1e15 ? absl::OkStatus()
                                             : Invalid(op, " needs ", key, " >= ", least);
    };
    auto named = [&](const auto *vector, std::string_view key) {
      return FindNamed(vector, text(key))
                 ? absl::OkStatus()
                 : Invalid(op, ": there is no ", key, " '", text(key), "'");
    };
    if (op == "draw" || op == "evaluate")
      MIRL_TRY(named(plan_.datasets(), "dataset"));
    if (op == "draw") {
      MIRL_TRY(number("count", 1));
      if (!text("kind").empty() && text("kind") != "prompts" && text("kind") != "examples")
        return Invalid("draw of an unknown kind '", text("kind"), "'");
    }
    if (op == "sample" || op == "evaluate" || op == "rescore")
      MIRL_TRY(named(plan_.policies(), "policy"));
    if (op == "sample") {
      MIRL_TRY(number("n", 1));
      bool partial = false;
      for (std::string_view key : {"budget", "total_budget"}) {
        if (!FindAttribute(instruction, key))
          continue;
        partial = true;
        MIRL_TRY(text(key).empty() ? number(key, 1) : named(plan_.params(), key));
      }
      if (FindAttribute(instruction, "ready")) {
        if (partial)
          return Invalid("sample with ready and a budget");
        partial = true;
        MIRL_TRY(number("ready", 1));
      }
      if (partial) {
        MIRL_TRY(number("max_age", 1));
        MIRL_TRY(number("in_flight", 1));
        if (std::string_view cache = text("cache");
            !cache.empty() && cache != "keep" && cache != "recompute")
          return Invalid("sample with an unknown cache '", cache, "'");
      }
      if (FindAttribute(instruction, "repeat_ngram")) {
        MIRL_TRY(number("repeat_ngram", 1));
        MIRL_TRY(number("repeat_times", 2));
        MIRL_TRY(number("repeat_window", 2));
      }
    }
    if (op == "rescore" && View(FindNamed(plan_.policies(), text("policy"))->score()).empty())
      return Invalid("rescore: policy ", text("policy"), " has no score entry");
    if (op == "batches")
      MIRL_TRY(number("sequences", 1));
    if (op == "repeat")
      MIRL_TRY(number("count", 0));
    if (op == "step")
      MIRL_TRY(named(plan_.steps(), "step"));
    if (op == "score") {
      const fb::Entry *entry = FindNamed(plan_.entries(), text("entry"));
      if (!entry || entry->kind() != fb::EntryKind::reward)
        return Invalid("score: '", text("entry"), "' is not an entry of kind reward");
    }
    if (op == "verify" && text("kind") != "exact_answer" && text("kind") != "regex" &&
        text("kind") != "program")
      return Invalid("verify of an unknown kind '", text("kind"), "'");

    std::set<std::string_view> inner = values;
    for (uint32_t i = 0; i < Length(instruction.results()); ++i) {
      std::string_view result = View(instruction.results()->Get(i));
      if (result.empty())
        return Invalid(op, " has a result without a name");
      if (op == "verify")
        continue; // names a field of the trajectory
      inner.insert(result);
      if (!shape->body)
        values.insert(result);
    }
    return shape->body ? Program(instruction.body(), inner, depth + 1) : absl::OkStatus();
  }

  const fb::Plan &plan_;
};

} // namespace

absl::Status ValidateProgram(const fb::Plan &plan) {
  return ProgramValidator(plan).Program(plan.program(), {}, 0);
}

} // namespace mirl::rt
