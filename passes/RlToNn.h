// The parts of rl-to-nn. RlToNn.cpp states the pass's contract; each part has a file of its own:
// RlToNnEntry (functions under construction), RlToNnMaths (scoped values to tensors), RlToNnModel
// (variables, and the entries of a policy), RlToNnSteps (train steps), RlToNnRollout (rewards and
// plain entries), RlToNnProgram (the host program and the capacities that follow from it).

#ifndef MIRL_PASSES_RLTONN_H
#define MIRL_PASSES_RLTONN_H

#include "passes/Passes.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

namespace mirl::passes::lowering {

// tensor<?xf32, #nn.axis<scope>>, or tensor<f32> per batch.
mlir::RankedTensorType tensorOf(mlir::MLIRContext *context, rl::Scope scope);
inline rl::Scope scopeOf(mlir::Value value) {
  return mlir::cast<rl::PerType>(value.getType()).getScope();
}

// Largest extents of the four axes; 0 = not used.
struct Capacities {
  int64_t context = 0, token = 0, sequence = 0, group = 0;
};

// --- RlToNnEntry -----------------------------------------------------------------------------------

// An entry (docs/nn.md) under construction: a function whose arguments and results are added as
// they are asked for.
class Entry {
public:
  Entry(mlir::ModuleOp module, llvm::StringRef name, llvm::StringRef kind, mlir::Location loc);

  mlir::OpBuilder &builder() { return builder_; }
  mlir::MLIRContext *context() { return builder_.getContext(); }

  // The argument that the runtime fills from `source`; one for each source.
  mlir::Value port(llvm::StringRef source, mlir::RankedTensorType type, mlir::Location loc);
  // The same for tensors of the packed stream: `ids`, `positions`, offsets, …
  mlir::Value stream(llvm::StringRef source, mlir::Location loc);
  // The argument bound to a variable; one for each variable.
  mlir::Value variable(nn::VariableOp variable);
  // Sets an attribute on an argument.
  void annotate(mlir::Value argument, llvm::StringRef name, mlir::Attribute value);

  // Adds an output port; returns the result's number.
  unsigned output(mlir::Value value, llvm::StringRef source);
  // `value` is the new value of the variable bound to `argument`.
  void update(mlir::Value argument, mlir::Value value);
  // The result numbered `result` is the loss to differentiate.
  void differentiate(unsigned result);

  mlir::func::FuncOp finish(const Capacities &capacities);

private:
  mlir::Value add(mlir::Type type, mlir::Location loc, mlir::NamedAttrList attributes);

  mlir::func::FuncOp function_;
  mlir::OpBuilder builder_;
  llvm::StringMap<mlir::Value> ports_;
  llvm::DenseMap<mlir::Operation *, mlir::Value> variables_;
  llvm::SmallVector<mlir::NamedAttrList> argumentAttributes_;
  llvm::SmallVector<mlir::Value> results_;
  llvm::SmallVector<mlir::DictionaryAttr> resultAttributes_;
};

// --- RlToNnMaths -----------------------------------------------------------------------------------

// Lowers values of rl into an entry, each once, when they are asked for.
class Maths {
public:
  // Gives the tensor of a value that is not computed here; null when it is.
  using Leaf = std::function<mlir::FailureOr<mlir::Value>(mlir::Value)>;

  // Without `gradients`, stop_gradient is dropped.
  Maths(Entry &entry, bool gradients, Leaf leaf)
      : entry_(entry), gradients_(gradients), leaf_(std::move(leaf)) {}

  mlir::FailureOr<mlir::Value> lower(mlir::Value value);
  void bind(mlir::Value value, mlir::Value tensor) { done_[value] = tensor; }

private:
  mlir::FailureOr<mlir::Value> compute(mlir::Operation *op);
  mlir::Value spread(mlir::Location loc, mlir::Value tensor, rl::Scope from, rl::Scope to);
  mlir::Value reduce(mlir::Location loc, rl::ReduceKind kind, mlir::Value tensor, rl::Scope from,
                     rl::Scope to);
  mlir::Value count(mlir::Location loc, rl::Scope from, rl::Scope to);
  mlir::Value offsets(mlir::Location loc, rl::Scope coarse);

  Entry &entry_;
  bool gradients_;
  Leaf leaf_;
  llvm::DenseMap<mlir::Value, mlir::Value> done_;
};

// --- the whole program -------------------------------------------------------------------------------

// Responses that are assumed for a step that the iteration never calls.
inline constexpr int64_t kUncalled = 256;
// Rows of a call whose size only the compiler chooses: enough that a kernel is worth its launch.
inline constexpr int64_t kTokensOfCall = 1024;

// What can reach a step.
struct Extents {
  int64_t sequences = 0; // responses
  int64_t groups = 0;
  int64_t group = 1;  // responses of the largest group
  int64_t tokens = 0; // response tokens
};

struct Options {
  int64_t context = 0, microTokens = 0, slots = 0, kvBlocks = 0;
  llvm::SmallVector<int64_t> decodeRows, prefillRows; // of further entries of either kind
};

class Program {
public:
  Program(mlir::ModuleOp module, const Options &options);
  mlir::LogicalResult run();

private:
  mlir::LogicalResult checkRoom();

