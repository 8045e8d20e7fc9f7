// Whether a launch's kernel or a library computes its products (plan.fbs, LibraryCall): chosen when
// a plan is loaded, and never again.
//
// Extents are cut into ranges, each half as long as the one before, down to a sixteenth of the
// capacity; smaller ones are the kernel's. For a range the library is asked for its fastest
// algorithm at the range's largest extent, which is pinned.
//
// Where the bits must be the kernel's, sums may not be split, both compute the same random numbers
// at the range's largest, at its smallest and at an odd extent in between, and results are compared
// in every bit; then both are timed at the largest one, as recordings where the device makes them.
// The library is taken when all is equal and it is faster by more than what a measurement is off.
// So the choice, which depends on times, changes no bit. Where any bits will do the algorithm is
// taken as it is: nothing is timed, and the same library on the same GPU chooses the same again.

#ifndef MIRL_RUNTIME_EXECUTOR_PRODUCTCHOICE_H
#define MIRL_RUNTIME_EXECUTOR_PRODUCTCHOICE_H

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "runtime/device/Device.h"
#include "runtime/device/ProductLibrary.h"

namespace mirl::rt {

// A launch that a library may compute. Functions are given the extent that varies.
struct LibraryLaunch {
  std::string name; // in reports
  bool any_bits = false;
  int64_t capacity = 1;                        // the largest extent
  std::function<absl::Status(int64_t)> kernel; // queues the kernel
  std::function<std::vector<Product>(int64_t)>
      products; // what the library computes in its place, in order
  Workspace workspace;
  // All that the launch reads and writes: places in the arena.
  struct Tensor {
    uint64_t offset = 0, bytes = 0;
    bool f32 = false; // else bf16
  };
  std::vector<Tensor> tensors;
  // Where the results begin, in the order of products.
  std::vector<uint64_t> results;
};

class ProductChoice {
public:
  // The library's algorithms, one a product, for this extent; null: the kernel computes it.
  const std::vector<uint32_t> *For(int64_t extent) const;

  struct Range {
    int64_t least = 1, most = 1;
    std::vector<uint32_t> algorithms; // empty: the kernel
  };
  std::vector<Range> ranges; // from the largest on
};

// Overwrites what is in the launch's tensors. Ranges whose turn comes behind `deadline` stay the
// kernel's, unless any bits will do. `report`: the line that says what was chosen, and why. An
// error is one of the device; what the library does not do is not one.
absl::StatusOr<ProductChoice> ChooseProducts(Device &device, ProductLibrary &library,
                                             const LibraryLaunch &launch,
                                             std::chrono::steady_clock::time_point deadline,
                                             std::string *report);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_EXECUTOR_PRODUCTCHOICE_H
