// The passes and the pipeline. Passes.td lists them in order.

#ifndef MIRL_PASSES_PASSES_H
#define MIRL_PASSES_PASSES_H

#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"
#include "dialects/rl/Rl.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace mirl::passes {

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"

// Every dialect, interface and translation that a mirl tool needs, in one place.
void registerAll(mlir::DialectRegistry &registry);

// The named phases of the compiler (docs/pipeline.md).
struct PipelineOptions {
  int64_t context = 0;
  int64_t microTokens = 0;
  int64_t slots = 0;
  int64_t kvBlocks = 0;
  int64_t memoryBudget = 0;              // transient memory of each training entry, in bytes
  std::vector<std::string> entryBudgets; // "NAME=BYTES", of one entry
  std::string cpu = "native"; // CPU to compile for
  std::string cuda;           // GPU to compile for, as sm_90a; empty: the CPU
  bool bf16 = false;          // weights, caches and activations
  bool tensorCores = false;   // products of bf16 on a GPU are the tensor cores'
  std::string libraryPattern; // products that cuBLASLt may compute (select-library); empty: none
  bool anyBits = false;       // of those: its bits need not be the kernels'
  bool ptxOnly = false;       // the code of a plan for a GPU is PTX
};
void buildRlToNn(mlir::OpPassManager &pm, const PipelineOptions &options);
void buildNnToKernels(mlir::OpPassManager &pm, const PipelineOptions &options);
void buildKernelsToMemory(mlir::OpPassManager &pm, const PipelineOptions &options);
void buildMemoryToPlan(mlir::OpPassManager &pm, const PipelineOptions &options);

// Writes the plan's bytes (FlatBuffers, runtime/artifact/plan.fbs) of a verified module.
llvm::LogicalResult serializePlan(mlir::ModuleOp module, llvm::raw_ostream &os);

} // namespace mirl::passes

#endif // MIRL_PASSES_PASSES_H
