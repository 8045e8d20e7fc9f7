// Compiles one entry of nn ops, runs the machine code, and runs the float64 reference definitions of
// the same ops on the same arguments.
//
// What a run checks besides its results: every slice is allocated by itself, exactly as large as
// this call needs, between guard bytes that must survive; temporaries and outputs are filled with NaN first, so
// that reading what was never written shows; every launch is cut into random pieces that run in
// random order.

#ifndef MIRL_TEST_CODEGEN_HARNESS_H
#define MIRL_TEST_CODEGEN_HARNESS_H

#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>

namespace mirl::test {

using nn::reference::Extents;
using nn::reference::Tensor;

class Entry {
public:
  // Compiles the only func.func with nn.kind in `text` (assign-numerics, fuse, nn-to-plan,
  // compile-kernels). On failure returns null and puts the diagnostics into `error`.
  static std::unique_ptr<Entry> compile(llvm::StringRef text, std::string *error = nullptr,
                                        llvm::StringRef cpu = "native");
  ~Entry();

  // The function's results for `arguments` (all of them, in order, variables as well). A result with
  // nn.alias is what the variable holds afterwards. `seed` decides how launches are cut.
  std::vector<Tensor> run(llvm::ArrayRef<Tensor> arguments, const Extents &extents,
                          unsigned seed = 1);
  // The same in float64, from each op's reference definition.
  std::vector<Tensor> reference(llvm::ArrayRef<Tensor> arguments, const Extents &extents);

  unsigned argumentCount() const { return argumentTypes_.size(); }
  // A tensor of an argument's shape: numbers from [low, high] that its float type has, or whole ones for integers.
  Tensor random(unsigned argument, const Extents &extents, unsigned seed, double low = -1,
                double high = 1) const;
  std::vector<Tensor> randomArguments(const Extents &extents, unsigned seed = 7) const;

  plan::EntryOp entry() { return entry_; }
  mlir::ModuleOp module() { return *module_; }
  // Memory and kernels looked up; each call runs the commands once, uncut and unchecked (to be timed), loops
  // included.
  std::function<void()> prepared(llvm::ArrayRef<Tensor> arguments, const Extents &extents);

private:
  struct Storage;
  Entry() = default;
  void execute(mlir::Block &block, std::map<void *, Storage> &slices, int64_t *dims,
               std::mt19937 *cuts);
  std::map<void *, Storage> prepare(llvm::ArrayRef<Tensor> arguments, const Extents &extents);

  std::unique_ptr<mlir::MLIRContext> context_;
  mlir::OwningOpRef<mlir::ModuleOp> original_, module_;
  plan::EntryOp entry_;
  std::vector<mlir::RankedTensorType> argumentTypes_, resultTypes_;
  std::vector<std::string> argumentNames_; // variable or port
  std::vector<std::string> resultNames_;   // port, or empty
  std::vector<int64_t> resultAliases_;     // argument, or −1
  void *library_ = nullptr;
};

// A number of f32 rounded to bf16, to nearest even.
double roundToBf16(double value);

// Every element within absolute + relative · |expected|; NaN where NaN is expected.
void expectNear(const Tensor &actual, const Tensor &expected, double absolute, double relative,
                llvm::StringRef what = "");

// Compiles, runs with several cuts (whose results must have the same bits) and compares with the
// reference. Empty `arguments` are drawn from [−1, 1].
void check(llvm::StringRef text, const Extents &extents, double absolute, double relative,
           std::vector<Tensor> arguments = {});
// The same of an entry that is compiled already.
void check(Entry &entry, const std::vector<Tensor> &arguments, const Extents &extents, double absolute,
           double relative);

// Code for AVX2 and code for AVX-512 give the same bits (skipped where the machine has no AVX-512).
void expectSameOnAllCpus(llvm::StringRef text,
                         llvm::function_ref<std::vector<Tensor>(const Entry &)> arguments,
                         const Extents &extents);

// The bits of two results are the same.
bool sameBits(const Tensor &a, const Tensor &b);

// Rows [from, to) of a tensor.
Tensor rows(const Tensor &tensor, int64_t from, int64_t to);

} // namespace mirl::test

#endif // MIRL_TEST_CODEGEN_HARNESS_H
