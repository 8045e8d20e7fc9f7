// rl-to-nn: a policy has an entry that scores; one that is sampled from has prefill and decode, and a KV cache.
// RUN: mirl-opt %s --verify-rl --split-step --rl-to-nn | FileCheck %s

// Log-probs and entropies of given responses.
// CHECK-LABEL: func.func @pi.score(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xi32, #nn.axis<context>> {nn.name = "ids", nn.source = "ids"},
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "positions"},
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<?xi32, #nn.axis<sequence, 1>> {nn.name = "sequence_offsets", nn.source = "sequence_offsets"},
// CHECK-SAME: %[[ARG3:[^ :,]+]]: tensor<9x4xf32> {nn.variable = @"pi/e"},
// CHECK-SAME: %[[ARG4:[^ :,]+]]: tensor<?xi32, #nn.axis<token>> {nn.name = "rows", nn.source = "rows"},
// CHECK-SAME: %[[ARG5:[^ :,]+]]: tensor<?xi32, #nn.axis<token>> {nn.name = "targets", nn.source = "targets"})
// CHECK-SAME: -> (tensor<?xf32, #nn.axis<token>> {nn.name = "logprob", nn.source = "logprob"}, tensor<?xf32, #nn.axis<token>> {nn.name = "entropy", nn.source = "entropy"}) attributes {nn.capacities = {context = 1024 : i64, group = 1024 : i64, sequence = 1024 : i64, token = 1024 : i64}, nn.kind = "score"} {
// CHECK-NEXT: %[[V6:.*]] = nn.embedding %[[ARG3]], %[[ARG0]] : (tensor<9x4xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[RESULT:[^ :,]+]], %[[LSE:[^ :,]+]] = nn.attention %[[V6]], %[[V6]], %[[V6]], %[[ARG2]] {heads = 2 : i64, kv_heads = 2 : i64, longest = 16 : i64, scale = 5.000000e-01 : f32} : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<context>>)
// CHECK-NEXT: %[[V9:.*]] = nn.gather_rows %[[RESULT]], %[[ARG4]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x4xf32, #nn.axis<token>>
// CHECK-NEXT: %[[LOGPROB:[^ :,]+]], %[[LSE_0:[^ :,]+]], %[[ENTROPY:[^ :,]+]] = nn.linear_logprob %[[V9]], %[[ARG3]], %[[ARG5]] : (tensor<?x4xf32, #nn.axis<token>>, tensor<9x4xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: return %[[LOGPROB]], %[[ENTROPY]] : tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }

// 12 responses at a time; keys lie in blocks of 16 positions.
// CHECK: nn.variable @"pi/kv.0.k" "kv_cache" "pi" "" init "zeros" : tensor<12x2x2x16xf32>
// CHECK: nn.variable @"pi/kv.0.v" "kv_cache" "pi" "" init "zeros" : tensor<12x2x16x2xf32>
// CHECK: nn.variable @"pi/kv.table" "kv_table" "pi" "" init "zeros" : tensor<12x1xi32>

