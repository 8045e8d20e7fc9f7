// A library that computes matrix products on a device, in place of a plan's kernels (plan.fbs,
// LibraryCall).

#ifndef MIRL_RUNTIME_DEVICE_PRODUCTLIBRARY_H
#define MIRL_RUNTIME_DEVICE_PRODUCTLIBRARY_H

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mirl::rt {

// result[i, j] = Σ_k left[i, k] · right[j, k] (+ bias[j]) (+ residual[i, j]) (+ result[i, j]), i <
// rows, j < columns, k < depth. Row-major matrices at addresses of the device (0: none); a
// transposed one lies there as [k, i] or [k, j]. left and right are bf16; bias and residual have
// the result's type.
struct Product {
  uint64_t left = 0, right = 0, result = 0, bias = 0, residual = 0;
  int64_t rows = 0, columns = 0, depth = 0;
  bool left_transposed = false, right_transposed = false, accumulate = false;
  bool f32 = false; // the result; else bf16
};

// Memory of the device that a product may use while it is computed.
struct Workspace {
  uint64_t address = 0, bytes = 0;
};

class ProductLibrary {
public:
  ProductLibrary() = default;
  ProductLibrary(const ProductLibrary &) = delete;
  ProductLibrary &operator=(const ProductLibrary &) = delete;
  virtual ~ProductLibrary() = default;

  // Its name and version.
  virtual std::string name() const = 0;
  // Pins the algorithm that the library expects to be the fastest for a product of this shape,
  // under a number. `split`: whether it may cut a sum into pieces. NotFound when it has none.
  virtual absl::StatusOr<uint32_t> Choose(const Product &product, const Workspace &workspace,
                                          bool split) = 0;
  // Whether an algorithm that was chosen computes a product of this shape too.
  virtual bool Serves(const Product &product, uint32_t algorithm, const Workspace &workspace) = 0;
  // Queues a product on the device. It allocates nothing there and waits for nothing, so that it
  // may be recorded.
  virtual absl::Status Multiply(const Product &product, uint32_t algorithm,
                                const Workspace &workspace) = 0;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_DEVICE_PRODUCTLIBRARY_H