  // RlToNnModel
  struct Policy {
    rl::PolicyOp op;
    mlir::func::FuncOp model;
    llvm::MapVector<mlir::Attribute, nn::VariableOp> weights; // by their Hugging Face name
    // Several where several ops of a step use the weight: each is a chain of its own.
    llvm::MapVector<mlir::Attribute, llvm::SmallVector<nn::VariableOp, 1>> gradients;
    llvm::SmallVector<std::pair<nn::VariableOp, nn::VariableOp>> caches; // by layer
    nn::VariableOp table;                                                // of the caches' blocks
    int64_t vocabulary = 0;
    int64_t sampled = 0; // the most sequences sampled at a time
    bool generates() const { return sampled > 0; }
  };
  struct Hidden {
    mlir::Value hidden, head;
  };
  mlir::LogicalResult makePolicy(rl::PolicyOp op);
  nn::VariableOp makeVariable(mlir::Location loc, const mlir::Twine &name, llvm::StringRef kind,
                              llvm::StringRef owner, llvm::StringRef weight, llvm::StringRef init,
                              mlir::RankedTensorType type);
  // The gradient of a weight, number `n` of its uses; made when it is first asked for.
  nn::VariableOp gradientOf(Policy &policy, mlir::Attribute weight, unsigned n);
  mlir::LogicalResult makeCaches(Policy &policy);
  // Clones the model into an entry; with `cached` its attention goes over the KV cache.
  Hidden instantiate(Entry &entry, Policy &policy, bool cached);
  // An entry that samples. `most`: sequences of a call.
  void makeGenerate(Policy &policy, llvm::StringRef name, bool prefill, int64_t rows);
  void makeScore(Policy &policy);
  void declarePolicy(Policy &policy);
  // Rows of the prefill, or decode, entry that takes any call of its kind.
  int64_t rowsOf(const Policy &policy, bool prefill) const;
  // Those of the entries beside it: fewer, ascending.
  llvm::SmallVector<int64_t> fewRowsOf(const Policy &policy, bool prefill) const;
  static std::string fewRowsName(const Policy &policy, bool prefill, int64_t rows);
  // Sequences decoded at a time, and the tokens of a call that nothing else bounds.
  int64_t slotsOf(const Policy &policy) const;
  // Blocks of a sequence of the longest length, and of the pool.
  int64_t blocksOfSequence() const;
  int64_t poolOf(const Policy &policy) const;
  int64_t tokensOfCall() const;
  // The log-probs of the response tokens; the entropies as well when asked for.
  nn::LinearLogprobOp logprobs(Entry &entry, const Hidden &hidden, mlir::Location loc,
                               double temperature, bool entropy);

  // RlToNnSteps
  mlir::LogicalResult makeStep(rl::StepOp step);
  // What the entries of a training step share.
  struct Shared {
    llvm::SmallVector<mlir::Value> values; // computed for the batch, read by micro-batches
    llvm::SmallVector<nn::VariableOp> accumulators;
    llvm::MapVector<mlir::Attribute, llvm::SmallVector<nn::VariableOp, 1>> gradients; // by weight
  };
  mlir::LogicalResult makeMicro(rl::StepOp step, rl::MinimizeOp minimize, Shared &shared);
  mlir::LogicalResult makeBatch(rl::StepOp step, const Shared &shared);
  mlir::LogicalResult makeApply(rl::StepOp step, rl::OptimizerOp optimizer, Policy &policy,
                                const Shared &shared);
  Extents extentsOf(rl::StepOp step) const;
  Capacities batchCapacities(rl::StepOp step) const;
  mlir::FailureOr<Capacities> microCapacities(rl::StepOp step);

  // RlToNnRollout
  mlir::LogicalResult makeReward(rl::StepOp step);
  mlir::LogicalResult makePlain(rl::EntryOp entry);

  // RlToNnProgram
  mlir::LogicalResult makeHost();
  mlir::LogicalResult hostBlock(mlir::Block &block);
  mlir::LogicalResult hostCall(rl::CallOp call);
  void hostEvaluate(rl::EvaluateOp evaluate);
  plan::HostOp host(mlir::Location loc, llvm::StringRef instruction,
                    llvm::ArrayRef<std::string> operands, llvm::ArrayRef<std::string> results,
                    mlir::NamedAttrList settings);
  void makeDeclarations();
  void nameVerifiers();
  void reach(rl::StepOp step, const Extents &extents);
  std::string fresh(llvm::StringRef base);

  template <typename OpT> OpT symbol(mlir::FlatSymbolRefAttr name) {
    return symbols_.lookup<OpT>(name.getValue());
  }

  mlir::ModuleOp module_;
  mlir::SymbolTable symbols_; // of the module as it came in
  mlir::OpBuilder builder_;
  Options options_;
  llvm::MapVector<mlir::Operation *, Policy> policies_;
  // What an optimizer keeps: the number of its updates, and the moments by weight.
  struct State {
    nn::VariableOp counter;
    llvm::MapVector<mlir::Attribute, std::pair<nn::VariableOp, nn::VariableOp>> moments;
  };
  llvm::MapVector<mlir::Operation *, State> states_;
  llvm::DenseMap<mlir::Operation *, Extents> stepExtents_;
  // The host program: extents and names of trajectories and prompts, names of verifiers.
  llvm::DenseMap<mlir::Value, Extents> extents_;
  llvm::DenseMap<mlir::Value, std::string> names_;
  llvm::DenseMap<mlir::Operation *, std::string> verifiers_;
  llvm::StringMap<unsigned> used_;
};

} // namespace mirl::passes::lowering

#endif // MIRL_PASSES_RLTONN_H
