// What a language model is made of: from token ids to hidden states, log-probs and samples.

include "NnBase.td"

def Nn_VariableOp : Nn_Op<"variable", [Symbol]> {
  let summary = "a persistent tensor";
  let description = [{
    A tensor that outlives a call: a weight, its gradient or moments, a KV cache, a counter. Entries
    take variables as arguments that carry `nn.variable = @name`; a result that carries
    `nn.alias = i` becomes the new value of argument i.

    `kind` is one of weight, master (the f32 original of a bf16 weight), gradient, moment1, moment2, kv_cache,
    kv_table, state. `init` is `normal:<std>`, `zeros` or `ones`. `weight` is the Hugging Face name it is, or belongs to.

    ```mlir
    nn.variable @"pi/model.norm.weight" weight "pi" "model.norm.weight" init "ones" : tensor<96xf32>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$kind, StrAttr:$owner, StrAttr:$weight,
                       StrAttr:$init, TypeAttrOf<AnyRankedTensor>:$type);
  let assemblyFormat = "$sym_name $kind $owner $weight `init` $init attr-dict `:` $type";
  let hasVerifier = 1;
}

def Nn_WeightOp : Nn_Op<"weight", [Pure]> {
  let summary = "a weight of a model, by its Hugging Face name";
  let description = [{
    Occurs in model functions only (functions with `nn.model`). When a policy instantiates the
    model, each becomes an argument bound to the policy's `nn.variable`.

    ```mlir
    %w = nn.weight "model.norm.weight" init "ones" : tensor<96xf32>
    ```
  }];
  let arguments = (ins StrAttr:$name, StrAttr:$init);
  let results = (outs Nn_Tensor:$result);
  let assemblyFormat = "$name `init` $init attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Nn_ConstantOp : Nn_TensorOp<"constant", [ConstantLike]> {
  let summary = "a constant tensor with fixed dimensions (the rotary table)";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Nn_Tensor:$result);
  let assemblyFormat = "$value attr-dict `:` type($result)";
  let hasFolder = 1;
}

def Nn_EmbeddingOp : Nn_TensorOp<"embedding", [Differentiable]> {
  let summary = "rows of a table: result[c, :] = table[ids[c], :]";
  let description = "Shapes: table V×d, ids C, result C×d.";
  let arguments = (ins Nn_Tensor:$table, Nn_Indices:$ids);
  let results = (outs Nn_Tensor:$result);
}

def Nn_LinearOp : Nn_TensorOp<"linear", [Differentiable, AttrSizedOperandSegments]> {
  let summary = "x · wᵀ (+ bias) (+ residual)";
  let description = [{
    result[m, n] = Σ_k input[m, k] · weight[n, k]  + bias[n] + residual[m, n].
    Shapes: input M×K, weight N×K (as Hugging Face stores it), bias N, residual M×N. The sum over k
    is one chain of fused multiply-adds from zero, k ascending; then bias, then residual are added. A bf16 result is
    rounded before the residual is added (it is a value of its own then), and after.
  }];
  let arguments = (ins Nn_Tensor:$input, Nn_Tensor:$weight, Optional<Nn_Tensor>:$bias,
                       Optional<Nn_Tensor>:$residual, OptionalAttr<Nn_NumericsAttr>:$numerics);
  let results = (outs Nn_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` `(` $bias^ `)`)? (`residual` `(` $residual^ `)`)? attr-dict `:`
    functional-type(operands, results)
  }];
}

def Nn_RmsNormOp : Nn_TensorOp<"rms_norm", [Differentiable]> {
  let summary = "x / sqrt(mean(x²) + eps) · weight";
  let description = [{
    Shapes: input C×d, weight d; results: C×d, and rstd C (1 / sqrt(mean(x²) + eps), f32), which the
    adjoint needs. (Zhang & Sennrich, arXiv 1910.07467.) The mean is a sum of 16 lanes.
  }];
  let arguments = (ins Nn_Tensor:$input, Nn_Tensor:$weight, F32Attr:$eps,
                       OptionalAttr<Nn_NumericsAttr>:$numerics);
  let results = (outs Nn_Tensor:$result, Nn_Scalars:$rstd);
}

