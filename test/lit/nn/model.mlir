// What a model is made of: variables, weights, constants, and the ops on the packed stream.
// RUN: mirl-opt %s | mirl-opt | FileCheck %s
// RUN: mirl-opt %s --mlir-print-op-generic | mirl-opt | FileCheck %s

// Persistent tensors.
// CHECK: nn.variable @"pi/model.norm.weight" "weight" "pi" "model.norm.weight" init "ones" : tensor<96xf32>
nn.variable @"pi/model.norm.weight" "weight" "pi" "model.norm.weight" init "ones" : tensor<96xf32>
// CHECK: nn.variable @"pi/lm_head.weight" "weight" "pi" "lm_head.weight" init "normal:0.02" : tensor<16x96xbf16>
nn.variable @"pi/lm_head.weight" "weight" "pi" "lm_head.weight" init "normal:0.02" : tensor<16x96xbf16>
// CHECK: nn.variable @"pi/model.norm.weight.grad" "gradient" "pi" "model.norm.weight" init "zeros" : tensor<96xf32>
nn.variable @"pi/model.norm.weight.grad" "gradient" "pi" "model.norm.weight" init "zeros" : tensor<96xf32>
// CHECK: nn.variable @"opt/model.norm.weight.m" "moment1" "opt" "model.norm.weight" init "zeros" : tensor<96xf32>
nn.variable @"opt/model.norm.weight.m" "moment1" "opt" "model.norm.weight" init "zeros" : tensor<96xf32>
// CHECK: nn.variable @"opt/model.norm.weight.v" "moment2" "opt" "model.norm.weight" init "zeros" : tensor<96xf32>
nn.variable @"opt/model.norm.weight.v" "moment2" "opt" "model.norm.weight" init "zeros" : tensor<96xf32>
// CHECK: nn.variable @"pi/kv.0.k" "kv_cache" "pi" "" init "zeros" : tensor<32x2x12x16xf32>
nn.variable @"pi/kv.0.k" "kv_cache" "pi" "" init "zeros" : tensor<32x2x12x16xf32>
// CHECK: nn.variable @"opt/step" "state" "opt" "" init "zeros" : tensor<f32>
nn.variable @"opt/step" "state" "opt" "" init "zeros" : tensor<f32>


// CHECK-LABEL: func.func private @m(
// CHECK-SAME: attributes {nn.model}
func.func private @m() attributes {nn.model} {
  // CHECK-NEXT: %{{.*}} = nn.weight "model.norm.weight" init "ones" : tensor<96xf32>
  %0 = nn.weight "model.norm.weight" init "ones" : tensor<96xf32>
  // CHECK-NEXT: %{{.*}} = nn.weight "lm_head.weight" init "normal:0.5" : tensor<16x96xbf16>
  %1 = nn.weight "lm_head.weight" init "normal:0.5" : tensor<16x96xbf16>
  // CHECK-NEXT: %{{.*}} = nn.weight "b" init "zeros" : tensor<2x3x4xf32>
  %2 = nn.weight "b" init "zeros" : tensor<2x3x4xf32>
  // CHECK-NEXT: %{{.*}} = nn.constant dense<{{\[\[}}1.000000e+00, 2.000000e+00{{\]\]}}> : tensor<1x2xf32> : tensor<1x2xf32>
  %3 = nn.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32> : tensor<1x2xf32>
  return
}

