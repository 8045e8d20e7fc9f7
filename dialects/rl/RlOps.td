// The algorithm: policies, trajectories, and maths on values that know their scope.

#ifndef MIRL_DIALECTS_RL_OPS
#define MIRL_DIALECTS_RL_OPS

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Rl_Dialect : Dialect {
  let name = "rl";
  let summary = "Reinforcement learning of language models, as written";
  let description = [{
    A value is *per* token, sequence, group (the k samples of one prompt) or batch. A coarser value
    spreads to a finer scope (`rl.spread`); a finer one reaches a coarser scope through `rl.reduce`
    alone. There is no implicit conversion: the frontend writes the spreads.
  }];
  let cppNamespace = "::mirl::rl";
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mirl::nn::NnDialect"];
}

def Rl_Scope : I32EnumAttr<"Scope", "what there is one value of", [
    I32EnumAttrCase<"token", 0>, I32EnumAttrCase<"sequence", 1>,
    I32EnumAttrCase<"group", 2>, I32EnumAttrCase<"batch", 3>]> {
  let cppNamespace = "::mirl::rl";
  let genSpecializedAttr = 0;
}

def Rl_ReduceKind : I32EnumAttr<"ReduceKind", "what a reduction computes", [
    I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"mean", 1>, I32EnumAttrCase<"max", 2>,
    I32EnumAttrCase<"min", 3>, I32EnumAttrCase<"count", 4>]> {
  let cppNamespace = "::mirl::rl";
  let genSpecializedAttr = 0;
}
def Rl_ReduceKindAttr : EnumAttr<Rl_Dialect, Rl_ReduceKind, "reduce_kind">;

def Rl_UnaryKind : I32EnumAttr<"UnaryKind", "function of one value", [
    I32EnumAttrCase<"neg", 0>, I32EnumAttrCase<"exp", 1>, I32EnumAttrCase<"log", 2>,
    I32EnumAttrCase<"sqrt", 3>, I32EnumAttrCase<"abs", 5>, I32EnumAttrCase<"sigmoid", 6>,
    I32EnumAttrCase<"tanh", 8>, I32EnumAttrCase<"log_sigmoid", 9>, I32EnumAttrCase<"square", 10>]> {
  let cppNamespace = "::mirl::rl";
  let genSpecializedAttr = 0;
}
def Rl_UnaryKindAttr : EnumAttr<Rl_Dialect, Rl_UnaryKind, "unary_kind">;

def Rl_BinaryKind : I32EnumAttr<"BinaryKind", "function of two values", [
    I32EnumAttrCase<"add", 0>, I32EnumAttrCase<"sub", 1>, I32EnumAttrCase<"mul", 2>,
    I32EnumAttrCase<"div", 3>, I32EnumAttrCase<"min", 4>, I32EnumAttrCase<"max", 5>]> {
  let cppNamespace = "::mirl::rl";
  let genSpecializedAttr = 0;
}
def Rl_BinaryKindAttr : EnumAttr<Rl_Dialect, Rl_BinaryKind, "binary_kind">;

def Rl_CompareKind : I32EnumAttr<"CompareKind", "comparison of two values", [
    I32EnumAttrCase<"eq", 0>, I32EnumAttrCase<"ne", 1>, I32EnumAttrCase<"lt", 2>,
    I32EnumAttrCase<"le", 3>, I32EnumAttrCase<"gt", 4>, I32EnumAttrCase<"ge", 5>]> {
  let cppNamespace = "::mirl::rl";
  let genSpecializedAttr = 0;
}
def Rl_CompareKindAttr : EnumAttr<Rl_Dialect, Rl_CompareKind, "compare_kind">;

// --- types ---------------------------------------------------------------------------------------

