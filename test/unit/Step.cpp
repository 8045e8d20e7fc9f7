#include "test/unit/Step.h"

#include "dialects/plan/Plan.h"
#include "frontend/Compile.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <unistd.h>

using namespace mlir;

namespace mirl::test {

std::string tinyConfig(bool tied) {
  return std::string(R"({"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 6, "vocab_size": 9, "rms_norm_eps": 1e-6, "tie_word_embeddings": )") +
         (tied ? "true}" : "false}");
}

OwningOpRef<ModuleOp> compileProgram(const std::string &text, const std::string &config, const std::string &pipeline, std::string *errors) {
  static int number = 0;
  std::filesystem::path folder = std::filesystem::path(testing::TempDir()) /
                                 ("mirl-unit-" + std::to_string(::getpid()) + "-" + std::to_string(number++));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "config.json") << config;
  std::ofstream(folder / "main.mirl") << text;
  frontend::FrontendOptions options;
  options.file = (folder / "main.mirl").string();
  options.modelDir = folder.string();
  options.libraryDir = std::string(MIRL_REPOSITORY) + "/frontend";
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  OwningOpRef<ModuleOp> module = frontend::compile(context(), options, nullptr, stream);
  std::filesystem::remove_all(folder);
  if (!module)
    ADD_FAILURE() << "the frontend refuses the program: " << messages << text;
  if (module && !run(*module, pipeline, errors))
    return nullptr;
  return module;
}

std::string programOf(const std::string &loss, bool reference) {
  return "use model \"qwen2\"\nuse \"losses\"\ncapacity context = 16\nparam tau: f32 = 0.1\nparam lr: f32 = 1e-3\n"
         "data prompts = \"p.jsonl\"\npolicy pi = qwen2()\n" +
         std::string(reference ? "policy ref_policy = frozen qwen2()\n" : "") +
         "optimizer opt = adamw(pi, lr = lr)\n"
         "step rollout(x: prompts) -> trajectory {\n"
         "  let y = sample(pi, x, n = 2, temperature = 1.0, max_tokens = 8)\n"
         "  return score(y, exact_answer(y, field = \"answer\"))\n}\n"
         "step train(y: trajectory) {\n  let logp = logprob(pi, y)\n" +
         std::string(reference ? "  let ref = logprob(ref_policy, y)\n" : "") + "  minimize(" + loss +
         ", opt)\n}\niteration {\n  train(rollout(draw(prompts, 4)))\n}\n";
}

Sequences randomSequences(int64_t groups, int64_t size, int64_t vocabulary, unsigned seed) {
  std::mt19937 generator(seed);
  auto below = [&](int64_t n) { return static_cast<double>(generator() % static_cast<uint64_t>(n)); };
  auto tokens = [&](int64_t n) {
    std::vector<double> out;
    for (int64_t i = 0; i < n; ++i)
      out.push_back(below(vocabulary));
    return out;
  };
  Sequences sequences;
  for (int64_t g = 0; g < groups; ++g) {
    sequences.groups.push_back(static_cast<int64_t>(sequences.all.size()));
    std::vector<double> prompt = tokens(1 + static_cast<int64_t>(below(4)));
    for (int64_t k = 0; k < size; ++k) {
      Sequences::One one;
      one.prompt = prompt;
      one.response = tokens(1 + static_cast<int64_t>(below(5)));
      for (size_t i = 0; i < one.response.size(); ++i)
        one.logprob.push_back(-3 + 2 * (generator() * 0x1p-32));
      one.reward = generator() * 0x1p-32;
      sequences.all.push_back(std::move(one));
    }
  }
  sequences.groups.push_back(static_cast<int64_t>(sequences.all.size()));
  return sequences;
}

static std::string variableOf(func::FuncOp function, unsigned argument) {
  auto variable = function.getArgAttrOfType<FlatSymbolRefAttr>(argument, nn::attr::kVariable);
  return variable ? variable.getValue().str() : "";
}

Variables makeVariables(ModuleOp module, unsigned seed) {
  Variables variables;
  for (auto variable : module.getOps<nn::VariableOp>()) {
    std::vector<int64_t> shape = shapeOf(cast<RankedTensorType>(variable.getType()), {});
    bool norm = variable.getInit() == "ones";
    variables[variable.getSymName().str()] = variable.getKind() != "weight" ? filled(shape, 0)
                                             : norm                         ? random(shape, ++seed, 0.5, 1.5)
                                                                            : random(shape, ++seed, -0.6, 0.6);
  }
  return variables;
}