def Nn_RotaryOp : Nn_TensorOp<"rotary", [Differentiable]> {
  let summary = "rotary position embedding";
  let description = [{
    For each head of `head_dim` columns, with h = head_dim / 2, p = positions[c] and
    cos = table[p, i], sin = table[p, h + i]:
    out[i] = x[i]·cos − x[h+i]·sin, out[h+i] = x[h+i]·cos + x[i]·sin (Su et al., arXiv 2104.09864, in
    the half-split form of Hugging Face). `inverse` negates sin (the adjoint).
    Shapes: input C×(heads·head_dim), positions C, table P×head_dim (f32).
    Rounding: each product is rounded, then the sum (no fused multiply-add).
  }];
  let arguments = (ins Nn_Tensor:$input, Nn_Indices:$positions, Nn_Tensor:$table, I64Attr:$head_dim,
                       UnitAttr:$inverse);
  let results = (outs Nn_Tensor:$result);
}

def Nn_AttentionOp : Nn_TensorOp<"attention", [Differentiable]> {
  let summary = "causal attention within packed sequences, grouped queries";
  let description = [{
    For row c at position p of its sequence and query head h over key/value head h / (heads / kv_heads):
    out[c, h] = Σ_j softmax_j(scale · q[c, h] · k[j]) v[j], j over the rows of the sequence up to c.
    Shapes: query C×(heads·hd), key and value C×(kv_heads·hd), offsets S+1; results: C×(heads·hd) and
    the log-sum-exp C×heads (f32), which the adjoint needs.

    Order: a score is a chain over hd ascending; then times scale; the maximum; exp(score − max); the sum over
    j in 16 lanes by j modulo 16; out is a chain over j ascending of p_j·v_j, divided by the sum at the end.
    That is `lanes`; `tiles` is the tensor cores' (`passes/cuda/AttentionKernel.h`).
    `nn.paged_attention` has the same order, hence the same bits.

    No sequence has more rows than `longest`, where that is said: a kernel need not be able to do more.
  }];
  let arguments = (ins Nn_Tensor:$query, Nn_Tensor:$key, Nn_Tensor:$value, Nn_Indices:$offsets,
                       I64Attr:$heads, I64Attr:$kv_heads, F32Attr:$scale,
                       OptionalAttr<Nn_NumericsAttr>:$numerics,
                       OptionalAttr<I64Attr>:$longest);
  let results = (outs Nn_Tensor:$result, Nn_Scalars:$lse);
}

def Nn_KvAppendOp : Nn_TensorOp<"kv_append", [InPlace]> {
  let summary = "write keys and values of new tokens into the cache's blocks";
  let description = [{
    key_cache[b, h, :, p % 16] = key[c, h, :], value_cache[b, h, p % 16, :] = value[c, h, :]
    with p = positions[c] and b = table[slots[c], p / 16]: the cache is a pool of blocks of 16 positions, and
    the table says which of them hold a slot's. Shapes: key, value C×(kv_heads·hd); key_cache
    N×kv_heads×hd×16, value_cache N×kv_heads×16×hd; table B×(P/16); slots, positions C. Results take over
    the caches' storage. No two rows may have the same block and place.

    That is what the tensors are. In memory a GPU has a block's keys as 16×hd, like values, where `nn.paged_attention` of the order
    `tiles` reads them.
  }];
  let arguments = (ins Nn_Tensor:$key, Nn_Tensor:$value, Nn_Tensor:$key_cache, Nn_Tensor:$value_cache,
                       Nn_BlockTable:$table, Nn_Indices:$slots, Nn_Indices:$positions);
  let results = (outs Nn_Tensor:$new_key_cache, Nn_Tensor:$new_value_cache);
}

def Nn_PagedAttentionOp : Nn_TensorOp<"paged_attention"> {
  let summary = "attention of new tokens over the blocks of their slot, up to their position";
  let description = [{
    As `nn.attention`, with the keys and values j = 0 … positions[c] of slot slots[c], where position j is in
    block table[slots[c], j / 16] at j % 16. The tokens' own keys and values are already there
    (`nn.kv_append`). The order is that of `nn.attention`, so the bits are: which blocks hold a sequence
    changes nothing.
  }];
  let arguments = (ins Nn_Tensor:$query, Nn_Tensor:$key_cache, Nn_Tensor:$value_cache, Nn_BlockTable:$table,
                       Nn_Indices:$slots, Nn_Indices:$positions, I64Attr:$heads, I64Attr:$kv_heads,
                       F32Attr:$scale, OptionalAttr<Nn_NumericsAttr>:$numerics);
  let results = (outs Nn_Tensor:$result);
}

