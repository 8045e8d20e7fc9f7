// What attention over packed rows refuses.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

func.func @f(%query: tensor<?xf32, #nn.axis<context>>, %key: tensor<?x4xf32, #nn.axis<context>>,
             %value: tensor<?x4xf32, #nn.axis<context>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{query must have rank 2, has rank 1}}
  %0:2 = nn.attention %query, %key, %value, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key: tensor<?x4xf32, #nn.axis<context>>,
             %value: tensor<?x4xf32, #nn.axis<context>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{result and query must have the same type}}
  %0:2 = nn.attention %query, %key, %value, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key: tensor<?x4xf32, #nn.axis<context>>,
             %value: tensor<?x4xf32, #nn.axis<context>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{heads must be a positive multiple of kv_heads, are 4 and 3}}
  %0:2 = nn.attention %query, %key, %value, %offsets {heads = 4, kv_heads = 3, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key: tensor<?x4xf32, #nn.axis<context>>,
             %value: tensor<?x4xf32, #nn.axis<context>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{heads must be a positive multiple of kv_heads, are 0 and 2}}
  %0:2 = nn.attention %query, %key, %value, %offsets {heads = 0, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key: tensor<?x4xf32, #nn.axis<context>>,
             %value: tensor<?x4xf32, #nn.axis<context>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{heads must be a positive multiple of kv_heads, are 4 and -2}}
  %0:2 = nn.attention %query, %key, %value, %offsets {heads = 4, kv_heads = -2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%query: tensor<?x6xf32, #nn.axis<context>>, %key: tensor<?x4xf32, #nn.axis<context>>,
             %value: tensor<?x4xf32, #nn.axis<context>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{query has 6 columns, must have a multiple of heads = 4}}
  %0:2 = nn.attention %query, %key, %value, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x6xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x6xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key: tensor<?xf32, #nn.axis<context>>,
             %value: tensor<?xf32, #nn.axis<context>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{key must have rank 2, has rank 1}}
  %0:2 = nn.attention %query, %key, %value, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key: tensor<?x4xf32, #nn.axis<token>>,
             %value: tensor<?x4xf32, #nn.axis<token>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{key and query must have the same rows}}
  %0:2 = nn.attention %query, %key, %value, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<token>>, tensor<?x4xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key: tensor<?x4xf32, #nn.axis<context>>,
             %value: tensor<?x8xf32, #nn.axis<context>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{value and key must have the same type}}
  %0:2 = nn.attention %query, %key, %value, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key: tensor<?x4xf32, #nn.axis<context>>,
             %value: tensor<?x4xf32, #nn.axis<context>>, %offsets: tensor<?xi32, #nn.axis<sequence>>) {
  // expected-error @+1 {{offsets must have one element more than its axis, as in #nn.axis<sequence, 1>}}
  %0:2 = nn.attention %query, %key, %value, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key: tensor<?x4xf32, #nn.axis<context>>,
             %value: tensor<?x4xf32, #nn.axis<context>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{lse must have rank 2, has rank 1}}
  %0:2 = nn.attention %query, %key, %value, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key: tensor<?x4xf32, #nn.axis<context>>,
             %value: tensor<?x4xf32, #nn.axis<context>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{lse and query must have the same rows}}
  %0:2 = nn.attention %query, %key, %value, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<token>>)
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key: tensor<?x8xf32, #nn.axis<context>>,
             %value: tensor<?x8xf32, #nn.axis<context>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{key has 8 in dimension 1, must have 4: kv_heads times the head dimension of the query}}
  %0:2 = nn.attention %query, %key, %value, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key: tensor<?x4xf32, #nn.axis<context>>,
             %value: tensor<?x4xf32, #nn.axis<context>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{lse has 2 in dimension 1, must have 4: heads}}
  %0:2 = nn.attention %query, %key, %value, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key: tensor<?x4xf32, #nn.axis<context>>,
             %value: tensor<?x4xf32, #nn.axis<context>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{longest, the rows of the longest sequence, is at least 1, not 0}}
  %0:2 = nn.attention %query, %key, %value, %offsets {heads = 4, kv_heads = 2, scale = 0.5 : f32, longest = 0}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}
