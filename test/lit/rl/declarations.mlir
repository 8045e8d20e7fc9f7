// What a program declares: parameters, data, policies, optimizers.
// RUN: mirl-opt %s | mirl-opt | FileCheck %s
// RUN: mirl-opt %s --mlir-print-op-generic | mirl-opt | FileCheck %s

// CHECK: rl.param @tau = 1.000000e-01
rl.param @tau = 0.1
// CHECK: rl.param @note = 2.000000e+00 {note}
rl.param @note = 2.0 {note}
// CHECK: rl.dataset @prompts "data/train.jsonl"
rl.dataset @prompts "data/train.jsonl"

// CHECK: rl.policy @pi model @m "trainable"
rl.policy @pi model @m "trainable"
// CHECK: rl.policy @ref model @m "frozen"
rl.policy @ref model @m "frozen"

// CHECK: rl.optimizer @opt adamw @pi attributes {beta1 = 5.000000e-01 : f32, beta2 = 7.500000e-01 : f32,
// CHECK-SAME: clip = 1.000000e+00 : f32, eps = 9.99999993E-9 : f32, reset = "iteration", weight_decay = 0.00999999977 : f32} {
// CHECK-NEXT: %[[LR:.*]] = rl.read_param @tau : !rl.per<batch, f32>
// CHECK-NEXT: rl.yield %[[LR]] : !rl.per<batch, f32>
// CHECK-NEXT: }
rl.optimizer @opt adamw @pi attributes {beta1 = 0.5 : f32, beta2 = 0.75 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                        reset = "iteration", weight_decay = 0.01 : f32} {
  %lr = rl.read_param @tau : !rl.per<batch, f32>
  rl.yield %lr : !rl.per<batch, f32>
}
// The rate may follow the clock.
// CHECK: rl.optimizer @warm adamw @pi attributes {{.*}}reset = "never"
// CHECK-NEXT: %[[NOW:.*]] = rl.clock "iteration" : !rl.per<batch, f32>
// CHECK-NEXT: %[[ALL:.*]] = rl.clock "iterations" : !rl.per<batch, f32>
// CHECK-NEXT: %[[RATE:.*]] = rl.binary div %[[NOW]], %[[ALL]] : <batch, f32>
// CHECK-NEXT: rl.yield %[[RATE]] : !rl.per<batch, f32>
rl.optimizer @warm adamw @pi attributes {beta1 = 0.0 : f32, beta2 = 0.0 : f32, clip = 0.0 : f32, eps = 1.0 : f32,
                                         reset = "never", weight_decay = 0.0 : f32} {
  %now = rl.clock "iteration" : !rl.per<batch, f32>
  %all = rl.clock "iterations" : !rl.per<batch, f32>
  %rate = rl.binary div %now, %all : !rl.per<batch, f32>
  rl.yield %rate : !rl.per<batch, f32>
}

// CHECK: func.func private @m(
// CHECK-SAME: attributes {nn.model}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}
