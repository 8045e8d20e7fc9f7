// rl-to-nn: capacities, and the options that change them.
// RUN: mirl-opt %s --verify-rl --split-step --rl-to-nn | FileCheck %s
// RUN: mirl-opt %s --verify-rl --split-step --rl-to-nn='context=12' | FileCheck %s --check-prefix=CONTEXT
// RUN: mirl-opt %s --verify-rl --split-step --rl-to-nn='micro-tokens=40' | FileCheck %s --check-prefix=MICRO
// RUN: mirl-opt %s --verify-rl --split-step --rl-to-nn='slots=7' | FileCheck %s --check-prefix=SLOTS
// RUN: mirl-opt %s --verify-rl --split-step --rl-to-nn='kv-blocks=5' | FileCheck %s --check-prefix=BLOCKS
// RUN: mirl-opt %s --verify-rl --split-step --rl-to-nn='prefill-rows=256,32,1024' | FileCheck %s --check-prefix=PREFILL --implicit-check-not=prefill.1024
// RUN: mirl-opt %s --verify-rl --split-step --rl-to-nn='decode-rows=64,16,128,16,0' | FileCheck %s --check-prefix=FEW --implicit-check-not=decode.128 --implicit-check-not=decode.0

// 64 prompts, 2 responses each, of 16 tokens; micro-batches of 1024 tokens. All 128 responses decode at a time.
// CHECK-DAG: func.func @imitate.micro({{.*}} attributes {nn.capacities = {context = 1024 : i64, group = 64 : i64, sequence = 128 : i64, token = 1024 : i64},
// CHECK-DAG: func.func @imitate.batch({{.*}} attributes {nn.capacities = {context = 2048 : i64, group = 64 : i64, sequence = 128 : i64, token = 2048 : i64},
// CHECK-DAG: func.func @pairs.micro({{.*}} attributes {nn.capacities = {context = 1024 : i64, group = 64 : i64, sequence = 128 : i64, token = 1024 : i64},
// CHECK-DAG: func.func @pi.score({{.*}} attributes {nn.capacities = {context = 1024 : i64, group = 1024 : i64, sequence = 1024 : i64, token = 1024 : i64},
// CHECK-DAG: func.func @pi.prefill({{.*}} attributes {nn.capacities = {context = 1024 : i64, group = 128 : i64, sequence = 128 : i64, token = 128 : i64},
// CHECK-DAG: func.func @pi.decode({{.*}} attributes {nn.capacities = {context = 128 : i64, group = 128 : i64, sequence = 128 : i64, token = 128 : i64},
// CHECK-DAG: plan.step @imitate("y") batch @imitate.batch micro @imitate.micro apply @imitate.apply packing "sequence" by @opt
// CHECK-DAG: plan.step @pairs("y") batch @pairs.batch micro @pairs.micro apply @pairs.apply packing "group" by @opt
// CHECK-DAG: nn.variable @"pi/kv.0.k" "kv_cache" "pi" "" init "zeros" : tensor<128x2x2x16xf32>
// CHECK-DAG: plan.policy @pi "m" "trainable" {decode = @pi.decode, kv_blocks = 128 : i64, kv_slots = 128 : i64, max_context = 16 : i64, prefill = @pi.prefill, score = @pi.score, vocab_size = 9 : i64}

