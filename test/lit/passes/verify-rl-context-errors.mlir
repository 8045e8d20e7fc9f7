// verify-rl: a program that runs a policy bounds the length of a sequence.
// RUN: mirl-opt %s --verify-rl -split-input-file -verify-diagnostics

// expected-error @+1 {{the context capacity must be at least 2 tokens, is 1 : i64}}
module attributes {mirl.context = 1 : i64} {
  rl.iteration {
    rl.yield
  }
}

// -----

// expected-error @+1 {{the context capacity must be at least 2 tokens, is 0 : i64}}
module attributes {mirl.context = 0 : i64} {
  rl.iteration {
    rl.yield
  }
}

// -----

// expected-error @+1 {{the context capacity must be at least 2 tokens, is "long"}}
module attributes {mirl.context = "long"} {
  rl.iteration {
    rl.yield
  }
}

// -----

module {
  rl.policy @pi model @m "trainable"
  rl.step @r "x" {
  ^bb0(%x: !rl.prompts):
    // expected-error @+1 {{needs to know how long a sequence may be: declare `capacity context = N`, found none}}
    %y = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = 0, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
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

module {
  rl.policy @pi model @m "trainable"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    // expected-error @+1 {{needs to know how long a sequence may be: declare `capacity context = N`, found none}}
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %l = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
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

module {
  rl.policy @pi model @m "trainable"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.step @s "y" {
  ^bb0(%y: !rl.trajectory):
    // expected-error @+1 {{needs to know how long a sequence may be: declare `capacity context = N`, found none}}
    %p = rl.entropy @pi, %y : !rl.per<token, f32>
    %l = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
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

module {
  rl.policy @pi model @m "trainable"
  rl.dataset @d "d.jsonl"
  rl.iteration {
    // expected-error @+1 {{needs to know how long a sequence may be: declare `capacity context = N`, found none}}
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
