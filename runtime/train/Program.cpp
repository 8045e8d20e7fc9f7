#include "runtime/train/Program.h"

#include <algorithm>
#include <cmath>

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

namespace {

using Instructions = flatbuffers::Vector<flatbuffers::Offset<fb::Instruction>>;

const fb::Attribute *Find(const fb::Instruction &instruction, std::string_view key) {
  for (uint32_t i = 0; i < Length(instruction.attributes()); ++i)
    if (View(instruction.attributes()->Get(i)->key()) == key)
      return instruction.attributes()->Get(i);
  return nullptr;
}

const fb::Instruction *FindIn(const Instructions *list,
                              const std::function<bool(const fb::Instruction &)> &wanted) {
  for (uint32_t i = 0; i < Length(list); ++i) {
    if (wanted(*list->Get(i)))
      return list->Get(i);
    if (const fb::Instruction *found = FindIn(list->Get(i)->body(), wanted))
      return found;
  }
  return nullptr;
}

} // namespace

std::string InstructionPlace(const fb::Instruction &instruction) {
  const fb::Source *source = instruction.source();
  if (!source || View(source->file()).empty())
    return Cat(View(instruction.op()), ": ");
  return Cat(View(source->file()), ":", source->line(), ":", source->column(), ": ",
             View(instruction.op()), ": ");
}

std::string Text(const fb::Instruction &instruction, std::string_view key,
                 std::string_view otherwise) {
  const fb::Attribute *attribute = Find(instruction, key);
  return std::string(attribute ? View(attribute->text()) : otherwise);
}

double Number(const fb::Instruction &instruction, std::string_view key, double otherwise) {
  const fb::Attribute *attribute = Find(instruction, key);
  return attribute ? attribute->number() : otherwise;
}

bool Has(const fb::Instruction &instruction, std::string_view key) {
  return Find(instruction, key) != nullptr;
}

const fb::Instruction *FindInstruction(const Plan &plan,
                                       const std::function<bool(const fb::Instruction &)> &wanted) {
  return FindIn(plan.root().program(), wanted);
}

SampleOptions ReadSampleOptions(const fb::Instruction &instruction) {
  SampleOptions options;
  options.n = static_cast<int64_t>(Number(instruction, "n", 1));
  options.temperature = static_cast<float>(Number(instruction, "temperature", 1));
  options.top_k = static_cast<int32_t>(std::clamp(Number(instruction, "top_k", 0), 0.0, 1e9));
  options.top_p = static_cast<float>(Number(instruction, "top_p", 1));
  options.max_tokens = static_cast<int64_t>(Number(instruction, "max_tokens", 1));
  options.repeat.ngram = static_cast<int64_t>(Number(instruction, "repeat_ngram", 0));
  options.repeat.times = static_cast<int64_t>(Number(instruction, "repeat_times", 0));
  options.repeat.window = static_cast<int64_t>(Number(instruction, "repeat_window", 0));
  return options;
}

absl::StatusOr<Budgets> ReadBudgets(const fb::Instruction &sample, const Params &params) {
  Budgets budgets;
  for (auto [key, budget] :
       {std::pair{"budget", &budgets.sequence}, {"total_budget", &budgets.total}}) {
    if (!Has(sample, key))
      continue;
    budgets.partial = true;
    double value = Number(sample, key, 0);
    std::string param = Text(sample, key);
    if (!param.empty()) {
      auto found = params.find(param);
      value = found == params.end() ? NAN : found->second;
    }
    if (!(value >= 1 && value < 1e15) || value != std::floor(value))
      return Invalid(InstructionPlace(sample), key, " must be a whole number of tokens, at least 1; ",
                     param.empty() ? "" : Cat("the parameter ", param, " "), "is ", value);
    *budget = static_cast<int64_t>(value);
  }
  if (Has(sample, "ready")) {
    budgets.partial = true;
    budgets.ready = static_cast<int64_t>(Number(sample, "ready", 1));
  }
  if (budgets.partial) {
    budgets.max_age = static_cast<int64_t>(Number(sample, "max_age", 1));
    budgets.in_flight = static_cast<int64_t>(Number(sample, "in_flight", 1));
    budgets.keep = Text(sample, "cache") == "keep";
  }
  return budgets;
}

