// mirl inspect: what a plan holds and what it costs, for people and (--json) for programs.
//
// Numbers are at the entries' capacities: the most that one call can use.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "runtime/artifact/Macros.h"
#include "runtime/executor/Session.h"
#include "tools/mirl/Commands.h"
#include "tools/mirl/PlanCost.h"

namespace mirl::tools {

using rt::Cat;
using rt::Length;
using rt::View;
using Json = nlohmann::ordered_json;

namespace {

struct Options {
  std::string plan;
  bool json = false, roofline = false;
  // Replace the target's, in the units that they are given in; 0: not given.
  double tensor_tflops = 0, tflops = 0, gbs = 0, launch_us = -1;
};

std::string Text(const flatbuffers::String *text) { return std::string(View(text)); }

// ["token", 64], ["sequence + 1"]
Json ShapeJson(const fb::TensorType &type) {
  Json shape = Json::array();
  Each(type.dims(), [&](const fb::Dim &dim) {
    if (dim.axis() == fb::Axis::fixed)
      shape.push_back(dim.size());
    else if (dim.size() == 0)
      shape.push_back(fb::EnumNameAxis(dim.axis()));
    else
      shape.push_back(
          Cat(fb::EnumNameAxis(dim.axis()), dim.size() < 0 ? " - " : " + ", std::abs(dim.size())));
  });
  return shape;
}

Json PortsJson(const fb::Entry &entry,
               const flatbuffers::Vector<flatbuffers::Offset<fb::Port>> *ports) {
  Json list = Json::array();
  Each(ports, [&](const fb::Port &port) {
    const fb::TensorType &type = *entry.slices()->Get(port.slice())->type();
    list.push_back({{"name", Text(port.name())},
                    {"source", Text(port.source())},
                    {"dtype", fb::EnumNameDType(type.dtype())},
                    {"shape", ShapeJson(type)}});
  });
  return list;
}

Json NamesJson(const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>> *names) {
  Json list = Json::array();
  Each(names, [&](const flatbuffers::String &name) { list.push_back(Text(&name)); });
  return list;
}

Json ProgramJson(const flatbuffers::Vector<flatbuffers::Offset<fb::Instruction>> *program) {
  Json list = Json::array();
  Each(program, [&](const fb::Instruction &instruction) {
    Json one = {{"op", Text(instruction.op())},
                {"results", NamesJson(instruction.results())},
                {"operands", NamesJson(instruction.operands())},
                {"attributes", Json::object()}};
    Each(instruction.attributes(), [&](const fb::Attribute &attribute) {
      Json &value = one["attributes"][Text(attribute.key())];
      // An attribute has a text or a number.
      if (View(attribute.text()).empty())
        value = attribute.number();
      else
        value = Text(attribute.text());
    });
    if (Length(instruction.body()))
      one["body"] = ProgramJson(instruction.body());
    list.push_back(std::move(one));
  });
  return list;
}

Json EntryJson(const fb::Entry &entry, const fb::Plan &root) {
  Cost cost = CostOf(entry, AtCapacity(entry));
  Json capacities = Json::object(), kernels = Json::object();
  Each(entry.capacities(), [&](const fb::Capacity &capacity) {
    capacities[fb::EnumNameAxis(capacity.axis())] = capacity.extent();
  });
  for (const auto &[kernel, work] : cost.kernels)
    kernels[Text(root.kernels()->Get(kernel)->symbol())] = work.launches;
  return {{"name", Text(entry.name())},
          {"kind", fb::EnumNameEntryKind(entry.kind())},
          {"capacities", capacities},
          {"peak_bytes", entry.peak_bytes()},
          {"flops", cost.all.flops},
          {"bytes", cost.all.bytes},
          {"launches", cost.all.launches},
          {"kernels", kernels},
          {"fused", NamesJson(entry.fused())},
          {"inputs", PortsJson(entry, entry.inputs())},
          {"outputs", PortsJson(entry, entry.outputs())}};
}

Json Describe(const rt::Plan &plan) {
  const fb::Plan &root = plan.root();
  Json json = {{"plan", plan.name()},
               {"version", root.version()},
               {"compiler", Text(root.compiler())},
               {"source_file", Text(root.source_file())},
               {"target", Text(root.target())},
               {"isa", NamesJson(root.isa())},
               {"content_hash", absl::StrFormat("%016x", root.content_hash())},
               {"model_dir", Text(root.model_dir())}};
  // The arena is allocated once and is all the memory that tensors ever take.
  json["memory"] = {{"arena_bytes", root.arena_bytes()},
                    {"peak_bytes", root.arena_bytes()},
                    {"persistent_bytes", root.persistent_bytes()},
                    {"transient_bytes", root.arena_bytes() - root.persistent_bytes()},
                    {"code_bytes", Length(root.code())},
                    {"persistent", Json::object()}};
  Json weights = Json::array();
  for (uint32_t b = 0; b < Length(root.buffers()); ++b) {
    const fb::Buffer &buffer = *root.buffers()->Get(b);
    Json &kind = json["memory"]["persistent"][fb::EnumNameBufferKind(buffer.kind())];
    kind = (kind.is_null() ? uint64_t{0} : kind.get<uint64_t>()) + buffer.bytes();
    if (buffer.kind() == fb::BufferKind::weight)
      weights.push_back({{"name", Text(buffer.weight())},
                         {"policy", Text(buffer.owner())},
                         {"dtype", fb::EnumNameDType(buffer.type()->dtype())},
                         {"shape", ShapeJson(*buffer.type())},
                         {"bytes", buffer.bytes()},
                         {"init", Text(buffer.init())}});
  }
  for (const char *list : {"entries", "policies", "optimizers", "steps", "params", "datasets"})
    json[list] = Json::array();
  Each(root.entries(),
       [&](const fb::Entry &entry) { json["entries"].push_back(EntryJson(entry, root)); });
  Each(root.policies(), [&](const fb::Policy &policy) {
    int64_t parameters = 0;
    for (uint32_t i = 0; i < Length(policy.weights()); ++i)
      parameters += rt::ElementCount(*root.buffers()->Get(policy.weights()->Get(i))->type(), {});
    auto few = [](const auto *entries) {
      std::vector<std::string> names;
      for (uint32_t i = 0; i < Length(entries); ++i)
        names.push_back(Text(entries->Get(i)));
      return names;
    };
    json["policies"].push_back({{"name", Text(policy.name())},
                                {"model", Text(policy.model())},
                                {"role", fb::EnumNamePolicyRole(policy.role())},
                                {"parameters", parameters},
                                {"vocab_size", policy.vocab_size()},
                                {"max_context", policy.max_context()},
                                {"kv_slots", policy.kv_slots()},
                                {"kv_blocks", policy.kv_blocks()},
                                {"prefill", Text(policy.prefill())},
                                {"prefill_few", few(policy.prefill_few())},
                                {"decode", Text(policy.decode())},
                                {"decode_few", few(policy.decode_few())},
                                {"score", Text(policy.score())}});
  });
  Each(root.optimizers(), [&](const fb::Optimizer &optimizer) {
    json["optimizers"].push_back({{"name", Text(optimizer.name())},
                                  {"policy", Text(optimizer.policy())},
                                  {"reset", Text(optimizer.reset())}});
  });
  Each(root.steps(), [&](const fb::Step &step) {
    json["steps"].push_back({{"name", Text(step.name())},
                             {"batch", Text(step.batch())},
                             {"micro", Text(step.micro())},
                             {"apply", Text(step.apply())},
                             {"packing", Text(step.packing())},
                             {"optimizer", Text(step.optimizer())}});
  });
  Each(root.params(), [&](const fb::Param &param) {
    json["params"].push_back({{"name", Text(param.name())}, {"value", param.value()}});
  });
  Each(root.datasets(), [&](const fb::Dataset &dataset) {
    json["datasets"].push_back({{"name", Text(dataset.name())}, {"path", Text(dataset.path())}});
  });
  json["program"] = ProgramJson(root.program());
  json["weights"] = std::move(weights);
  json["kernels"] = Json::array();
  for (uint32_t k = 0; k < Length(root.kernels()); ++k)
    json["kernels"].push_back({{"symbol", Text(root.kernels()->Get(k)->symbol())},
                               {"origin", Text(root.kernels()->Get(k)->origin())}});
  return json;
}

// --- for people ---------------------------------------------------------------------------------

std::string Bytes(double bytes) {
  const char *units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  for (; bytes >= 1024 && unit < 4; ++unit)
    bytes /= 1024;
  return absl::StrFormat("%.*f %s", unit ? 1 : 0, bytes, units[unit]);
}

// 1.2 G
std::string Count(double count) {
  const char *units[] = {"", " k", " M", " G", " T", " P"};
  size_t unit = 0;
  for (; count >= 1000 && unit < 5; ++unit)
    count /= 1000;
  return absl::StrFormat("%.*f%s", unit ? 1 : 0, count, units[unit]);
}

std::string Get(const Json &json, const char *key) { return json[key].get<std::string>(); }

// A list of names, or of an object's keys with their values.
std::string Line(const Json &json) {
  std::string text;
  for (const auto &[key, value] : json.items()) {
    absl::StrAppend(&text, text.empty() ? "" : " ", json.is_object() ? Cat(key, "=") : "",
                    value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

void PrintProgram(const Json &program, int indent) {
  for (const Json &one : program) {
    std::printf("%*s%s%s%s %s %s\n", indent, "", Line(one["results"]).c_str(),
                one["results"].empty() ? "" : " = ", Get(one, "op").c_str(),
                Line(one["operands"]).c_str(), Line(one["attributes"]).c_str());
    if (one.contains("body"))
      PrintProgram(one["body"], indent + 2);
  }
}

void PrintPorts(const char *what, const Json &ports) {
  for (const Json &port : ports) {
    std::string name = Get(port, "name"), source = Get(port, "source");
    std::printf("    %-6s %-24s %s [", what, name.c_str(), Get(port, "dtype").c_str());
    const char *comma = "";
    for (const Json &size : port["shape"]) {
      std::printf("%s%s", comma,
                  size.is_string() ? size.get<std::string>().c_str() : size.dump().c_str());
      comma = ", ";
    }
    std::printf("]%s\n",
                source == name || source == Cat("input:", name) || source == Cat("output:", name)
                    ? ""
                    : Cat("  ", source).c_str());
  }
}

void Print(const Json &json) {
  std::printf("%s\n", Get(json, "plan").c_str());
  std::printf("  compiled from %s by %s for %s (%s)\n", Get(json, "source_file").c_str(),
              Get(json, "compiler").c_str(), Get(json, "target").c_str(),
              Line(json["isa"]).c_str());
  const Json &memory = json["memory"];
  std::printf("\nmemory\n  peak %s = persistent %s + transient %s; code %s\n",
              Bytes(memory["peak_bytes"].get<double>()).c_str(),
              Bytes(memory["persistent_bytes"].get<double>()).c_str(),
              Bytes(memory["transient_bytes"].get<double>()).c_str(),
              Bytes(memory["code_bytes"].get<double>()).c_str());
  for (const auto &[kind, bytes] : memory["persistent"].items())
    std::printf("  %-12s %s\n", kind.c_str(), Bytes(bytes.get<double>()).c_str());

  std::printf("\nentries, at capacity\n  %-24s %-8s %12s %10s %12s %9s  %s\n", "name", "kind",
              "transient", "FLOP", "traffic", "launches", "capacities");
  for (const Json &entry : json["entries"])
    std::printf("  %-24s %-8s %12s %10s %12s %9.0f  %s\n", Get(entry, "name").c_str(),
                Get(entry, "kind").c_str(), Bytes(entry["peak_bytes"].get<double>()).c_str(),
                Count(entry["flops"].get<double>()).c_str(),
                Bytes(entry["bytes"].get<double>()).c_str(), entry["launches"].get<double>(),
                Line(entry["capacities"]).c_str());
  for (const Json &entry : json["entries"]) {
    std::printf("\n  %s\n", Get(entry, "name").c_str());
    PrintPorts("input", entry["inputs"]);
    PrintPorts("output", entry["outputs"]);
    // Layers repeat themselves: what is the same is said once, in the order of the first.
    std::vector<std::pair<std::string, int>> fused;
    for (const Json &one : entry["fused"]) {
      std::string name = one.get<std::string>();
      auto same = std::find_if(fused.begin(), fused.end(),
                               [&](const auto &known) { return known.first == name; });
      if (same == fused.end())
        fused.emplace_back(std::move(name), 1);
      else
        ++same->second;
    }
    for (const auto &[name, times] : fused)
      std::printf("    fused  %s%s\n", name.c_str(),
                  times > 1 ? Cat(" (", times, " times)").c_str() : "");
  }

  auto section = [&](const char *name) {
    if (json[name].empty())
      return;
    std::printf("\n%s\n", name);
    for (const Json &one : json[name]) {
      Json rest = one;
      std::string first = Get(one, one.begin().key().c_str());
      rest.erase(rest.begin());
      std::printf("  %-40s %s\n", first.c_str(), Line(rest).c_str());
    }
  };
  for (const char *name :
       {"policies", "optimizers", "steps", "params", "datasets", "weights", "kernels"})
    section(name);
  if (!json["program"].empty()) {
    std::printf("\nprogram: one iteration\n");
    PrintProgram(json["program"], 2);
  }
}

// --- the roofline -------------------------------------------------------------------------------

Json RooflineJson(const fb::Plan &root, const Options &options) {
  Peak peak = PeakOf(root);
  if (options.tensor_tflops > 0 || options.tflops > 0 || options.gbs > 0 || options.launch_us >= 0)
    peak.source += ", but for what was given";
  if (options.tflops > 0)
    peak.flops = options.tflops * 1e12;
  if (options.tensor_tflops > 0)
    peak.tensor_flops = options.tensor_tflops * 1e12;
  else if (options.tflops > 0 && View(root.target()) != "cuda")
    peak.tensor_flops = peak.flops;
  if (options.gbs > 0)
    peak.bytes = options.gbs * 1e9;
  if (options.launch_us >= 0)
    peak.launch = options.launch_us * 1e-6;
  Json json = {{"peak",
                {{"tensor_flops", peak.tensor_flops},
                 {"flops", peak.flops},
                 {"bytes", peak.bytes},
                 {"launch_seconds", peak.launch},
                 {"source", peak.source}}},
               {"entries", Json::array()}};
  Each(root.entries(), [&](const fb::Entry &entry) {
    double seconds = 0;
    Json kernels = Json::array();
    for (const Prediction &one : Predict(root, CostOf(entry, AtCapacity(entry)), peak)) {
      seconds += one.seconds;
      kernels.push_back({{"name", one.what},
                         {"seconds", one.seconds},
                         {"bound", one.bound},
                         {"launches", one.work.launches},
                         {"flops", one.work.flops},
                         {"bytes", one.work.bytes}});
    }
    json["entries"].push_back(
        {{"name", Text(entry.name())}, {"seconds", seconds}, {"kernels", std::move(kernels)}});
  });
  return json;
}

void PrintRoofline(const Json &json) {
  const Json &peak = json["peak"];
  std::printf("\nroofline, at capacity: %sFLOP/s (tensor cores %sFLOP/s), %sB/s, %.1f us a launch (%s)\n",
              Count(peak["flops"].get<double>()).c_str(), Count(peak["tensor_flops"].get<double>()).c_str(),
              Count(peak["bytes"].get<double>()).c_str(), peak["launch_seconds"].get<double>() * 1e6,
              Get(peak, "source").c_str());
  for (const Json &entry : json["entries"]) {
    double all = entry["seconds"].get<double>();
    std::printf("\n  %-24s %10.3f ms at least\n", Get(entry, "name").c_str(), all * 1e3);
    std::printf("    %10s %6s %9s %10s %12s %-8s %s\n", "ms", "%", "launches", "FLOP", "traffic", "bound", "kernel");
    for (const Json &kernel : entry["kernels"]) {
      double seconds = kernel["seconds"].get<double>();
      std::printf("    %10.3f %6.1f %9.0f %10s %12s %-8s %s\n", seconds * 1e3, all > 0 ? 100 * seconds / all : 0,
                  kernel["launches"].get<double>(), Count(kernel["flops"].get<double>()).c_str(),
                  Bytes(kernel["bytes"].get<double>()).c_str(), Get(kernel, "bound").c_str(),
                  Get(kernel, "name").c_str());
    }
  }
}

absl::Status Inspect(const Options &options) {
  MIRL_ASSIGN(std::shared_ptr<const rt::Plan> plan, rt::Plan::Load(options.plan));
  Json json = Describe(*plan);
  if (options.roofline)
    json["roofline"] = RooflineJson(plan->root(), options);
  if (options.json) {
    std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
    return absl::OkStatus();
  }
  Print(json);
  if (options.roofline)
    PrintRoofline(json["roofline"]);
  return absl::OkStatus();
}

} // namespace

void AddInspectCommand(CLI::App &app, int &exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App *command = app.add_subcommand("inspect", "Show what a plan holds and what it costs");
  command->footer("Memory, work and launches of an entry are those of a call at its capacities.\n"
                  "Example:\n  mirl inspect step.plan --json");
  command->add_option("plan", options->plan, "a plan")->required();
  command->add_flag("--json", options->json, "print one JSON object");
  CLI::Option *roofline = command->add_flag(
      "--roofline", options->roofline,
      "predict the time of every entry and kernel: that of its arithmetic or its memory traffic at the\n"
      "target's peak rates, whichever is longer");
  auto peak = [&](const char *name, double &value, const char *what) {
    command->add_option(name, value, what)->check(CLI::PositiveNumber)->needs(roofline);
  };
  peak("--peak-tflops", options->tflops, "arithmetic, in TFLOP/s (default: the target's)");
  peak("--peak-tensor-tflops", options->tensor_tflops, "the same of kernels on tensor cores");
  peak("--peak-gbs", options->gbs, "memory, in GB/s");
  command->add_option("--launch-us", options->launch_us, "what a launch takes at least, in microseconds")
      ->check(CLI::NonNegativeNumber)
      ->needs(roofline);
  command->callback([options, &exit_code] { exit_code = Finish(Inspect(*options)); });
}

} // namespace mirl::tools
