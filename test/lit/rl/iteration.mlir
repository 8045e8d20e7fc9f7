// The iteration: drawing, calling steps, repeating, batches, evaluation.
// RUN: mirl-opt %s | mirl-opt | FileCheck %s
// RUN: mirl-opt %s --mlir-print-op-generic | mirl-opt | FileCheck %s

rl.dataset @data "data.jsonl"
rl.policy @pi model @m "frozen"
rl.step @rollout "x" {
^bb0(%x: !rl.prompts):
  %y = rl.sample @pi, %x {n = 2, temperature = 0.0, top_k = 0, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
  rl.yield %y : !rl.trajectory
}
rl.step @train "y" {
^bb0(%y: !rl.trajectory):
  rl.yield
}

// CHECK-LABEL: rl.iteration {
rl.iteration {
  // CHECK-NEXT: %[[X:.*]] = rl.draw @data 64 : !rl.prompts
  %x = rl.draw @data 64 : !rl.prompts
  // CHECK-NEXT: %[[E:.*]] = rl.draw @data 1 : !rl.trajectory
  %e = rl.draw @data 1 : !rl.trajectory
  // CHECK-NEXT: %[[Y:.*]] = rl.call @rollout(%[[X]]) : (!rl.prompts) -> !rl.trajectory
  %y = rl.call @rollout(%x) : (!rl.prompts) -> !rl.trajectory
  // CHECK-NEXT: rl.call @train(%[[E]]) : (!rl.trajectory) -> ()
  rl.call @train(%e) : (!rl.trajectory) -> ()
  // CHECK-NEXT: rl.batches %[[Y]] of 256 shuffle true {
  // CHECK-NEXT: ^bb0(%[[B:.*]]: !rl.trajectory):
  rl.batches %y of 256 shuffle true {
  ^bb0(%b: !rl.trajectory):
    // CHECK-NEXT: rl.repeat 3 {
    rl.repeat 3 {
      // CHECK-NEXT: rl.call @train(%[[B]]) : (!rl.trajectory) -> ()
      rl.call @train(%b) : (!rl.trajectory) -> ()
      // CHECK-NEXT: rl.yield
      rl.yield
    // CHECK-NEXT: }
    }
    rl.yield
  }
  // CHECK: rl.batches %[[Y]] of 1 shuffle false {
  rl.batches %y of 1 shuffle false {
  ^bb0(%b: !rl.trajectory):
    rl.yield
  }
  // CHECK: rl.evaluate @pi on @data as "test" {every = 10 : i64, max_tokens = 64 : i64, temperature = 1.000000e+00 : f64,
  // CHECK-SAME: verifier = {field = "answer", kind = "exact_answer"}}
  rl.evaluate @pi on @data as "test" {temperature = 1.0, max_tokens = 64, every = 10,
                                      verifier = {kind = "exact_answer", field = "answer"}}
  // CHECK-NEXT: rl.yield
  rl.yield
}

func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}