def Nn_GatherRowsOp : Nn_TensorOp<"gather_rows", [Differentiable]> {
  let summary = "result[r, :] = input[rows[r], :]";
  let description = "Shapes: input C×d, rows R, result R×d. Its adjoint needs the rows to be distinct.";
  let arguments = (ins Nn_Tensor:$input, Nn_Indices:$rows);
  let results = (outs Nn_Tensor:$result);
}

def Nn_LinearLogprobOp : Nn_TensorOp<"linear_logprob", [Differentiable]> {
  let summary = "log-softmax of x · wᵀ / temperature at the targets, without the logits";
  let description = [{
    z[v] = (Σ_k hidden[r, k] · weight[v, k]) · (1 / temperature), lse = log Σ_v exp z[v],
    logprob[r] = z[targets[r]] − lse[r], entropy[r] = lse[r] − Σ_v softmax(z)[v] · z[v].
    Shapes: hidden R×d, weight V×d, targets R; results logprob R, lse R, and entropy R when `entropy` is set.

    Order: z as `nn.linear`; the vocabulary in blocks of 256: the block's maximum and its sum of exp(z − block's maximum) in 16
    lanes; the blocks are merged in ascending order, with M the larger maximum, as sum = sum·exp(max − M) + block·exp(block's
    maximum − M). `nn.sample` has the same order, hence the same bits. No tensor of R×V elements exists.

    With `kept` = n (a multiple of 256, or V) the adjoint need not compute the first n logits of a row again: two more results are
    kept_logits, R×n (bf16), z less the maximum of its block, and maxima, R×⌈n/256⌉, those maxima. It changes no bit of what else there is.
  }];
  let arguments = (ins Nn_Tensor:$hidden, Nn_Tensor:$weight, Nn_Indices:$targets,
                       DefaultValuedAttr<F32Attr, "1.0f">:$temperature,
                       OptionalAttr<Nn_NumericsAttr>:$numerics,
                       DefaultValuedAttr<I64Attr, "0">:$kept);
  // The last ones: entropy, then kept_logits and maxima.
  let results = (outs Nn_Scalars:$logprob, Nn_Scalars:$lse, Variadic<Nn_Tensor>:$more);
  let builders = [OpBuilder<(ins "mlir::Type":$logprob, "mlir::Type":$lse, "mlir::Type":$entropy, "mlir::Value":$hidden,
                                 "mlir::Value":$weight, "mlir::Value":$targets, "mlir::FloatAttr":$temperature)>];
  let extraClassDeclaration = [{
    // Of the vocabulary.
    static constexpr int64_t kBlock = 256;
    static int64_t blocksOf(int64_t logits) { return (logits + kBlock - 1) / kBlock; }
    // Null where there is none.
    mlir::Value getEntropy() { return getMore().size() % 2 ? getMore().front() : mlir::Value(); }
    mlir::Value getKeptLogits() { return getMore().size() > 1 ? getMore().drop_back().back() : mlir::Value(); }
    mlir::Value getMaxima() { return getMore().size() > 1 ? getMore().back() : mlir::Value(); }
  }];
}

def Nn_SampleOp : Nn_TensorOp<"sample"> {
  let summary = "draw a token from each row of logits, and its log-prob";
  let description = [{
    With T = temperature: z = logits · (1 / T). The log-prob is that of the full softmax of z, in the order of
    `nn.linear_logprob`. The token is drawn by inverse CDF in vocabulary order (docs/plan.md, "Random
    numbers") from the softmax of z restricted to the `top_k` largest (0: all; ties at the threshold are
    kept), then to the smallest set of largest probabilities whose sum reaches `top_p` (ties are kept).
    How weights and masses are rounded is said there too; it is the same on every target.
    T = 0 takes the first largest logit, and records its log-prob at temperature 1.
    Shapes: logits R×V, sequence_ids R (i64), steps R; seed (i64), temperature, top_k (i32), top_p of rank 0;
    results token R (i32), logprob R.
  }];
  let arguments = (ins Nn_Tensor:$logits, Nn_Ids:$sequence_ids, Nn_Indices:$steps, RankedTensorOf<[I64]>:$seed,
                       Nn_Scalars:$temperature, RankedTensorOf<[I32]>:$top_k, Nn_Scalars:$top_p,
                       OptionalAttr<Nn_NumericsAttr>:$numerics);
  let results = (outs Nn_Indices:$token, Nn_Scalars:$logprob);
}
