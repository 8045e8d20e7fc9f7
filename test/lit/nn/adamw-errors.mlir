// What AdamW refuses.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

func.func @f(%weight: tensor<?x2xf32, #nn.axis<context>>, %gradient: tensor<?x2xf32, #nn.axis<context>>,
             %moment1: tensor<?x2xf32, #nn.axis<context>>, %moment2: tensor<?x2xf32, #nn.axis<context>>,
             %lr: tensor<f32>, %step: tensor<f32>, %scale: tensor<f32>) {
  // expected-error @+1 {{weight must have fixed dimensions}}
  %0:3 = nn.adamw %weight, %gradient, %moment1, %moment2, %lr, %step, %scale {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.0 : f32}
    : (tensor<?x2xf32, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<context>>, tensor<f32>, tensor<f32>, tensor<f32>)
      -> (tensor<?x2xf32, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%weight: tensor<4x2xf32>, %gradient: tensor<2x2xf32>, %moment1: tensor<4x2xf32>,
             %moment2: tensor<4x2xf32>, %lr: tensor<f32>, %step: tensor<f32>, %scale: tensor<f32>) {
  // expected-error @+1 {{gradient and weight must have the same type}}
  %0:3 = nn.adamw %weight, %gradient, %moment1, %moment2, %lr, %step, %scale {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.0 : f32}
    : (tensor<4x2xf32>, tensor<2x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<f32>, tensor<f32>, tensor<f32>)
      -> (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>)
  return
}

// -----

func.func @f(%weight: tensor<4x2xf32>, %gradient: tensor<4x2xf32>, %moment1: tensor<2x2xf32>,
             %moment2: tensor<4x2xf32>, %lr: tensor<f32>, %step: tensor<f32>, %scale: tensor<f32>) {
  // expected-error @+1 {{moment1 and weight must have the same type}}
  %0:3 = nn.adamw %weight, %gradient, %moment1, %moment2, %lr, %step, %scale {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.0 : f32}
    : (tensor<4x2xf32>, tensor<4x2xf32>, tensor<2x2xf32>, tensor<4x2xf32>, tensor<f32>, tensor<f32>, tensor<f32>)
      -> (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>)
  return
}

// -----

func.func @f(%weight: tensor<4x2xf32>, %gradient: tensor<4x2xf32>, %moment1: tensor<4x2xf32>,
             %moment2: tensor<2x2xf32>, %lr: tensor<f32>, %step: tensor<f32>, %scale: tensor<f32>) {
  // expected-error @+1 {{moment2 and weight must have the same type}}
  %0:3 = nn.adamw %weight, %gradient, %moment1, %moment2, %lr, %step, %scale {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.0 : f32}
    : (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<2x2xf32>, tensor<f32>, tensor<f32>, tensor<f32>)
      -> (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>)
  return
}

// -----

func.func @f(%weight: tensor<4x2xf32>, %gradient: tensor<4x2xf32>, %moment1: tensor<4x2xf32>,
             %moment2: tensor<4x2xf32>, %lr: tensor<f32>, %step: tensor<f32>, %scale: tensor<f32>) {
  // expected-error @+1 {{new_weight and weight must have the same type}}
  %0:3 = nn.adamw %weight, %gradient, %moment1, %moment2, %lr, %step, %scale {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.0 : f32}
    : (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<f32>, tensor<f32>, tensor<f32>)
      -> (tensor<2x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>)
  return
}

// -----

func.func @f(%weight: tensor<4x2xf32>, %gradient: tensor<4x2xf32>, %moment1: tensor<4x2xf32>,
             %moment2: tensor<4x2xf32>, %lr: tensor<f32>, %step: tensor<f32>, %scale: tensor<f32>) {
  // expected-error @+1 {{new_moment1 and weight must have the same type}}
  %0:3 = nn.adamw %weight, %gradient, %moment1, %moment2, %lr, %step, %scale {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.0 : f32}
    : (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<f32>, tensor<f32>, tensor<f32>)
      -> (tensor<4x2xf32>, tensor<2x2xf32>, tensor<4x2xf32>)
  return
}

// -----

func.func @f(%weight: tensor<4x2xf32>, %gradient: tensor<4x2xf32>, %moment1: tensor<4x2xf32>,
             %moment2: tensor<4x2xf32>, %lr: tensor<f32>, %step: tensor<f32>, %scale: tensor<f32>) {
  // expected-error @+1 {{new_moment2 and weight must have the same type}}
  %0:3 = nn.adamw %weight, %gradient, %moment1, %moment2, %lr, %step, %scale {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.0 : f32}
    : (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<f32>, tensor<f32>, tensor<f32>)
      -> (tensor<4x2xf32>, tensor<4x2xf32>, tensor<2x2xf32>)
  return
}

// -----

func.func @f(%weight: tensor<4x2xf32>, %gradient: tensor<4x2xf32>, %moment1: tensor<4x2xf32>,
             %moment2: tensor<4x2xf32>, %lr: tensor<1xf32>, %step: tensor<f32>, %scale: tensor<f32>) {
  // expected-error @+1 {{lr must have rank 0, has rank 1}}
  %0:3 = nn.adamw %weight, %gradient, %moment1, %moment2, %lr, %step, %scale {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.0 : f32}
    : (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<1xf32>, tensor<f32>, tensor<f32>)
      -> (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>)
  return
}

// -----

func.func @f(%weight: tensor<4x2xf32>, %gradient: tensor<4x2xf32>, %moment1: tensor<4x2xf32>,
             %moment2: tensor<4x2xf32>, %lr: tensor<f32>, %step: tensor<1xf32>, %scale: tensor<f32>) {
  // expected-error @+1 {{step must have rank 0, has rank 1}}
  %0:3 = nn.adamw %weight, %gradient, %moment1, %moment2, %lr, %step, %scale {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.0 : f32}
    : (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<f32>, tensor<1xf32>, tensor<f32>)
      -> (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>)
  return
}

// -----

func.func @f(%weight: tensor<4x2xf32>, %gradient: tensor<4x2xf32>, %moment1: tensor<4x2xf32>,
             %moment2: tensor<4x2xf32>, %lr: tensor<f32>, %step: tensor<f32>, %scale: tensor<1xf32>) {
  // expected-error @+1 {{scale must have rank 0, has rank 1}}
  %0:3 = nn.adamw %weight, %gradient, %moment1, %moment2, %lr, %step, %scale {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.0 : f32}
    : (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<f32>, tensor<f32>, tensor<1xf32>)
      -> (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>)
  return
}