// A shorter context than declared.
// CONTEXT-DAG: func.func @imitate.micro({{.*}} attributes {nn.capacities = {context = 1024 : i64, group = 64 : i64, sequence = 128 : i64, token = 1024 : i64},
// CONTEXT-DAG: func.func @imitate.batch({{.*}} attributes {nn.capacities = {context = 1536 : i64, group = 64 : i64, sequence = 128 : i64, token = 1536 : i64},
// CONTEXT-DAG: func.func @pairs.micro({{.*}} attributes {nn.capacities = {context = 1024 : i64, group = 64 : i64, sequence = 128 : i64, token = 1024 : i64},
// CONTEXT-DAG: func.func @pi.score({{.*}} attributes {nn.capacities = {context = 1024 : i64, group = 1024 : i64, sequence = 1024 : i64, token = 1024 : i64},
// CONTEXT-DAG: func.func @pi.prefill({{.*}} attributes {nn.capacities = {context = 1024 : i64, group = 128 : i64, sequence = 128 : i64, token = 128 : i64},
// CONTEXT-DAG: func.func @pi.decode({{.*}} attributes {nn.capacities = {context = 128 : i64, group = 128 : i64, sequence = 128 : i64, token = 128 : i64},
// CONTEXT-DAG: plan.step @imitate("y") batch @imitate.batch micro @imitate.micro apply @imitate.apply packing "sequence" by @opt
// CONTEXT-DAG: plan.step @pairs("y") batch @pairs.batch micro @pairs.micro apply @pairs.apply packing "group" by @opt
// CONTEXT-DAG: nn.variable @"pi/kv.0.k" "kv_cache" "pi" "" init "zeros" : tensor<128x2x2x16xf32>
// CONTEXT-DAG: plan.policy @pi "m" "trainable" {decode = @pi.decode, kv_blocks = 128 : i64, kv_slots = 128 : i64, max_context = 12 : i64, prefill = @pi.prefill, score = @pi.score, vocab_size = 9 : i64}

// Micro-batches of 40 tokens: two sequences, or a group of 2.
// MICRO-DAG: func.func @imitate.micro({{.*}} attributes {nn.capacities = {context = 40 : i64, group = 40 : i64, sequence = 40 : i64, token = 40 : i64},
// MICRO-DAG: func.func @imitate.batch({{.*}} attributes {nn.capacities = {context = 2048 : i64, group = 64 : i64, sequence = 128 : i64, token = 2048 : i64},
// MICRO-DAG: func.func @pairs.micro({{.*}} attributes {nn.capacities = {context = 40 : i64, group = 40 : i64, sequence = 40 : i64, token = 40 : i64},
// MICRO-DAG: func.func @pi.score({{.*}} attributes {nn.capacities = {context = 40 : i64, group = 40 : i64, sequence = 40 : i64, token = 40 : i64},
// MICRO-DAG: func.func @pi.prefill({{.*}} attributes {nn.capacities = {context = 256 : i64, group = 128 : i64, sequence = 128 : i64, token = 128 : i64},
// MICRO-DAG: func.func @pi.decode({{.*}} attributes {nn.capacities = {context = 128 : i64, group = 128 : i64, sequence = 128 : i64, token = 128 : i64},
// MICRO-DAG: plan.step @imitate("y") batch @imitate.batch micro @imitate.micro apply @imitate.apply packing "sequence" by @opt
// MICRO-DAG: plan.step @pairs("y") batch @pairs.batch micro @pairs.micro apply @pairs.apply packing "group" by @opt
// MICRO-DAG: nn.variable @"pi/kv.0.k" "kv_cache" "pi" "" init "zeros" : tensor<128x2x2x16xf32>
// MICRO-DAG: plan.policy @pi "m" "trainable" {decode = @pi.decode, kv_blocks = 128 : i64, kv_slots = 128 : i64, max_context = 16 : i64, prefill = @pi.prefill, score = @pi.score, vocab_size = 9 : i64}

// Seven responses at a time.
// SLOTS-DAG: func.func @imitate.micro({{.*}} attributes {nn.capacities = {context = 1024 : i64, group = 64 : i64, sequence = 128 : i64, token = 1024 : i64},
// SLOTS-DAG: func.func @imitate.batch({{.*}} attributes {nn.capacities = {context = 2048 : i64, group = 64 : i64, sequence = 128 : i64, token = 2048 : i64},
// SLOTS-DAG: func.func @pairs.micro({{.*}} attributes {nn.capacities = {context = 1024 : i64, group = 64 : i64, sequence = 128 : i64, token = 1024 : i64},
// SLOTS-DAG: func.func @pi.score({{.*}} attributes {nn.capacities = {context = 1024 : i64, group = 1024 : i64, sequence = 1024 : i64, token = 1024 : i64},
// SLOTS-DAG: func.func @pi.prefill({{.*}} attributes {nn.capacities = {context = 1024 : i64, group = 7 : i64, sequence = 7 : i64, token = 7 : i64},
// SLOTS-DAG: func.func @pi.decode({{.*}} attributes {nn.capacities = {context = 7 : i64, group = 7 : i64, sequence = 7 : i64, token = 7 : i64},
// SLOTS-DAG: plan.step @imitate("y") batch @imitate.batch micro @imitate.micro apply @imitate.apply packing "sequence" by @opt
// SLOTS-DAG: plan.step @pairs("y") batch @pairs.batch micro @pairs.micro apply @pairs.apply packing "group" by @opt
// SLOTS-DAG: nn.variable @"pi/kv.0.k" "kv_cache" "pi" "" init "zeros" : tensor<7x2x2x16xf32>
// SLOTS-DAG: plan.policy @pi "m" "trainable" {decode = @pi.decode, kv_blocks = 7 : i64, kv_slots = 7 : i64, max_context = 16 : i64, prefill = @pi.prefill, score = @pi.score, vocab_size = 9 : i64}

