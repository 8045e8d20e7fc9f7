// The launches of nn.sample (SampleKernels.h).

#include "passes/cuda/SampleKernels.h"
#include "passes/cuda/SpecialFunctions.h"
#include "passes/cuda/TileSchedules.h"

#include "passes/cpu/SampleRow.h"

using namespace mlir;

namespace mirl::passes::cuda {
namespace {

using cpu::KernelBuilder;
using cpu::kLanes;
using cpu::kVocabularyBlock;
using cpu::RowSums;

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

// As cpu::emitBlockSums of a whole block, with every logit read at once and once.
RowSums wholeBlockSums(KernelBuilder &b, Value block, Value scale, function_ref<Value(Value)> exp) {
  constexpr int64_t count = kVocabularyBlock / kLanes;
  SmallVector<Value> z;
  for (int64_t i = 0; i < count; ++i)
    z.push_back(b.loadv(block, b.c(i * kLanes)));
  Value top = b.vf(-std::numeric_limits<double>::infinity()), sum = b.vf(0);
  for (Value &value : z) {
    value = b.fmul(value, scale);
    top = b.fmax(top, value);
  }
  RowSums sums;
  sums.max = b.maxLanes(top);
  for (Value value : z)
    sum = b.fadd(sum, exp(b.fsub(value, sums.max)));
  sums.sum = b.sumLanes(sum);
  return sums;
}

// `special`: with the exponential of nn.linear_logprob on the tensor cores.
void emitBlocks(KernelBuilder &b, int64_t vocabulary, bool special) {
  auto exp = [&](Value x) { return special ? specialExp(b, x) : b.exp(x); };
  int64_t blocks = llvm::divideCeil(vocabulary, kVocabularyBlock);
  Value scale = cpu::emitScale(b, b.loadf(b.buffer(1), b.c(0))).first;
  b.loop(b.begin(), b.end(), 1, [&](Value item) {
    Value row = b.divide(item, b.c(blocks)), block = b.rem(item, b.c(blocks));
    Value start = b.mul(block, kVocabularyBlock), left = b.sub(b.c(vocabulary), start);
    Value z = b.offset(b.buffer(0), b.add(b.mul(row, vocabulary), start));
    auto whole = [&] { return wholeBlockSums(b, z, scale, exp).values(); };
    SmallVector<Value> sums;
    if (vocabulary % kVocabularyBlock == 0)
      sums = whole();
    else
      sums = b.ifElse(
          b.lt(left, b.c(kVocabularyBlock)),
          [&] { return cpu::emitBlockSums(b, z, left, scale, false, exp).values(); }, whole);
    Value at = b.mul(item, 2);
    b.store(sums[0], b.buffer(2), at);
    b.store(sums[1], b.buffer(2), b.add(at, 1));
  });
}

} // namespace

LogicalResult lowerSample(Operation *op, Lowering &lowering) {
  auto sample = cast<nn::SampleOp>(op);
  RankedTensorType type = typeOf(sample.getLogits());
  if (!type.getElementType().isF32())
    return op->emitOpError("must have logits of f32 on a GPU, has ") << type.getElementType();
  int64_t vocabulary = type.getDimSize(1);
  int64_t blocks = llvm::divideCeil(vocabulary, kVocabularyBlock);
  auto columns = [&](int64_t count) {
    return RankedTensorType::get({type.getDimSize(0), count}, Float32Type::get(op->getContext()),
                                 type.getEncoding());
  };
  Value sums = lowering.companion(sample.getLogits());
  bool known = static_cast<bool>(sums);
  if (!known)
    sums = lowering.scratch(columns(2 * blocks), "block_sums");
  Value thresholds = lowering.scratch(columns(1), "thresholds");
  Value logits = lowering.slice(sample.getLogits()),
        temperature = lowering.slice(sample.getTemperature());
  std::string name = "_" + cpu::axisName(type) + "_v" + std::to_string(vocabulary);

  bool special = sample.getNumericsAttr() && sample.getNumericsAttr().getOrder() == "k16_blocks";
  cpu::LaunchSpec spec;
  spec.kernel = "sample_blocks" + name + (special ? "_special" : "");
  spec.reads = {logits, temperature};
  spec.writes = {sums};
  spec.work = lowering.rows(type, 1, blocks);
  spec.flops = plan::perRow(type, 25.0 * vocabulary);
  spec.bytes = plan::perRow(type, 4.0 * vocabulary + 8.0 * blocks);
  if (!known)
    lowering.launch(spec, [&](KernelBuilder &b) { emitBlocks(b, vocabulary, special); });

  cpu::LaunchSpec limits;
  limits.kernel = "sample_threshold" + name;
  limits.reads = {logits, temperature, lowering.slice(sample.getTopK()),
                  lowering.slice(sample.getTopP()), sums};
  limits.writes = {thresholds};
  limits.work = lowering.rows(type);
  limits.bytes = plan::perRow(type, 4.0);
  lowering.launchTiles(limits, [&](LLVM::LLVMFuncOp kernel) {
    emitSampleThreshold(kernel, op->getLoc(), vocabulary);
  });

  cpu::LaunchSpec draw;
  draw.kernel = "sample_draw" + name;
  draw.reads = {logits,
                lowering.slice(sample.getSequenceIds()),
                lowering.slice(sample.getSteps()),
                lowering.slice(sample.getSeed()),
                temperature,
                sums,
                thresholds};
  draw.writes = {lowering.slice(sample.getToken()), lowering.slice(sample.getLogprob())};
  draw.work = lowering.rows(type);
  draw.flops = plan::perRow(type, 100.0 * static_cast<double>(blocks) + 30.0 * kVocabularyBlock);
  draw.bytes = plan::perRow(type, 8.0 * blocks + 4.0 * kVocabularyBlock);
  lowering.launchTiles(
      draw, [&](LLVM::LLVMFuncOp kernel) { emitSampleDraw(kernel, op->getLoc(), vocabulary); });
  return success();
}

} // namespace mirl::passes::cuda