namespace {

// Sequences [begin, end) packed, with the groups they touch; offsets count from the range's start.
struct Packed {
  std::map<std::string, std::vector<double>> ports;
  Extents extents;
  Extents offset; // of the range's first row on each axis
};

Packed pack(const Sequences &sequences, int64_t begin, int64_t end) {
  Packed out;
  auto &p = out.ports;
  auto size = [&](const char *port) { return static_cast<int64_t>(p[port].size()); };
  for (int64_t s = 0; s < begin; ++s)
    out.offset.token += static_cast<int64_t>(sequences.all[s].response.size());
  out.offset.sequence = begin;
  p["sequence_offsets"] = p["token_offsets"] = {0};
  for (int64_t s = begin; s < end; ++s) {
    const Sequences::One &one = sequences.all[s];
    double start = static_cast<double>(size("ids"));
    std::vector<double> tokens = one.prompt;
    tokens.insert(tokens.end(), one.response.begin(), one.response.end());
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      p["ids"].push_back(tokens[i]);
      p["positions"].push_back(static_cast<double>(i));
    }
    for (size_t i = 0; i < one.response.size(); ++i) {
      p["rows"].push_back(start + static_cast<double>(one.prompt.size() - 1 + i));
      p["targets"].push_back(one.response[i]);
      p["field:logprob"].push_back(one.logprob[i]);
      p["field:age"].push_back(i < one.response.size() / 2); // an older policy's first half
    }
    p["field:reward"].push_back(one.reward);
    p["field:length"].push_back(static_cast<double>(one.response.size()));
    p["sequence_offsets"].push_back(static_cast<double>(size("ids")));
    p["token_offsets"].push_back(static_cast<double>(size("targets")));
  }
  bool any = false;
  for (size_t g = 0; g + 1 < sequences.groups.size(); ++g) {
    if (sequences.groups[g + 1] <= begin || sequences.groups[g] >= end)
      continue;
    if (!any)
      out.offset.group = static_cast<int64_t>(g), p["group_offsets"] = {0};
    any = true;
    p["group_offsets"].push_back(static_cast<double>(std::min(sequences.groups[g + 1], end) - begin));
  }
  out.extents = {size("ids"), size("targets"), end - begin, size("group_offsets") - 1};
  return out;
}

} // namespace

static std::map<std::string, Tensor> runEntry(func::FuncOp function, const Packed &packed, const Params &params,
                                              const std::map<std::string, Tensor> &values, Variables &variables) {
  std::vector<Tensor> arguments;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    auto type = cast<RankedTensorType>(function.getArgumentTypes()[i]);
    std::vector<int64_t> shape = shapeOf(type, packed.extents);
    if (std::string variable = variableOf(function, i); !variable.empty()) {
      arguments.push_back(variables.at(variable));
      continue;
    }
    std::string source = function.getArgAttrOfType<StringAttr>(i, nn::attr::kSource).str();
    if (StringRef(source).starts_with("param:")) {
      arguments.push_back(number(params.at(source.substr(6))));
    } else if (StringRef(source).starts_with("value:")) {
      // Whole for rank 0, else the micro-batch's rows.
      Tensor value = values.at(source);
      if (!shape.empty()) {
        const int64_t offsets[] = {packed.offset.context, packed.offset.token, packed.offset.sequence, packed.offset.group};
        auto from = value.data.begin() + offsets[static_cast<int>(nn::axisOf(type)->getAxis()) - 1];
        value = {shape, {from, from + shape[0]}};
      }
      arguments.push_back(value);
    } else {
      auto port = packed.ports.find(source);
      if (port == packed.ports.end()) {
        ADD_FAILURE() << "no port of source " << source;
        return {};
      }
      arguments.push_back(tensor(shape, port->second));
    }
  }
  std::vector<Tensor> results = interpret(function, arguments, packed.extents);
  std::map<std::string, Tensor> outputs;
  for (unsigned i = 0; i < results.size(); ++i) {
    if (auto alias = function.getResultAttrOfType<IntegerAttr>(i, nn::attr::kAlias))
      variables[variableOf(function, static_cast<unsigned>(alias.getInt()))] = results[i];
    if (auto source = function.getResultAttrOfType<StringAttr>(i, nn::attr::kSource))
      outputs[source.str()] = results[i];
  }
  return outputs;
}

std::map<std::string, Tensor> runStep(ModuleOp module, const Sequences &sequences, const std::vector<int64_t> &cuts, const Params &params,
                                      Variables &variables) {
  auto count = static_cast<int64_t>(sequences.all.size());
  std::map<std::string, Tensor> values =
      runEntry(functionOf(module, "train.batch"), pack(sequences, 0, count), params, {}, variables);
  std::map<std::string, Tensor> outputs;
  for (size_t i = 0; i + 1 < cuts.size(); ++i)
    outputs = runEntry(functionOf(module, "train.micro"), pack(sequences, cuts[i], cuts[i + 1]), params, values, variables);
  return outputs;
}

std::vector<int64_t> cutInto(const Sequences &sequences, int64_t pieces, bool wholeGroups) {
  std::vector<int64_t> cuts;
  int64_t items = wholeGroups ? static_cast<int64_t>(sequences.groups.size()) - 1 : static_cast<int64_t>(sequences.all.size());
  for (int64_t i = 0; i <= pieces; ++i) {
    int64_t item = items * i / pieces;
    cuts.push_back(wholeGroups ? sequences.groups[item] : item);
  }
  return cuts;
}

bool needsWholeGroups(ModuleOp module) {
  for (auto step : module.getOps<plan::StepOp>())
    if (step.getSymName() == "train")
      return step.getPacking() == "group";
  ADD_FAILURE() << "no plan.step @train";
  return true;
}

} // namespace mirl::test
