// What norms and rotary embeddings refuse.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

func.func @f(%input: tensor<?xf32, #nn.axis<context>>, %weight: tensor<8xf32>) {
  // expected-error @+1 {{input must have rank 2, has rank 1}}
  %0:2 = nn.rms_norm %input, %weight {eps = 1.0e-6 : f32}
    : (tensor<?xf32, #nn.axis<context>>, tensor<8xf32>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<8x1xf32>) {
  // expected-error @+1 {{weight must have rank 1, has rank 2}}
  %0:2 = nn.rms_norm %input, %weight {eps = 1.0e-6 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<8x1xf32>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<8xf32>) {
  // expected-error @+1 {{result and input must have the same type}}
  %0:2 = nn.rms_norm %input, %weight {eps = 1.0e-6 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<8xf32>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<8xf32>) {
  // expected-error @+1 {{rstd must have rank 1, has rank 2}}
  %0:2 = nn.rms_norm %input, %weight {eps = 1.0e-6 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<8xf32>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x1xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<8xf32>) {
  // expected-error @+1 {{input and rstd must have the same rows}}
  %0:2 = nn.rms_norm %input, %weight {eps = 1.0e-6 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<8xf32>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<4xf32>) {
  // expected-error @+1 {{weight has 4 in dimension 0, must have 8: the columns of the input}}
  %0:2 = nn.rms_norm %input, %weight {eps = 1.0e-6 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<4xf32>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<8xf32>) {
  // expected-error @+1 {{eps must not be negative}}
  %0:2 = nn.rms_norm %input, %weight {eps = -1.0 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<8xf32>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%input: tensor<?xf32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
             %table: tensor<64x4xf32>) {
  // expected-error @+1 {{input must have rank 2, has rank 1}}
  %0 = nn.rotary %input, %positions, %table {head_dim = 4}
    : (tensor<?xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<64x4xf32>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
             %table: tensor<64xf32>) {
  // expected-error @+1 {{table must have rank 2, has rank 1}}
  %0 = nn.rotary %input, %positions, %table {head_dim = 4}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<64xf32>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
             %table: tensor<?x4xf32, #nn.axis<context>>) {
  // expected-error @+1 {{table must have fixed dimensions}}
  %0 = nn.rotary %input, %positions, %table {head_dim = 4}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<token>>,
             %table: tensor<64x4xf32>) {
  // expected-error @+1 {{input and positions must have the same rows}}
  %0 = nn.rotary %input, %positions, %table {head_dim = 4}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>, tensor<64x4xf32>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
             %table: tensor<64x4xf32>) {
  // expected-error @+1 {{head_dim must be even and positive, is 3}}
  %0 = nn.rotary %input, %positions, %table {head_dim = 3}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<64x4xf32>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
             %table: tensor<64x4xf32>) {
  // expected-error @+1 {{head_dim must be even and positive, is 0}}
  %0 = nn.rotary %input, %positions, %table {head_dim = 0}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<64x4xf32>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x6xf32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
             %table: tensor<64x4xf32>) {
  // expected-error @+1 {{input has 6 columns, must have a multiple of head_dim = 4}}
  %0 = nn.rotary %input, %positions, %table {head_dim = 4}
    : (tensor<?x6xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<64x4xf32>)
      -> tensor<?x6xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
             %table: tensor<64x8xf32>) {
  // expected-error @+1 {{table has 8 in dimension 1, must have 4: head_dim}}
  %0 = nn.rotary %input, %positions, %table {head_dim = 4}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<64x8xf32>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
             %table: tensor<64x4xf32>) {
  // expected-error @+1 {{result and input must have the same type}}
  %0 = nn.rotary %input, %positions, %table {head_dim = 4}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<64x4xf32>)
      -> tensor<?x4xf32, #nn.axis<context>>
  return
}
