// split-step: what is known only after the last micro-batch cannot be used by the first.
// RUN: mirl-opt %s --split-step -split-input-file -verify-diagnostics

// The square of a mean.
module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  // expected-note @+1 {{in step @s: sums and means over the batch may be added, subtracted and scaled by values that do not depend on log-probs; anything else is possible per sequence or per group, before the reduction over the batch}}
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    // expected-note @+1 {{the mean over the batch is here}}
    %m = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    // expected-error @+1 {{(square) needs the mean over the batch of a value that depends on log-probs, which is known only after the last micro-batch: the step cannot be cut}}
    %l = rl.unary square %m : !rl.per<batch, f32>
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

// The same by way of a product.
module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  // expected-note @+1 {{in step @s: sums and means over the batch may be added, subtracted and scaled by values that do not depend on log-probs; anything else is possible per sequence or per group, before the reduction over the batch}}
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    // expected-note @+1 {{the mean over the batch is here}}
    %m = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    // expected-error @+1 {{(mul) needs the mean over the batch of a value that depends on log-probs, which is known only after the last micro-batch: the step cannot be cut}}
    %l = rl.binary mul %m, %m : !rl.per<batch, f32>
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

// A standard deviation: the spread back of the mean is the first to fail.
module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  // expected-note @+1 {{in step @s: sums and means over the batch may be added, subtracted and scaled by values that do not depend on log-probs; anything else is possible per sequence or per group, before the reduction over the batch}}
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    // expected-note @+1 {{the mean over the batch is here}}
    %m = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    // expected-error @+1 {{(spread) needs the mean over the batch of a value that depends on log-probs, which is known only after the last micro-batch: the step cannot be cut}}
    %b = rl.spread %m : !rl.per<batch, f32> to !rl.per<token, f32>
    %d = rl.binary sub %p, %b : !rl.per<token, f32>
    %q = rl.unary square %d : !rl.per<token, f32>
    %v = rl.reduce mean %q : !rl.per<token, f32> to !rl.per<batch, f32>
    %l = rl.unary sqrt %v : !rl.per<batch, f32>
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

// stop_gradient does not help: the first micro-batch would still need the value.
module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  // expected-note @+1 {{in step @s: sums and means over the batch may be added, subtracted and scaled by values that do not depend on log-probs; anything else is possible per sequence or per group, before the reduction over the batch}}
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    // expected-note @+1 {{the mean over the batch is here}}
    %m = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    %s = rl.stop_gradient %m : !rl.per<batch, f32>
    // expected-error @+1 {{(spread) needs the mean over the batch of a value that depends on log-probs, which is known only after the last micro-batch: the step cannot be cut}}
    %b = rl.spread %s : !rl.per<batch, f32> to !rl.per<token, f32>
    %d = rl.binary sub %p, %b : !rl.per<token, f32>
    %l = rl.reduce mean %d : !rl.per<token, f32> to !rl.per<batch, f32>
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

// The max over the batch.
module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  // expected-note @+1 {{in step @s: sums and means over the batch may be added, subtracted and scaled by values that do not depend on log-probs; anything else is possible per sequence or per group, before the reduction over the batch}}
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    // expected-error @+1 {{takes the max over the batch of a value that depends on log-probs, which is known only after the last micro-batch: the step cannot be cut}}
    %l = rl.reduce max %p : !rl.per<token, f32> to !rl.per<batch, f32>
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