def Rl_PerType : TypeDef<Rl_Dialect, "Per"> {
  let mnemonic = "per";
  let summary = "one number per token, sequence, group or batch";
  let description = "`!rl.per<token, f32>`";
  let parameters = (ins EnumParameter<Rl_Scope>:$scope, "::mlir::Type":$element);
  let assemblyFormat = "`<` $scope `,` $element `>`";
  let genVerifyDecl = 1;
}
def Rl_PromptsType : TypeDef<Rl_Dialect, "Prompts"> {
  let mnemonic = "prompts";
  let summary = "prompts drawn from a dataset";
}
def Rl_TrajectoryType : TypeDef<Rl_Dialect, "Trajectory"> {
  let mnemonic = "trajectory";
  let summary = "responses to prompts, in groups, with their fields";
  let description = [{
    Fields: `logprob` (recorded when sampled), `version`, `age` (token), `reward`, `length`, `finished`, `ending`
    (sequence).
  }];
}
def Rl_Batch : Type<And<[CPred<"::llvm::isa<::mirl::rl::PerType>($_self)">,
    CPred<"::llvm::cast<::mirl::rl::PerType>($_self).getScope() == ::mirl::rl::Scope::batch">]>, "a value per batch">;
def Rl_PerSequence : Type<And<[CPred<"::llvm::isa<::mirl::rl::PerType>($_self)">,
    CPred<"::llvm::cast<::mirl::rl::PerType>($_self).getScope() == ::mirl::rl::Scope::sequence">]>, "a value per sequence">;
def Rl_PerToken : Type<And<[CPred<"::llvm::isa<::mirl::rl::PerType>($_self)">,
    CPred<"::llvm::cast<::mirl::rl::PerType>($_self).getScope() == ::mirl::rl::Scope::token">]>, "a value per token">;

class Rl_Op<string mnemonic, list<Trait> traits = []> : Op<Rl_Dialect, mnemonic, traits>;

// --- declarations ----------------------------------------------------------------------------------

def Rl_ParamOp : Rl_Op<"param", [Symbol]> {
  let summary = "a run-time parameter and its default";
  let arguments = (ins SymbolNameAttr:$sym_name, F64Attr:$value);
  let assemblyFormat = "$sym_name `=` $value attr-dict";
}

def Rl_DatasetOp : Rl_Op<"dataset", [Symbol]> {
  let summary = "a file of JSON lines";
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$path);
  let assemblyFormat = "$sym_name $path attr-dict";
}

