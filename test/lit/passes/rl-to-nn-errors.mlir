// rl-to-nn: what it refuses.
// RUN: split-file %s %t
// RUN: not mirl-opt %t/step.mlir --split-step --rl-to-nn='micro-tokens=15' 2>&1 | FileCheck %s --check-prefix=SEQUENCE
// RUN: not mirl-opt %t/step.mlir --split-step --rl-to-nn='micro-tokens=31' 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: mirl-opt %t/step.mlir --split-step --rl-to-nn='micro-tokens=32' 2>&1 | FileCheck %s --check-prefix=ENOUGH
// RUN: not mirl-opt %t/step.mlir --split-step --rl-to-nn='context=17' 2>&1 | FileCheck %s --check-prefix=CONTEXT
// RUN: not mirl-opt %t/weights.mlir --rl-to-nn 2>&1 | FileCheck %s --check-prefix=WEIGHTS
// RUN: not mirl-opt %t/step.mlir --rl-to-nn 2>&1 | FileCheck %s --check-prefix=WHOLE
// RUN: not mirl-opt %t/none.mlir --split-step --rl-to-nn 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not mirl-opt %t/two.mlir --split-step --rl-to-nn 2>&1 | FileCheck %s --check-prefix=TWO

// A micro-batch holds the longest sequence, or the longest group when groups are kept whole.
// SEQUENCE: error: 'rl.step' op needs micro-batches of at least 16 tokens, the longest sequence (16 tokens), but --micro-tokens is 15
// GROUP: error: 'rl.step' op needs micro-batches of at least 32 tokens, the longest group (16 tokens times 2 responses), but --micro-tokens is 31
// ENOUGH: func.func @pairs.micro({{.*}} attributes {nn.capacities = {context = 32 : i64, group = 32 : i64, sequence = 32 : i64, token = 32 : i64}

// The tables of a model were made for the declared length.
// CONTEXT: error: --context 17 is more than `capacity context = 16`, which the program declares

// A step needs one loss, and the phases that split-step marks.
// WHOLE: step.mlir:21:3: error: 'rl.step' op must be cut into phases: split-step comes before rl-to-nn
// NONE: none.mlir:3:3: error: 'rl.step' op takes a trajectory, so it must minimize a loss once; it minimizes 0 (verify-rl comes before rl-to-nn)
// TWO: two.mlir:9:3: error: 'rl.step' op takes a trajectory, so it must minimize a loss once; it minimizes 2 (verify-rl comes before rl-to-nn)

// WEIGHTS: weights.mlir:6:8: error: 'nn.weight' op must have the shape that the weight of this name has elsewhere in the model, 'tensor<9x4xf32>', has 'tensor<4xf32>'
// WEIGHTS: weights.mlir:5:8: note: the other one is here

//--- step.mlir
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
//--- weights.mlir
rl.policy @pi model @m "frozen"
func.func private @m(%i: tensor<?xi32, #nn.axis<context>>, %p: tensor<?xi32, #nn.axis<context>>,
                     %o: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>) attributes {nn.model} {
  %w = nn.weight "e" init "ones" : tensor<9x4xf32>
  %v = nn.weight "e" init "ones" : tensor<4xf32>
  %x = nn.embedding %w, %i : (tensor<9x4xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
  return %x, %w : tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
}

//--- none.mlir
module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.step @train "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %l = rl.reduce sum %p : !rl.per<token, f32> to !rl.per<batch, f32>
    rl.metric "p", %l : !rl.per<batch, f32>
    rl.yield
  }
  func.func @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>) attributes {nn.model} {
    %w = nn.weight "embed" init "zeros" : tensor<9x4xf32>
    %x = nn.embedding %w, %ids : (tensor<9x4xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
    return %x, %w : tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
  }
}

//--- two.mlir
module attributes {mirl.context = 16 : i64} {
  rl.param @tau = 0.125
  rl.policy @pi model @m "trainable"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 0.5 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.read_param @tau : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.step @train "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %l = rl.reduce sum %p : !rl.per<token, f32> to !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  func.func @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>) attributes {nn.model} {
    %w = nn.weight "embed" init "zeros" : tensor<9x4xf32>
    %x = nn.embedding %w, %ids : (tensor<9x4xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
    return %x, %w : tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
  }
}
