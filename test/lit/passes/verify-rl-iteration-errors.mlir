// verify-rl: what belongs in the iteration, of which there is one.
// RUN: mirl-opt %s --verify-rl -split-input-file -verify-diagnostics

module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.dataset @d "d.jsonl"
  // expected-note @+1 {{step @s takes a trajectory}}
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    // expected-error @+1 {{belongs in the iteration, found in 'rl.step' @s}}
    %d = rl.draw @d 1 : !rl.trajectory
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
  rl.dataset @d "d.jsonl"
  rl.step @t "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %l = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  // expected-note @+1 {{step @s takes a trajectory}}
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    // expected-error @+1 {{belongs in the iteration, found in 'rl.step' @s}}
    rl.call @t(%y) : (!rl.trajectory) -> ()
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
  rl.dataset @d "d.jsonl"
  // expected-note @+1 {{step @s takes a trajectory}}
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    // expected-error @+1 {{belongs in the iteration, found in 'rl.step' @s}}
    rl.repeat 2 {
      rl.yield
    }
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
  rl.dataset @d "d.jsonl"
  // expected-note @+1 {{step @s takes a trajectory}}
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    // expected-error @+1 {{belongs in the iteration, found in 'rl.step' @s}}
    rl.batches %y of 2 shuffle true {
    ^bb0(%b: !rl.trajectory):
      rl.yield
    }
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
  rl.dataset @d "d.jsonl"
  // expected-note @+1 {{step @s takes a trajectory}}
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    // expected-error @+1 {{belongs in the iteration, found in 'rl.step' @s}}
    rl.evaluate @pi on @d as "t" {temperature = 0.0, max_tokens = 4, every = 1, verifier = {kind = "exact_answer"}}
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

// expected-note @+1 {{the first one is here}}
rl.iteration {
  rl.yield
}
// expected-error @+1 {{must be the only one: a program has at most one iteration}}
rl.iteration {
  rl.yield
}
