// What an entry of a plan costs, counted from its commands, and how long that takes at best.

#ifndef MIRL_TOOLS_MIRL_PLANCOST_H
#define MIRL_TOOLS_MIRL_PLANCOST_H

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/executor/Session.h"

namespace mirl::tools {

// Calls fn(element) for each element of a plan's vector, which may be absent.
template <typename T, typename Fn> void Each(const T *vector, Fn fn) {
  for (uint32_t i = 0; i < (vector ? vector->size() : 0); ++i)
    fn(*vector->Get(i));
}

// Of the same command or commands, over all launches.
struct Work {
  double flops = 0, bytes = 0, launches = 0;
};

// What an entry's commands add up to.
struct Cost {
  Work all; // its launches: those of kernels
  std::map<uint32_t, Work> kernels;
  Work moves; // fills and copies
};

// The extents at an entry's capacities: the most that one call can use.
rt::Extents AtCapacity(const fb::Entry &entry);
Cost CostOf(const fb::Entry &entry, const rt::Extents &extents);

// What a machine does at best.
struct Peak {
  double tensor_flops = 0; // a second, in kernels that use tensor cores
  double flops = 0;        // a second, in all others
  double bytes = 0;        // a second, of memory
  double launch = 0;       // seconds that a launch takes at least
  std::string source;      // where the figures are from
};

// Of the plan's target: for sm_90a what an H200 was measured to do; for a CPU this machine's cores and clock rate.
Peak PeakOf(const fb::Plan &plan);

struct Prediction {
  std::string what; // the kernel, or "fill, copy"
  Work work;
  double seconds = 0;
  const char *bound = ""; // "compute", "memory" or "launch": what takes the longest
};

// The roofline model (Williams, Waterman and Patterson, 2009): a launch takes as long as its arithmetic or its memory traffic
// at the peak rate, whichever is longer, and no less than a launch; launches do not overlap. The longest first.
std::vector<Prediction> Predict(const fb::Plan &plan, const Cost &cost, const Peak &peak);

} // namespace mirl::tools

#endif // MIRL_TOOLS_MIRL_PLANCOST_H
