// Steps and what happens in them: sampling, verifying, scoring; log-probs, losses and metrics.
// RUN: mirl-opt %s | mirl-opt | FileCheck %s
// RUN: mirl-opt %s --mlir-print-op-generic | mirl-opt | FileCheck %s

rl.policy @pi model @m "trainable"
rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                        reset = "never", weight_decay = 0.0 : f32} {
  %lr = rl.constant 0.1 : !rl.per<batch, f32>
  rl.yield %lr : !rl.per<batch, f32>
}

// CHECK-LABEL: rl.step @rollout "x" {
// CHECK-NEXT: ^bb0(%[[X:.*]]: !rl.prompts):
rl.step @rollout "x" {
^bb0(%x: !rl.prompts):
  // CHECK-NEXT: %[[Y:.*]] = rl.sample @pi, %[[X]] {max_tokens = 64 : i64, n = 8 : i64, temperature = 7.500000e-01 : f64,
  // CHECK-SAME: top_k = 20 : i64, top_p = 5.000000e-01 : f64} : (!rl.prompts) -> !rl.trajectory
  %y = rl.sample @pi, %x {n = 8, temperature = 0.75, top_k = 20, top_p = 0.5, max_tokens = 64} : (!rl.prompts) -> !rl.trajectory
  // CHECK-NEXT: %[[A:.*]] = rl.verify "exact_answer" %[[Y]] {field = "answer", pattern = "!(.*)"} : !rl.per<sequence, f32>
  %a = rl.verify "exact_answer" %y {field = "answer", pattern = "!(.*)"} : !rl.per<sequence, f32>
  // CHECK-NEXT: rl.verify "regex" %[[Y]] {pattern = "^ok$"} : !rl.per<sequence, f32>
  %b = rl.verify "regex" %y {pattern = "^ok$"} : !rl.per<sequence, f32>
  // CHECK-NEXT: rl.verify "program" %[[Y]] {command = "check", timeout = 2.500000e+00 : f64} : !rl.per<sequence, f32>
  %c = rl.verify "program" %y {command = "check", timeout = 2.5} : !rl.per<sequence, f32>
  // CHECK-NEXT: %[[Z:.*]] = rl.score %[[Y]], %[[A]] : !rl.per<sequence, f32>
  %z = rl.score %y, %a : !rl.per<sequence, f32>
  // CHECK-NEXT: rl.yield %[[Z]] : !rl.trajectory
  rl.yield %z : !rl.trajectory
}

// CHECK-LABEL: rl.step @train "y" {
// CHECK-NEXT: ^bb0(%[[Y:.*]]: !rl.trajectory):
rl.step @train "y" {
^bb0(%y: !rl.trajectory):
  // CHECK-NEXT: rl.field %[[Y]], "logprob" : <token, f32>
  %0 = rl.field %y, "logprob" : !rl.per<token, f32>
  // CHECK-NEXT: rl.field %[[Y]], "version" : <token, f32>
  %1 = rl.field %y, "version" : !rl.per<token, f32>
  // CHECK-NEXT: rl.field %[[Y]], "reward" : <sequence, f32>
  %2 = rl.field %y, "reward" : !rl.per<sequence, f32>
  // CHECK-NEXT: rl.field %[[Y]], "length" : <sequence, f32>
  %3 = rl.field %y, "length" : !rl.per<sequence, f32>
  // CHECK-NEXT: rl.field %[[Y]], "finished" : <sequence, f32>
  %4 = rl.field %y, "finished" : !rl.per<sequence, f32>
  // A temperature of 1 is not said.
  // CHECK-NEXT: %[[P:.*]] = rl.logprob @pi, %[[Y]] : !rl.per<token, f32>
  %p = rl.logprob @pi, %y : !rl.per<token, f32>
  // CHECK-NEXT: rl.logprob @pi, %[[Y]] {temperature = 5.000000e-01 : f64} : !rl.per<token, f32>
  %q = rl.logprob @pi, %y {temperature = 0.5} : !rl.per<token, f32>
  // CHECK-NEXT: rl.entropy @pi, %[[Y]] : !rl.per<token, f32>
  %e = rl.entropy @pi, %y : !rl.per<token, f32>
  // CHECK-NEXT: rl.entropy @pi, %[[Y]] {temperature = 2.000000e+00 : f64} : !rl.per<token, f32>
  %f = rl.entropy @pi, %y {temperature = 2.0} : !rl.per<token, f32>
  // CHECK-NEXT: %[[L:.*]] = rl.reduce mean %[[P]] : <token, f32> to <batch, f32>
  %l = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
  // CHECK-NEXT: rl.metric "mean", %[[L]] : !rl.per<batch, f32>
  rl.metric "mean", %l : !rl.per<batch, f32>
  // CHECK-NEXT: rl.minimize %[[L]] by @opt : !rl.per<batch, f32>
  rl.minimize %l by @opt : !rl.per<batch, f32>
  // CHECK-NEXT: rl.yield{{$}}
  rl.yield
}

// CHECK-LABEL: rl.step @cut "y" attributes {packing = "group"} {
rl.step @cut "y" attributes {packing = "group"} {
^bb0(%y: !rl.trajectory):
  rl.yield
}

// CHECK-LABEL: rl.entry @md ["logp", "reward"] -> ["loss", "twice"] gradients [0] {
// CHECK-NEXT: ^bb0(%[[P:.*]]: !rl.per<token, f32>, %{{.*}}: !rl.per<sequence, f32>):
// CHECK: rl.yield %[[S:.*]], %[[D:.*]] : !rl.per<batch, f32>, !rl.per<token, f32>
rl.entry @md ["logp", "reward"] -> ["loss", "twice"] gradients [0] {
^bb0(%p: !rl.per<token, f32>, %r: !rl.per<sequence, f32>):
  %s = rl.reduce sum %p : !rl.per<token, f32> to !rl.per<batch, f32>
  %d = rl.binary add %p, %p : !rl.per<token, f32>
  rl.yield %s, %d : !rl.per<batch, f32>, !rl.per<token, f32>
}
// CHECK-LABEL: rl.entry @none [] -> ["one"] gradients [] {
rl.entry @none [] -> ["one"] gradients [] {
  %one = rl.constant 1.0 : !rl.per<batch, f32>
  rl.yield %one : !rl.per<batch, f32>
}

func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}