// The attention of the model goes over the cache, after it took in the new tokens.
// CHECK-LABEL: func.func @pi.prefill(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xi32, #nn.axis<context>> {nn.name = "ids", nn.source = "ids"},
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "positions"},
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<9x4xf32> {nn.variable = @"pi/e"},
// CHECK-SAME: %[[ARG3:[^ :,]+]]: tensor<12x2x2x16xf32> {nn.variable = @"pi/kv.0.k"},
// CHECK-SAME: %[[ARG4:[^ :,]+]]: tensor<12x2x16x2xf32> {nn.variable = @"pi/kv.0.v"},
// CHECK-SAME: %[[ARG5:[^ :,]+]]: tensor<12x1xi32> {nn.variable = @"pi/kv.table"},
// CHECK-SAME: %[[ARG6:[^ :,]+]]: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "slots"},
// CHECK-SAME: %[[ARG7:[^ :,]+]]: tensor<?xi32, #nn.axis<token>> {nn.name = "rows", nn.source = "rows"},
// CHECK-SAME: %[[ARG8:[^ :,]+]]: tensor<?xi64, #nn.axis<token>> {nn.name = "sequence_ids", nn.source = "sequence_ids"},
// CHECK-SAME: %[[ARG9:[^ :,]+]]: tensor<?xi32, #nn.axis<token>> {nn.name = "steps", nn.source = "steps"},
// CHECK-SAME: %[[ARG10:[^ :,]+]]: tensor<i64> {nn.name = "seed", nn.source = "seed"},
// CHECK-SAME: %[[ARG11:[^ :,]+]]: tensor<f32> {nn.name = "temperature", nn.source = "temperature"},
// CHECK-SAME: %[[ARG12:[^ :,]+]]: tensor<i32> {nn.name = "top_k", nn.source = "top_k"},
// CHECK-SAME: %[[ARG13:[^ :,]+]]: tensor<f32> {nn.name = "top_p", nn.source = "top_p"})
// CHECK-SAME: -> (tensor<12x2x2x16xf32> {nn.alias = 3 : i64}, tensor<12x2x16x2xf32> {nn.alias = 4 : i64}, tensor<?xi32, #nn.axis<token>> {nn.name = "token", nn.source = "token"}, tensor<?xf32, #nn.axis<token>> {nn.name = "logprob", nn.source = "logprob"}) attributes {nn.capacities = {context = 1024 : i64, group = 12 : i64, sequence = 12 : i64, token = 12 : i64}, nn.kind = "prefill"} {
// CHECK-NEXT: %[[V14:.*]] = nn.embedding %[[ARG2]], %[[ARG0]] : (tensor<9x4xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[NEW_KEY_CACHE:[^ :,]+]], %[[NEW_VALUE_CACHE:[^ :,]+]] = nn.kv_append %[[V14]], %[[V14]], %[[ARG3]], %[[ARG4]], %[[ARG5]], %[[ARG6]], %[[ARG1]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<12x1xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> (tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>)
// CHECK-NEXT: %[[V17:.*]] = nn.paged_attention %[[V14]], %[[NEW_KEY_CACHE]], %[[NEW_VALUE_CACHE]], %[[ARG5]], %[[ARG6]], %[[ARG1]] {heads = 2 : i64, kv_heads = 2 : i64, scale = 5.000000e-01 : f32} : (tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<12x1xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V18:.*]] = nn.gather_rows %[[V17]], %[[ARG7]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x4xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V19:.*]] = nn.linear %[[V18]], %[[ARG2]] : (tensor<?x4xf32, #nn.axis<token>>, tensor<9x4xf32>) -> tensor<?x9xf32, #nn.axis<token>>
// CHECK-NEXT: %[[TOKEN:[^ :,]+]], %[[LOGPROB:[^ :,]+]] = nn.sample %[[V19]], %[[ARG8]], %[[ARG9]], %[[ARG10]], %[[ARG11]], %[[ARG12]], %[[ARG13]] : (tensor<?x9xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: return %[[NEW_KEY_CACHE]], %[[NEW_VALUE_CACHE]], %[[TOKEN]], %[[LOGPROB]] : tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }

