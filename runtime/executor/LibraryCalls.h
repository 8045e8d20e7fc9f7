// The launches of a plan that a library may compute (plan.fbs, LibraryCall), as a Session runs
// them.

#ifndef MIRL_RUNTIME_EXECUTOR_LIBRARYCALLS_H
#define MIRL_RUNTIME_EXECUTOR_LIBRARYCALLS_H

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/executor/ProductChoice.h"
#include "runtime/executor/Session.h"

namespace mirl::rt {

// One launch's, with its addresses resolved.
class LibraryCall {
public:
  LibraryCall(const fb::Entry &entry, const fb::Launch &launch, std::span<void *const> arguments,
              uint8_t *arena);

  // The products with their extents in a call.
  std::vector<Product> Products(const Extents &extents) const;
  // The extent that varies, 1 when none does; and extents in which it is so large.
  int64_t Varying(const Extents &extents) const;
  Extents ExtentsOf(int64_t varying) const;

private:
  friend class LibraryCalls;
  const fb::Entry &entry_;
  const fb::Launch &launch_;
  uint64_t arena_;
  std::vector<Product> products_;
  Workspace workspace_;
  const ProductChoice *choice_ = nullptr;
};

class LibraryCalls {
public:
  // Chooses what computes a launch, before anything is in the arena: `kernel` queues its kernel,
  // whose name is `name`. Launches of one kernel at one capacity get one choice. The first call
  // opens the device's library.
  absl::Status Choose(Device &device, LibraryCall &call, const std::string &name,
                      const std::function<absl::Status(const Extents &)> &kernel,
                      std::chrono::steady_clock::time_point deadline,
                      const std::function<void(const std::string &)> &note);
  // Whether anything was chosen, so that there is something in the arena.
  bool any() const { return library_ != nullptr; }

  // The library's algorithms for a launch in this call; null: its kernel computes it.
  const std::vector<uint32_t> *Algorithms(const LibraryCall &call, const Extents &extents) const;
  absl::Status Multiply(const LibraryCall &call, const Extents &extents,
                        const std::vector<uint32_t> &algorithms) const;

private:
  std::unique_ptr<ProductLibrary> library_;
  std::map<std::string, ProductChoice> choices_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_EXECUTOR_LIBRARYCALLS_H
