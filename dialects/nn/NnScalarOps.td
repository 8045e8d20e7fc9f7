// Elementwise maths, and sums and spreads between tokens, sequences, groups and the batch.

include "NnBase.td"

class Nn_ElementwiseOp<string mnemonic, list<Trait> traits = []>
    : Nn_TensorOp<mnemonic, !listconcat([Elementwise, SameOperandsAndResultType], traits)>;

def Nn_SplatOp : Nn_TensorOp<"splat", [ConstantLike, Differentiable]> {
  let summary = "a tensor filled with one number";
  let description = [{
    ```mlir
    %half = nn.splat 0.5 : tensor<?xf32, #nn.axis<token>>
    ```
  }];
  let arguments = (ins F32Attr:$value);
  let results = (outs Nn_Tensor:$result);
  let assemblyFormat = "$value attr-dict `:` type($result)";
  let hasFolder = 1;
}

def Nn_UnaryOp : Nn_ElementwiseOp<"unary", [Differentiable]> {
  let summary = "elementwise function: neg, exp, log, sqrt, rsqrt, abs, sigmoid, silu, tanh, log_sigmoid, square";
  let description = [{
    ```mlir
    %y = nn.unary exp %x : tensor<?xf32, #nn.axis<token>>
    ```
    sigmoid x = 1 / (1 + exp(−x)), silu x = x / (1 + exp(−x)), log_sigmoid x = min(x, 0) − log(1 + exp(−|x|)). The first two in bf16 may be next to
    the rounded value (docs/cuda.md, "What is bound by memory").
  }];
  let arguments = (ins Nn_UnaryKindAttr:$kind, Nn_Tensor:$input);
  let results = (outs Nn_Tensor:$result);
  let assemblyFormat = "`` $kind $input attr-dict `:` type($result)";
}

def Nn_BinaryOp : Nn_ElementwiseOp<"binary", [Differentiable]> {
  let summary = "elementwise function of two: add, sub, mul, div, min, max";
  let description = "The gradient of min and max goes to lhs on ties.";
  let arguments = (ins Nn_BinaryKindAttr:$kind, Nn_Tensor:$lhs, Nn_Tensor:$rhs);
  let results = (outs Nn_Tensor:$result);
  let assemblyFormat = "`` $kind $lhs `,` $rhs attr-dict `:` type($result)";
  let hasFolder = 1;
}

def Nn_CompareOp : Nn_ElementwiseOp<"compare", [Differentiable]> {
  let summary = "1.0 where the comparison holds, else 0.0: eq, ne, lt, le, gt, ge";
  let description = "Its gradient is zero.";
  let arguments = (ins Nn_CompareKindAttr:$kind, Nn_Tensor:$lhs, Nn_Tensor:$rhs);
  let results = (outs Nn_Tensor:$result);
  let assemblyFormat = "`` $kind $lhs `,` $rhs attr-dict `:` type($result)";
}

def Nn_SelectOp : Nn_ElementwiseOp<"select", [Differentiable]> {
  let summary = "condition ≠ 0 ? on_true : on_false";
  let arguments = (ins Nn_Tensor:$condition, Nn_Tensor:$on_true, Nn_Tensor:$on_false);
  let results = (outs Nn_Tensor:$result);
  let assemblyFormat = "$condition `,` $on_true `,` $on_false attr-dict `:` type($result)";
}

def Nn_SpreadOp : Nn_TensorOp<"spread", [Differentiable]> {
  let summary = "a rank-0 value to every element of the result";
  let arguments = (ins Nn_Scalars:$input);
  let results = (outs Nn_Scalars:$result);
}

def Nn_SegmentSpreadOp : Nn_TensorOp<"segment_spread", [Differentiable]> {
  let summary = "a value per segment to every row of the segment";
  let description = [{
    Shapes: input S (or G), offsets S+1 (G+1) into the finer axis, result over the finer axis.
    ```mlir
    %y = nn.segment_spread %x, %token_offsets
      : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<token>>
    ```
  }];
  let arguments = (ins Nn_Scalars:$input, Nn_Indices:$offsets);
  let results = (outs Nn_Scalars:$result);
}

