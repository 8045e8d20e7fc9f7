#include "runtime/artifact/Validate.h"

#include <algorithm>

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

namespace {

constexpr int64_t kMostRows = int64_t{1} << 31; // and columns, and terms of a sum

} // namespace

fb::Axis VaryingAxis(const fb::Product &product) {
  return product.rows()->axis() != fb::Axis::fixed ? product.rows()->axis()
                                                   : product.depth()->axis();
}

absl::Status ValidateLibraryCall(const fb::Entry &entry, const fb::Launch &launch,
                                 const std::function<int64_t(fb::Axis)> &capacity) {
  const fb::LibraryCall &call = *launch.library();
  if (call.library() != fb::Library::cublaslt)
    return Invalid("asks for an unknown library ", static_cast<int>(call.library()));
  if (Length(call.products()) == 0 || Length(call.products()) > kMaxMaps)
    return Invalid("has ", Length(call.products()), " products for the library; 1 to ", kMaxMaps,
                   " are possible");
  if (call.workspace() >= Length(entry.slices()) ||
      entry.slices()->Get(call.workspace())->offset() % kAlignment)
    return Invalid("has slice ", call.workspace(), " of ", Length(entry.slices()),
                   " as the library's workspace, or it does not lie at a multiple of ", kAlignment);
  for (uint32_t i = 0; i < Length(call.products()); ++i) {
    const fb::Product &product = *call.products()->Get(i);
    int64_t extents[3] = {};
    const fb::Dim *dims[3] = {product.rows(), product.columns(), product.depth()};
    const fb::Product &first = *call.products()->Get(0);
    for (int d = 0; d < 3; ++d) {
      if (!dims[d])
        return Invalid("product ", i, " lacks an extent");
      if (static_cast<int>(dims[d]->axis()) < 0 || dims[d]->axis() > fb::Axis::MAX ||
          capacity(dims[d]->axis()) < 0 || dims[d]->size() > kMostRows ||
          dims[d]->size() < (dims[d]->axis() == fb::Axis::fixed ? 1 : -kMostRows))
        return Invalid("product ", i,
                       " has an unknown axis or an extent out of range: ", dims[d]->size());
      extents[d] = std::max<int64_t>(0, dims[d]->size() + capacity(dims[d]->axis()));
      if (extents[d] > kMostRows)
        return Invalid("product ", i, " has an extent out of range: ", extents[d]);
      // The first one's extents are there by now, or this is the first one.
      bool varies = dims[d]->axis() != fb::Axis::fixed;
      const fb::Dim *same = d == 0 ? first.rows() : d == 2 ? first.depth() : nullptr;
      if (varies && (!same || same->axis() != dims[d]->axis() || same->size() != dims[d]->size()))
        return Invalid("product ", i, " varies in its columns, or otherwise than product 0");
    }
    if (product.rows()->axis() != fb::Axis::fixed && product.depth()->axis() != fb::Axis::fixed)
      return Invalid("product ", i, " varies in two extents");
    if (VaryingAxis(product) != VaryingAxis(first))
      return Invalid("product ", i, " varies in its columns, or otherwise than product 0");
    bool bf16 = false, found = false;
    auto check = [&](int32_t argument, const char *what, int64_t rows, int64_t columns,
                     bool result) -> absl::Status {
      if (argument < 0 || argument >= static_cast<int64_t>(Length(launch.args())))
        return Invalid("product ", i, " has argument ", argument, " of ", Length(launch.args()),
                       " as its ", what);
      const fb::Slice &slice =
          *entry.slices()->Get(launch.args()->Get(static_cast<uint32_t>(argument)));
      fb::DType dtype = slice.type()->dtype();
      bool right = dtype == fb::DType::bf16 || (result && dtype == fb::DType::f32);
      if (result && found)
        right = right && (dtype == fb::DType::bf16) == bf16;
      if (result && !found)
        bf16 = dtype == fb::DType::bf16;
      found |= result;
      uint64_t bytes = static_cast<uint64_t>(ElementBytes(dtype));
      if (!right || __builtin_mul_overflow(bytes, static_cast<uint64_t>(rows), &bytes) ||
          __builtin_mul_overflow(bytes, static_cast<uint64_t>(columns), &bytes) ||
          bytes > slice.bytes() || slice.offset() % kAlignment ||
          (columns * ElementBytes(dtype)) % 16)
        return Invalid("product ", i, "'s ", what,
                       " must be bf16 (a result may be f32, with bias and residual like it), ",
                       rows, " x ", columns, ", in rows of whole 16 bytes, at a multiple of ",
                       kAlignment, "; slice ", View(slice.name()), " is not");
      return absl::OkStatus();
    };
    auto [m, n, k] = extents;
    auto matrix = [&](int32_t argument, const char *what, int64_t rows, bool transposed) {
      return transposed ? check(argument, what, k, rows, false)
                        : check(argument, what, rows, k, false);
    };
    // Its rows lie one behind the other: what varies is never inside a row.
    if ((product.left_transposed() ? product.depth() : product.rows())->axis() == fb::Axis::fixed &&
        VaryingAxis(product) != fb::Axis::fixed)
      return Invalid("product ", i, "'s left operand varies within its rows");
    if (product.depth()->axis() != fb::Axis::fixed && !product.right_transposed())
      return Invalid("product ", i, "'s right operand varies within its rows");
    MIRL_TRY(check(product.result(), "result", m, n, true));
    MIRL_TRY(matrix(product.left(), "left operand", m, product.left_transposed()));
    MIRL_TRY(matrix(product.right(), "right operand", n, product.right_transposed()));
    if (product.bias() != -1)
      MIRL_TRY(check(product.bias(), "bias", 1, n, true));
    if (product.residual() != -1)
      MIRL_TRY(check(product.residual(), "residual", m, n, true));
    if (product.accumulate() && (product.bias() != -1 || product.residual() != -1))
      return Invalid("product ", i, " accumulates, and has a bias or a residual");
  }
  return absl::OkStatus();
}

} // namespace mirl::rt
