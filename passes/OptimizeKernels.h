// LLVM's optimisations for kernels, the same for every target.

#ifndef MIRL_PASSES_OPTIMIZEKERNELS_H
#define MIRL_PASSES_OPTIMIZEKERNELS_H

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace mirl::passes {

// O3 without vectorising and unrolling, which the schedules do where it pays, and without inventing calls of library
// functions, which kernels may not make. It changes no bit: kernels carry no fast-math flag.
void optimizeKernels(llvm::Module &ir, llvm::TargetMachine &machine);

} // namespace mirl::passes

#endif // MIRL_PASSES_OPTIMIZEKERNELS_H
