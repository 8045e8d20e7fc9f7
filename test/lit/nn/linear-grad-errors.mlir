// What the gradients of embeddings and products refuse.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

func.func @f(%gradient: tensor<?xf32, #nn.axis<context>>, %ids: tensor<?xi32, #nn.axis<context>>,
             %into: tensor<32x8xf32>) {
  // expected-error @+1 {{gradient must have rank 2, has rank 1}}
  %0 = nn.embedding_grad %gradient, %ids, %into
    : (tensor<?xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<32x8xf32>) -> tensor<32x8xf32>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %ids: tensor<?xi32, #nn.axis<token>>,
             %into: tensor<32x8xf32>) {
  // expected-error @+1 {{ids and gradient must have the same rows}}
  %0 = nn.embedding_grad %gradient, %ids, %into
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>, tensor<32x8xf32>) -> tensor<32x8xf32>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %ids: tensor<?xi32, #nn.axis<context>>,
             %into: tensor<32xf32>) {
  // expected-error @+1 {{into must have rank 2, has rank 1}}
  %0 = nn.embedding_grad %gradient, %ids, %into
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<32xf32>) -> tensor<32xf32>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %ids: tensor<?xi32, #nn.axis<context>>,
             %into: tensor<?x8xf32, #nn.axis<context>>) {
  // expected-error @+1 {{into must have fixed dimensions}}
  %0 = nn.embedding_grad %gradient, %ids, %into
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %ids: tensor<?xi32, #nn.axis<context>>,
             %into: tensor<32x8xf32>) {
  // expected-error @+1 {{result and into must have the same type}}
  %0 = nn.embedding_grad %gradient, %ids, %into
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<32x8xf32>) -> tensor<16x8xf32>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %ids: tensor<?xi32, #nn.axis<context>>,
             %into: tensor<32x4xf32>) {
  // expected-error @+1 {{into has 4 in dimension 1, must have 8: the columns of the gradient}}
  %0 = nn.embedding_grad %gradient, %ids, %into
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<32x4xf32>) -> tensor<32x4xf32>
  return
}

// -----

func.func @f(%gradient: tensor<?xf32, #nn.axis<context>>, %weight: tensor<16x8xf32>) {
  // expected-error @+1 {{gradient must have rank 2, has rank 1}}
  %0 = nn.linear_data_grad %gradient, %weight
    : (tensor<?xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%gradient: tensor<?x16xf32, #nn.axis<context>>, %weight: tensor<16xf32>) {
  // expected-error @+1 {{weight must have rank 2, has rank 1}}
  %0 = nn.linear_data_grad %gradient, %weight
    : (tensor<?x16xf32, #nn.axis<context>>, tensor<16xf32>) -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%gradient: tensor<?x16xf32, #nn.axis<context>>, %weight: tensor<?x8xf32, #nn.axis<context>>) {
  // expected-error @+1 {{weight must have fixed dimensions}}
  %0 = nn.linear_data_grad %gradient, %weight
    : (tensor<?x16xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%gradient: tensor<?x16xf32, #nn.axis<context>>, %weight: tensor<16x8xf32>) {
  // expected-error @+1 {{result must have rank 2, has rank 1}}
  %0 = nn.linear_data_grad %gradient, %weight
    : (tensor<?x16xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%gradient: tensor<?x16xf32, #nn.axis<context>>, %weight: tensor<16x8xf32>) {
  // expected-error @+1 {{result and gradient must have the same rows}}
  %0 = nn.linear_data_grad %gradient, %weight
    : (tensor<?x16xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?x8xf32, #nn.axis<token>>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %weight: tensor<16x8xf32>) {
  // expected-error @+1 {{gradient has 8 in dimension 1, must have 16: the rows of the weight}}
  %0 = nn.linear_data_grad %gradient, %weight
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%gradient: tensor<?x16xf32, #nn.axis<context>>, %weight: tensor<16x8xf32>) {
  // expected-error @+1 {{result has 4 in dimension 1, must have 8: the columns of the weight}}
  %0 = nn.linear_data_grad %gradient, %weight
    : (tensor<?x16xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?x4xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%gradient: tensor<?xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %into: tensor<16x8xf32>) {
  // expected-error @+1 {{gradient must have rank 2, has rank 1}}
  %0 = nn.linear_weight_grad %gradient, %input, %into
    : (tensor<?xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<16x8xf32>
  return
}

// -----

func.func @f(%gradient: tensor<?x16xf32, #nn.axis<context>>, %input: tensor<?xf32, #nn.axis<context>>,
             %into: tensor<16x8xf32>) {
  // expected-error @+1 {{input must have rank 2, has rank 1}}
  %0 = nn.linear_weight_grad %gradient, %input, %into
    : (tensor<?x16xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<16x8xf32>
  return
}

// -----

func.func @f(%gradient: tensor<?x16xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<token>>,
             %into: tensor<16x8xf32>) {
  // expected-error @+1 {{input and gradient must have the same rows}}
  %0 = nn.linear_weight_grad %gradient, %input, %into
    : (tensor<?x16xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<token>>, tensor<16x8xf32>) -> tensor<16x8xf32>
  return
}

// -----

func.func @f(%gradient: tensor<?x16xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %into: tensor<16xf32>) {
  // expected-error @+1 {{into must have rank 2, has rank 1}}
  %0 = nn.linear_weight_grad %gradient, %input, %into
    : (tensor<?x16xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<16xf32>) -> tensor<16xf32>
  return
}

// -----

func.func @f(%gradient: tensor<?x16xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %into: tensor<?x8xf32, #nn.axis<context>>) {
  // expected-error @+1 {{into must have fixed dimensions}}
  %0 = nn.linear_weight_grad %gradient, %input, %into
    : (tensor<?x16xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%gradient: tensor<?x16xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %into: tensor<16x8xf32>) {
  // expected-error @+1 {{result and into must have the same type}}
  %0 = nn.linear_weight_grad %gradient, %input, %into
    : (tensor<?x16xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<8x8xf32>
  return
}

// -----

func.func @f(%gradient: tensor<?x16xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %into: tensor<8x8xf32>) {
  // expected-error @+1 {{into has 8 in dimension 0, must have 16: the columns of the gradient}}
  %0 = nn.linear_weight_grad %gradient, %input, %into
    : (tensor<?x16xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return
}

// -----

func.func @f(%gradient: tensor<?x16xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %into: tensor<16x4xf32>) {
  // expected-error @+1 {{into has 4 in dimension 1, must have 8: the columns of the input}}
  %0 = nn.linear_weight_grad %gradient, %input, %into
    : (tensor<?x16xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<16x4xf32>) -> tensor<16x4xf32>
  return
}
