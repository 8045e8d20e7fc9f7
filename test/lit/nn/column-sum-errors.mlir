// What the gradients of biases and row gathers refuse.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

func.func @f(%input: tensor<?xf32, #nn.axis<context>>, %into: tensor<16xf32>) {
  // expected-error @+1 {{input must have rank 2, has rank 1}}
  %0 = nn.column_sum %input, %into : (tensor<?xf32, #nn.axis<context>>, tensor<16xf32>) -> tensor<16xf32>
  return
}

// -----

func.func @f(%input: tensor<?x16xf32, #nn.axis<context>>, %into: tensor<16x1xf32>) {
  // expected-error @+1 {{into must have rank 1, has rank 2}}
  %0 = nn.column_sum %input, %into : (tensor<?x16xf32, #nn.axis<context>>, tensor<16x1xf32>) -> tensor<16x1xf32>
  return
}

// -----

func.func @f(%input: tensor<?x16xf32, #nn.axis<context>>, %into: tensor<?xf32, #nn.axis<context>>) {
  // expected-error @+1 {{into must have fixed dimensions}}
  %0 = nn.column_sum %input, %into
    : (tensor<?x16xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>) -> tensor<?xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x16xf32, #nn.axis<context>>, %into: tensor<16xf32>) {
  // expected-error @+1 {{result and into must have the same type}}
  %0 = nn.column_sum %input, %into : (tensor<?x16xf32, #nn.axis<context>>, tensor<16xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @f(%input: tensor<?x16xf32, #nn.axis<context>>, %into: tensor<8xf32>) {
  // expected-error @+1 {{into has 8 in dimension 0, must have 16: the columns of the input}}
  %0 = nn.column_sum %input, %into : (tensor<?x16xf32, #nn.axis<context>>, tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @f(%input: tensor<?xf32, #nn.axis<token>>, %rows: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{input must have rank 2, has rank 1}}
  %0 = nn.scatter_rows %input, %rows
    : (tensor<?xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<token>>, %rows: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{rows and input must have the same rows}}
  %0 = nn.scatter_rows %input, %rows
    : (tensor<?x8xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<token>>, %rows: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{result must have rank 2, has rank 1}}
  %0 = nn.scatter_rows %input, %rows
    : (tensor<?x8xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<token>>, %rows: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{result has 4 in dimension 1, must have 8: the columns of the input}}
  %0 = nn.scatter_rows %input, %rows
    : (tensor<?x8xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x4xf32, #nn.axis<context>>
  return
}
