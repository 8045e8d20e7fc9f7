// verify-rl: what belongs in steps.
// RUN: mirl-opt %s --verify-rl -split-input-file -verify-diagnostics

module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  // expected-note @+1 {{step @s takes a trajectory}}
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %p = "builtin.unrealized_conversion_cast"(%y) : (!rl.trajectory) -> !rl.prompts
    // expected-error @+1 {{belongs in a step that takes prompts, found in 'rl.step' @s}}
    %z = rl.sample @pi, %p {n = 2, temperature = 1.0, top_k = 0, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
    rl.yield
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
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  // expected-note @+1 {{step @s takes a trajectory}}
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    // expected-error @+1 {{belongs in a step that takes prompts, found in 'rl.step' @s}}
    %r = rl.verify "exact_answer" %y {} : !rl.per<sequence, f32>
    rl.yield
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
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  // expected-note @+1 {{step @s takes a trajectory}}
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %r = rl.field %y, "reward" : !rl.per<sequence, f32>
    // expected-error @+1 {{belongs in a step that takes prompts, found in 'rl.step' @s}}
    %z = rl.score %y, %r : !rl.per<sequence, f32>
    rl.yield
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
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  // expected-note @+1 {{step @s takes prompts}}
  rl.step @s "x" {
  ^bb0(%x: !rl.prompts):
    %y = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = 0, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
    %one = rl.constant 1.0 : !rl.per<batch, f32>
    // expected-error @+1 {{belongs in a step that takes a trajectory, found in 'rl.step' @s}}
    rl.minimize %one by @opt : !rl.per<batch, f32>
    rl.yield %y : !rl.trajectory
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
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  // expected-note @+1 {{step @s takes prompts}}
  rl.step @s "x" {
  ^bb0(%x: !rl.prompts):
    %y = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = 0, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
    %one = rl.constant 1.0 : !rl.per<batch, f32>
    // expected-error @+1 {{belongs in a step that takes a trajectory, found in 'rl.step' @s}}
    rl.metric "one", %one : !rl.per<batch, f32>
    rl.yield %y : !rl.trajectory
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
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  // expected-note @+1 {{step @s takes prompts}}
  rl.step @s "x" {
  ^bb0(%x: !rl.prompts):
    %y = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = 0, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
    // expected-error @+1 {{belongs in a step that takes a trajectory, found in 'rl.step' @s}}
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    rl.yield %y : !rl.trajectory
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
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  // expected-note @+1 {{step @s takes prompts}}
  rl.step @s "x" {
  ^bb0(%x: !rl.prompts):
    %y = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = 0, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
    // expected-error @+1 {{belongs in a step that takes a trajectory, found in 'rl.step' @s}}
    %p = rl.entropy @pi, %y : !rl.per<token, f32>
    rl.yield %y : !rl.trajectory
  }
  func.func private @m(%i: tensor<?xi32, #nn.axis<context>>, %p: tensor<?xi32, #nn.axis<context>>,
                       %o: tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>) attributes {nn.model} {
    %x, %w = builtin.unrealized_conversion_cast to tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
    return %x, %w : tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
  }
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{belongs in a step, found in 'func.func' @f}}
  %r = rl.field %y, "reward" : !rl.per<sequence, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{belongs in a step that takes prompts, found in 'func.func' @f}}
  %r = rl.verify "exact_answer" %y {} : !rl.per<sequence, f32>
  return
}
