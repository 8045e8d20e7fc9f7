// verify-rl: there is something to train.
// RUN: mirl-opt %s --verify-rl -split-input-file -verify-diagnostics

module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  // expected-note @+1 {{the optimizer is declared here}}
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %l = rl.constant 1.0 : !rl.per<batch, f32>
    // expected-error @+1 {{has nothing to train: the loss does not depend on the log-probs or entropies of policy @pi, which @opt trains}}
    rl.minimize %l by @opt : !rl.per<batch, f32>
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
  rl.policy @ref model @m "frozen"
  // expected-note @+1 {{the optimizer is declared here}}
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    // expected-note @+1 {{it depends on this policy, which @opt does not train}}
    %p = rl.logprob @ref, %y : !rl.per<token, f32>
    %l = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    // expected-error @+1 {{has nothing to train: the loss does not depend on the log-probs or entropies of policy @pi, which @opt trains}}
    rl.minimize %l by @opt : !rl.per<batch, f32>
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
  // expected-note @+1 {{the optimizer is declared here}}
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %l0 = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    %one = rl.constant 1.0 : !rl.per<batch, f32>
    // expected-note @+1 {{no gradient flows through this rl.stop_gradient}}
    %l = rl.stop_gradient %l0 : !rl.per<batch, f32>
    // expected-error @+1 {{has nothing to train: the loss depends on policy @pi only where no gradient flows}}
    rl.minimize %l by @opt : !rl.per<batch, f32>
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
  // expected-note @+1 {{the optimizer is declared here}}
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %l0 = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    %one = rl.constant 1.0 : !rl.per<batch, f32>
    // expected-note @+1 {{no gradient flows through this rl.compare}}
    %l = rl.compare gt %l0, %one : !rl.per<batch, f32>
    // expected-error @+1 {{has nothing to train: the loss depends on policy @pi only where no gradient flows}}
    rl.minimize %l by @opt : !rl.per<batch, f32>
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
  // expected-note @+1 {{the optimizer is declared here}}
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %l0 = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    %one = rl.constant 1.0 : !rl.per<batch, f32>
    // expected-note @+1 {{no gradient flows through this rl.select}}
    %l = rl.select %l0, %one, %one : !rl.per<batch, f32>
    // expected-error @+1 {{has nothing to train: the loss depends on policy @pi only where no gradient flows}}
    rl.minimize %l by @opt : !rl.per<batch, f32>
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
  // expected-note @+1 {{the optimizer is declared here}}
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.entropy @pi, %y : !rl.per<token, f32>
    // expected-note @+1 {{no gradient flows through this rl.reduce}}
    %l = rl.reduce count %p : !rl.per<token, f32> to !rl.per<batch, f32>
    // expected-error @+1 {{has nothing to train: the loss depends on policy @pi only where no gradient flows}}
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  func.func private @m(%i: tensor<?xi32, #nn.axis<context>>, %p: tensor<?xi32, #nn.axis<context>>,
                       %o: tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>) attributes {nn.model} {
    %x, %w = builtin.unrealized_conversion_cast to tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
    return %x, %w : tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
  }
}
