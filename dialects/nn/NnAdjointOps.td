// Adjoints and the optimizer. A gradient of a weight is added into an accumulator (`into`), whose
// storage the result takes over: one chain over all rows of all micro-batches.

include "NnBase.td"

def Nn_EmbeddingGradOp : Nn_TensorOp<"embedding_grad", [InPlace]> {
  let summary = "result = into; result[ids[c], :] += gradient[c, :], c ascending";
  let arguments = (ins Nn_Tensor:$gradient, Nn_Indices:$ids, Nn_Tensor:$into);
  let results = (outs Nn_Tensor:$result);
}

def Nn_LinearDataGradOp : Nn_TensorOp<"linear_data_grad"> {
  let summary = "gradient · weight";
  let description = "result[m, k] = Σ_n gradient[m, n] · weight[n, k], a chain over n. Shapes: M×N, N×K → M×K.";
  let arguments = (ins Nn_Tensor:$gradient, Nn_Tensor:$weight, OptionalAttr<Nn_NumericsAttr>:$numerics);
  let results = (outs Nn_Tensor:$result);
}

def Nn_LinearWeightGradOp : Nn_TensorOp<"linear_weight_grad", [InPlace]> {
  let summary = "into + gradientᵀ · input";
  let description = [{
    result[n, k] = into[n, k] + Σ_m gradient[m, n] · input[m, k], a chain over m that starts at into. With the order
    k16 the sum over m starts at zero, and is added to into at its end.
    Shapes: gradient M×N, input M×K, into N×K.
  }];
  let arguments = (ins Nn_Tensor:$gradient, Nn_Tensor:$input, Nn_Tensor:$into,
                       OptionalAttr<Nn_NumericsAttr>:$numerics);
  let results = (outs Nn_Tensor:$result);
}

def Nn_ColumnSumOp : Nn_TensorOp<"column_sum", [InPlace]> {
  let summary = "into[n] + Σ_m input[m, n], m ascending: the gradient of a bias";
  let description = [{
    The chain goes on from `into`; with the order `row_blocks` a sum over blocks of rows is added to it.
  }];
  let arguments = (ins Nn_Tensor:$input, Nn_Tensor:$into, OptionalAttr<Nn_NumericsAttr>:$numerics);
  let results = (outs Nn_Tensor:$result);
}

def Nn_RmsNormDataGradOp : Nn_TensorOp<"rms_norm_data_grad"> {
  let summary = "gradient of nn.rms_norm with respect to its input";
  let description = [{
    With x̂ = input · rstd and g = gradient · weight: result = rstd · (g − x̂ · mean(g · x̂)), plus `residual`
    when given (the gradient that flows past the norm; a bf16 result is rounded before it is added, and after). The mean is a
    sum over the row in the order of `numerics`. Shapes: gradient, input C×d, weight d, rstd C.
  }];
  let arguments = (ins Nn_Tensor:$gradient, Nn_Tensor:$input, Nn_Tensor:$weight, Nn_Scalars:$rstd,
                       Optional<Nn_Tensor>:$residual, OptionalAttr<Nn_NumericsAttr>:$numerics);
  let results = (outs Nn_Tensor:$result);
}

def Nn_RmsNormWeightGradOp : Nn_TensorOp<"rms_norm_weight_grad", [InPlace]> {
  let summary = "into[k] + Σ_c gradient[c, k] · input[c, k] · rstd[c], c ascending";
  let description = [{
    The chain goes on from `into`; with the order `row_blocks` a sum over blocks of rows is added to it.
  }];
  let arguments = (ins Nn_Tensor:$gradient, Nn_Tensor:$input, Nn_Scalars:$rstd, Nn_Tensor:$into,
                       OptionalAttr<Nn_NumericsAttr>:$numerics);
  let results = (outs Nn_Tensor:$result);
}

def Nn_AttentionGradOp : Nn_TensorOp<"attention_grad"> {
  let summary = "gradients of nn.attention with respect to query, key and value";
  let description = [{
    With P = exp(scale·s − lse), D = Σ gradient·result (per row and head), dP = gradient·vᵀ, dS = scale · P · (dP − D):
    dq = dS·k, dk = dSᵀ·q, dv = Pᵀ·gradient, sums over rows ascending; the query heads of a key/value
    head add up in head order. All of it in f32: bf16 gradients are rounded once, at the end.

    With the order `k16` (bf16) every product is the tensor cores' sum: P and dS, without the factor scale, are rounded to bf16
    before they are multiplied, and dq and dk are multiplied by scale at the end.
  }];
  let arguments = (ins Nn_Tensor:$gradient, Nn_Tensor:$query, Nn_Tensor:$key, Nn_Tensor:$value,
                       Nn_Tensor:$result, Nn_Scalars:$lse, Nn_Indices:$offsets, I64Attr:$heads,
                       I64Attr:$kv_heads, F32Attr:$scale, OptionalAttr<Nn_NumericsAttr>:$numerics);
  let results = (outs Nn_Tensor:$query_gradient, Nn_Tensor:$key_gradient, Nn_Tensor:$value_gradient);
}

