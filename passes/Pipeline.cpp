// The compiler as named phases. Each says why its passes stand where they do.

#include "passes/Passes.h"

#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace mirl::passes {

// Rows for which a GPU's decoding and prefill have kernels of their own, beside those for the largest calls: tiles are chosen for the
// most rows that a kernel can have, and those for many leave most multiprocessors idle when there are few. 512 rows are those of a
// decode step of 256 sequences with a prompt or two.
static constexpr int64_t kDecodeRows[] = {16, 64}, kPrefillRows[] = {128, 512};

// What the user wrote becomes entries of tensor ops.
void buildRlToNn(OpPassManager &pm, const PipelineOptions &options) {
  // First of all: the rules that need the whole program, so that later passes may rely on them.
  pm.addPass(createVerifyRl());
  // On rl, where scopes are still types: which values can be cut into micro-batches is a question of scopes.
  pm.addPass(createSplitStep());
  RlToNnOptions lowering;
  lowering.context = options.context;
  lowering.microTokens = options.microTokens;
  lowering.slots = options.slots;
  lowering.kvBlocks = options.kvBlocks;
  if (options.tensorCores) {
    lowering.prefillRows.assign(std::begin(kPrefillRows), std::end(kPrefillRows));
    lowering.decodeRows.assign(std::begin(kDecodeRows), std::end(kDecodeRows));
  }
  pm.addPass(createRlToNn(lowering));
}

// Tensors: derivatives, memory, fusion, and the order of every sum.
void buildNnToKernels(OpPassManager &pm, const PipelineOptions &options) {
  // Before differentiation, so that the gradient of an activation is of its type.
  AssignTypesOptions types;
  types.dtype = options.bf16 ? "bf16" : "f32";
  pm.addPass(createAssignTypes(types));
  OpPassManager &entry = pm.nest<func::FuncOp>();
  // Before differentiation: what is dead or common in the forward pass would be differentiated twice.
  entry.addPass(createCanonicalizerPass());
  entry.addPass(createCSEPass());
  entry.addPass(createDifferentiate());
  entry.addPass(createCanonicalizerPass());
  entry.addPass(createCSEPass());
  // Before fusion, while every value that can be recomputed is still an op of its own.
  PlanRecomputeOptions recompute;
  recompute.budget = options.memoryBudget;
  recompute.entries.assign(options.entryBudgets.begin(), options.entryBudgets.end());
  recompute.tensorCores = options.tensorCores;
  entry.addPass(createPlanRecompute(recompute));
  entry.addPass(createFuse());
  AssignNumericsOptions numerics;
  numerics.tensorCores = options.tensorCores;
  entry.addPass(createAssignNumerics(numerics));
  // After assign-numerics, which says what the tensor cores serve. It changes no bit.
  if (options.tensorCores)
    entry.addPass(createGroupLaunches());
  // A group is one launch, and what is fused no library computes.
  if (!options.libraryPattern.empty()) {
    SelectLibraryOptions library;
    library.pattern = options.libraryPattern;
    library.anyBits = options.anyBits;
    pm.addPass(createSelectLibrary(library));
  }
}

// Launches, and where everything lies.
void buildKernelsToMemory(OpPassManager &pm, const PipelineOptions &options) {
  NnToPlanOptions lowering;
  lowering.target = options.cuda.empty() ? "cpu" : "cuda";
  pm.addPass(createNnToPlan(lowering));
  // After nn-to-plan, which adds the schedules' scratch space.
  pm.addPass(createAssignMemory());
}

// Machine code.
void buildMemoryToPlan(OpPassManager &pm, const PipelineOptions &options) {
  if (options.cuda.empty()) {
    CompileKernelsOptions compile;
    compile.cpu = options.cpu;
    pm.addPass(createCompileKernels(compile));
  } else {
    CompileCudaOptions compile;
    compile.arch = options.cuda;
    compile.ptxOnly = options.ptxOnly;
    pm.addPass(createCompileCuda(compile));
  }
  pm.addPass(createVerifyPlan());
}

} // namespace mirl::passes
