// Budgets, the detector of repetitions and rescoring.
// RUN: mirl-opt %s | mirl-opt | FileCheck %s
// RUN: mirl-opt %s --mlir-print-op-generic | mirl-opt | FileCheck %s

rl.param @tokens = 64.0
rl.policy @pi model @m "frozen"
rl.step @rollout "x" {
^bb0(%x: !rl.prompts):
  // CHECK: %[[Y:.*]] = rl.sample @pi, %{{.*}} {budget = @tokens, cache = "keep", in_flight = 3 : i64, max_age = 4 : i64, max_tokens = 8 : i64,
  // CHECK-SAME: repeat = array<i64: 4, 3, 24>, temperature = 1.000000e+00 : f64, top_k = 0 : i64, top_p = 1.000000e+00 : f64, total_budget = 1000 : i64}
  %y = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = 0, top_p = 1.0, max_tokens = 8, budget = @tokens, total_budget = 1000, max_age = 4, in_flight = 3, cache = "keep", repeat = array<i64: 4, 3, 24>} : (!rl.prompts) -> !rl.trajectory
  // CHECK: rl.rescore @pi, %[[Y]]
  %z = rl.rescore @pi, %y
  // CHECK: rl.field %{{.*}}, "age" : <token, f32>
  %age = rl.field %z, "age" : !rl.per<token, f32>
  rl.yield %z : !rl.trajectory
}

func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}
