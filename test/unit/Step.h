// A training step without the runtime: a .mirl program compiled to nn, its entries run by the reference interpreter on
// random packed sequences, cut into micro-batches as docs/plan.md ("A step") says.

#ifndef MIRL_TEST_UNIT_STEP_H
#define MIRL_TEST_UNIT_STEP_H

#include "test/unit/Unit.h"

#include <map>

namespace mirl::test {

// The config.json of a model that is as small as it can be with every part of it there: two layers, four query heads over
// two, biases.
std::string tinyConfig(bool tied);

// Compiles a program by the frontend and then `pipeline`. Null, and `errors`, when the pipeline refuses it; when the
// frontend does, the test fails.
mlir::OwningOpRef<mlir::ModuleOp> compileProgram(const std::string &text, const std::string &config, const std::string &pipeline,
                                                 std::string *errors = nullptr);

// The passes up to entries of nn, and the derivatives.
inline constexpr char kToNn[] = "verify-rl,split-step,rl-to-nn";
inline constexpr char kDifferentiate[] = "func.func(canonicalize,cse,differentiate,canonicalize,cse)";

// A program with one training step @train that minimizes `loss`, an expression of logp, ref (when `reference`), y and tau.
std::string programOf(const std::string &loss, bool reference);

// Sequences in groups, with what a trajectory carries.
struct Sequences {
  struct One {
    std::vector<double> prompt, response, logprob;
    double reward = 0;
  };
  std::vector<One> all;
  std::vector<int64_t> groups; // first sequence of each group, and the end
};
// Random ones: groups of `size` that share a prompt; token ids below `vocabulary`.
Sequences randomSequences(int64_t groups, int64_t size, int64_t vocabulary, unsigned seed);

// What persists between entries, by the name of the nn.variable; what the program's parameters are.
using Variables = std::map<std::string, Tensor>;
using Params = std::map<std::string, double>;
// Every variable of a module: weights random, the rest 0.
Variables makeVariables(mlir::ModuleOp module, unsigned seed);

// Runs @train's batch entry over all sequences and its micro entry over each range [cuts[i], cuts[i+1]) of them; the
// variables change as results with nn.alias say. Returns the last micro-batch's outputs by name.
std::map<std::string, Tensor> runStep(mlir::ModuleOp module, const Sequences &sequences, const std::vector<int64_t> &cuts,
                                      const Params &params, Variables &variables);

// Where to cut `sequences` into `pieces`, at groups or anywhere.
std::vector<int64_t> cutInto(const Sequences &sequences, int64_t pieces, bool wholeGroups);
// Whether @train's micro-batches must hold whole groups.
bool needsWholeGroups(mlir::ModuleOp module);

} // namespace mirl::test

#endif // MIRL_TEST_UNIT_STEP_H
