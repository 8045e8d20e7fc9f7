#include "runtime/device/cuda/CublasLtProducts.h"

#include "absl/cleanup/cleanup.h"
#include "runtime/artifact/Format.h"
#include "runtime/artifact/Macros.h"

namespace mirl::rt {

namespace {

// A serving loop has few sizes; more than so many are forgotten and described again.
constexpr size_t kMostShapes = 4096;

} // namespace

absl::StatusOr<std::unique_ptr<CublasLtProducts>>
CublasLtProducts::Create(const cuda::CublasLt &library, cuda::Stream stream) {
  std::unique_ptr<CublasLtProducts> products(new CublasLtProducts(library, stream));
  MIRL_TRY(library.Check(library.Create(&products->handle_), Cat("starting ", library.Name())));
  return products;
}

CublasLtProducts::~CublasLtProducts() {
  shapes_.clear();
  if (handle_)
    library_.Destroy(handle_);
}

CublasLtProducts::Shape::~Shape() {
  for (cuda::BlasLayout layout : {a, b, c})
    if (layout)
      library.LayoutDestroy(layout);
  if (description)
    library.DescriptionDestroy(description);
}

absl::StatusOr<CublasLtProducts::Shape *> CublasLtProducts::Describe(const Product &product) {
  std::array<int64_t, 4> key = {product.rows, product.columns, product.depth,
                                product.left_transposed | product.right_transposed << 1 |
                                    product.f32 << 2 | (product.bias != 0) << 3};
  if (auto found = shapes_.find(key); found != shapes_.end())
    return found->second.get();
  if (shapes_.size() >= kMostShapes)
    shapes_.clear();
  auto shape = std::make_unique<Shape>(library_);
  constexpr const char *kWhat = "describing a product to cuBLASLt";
  MIRL_TRY(library_.Check(
      library_.DescriptionCreate(&shape->description, cuda::kBlasCompute32, cuda::kBlasF32),
      kWhat));
  auto set = [&](int attribute, auto value) {
    return library_.Check(
        library_.DescriptionSet(shape->description, attribute, &value, sizeof(value)), kWhat);
  };
  int32_t a = product.right_transposed ? cuda::kBlasNormal : cuda::kBlasTransposed;
  int32_t b = product.left_transposed ? cuda::kBlasTransposed : cuda::kBlasNormal;
  int32_t type = product.f32 ? cuda::kBlasF32 : cuda::kBlasBF16;
  MIRL_TRY(set(cuda::kBlasTransposeA, a));
  MIRL_TRY(set(cuda::kBlasTransposeB, b));
  if (product.bias) {
    MIRL_TRY(set(cuda::kBlasEpilogue, cuda::kBlasAddBias));
    MIRL_TRY(set(cuda::kBlasBiasType, type));
  }
  auto layout = [&](cuda::BlasLayout *made, int32_t of, int64_t rows, int64_t columns) {
    return library_.Check(library_.LayoutCreate(made, of, static_cast<uint64_t>(rows),
                                                static_cast<uint64_t>(columns), rows),
                          kWhat);
  };
  // As they lie in memory, in columns.
  MIRL_TRY(product.right_transposed
               ? layout(&shape->a, cuda::kBlasBF16, product.columns, product.depth)
               : layout(&shape->a, cuda::kBlasBF16, product.depth, product.columns));
  MIRL_TRY(product.left_transposed
               ? layout(&shape->b, cuda::kBlasBF16, product.rows, product.depth)
               : layout(&shape->b, cuda::kBlasBF16, product.depth, product.rows));
  MIRL_TRY(layout(&shape->c, type, product.columns, product.rows));
  return (shapes_[key] = std::move(shape)).get();
}

absl::StatusOr<uint32_t> CublasLtProducts::Choose(const Product &product,
                                                  const Workspace &workspace, bool split) {
  MIRL_ASSIGN(Shape * shape, Describe(product));
  constexpr const char *kWhat = "asking cuBLASLt for an algorithm";
  cuda::BlasPreference preference = nullptr;
  MIRL_TRY(library_.Check(library_.PreferenceCreate(&preference), kWhat));
  absl::Cleanup destroy = [&] { library_.PreferenceDestroy(preference); };
  auto set = [&](int attribute, auto value) {
    return library_.Check(library_.PreferenceSet(preference, attribute, &value, sizeof(value)),
                          kWhat);
  };
  MIRL_TRY(set(cuda::kBlasWorkspaceBytes, workspace.bytes));
  MIRL_TRY(set(cuda::kBlasReductions, split ? cuda::kBlasAnyReduction : uint32_t{0}));
  for (int operand = 0; operand < 4; ++operand)
    MIRL_TRY(set(cuda::kBlasAlignmentA + operand, static_cast<uint32_t>(kAlignment)));
  cuda::BlasCandidate candidate;
  int found = 0;
  cuda::BlasStatus status =
      library_.Heuristic(handle_, shape->description, shape->a, shape->b, shape->c, shape->c,
                         preference, 1, &candidate, &found);
  if (status == cuda::kBlasNotSupported || (status == 0 && (found == 0 || candidate.state != 0)))
    return absl::NotFoundError("cuBLASLt has no algorithm for the product");
  MIRL_TRY(library_.Check(status, kWhat));
  algorithms_.push_back(candidate.algorithm);
  return static_cast<uint32_t>(algorithms_.size() - 1);
}

bool CublasLtProducts::Serves(const Product &product, uint32_t algorithm,
                              const Workspace &workspace) {
  absl::StatusOr<Shape *> shape = Describe(product);
  if (!shape.ok())
    return false;
  auto [known, isNew] = (*shape)->serves.try_emplace({algorithm, workspace.bytes}, false);
  if (isNew) {
    cuda::BlasCandidate candidate;
    const Shape &s = **shape;
    known->second = library_.CheckAlgorithm(handle_, s.description, s.a, s.b, s.c, s.c,
                                            &algorithms_[algorithm], &candidate) == 0 &&
                    candidate.workspace <= workspace.bytes;
  }
  return known->second;
}

absl::Status CublasLtProducts::Multiply(const Product &product, uint32_t algorithm,
                                        const Workspace &workspace) {
  constexpr const char *kWhat = "launching a product of cuBLASLt";
  MIRL_ASSIGN(Shape * shape, Describe(product));
  if (product.bias)
    MIRL_TRY(library_.Check(library_.DescriptionSet(shape->description, cuda::kBlasBias,
                                                    &product.bias, sizeof(product.bias)),
                            kWhat));
  const float one = 1, beta = product.accumulate || product.residual ? 1 : 0;
  uint64_t addend = product.residual ? product.residual : product.result;
  return library_.Check(library_.Multiply(handle_, shape->description, &one, product.right,
                                          shape->a, product.left, shape->b, &beta, addend, shape->c,
                                          product.result, shape->c, &algorithms_[algorithm],
                                          workspace.address, workspace.bytes, stream_),
                        kWhat);
}

} // namespace mirl::rt