def Nn_SegmentReduceOp : Nn_TensorOp<"segment_reduce", [Differentiable]> {
  let summary = "sum, max or min of the rows of each segment, ascending";
  let description = [{
    An empty segment gives 0, −inf or +inf. The gradient of max and min goes to every row that equals it.
  }];
  let arguments = (ins Nn_ReduceKindAttr:$kind, Nn_Scalars:$input, Nn_Indices:$offsets,
                       OptionalAttr<Nn_NumericsAttr>:$numerics);
  let results = (outs Nn_Scalars:$result);
  let assemblyFormat = "`` $kind $input `,` $offsets attr-dict `:` functional-type(operands, results)";
}

def Nn_SegmentCountOp : Nn_TensorOp<"segment_count", [Differentiable]> {
  let summary = "rows of each segment, as a float: offsets[i+1] − offsets[i]";
  let arguments = (ins Nn_Indices:$offsets);
  let results = (outs Nn_Scalars:$result);
}

def Nn_ReduceOp : Nn_TensorOp<"reduce", [Differentiable, InPlace]> {
  let summary = "sum, max or min of all rows, ascending, to rank 0";
  let description = "With `into`, the chain starts there and the result takes over its storage (sum only).";
  let arguments = (ins Nn_ReduceKindAttr:$kind, Nn_Scalars:$input, Optional<Nn_Scalars>:$into,
                       OptionalAttr<Nn_NumericsAttr>:$numerics);
  let results = (outs Nn_Scalars:$result);
  let assemblyFormat = "`` $kind $input (`into` `(` $into^ `)`)? attr-dict `:` functional-type(operands, results)";
}

def Nn_ExtentOp : Nn_TensorOp<"extent", [Differentiable]> {
  let summary = "the number of rows of an axis in this call, as a float of rank 0";
  let description = [{
    ```mlir
    %tokens = nn.extent <token> : tensor<f32>
    ```
  }];
  let arguments = (ins Nn_AxisAttr:$axis);
  let results = (outs Nn_Scalars:$result);
  let assemblyFormat = "$axis attr-dict `:` type($result)";
}

def Nn_CastOp : Nn_TensorOp<"cast", [Elementwise, Differentiable]> {
  let summary = "the same numbers as bf16, rounded to nearest even, or as f32, exactly";
  let description = [{
    ```mlir
    %y = nn.cast %x : (tensor<?x96xf32, #nn.axis<context>>) -> tensor<?x96xbf16, #nn.axis<context>>
    ```
  }];
  let arguments = (ins Nn_Tensor:$input);
  let results = (outs Nn_Tensor:$result);
  let hasFolder = 1;
}

def Nn_StopGradientOp : Nn_ElementwiseOp<"stop_gradient", [Differentiable]> {
  let summary = "the identity, through which no gradient flows";
  let arguments = (ins Nn_Tensor:$input);
  let results = (outs Nn_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($result)";
}

def Nn_FusedOp : Nn_Op<"fused", [Pure, Reference, SingleBlock, IsolatedFromAbove]> {
  let summary = "several elementwise ops as one loop over the elements";
  let description = [{
    The body is a scalar program (`arith` and `math` on f32) with one argument per operand. Every operand has
    the results' shape, or rank 0 (then the same value for all elements). Operands and results may be bf16:
    they are extended on the way in and rounded on the way out, and where an op inside had a bf16 result the body
    rounds too (`arith.truncf` and `arith.extf`), so that fusion changes no bit.
    ```mlir
    %y = nn.fused %gate, %up : (tensor<?x256xf32, #nn.axis<context>>, …) -> tensor<?x256xf32, #nn.axis<context>> {
    ^bb0(%g: f32, %u: f32):
      …
      nn.yield %r : f32
    }
    ```
  }];
  let arguments = (ins Variadic<Nn_Tensor>:$inputs);
  let results = (outs Variadic<Nn_Tensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$inputs attr-dict `:` functional-type(operands, results) $body";
  let hasVerifier = 1;
}

def Nn_YieldOp : Nn_Op<"yield", [Pure, Terminator, ReturnLike, ParentOneOf<["FusedOp"]>]> {
  let summary = "the results of one element of nn.fused";
  let arguments = (ins Variadic<F32>:$values);
  let assemblyFormat = "$values attr-dict `:` type($values)";
}
