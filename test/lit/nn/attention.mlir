// Attention, over packed rows and over a cache; log-probs and samples from the head.
// RUN: mirl-opt %s | mirl-opt | FileCheck %s
// RUN: mirl-opt %s --mlir-print-op-generic | mirl-opt | FileCheck %s

// CHECK-LABEL: func.func @attention(
// CHECK-SAME: %[[Q:[^:]*]]: tensor<?x8xf32, #nn.axis<context>>
// CHECK-SAME: %[[K:[^:]*]]: tensor<?x4xf32, #nn.axis<context>>
// CHECK-SAME: %[[V:[^:]*]]: tensor<?x4xf32, #nn.axis<context>>
// CHECK-SAME: %[[OFFSETS:[^:]*]]: tensor<?xi32, #nn.axis<sequence, 1>>
func.func @attention(%q: tensor<?x8xf32, #nn.axis<context>>, %k: tensor<?x4xf32, #nn.axis<context>>,
    %v: tensor<?x4xf32, #nn.axis<context>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // CHECK-NEXT: %{{.*}} = nn.attention %[[Q]], %[[K]], %[[V]], %[[OFFSETS]] {heads = 4 : i64, kv_heads = 2 : i64, scale = 5.000000e-01 : f32} : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  %0:2 = nn.attention %q, %k, %v, %offsets {heads = 4 : i64, kv_heads = 2 : i64, scale = 5.000000e-01 : f32} : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  // CHECK-NEXT: %{{.*}} = nn.attention %[[Q]], %[[K]], %[[V]], %[[OFFSETS]] {heads = 2 : i64, kv_heads = 1 : i64, numerics = #nn.numerics<"lanes", 16, f32>, scale = 1.000000e+00 : f32} : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<context>>)
  %1:2 = nn.attention %q, %k, %v, %offsets {heads = 2 : i64, kv_heads = 1 : i64, numerics = #nn.numerics<"lanes", 16, f32>, scale = 1.000000e+00 : f32} : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<context>>)
  return
}

// CHECK-LABEL: func.func @cache(
// CHECK-SAME: %[[Q:[^:]*]]: tensor<?x8xf32, #nn.axis<context>>
// CHECK-SAME: %[[K:[^:]*]]: tensor<?x4xf32, #nn.axis<context>>
// CHECK-SAME: %[[V:[^:]*]]: tensor<?x4xf32, #nn.axis<context>>
// CHECK-SAME: %[[KC:[^:]*]]: tensor<12x2x2x16xf32>
// CHECK-SAME: %[[VC:[^:]*]]: tensor<12x2x16x2xf32>
// CHECK-SAME: %[[TABLE:[^:]*]]: tensor<3x4xi32>
// CHECK-SAME: %[[SLOTS:[^:]*]]: tensor<?xi32, #nn.axis<context>>
// CHECK-SAME: %[[POSITIONS:[^:]*]]: tensor<?xi32, #nn.axis<context>>
func.func @cache(%q: tensor<?x8xf32, #nn.axis<context>>, %k: tensor<?x4xf32, #nn.axis<context>>,
    %v: tensor<?x4xf32, #nn.axis<context>>, %kc: tensor<12x2x2x16xf32>, %vc: tensor<12x2x16x2xf32>, %table: tensor<3x4xi32>,
    %slots: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>) {
  // CHECK-NEXT: %{{.*}} = nn.kv_append %[[K]], %[[V]], %[[KC]], %[[VC]], %[[TABLE]], %[[SLOTS]], %[[POSITIONS]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> (tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>)
  %0:2 = nn.kv_append %k, %v, %kc, %vc, %table, %slots, %positions : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> (tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>)
  // CHECK-NEXT: %{{.*}} = nn.paged_attention %[[Q]], %[[KC]], %[[VC]], %[[TABLE]], %[[SLOTS]], %[[POSITIONS]] {heads = 4 : i64, kv_heads = 2 : i64, scale = 5.000000e-01 : f32} : (tensor<?x8xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  %1 = nn.paged_attention %q, %kc, %vc, %table, %slots, %positions {heads = 4 : i64, kv_heads = 2 : i64, scale = 5.000000e-01 : f32} : (tensor<?x8xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.paged_attention %[[Q]], %[[KC]], %[[VC]], %[[TABLE]], %[[SLOTS]], %[[POSITIONS]] {heads = 4 : i64, kv_heads = 2 : i64, numerics = #nn.numerics<"lanes", 16, f32>, scale = 5.000000e-01 : f32} : (tensor<?x8xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  %2 = nn.paged_attention %q, %kc, %vc, %table, %slots, %positions {heads = 4 : i64, kv_heads = 2 : i64, numerics = #nn.numerics<"lanes", 16, f32>, scale = 5.000000e-01 : f32} : (tensor<?x8xf32, #nn.axis<context>>, tensor<12x2x2x16xf32>, tensor<12x2x16x2xf32>, tensor<3x4xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// CHECK-LABEL: func.func @logprob(
// CHECK-SAME: %[[H:[^:]*]]: tensor<?x8xf32, #nn.axis<token>>
// CHECK-SAME: %[[W:[^:]*]]: tensor<32x8xf32>
// CHECK-SAME: %[[TARGETS:[^:]*]]: tensor<?xi32, #nn.axis<token>>
func.func @logprob(%h: tensor<?x8xf32, #nn.axis<token>>, %w: tensor<32x8xf32>,
    %targets: tensor<?xi32, #nn.axis<token>>) {
  // The temperature is said when it is not 1; the entropy is a third result when it is wanted.
  // CHECK-NEXT: %{{.*}} = nn.linear_logprob %[[H]], %[[W]], %[[TARGETS]] : (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %0:2 = nn.linear_logprob %h, %w, %targets : (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  // CHECK-NEXT: %{{.*}} = nn.linear_logprob %[[H]], %[[W]], %[[TARGETS]] {numerics = #nn.numerics<"blocks", 256, f32>, temperature = 5.000000e-01 : f32} : (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %1:3 = nn.linear_logprob %h, %w, %targets {numerics = #nn.numerics<"blocks", 256, f32>, temperature = 5.000000e-01 : f32} : (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  // Logits that are kept, and their maxima, come last.
  // CHECK-NEXT: %{{.*}} = nn.linear_logprob %[[H]], %[[W]], %[[TARGETS]] {kept = 32 : i64} : (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x32xbf16, #nn.axis<token>>, tensor<?x1xf32, #nn.axis<token>>)
  %2:4 = nn.linear_logprob %h, %w, %targets {kept = 32 : i64} : (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x32xbf16, #nn.axis<token>>, tensor<?x1xf32, #nn.axis<token>>)
  // CHECK-NEXT: %{{.*}} = nn.linear_logprob %[[H]], %[[W]], %[[TARGETS]] {kept = 32 : i64} : (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x32xbf16, #nn.axis<token>>, tensor<?x1xf32, #nn.axis<token>>)
  %3:5 = nn.linear_logprob %h, %w, %targets {kept = 32 : i64} : (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x32xbf16, #nn.axis<token>>, tensor<?x1xf32, #nn.axis<token>>)
  return
}

// CHECK-LABEL: func.func @sample(
// CHECK-SAME: %[[Z:[^:]*]]: tensor<?x32xf32, #nn.axis<token>>
// CHECK-SAME: %[[IDS:[^:]*]]: tensor<?xi64, #nn.axis<token>>
// CHECK-SAME: %[[STEPS:[^:]*]]: tensor<?xi32, #nn.axis<token>>
// CHECK-SAME: %[[SEED:[^:]*]]: tensor<i64>
// CHECK-SAME: %[[T:[^:]*]]: tensor<f32>
// CHECK-SAME: %[[K:[^:]*]]: tensor<i32>
// CHECK-SAME: %[[P:[^:]*]]: tensor<f32>
func.func @sample(%z: tensor<?x32xf32, #nn.axis<token>>, %ids: tensor<?xi64, #nn.axis<token>>,
    %steps: tensor<?xi32, #nn.axis<token>>, %seed: tensor<i64>, %t: tensor<f32>, %k: tensor<i32>,
    %p: tensor<f32>) {
  // CHECK-NEXT: %{{.*}} = nn.sample %[[Z]], %[[IDS]], %[[STEPS]], %[[SEED]], %[[T]], %[[K]], %[[P]] : (tensor<?x32xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %0:2 = nn.sample %z, %ids, %steps, %seed, %t, %k, %p : (tensor<?x32xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  // CHECK-NEXT: %{{.*}} = nn.sample %[[Z]], %[[IDS]], %[[STEPS]], %[[SEED]], %[[T]], %[[K]], %[[P]] {numerics = #nn.numerics<"blocks", 256, f64>} : (tensor<?x32xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %1:2 = nn.sample %z, %ids, %steps, %seed, %t, %k, %p {numerics = #nn.numerics<"blocks", 256, f64>} : (tensor<?x32xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return
}
