// What attention over the KV cache refuses.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

func.func @f(%query: tensor<?xf32, #nn.axis<context>>, %key_cache: tensor<3x2x4x2x16xf32>,
             %value_cache: tensor<3x2x64x2xf32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{query must have rank 2, has rank 1}}
  %0 = nn.cached_attention %query, %key_cache, %value_cache, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?xf32, #nn.axis<context>>, tensor<3x2x4x2x16xf32>, tensor<3x2x64x2xf32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key_cache: tensor<3x2x4x2x16xf32>,
             %value_cache: tensor<3x2x64x2xf32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{result and query must have the same type}}
  %0 = nn.cached_attention %query, %key_cache, %value_cache, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<3x2x4x2x16xf32>, tensor<3x2x64x2xf32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x4xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key_cache: tensor<3x2x4x2x16xf32>,
             %value_cache: tensor<3x2x64x2xf32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{heads must be a positive multiple of kv_heads, are 4 and 3}}
  %0 = nn.cached_attention %query, %key_cache, %value_cache, %slots, %positions {heads = 4, kv_heads = 3, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<3x2x4x2x16xf32>, tensor<3x2x64x2xf32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x6xf32, #nn.axis<context>>, %key_cache: tensor<3x2x4x2x16xf32>,
             %value_cache: tensor<3x2x64x2xf32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{query has 6 columns, must have a multiple of heads = 4}}
  %0 = nn.cached_attention %query, %key_cache, %value_cache, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x6xf32, #nn.axis<context>>, tensor<3x2x4x2x16xf32>, tensor<3x2x64x2xf32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x6xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key_cache: tensor<3x2x64x2xf32>,
             %value_cache: tensor<3x2x64x2xf32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{key_cache must have rank 5, has rank 4}}
  %0 = nn.cached_attention %query, %key_cache, %value_cache, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<3x2x64x2xf32>, tensor<3x2x64x2xf32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key_cache: tensor<3x2x4x2x16xf32>,
             %value_cache: tensor<3x2x32x2xf32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{value_cache has 32 in dimension 2, must have 64: the positions of key_cache}}
  %0 = nn.cached_attention %query, %key_cache, %value_cache, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<3x2x4x2x16xf32>, tensor<3x2x32x2xf32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key_cache: tensor<3x2x4x2x16xf32>,
             %value_cache: tensor<3x2x64x2xf32>, %slots: tensor<?xi32, #nn.axis<token>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{slots and query must have the same rows}}
  %0 = nn.cached_attention %query, %key_cache, %value_cache, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<3x2x4x2x16xf32>, tensor<3x2x64x2xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key_cache: tensor<3x2x4x2x16xf32>,
             %value_cache: tensor<3x2x64x2xf32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{positions and query must have the same rows}}
  %0 = nn.cached_attention %query, %key_cache, %value_cache, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<3x2x4x2x16xf32>, tensor<3x2x64x2xf32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key_cache: tensor<3x2x4x2x16xf32>,
             %value_cache: tensor<3x2x64x2xf32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{key_cache has 2 in dimension 1, must have 4: kv_heads}}
  %0 = nn.cached_attention %query, %key_cache, %value_cache, %slots, %positions {heads = 4, kv_heads = 4, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<3x2x4x2x16xf32>, tensor<3x2x64x2xf32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x16xf32, #nn.axis<context>>, %key_cache: tensor<3x2x4x2x16xf32>,
             %value_cache: tensor<3x2x64x2xf32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{query has 16 in dimension 1, must have 8: heads times the cache's head dimension}}
  %0 = nn.cached_attention %query, %key_cache, %value_cache, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x16xf32, #nn.axis<context>>, tensor<3x2x4x2x16xf32>, tensor<3x2x64x2xf32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x16xf32, #nn.axis<context>>
  return
}