namespace {

// Groups and the responses of each.
struct Size {
  int64_t groups = 0, n = 1;
};

int64_t CountUpdates(const Plan &plan, const Instructions *program, std::string_view policy,
                     const std::map<const fb::Instruction *, int64_t> &handed,
                     std::map<std::string_view, Size> sizes) {
  int64_t updates = 0;
  for (uint32_t i = 0; i < Length(program); ++i) {
    const fb::Instruction &instruction = *program->Get(i);
    std::string_view op = View(instruction.op());
    auto operand = [&] { return sizes[View(instruction.operands()->Get(0))]; };
    if (op == "draw") {
      sizes[View(instruction.results()->Get(0))] = {
          static_cast<int64_t>(Number(instruction, "count", 1)), 1};
    } else if (op == "sample") {
      auto known = handed.find(&instruction);
      auto most = operand().groups * static_cast<int64_t>(Number(instruction, "in_flight", 1));
      sizes[View(instruction.results()->Get(0))] = {
          known != handed.end()
              ? known->second
              : std::min(most, static_cast<int64_t>(Number(instruction, "ready", static_cast<double>(most)))),
          static_cast<int64_t>(Number(instruction, "n", 1))};
    } else if (op == "batches") {
      // Whole groups, as many as there is room for, one at least.
      Size whole = operand();
      int64_t groups = std::max<int64_t>(
          1, static_cast<int64_t>(Number(instruction, "sequences", 1)) / std::max<int64_t>(whole.n, 1));
      sizes[View(instruction.results()->Get(0))] = {std::min(groups, whole.groups), whole.n};
      updates += (whole.groups + groups - 1) / groups *
                 CountUpdates(plan, instruction.body(), policy, handed, sizes);
    } else if (op == "repeat") {
      updates += static_cast<int64_t>(Number(instruction, "count", 0)) *
                 CountUpdates(plan, instruction.body(), policy, handed, sizes);
    } else if (op == "step") {
      const fb::Step *step = plan.FindStep(Text(instruction, "step"));
      const fb::Optimizer *optimizer = step ? plan.FindOptimizer(View(step->optimizer())) : nullptr;
      updates += optimizer && View(optimizer->policy()) == policy;
    }
  }
  return updates;
}

} // namespace

int64_t MaxUpdates(const Plan &plan, std::string_view policy,
                   const std::map<const fb::Instruction *, int64_t> &handed) {
  return CountUpdates(plan, plan.root().program(), policy, handed, {});
}

VerifierOptions ReadVerifierOptions(const fb::Instruction &instruction) {
  VerifierOptions options;
  options.kind = Text(instruction, "kind");
  options.pattern = Text(instruction, "pattern");
  options.field = Text(instruction, "field", "answer");
  options.command = Text(instruction, "command");
  options.timeout = Number(instruction, "timeout", 10);
  options.workers = static_cast<int>(std::clamp(Number(instruction, "workers", 1), 1.0, 4096.0));
  return options;
}

absl::Status CheckProgram(const Plan &plan) {
  absl::Status status;
  FindInstruction(plan, [&](const fb::Instruction &instruction) {
    for (const char *key : {"count", "n", "top_k", "max_tokens", "sequences", "every", "max_age",
                            "in_flight", "ready", "workers", "repeat_ngram", "repeat_times", "repeat_window"}) {
      double value = Number(instruction, key, 0);
      if (status.ok() && (!(value >= 0 && value < 1e9) || value != std::floor(value)))
        status = Invalid(InstructionPlace(instruction), key, " must be a whole number, is ", value);
    }
    std::string_view op = View(instruction.op());
    if (status.ok() && op == "sample")
      if (absl::Status repeat = CheckRepeat(ReadSampleOptions(instruction).repeat); !repeat.ok())
        status = Invalid(InstructionPlace(instruction), repeat.message());
    if (status.ok() && (op == "verify" || (op == "evaluate" && Has(instruction, "kind"))))
      if (auto verifier = Verifier::Create(ReadVerifierOptions(instruction)); !verifier.ok())
        status = Invalid(InstructionPlace(instruction), verifier.status().message());
    return false;
  });
  return status;
}

} // namespace mirl::rt
