// What optimizers refuse.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics -allow-unregistered-dialect

rl.policy @pi model @m "trainable"
// expected-error @+1 {{beta1 must be in [0, 1), is 1.000000e+00}}
rl.optimizer @opt adamw @pi attributes {beta1 = 1.0 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32, reset = "never", weight_decay = 0.0 : f32} {
  %lr = rl.constant 0.1 : !rl.per<batch, f32>
  rl.yield %lr : !rl.per<batch, f32>
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.policy @pi model @m "trainable"
// expected-error @+1 {{beta1 must be in [0, 1), is -5.000000e-01}}
rl.optimizer @opt adamw @pi attributes {beta1 = -0.5 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32, reset = "never", weight_decay = 0.0 : f32} {
  %lr = rl.constant 0.1 : !rl.per<batch, f32>
  rl.yield %lr : !rl.per<batch, f32>
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.policy @pi model @m "trainable"
// expected-error @+1 {{beta2 must be in [0, 1), is 1.500000e+00}}
rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 1.5 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32, reset = "never", weight_decay = 0.0 : f32} {
  %lr = rl.constant 0.1 : !rl.per<batch, f32>
  rl.yield %lr : !rl.per<batch, f32>
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.policy @pi model @m "trainable"
// expected-error @+1 {{eps must be positive, is 0.000000e+00}}
rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 0.0 : f32, reset = "never", weight_decay = 0.0 : f32} {
  %lr = rl.constant 0.1 : !rl.per<batch, f32>
  rl.yield %lr : !rl.per<batch, f32>
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.policy @pi model @m "trainable"
// expected-error @+1 {{weight_decay must not be negative, is -1.000000e+00}}
rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32, reset = "never", weight_decay = -1.0 : f32} {
  %lr = rl.constant 0.1 : !rl.per<batch, f32>
  rl.yield %lr : !rl.per<batch, f32>
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.policy @pi model @m "trainable"
// expected-error @+1 {{clip must not be negative, is -5.000000e-01}}
rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = -0.5 : f32, eps = 1.0e-8 : f32, reset = "never", weight_decay = 0.0 : f32} {
  %lr = rl.constant 0.1 : !rl.per<batch, f32>
  rl.yield %lr : !rl.per<batch, f32>
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.policy @pi model @m "trainable"
// expected-error @+1 {{reset must be 'iteration' or 'never', is 'epoch'}}
rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32, reset = "epoch", weight_decay = 0.0 : f32} {
  %lr = rl.constant 0.1 : !rl.per<batch, f32>
  rl.yield %lr : !rl.per<batch, f32>
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.policy @pi model @m "trainable"
// expected-error @+1 {{must yield the learning rate, one '!rl.per<batch, f32>', yields 0 values}}
rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32, reset = "never", weight_decay = 0.0 : f32} {
  rl.yield
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.policy @pi model @m "trainable"
// expected-error @+1 {{must yield the learning rate, one '!rl.per<batch, f32>', yields 1 values of another type}}
rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32, reset = "never", weight_decay = 0.0 : f32} {
  %lr = rl.constant 0.1 : !rl.per<batch, f32>
  %s = rl.spread %lr : !rl.per<batch, f32> to !rl.per<group, f32>
  rl.yield %s : !rl.per<group, f32>
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

// expected-note @+1 {{declared here}}
rl.policy @pi model @m "frozen"
// expected-error @+1 {{needs a trainable policy, but @pi is frozen}}
rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32, reset = "never", weight_decay = 0.0 : f32} {
  %lr = rl.constant 0.1 : !rl.per<batch, f32>
  rl.yield %lr : !rl.per<batch, f32>
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

// expected-error @+1 {{needs a policy, but @pi is not declared}}
rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32, reset = "never", weight_decay = 0.0 : f32} {
  %lr = rl.constant 0.1 : !rl.per<batch, f32>
  rl.yield %lr : !rl.per<batch, f32>
}

// -----

rl.iteration {
  "test.wrap"() ({
    // expected-error @+1 {{expects parent op to be one of 'rl.optimizer, rl.step, rl.entry, rl.iteration, rl.repeat, rl.batches'}}
    rl.yield
  }) : () -> ()
  rl.yield
}
