// What attention over the KV cache refuses.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

func.func @f(%query: tensor<?xf32, #nn.axis<context>>, %key_cache: tensor<12x2x2x16xf32>,
             %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{query must have rank 2, has rank 1}}
  %0 = nn.paged_attention %query, %key_cache, %value_cache, %table, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key_cache: tensor<12x2x2x16xf32>,
             %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{result and query must have the same type}}
  %0 = nn.paged_attention %query, %key_cache, %value_cache, %table, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x4xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key_cache: tensor<12x2x2x16xf32>,
             %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{heads must be a positive multiple of kv_heads, are 4 and 3}}
  %0 = nn.paged_attention %query, %key_cache, %value_cache, %table, %slots, %positions {heads = 4, kv_heads = 3, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x6xf32, #nn.axis<context>>, %key_cache: tensor<12x2x2x16xf32>,
             %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{query has 6 columns, must have a multiple of heads = 4}}
  %0 = nn.paged_attention %query, %key_cache, %value_cache, %table, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x6xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x6xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key_cache: tensor<12x2x16xf32>,
             %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{key_cache must have rank 4, has rank 3}}
  %0 = nn.paged_attention %query, %key_cache, %value_cache, %table, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<12x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key_cache: tensor<12x2x2x16xf32>,
             %value_cache: tensor<12x2x32x2xf32>, %table: tensor<3x4xi32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{value_cache has 32 in dimension 2, must have 16: values lie in blocks of 16 positions}}
  %0 = nn.paged_attention %query, %key_cache, %value_cache, %table, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x32x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key_cache: tensor<12x2x2x16xf32>,
             %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3xi32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{table must have rank 2, has rank 1}}
  %0 = nn.paged_attention %query, %key_cache, %value_cache, %table, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key_cache: tensor<12x2x2x16xf32>,
             %value_cache: tensor<12x2x16x2xf32>, %table: tensor<?x4xi32, #nn.axis<context>>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{table must have fixed dimensions}}
  %0 = nn.paged_attention %query, %key_cache, %value_cache, %table, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<?x4xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key_cache: tensor<12x2x2x16xf32>,
             %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>, %slots: tensor<?xi32, #nn.axis<token>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{slots and query must have the same rows}}
  %0 = nn.paged_attention %query, %key_cache, %value_cache, %table, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<token>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key_cache: tensor<12x2x2x16xf32>,
             %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{positions and query must have the same rows}}
  %0 = nn.paged_attention %query, %key_cache, %value_cache, %table, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x8xf32, #nn.axis<context>>, %key_cache: tensor<12x2x2x16xf32>,
             %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{key_cache has 2 in dimension 1, must have 4: kv_heads}}
  %0 = nn.paged_attention %query, %key_cache, %value_cache, %table, %slots, %positions {heads = 4, kv_heads = 4, scale = 0.5 : f32}
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%query: tensor<?x16xf32, #nn.axis<context>>, %key_cache: tensor<12x2x2x16xf32>,
             %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>, %slots: tensor<?xi32, #nn.axis<context>>,
             %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{query has 16 in dimension 1, must have 8: heads times the cache's head dimension}}
  %0 = nn.paged_attention %query, %key_cache, %value_cache, %table, %slots, %positions {heads = 4, kv_heads = 2, scale = 0.5 : f32}
    : (tensor<?x16xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> tensor<?x16xf32, #nn.axis<context>>
  return
}
