// Whether this machine has what a plan's kernels need.

#include <algorithm>
#include <iterator>
#include <string_view>

#include "runtime/artifact/Macros.h"
#include "runtime/artifact/Validate.h"

namespace mirl::rt {

absl::Status CheckIsa(const fb::Plan &plan) {
  // The GPU is looked at when a session opens it.
  if (View(plan.target()) == "cuda")
    return absl::OkStatus();
#if defined(__x86_64__)
  __builtin_cpu_init();
  struct Feature {
    std::string_view name;
    bool present;
  };
#define MIRL_FEATURE(name) {name, __builtin_cpu_supports(name) != 0}
  const Feature features[] = {
      MIRL_FEATURE("sse4.1"),     MIRL_FEATURE("sse4.2"),     MIRL_FEATURE("popcnt"),
      MIRL_FEATURE("avx"),        MIRL_FEATURE("avx2"),       MIRL_FEATURE("fma"),
      MIRL_FEATURE("bmi"),        MIRL_FEATURE("bmi2"),       MIRL_FEATURE("f16c"),
      MIRL_FEATURE("avx512f"),    MIRL_FEATURE("avx512bw"),   MIRL_FEATURE("avx512cd"),
      MIRL_FEATURE("avx512dq"),   MIRL_FEATURE("avx512vl"),   MIRL_FEATURE("avx512vnni"),
      MIRL_FEATURE("avx512bf16"), MIRL_FEATURE("avx512fp16"), MIRL_FEATURE("sse2"),
  };
#undef MIRL_FEATURE
  for (uint32_t i = 0; i < Length(plan.isa()); ++i) {
    std::string_view wanted = View(plan.isa()->Get(i));
    const Feature *found = std::find_if(std::begin(features), std::end(features),
                                        [&](const Feature &f) { return f.name == wanted; });
    if (found == std::end(features) || !found->present)
      return Invalid("needs a CPU with ", wanted, ", which this machine lacks",
                 found == std::end(features) ? " (or this runtime does not know)" : "",
                 ": compile it here, or for fewer features");
  }
#else
  if (Length(plan.isa()))
    return Invalid("needs a CPU with ", View(plan.isa()->Get(0)), "; this machine is of another kind");
#endif
  return absl::OkStatus();
}

} // namespace mirl::rt
