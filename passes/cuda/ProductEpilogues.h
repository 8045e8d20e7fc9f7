// What a product's kernel does with its sums other than storing them: the log-sum-exp over the
// vocabulary and its adjoint, or an elementwise program, so that numbers go from the tensor cores'
// registers straight into what is made of them.

#ifndef MIRL_PASSES_CUDA_PRODUCTEPILOGUES_H
#define MIRL_PASSES_CUDA_PRODUCTEPILOGUES_H

#include "dialects/nn/Nn.h"
#include "passes/cpu/LogSumExp.h"
#include "passes/cuda/TileKernelBuilder.h"

#include <array>
#include <functional>
#include <utility>

namespace mirl::passes::cuda {

struct ProductEpilogue {
  using Value = mlir::Value;
  using Values = llvm::SmallVector<Value>;
  using Pair = std::pair<Value, Value>;

  // Buffers that it uses. They follow A and B among those of the launch; a stored result is the
  // last.
  unsigned buffers = 0;
  // Where this thread is: its rows are `row` and `row` + 8 of `rows`, its columns 8·n and the next,
  // from `column` on.
  struct Place {
    Value row, rows, column, lane;
  };
  // The sums of 64 rows are used up (and `columns` of the tile are a whole, where that is not 0).
  // Or, what that makes of either row is used when …
  using Rows = std::array<Values, 2>;
  std::function<Rows(TileKernelBuilder &, Value sums, const Place &)> reduce;
  int64_t columns = 0;
  // … they are replaced before they are rounded and stored: what is known of a row (in front of
  // what `reduce` made), then two neighbours of it.
  std::function<Values(TileKernelBuilder &, Value row)> prepare;
  std::function<Pair(TileKernelBuilder &, mlir::ValueRange prepared, Pair sums, Value column)>
      replace;
  // … or a number of each product of a group, rounded to bf16, is made into `results` of them,
  // which are rounded and stored. The products in `keeps` are stored, too, before them.
  std::function<Values(TileKernelBuilder &, mlir::ValueRange numbers)> combine;
  int64_t results = 0;
  llvm::SmallVector<int64_t> keeps;
};

// For each row and block of 256 of the vocabulary: maximum, sum of exponentials and, with
// `entropy`, weighted sum of z = sum · inverse, in the order of passes/cpu/LogSumExp.h. Buffers:
// targets (i32), block sums [rows][blocks][2 or 3], z of the targets. Of the first `kept` columns,
// where there are any, z less its block's maximum is stored, and that maximum goes to another
// buffer, [rows][blocks].
ProductEpilogue logSumExpEpilogue(int64_t vocabulary, float inverse, bool entropy, int64_t kept);

// Logits that nn.sample draws from: they are stored, and so are maximum and sum of exponentials of
// z = sum / temperature for each row and block of 256, as `sample_blocks` would (SampleKernels.h).
// Buffers: temperature; logits, block sums [rows][blocks][2].
ProductEpilogue sampledLogitsEpilogue(int64_t vocabulary);

// Logits to their gradients (nn.linear_logprob_grad), by way of what would be kept of them. Buffers:
// gradient of the log-prob, targets, log-sum-exp and, with `entropy`, the gradient of the entropy
// and the entropy. The vocabulary entry of column 0 is first + loop0 · step, of `vocabulary`.
ProductEpilogue logitGradientEpilogue(int64_t first, int64_t step, int64_t vocabulary,
                                      float inverse, bool entropy);

// What makes gradients of logits, wherever they come from: of z, from z − log-sum-exp. The
// exponential is the special function unit's. `hit` (i1): z is the target's.
mlir::Value logitGradient(TileKernelBuilder &b, const cpu::LogitGradient &row, mlir::Value shifted,
                          mlir::Value hit);

// The elementwise program of `fused`, whose operands are results of products: operand i is that of
// product `products[i]`. `status` fails where the program has an op that no kernel can have.
ProductEpilogue elementwiseEpilogue(nn::FusedOp fused, llvm::ArrayRef<int64_t> products,
                                    llvm::ArrayRef<int64_t> keeps, llvm::LogicalResult &status);

} // namespace mirl::passes::cuda

#endif // MIRL_PASSES_CUDA_PRODUCTEPILOGUES_H
