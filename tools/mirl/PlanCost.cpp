#include "tools/mirl/PlanCost.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_format.h"
#include "runtime/artifact/Macros.h"

namespace mirl::tools {

using rt::Cat;
using rt::View;

namespace {

// In floating point: a plan may say any number of trips, and this is no index.
double Items(const fb::Work &work, const rt::Extents &extents) {
  double rows =
      std::max(0.0, static_cast<double>(rt::AxisExtent(work.axis(), extents) + work.size()));
  return static_cast<double>(work.factor()) * std::ceil(rows / static_cast<double>(work.tile()));
}

void Add(const fb::Entry &entry,
         const flatbuffers::Vector<flatbuffers::Offset<fb::Command>> *commands,
         const rt::Extents &extents, double times, Cost &cost) {
  auto move = [&](uint32_t slice, double sides) {
    double bytes =
        times * sides * static_cast<double>(rt::ByteSize(*entry.slices()->Get(slice)->type(), extents));
    cost.all.bytes += bytes;
    cost.moves.bytes += bytes;
    cost.moves.launches += times;
  };
  Each(commands, [&](const fb::Command &command) {
    switch (command.action_type()) {
    case fb::Action::Launch: {
      const fb::Launch &launch = *command.action_as_Launch();
      Work &kernel = cost.kernels[launch.kernel()];
      for (Work *work : {&cost.all, &kernel}) {
        work->flops += times * rt::Evaluate(launch.flops(), extents);
        work->bytes += times * rt::Evaluate(launch.bytes(), extents);
        work->launches += times;
      }
      break;
    }
    case fb::Action::Fill:
      move(command.action_as_Fill()->slice(), 1);
      break;
    case fb::Action::Copy:
      move(command.action_as_Copy()->from(), 2);
      break;
    case fb::Action::Loop: {
      const fb::Loop &loop = *command.action_as_Loop();
      Add(entry, loop.body(), extents, times * Items(*loop.count(), extents), cost);
      break;
    }
    default:
      break;
    }
  });
}

// The clock rate of this machine's first core in Hz; 2.5e9 when /proc/cpuinfo does not say it.
double ClockRate() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("cpu MHz"))
      if (double rate = std::atof(line.c_str() + line.find(':') + 1); rate > 0)
        return rate * 1e6;
  return 2.5e9;
}

int Cores() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof(set), &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

} // namespace

rt::Extents AtCapacity(const fb::Entry &entry) {
  rt::Extents extents;
  Each(entry.capacities(), [&](const fb::Capacity &capacity) {
    switch (capacity.axis()) {
    case fb::Axis::context:
      extents.context = capacity.extent();
      break;
    case fb::Axis::token:
      extents.token = capacity.extent();
      break;
    case fb::Axis::sequence:
      extents.sequence = capacity.extent();
      break;
    case fb::Axis::group:
      extents.group = capacity.extent();
      break;
    case fb::Axis::fixed:
      break;
    }
  });
  return extents;
}

Cost CostOf(const fb::Entry &entry, const rt::Extents &extents) {
  Cost cost;
  Add(entry, entry.commands(), extents, 1, cost);
  return cost;
}

Peak PeakOf(const fb::Plan &plan) {
  Peak peak;
  if (View(plan.target()) == "cuda") {
    peak.tensor_flops = 790e12;
    peak.flops = 60e12;
    peak.bytes = 4.2e12;
    peak.launch = 2.7e-6;
    peak.source = "an H200, measured; 60 TFLOP/s outside the tensor cores is an estimate";
    return peak;
  }
  bool wide = false;
  Each(plan.isa(), [&](const flatbuffers::String &feature) { wide |= View(&feature) == "avx512f"; });
  // Two fused multiply-adds a cycle, each of 16 or 8 lanes and two operations.
  int cores = Cores();
  double rate = ClockRate();
  peak.flops = peak.tensor_flops = cores * rate * (wide ? 64 : 32);
  peak.bytes = 20e9;
  peak.source = absl::StrFormat("%d cores at %.1f GHz with %s; 20 GB/s of memory is a guess", cores, rate * 1e-9,
                                wide ? "AVX-512" : "AVX2");
  return peak;
}

std::vector<Prediction> Predict(const fb::Plan &plan, const Cost &cost, const Peak &peak) {
  std::vector<Prediction> all;
  auto add = [&](std::string what, const Work &work, double flops) {
    Prediction one{std::move(what), work};
    double compute = work.flops / flops, memory = work.bytes / peak.bytes, launch = work.launches * peak.launch;
    one.seconds = std::max({compute, memory, launch});
    one.bound = one.seconds == launch && launch > 0 ? "launch" : compute >= memory ? "compute" : "memory";
    all.push_back(std::move(one));
  };
  for (const auto &[index, work] : cost.kernels) {
    const fb::Kernel &kernel = *plan.kernels()->Get(index);
    add(std::string(View(kernel.symbol())), work, kernel.maps() ? peak.tensor_flops : peak.flops);
  }
  if (cost.moves.launches > 0)
    add("fill, copy", cost.moves, peak.flops);
  std::stable_sort(all.begin(), all.end(),
                   [](const Prediction &a, const Prediction &b) { return a.seconds > b.seconds; });
  return all;
}

} // namespace mirl::tools
