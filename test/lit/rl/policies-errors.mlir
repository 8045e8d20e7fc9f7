// What types and policies refuse: the element of a value, a policy's role, its model.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics -allow-unregistered-dialect

// expected-error @+1 {{a value per token must be of f32, is of 'f64'}}
func.func private @f(!rl.per<token, f64>)

// -----

// expected-error @+1 {{the role must be 'trainable' or 'frozen', is 'student'}}
rl.policy @pi model @m "student"
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

// expected-error @+1 {{needs a model, but @m is not declared}}
rl.policy @pi model @m "frozen"

// -----

// expected-note @+1 {{declared here}}
rl.param @m = 1.0
// expected-error @+1 {{needs a model, but @m is a 'rl.param'}}
rl.policy @pi model @m "frozen"

// -----

// expected-note @+1 {{model @m is declared here}}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}
// expected-error @+1 {{needs a model, but @m is a function without nn.model}}
rl.policy @pi model @m "frozen"

// -----

// expected-error @+1 {{needs a model with a body of one block}}
rl.policy @pi model @m "frozen"
// expected-note @+1 {{model @m is declared here}}
func.func private @m(tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model}

// -----

// expected-error @+1 {{needs a model of (ids: tensor<?xi32, #nn.axis<context>>, positions: tensor<?xi32, #nn.axis<context>>, offsets: tensor<?xi32, #nn.axis<sequence, 1>>), found}}
rl.policy @pi model @m "frozen"
// expected-note @+1 {{model @m is declared here}}
func.func private @m(%a: tensor<?xi32, #nn.axis<context>>, %b: tensor<?xi32, #nn.axis<context>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %h, %w = "test.model"() : () -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>)
  return %h, %w : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

// expected-error @+1 {{needs a model of (ids: tensor<?xi32, #nn.axis<context>>, positions: tensor<?xi32, #nn.axis<context>>, offsets: tensor<?xi32, #nn.axis<sequence, 1>>), found}}
rl.policy @pi model @m "frozen"
// expected-note @+1 {{model @m is declared here}}
func.func private @m(%a: tensor<?xi64, #nn.axis<context>>, %b: tensor<?xi32, #nn.axis<context>>, %c: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %h, %w = "test.model"() : () -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>)
  return %h, %w : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

// expected-error @+1 {{needs a model of (ids: tensor<?xi32, #nn.axis<context>>, positions: tensor<?xi32, #nn.axis<context>>, offsets: tensor<?xi32, #nn.axis<sequence, 1>>), found}}
rl.policy @pi model @m "frozen"
// expected-note @+1 {{model @m is declared here}}
func.func private @m(%a: tensor<?xi32, #nn.axis<context>>, %b: tensor<?xi32, #nn.axis<token>>, %c: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %h, %w = "test.model"() : () -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>)
  return %h, %w : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

// expected-error @+1 {{needs a model of (ids: tensor<?xi32, #nn.axis<context>>, positions: tensor<?xi32, #nn.axis<context>>, offsets: tensor<?xi32, #nn.axis<sequence, 1>>), found}}
rl.policy @pi model @m "frozen"
// expected-note @+1 {{model @m is declared here}}
func.func private @m(%a: tensor<?xi32, #nn.axis<context>>, %b: tensor<?xi32, #nn.axis<context>>, %c: tensor<?xi32, #nn.axis<sequence>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %h, %w = "test.model"() : () -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>)
  return %h, %w : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

// expected-error @+1 {{needs a model that returns (hidden: tensor<?xdxf32, #nn.axis<context>>, head: tensor<Vxdxf32>), found}}
rl.policy @pi model @m "frozen"
// expected-note @+1 {{model @m is declared here}}
func.func private @m(%a: tensor<?xi32, #nn.axis<context>>, %b: tensor<?xi32, #nn.axis<context>>, %c: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<token>>, tensor<16x8xf32>) attributes {nn.model} {
  %h, %w = "test.model"() : () -> (tensor<?x8xf32, #nn.axis<token>>, tensor<16x8xf32>)
  return %h, %w : tensor<?x8xf32, #nn.axis<token>>, tensor<16x8xf32>
}

// -----

// expected-error @+1 {{needs a model that returns (hidden: tensor<?xdxf32, #nn.axis<context>>, head: tensor<Vxdxf32>), found}}
rl.policy @pi model @m "frozen"
// expected-note @+1 {{model @m is declared here}}
func.func private @m(%a: tensor<?xi32, #nn.axis<context>>, %b: tensor<?xi32, #nn.axis<context>>, %c: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %h, %w = "test.model"() : () -> (tensor<?xf32, #nn.axis<context>>, tensor<16x8xf32>)
  return %h, %w : tensor<?xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

// expected-error @+1 {{needs a model that returns (hidden: tensor<?xdxf32, #nn.axis<context>>, head: tensor<Vxdxf32>), found}}
rl.policy @pi model @m "frozen"
// expected-note @+1 {{model @m is declared here}}
func.func private @m(%a: tensor<?xi32, #nn.axis<context>>, %b: tensor<?xi32, #nn.axis<context>>, %c: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8x1xf32>) attributes {nn.model} {
  %h, %w = "test.model"() : () -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8x1xf32>)
  return %h, %w : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8x1xf32>
}

// -----

// expected-error @+1 {{needs a model that returns (hidden: tensor<?xdxf32, #nn.axis<context>>, head: tensor<Vxdxf32>), found}}
rl.policy @pi model @m "frozen"
// expected-note @+1 {{model @m is declared here}}
func.func private @m(%a: tensor<?xi32, #nn.axis<context>>, %b: tensor<?xi32, #nn.axis<context>>, %c: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>) attributes {nn.model} {
  %h, %w = "test.model"() : () -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>)
  return %h, %w : tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>
}

// -----

// expected-error @+1 {{needs a head of as many columns as the hidden state: 8, found 4}}
rl.policy @pi model @m "frozen"
// expected-note @+1 {{model @m is declared here}}
func.func private @m(%a: tensor<?xi32, #nn.axis<context>>, %b: tensor<?xi32, #nn.axis<context>>, %c: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x4xf32>) attributes {nn.model} {
  %h, %w = "test.model"() : () -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x4xf32>)
  return %h, %w : tensor<?x8xf32, #nn.axis<context>>, tensor<16x4xf32>
}
