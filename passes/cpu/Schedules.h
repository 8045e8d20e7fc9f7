// The CPU schedules: how each nn op becomes kernel launches.
//
// `nn-to-plan` walks an entry and asks the schedule of each op to emit its launches through a
// `Lowering`. A kernel is identified by its name, which spells out everything its code depends on
// ("linear_k96_n256_bias"): two ops with the same name share one kernel.

#ifndef MIRL_PASSES_CPU_SCHEDULES_H
#define MIRL_PASSES_CPU_SCHEDULES_H

#include "dialects/plan/Plan.h"
#include "passes/cpu/KernelBuilder.h"

namespace mirl::passes::cpu {

struct LaunchSpec {
  std::string kernel;                       // C identifier
  llvm::SmallVector<mlir::Value> reads;     // slices; the kernel's buffers are reads, then writes
  llvm::SmallVector<mlir::Value> writes;
  llvm::SmallVector<int64_t> updates;       // indices into writes that are read as well
  plan::WorkAttr work;
  int64_t grain = 1;
  plan::AffineAttr flops, bytes;
  llvm::SmallVector<mlir::Attribute> maps; // plan.tensor_map, of a kernel on tiles
};

class Lowering {
public:
  virtual ~Lowering() = default;
  virtual mlir::MLIRContext *context() = 0;
  // The slice of an operand or result of the op. The result of an in-place op has the slice of its
  // tied operand.
  virtual mlir::Value slice(mlir::Value tensor) = 0;
  // A transient slice of this op's own.
  virtual mlir::Value scratch(mlir::RankedTensorType type, llvm::StringRef name) = 0;
  // Emits a launch; `body` is called only when no kernel of that name exists yet.
  virtual void launch(const LaunchSpec &spec, llvm::function_ref<void(KernelBuilder &)> body) = 0;
  virtual void fill(mlir::Value slice) = 0;
  virtual void copy(mlir::Value from, mlir::Value to) = 0;
  virtual void loop(plan::WorkAttr count, int64_t index, llvm::function_ref<void()> body) = 0;
  // Elements of a work item of an elementwise kernel: 16 KiB a stream, so that a few streams fit the first-level cache. Where
  // thousands of items run at a time, fewer.
  virtual int64_t itemElements() const { return 4096; }
  // work over the rows of a tensor: factor · ceil(rows / tile).
  plan::WorkAttr rows(mlir::RankedTensorType type, int64_t tile = 1, int64_t factor = 1);
  // A constant amount of work.
  plan::WorkAttr items(int64_t count);
};

using Schedule = llvm::LogicalResult (*)(mlir::Operation *op, Lowering &lowering);

// The schedule of an op by its name ("nn.linear"), or null.
Schedule findSchedule(llvm::StringRef opName);

// The number of rows of a tensor in this call (i64): its axis' extent, its first dimension, or 1.
mlir::Value rowsOf(KernelBuilder &b, mlir::RankedTensorType type);
// Elements of a row: the product of all dimensions but the first.
int64_t columnsOf(mlir::RankedTensorType type);
// What a kernel's name says about the rows of a tensor: "context", "sequence1", "r256".
std::string axisName(mlir::RankedTensorType type);

// The elementwise program of nn.fused on one element of each operand, or on 16. The error is reported.
llvm::LogicalResult emitElementwise(nn::FusedOp fused, KernelBuilder &b, llvm::ArrayRef<mlir::Value> operands,
                                    llvm::SmallVectorImpl<mlir::Value> &results);
// What a kernel's name says about the program of nn.fused: bodies that print alike have one name.
std::string programName(nn::FusedOp fused);
// Operations of the program on an element.
double programFlops(nn::FusedOp fused);

// nn.rotary of elements x and y of a head's halves, scalars or 16 each: what replaces them.
std::pair<mlir::Value, mlir::Value> rotate(KernelBuilder &b, mlir::Value x, mlir::Value y, mlir::Value cosine,
                                           mlir::Value sine);

// Emits a launch that copies `from` to `to`, slices of one shape that hold f32 or bf16.
void emitCast(Lowering &lowering, mlir::Value from, mlir::Value to);
// Where a chain that goes on in memory is kept: the slice of `tensor` itself when that holds f32, else f32 scratch of its
// shape, from which emitCast rounds at the end.
mlir::Value chainSlice(Lowering &lowering, mlir::Value tensor, llvm::StringRef name);

// One registration function a file.
void registerSampleSchedule(llvm::StringMap<Schedule> &schedules);
void registerMatmulSchedules(llvm::StringMap<Schedule> &schedules);      // linear, data/weight grads
void registerElementwiseSchedules(llvm::StringMap<Schedule> &schedules); // fused, adamw, squared_norm, …
void registerRowSchedules(llvm::StringMap<Schedule> &schedules);         // norms, rotary, embedding, gather, …
void registerSegmentSchedules(llvm::StringMap<Schedule> &schedules);     // segment_*, reduce, spread, extent
void registerAttentionSchedules(llvm::StringMap<Schedule> &schedules);   // attention, cache, adjoint
void registerAttentionGradSchedule(llvm::StringMap<Schedule> &schedules);
void registerLogprobSchedules(llvm::StringMap<Schedule> &schedules);     // linear_logprob, adjoint, sample

} // namespace mirl::passes::cpu

#endif // MIRL_PASSES_CPU_SCHEDULES_H
