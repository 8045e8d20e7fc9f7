// Meets a budget for all of a plan's memory (mirlc --memory-budget SIZE).

#ifndef MIRL_PASSES_MEMORYBUDGET_H
#define MIRL_PASSES_MEMORYBUDGET_H

#include "passes/Passes.h"

namespace mirl::passes {

// What a GPU's driver takes for a process with one plan, as nvidia-smi shows it: 530 to 531 MiB with driver 580 on an
// H100 and an H200. No plan knows of it, but who gives a budget means it too.
inline constexpr int64_t kDriverBytes = int64_t{536} << 20;

// The transient memory that each training entry may have (PipelineOptions::memoryBudget), so that the plan of `module`
// (entries of nn) takes at most `total` bytes, with the driver's on a GPU: weights and whatever else stays, and the largest entry. It
// is found by lowering a copy of the module until its arena fits. Fails with an error that says what takes too much.
mlir::FailureOr<int64_t> findTransientBudget(mlir::ModuleOp module, PipelineOptions options, int64_t total);

// "1.5 MiB".
std::string mebibytes(int64_t bytes);

} // namespace mirl::passes

#endif // MIRL_PASSES_MEMORYBUDGET_H
