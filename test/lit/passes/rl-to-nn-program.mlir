// rl-to-nn: the iteration becomes the host program; steps have room for what reaches them.
// RUN: mirl-opt %s --verify-rl --split-step --rl-to-nn | FileCheck %s

// Parameters and data.
// CHECK: plan.param @tau = 1.250000e-01
// CHECK: plan.dataset @d "d.jsonl"

// A rollout step is spelled out where it is called; a verifier is a field named after its kind. Numbers are f64.
// CHECK: plan.program {
// CHECK-NEXT: plan.host "draw" [] -> ["x"] {count = 6.000000e+00 : f64, dataset = "d", kind = "prompts"}
// CHECK-NEXT: plan.host "sample" ["x"] -> ["y"] {max_tokens = 8.000000e+00 : f64, n = 2.000000e+00 : f64, policy = "pi", temperature = 5.000000e-01 : f64, top_k = 3.000000e+00 : f64, top_p = 7.500000e-01 : f64}
// CHECK-NEXT: plan.host "verify" ["y"] -> ["regex"] {kind = "regex", pattern = "ok"}
// CHECK-NEXT: plan.host "verify" ["y"] -> ["program"] {command = "check", kind = "program", timeout = 2.000000e+00 : f64}
// CHECK-NEXT: plan.host "score" ["y"] -> [] {entry = "rollout.reward"}
// CHECK-NEXT: plan.host "draw" [] -> ["x.1"] {count = 2.000000e+00 : f64, dataset = "d", kind = "prompts"}
// CHECK-NEXT: plan.host "sample" ["x.1"] -> ["y.1"] {max_tokens = 8.000000e+00 : f64, n = 2.000000e+00 : f64, policy = "pi", temperature = 5.000000e-01 : f64, top_k = 3.000000e+00 : f64, top_p = 7.500000e-01 : f64}
// CHECK-NEXT: plan.host "verify" ["y.1"] -> ["regex"] {kind = "regex", pattern = "ok"}
// CHECK-NEXT: plan.host "verify" ["y.1"] -> ["program"] {command = "check", kind = "program", timeout = 2.000000e+00 : f64}
// CHECK-NEXT: plan.host "score" ["y.1"] -> [] {entry = "rollout.reward"}
// CHECK-NEXT: plan.host "draw" [] -> ["y.2"] {count = 5.000000e+00 : f64, dataset = "d", kind = "examples"}
// CHECK-NEXT: plan.host "batches" ["y"] -> ["b"] {sequences = 4.000000e+00 : f64, shuffle = 0.000000e+00 : f64} {
// CHECK-NEXT: plan.host "repeat" [] -> [] {count = 3.000000e+00 : f64} {
// CHECK-NEXT: plan.host "step" ["b"] -> [] {step = "imitate"}
// CHECK-NEXT: }
// CHECK-NEXT: }
// CHECK-NEXT: plan.host "step" ["y.2"] -> [] {step = "imitate"}
// CHECK-NEXT: plan.host "evaluate" [] -> [] {dataset = "d", every = 5.000000e+00 : f64, field = "a", kind = "exact_answer", max_tokens = 8.000000e+00 : f64, name = "t", policy = "pi", temperature = 0.000000e+00 : f64}
// CHECK-NEXT: }

// 6 prompts, 2 responses each, of 16 tokens.
// CHECK-LABEL: func.func @rollout.reward(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<sequence>> {nn.name = "field:regex", nn.source = "field:regex"},
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xf32, #nn.axis<sequence>> {nn.name = "field:length", nn.source = "field:length"},
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<?xf32, #nn.axis<sequence>> {nn.name = "field:program", nn.source = "field:program"})
// CHECK-SAME: -> (tensor<?xf32, #nn.axis<sequence>> {nn.name = "field:reward", nn.source = "field:reward"}) attributes {nn.capacities = {context = 192 : i64, group = 6 : i64, sequence = 12 : i64, token = 192 : i64}, nn.kind = "reward"} {
// CHECK-NEXT: %[[V3:.*]] = nn.binary sub %[[ARG0]], %[[ARG1]] : tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V4:.*]] = nn.binary mul %[[V3]], %[[ARG2]] : tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: return %[[V4]] : tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: }

// The step takes batches of 4 responses and a draw of 5 examples: the most of each.
// CHECK-DAG: func.func @imitate.micro({{.*}} attributes {nn.capacities = {context = 80 : i64, group = 5 : i64, sequence = 5 : i64, token = 80 : i64}, nn.differentiate = {loss = 2 : i64}, nn.kind = "micro"} {
// CHECK-DAG: func.func @imitate.batch({{.*}} attributes {nn.capacities = {context = 80 : i64, group = 5 : i64, sequence = 5 : i64, token = 80 : i64}, nn.kind = "batch"} {

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
  rl.iteration {
    %x = rl.draw @d 6 : !rl.prompts
    %y = rl.call @rollout(%x) : (!rl.prompts) -> !rl.trajectory
    %more = rl.draw @d 2 : !rl.prompts
    %z = rl.call @rollout(%more) : (!rl.prompts) -> !rl.trajectory
    %e = rl.draw @d 5 : !rl.trajectory
    rl.batches %y of 4 shuffle false {
    ^bb0(%b: !rl.trajectory):
      rl.repeat 3 {
        rl.call @imitate(%b) : (!rl.trajectory) -> ()
        rl.yield
      }
      rl.yield
    }
    rl.call @imitate(%e) : (!rl.trajectory) -> ()
    rl.evaluate @pi on @d as "t" {temperature = 0.0, max_tokens = 8, every = 5, verifier = {kind = "exact_answer", field = "a"}}
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
