// cuBLASLt as a library of products on an NVIDIA GPU (ProductLibrary.h).
//
// cuBLASLt's matrices are column-major, so it computes the transpose of a row-major result: its A
// is our right operand.

#ifndef MIRL_RUNTIME_DEVICE_CUDA_CUBLASLTPRODUCTS_H
#define MIRL_RUNTIME_DEVICE_CUDA_CUBLASLTPRODUCTS_H

#include <array>
#include <map>
#include <memory>
#include <vector>

#include "runtime/device/ProductLibrary.h"
#include "runtime/device/cuda/CublasLt.h"

namespace mirl::rt {

class CublasLtProducts final : public ProductLibrary {
public:
  // Of the current context; products run in `stream`.
  static absl::StatusOr<std::unique_ptr<CublasLtProducts>> Create(const cuda::CublasLt &library,
                                                                  cuda::Stream stream);
  ~CublasLtProducts() override;

  std::string name() const override { return library_.Name(); }
  absl::StatusOr<uint32_t> Choose(const Product &product, const Workspace &workspace,
                                  bool split) override;
  bool Serves(const Product &product, uint32_t algorithm, const Workspace &workspace) override;
  absl::Status Multiply(const Product &product, uint32_t algorithm,
                        const Workspace &workspace) override;

private:
  CublasLtProducts(const cuda::CublasLt &library, cuda::Stream stream)
      : library_(library), stream_(stream) {}

  // Descriptors of one shape, and which algorithms serve it.
  struct Shape {
    explicit Shape(const cuda::CublasLt &library) : library(library) {}
    ~Shape();
    const cuda::CublasLt &library;
    cuda::BlasDescription description = nullptr;
    cuda::BlasLayout a = nullptr, b = nullptr, c = nullptr;
    std::map<std::pair<uint32_t, uint64_t>, bool> serves; // by algorithm and bytes of workspace
  };
  absl::StatusOr<Shape *> Describe(const Product &product);

  const cuda::CublasLt &library_;
  cuda::Stream stream_;
  cuda::BlasHandle handle_ = nullptr;
  std::vector<cuda::BlasAlgorithm> algorithms_;
  std::map<std::array<int64_t, 4>, std::unique_ptr<Shape>> shapes_; // by extents and flags
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_DEVICE_CUDA_CUBLASLTPRODUCTS_H
