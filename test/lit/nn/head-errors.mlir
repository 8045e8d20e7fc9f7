// What log-probs and samples from the head refuse.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

func.func @f(%hidden: tensor<?xf32, #nn.axis<token>>, %weight: tensor<32x8xf32>,
             %targets: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{hidden must have rank 2, has rank 1}}
  %0:3 = nn.linear_logprob %hidden, %weight, %targets
    : (tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>)
      -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%hidden: tensor<?x8xf32, #nn.axis<token>>, %weight: tensor<32xf32>,
             %targets: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{weight must have rank 2, has rank 1}}
  %0:3 = nn.linear_logprob %hidden, %weight, %targets
    : (tensor<?x8xf32, #nn.axis<token>>, tensor<32xf32>, tensor<?xi32, #nn.axis<token>>)
      -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%hidden: tensor<?x8xf32, #nn.axis<token>>, %weight: tensor<?x8xf32, #nn.axis<context>>,
             %targets: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{weight must have fixed dimensions}}
  %0:3 = nn.linear_logprob %hidden, %weight, %targets
    : (tensor<?x8xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>)
      -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%hidden: tensor<?x8xf32, #nn.axis<token>>, %weight: tensor<32x8xf32>,
             %targets: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{targets and hidden must have the same rows}}
  %0:3 = nn.linear_logprob %hidden, %weight, %targets
    : (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%hidden: tensor<?x8xf32, #nn.axis<token>>, %weight: tensor<32x8xf32>,
             %targets: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{logprob must have rank 1, has rank 2}}
  %0:3 = nn.linear_logprob %hidden, %weight, %targets
    : (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>)
      -> (tensor<?x1xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%hidden: tensor<?x8xf32, #nn.axis<token>>, %weight: tensor<32x8xf32>,
             %targets: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{logprob and hidden must have the same rows}}
  %0:3 = nn.linear_logprob %hidden, %weight, %targets
    : (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>)
      -> (tensor<?xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%hidden: tensor<?x8xf32, #nn.axis<token>>, %weight: tensor<32x8xf32>,
             %targets: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{lse and logprob must have the same type}}
  %0:3 = nn.linear_logprob %hidden, %weight, %targets
    : (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>)
      -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%hidden: tensor<?x8xf32, #nn.axis<token>>, %weight: tensor<32x8xf32>,
             %targets: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{entropy and logprob must have the same type}}
  %0:3 = nn.linear_logprob %hidden, %weight, %targets
    : (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>)
      -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%hidden: tensor<?x8xf32, #nn.axis<token>>, %weight: tensor<32x4xf32>,
             %targets: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{weight has 4 in dimension 1, must have 8: the columns of hidden}}
  %0:3 = nn.linear_logprob %hidden, %weight, %targets
    : (tensor<?x8xf32, #nn.axis<token>>, tensor<32x4xf32>, tensor<?xi32, #nn.axis<token>>)
      -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%hidden: tensor<?x8xf32, #nn.axis<token>>, %weight: tensor<32x8xf32>,
             %targets: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{temperature must be positive}}
  %0:3 = nn.linear_logprob %hidden, %weight, %targets {temperature = 0.0 : f32}
    : (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>)
      -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%logits: tensor<?xf32, #nn.axis<token>>, %sequence_ids: tensor<?xi64, #nn.axis<token>>,
             %steps: tensor<?xi32, #nn.axis<token>>, %seed: tensor<i64>, %temperature: tensor<f32>,
             %top_k: tensor<i32>, %top_p: tensor<f32>) {
  // expected-error @+1 {{logits must have rank 2, has rank 1}}
  %0:2 = nn.sample %logits, %sequence_ids, %steps, %seed, %temperature, %top_k, %top_p
    : (tensor<?xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>)
      -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%logits: tensor<?x32xf32, #nn.axis<token>>, %sequence_ids: tensor<?xi64, #nn.axis<context>>,
             %steps: tensor<?xi32, #nn.axis<token>>, %seed: tensor<i64>, %temperature: tensor<f32>,
             %top_k: tensor<i32>, %top_p: tensor<f32>) {
  // expected-error @+1 {{sequence_ids and logits must have the same rows}}
  %0:2 = nn.sample %logits, %sequence_ids, %steps, %seed, %temperature, %top_k, %top_p
    : (tensor<?x32xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>)
      -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%logits: tensor<?x32xf32, #nn.axis<token>>, %sequence_ids: tensor<?xi64, #nn.axis<token>>,
             %steps: tensor<?xi32, #nn.axis<context>>, %seed: tensor<i64>, %temperature: tensor<f32>,
             %top_k: tensor<i32>, %top_p: tensor<f32>) {
  // expected-error @+1 {{steps and logits must have the same rows}}
  %0:2 = nn.sample %logits, %sequence_ids, %steps, %seed, %temperature, %top_k, %top_p
    : (tensor<?x32xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<context>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>)
      -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%logits: tensor<?x32xf32, #nn.axis<token>>, %sequence_ids: tensor<?xi64, #nn.axis<token>>,
             %steps: tensor<?xi32, #nn.axis<token>>, %seed: tensor<1xi64>, %temperature: tensor<f32>,
             %top_k: tensor<i32>, %top_p: tensor<f32>) {
  // expected-error @+1 {{seed must have rank 0, has rank 1}}
  %0:2 = nn.sample %logits, %sequence_ids, %steps, %seed, %temperature, %top_k, %top_p
    : (tensor<?x32xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<1xi64>, tensor<f32>, tensor<i32>, tensor<f32>)
      -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%logits: tensor<?x32xf32, #nn.axis<token>>, %sequence_ids: tensor<?xi64, #nn.axis<token>>,
             %steps: tensor<?xi32, #nn.axis<token>>, %seed: tensor<i64>, %temperature: tensor<1xf32>,
             %top_k: tensor<i32>, %top_p: tensor<f32>) {
  // expected-error @+1 {{temperature must have rank 0, has rank 1}}
  %0:2 = nn.sample %logits, %sequence_ids, %steps, %seed, %temperature, %top_k, %top_p
    : (tensor<?x32xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<1xf32>, tensor<i32>, tensor<f32>)
      -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%logits: tensor<?x32xf32, #nn.axis<token>>, %sequence_ids: tensor<?xi64, #nn.axis<token>>,
             %steps: tensor<?xi32, #nn.axis<token>>, %seed: tensor<i64>, %temperature: tensor<f32>,
             %top_k: tensor<1xi32>, %top_p: tensor<f32>) {
  // expected-error @+1 {{top_k must have rank 0, has rank 1}}
  %0:2 = nn.sample %logits, %sequence_ids, %steps, %seed, %temperature, %top_k, %top_p
    : (tensor<?x32xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<1xi32>, tensor<f32>)
      -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%logits: tensor<?x32xf32, #nn.axis<token>>, %sequence_ids: tensor<?xi64, #nn.axis<token>>,
             %steps: tensor<?xi32, #nn.axis<token>>, %seed: tensor<i64>, %temperature: tensor<f32>,
             %top_k: tensor<i32>, %top_p: tensor<1xf32>) {
  // expected-error @+1 {{top_p must have rank 0, has rank 1}}
  %0:2 = nn.sample %logits, %sequence_ids, %steps, %seed, %temperature, %top_k, %top_p
    : (tensor<?x32xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<1xf32>)
      -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%logits: tensor<?x32xf32, #nn.axis<token>>, %sequence_ids: tensor<?xi64, #nn.axis<token>>,
             %steps: tensor<?xi32, #nn.axis<token>>, %seed: tensor<i64>, %temperature: tensor<f32>,
             %top_k: tensor<i32>, %top_p: tensor<f32>) {
  // expected-error @+1 {{token and logits must have the same rows}}
  %0:2 = nn.sample %logits, %sequence_ids, %steps, %seed, %temperature, %top_k, %top_p
    : (tensor<?x32xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>)
      -> (tensor<?xi32, #nn.axis<context>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%logits: tensor<?x32xf32, #nn.axis<token>>, %sequence_ids: tensor<?xi64, #nn.axis<token>>,
             %steps: tensor<?xi32, #nn.axis<token>>, %seed: tensor<i64>, %temperature: tensor<f32>,
             %top_k: tensor<i32>, %top_p: tensor<f32>) {
  // expected-error @+1 {{logprob must have rank 1, has rank 2}}
  %0:2 = nn.sample %logits, %sequence_ids, %steps, %seed, %temperature, %top_k, %top_p
    : (tensor<?x32xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>)
      -> (tensor<?xi32, #nn.axis<token>>, tensor<?x1xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%logits: tensor<?x32xf32, #nn.axis<token>>, %sequence_ids: tensor<?xi64, #nn.axis<token>>,
             %steps: tensor<?xi32, #nn.axis<token>>, %seed: tensor<i64>, %temperature: tensor<f32>,
             %top_k: tensor<i32>, %top_p: tensor<f32>) {
  // expected-error @+1 {{logprob and logits must have the same rows}}
  %0:2 = nn.sample %logits, %sequence_ids, %steps, %seed, %temperature, %top_k, %top_p
    : (tensor<?x32xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>)
      -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<600x8xf32>, %t: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{has no third result but entropy without `kept`}}
  %0:4 = nn.linear_logprob %h, %w, %t : (tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x512xbf16, #nn.axis<token>>, tensor<?x2xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<600x8xf32>, %t: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{has kept_logits and maxima as its last results, since it has `kept`}}
  %0:3 = nn.linear_logprob %h, %w, %t {kept = 512 : i64} : (tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<600x8xf32>, %t: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{kept_logits has 256 in dimension 1, must have 512: as many as `kept` says}}
  %0:4 = nn.linear_logprob %h, %w, %t {kept = 512 : i64} : (tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x256xbf16, #nn.axis<token>>, tensor<?x1xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<600x8xf32>, %t: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{kept_logits must have a multiple of 256 columns, or all of the vocabulary's}}
  %0:4 = nn.linear_logprob %h, %w, %t {kept = 300 : i64} : (tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x300xbf16, #nn.axis<token>>, tensor<?x2xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<600x8xf32>, %t: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{kept_logits must have a multiple of 256 columns, or all of the vocabulary's}}
  %0:4 = nn.linear_logprob %h, %w, %t {kept = 768 : i64} : (tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x768xbf16, #nn.axis<token>>, tensor<?x3xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<600x8xf32>, %t: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{kept_logits must be of bf16, maxima of f32}}
  %0:4 = nn.linear_logprob %h, %w, %t {kept = 512 : i64} : (tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x512xf32, #nn.axis<token>>, tensor<?x2xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<600x8xf32>, %t: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{kept_logits must be of bf16, maxima of f32}}
  %0:4 = nn.linear_logprob %h, %w, %t {kept = 512 : i64} : (tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x512xbf16, #nn.axis<token>>, tensor<?x2xbf16, #nn.axis<token>>)
  return
}

// -----

func.func @f(%h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<600x8xf32>, %t: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{maxima has 2 in dimension 1, must have 3: a maximum for each block of kept_logits}}
  %0:4 = nn.linear_logprob %h, %w, %t {kept = 600 : i64} : (tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x600xbf16, #nn.axis<token>>, tensor<?x2xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<600x8xf32>, %t: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{kept_logits must have rank 2, has rank 1}}
  %0:4 = nn.linear_logprob %h, %w, %t {kept = 512 : i64} : (tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xbf16, #nn.axis<token>>, tensor<?x2xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<600x8xf32>, %t: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{maxima must have rank 2, has rank 1}}
  %0:4 = nn.linear_logprob %h, %w, %t {kept = 512 : i64} : (tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x512xbf16, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<600x8xf32>, %t: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{kept_logits and hidden must have the same rows}}
  %0:4 = nn.linear_logprob %h, %w, %t {kept = 512 : i64} : (tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x512xbf16, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<600x8xf32>, %t: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{maxima and hidden must have the same rows}}
  %0:4 = nn.linear_logprob %h, %w, %t {kept = 512 : i64} : (tensor<?x8xf32, #nn.axis<token>>, tensor<600x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x512xbf16, #nn.axis<token>>, tensor<?x2xf32, #nn.axis<context>>)
  return
}
