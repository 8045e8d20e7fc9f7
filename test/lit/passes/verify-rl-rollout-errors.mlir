// verify-rl: a step that samples scores at most once, and what it sampled.
// RUN: mirl-opt %s --verify-rl -split-input-file -verify-diagnostics

module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.step @rollout "x" {
  ^bb0(%x: !rl.prompts):
    %y = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = 0, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
    %r = rl.verify "exact_answer" %y {} : !rl.per<sequence, f32>
    // expected-note @+1 {{scored here}}
    %a = rl.score %y, %r : !rl.per<sequence, f32>
    // expected-error @+1 {{scores a trajectory that already has a reward; add the rewards and score once}}
    %z = rl.score %a, %r : !rl.per<sequence, f32>
    rl.yield %z : !rl.trajectory
  }
  func.func private @m(%i: tensor<?xi32, #nn.axis<context>>, %p: tensor<?xi32, #nn.axis<context>>,
                       %o: tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>) attributes {nn.model} {
    %x, %w = builtin.unrealized_conversion_cast to tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
    return %x, %w : tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
  }
}

// -----

module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.step @rollout "x" {
  ^bb0(%x: !rl.prompts):
    %y = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = 0, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
    %r = rl.verify "exact_answer" %y {} : !rl.per<sequence, f32>
    // expected-note @+1 {{scored here}}
    %a = rl.score %y, %r : !rl.per<sequence, f32>
    // expected-error @+1 {{scores a trajectory that already has a reward; add the rewards and score once}}
    %z = rl.score %y, %r : !rl.per<sequence, f32>
    rl.yield %z : !rl.trajectory
  }
  func.func private @m(%i: tensor<?xi32, #nn.axis<context>>, %p: tensor<?xi32, #nn.axis<context>>,
                       %o: tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>) attributes {nn.model} {
    %x, %w = builtin.unrealized_conversion_cast to tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
    return %x, %w : tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
  }
}

// -----

module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.step @rollout "x" {
  ^bb0(%x: !rl.prompts):
    %z = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = 0, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
    // expected-error @+1 {{reads the reward in the step that computes it; use the value given to rl.score}}
    %r = rl.field %z, "reward" : !rl.per<sequence, f32>
    rl.yield %z : !rl.trajectory
  }
  func.func private @m(%i: tensor<?xi32, #nn.axis<context>>, %p: tensor<?xi32, #nn.axis<context>>,
                       %o: tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>) attributes {nn.model} {
    %x, %w = builtin.unrealized_conversion_cast to tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
    return %x, %w : tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
  }
}

// -----

module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.step @rollout "x" {
  ^bb0(%x: !rl.prompts):
    %y = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = 0, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
    %r = rl.verify "exact_answer" %y {} : !rl.per<sequence, f32>
    // expected-note @+1 {{the reward is given here}}
    %z = rl.score %y, %r : !rl.per<sequence, f32>
    // expected-error @+1 {{reads the reward in the step that computes it; use the value given to rl.score}}
    %q = rl.field %z, "reward" : !rl.per<sequence, f32>
    rl.yield %z : !rl.trajectory
  }
  func.func private @m(%i: tensor<?xi32, #nn.axis<context>>, %p: tensor<?xi32, #nn.axis<context>>,
                       %o: tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>) attributes {nn.model} {
    %x, %w = builtin.unrealized_conversion_cast to tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
    return %x, %w : tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
  }
}

// -----

module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.step @rollout "x" {
  ^bb0(%x: !rl.prompts):
    %z = builtin.unrealized_conversion_cast %x : !rl.prompts to !rl.trajectory
    // expected-error @+1 {{needs a trajectory that is sampled in its step}}
    rl.yield %z : !rl.trajectory
  }
  func.func private @m(%i: tensor<?xi32, #nn.axis<context>>, %p: tensor<?xi32, #nn.axis<context>>,
                       %o: tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>) attributes {nn.model} {
    %x, %w = builtin.unrealized_conversion_cast to tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
    return %x, %w : tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
  }
}
