// verify-rl: a trajectory carries what a step reads from it.
// RUN: mirl-opt %s --verify-rl -split-input-file -verify-diagnostics

module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.dataset @d "d.jsonl"
  rl.step @train "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    // expected-error @+1 {{reads 'logprob' of a trajectory that has none: it is recorded when a trajectory is sampled}}
    %f = rl.field %y, "logprob" : !rl.per<token, f32>
    %l = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  rl.iteration {
    // expected-note @+1 {{the trajectory is drawn here}}
    %y = rl.draw @d 4 : !rl.trajectory
    // expected-note @+1 {{and reaches the step here}}
    rl.call @train(%y) : (!rl.trajectory) -> ()
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
  rl.step @train "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    // expected-error @+1 {{reads 'version' of a trajectory that has none: it is recorded when a trajectory is sampled}}
    %f = rl.field %y, "version" : !rl.per<token, f32>
    %l = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  rl.iteration {
    // expected-note @+1 {{the trajectory is drawn here}}
    %y = rl.draw @d 4 : !rl.trajectory
    // expected-note @+1 {{and reaches the step here}}
    rl.call @train(%y) : (!rl.trajectory) -> ()
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
  rl.step @train "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    // expected-error @+1 {{reads 'reward' of a trajectory that has none: a rollout step gives it with rl.score}}
    %f = rl.field %y, "reward" : !rl.per<sequence, f32>
    %l = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  rl.iteration {
    // expected-note @+1 {{the trajectory is drawn here}}
    %y = rl.draw @d 4 : !rl.trajectory
    // expected-note @+1 {{and reaches the step here}}
    rl.call @train(%y) : (!rl.trajectory) -> ()
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
  rl.step @rollout "x" {
  ^bb0(%x: !rl.prompts):
    %y = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = 0, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
    rl.yield %y : !rl.trajectory
  }
  rl.step @train "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    // expected-error @+1 {{reads 'reward' of a trajectory that has none: a rollout step gives it with rl.score}}
    %f = rl.field %y, "reward" : !rl.per<sequence, f32>
    %l = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  rl.iteration {
    %x = rl.draw @d 4 : !rl.prompts
    // expected-note @+1 {{the trajectory is sampled here}}
    %y = rl.call @rollout(%x) : (!rl.prompts) -> !rl.trajectory
    // expected-note @+1 {{and reaches the step here}}
    rl.call @train(%y) : (!rl.trajectory) -> ()
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

// A batch of a trajectory carries what the trajectory does.
module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.dataset @d "d.jsonl"
  rl.step @train "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    // expected-error @+1 {{reads 'reward' of a trajectory that has none: a rollout step gives it with rl.score}}
    %f = rl.field %y, "reward" : !rl.per<sequence, f32>
    %l = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  rl.iteration {
    // expected-note @+1 {{the trajectory is drawn here}}
    %y = rl.draw @d 4 : !rl.trajectory
    rl.repeat 2 {
      rl.batches %y of 2 shuffle true {
      ^bb0(%b: !rl.trajectory):
        // expected-note @+1 {{and reaches the step here}}
        rl.call @train(%b) : (!rl.trajectory) -> ()
        rl.yield
      }
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