def Rl_PolicyOp : Rl_Op<"policy", [Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a model with weights of its own: trainable or frozen";
  let description = [{
    `model` is a function with `nn.model`:
    (ids: tensor<?xi32, context>, positions: tensor<?xi32, context>, offsets: tensor<?xi32, sequence + 1>)
    -> (hidden: tensor<?×d, context>, head: tensor<V×d>). `max_context` bounds the length of a sequence.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefAttr:$model, StrAttr:$role);
  let assemblyFormat = "$sym_name `model` $model $role attr-dict";
}

def Rl_OptimizerOp : Rl_Op<"optimizer", [Symbol, IsolatedFromAbove, SingleBlock, NoRegionArguments,
                                         DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "AdamW on the weights of a trainable policy; the body yields the learning rate";
  let description = [{
    `clip` bounds the global gradient norm (0: none). `reset` is "iteration" or "never".
    ```mlir
    rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, …, clip = 1.0 : f32, reset = "iteration"} {
      %lr = rl.read_param @lr : !rl.per<batch, f32>
      rl.yield %lr : !rl.per<batch, f32>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefAttr:$policy, F32Attr:$beta1, F32Attr:$beta2,
                       F32Attr:$eps, F32Attr:$weight_decay, F32Attr:$clip, StrAttr:$reset);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `adamw` $policy attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def Rl_StepOp : Rl_Op<"step", [Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "a step: samples and scores (prompts → trajectory), or trains (trajectory → nothing)";
  let description = [{
    ```mlir
    rl.step @train "y" {
    ^bb0(%y: !rl.trajectory):
      …
      rl.minimize %loss by @opt : !rl.per<batch, f32>
      rl.yield
    }
    ```
    `argument` is the parameter's name in the source. split-step adds `packing`.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$argument, OptionalAttr<StrAttr>:$packing);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name $argument attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def Rl_EntryOp : Rl_Op<"entry", [Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "a callable of plain values with scopes, for `mirl call`";
  let description = [{
    Block arguments are `!rl.per`; `names` are theirs. Yields its results, named by `results`. For each argument in
    `gradients` the gradient of the first result (of batch scope) is a further output, `grad.<name>`.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrArrayAttr:$names, StrArrayAttr:$results, DenseI64ArrayAttr:$gradients);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name $names `->` $results `gradients` $gradients attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def Rl_IterationOp : Rl_Op<"iteration", [IsolatedFromAbove, SingleBlock, NoRegionArguments]> {
  let summary = "what one iteration does: draw, call steps, repeat";
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def Rl_YieldOp : Rl_Op<"yield", [Pure, Terminator, ReturnLike,
    ParentOneOf<["OptimizerOp", "StepOp", "EntryOp", "IterationOp", "RepeatOp", "BatchesOp"]>]> {
  let summary = "ends a body";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

// --- the iteration -----------------------------------------------------------------------------------

def Rl_DrawOp : Rl_Op<"draw", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "take `count` records of a dataset: prompts, or a trajectory when the records hold responses";
  let arguments = (ins FlatSymbolRefAttr:$dataset, I64Attr:$count);
  let results = (outs AnyTypeOf<[Rl_PromptsType, Rl_TrajectoryType]>:$result);
  let assemblyFormat = "$dataset $count attr-dict `:` type($result)";
}

def Rl_CallOp : Rl_Op<"call", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "run a step";
  let arguments = (ins FlatSymbolRefAttr:$step, AnyTypeOf<[Rl_PromptsType, Rl_TrajectoryType]>:$argument);
  let results = (outs Optional<Rl_TrajectoryType>:$result);
  let assemblyFormat = "$step `(` $argument `)` attr-dict `:` functional-type(operands, results)";
}

def Rl_RepeatOp : Rl_Op<"repeat", [SingleBlock, NoRegionArguments]> {
  let summary = "run the body `count` times";
  let arguments = (ins I64Attr:$count);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$count attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def Rl_BatchesOp : Rl_Op<"batches", [SingleBlock]> {
  let summary = "run the body for each batch of about `sequences` sequences, whole groups";
  let arguments = (ins Rl_TrajectoryType:$trajectory, I64Attr:$sequences, BoolAttr:$shuffle);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$trajectory `of` $sequences `shuffle` $shuffle attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def Rl_EvaluateOp : Rl_Op<"evaluate", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "sample one response for each record of a dataset and report how many are right";
  let description = "`verifier` holds the settings of rl.verify (kind, pattern, field, …).";
  let arguments = (ins FlatSymbolRefAttr:$policy, FlatSymbolRefAttr:$dataset, StrAttr:$name, F64Attr:$temperature,
                       I64Attr:$max_tokens, I64Attr:$every, DictionaryAttr:$verifier);
  let assemblyFormat = "$policy `on` $dataset `as` $name attr-dict";
}

// --- rollouts and rewards ----------------------------------------------------------------------------

// A count known at compile time, or the rl.param that says it when the plan runs.
def Rl_Count : AnyAttrOf<[I64Attr, FlatSymbolRefAttr], "a count or a parameter">;

def Rl_SampleOp : Rl_Op<"sample", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "n responses to each prompt, with the log-probs of their tokens";
  let description = [{
    With a budget the result is what has ended: groups of which a response waits for the next iteration stay behind, and
    those of earlier iterations are in it (docs/rollout.md).
    `budget`, `total_budget`: most tokens to sample in an iteration, for a sequence and for all. `max_age`: the oldest that a
    token of the result may be, in updates of the policy. `in_flight`: groups that are begun and not handed over, at most so
    many times those that are drawn. `cache`: what becomes of the keys and values of what waits: "recompute" (computed again
    with the weights of the next iteration; the default) or "keep".
    `ready`, in place of a budget: the result is exactly so many groups; what has not ended when they have waits (docs/async.md).
    `repeat`: [n, times, window], the detector of repetitions.
  }];
  let arguments = (ins FlatSymbolRefAttr:$policy, Rl_PromptsType:$prompts, I64Attr:$n, F64Attr:$temperature,
                       I64Attr:$top_k, F64Attr:$top_p, I64Attr:$max_tokens, OptionalAttr<Rl_Count>:$budget,
                       OptionalAttr<Rl_Count>:$total_budget, OptionalAttr<I64Attr>:$max_age,
                       OptionalAttr<I64Attr>:$in_flight, OptionalAttr<StrAttr>:$cache,
                       OptionalAttr<I64Attr>:$ready,
                       OptionalAttr<DenseI64ArrayAttr>:$repeat);
  let results = (outs Rl_TrajectoryType:$result);
  let assemblyFormat = "$policy `,` $prompts attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    bool isPartial() { return getBudgetAttr() || getTotalBudgetAttr() || getReady(); }
    // Groups that are begun and not handed over at most, as a multiple of those that are drawn.
    int64_t groupsInFlight() { return isPartial() ? getInFlight().value_or(kInFlight) : 1; }
    // Groups that one call can hand over when so many are drawn.
    int64_t groupsHandedOver(int64_t drawn) { return getReady().value_or(drawn * groupsInFlight()); }
    static constexpr int64_t kInFlight = 2;
  }];
}

def Rl_VerifyOp : Rl_Op<"verify"> {
  let summary = "ask a verifier for a number per response: exact_answer, regex or program";
  let description = "`settings`: pattern, field, command, timeout, workers (docs/plan.md).";
  let arguments = (ins StrAttr:$kind, Rl_TrajectoryType:$trajectory, DictionaryAttr:$settings);
  let results = (outs Rl_PerSequence:$result);
  let assemblyFormat = "$kind $trajectory $settings attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Rl_RescoreOp : Rl_Op<"rescore", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the trajectory with the log-probs that the policy as it is now gives to its tokens";
  let arguments = (ins FlatSymbolRefAttr:$policy, Rl_TrajectoryType:$trajectory);
  let results = (outs Rl_TrajectoryType:$result);
  let assemblyFormat = "$policy `,` $trajectory attr-dict";
}

def Rl_ScoreOp : Rl_Op<"score"> {
  let summary = "the trajectory with this reward";
  let arguments = (ins Rl_TrajectoryType:$trajectory, Rl_PerSequence:$reward);
  let results = (outs Rl_TrajectoryType:$result);
  let assemblyFormat = "$trajectory `,` $reward attr-dict `:` type($reward)";
}

// --- values --------------------------------------------------------------------------------------------

def Rl_FieldOp : Rl_Op<"field", [Pure]> {
  let summary = "a recorded field of a trajectory: logprob, version, age, reward, length, finished, ending";
  let arguments = (ins Rl_TrajectoryType:$trajectory, StrAttr:$name);
  let results = (outs Rl_PerType:$result);
  let assemblyFormat = "$trajectory `,` $name attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Rl_LogprobOp : Rl_Op<"logprob", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the log-prob of every response token under a policy";
  let arguments = (ins FlatSymbolRefAttr:$policy, Rl_TrajectoryType:$trajectory, DefaultValuedAttr<F64Attr, "1.0">:$temperature);
  let results = (outs Rl_PerToken:$result);
  let assemblyFormat = "$policy `,` $trajectory attr-dict `:` type($result)";
}

def Rl_EntropyOp : Rl_Op<"entropy", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the entropy of a policy's distribution at every response token";
  let arguments = (ins FlatSymbolRefAttr:$policy, Rl_TrajectoryType:$trajectory, DefaultValuedAttr<F64Attr, "1.0">:$temperature);
  let results = (outs Rl_PerToken:$result);
  let assemblyFormat = "$policy `,` $trajectory attr-dict `:` type($result)";
}

def Rl_ReadParamOp : Rl_Op<"read_param", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a run-time parameter's value";
  let arguments = (ins FlatSymbolRefAttr:$param);
  let results = (outs Rl_Batch:$result);
  let assemblyFormat = "$param attr-dict `:` type($result)";
}

def Rl_ClockOp : Rl_Op<"clock", [Pure]> {
  let summary = "`iteration` (the number of this iteration, from 0) or `iterations` (how many there are)";
  let arguments = (ins StrAttr:$which);
  let results = (outs Rl_Batch:$result);
  let assemblyFormat = "$which attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Rl_ConstantOp : Rl_Op<"constant", [Pure, ConstantLike]> {
  let summary = "a number";
  let arguments = (ins F64Attr:$value);
  let results = (outs Rl_Batch:$result);
  let assemblyFormat = "$value attr-dict `:` type($result)";
  let hasFolder = 1;
}

class Rl_MathsOp<string mnemonic> : Rl_Op<mnemonic, [Pure, SameOperandsAndResultType]>;

def Rl_UnaryOp : Rl_MathsOp<"unary"> {
  let summary = "neg, exp, log, sqrt, abs, sigmoid, tanh, log_sigmoid, square";
  let arguments = (ins Rl_UnaryKindAttr:$kind, Rl_PerType:$input);
  let results = (outs Rl_PerType:$result);
  let assemblyFormat = "`` $kind $input attr-dict `:` type($result)";
}

def Rl_BinaryOp : Rl_MathsOp<"binary"> {
  let summary = "add, sub, mul, div, min, max; both operands have one scope";
  let arguments = (ins Rl_BinaryKindAttr:$kind, Rl_PerType:$lhs, Rl_PerType:$rhs);
  let results = (outs Rl_PerType:$result);
  let assemblyFormat = "`` $kind $lhs `,` $rhs attr-dict `:` type($result)";
  let hasFolder = 1;
}

def Rl_CompareOp : Rl_MathsOp<"compare"> {
  let summary = "1 where eq, ne, lt, le, gt or ge holds, else 0";
  let arguments = (ins Rl_CompareKindAttr:$kind, Rl_PerType:$lhs, Rl_PerType:$rhs);
  let results = (outs Rl_PerType:$result);
  let assemblyFormat = "`` $kind $lhs `,` $rhs attr-dict `:` type($result)";
}

def Rl_SelectOp : Rl_MathsOp<"select"> {
  let summary = "condition ≠ 0 ? on_true : on_false";
  let arguments = (ins Rl_PerType:$condition, Rl_PerType:$on_true, Rl_PerType:$on_false);
  let results = (outs Rl_PerType:$result);
  let assemblyFormat = "$condition `,` $on_true `,` $on_false attr-dict `:` type($result)";
}

def Rl_StopGradientOp : Rl_MathsOp<"stop_gradient"> {
  let summary = "the value, through which no gradient flows";
  let arguments = (ins Rl_PerType:$input);
  let results = (outs Rl_PerType:$result);
  let assemblyFormat = "$input attr-dict `:` type($result)";
}

def Rl_SpreadOp : Rl_Op<"spread", [Pure]> {
  let summary = "a coarser value given to everything in it";
  let description = [{
    ```mlir
    %1 = rl.spread %0 : !rl.per<group, f32> to !rl.per<sequence, f32>
    ```
  }];
  let arguments = (ins Rl_PerType:$input);
  let results = (outs Rl_PerType:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `to` type($result)";
  let hasVerifier = 1;
}

def Rl_ReduceOp : Rl_Op<"reduce", [Pure]> {
  let summary = "sum, mean, max, min or count of a finer value over each coarser one";
  let description = [{
    Over all the elements: the mean of a per-token value over a group is the mean over all tokens of the group.
    ```mlir
    %1 = rl.reduce mean %0 : !rl.per<sequence, f32> to !rl.per<group, f32>
    ```
  }];
  let arguments = (ins Rl_ReduceKindAttr:$kind, Rl_PerType:$input);
  let results = (outs Rl_PerType:$result);
  let assemblyFormat = "`` $kind $input attr-dict `:` type($input) `to` type($result)";
  let hasVerifier = 1;
}

// --- effects ---------------------------------------------------------------------------------------------

def Rl_MinimizeOp : Rl_Op<"minimize", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "one optimizer update down the gradient of the loss";
  let arguments = (ins Rl_Batch:$loss, FlatSymbolRefAttr:$optimizer);
  let assemblyFormat = "$loss `by` $optimizer attr-dict `:` type($loss)";
}

def Rl_MetricOp : Rl_Op<"metric"> {
  let summary = "a number for the run's report";
  let arguments = (ins StrAttr:$name, Rl_Batch:$value);
  let assemblyFormat = "$name `,` $value attr-dict `:` type($value)";
}

#endif // MIRL_DIALECTS_RL_OPS
