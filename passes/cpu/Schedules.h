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

// What a kernel asks of its lanes. On a CPU they are 16 whatever is said here; where they are threads (passes/cuda),
// there may be more of them, and each may hold several neighbours, so that memory is read and written in 16 bytes.
struct Lanes {
  enum class Use {
    shared,   // 16 lanes; one may read from memory what another one of its item wrote
    elements, // an item is one vector, Lowering::itemElements; nothing goes from one lane to another
    rows,     // `count` lanes walk along a row; none reads what another one wrote
    alone,    // an item is one vector of `count` neighbours, which have nobody beside them
  };
  Use use = Use::shared;
  int64_t count = kLanes;
  // The largest numbers that are known to divide where a vector begins, and how many of its lanes are not masked.
  int64_t begin = 1, masked = 1;
  // Whether all that vectors read and write is bf16.
  bool narrow = false;
  // 32-bit words of memory that a lane holds at a time, about.
  double words = 1;
};

struct LaunchSpec {
  std::string kernel;                       // C identifier
  llvm::SmallVector<mlir::Value> reads;     // slices; the kernel's buffers are reads, then writes
  llvm::SmallVector<mlir::Value> writes;
  llvm::SmallVector<int64_t> updates;       // indices into writes that are read as well
  plan::WorkAttr work;
  int64_t grain = 1;
  plan::AffineAttr flops, bytes;
  llvm::SmallVector<mlir::Attribute> maps; // plan.tensor_map, of a kernel on tiles
  llvm::SmallVector<int64_t> early; // indices into reads that the kernel reads before earlier launches have ended
  // The kernel chooses buffers by number (KernelBuilder::bufferAt), and says itself which hold bf16. On a GPU it gets their
  // addresses as an array, of rt::kMaxBuffersInArray at most.
  bool array = false;
  Lanes lanes;
  bool pointwise = false; // plan.launch says what that is
  llvm::SmallVector<mlir::Attribute> products; // plan.product: what a library may compute in the kernel's place,
  bool anyBits = false;                        // whatever its bits are
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
  // A slice of the plan's with these values.
  virtual mlir::Value constant(mlir::ElementsAttr value) = 0;
  // Emits a launch; `body` is called only when no kernel of that name exists yet.
  virtual void launch(const LaunchSpec &spec, llvm::function_ref<void(KernelBuilder &)> body) = 0;
  virtual void fill(mlir::Value slice) = 0;
  virtual void copy(mlir::Value from, mlir::Value to) = 0;
  virtual void loop(plan::WorkAttr count, int64_t index, llvm::function_ref<void()> body) = 0;
  // Whether lanes are threads: then thousands of items run at a time, and an item is as small as can be.
  virtual bool threaded() const { return false; }
  // Elements of a work item of an elementwise kernel over so many tensors (`narrow`: of bf16 alone): 16 KiB a tensor, so that
  // a few of them fit the first-level cache, or what fits into the registers of a warp.
  virtual int64_t itemElements(int64_t /*operands*/, bool /*narrow*/) const { return 4096; }
  // Numbers of a chain whose loads should be on their way at a time: caches and the order of execution hide them on a CPU.
  int64_t together(int64_t numbers) const { return threaded() ? numbers : 1; }
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

// Whether the 16 keys of a block lie position behind position, as values do: so the tensor cores' attention reads them. Else the
// positions are neighbours.
bool keysByPosition(nn::KvAppendOp append);

// Where a row's position lies in the KV cache: a block of the pool, and the place in the block.
struct CachePlace {
  mlir::Value block, within;
};
CachePlace cachePlace(KernelBuilder &b, mlir::Value slots, mlir::Value table, int64_t tableWidth,
                      mlir::Value row, mlir::Value position);

// Emits a launch that copies `from` to `to`, slices of one shape that hold f32 or bf16.
void emitCast(Lowering &lowering, mlir::Value from, mlir::Value to);
// Where a chain that goes on in memory is kept: the slice of `tensor` itself when that holds f32, else f32 scratch of its
// shape, from which emitCast rounds at the end.
mlir::Value chainSlice(Lowering &lowering, mlir::Value tensor, llvm::StringRef name);

// One chain: start, then add(sum, load(i)) for i in [from, to), ascending. So many are loaded before the first is added.
mlir::Value chainOf(KernelBuilder &b, mlir::Value from, mlir::Value to, int64_t together, mlir::Value start,
                    llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value i)> load,
                    llvm::function_ref<mlir::Value(mlir::Value sum, mlir::ValueRange loaded)> add);

// nn.adamw or nn.squared_norm ops that are a group (passes/LaunchGroups.h): a launch for all tensors of a shape, where lanes
// are threads.
llvm::LogicalResult lowerAdamws(llvm::ArrayRef<mlir::Operation *> ops, Lowering &lowering);
llvm::LogicalResult lowerSquaredNorms(llvm::ArrayRef<mlir::Operation *> ops, Lowering &lowering);

// One registration function a file.
void registerSampleSchedule(llvm::StringMap<Schedule> &schedules);
void registerMatmulSchedules(llvm::StringMap<Schedule> &schedules);      // linear, data/weight grads
void registerElementwiseSchedules(llvm::StringMap<Schedule> &schedules); // fused, splat, cast, …
void registerUpdateSchedules(llvm::StringMap<Schedule> &schedules);      // adamw, squared_norm
void registerRowSchedules(llvm::StringMap<Schedule> &schedules);         // norms, rotary, embedding, gather, …
void registerSegmentSchedules(llvm::StringMap<Schedule> &schedules);     // segment_*, reduce, spread, extent
void registerAttentionSchedules(llvm::StringMap<Schedule> &schedules);   // attention, cache, adjoint
void registerAttentionGradSchedule(llvm::StringMap<Schedule> &schedules);
void registerLogprobSchedules(llvm::StringMap<Schedule> &schedules);     // linear_logprob, adjoint, sample

} // namespace mirl::passes::cpu

#endif // MIRL_PASSES_CPU_SCHEDULES_H
