// assign-numerics: an order that the target does not have is refused.
// RUN: mirl-opt %s --assign-numerics -split-input-file -verify-diagnostics

func.func @f(%x: tensor<?x4xf32, #nn.axis<context>>, %w: tensor<4x4xf32>) {
  // expected-error @+1 {{states the order #nn.numerics<"chain", 1, f64>, but the target has it only as #nn.numerics<"chain", 1, f32>}}
  %0 = nn.linear %x, %w {numerics = #nn.numerics<"chain", 1, f64>} : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32, #nn.axis<context>>, %w: tensor<4x4xf32>) {
  // expected-error @+1 {{states the order #nn.numerics<"lanes", 16, f32>, but the target has it only as #nn.numerics<"chain", 1, f32>}}
  %0 = nn.linear %x, %w {numerics = #nn.numerics<"lanes", 16, f32>} : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32, #nn.axis<context>>, %w: tensor<4x4xf32>) {
  // expected-error @+1 {{states the order #nn.numerics<"chain", 2, f32>, but the target has it only as #nn.numerics<"chain", 1, f32>}}
  %0 = nn.linear %x, %w {numerics = #nn.numerics<"chain", 2, f32>} : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32, #nn.axis<context>>, %n: tensor<4xf32>) {
  // expected-error @+1 {{states the order #nn.numerics<"chain", 1, f32>, but the target has it only as #nn.numerics<"lanes", 16, f32>}}
  %0:2 = nn.rms_norm %x, %n {eps = 0.0 : f32, numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?x4xf32, #nn.axis<context>>, tensor<4xf32>) -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%h: tensor<?x4xf32, #nn.axis<token>>, %w: tensor<4x4xf32>, %t: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{states the order #nn.numerics<"blocks", 128, f32>, but the target has it only as #nn.numerics<"blocks", 256, f32>}}
  %0:2 = nn.linear_logprob %h, %w, %t {numerics = #nn.numerics<"blocks", 128, f32>} : (tensor<?x4xf32, #nn.axis<token>>, tensor<4x4xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}
