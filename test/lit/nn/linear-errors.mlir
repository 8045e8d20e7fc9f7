// What products refuse; how an order may be spelled.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

func.func @f(%input: tensor<?xf32, #nn.axis<context>>, %weight: tensor<16x8xf32>) {
  // expected-error @+1 {{input must have rank 2, has rank 1}}
  %0 = nn.linear %input, %weight
    : (tensor<?xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?x16xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<16xf32>) {
  // expected-error @+1 {{weight must have rank 2, has rank 1}}
  %0 = nn.linear %input, %weight
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<16xf32>) -> tensor<?x16xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<?x8xf32, #nn.axis<context>>) {
  // expected-error @+1 {{weight must have fixed dimensions}}
  %0 = nn.linear %input, %weight
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>) -> tensor<?x16xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<16x8xf32>) {
  // expected-error @+1 {{result must have rank 2, has rank 1}}
  %0 = nn.linear %input, %weight
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<16x8xf32>) {
  // expected-error @+1 {{input and result must have the same rows}}
  %0 = nn.linear %input, %weight
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?x16xf32, #nn.axis<token>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<16x4xf32>) {
  // expected-error @+1 {{input has 8 in dimension 1, must have 4: the columns of the weight}}
  %0 = nn.linear %input, %weight
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x4xf32>) -> tensor<?x16xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<16x8xf32>) {
  // expected-error @+1 {{result has 8 in dimension 1, must have 16: the rows of the weight}}
  %0 = nn.linear %input, %weight
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<16x8xf32>, %bias: tensor<16x1xf32>) {
  // expected-error @+1 {{bias must have rank 1, has rank 2}}
  %0 = nn.linear %input, %weight bias(%bias)
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>, tensor<16x1xf32>) -> tensor<?x16xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<16x8xf32>, %bias: tensor<8xf32>) {
  // expected-error @+1 {{bias has 8 in dimension 0, must have 16: the rows of the weight}}
  %0 = nn.linear %input, %weight bias(%bias)
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>, tensor<8xf32>) -> tensor<?x16xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<16x8xf32>,
             %residual: tensor<?x8xf32, #nn.axis<context>>) {
  // expected-error @+1 {{residual and result must have the same type}}
  %0 = nn.linear %input, %weight residual(%residual)
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>, tensor<?x8xf32, #nn.axis<context>>)
      -> tensor<?x16xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<16x8xf32>) {
  // expected-error @+1 {{order is one of chain, k16, k16_blocks, tiles, lanes, blocks, row_blocks, not 'tree'}}
  %0 = nn.linear %input, %weight {numerics = #nn.numerics<"tree", 2, f32>}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?x16xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<16x8xf32>) {
  // expected-error @+1 {{width is at least 1, not 0}}
  %0 = nn.linear %input, %weight {numerics = #nn.numerics<"lanes", 0, f32>}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?x16xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<16x8xf32>) {
  // expected-error @+1 {{the accumulator is f32 or f64, not 'bf16'}}
  %0 = nn.linear %input, %weight {numerics = #nn.numerics<"lanes", 16, bf16>}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?x16xf32, #nn.axis<context>>
  return
}