// Prefill entries for fewer than 1,024 rows: of so many slots as have a row.
// PREFILL-DAG: func.func @pi.prefill({{.*}} attributes {nn.capacities = {context = 1024 : i64, group = 128 : i64, sequence = 128 : i64, token = 128 : i64}, nn.kind = "prefill"}
// PREFILL-DAG: func.func @pi.prefill.32({{.*}} attributes {nn.capacities = {context = 32 : i64, group = 32 : i64, sequence = 32 : i64, token = 32 : i64}, nn.kind = "prefill"}
// PREFILL-DAG: func.func @pi.prefill.256({{.*}} attributes {nn.capacities = {context = 256 : i64, group = 128 : i64, sequence = 128 : i64, token = 128 : i64}, nn.kind = "prefill"}
// PREFILL-DAG: plan.policy @pi {{.*}} prefill = @pi.prefill, prefill_few = [@pi.prefill.32, @pi.prefill.256]

// Decode entries for fewer than all 128 responses, beside the one for all.
// FEW-DAG: func.func @pi.decode({{.*}} attributes {nn.capacities = {context = 128 : i64, group = 128 : i64, sequence = 128 : i64, token = 128 : i64}, nn.kind = "decode"}
// FEW-DAG: func.func @pi.decode.16({{.*}} attributes {nn.capacities = {context = 16 : i64, group = 16 : i64, sequence = 16 : i64, token = 16 : i64}, nn.kind = "decode"}
// FEW-DAG: func.func @pi.decode.64({{.*}} attributes {nn.capacities = {context = 64 : i64, group = 64 : i64, sequence = 64 : i64, token = 64 : i64}, nn.kind = "decode"}
// FEW-DAG: plan.policy @pi "m" "trainable" {decode = @pi.decode, decode_few = [@pi.decode.16, @pi.decode.64], kv_blocks = 128 : i64,

// A pool of five blocks for 128 slots.
// BLOCKS-DAG: nn.variable @"pi/kv.0.k" "kv_cache" "pi" "" init "zeros" : tensor<5x2x2x16xf32>
// BLOCKS-DAG: nn.variable @"pi/kv.0.v" "kv_cache" "pi" "" init "zeros" : tensor<5x2x16x2xf32>
// BLOCKS-DAG: nn.variable @"pi/kv.table" "kv_table" "pi" "" init "zeros" : tensor<128x1xi32>
// BLOCKS-DAG: plan.policy @pi "m" "trainable" {decode = @pi.decode, kv_blocks = 5 : i64, kv_slots = 128 : i64,

module attributes {mirl.context = 16 : i64} {
  rl.param @tau = 0.125
  rl.dataset @d "d.jsonl"
  rl.policy @pi model @m "trainable"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 0.5 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.read_param @tau : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
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
  rl.step @imitate "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %l = rl.reduce sum %p : !rl.per<token, f32> to !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  rl.step @pairs "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %g = rl.reduce sum %p : !rl.per<token, f32> to !rl.per<group, f32>
    %q = rl.unary log_sigmoid %g : !rl.per<group, f32>
    %l = rl.reduce sum %q : !rl.per<group, f32> to !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  rl.iteration {
    %x = rl.draw @d 64 : !rl.prompts
    %y = rl.call @rollout(%x) : (!rl.prompts) -> !rl.trajectory
    rl.call @imitate(%y) : (!rl.trajectory) -> ()
    rl.call @pairs(%y) : (!rl.trajectory) -> ()
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
