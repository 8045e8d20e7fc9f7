#include "runtime/executor/LibraryCalls.h"

#include <algorithm>

#include "runtime/artifact/Macros.h"
#include "runtime/artifact/Validate.h"

namespace mirl::rt {

namespace {

// cuBLASLt refuses a workspace that does not begin at a multiple of this; slices begin at multiples of less.
constexpr uint64_t kWorkspaceAlignment = 256;

// The extent of a product that varies.
const fb::Dim &VaryingDim(const fb::Product &product) {
  return product.rows()->axis() == VaryingAxis(product) ? *product.rows() : *product.depth();
}

int64_t ExtentOf(const fb::Dim &dim, const Extents &extents) {
  return std::max<int64_t>(0, AxisExtent(dim.axis(), extents) + dim.size());
}

void SetExtent(Extents &extents, fb::Axis axis, int64_t extent) {
  if (axis == fb::Axis::context)
    extents.context = extent;
  else if (axis == fb::Axis::token)
    extents.token = extent;
  else if (axis == fb::Axis::sequence)
    extents.sequence = extent;
  else if (axis == fb::Axis::group)
    extents.group = extent;
}

} // namespace

LibraryCall::LibraryCall(const fb::Entry &entry, const fb::Launch &launch,
                         std::span<void *const> arguments, uint8_t *arena)
    : entry_(entry), launch_(launch), arena_(reinterpret_cast<uint64_t>(arena)) {
  const fb::Slice &workspace = *entry.slices()->Get(launch.library()->workspace());
  uint64_t begin = (arena_ + workspace.offset() + kWorkspaceAlignment - 1) & ~(kWorkspaceAlignment - 1);
  uint64_t end = arena_ + workspace.offset() + workspace.bytes();
  workspace_ = {begin, end > begin ? end - begin : 0};
  auto address = [&](int32_t argument) {
    return argument < 0 ? 0 : reinterpret_cast<uint64_t>(arguments[static_cast<size_t>(argument)]);
  };
  for (const fb::Product *given : *launch.library()->products()) {
    Product product;
    product.left = address(given->left());
    product.right = address(given->right());
    product.result = address(given->result());
    product.bias = address(given->bias());
    product.residual = address(given->residual());
    product.left_transposed = given->left_transposed();
    product.right_transposed = given->right_transposed();
    product.accumulate = given->accumulate();
    uint32_t result = launch.args()->Get(static_cast<uint32_t>(given->result()));
    product.f32 = entry.slices()->Get(result)->type()->dtype() == fb::DType::f32;
    products_.push_back(product);
  }
}

std::vector<Product> LibraryCall::Products(const Extents &extents) const {
  std::vector<Product> products = products_;
  for (size_t i = 0; i < products.size(); ++i) {
    const fb::Product &given = *launch_.library()->products()->Get(static_cast<uint32_t>(i));
    products[i].rows = ExtentOf(*given.rows(), extents);
    products[i].columns = ExtentOf(*given.columns(), extents);
    products[i].depth = ExtentOf(*given.depth(), extents);
  }
  return products;
}

int64_t LibraryCall::Varying(const Extents &extents) const {
  const fb::Product &product = *launch_.library()->products()->Get(0);
  return VaryingAxis(product) == fb::Axis::fixed ? 1 : ExtentOf(VaryingDim(product), extents);
}

Extents LibraryCall::ExtentsOf(int64_t varying) const {
  const fb::Dim &dim = VaryingDim(*launch_.library()->products()->Get(0));
  Extents extents;
  SetExtent(extents, dim.axis(), varying - dim.size());
  return extents;
}

absl::Status LibraryCalls::Choose(Device &device, LibraryCall &call, const std::string &name,
                                  const std::function<absl::Status(const Extents &)> &kernel,
                                  std::chrono::steady_clock::time_point deadline,
                                  const std::function<void(const std::string &)> &note) {
  if (!library_) {
    MIRL_ASSIGN(library_, device.OpenProducts());
    if (note)
      note(Cat(library_->name(), " may compute products; of each kernel, by rows (or terms of a "
                                 "sum), who computes them:"));
  }
  Extents most;
  for (uint32_t i = 0; i < Length(call.entry_.capacities()); ++i)
    SetExtent(most, call.entry_.capacities()->Get(i)->axis(),
              call.entry_.capacities()->Get(i)->extent());
  LibraryLaunch launch;
  launch.any_bits = call.launch_.library()->any_bits();
  launch.name = Cat(name, launch.any_bits ? ", any bits" : "");
  launch.capacity = call.Varying(most);
  launch.workspace = call.workspace_;
  launch.kernel = [&](int64_t extent) { return kernel(call.ExtentsOf(extent)); };
  launch.products = [&](int64_t extent) { return call.Products(call.ExtentsOf(extent)); };
  for (uint32_t argument : *call.launch_.args()) {
    const fb::Slice &slice = *call.entry_.slices()->Get(argument);
    launch.tensors.push_back(
        {slice.offset(), slice.bytes(), slice.type()->dtype() == fb::DType::f32});
  }
  for (const Product &product : call.products_)
    launch.results.push_back(product.result - call.arena_);
  auto [known, isNew] = choices_.try_emplace(Cat(launch.name, " ", launch.capacity));
  if (isNew) {
    std::string report;
    MIRL_ASSIGN(known->second, ChooseProducts(device, *library_, launch, deadline, &report));
    if (note)
      note(report);
  }
  call.choice_ = &known->second;
  return absl::OkStatus();
}

const std::vector<uint32_t> *LibraryCalls::Algorithms(const LibraryCall &call,
                                                      const Extents &extents) const {
  const std::vector<uint32_t> *algorithms =
      call.choice_ ? call.choice_->For(call.Varying(extents)) : nullptr;
  if (!algorithms)
    return nullptr;
  std::vector<Product> products = call.Products(extents);
  for (size_t i = 0; i < products.size(); ++i)
    if (!library_->Serves(products[i], (*algorithms)[i], call.workspace_))
      return nullptr;
  return algorithms;
}

absl::Status LibraryCalls::Multiply(const LibraryCall &call, const Extents &extents,
                                    const std::vector<uint32_t> &algorithms) const {
  std::vector<Product> products = call.Products(extents);
  for (size_t i = 0; i < products.size(); ++i)
    MIRL_TRY(library_->Multiply(products[i], algorithms[i], call.workspace_));
  return absl::OkStatus();
}

} // namespace mirl::rt
