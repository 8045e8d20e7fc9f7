// Reading a plan: bytes in, a checked, immutable view out.
//
// Everything a plan says is checked here, once: after `Load` succeeds, every index is in range,
// every slice lies in the arena, every kernel symbol is resolved, every entry named by a policy,
// step or instruction exists. Code behind this border indexes without checking again.

#ifndef MIRL_RUNTIME_ARTIFACT_PLAN_H
#define MIRL_RUNTIME_ARTIFACT_PLAN_H

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/artifact/Format.h"
#include "runtime/artifact/plan_generated.h"

namespace mirl::rt {

// Called as docs/plan.md, "Kernel ABI".
using KernelFunction = void (*)(void *const *buffers, const int64_t *dims, int64_t begin,
                                int64_t end);

class Plan {
public:
  // Reads and checks the file. Errors name the file and what is wrong with it: not a plan, another
  // version, damaged (hash), an ISA this machine lacks, an index out of range.
  static absl::StatusOr<std::shared_ptr<const Plan>> Load(const std::string &path);
  static absl::StatusOr<std::shared_ptr<const Plan>> Parse(std::vector<uint8_t> bytes,
                                                           std::string_view name);
  ~Plan();

  const fb::Plan &root() const { return *root_; }
  const std::string &name() const { return name_; }

  // nullptr when there is none of that name.
  const fb::Entry *FindEntry(std::string_view name) const;
  const fb::Policy *FindPolicy(std::string_view name) const;
  const fb::Optimizer *FindOptimizer(std::string_view name) const;
  const fb::Step *FindStep(std::string_view name) const;

  KernelFunction kernel(uint32_t index) const { return kernels_[index]; }

private:
  Plan() = default;
  std::string name_;
  std::vector<uint8_t> bytes_;
  const fb::Plan *root_ = nullptr;
  void *library_ = nullptr; // dlopen handle of the embedded kernels
  int library_fd_ = -1;     // the memory file it was loaded from
  std::vector<KernelFunction> kernels_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_ARTIFACT_PLAN_H
