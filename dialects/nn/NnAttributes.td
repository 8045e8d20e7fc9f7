#ifndef MIRL_DIALECTS_NN_ATTRIBUTES
#define MIRL_DIALECTS_NN_ATTRIBUTES

include "NnDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Nn_Axis : I32EnumAttr<"Axis", "what the rows of a tensor are", [
    I32EnumAttrCase<"context", 1>, I32EnumAttrCase<"token", 2>,
    I32EnumAttrCase<"sequence", 3>, I32EnumAttrCase<"group", 4>]> {
  let cppNamespace = "::mirl::nn";
  let genSpecializedAttr = 0;
}

def Nn_AxisAttr : AttrDef<Nn_Dialect, "Axis"> {
  let mnemonic = "axis";
  let summary = "the axis counted by a tensor's dynamic first dimension";
  let description = [{
    Encoding of a ranked tensor whose first dimension is dynamic:
    `tensor<?x96xf32, #nn.axis<context>>` has one row per token of the packed stream. Offsets have
    one row more than their axis: `tensor<?xi32, #nn.axis<sequence, 1>>`.
  }];
  let parameters = (ins EnumParameter<Nn_Axis>:$axis, DefaultValuedParameter<"int64_t", "0">:$extra);
  let assemblyFormat = "`<` $axis (`,` $extra^)? `>`";
}

def Nn_UnaryKind : I32EnumAttr<"UnaryKind", "elementwise function of one value", [
    I32EnumAttrCase<"neg", 0>, I32EnumAttrCase<"exp", 1>, I32EnumAttrCase<"log", 2>,
    I32EnumAttrCase<"sqrt", 3>, I32EnumAttrCase<"rsqrt", 4>, I32EnumAttrCase<"abs", 5>,
    I32EnumAttrCase<"sigmoid", 6>, I32EnumAttrCase<"silu", 7>, I32EnumAttrCase<"tanh", 8>,
    I32EnumAttrCase<"log_sigmoid", 9>, I32EnumAttrCase<"square", 10>]> {
  let cppNamespace = "::mirl::nn";
  let genSpecializedAttr = 0;
}
def Nn_UnaryKindAttr : EnumAttr<Nn_Dialect, Nn_UnaryKind, "unary_kind">;

def Nn_BinaryKind : I32EnumAttr<"BinaryKind", "elementwise function of two values", [
    I32EnumAttrCase<"add", 0>, I32EnumAttrCase<"sub", 1>, I32EnumAttrCase<"mul", 2>,
    I32EnumAttrCase<"div", 3>, I32EnumAttrCase<"min", 4>, I32EnumAttrCase<"max", 5>]> {
  let cppNamespace = "::mirl::nn";
  let genSpecializedAttr = 0;
}
def Nn_BinaryKindAttr : EnumAttr<Nn_Dialect, Nn_BinaryKind, "binary_kind">;

def Nn_CompareKind : I32EnumAttr<"CompareKind", "comparison of two values", [
    I32EnumAttrCase<"eq", 0>, I32EnumAttrCase<"ne", 1>, I32EnumAttrCase<"lt", 2>,
    I32EnumAttrCase<"le", 3>, I32EnumAttrCase<"gt", 4>, I32EnumAttrCase<"ge", 5>]> {
  let cppNamespace = "::mirl::nn";
  let genSpecializedAttr = 0;
}
def Nn_CompareKindAttr : EnumAttr<Nn_Dialect, Nn_CompareKind, "compare_kind">;

def Nn_ReduceKind : I32EnumAttr<"ReduceKind", "what a reduction computes", [
    I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"max", 1>, I32EnumAttrCase<"min", 2>]> {
  let cppNamespace = "::mirl::nn";
  let genSpecializedAttr = 0;
}
def Nn_ReduceKindAttr : EnumAttr<Nn_Dialect, Nn_ReduceKind, "reduce_kind">;

def Nn_NumericsAttr : AttrDef<Nn_Dialect, "Numerics"> {
  let mnemonic = "numerics";
  let summary = "the order and the type of a reduction";
  let description = [{
    Part of an op's meaning, never chosen from the shape of a call: `#nn.numerics<"lanes", 16, f32>`.

    - `chain`: one accumulator, indices ascending, fused multiply-add (the CPU's matrix product,
      segment sums, gradients of weights; the chain goes on from the accumulator operand).
    - `k16`: the sum of Hopper's tensor cores over products of bf16: one accumulator, k ascending in steps of `width` = 16,
      aligned and truncated as `dialects/nn/reference/TensorCore.h` says.
    - `tiles`: attention in segments of `width` keys (a multiple of 128), counted from the sequence's first, each in blocks of 64 with
      the running maximum, on Hopper's tensor cores; segments are merged in ascending order (`passes/cuda/AttentionKernel.h` says it in
      full).
    - `lanes`: `width` partial sums by index modulo `width`, then a pairwise tree (sums over a row:
      norms, softmax): 16 of them, or 256 in norms of bf16 on a GPU.
    - `blocks`: blocks of `width` indices, each reduced as `lanes` of 16 and merged in ascending order
      with the running maximum (log-sum-exp over the vocabulary).
    - `row_blocks`: sums over rows (gradients of biases and of norms' weights) in blocks of `width` rows, each a chain from zero;
      the blocks' sums are one chain from zero, which is added to the accumulator operand at its end.
    - `k16_blocks`: the same as `blocks` over logits that are sums of the order `k16`; the exponentials within a block are
      2^(x · log₂ e) by the special function unit, off by (2 + |x|) · 2⁻²³ of themselves, and zero where they are below 2⁻¹²⁶.

    The `width` of a chain is 1.
  }];
  let parameters = (ins StringRefParameter<"chain, k16, k16_blocks, tiles, lanes, blocks or row_blocks">:$order,
                        "int64_t":$width, "::mlir::Type":$accumulator);
  let assemblyFormat = "`<` $order `,` $width `,` $accumulator `>`";
  let genVerifyDecl = 1;
}

#endif // MIRL_DIALECTS_NN_ATTRIBUTES
