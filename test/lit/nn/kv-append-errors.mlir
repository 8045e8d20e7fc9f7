// What appending to the KV cache refuses.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

func.func @f(%key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %key_cache: tensor<12x2x16xf32>, %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>,
             %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{key_cache must have rank 4, has rank 3}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<12x2x16xf32>, tensor<12x2x16x2xf32>)
  return
}

// -----

func.func @f(%key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %key_cache: tensor<?x2x2x16xf32, #nn.axis<context>>, %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>,
             %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{key_cache must have fixed dimensions}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x2x2x16xf32, #nn.axis<context>>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<?x2x2x16xf32, #nn.axis<context>>, tensor<12x2x16x2xf32>)
  return
}

// -----

func.func @f(%key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %key_cache: tensor<12x2x2x16xf32>, %value_cache: tensor<12x2x16xf32>, %table: tensor<3x4xi32>,
             %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{value_cache must have rank 4, has rank 3}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<12x2x2x16xf32>, tensor<12x2x16xf32>)
  return
}

// -----

func.func @f(%key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %key_cache: tensor<12x2x2x16xf32>, %value_cache: tensor<?x2x16x2xf32, #nn.axis<context>>, %table: tensor<3x4xi32>,
             %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{value_cache must have fixed dimensions}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<?x2x16x2xf32, #nn.axis<context>>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<12x2x2x16xf32>, tensor<?x2x16x2xf32, #nn.axis<context>>)
  return
}

// -----

func.func @f(%key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %key_cache: tensor<12x2x2x16xf32>, %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3xi32>,
             %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{table must have rank 2, has rank 1}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>)
  return
}

// -----

func.func @f(%key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %key_cache: tensor<12x2x2x16xf32>, %value_cache: tensor<12x2x16x2xf32>, %table: tensor<?x4xi32, #nn.axis<context>>,
             %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{table must have fixed dimensions}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<?x4xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>)
  return
}

// -----

func.func @f(%key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %key_cache: tensor<12x2x2x8xf32>, %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>,
             %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{key_cache has 8 in dimension 3, must have 16: keys lie in blocks of 16 positions}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x8xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<12x2x2x8xf32>, tensor<12x2x16x2xf32>)
  return
}

// -----

func.func @f(%key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %key_cache: tensor<12x2x2x16xf32>, %value_cache: tensor<13x2x16x2xf32>, %table: tensor<3x4xi32>,
             %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{value_cache has 13 in dimension 0, must have 12: the blocks of key_cache}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<13x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<12x2x2x16xf32>, tensor<13x2x16x2xf32>)
  return
}

// -----

func.func @f(%key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %key_cache: tensor<12x2x2x16xf32>, %value_cache: tensor<12x1x16x2xf32>, %table: tensor<3x4xi32>,
             %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{value_cache has 1 in dimension 1, must have 2: the heads of key_cache}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x1x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<12x2x2x16xf32>, tensor<12x1x16x2xf32>)
  return
}

// -----

func.func @f(%key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %key_cache: tensor<12x2x2x16xf32>, %value_cache: tensor<12x2x32x2xf32>, %table: tensor<3x4xi32>,
             %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{value_cache has 32 in dimension 2, must have 16: values lie in blocks of 16 positions}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x32x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<12x2x2x16xf32>, tensor<12x2x32x2xf32>)
  return
}

// -----

func.func @f(%key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %key_cache: tensor<12x2x2x16xf32>, %value_cache: tensor<12x2x16x4xf32>, %table: tensor<3x4xi32>,
             %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{value_cache has 4 in dimension 3, must have 2: the head dimension of key_cache}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x4xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<12x2x2x16xf32>, tensor<12x2x16x4xf32>)
  return
}

// -----

func.func @f(%key: tensor<?xf32, #nn.axis<context>>, %value: tensor<?xf32, #nn.axis<context>>,
             %key_cache: tensor<12x2x2x16xf32>, %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>,
             %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{key must have rank 2, has rank 1}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>)
  return
}

// -----

func.func @f(%key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x8xf32, #nn.axis<context>>,
             %key_cache: tensor<12x2x2x16xf32>, %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>,
             %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{value and key must have the same type}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>)
  return
}

// -----

func.func @f(%key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %key_cache: tensor<12x2x2x16xf32>, %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>,
             %slots: tensor<?xi32, #nn.axis<token>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{slots and key must have the same rows}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<token>>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>)
  return
}

// -----

func.func @f(%key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %key_cache: tensor<12x2x2x16xf32>, %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>,
             %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{positions and key must have the same rows}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>)
      -> (tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>)
  return
}

// -----

func.func @f(%key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %key_cache: tensor<12x2x2x16xf32>, %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>,
             %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{new_key_cache and key_cache must have the same type}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<12x2x2x8xf32>, tensor<12x2x16x2xf32>)
  return
}

// -----

func.func @f(%key: tensor<?x4xf32, #nn.axis<context>>, %value: tensor<?x4xf32, #nn.axis<context>>,
             %key_cache: tensor<12x2x2x16xf32>, %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>,
             %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{new_value_cache and value_cache must have the same type}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<12x2x2x16xf32>, tensor<12x2x16x4xf32>)
  return
}

// -----

func.func @f(%key: tensor<?x8xf32, #nn.axis<context>>, %value: tensor<?x8xf32, #nn.axis<context>>,
             %key_cache: tensor<12x2x2x16xf32>, %value_cache: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>,
             %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{key has 8 in dimension 1, must have 4: the cache's heads times its head dimension}}
  %0:2 = nn.kv_append %key, %value, %key_cache, %value_cache, %table, %slots, %positions
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>)
      -> (tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>)
  return
}
