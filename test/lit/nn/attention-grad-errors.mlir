// What the gradient of attention refuses.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

func.func @f(%gradient: tensor<?xf32, #nn.axis<context>>, %query: tensor<?xf32, #nn.axis<context>>,
             %key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %result: tensor<?xf32, #nn.axis<context>>, %lse: tensor<?x4xf32, #nn.axis<context>>,
             %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{query must have rank 2, has rank 1}}
  %0:3 = nn.attention_grad %gradient, %query, %key, %value, %result, %lse, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%gradient: tensor<?x4xf32, #nn.axis<context>>, %query: tensor<?x8xf32, #nn.axis<context>>,
             %key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %result: tensor<?x8xf32, #nn.axis<context>>, %lse: tensor<?x4xf32, #nn.axis<context>>,
             %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{gradient and query must have the same type}}
  %0:3 = nn.attention_grad %gradient, %query, %key, %value, %result, %lse, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %query: tensor<?x8xf32, #nn.axis<context>>,
             %key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %result: tensor<?x4xf32, #nn.axis<context>>, %lse: tensor<?x4xf32, #nn.axis<context>>,
             %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{result and query must have the same type}}
  %0:3 = nn.attention_grad %gradient, %query, %key, %value, %result, %lse, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %query: tensor<?x8xf32, #nn.axis<context>>,
             %key: tensor<?xf32, #nn.axis<context>>, %value: tensor<?xf32, #nn.axis<context>>,
             %result: tensor<?x8xf32, #nn.axis<context>>, %lse: tensor<?x4xf32, #nn.axis<context>>,
             %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{key must have rank 2, has rank 1}}
  %0:3 = nn.attention_grad %gradient, %query, %key, %value, %result, %lse, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %query: tensor<?x8xf32, #nn.axis<context>>,
             %key: tensor<?x4xf32, #nn.axis<token>>, %value: tensor<?x4xf32, #nn.axis<token>>,
             %result: tensor<?x8xf32, #nn.axis<context>>, %lse: tensor<?x4xf32, #nn.axis<context>>,
             %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{key and query must have the same rows}}
  %0:3 = nn.attention_grad %gradient, %query, %key, %value, %result, %lse, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<token>>, tensor<?x4xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<token>>, tensor<?x4xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %query: tensor<?x8xf32, #nn.axis<context>>,
             %key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x8xf32, #nn.axis<context>>,
             %result: tensor<?x8xf32, #nn.axis<context>>, %lse: tensor<?x4xf32, #nn.axis<context>>,
             %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{value and key must have the same type}}
  %0:3 = nn.attention_grad %gradient, %query, %key, %value, %result, %lse, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %query: tensor<?x8xf32, #nn.axis<context>>,
             %key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %result: tensor<?x8xf32, #nn.axis<context>>, %lse: tensor<?xf32, #nn.axis<context>>,
             %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{lse must have rank 2, has rank 1}}
  %0:3 = nn.attention_grad %gradient, %query, %key, %value, %result, %lse, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %query: tensor<?x8xf32, #nn.axis<context>>,
             %key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %result: tensor<?x8xf32, #nn.axis<context>>, %lse: tensor<?x4xf32, #nn.axis<token>>,
             %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{lse and query must have the same rows}}
  %0:3 = nn.attention_grad %gradient, %query, %key, %value, %result, %lse, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %query: tensor<?x8xf32, #nn.axis<context>>,
             %key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %result: tensor<?x8xf32, #nn.axis<context>>, %lse: tensor<?x4xf32, #nn.axis<context>>,
             %offsets: tensor<?xi32, #nn.axis<sequence>>) {
  // expected-error @+1 {{offsets must have one element more than its axis, as in #nn.axis<sequence, 1>}}
  %0:3 = nn.attention_grad %gradient, %query, %key, %value, %result, %lse, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %query: tensor<?x8xf32, #nn.axis<context>>,
             %key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %result: tensor<?x8xf32, #nn.axis<context>>, %lse: tensor<?x4xf32, #nn.axis<context>>,
             %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{query_gradient and query must have the same type}}
  %0:3 = nn.attention_grad %gradient, %query, %key, %value, %result, %lse, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %query: tensor<?x8xf32, #nn.axis<context>>,
             %key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %result: tensor<?x8xf32, #nn.axis<context>>, %lse: tensor<?x4xf32, #nn.axis<context>>,
             %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{key_gradient and key must have the same type}}
  %0:3 = nn.attention_grad %gradient, %query, %key, %value, %result, %lse, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %query: tensor<?x8xf32, #nn.axis<context>>,
             %key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %result: tensor<?x8xf32, #nn.axis<context>>, %lse: tensor<?x4xf32, #nn.axis<context>>,
             %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{value_gradient and value must have the same type}}
  %0:3 = nn.attention_grad %gradient, %query, %key, %value, %result, %lse, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %query: tensor<?x8xf32, #nn.axis<context>>,
             %key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %result: tensor<?x8xf32, #nn.axis<context>>, %lse: tensor<?x4xf32, #nn.axis<context>>,
             %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{heads must be a positive multiple of kv_heads, are 4 and 3}}
  %0:3 = nn.attention_grad %gradient, %query, %key, %value, %result, %lse, %offsets {heads = 4, kv_heads = 3, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%gradient: tensor<?x6xf32, #nn.axis<context>>, %query: tensor<?x6xf32, #nn.axis<context>>,
             %key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %result: tensor<?x6xf32, #nn.axis<context>>, %lse: tensor<?x4xf32, #nn.axis<context>>,
             %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{query must have a multiple of heads columns}}
  %0:3 = nn.attention_grad %gradient, %query, %key, %value, %result, %lse, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x6xf32, #nn.axis<context>>, tensor<?x6xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x6xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x6xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %query: tensor<?x8xf32, #nn.axis<context>>,
             %key: tensor<?x8xf32, #nn.axis<context>>, %value: tensor<?x8xf32, #nn.axis<context>>,
             %result: tensor<?x8xf32, #nn.axis<context>>, %lse: tensor<?x4xf32, #nn.axis<context>>,
             %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{key has 8 in dimension 1, must have 4: kv_heads times the head dimension of the query}}
  %0:3 = nn.attention_grad %gradient, %query, %key, %value, %result, %lse, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%gradient: tensor<?x8xf32, #nn.axis<context>>, %query: tensor<?x8xf32, #nn.axis<context>>,
             %key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %result: tensor<?x8xf32, #nn.axis<context>>, %lse: tensor<?x2xf32, #nn.axis<context>>,
             %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{lse has 2 in dimension 1, must have 4: heads}}
  %0:3 = nn.attention_grad %gradient, %query, %key, %value, %result, %lse, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}