// CHECK-LABEL: func.func @embedding(
// CHECK-SAME: %[[TABLE:[^:]*]]: tensor<32x8xf32>
// CHECK-SAME: %[[IDS:[^:]*]]: tensor<?xi32, #nn.axis<context>>
func.func @embedding(%table: tensor<32x8xf32>, %ids: tensor<?xi32, #nn.axis<context>>) {
  // CHECK-NEXT: %{{.*}} = nn.embedding %[[TABLE]], %[[IDS]] : (tensor<32x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  %0 = nn.embedding %table, %ids : (tensor<32x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// CHECK-LABEL: func.func @linear(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x8xf32, #nn.axis<context>>
// CHECK-SAME: %[[W:[^:]*]]: tensor<16x8xf32>
// CHECK-SAME: %[[BIAS:[^:]*]]: tensor<16xf32>
// CHECK-SAME: %[[R:[^:]*]]: tensor<?x16xf32, #nn.axis<context>>
func.func @linear(%x: tensor<?x8xf32, #nn.axis<context>>, %w: tensor<16x8xf32>, %bias: tensor<16xf32>,
    %r: tensor<?x16xf32, #nn.axis<context>>) {
  // CHECK-NEXT: %{{.*}} = nn.linear %[[X]], %[[W]] : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?x16xf32, #nn.axis<context>>
  %0 = nn.linear %x, %w : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?x16xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.linear %[[X]], %[[W]] bias(%[[BIAS]]) : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>, tensor<16xf32>) -> tensor<?x16xf32, #nn.axis<context>>
  %1 = nn.linear %x, %w bias(%bias) : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>, tensor<16xf32>) -> tensor<?x16xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.linear %[[X]], %[[W]] residual(%[[R]]) : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>, tensor<?x16xf32, #nn.axis<context>>) -> tensor<?x16xf32, #nn.axis<context>>
  %2 = nn.linear %x, %w residual(%r) : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>, tensor<?x16xf32, #nn.axis<context>>) -> tensor<?x16xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.linear %[[X]], %[[W]] bias(%[[BIAS]]) residual(%[[R]]) {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>, tensor<16xf32>, tensor<?x16xf32, #nn.axis<context>>) -> tensor<?x16xf32, #nn.axis<context>>
  %3 = nn.linear %x, %w bias(%bias) residual(%r) {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>, tensor<16xf32>, tensor<?x16xf32, #nn.axis<context>>) -> tensor<?x16xf32, #nn.axis<context>>
  return
}

// CHECK-LABEL: func.func @norm(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x8xf32, #nn.axis<context>>
// CHECK-SAME: %[[W:[^:]*]]: tensor<8xf32>
func.func @norm(%x: tensor<?x8xf32, #nn.axis<context>>, %w: tensor<8xf32>) {
  // CHECK-NEXT: %{{.*}} = nn.rms_norm %[[X]], %[[W]] {eps = 1.250000e-01 : f32} : (tensor<?x8xf32, #nn.axis<context>>, tensor<8xf32>) -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %0:2 = nn.rms_norm %x, %w {eps = 1.250000e-01 : f32} : (tensor<?x8xf32, #nn.axis<context>>, tensor<8xf32>) -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  // CHECK-NEXT: %{{.*}} = nn.rms_norm %[[X]], %[[W]] {eps = 0.000000e+00 : f32, numerics = #nn.numerics<"lanes", 16, f32>} : (tensor<?x8xf32, #nn.axis<context>>, tensor<8xf32>) -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %1:2 = nn.rms_norm %x, %w {eps = 0.000000e+00 : f32, numerics = #nn.numerics<"lanes", 16, f32>} : (tensor<?x8xf32, #nn.axis<context>>, tensor<8xf32>) -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  return
}

// CHECK-LABEL: func.func @rotary(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x8xf32, #nn.axis<context>>
// CHECK-SAME: %[[POSITIONS:[^:]*]]: tensor<?xi32, #nn.axis<context>>
// CHECK-SAME: %[[TABLE:[^:]*]]: tensor<64x4xf32>
func.func @rotary(%x: tensor<?x8xf32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
    %table: tensor<64x4xf32>) {
  // CHECK-NEXT: %{{.*}} = nn.rotary %[[X]], %[[POSITIONS]], %[[TABLE]] {head_dim = 4 : i64} : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<64x4xf32>) -> tensor<?x8xf32, #nn.axis<context>>
  %0 = nn.rotary %x, %positions, %table {head_dim = 4 : i64} : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<64x4xf32>) -> tensor<?x8xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.rotary %[[X]], %[[POSITIONS]], %[[TABLE]] {head_dim = 4 : i64, inverse} : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<64x4xf32>) -> tensor<?x8xf32, #nn.axis<context>>
  %1 = nn.rotary %x, %positions, %table {head_dim = 4 : i64, inverse} : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<64x4xf32>) -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// CHECK-LABEL: func.func @gather(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x8xf32, #nn.axis<context>>
// CHECK-SAME: %[[ROWS:[^:]*]]: tensor<?xi32, #nn.axis<token>>
func.func @gather(%x: tensor<?x8xf32, #nn.axis<context>>, %rows: tensor<?xi32, #nn.axis<token>>) {
  // CHECK-NEXT: %{{.*}} = nn.gather_rows %[[X]], %[[ROWS]] : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x8xf32, #nn.axis<token>>
  %0 = nn.gather_rows %x, %rows : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x8xf32, #nn.axis<token>>
  return
}
