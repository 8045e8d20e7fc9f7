// What the gradients of norms, and the sum of squares, refuse.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

func.func @f(%gradient: tensor<?xf32, #nn.axis<context>>, %input: tensor<?xf32, #nn.axis<context>>,
             %weight: tensor<8xf32>, %rstd: tensor<?xf32, #nn.axis<context>>) {
  // expected-error @+1 {{gradient must have rank 2, has rank 1}}
  %0 = nn.rms_norm_data_grad %gradient, %input, %weight, %rstd
    : (tensor<?xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<8xf32>, tensor<?xf32, #nn.axis<context>>)
      -> tensor<?xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %input: tensor<?x4xf32, #nn.axis<context>>,
             %weight: tensor<8xf32>, %rstd: tensor<?xf32, #nn.axis<context>>) {
  // expected-error @+1 {{input and gradient must have the same type}}
  %0 = nn.rms_norm_data_grad %gradient, %input, %weight, %rstd
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<8xf32>, tensor<?xf32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %weight: tensor<8xf32>, %rstd: tensor<?xf32, #nn.axis<context>>) {
  // expected-error @+1 {{result and gradient must have the same type}}
  %0 = nn.rms_norm_data_grad %gradient, %input, %weight, %rstd
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<8xf32>, tensor<?xf32, #nn.axis<context>>)
      -> tensor<?x4xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %weight: tensor<8x1xf32>, %rstd: tensor<?xf32, #nn.axis<context>>) {
  // expected-error @+1 {{weight must have rank 1, has rank 2}}
  %0 = nn.rms_norm_data_grad %gradient, %input, %weight, %rstd
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<8x1xf32>, tensor<?xf32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %weight: tensor<8xf32>, %rstd: tensor<?x1xf32, #nn.axis<context>>) {
  // expected-error @+1 {{rstd must have rank 1, has rank 2}}
  %0 = nn.rms_norm_data_grad %gradient, %input, %weight, %rstd
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<8xf32>, tensor<?x1xf32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %weight: tensor<8xf32>, %rstd: tensor<?xf32, #nn.axis<token>>) {
  // expected-error @+1 {{rstd and gradient must have the same rows}}
  %0 = nn.rms_norm_data_grad %gradient, %input, %weight, %rstd
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<8xf32>, tensor<?xf32, #nn.axis<token>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %weight: tensor<8xf32>, %rstd: tensor<?xf32, #nn.axis<context>>,
             %residual: tensor<?x4xf32, #nn.axis<context>>) {
  // expected-error @+1 {{residual and gradient must have the same type}}
  %0 = nn.rms_norm_data_grad %gradient, %input, %weight, %rstd, %residual
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<8xf32>, tensor<?xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %weight: tensor<4xf32>, %rstd: tensor<?xf32, #nn.axis<context>>) {
  // expected-error @+1 {{weight has 4 in dimension 0, must have 8: the columns of the gradient}}
  %0 = nn.rms_norm_data_grad %gradient, %input, %weight, %rstd
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<4xf32>, tensor<?xf32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%gradient: tensor<?xf32, #nn.axis<context>>, %input: tensor<?xf32, #nn.axis<context>>,
             %rstd: tensor<?xf32, #nn.axis<context>>, %into: tensor<8xf32>) {
  // expected-error @+1 {{gradient must have rank 2, has rank 1}}
  %0 = nn.rms_norm_weight_grad %gradient, %input, %rstd, %into
    : (tensor<?xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<8xf32>)
      -> tensor<8xf32>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %input: tensor<?x4xf32, #nn.axis<context>>,
             %rstd: tensor<?xf32, #nn.axis<context>>, %into: tensor<8xf32>) {
  // expected-error @+1 {{input and gradient must have the same type}}
  %0 = nn.rms_norm_weight_grad %gradient, %input, %rstd, %into
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<8xf32>)
      -> tensor<8xf32>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %rstd: tensor<?x1xf32, #nn.axis<context>>, %into: tensor<8xf32>) {
  // expected-error @+1 {{rstd must have rank 1, has rank 2}}
  %0 = nn.rms_norm_weight_grad %gradient, %input, %rstd, %into
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x1xf32, #nn.axis<context>>, tensor<8xf32>)
      -> tensor<8xf32>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %rstd: tensor<?xf32, #nn.axis<token>>, %into: tensor<8xf32>) {
  // expected-error @+1 {{rstd and gradient must have the same rows}}
  %0 = nn.rms_norm_weight_grad %gradient, %input, %rstd, %into
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<token>>, tensor<8xf32>)
      -> tensor<8xf32>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %rstd: tensor<?xf32, #nn.axis<context>>, %into: tensor<8x1xf32>) {
  // expected-error @+1 {{into must have rank 1, has rank 2}}
  %0 = nn.rms_norm_weight_grad %gradient, %input, %rstd, %into
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<8x1xf32>)
      -> tensor<8x1xf32>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %rstd: tensor<?xf32, #nn.axis<context>>, %into: tensor<?xf32, #nn.axis<context>>) {
  // expected-error @+1 {{into must have fixed dimensions}}
  %0 = nn.rms_norm_weight_grad %gradient, %input, %rstd, %into
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
      -> tensor<?xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %rstd: tensor<?xf32, #nn.axis<context>>, %into: tensor<8xf32>) {
  // expected-error @+1 {{result and into must have the same type}}
  %0 = nn.rms_norm_weight_grad %gradient, %input, %rstd, %into
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<8xf32>)
      -> tensor<4xf32>
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %input: tensor<?x8xf32, #nn.axis<context>>,
             %rstd: tensor<?xf32, #nn.axis<context>>, %into: tensor<4xf32>) {
  // expected-error @+1 {{into has 4 in dimension 0, must have 8: the columns of the gradient}}
  %0 = nn.rms_norm_weight_grad %gradient, %input, %rstd, %into
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<4xf32>)
      -> tensor<4xf32>
  return
}

// -----

func.func @f(%input: tensor<?x2xf32, #nn.axis<context>>, %into: tensor<f32>) {
  // expected-error @+1 {{input must have fixed dimensions}}
  %0 = nn.squared_norm %input, %into : (tensor<?x2xf32, #nn.axis<context>>, tensor<f32>) -> tensor<f32>
  return
}

// -----

func.func @f(%input: tensor<4x2xf32>, %into: tensor<1xf32>) {
  // expected-error @+1 {{into must have rank 0, has rank 1}}
  %0 = nn.squared_norm %input, %into : (tensor<4x2xf32>, tensor<1xf32>) -> tensor<f32>
  return
}

// -----

func.func @f(%input: tensor<4x2xf32>, %into: tensor<f32>) {
  // expected-error @+1 {{result must have rank 0, has rank 1}}
  %0 = nn.squared_norm %input, %into : (tensor<4x2xf32>, tensor<f32>) -> tensor<1xf32>
  return
}
