// verify-rl: a step that trains minimizes once, and its metrics have names of their own.
// RUN: mirl-opt %s --verify-rl -split-input-file -verify-diagnostics

module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  // expected-error @+1 {{takes a trajectory, so it must minimize a loss once; it minimizes none}}
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
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
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %l = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    // expected-note @+1 {{the first one is here}}
    rl.minimize %l by @opt : !rl.per<batch, f32>
    // expected-error @+1 {{must be the only one of its step: add the losses and minimize their sum}}
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
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %l = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    // expected-error @+1 {{needs a name of its own (loss, grad_norm and lr are always reported), found ''}}
    rl.metric "", %l : !rl.per<batch, f32>
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
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %l = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    // expected-error @+1 {{needs a name of its own (loss, grad_norm and lr are always reported), found 'grad_norm'}}
    rl.metric "grad_norm", %l : !rl.per<batch, f32>
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
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %l = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    // expected-error @+1 {{needs a name of its own (loss, grad_norm and lr are always reported), found 'lr'}}
    rl.metric "lr", %l : !rl.per<batch, f32>
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
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %l = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    // expected-error @+1 {{needs a name of its own (loss, grad_norm and lr are always reported), found 'loss'}}
    rl.metric "loss", %l : !rl.per<batch, f32>
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
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %l = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    // expected-note @+1 {{the first one is here}}
    rl.metric "p", %l : !rl.per<batch, f32>
    // expected-error @+1 {{metrics of a step have different names, found 'p' twice}}
    rl.metric "p", %l : !rl.per<batch, f32>
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
