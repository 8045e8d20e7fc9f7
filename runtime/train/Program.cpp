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

std::string Where(const fb::Instruction &instruction) {
  const fb::Source *source = instruction.source();
  if (!source || View(source->file()).empty())
    return Cat(View(instruction.op()), ": ");
  return Cat(View(source->file()), ":", source->line(), ":", source->column(), ": ",
             View(instruction.op()), ": ");
}

} // namespace

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
  return options;
}

VerifierOptions ReadVerifierOptions(const fb::Instruction &instruction) {
  VerifierOptions options;
  options.kind = Text(instruction, "kind");
  options.pattern = Text(instruction, "pattern");
  options.field = Text(instruction, "field", "answer");
  options.command = Text(instruction, "command");
  options.timeout = Number(instruction, "timeout", 10);
  return options;
}

absl::Status CheckProgram(const Plan &plan) {
  absl::Status status;
  FindInstruction(plan, [&](const fb::Instruction &instruction) {
    for (const char *key : {"count", "n", "top_k", "max_tokens", "sequences", "every"}) {
      double value = Number(instruction, key, 0);
      if (status.ok() && (!(value >= 0 && value < 1e9) || value != std::floor(value)))
        status = Invalid(Where(instruction), key, " must be a whole number, is ", value);
    }
    std::string_view op = View(instruction.op());
    if (status.ok() && (op == "verify" || (op == "evaluate" && Has(instruction, "kind"))))
      if (auto verifier = Verifier::Create(ReadVerifierOptions(instruction)); !verifier.ok())
        status = Invalid(Where(instruction), verifier.status().message());
    return false;
  });
  return status;
}

} // namespace mirl::rt