def Nn_ScatterRowsOp : Nn_TensorOp<"scatter_rows"> {
  let summary = "zero but for result[rows[r], :] = input[r, :]; the rows are distinct";
  let arguments = (ins Nn_Tensor:$input, Nn_Indices:$rows);
  let results = (outs Nn_Tensor:$result);
}

def Nn_LinearLogprobGradOp : Nn_TensorOp<"linear_logprob_grad", [InPlace, AttrSizedOperandSegments]> {
  let summary = "gradients of nn.linear_logprob, recomputed block by block";
  let description = [{
    With p = softmax(z) recomputed from lse, g = logprob_gradient, e = entropy_gradient (optional, with the
    entropy itself): dz[r, v] = (g[r]·(1[v = target] − p[v]) − e[r]·p[v]·(z[v] − lse[r] + entropy[r])) / temperature;
    hidden_gradient = dz · weight (a chain over v), weight_gradient = into + dzᵀ · hidden (a chain over r). dz is f32, and
    so is the chain of a bf16 hidden_gradient, which is rounded once at its end. In the order `k16` dz is rounded to bf16, the
    sums are those of `k16`, over all of the vocabulary. There z is first rounded as `kept_logits` are: to its block's maximum and
    the bf16 next to what it is less that; so the result has the same bits whether they are at hand or not.
    `kept` has kept_logits and maxima of `nn.linear_logprob`, for the columns that need not be computed again; they are used up.
    Peak extra memory is independent of V.
  }];
  let arguments = (ins Nn_Scalars:$logprob_gradient, Nn_Tensor:$hidden, Nn_Tensor:$weight, Nn_Indices:$targets,
                       Nn_Scalars:$lse, Nn_Tensor:$into, Optional<Nn_Scalars>:$entropy_gradient,
                       Optional<Nn_Scalars>:$entropy, Optional<Nn_Tensor>:$kept_logits, Optional<Nn_Tensor>:$maxima,
                       DefaultValuedAttr<F32Attr, "1.0f">:$temperature,
                       OptionalAttr<Nn_NumericsAttr>:$numerics);
  let results = (outs Nn_Tensor:$hidden_gradient, Nn_Tensor:$weight_gradient);
  let assemblyFormat = [{
    $logprob_gradient `,` $hidden `,` $weight `,` $targets `,` $lse `into` `(` $into `)`
    (`entropy` `(` $entropy_gradient^ `,` $entropy `)`)? (`kept` `(` $kept_logits^ `,` $maxima `)`)?
    attr-dict `:` functional-type(operands, results)
  }];
}

def Nn_SquaredNormOp : Nn_TensorOp<"squared_norm"> {
  let summary = "into + Σ input²";
  let description = [{
    The elements in blocks of 4096: a block is summed in 16 lanes, the blocks are added in ascending order, then
    `into`. Shapes: input any fixed shape; into and result of rank 0 (f32).
  }];
  let arguments = (ins Nn_Tensor:$input, Nn_Scalars:$into);
  let results = (outs Nn_Scalars:$result);
}

def Nn_AdamwOp : Nn_TensorOp<"adamw", [InPlace]> {
  let summary = "AdamW with decoupled weight decay";
  let description = [{
    (Loshchilov & Hutter, arXiv 1711.05101.) With g = gradient · scale, t = step (1 at the first update):
    m' = β1·m + (1−β1)·g, v' = β2·v + (1−β2)·g², weight' = weight·(1 − lr·weight_decay)
    − lr · (m'/(1−β1^t)) / (sqrt(v'/(1−β2^t)) + eps). lr, step, scale have rank 0.
    Results take over weight, moment1 and moment2, all of them f32. `copy`, when asked for, is new_weight in bf16.
  }];
  let arguments = (ins Nn_Tensor:$weight, Nn_Tensor:$gradient, Nn_Tensor:$moment1, Nn_Tensor:$moment2,
                       Nn_Scalars:$lr, Nn_Scalars:$step, Nn_Scalars:$scale, F32Attr:$beta1, F32Attr:$beta2,
                       F32Attr:$eps, F32Attr:$weight_decay);
  let results = (outs Nn_Tensor:$new_weight, Nn_Tensor:$new_moment1, Nn_Tensor:$new_moment2, Optional<Nn_Tensor>:$copy);
}
