// What the gradient of log-probs refuses.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

func.func @f(%g: tensor<?x1xf32, #nn.axis<token>>, %hidden: tensor<?x8xf32, #nn.axis<token>>,
             %weight: tensor<32x8xf32>, %targets: tensor<?xi32, #nn.axis<token>>,
             %lse: tensor<?xf32, #nn.axis<token>>, %into: tensor<32x8xf32>, %ge: tensor<?xf32, #nn.axis<token>>,
             %entropy: tensor<?xf32, #nn.axis<token>>) {
  // expected-error @+1 {{logprob_gradient must have rank 1, has rank 2}}
  %0:2 = nn.linear_logprob_grad %g, %hidden, %weight, %targets, %lse into(%into) entropy(%ge, %entropy)
    : (tensor<?x1xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
      -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<token>>, %hidden: tensor<?xf32, #nn.axis<token>>,
             %weight: tensor<32x8xf32>, %targets: tensor<?xi32, #nn.axis<token>>,
             %lse: tensor<?xf32, #nn.axis<token>>, %into: tensor<32x8xf32>, %ge: tensor<?xf32, #nn.axis<token>>,
             %entropy: tensor<?xf32, #nn.axis<token>>) {
  // expected-error @+1 {{hidden must have rank 2, has rank 1}}
  %0:2 = nn.linear_logprob_grad %g, %hidden, %weight, %targets, %lse into(%into) entropy(%ge, %entropy)
    : (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
      -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<context>>, %hidden: tensor<?x8xf32, #nn.axis<token>>,
             %weight: tensor<32x8xf32>, %targets: tensor<?xi32, #nn.axis<token>>,
             %lse: tensor<?xf32, #nn.axis<token>>, %into: tensor<32x8xf32>, %ge: tensor<?xf32, #nn.axis<token>>,
             %entropy: tensor<?xf32, #nn.axis<token>>) {
  // expected-error @+1 {{logprob_gradient and hidden must have the same rows}}
  %0:2 = nn.linear_logprob_grad %g, %hidden, %weight, %targets, %lse into(%into) entropy(%ge, %entropy)
    : (tensor<?xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
      -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<token>>, %hidden: tensor<?x8xf32, #nn.axis<token>>,
             %weight: tensor<32xf32>, %targets: tensor<?xi32, #nn.axis<token>>,
             %lse: tensor<?xf32, #nn.axis<token>>, %into: tensor<32x8xf32>, %ge: tensor<?xf32, #nn.axis<token>>,
             %entropy: tensor<?xf32, #nn.axis<token>>) {
  // expected-error @+1 {{weight must have rank 2, has rank 1}}
  %0:2 = nn.linear_logprob_grad %g, %hidden, %weight, %targets, %lse into(%into) entropy(%ge, %entropy)
    : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
      -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<token>>, %hidden: tensor<?x8xf32, #nn.axis<token>>,
             %weight: tensor<?x8xf32, #nn.axis<context>>, %targets: tensor<?xi32, #nn.axis<token>>,
             %lse: tensor<?xf32, #nn.axis<token>>, %into: tensor<32x8xf32>, %ge: tensor<?xf32, #nn.axis<token>>,
             %entropy: tensor<?xf32, #nn.axis<token>>) {
  // expected-error @+1 {{weight must have fixed dimensions}}
  %0:2 = nn.linear_logprob_grad %g, %hidden, %weight, %targets, %lse into(%into) entropy(%ge, %entropy)
    : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
      -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<token>>, %hidden: tensor<?x8xf32, #nn.axis<token>>,
             %weight: tensor<32x8xf32>, %targets: tensor<?xi32, #nn.axis<token>>,
             %lse: tensor<?xf32, #nn.axis<token>>, %into: tensor<16x8xf32>, %ge: tensor<?xf32, #nn.axis<token>>,
             %entropy: tensor<?xf32, #nn.axis<token>>) {
  // expected-error @+1 {{into and weight must have the same shape}}
  %0:2 = nn.linear_logprob_grad %g, %hidden, %weight, %targets, %lse into(%into) entropy(%ge, %entropy)
    : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<16x8xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
      -> (tensor<?x8xf32, #nn.axis<token>>, tensor<16x8xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<token>>, %hidden: tensor<?x8xf32, #nn.axis<token>>,
             %weight: tensor<32x8xf32>, %targets: tensor<?xi32, #nn.axis<context>>,
             %lse: tensor<?xf32, #nn.axis<token>>, %into: tensor<32x8xf32>, %ge: tensor<?xf32, #nn.axis<token>>,
             %entropy: tensor<?xf32, #nn.axis<token>>) {
  // expected-error @+1 {{targets and hidden must have the same rows}}
  %0:2 = nn.linear_logprob_grad %g, %hidden, %weight, %targets, %lse into(%into) entropy(%ge, %entropy)
    : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<context>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
      -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<token>>, %hidden: tensor<?x8xf32, #nn.axis<token>>,
             %weight: tensor<32x8xf32>, %targets: tensor<?xi32, #nn.axis<token>>,
             %lse: tensor<?xf32, #nn.axis<context>>, %into: tensor<32x8xf32>, %ge: tensor<?xf32, #nn.axis<token>>,
             %entropy: tensor<?xf32, #nn.axis<token>>) {
  // expected-error @+1 {{lse and logprob_gradient must have the same type}}
  %0:2 = nn.linear_logprob_grad %g, %hidden, %weight, %targets, %lse into(%into) entropy(%ge, %entropy)
    : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<context>>, tensor<32x8xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
      -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<token>>, %hidden: tensor<?x8xf32, #nn.axis<token>>,
             %weight: tensor<32x8xf32>, %targets: tensor<?xi32, #nn.axis<token>>,
             %lse: tensor<?xf32, #nn.axis<token>>, %into: tensor<32x8xf32>, %ge: tensor<?xf32, #nn.axis<token>>,
             %entropy: tensor<?xf32, #nn.axis<context>>) {
  // expected-error @+1 {{entropy and logprob_gradient must have the same type}}
  %0:2 = nn.linear_logprob_grad %g, %hidden, %weight, %targets, %lse into(%into) entropy(%ge, %entropy)
    : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<context>>)
      -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<token>>, %hidden: tensor<?x8xf32, #nn.axis<token>>,
             %weight: tensor<32x8xf32>, %targets: tensor<?xi32, #nn.axis<token>>,
             %lse: tensor<?xf32, #nn.axis<token>>, %into: tensor<32x8xf32>, %ge: tensor<?xf32, #nn.axis<context>>,
             %entropy: tensor<?xf32, #nn.axis<token>>) {
  // expected-error @+1 {{entropy_gradient and logprob_gradient must have the same type}}
  %0:2 = nn.linear_logprob_grad %g, %hidden, %weight, %targets, %lse into(%into) entropy(%ge, %entropy)
    : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<token>>)
      -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<token>>, %hidden: tensor<?x8xf32, #nn.axis<token>>,
             %weight: tensor<32x8xf32>, %targets: tensor<?xi32, #nn.axis<token>>,
             %lse: tensor<?xf32, #nn.axis<token>>, %into: tensor<32x8xf32>, %ge: tensor<?xf32, #nn.axis<token>>,
             %entropy: tensor<?xf32, #nn.axis<token>>) {
  // expected-error @+1 {{hidden_gradient and hidden must have the same type}}
  %0:2 = nn.linear_logprob_grad %g, %hidden, %weight, %targets, %lse into(%into) entropy(%ge, %entropy)
    : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
      -> (tensor<?x4xf32, #nn.axis<token>>, tensor<32x8xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<token>>, %hidden: tensor<?x8xf32, #nn.axis<token>>,
             %weight: tensor<32x8xf32>, %targets: tensor<?xi32, #nn.axis<token>>,
             %lse: tensor<?xf32, #nn.axis<token>>, %into: tensor<32x8xf32>, %ge: tensor<?xf32, #nn.axis<token>>,
             %entropy: tensor<?xf32, #nn.axis<token>>) {
  // expected-error @+1 {{weight_gradient and into must have the same type}}
  %0:2 = nn.linear_logprob_grad %g, %hidden, %weight, %targets, %lse into(%into) entropy(%ge, %entropy)
    : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
      -> (tensor<?x8xf32, #nn.axis<token>>, tensor<16x8xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<token>>, %hidden: tensor<?x8xf32, #nn.axis<token>>,
             %weight: tensor<32x4xf32>, %targets: tensor<?xi32, #nn.axis<token>>,
             %lse: tensor<?xf32, #nn.axis<token>>, %into: tensor<32x4xf32>, %ge: tensor<?xf32, #nn.axis<token>>,
             %entropy: tensor<?xf32, #nn.axis<token>>) {
  // expected-error @+1 {{weight has 4 in dimension 1, must have 8: the columns of hidden}}
  %0:2 = nn.linear_logprob_grad %g, %hidden, %weight, %targets, %lse into(%into) entropy(%ge, %entropy)
    : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x4xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x4xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
      -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x4xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<token>>, %hidden: tensor<?x8xf32, #nn.axis<token>>,
             %weight: tensor<32x8xf32>, %targets: tensor<?xi32, #nn.axis<token>>,
             %lse: tensor<?xf32, #nn.axis<token>>, %into: tensor<32x8xf32>, %ge: tensor<?xf32, #nn.axis<token>>,
             %entropy: tensor<?xf32, #nn.axis<token>>) {
  // expected-error @+1 {{temperature must be positive}}
  %0:2 = nn.linear_logprob_grad %g, %hidden, %weight, %targets, %lse into(%into) entropy(%ge, %entropy) {temperature = -1.0 : f32}
    : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
      -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<token>>, %h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<32x8xf32>, %t: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{entropy_gradient and entropy come together}}
  %0:2 = "nn.linear_logprob_grad"(%g, %h, %w, %t, %g, %w, %g) <{operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 1, 0, 0, 0>}>
    : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xf32, #nn.axis<token>>) -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<token>>, %h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<600x8xf32>, %t: tensor<?xi32, #nn.axis<token>>, %k: tensor<?x300xbf16, #nn.axis<token>>, %m: tensor<?x2xf32, #nn.axis<token>>) {
  // expected-error @+1 {{kept_logits must have a multiple of 256 columns, or all of the vocabulary's}}
  %0:2 = nn.linear_logprob_grad %g, %h, %w, %t, %g into(%w) kept(%k, %m)
    : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?x300xbf16, #nn.axis<token>>, tensor<?x2xf32, #nn.axis<token>>) -> (tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<token>>, %h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<600x8xf32>, %t: tensor<?xi32, #nn.axis<token>>, %k: tensor<?x512xbf16, #nn.axis<token>>, %m: tensor<?x1xf32, #nn.axis<token>>) {
  // expected-error @+1 {{maxima has 1 in dimension 1, must have 2: a maximum for each block of kept_logits}}
  %0:2 = nn.linear_logprob_grad %g, %h, %w, %t, %g into(%w) kept(%k, %m)
    : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?x512xbf16, #nn.axis<token>>, tensor<?x1xf32, #nn.axis<token>>) -> (tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<token>>, %h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<600x8xf32>, %t: tensor<?xi32, #nn.axis<token>>, %k: tensor<?x512xbf16, #nn.axis<context>>, %m: tensor<?x2xf32, #nn.axis<token>>) {
  // expected-error @+1 {{kept_logits and hidden must have the same rows}}
  %0:2 = nn.linear_logprob_grad %g, %h, %w, %t, %g into(%w) kept(%k, %m)
    : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?x512xbf16, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<token>>) -> (tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>)
  return
}

// -----

func.func @f(%g: tensor<?xf32, #nn.axis<token>>, %h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<600x8xf32>, %t: tensor<?xi32, #nn.axis<token>>, %k: tensor<?x512xbf16, #nn.axis<token>>) {
  // expected-error @+1 {{kept_logits and maxima come together}}
  %0:2 = "nn.linear_logprob_grad"(%g, %h, %w, %t, %g, %w, %k) <{operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 0, 0, 1, 0>}>
    : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?x512xbf16, #nn.axis<token>>) -> (tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>)
  return
}