// Decode has one row for each response.
// CHECK-LABEL: func.func @pi.decode(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xi32, #nn.axis<context>> {nn.name = "ids", nn.source = "ids"},
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "positions"},
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<9x4xf32> {nn.variable = @"pi/e"},
// CHECK-SAME: %[[ARG3:[^ :,]+]]: tensor<12x2x2x16xf32> {nn.variable = @"pi/kv.0.k"},
// CHECK-SAME: %[[ARG4:[^ :,]+]]: tensor<12x2x16x2xf32> {nn.variable = @"pi/kv.0.v"},
// CHECK-SAME: %[[ARG5:[^ :,]+]]: tensor<12x1xi32> {nn.variable = @"pi/kv.table"},
// CHECK-SAME: %[[ARG6:[^ :,]+]]: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "slots"},
// CHECK-SAME: %[[ARG7:[^ :,]+]]: tensor<?xi32, #nn.axis<token>> {nn.name = "rows", nn.source = "rows"},
// CHECK-SAME: %[[ARG8:[^ :,]+]]: tensor<?xi64, #nn.axis<token>> {nn.name = "sequence_ids", nn.source = "sequence_ids"},
// CHECK-SAME: %[[ARG9:[^ :,]+]]: tensor<?xi32, #nn.axis<token>> {nn.name = "steps", nn.source = "steps"},
// CHECK-SAME: %[[ARG10:[^ :,]+]]: tensor<i64> {nn.name = "seed", nn.source = "seed"},
// CHECK-SAME: %[[ARG11:[^ :,]+]]: tensor<f32> {nn.name = "temperature", nn.source = "temperature"},
// CHECK-SAME: %[[ARG12:[^ :,]+]]: tensor<i32> {nn.name = "top_k", nn.source = "top_k"},
// CHECK-SAME: %[[ARG13:[^ :,]+]]: tensor<f32> {nn.name = "top_p", nn.source = "top_p"})
// CHECK-SAME: -> (tensor<12x2x2x16xf32> {nn.alias = 3 : i64}, tensor<12x2x16x2xf32> {nn.alias = 4 : i64}, tensor<?xi32, #nn.axis<token>> {nn.name = "token", nn.source = "token"}, tensor<?xf32, #nn.axis<token>> {nn.name = "logprob", nn.source = "logprob"}) attributes {nn.capacities = {context = 12 : i64, group = 12 : i64, sequence = 12 : i64, token = 12 : i64}, nn.kind = "decode"} {
// CHECK-NEXT: %[[V14:.*]] = nn.embedding %[[ARG2]], %[[ARG0]] : (tensor<9x4xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[NEW_KEY_CACHE:[^ :,]+]], %[[NEW_VALUE_CACHE:[^ :,]+]] = nn.kv_append %[[V14]], %[[V14]], %[[ARG3]], %[[ARG4]], %[[ARG5]], %[[ARG6]], %[[ARG1]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<12x1xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> (tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>)
// CHECK-NEXT: %[[V17:.*]] = nn.paged_attention %[[V14]], %[[NEW_KEY_CACHE]], %[[NEW_VALUE_CACHE]], %[[ARG5]], %[[ARG6]], %[[ARG1]] {heads = 2 : i64, kv_heads = 2 : i64, scale = 5.000000e-01 : f32} : (tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<12x1xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V18:.*]] = nn.gather_rows %[[V17]], %[[ARG7]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x4xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V19:.*]] = nn.linear %[[V18]], %[[ARG2]] : (tensor<?x4xf32, #nn.axis<token>>, tensor<9x4xf32>) -> tensor<?x9xf32, #nn.axis<token>>
// CHECK-NEXT: %[[TOKEN:[^ :,]+]], %[[LOGPROB:[^ :,]+]] = nn.sample %[[V19]], %[[ARG8]], %[[ARG9]], %[[ARG10]], %[[ARG11]], %[[ARG12]], %[[ARG13]] : (tensor<?x9xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: return %[[NEW_KEY_CACHE]], %[[NEW_VALUE_CACHE]], %[[TOKEN]], %[[LOGPROB]] : tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }

// CHECK: plan.policy @pi "m" "trainable" {decode = @pi.decode, kv_blocks = 12 : i64, kv_slots = 12 : i64, max_context = 16 : i64, prefill = @pi.prefill, score = @pi.score, vocab_size = 9 : i64}

// A policy that is not sampled from only scores.
// CHECK-NOT: @ref.decode
// CHECK: plan.policy @ref "m" "frozen" {kv_slots = 0 : i64, max_context = 16 : i64, score = @ref.score, vocab_size = 9 : i64}
// CHECK-NOT: nn.variable @"ref/kv

module attributes {mirl.context = 16 : i64} {
  rl.dataset @d "d.jsonl"
  rl.policy @pi model @m "trainable"
  rl.policy @ref model @m "frozen"
  rl.step @rollout "x" {
  ^bb0(%x: !rl.prompts):
    %y = rl.sample @pi, %x {n = 2, temperature = 0.5, top_k = 3, top_p = 0.75, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
    %r = rl.verify "regex" %y {pattern = "ok"} : !rl.per<sequence, f32>
    %q = rl.verify "program" %y {command = "check", timeout = 2 : i64} : !rl.per<sequence, f32>
    %n = rl.field %y, "length" : !rl.per<sequence, f32>
    %s = rl.binary sub %r, %n : !rl.per<sequence, f32>
    %t = rl.binary mul %s, %q : !rl.per<sequence, f32>
    %z = rl.score %y, %t : !rl.per<sequence, f32>
    rl.yield %z : !rl.trajectory
  }
  rl.iteration {
    %x = rl.draw @d 6 : !rl.prompts
    %y = rl.call @rollout(%x) : (!rl.prompts) -> !rl.trajectory
    rl.yield
  }
  func.func private @m(%i: tensor<?xi32, #nn.axis<context>>, %p: tensor<?xi32, #nn.axis<context>>,
                       %o: tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>) attributes {nn.model} {
    %w = nn.weight "e" init "normal:0.5" : tensor<9x4xf32>
    %x = nn.embedding %w, %i : (tensor<9x4xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
    %a:2 = nn.attention %x, %x, %x, %o {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f32}
      : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<context>>)
    return %a#0, %w : tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
  }
}
