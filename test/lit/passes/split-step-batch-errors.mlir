// split-step: what is not linear in sums over the batch.
// RUN: mirl-opt %s --split-step -split-input-file -verify-diagnostics

// The min over the batch.
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
    // expected-error @+1 {{takes the min over the batch of a value that depends on log-probs, which is known only after the last micro-batch: the step cannot be cut}}
    %l = rl.reduce min %p : !rl.per<token, f32> to !rl.per<batch, f32>
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

// A quotient of two sums.
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
    // expected-note @+1 {{the sum over the batch is here}}
    %n = rl.reduce sum %p : !rl.per<token, f32> to !rl.per<batch, f32>
    %q = rl.unary exp %p : !rl.per<token, f32>
    %m = rl.reduce sum %q : !rl.per<token, f32> to !rl.per<batch, f32>
    // expected-error @+1 {{(div) needs the sum over the batch of a value that depends on log-probs, which is known only after the last micro-batch: the step cannot be cut}}
    %l = rl.binary div %n, %m : !rl.per<batch, f32>
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

// The larger of a mean and a number.
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
    %one = rl.constant 1.0 : !rl.per<batch, f32>
    // expected-error @+1 {{(max) needs the mean over the batch of a value that depends on log-probs, which is known only after the last micro-batch: the step cannot be cut}}
    %l = rl.binary max %one, %m : !rl.per<batch, f32>
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

// A choice by a mean.
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
    %one = rl.constant 1.0 : !rl.per<batch, f32>
    // expected-error @+1 {{(select) needs the mean over the batch of a value that depends on log-probs, which is known only after the last micro-batch: the step cannot be cut}}
    %l = rl.select %m, %one, %one : !rl.per<batch, f32>
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

// A comparison, in a metric: metrics are cut as losses are.
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
    %one = rl.constant 1.0 : !rl.per<batch, f32>
    // expected-error @+1 {{(gt) needs the mean over the batch of a value that depends on log-probs, which is known only after the last micro-batch: the step cannot be cut}}
    %c = rl.compare gt %m, %one : !rl.per<batch, f32>
    rl.metric "positive", %c : !rl.per<batch, f32>
    rl.minimize %m by @opt : !rl.per<batch, f32>
    rl.yield
  }
  func.func private @m(%i: tensor<?xi32, #nn.axis<context>>, %p: tensor<?xi32, #nn.axis<context>>,
                       %o: tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>) attributes {nn.model} {
    %x, %w = builtin.unrealized_conversion_cast to tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
    return %x, %w : tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
  }
}
