// Adjoints and the optimizer.
// RUN: mirl-opt %s | mirl-opt | FileCheck %s
// RUN: mirl-opt %s --mlir-print-op-generic | mirl-opt | FileCheck %s

// CHECK-LABEL: func.func @gradients(
// CHECK-SAME: %[[GY:[^:]*]]: tensor<?x16xf32, #nn.axis<context>>
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x8xf32, #nn.axis<context>>
// CHECK-SAME: %[[W:[^:]*]]: tensor<16x8xf32>
// CHECK-SAME: %[[DW:[^:]*]]: tensor<16x8xf32>
// CHECK-SAME: %[[BIAS:[^:]*]]: tensor<16xf32>
// CHECK-SAME: %[[IDS:[^:]*]]: tensor<?xi32, #nn.axis<context>>
// CHECK-SAME: %[[TABLE:[^:]*]]: tensor<32x8xf32>
// CHECK-SAME: %[[ROWS:[^:]*]]: tensor<?xi32, #nn.axis<token>>
// CHECK-SAME: %[[H:[^:]*]]: tensor<?x8xf32, #nn.axis<token>>
func.func @gradients(%gy: tensor<?x16xf32, #nn.axis<context>>, %x: tensor<?x8xf32, #nn.axis<context>>,
    %w: tensor<16x8xf32>, %dw: tensor<16x8xf32>, %bias: tensor<16xf32>,
    %ids: tensor<?xi32, #nn.axis<context>>, %table: tensor<32x8xf32>, %rows: tensor<?xi32, #nn.axis<token>>,
    %h: tensor<?x8xf32, #nn.axis<token>>) {
  // CHECK-NEXT: %{{.*}} = nn.embedding_grad %[[X]], %[[IDS]], %[[TABLE]] : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<32x8xf32>) -> tensor<32x8xf32>
  %0 = nn.embedding_grad %x, %ids, %table : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<32x8xf32>) -> tensor<32x8xf32>
  // CHECK-NEXT: %{{.*}} = nn.linear_data_grad %[[GY]], %[[W]] : (tensor<?x16xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?x8xf32, #nn.axis<context>>
  %1 = nn.linear_data_grad %gy, %w : (tensor<?x16xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?x8xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.linear_data_grad %[[GY]], %[[W]] {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?x16xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?x8xf32, #nn.axis<context>>
  %2 = nn.linear_data_grad %gy, %w {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?x16xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<?x8xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.linear_weight_grad %[[GY]], %[[X]], %[[DW]] : (tensor<?x16xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<16x8xf32>
  %3 = nn.linear_weight_grad %gy, %x, %dw : (tensor<?x16xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<16x8xf32>
  // CHECK-NEXT: %{{.*}} = nn.linear_weight_grad %[[GY]], %[[X]], %[[DW]] {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?x16xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<16x8xf32>
  %4 = nn.linear_weight_grad %gy, %x, %dw {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?x16xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) -> tensor<16x8xf32>
  // CHECK-NEXT: %{{.*}} = nn.column_sum %[[GY]], %[[BIAS]] : (tensor<?x16xf32, #nn.axis<context>>, tensor<16xf32>) -> tensor<16xf32>
  %5 = nn.column_sum %gy, %bias : (tensor<?x16xf32, #nn.axis<context>>, tensor<16xf32>) -> tensor<16xf32>
  // CHECK-NEXT: %{{.*}} = nn.scatter_rows %[[H]], %[[ROWS]] : (tensor<?x8xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x8xf32, #nn.axis<context>>
  %6 = nn.scatter_rows %h, %rows : (tensor<?x8xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// CHECK-LABEL: func.func @norm(
// CHECK-SAME: %[[GY:[^:]*]]: tensor<?x8xf32, #nn.axis<context>>
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x8xf32, #nn.axis<context>>
// CHECK-SAME: %[[W:[^:]*]]: tensor<8xf32>
// CHECK-SAME: %[[RSTD:[^:]*]]: tensor<?xf32, #nn.axis<context>>
// CHECK-SAME: %[[R:[^:]*]]: tensor<?x8xf32, #nn.axis<context>>
// CHECK-SAME: %[[DW:[^:]*]]: tensor<8xf32>
func.func @norm(%gy: tensor<?x8xf32, #nn.axis<context>>, %x: tensor<?x8xf32, #nn.axis<context>>,
    %w: tensor<8xf32>, %rstd: tensor<?xf32, #nn.axis<context>>, %r: tensor<?x8xf32, #nn.axis<context>>,
    %dw: tensor<8xf32>) {
  // CHECK-NEXT: %{{.*}} = nn.rms_norm_data_grad %[[GY]], %[[X]], %[[W]], %[[RSTD]] : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<8xf32>, tensor<?xf32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  %0 = nn.rms_norm_data_grad %gy, %x, %w, %rstd : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<8xf32>, tensor<?xf32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.rms_norm_data_grad %[[GY]], %[[X]], %[[W]], %[[RSTD]], %[[R]] : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<8xf32>, tensor<?xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  %1 = nn.rms_norm_data_grad %gy, %x, %w, %rstd, %r : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<8xf32>, tensor<?xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.rms_norm_weight_grad %[[GY]], %[[X]], %[[RSTD]], %[[DW]] : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<8xf32>) -> tensor<8xf32>
  %2 = nn.rms_norm_weight_grad %gy, %x, %rstd, %dw : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<8xf32>) -> tensor<8xf32>
  return
}

// CHECK-LABEL: func.func @attention(
// CHECK-SAME: %[[GY:[^:]*]]: tensor<?x8xf32, #nn.axis<context>>
// CHECK-SAME: %[[Q:[^:]*]]: tensor<?x8xf32, #nn.axis<context>>
// CHECK-SAME: %[[K:[^:]*]]: tensor<?x4xf32, #nn.axis<context>>
// CHECK-SAME: %[[V:[^:]*]]: tensor<?x4xf32, #nn.axis<context>>
// CHECK-SAME: %[[Y:[^:]*]]: tensor<?x8xf32, #nn.axis<context>>
// CHECK-SAME: %[[LSE:[^:]*]]: tensor<?x4xf32, #nn.axis<context>>
// CHECK-SAME: %[[O:[^:]*]]: tensor<?xi32, #nn.axis<sequence, 1>>
func.func @attention(%gy: tensor<?x8xf32, #nn.axis<context>>, %q: tensor<?x8xf32, #nn.axis<context>>,
    %k: tensor<?x4xf32, #nn.axis<context>>, %v: tensor<?x4xf32, #nn.axis<context>>,
    %y: tensor<?x8xf32, #nn.axis<context>>, %lse: tensor<?x4xf32, #nn.axis<context>>,
    %o: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // CHECK-NEXT: %{{.*}} = nn.attention_grad %[[GY]], %[[Q]], %[[K]], %[[V]], %[[Y]], %[[LSE]], %[[O]] {heads = 4 : i64, kv_heads = 2 : i64, scale = 5.000000e-01 : f32} : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  %0:3 = nn.attention_grad %gy, %q, %k, %v, %y, %lse, %o {heads = 4 : i64, kv_heads = 2 : i64, scale = 5.000000e-01 : f32} : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return
}

// CHECK-LABEL: func.func @logprob(
// CHECK-SAME: %[[GP:[^:]*]]: tensor<?xf32, #nn.axis<token>>
// CHECK-SAME: %[[H:[^:]*]]: tensor<?x8xf32, #nn.axis<token>>
// CHECK-SAME: %[[W:[^:]*]]: tensor<32x8xf32>
// CHECK-SAME: %[[TARGETS:[^:]*]]: tensor<?xi32, #nn.axis<token>>
// CHECK-SAME: %[[LSE:[^:]*]]: tensor<?xf32, #nn.axis<token>>
// CHECK-SAME: %[[DW:[^:]*]]: tensor<32x8xf32>
// CHECK-SAME: %[[GE:[^:]*]]: tensor<?xf32, #nn.axis<token>>
// CHECK-SAME: %[[E:[^:]*]]: tensor<?xf32, #nn.axis<token>>
// CHECK-SAME: %[[KEPT:[^:]*]]: tensor<?x32xbf16, #nn.axis<token>>
// CHECK-SAME: %[[MAXIMA:[^:]*]]: tensor<?x1xf32, #nn.axis<token>>
func.func @logprob(%gp: tensor<?xf32, #nn.axis<token>>, %h: tensor<?x8xf32, #nn.axis<token>>,
    %w: tensor<32x8xf32>, %targets: tensor<?xi32, #nn.axis<token>>, %lse: tensor<?xf32, #nn.axis<token>>,
    %dw: tensor<32x8xf32>, %ge: tensor<?xf32, #nn.axis<token>>, %e: tensor<?xf32, #nn.axis<token>>,
    %kept: tensor<?x32xbf16, #nn.axis<token>>, %maxima: tensor<?x1xf32, #nn.axis<token>>) {
  // CHECK-NEXT: %{{.*}} = nn.linear_logprob_grad %[[GP]], %[[H]], %[[W]], %[[TARGETS]], %[[LSE]] into(%[[DW]]) : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>) -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>)
  %0:2 = nn.linear_logprob_grad %gp, %h, %w, %targets, %lse into(%dw) : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>) -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>)
  // CHECK-NEXT: %{{.*}} = nn.linear_logprob_grad %[[GP]], %[[H]], %[[W]], %[[TARGETS]], %[[LSE]] into(%[[DW]]) entropy(%[[GE]], %[[E]]) {numerics = #nn.numerics<"chain", 1, f32>, temperature = 2.000000e+00 : f32} : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>) -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>)
  %1:2 = nn.linear_logprob_grad %gp, %h, %w, %targets, %lse into(%dw) entropy(%ge, %e) {numerics = #nn.numerics<"chain", 1, f32>, temperature = 2.000000e+00 : f32} : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>) -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>)
  // CHECK-NEXT: %{{.*}} = nn.linear_logprob_grad %[[GP]], %[[H]], %[[W]], %[[TARGETS]], %[[LSE]] into(%[[DW]]) kept(%[[KEPT]], %[[MAXIMA]]) : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?x32xbf16, #nn.axis<token>>, tensor<?x1xf32, #nn.axis<token>>) -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>)
  %2:2 = nn.linear_logprob_grad %gp, %h, %w, %targets, %lse into(%dw) kept(%kept, %maxima) : (tensor<?xf32, #nn.axis<token>>, tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<32x8xf32>, tensor<?x32xbf16, #nn.axis<token>>, tensor<?x1xf32, #nn.axis<token>>) -> (tensor<?x8xf32, #nn.axis<token>>, tensor<32x8xf32>)
  return
}

// CHECK-LABEL: func.func @optimizer(
// CHECK-SAME: %[[W:[^:]*]]: tensor<4x2xf32>
// CHECK-SAME: %[[GY:[^:]*]]: tensor<4x2xf32>
// CHECK-SAME: %[[M:[^:]*]]: tensor<4x2xf32>
// CHECK-SAME: %[[V:[^:]*]]: tensor<4x2xf32>
// CHECK-SAME: %[[LR:[^:]*]]: tensor<f32>
// CHECK-SAME: %[[STEP:[^:]*]]: tensor<f32>
// CHECK-SAME: %[[SCALE:[^:]*]]: tensor<f32>
func.func @optimizer(%w: tensor<4x2xf32>, %gy: tensor<4x2xf32>, %m: tensor<4x2xf32>, %v: tensor<4x2xf32>,
    %lr: tensor<f32>, %step: tensor<f32>, %scale: tensor<f32>) {
  // CHECK-NEXT: %{{.*}} = nn.squared_norm %[[GY]], %[[LR]] : (tensor<4x2xf32>, tensor<f32>) -> tensor<f32>
  %0 = nn.squared_norm %gy, %lr : (tensor<4x2xf32>, tensor<f32>) -> tensor<f32>
  // CHECK-NEXT: %{{.*}} = nn.adamw %[[W]], %[[GY]], %[[M]], %[[V]], %[[LR]], %[[STEP]], %[[SCALE]] {beta1 = 5.000000e-01 : f32, beta2 = 7.500000e-01 : f32, eps = 1.250000e-01 : f32, weight_decay = 0.000000e+00 : f32} : (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>)
  %1:3 = nn.adamw %w, %gy, %m, %v, %lr, %step, %scale {beta1 = 5.000000e-01 : f32, beta2 = 7.500000e-01 : f32, eps = 1.250000e-01 : f32, weight_decay = 0.000000e+00 : f32} : (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>)
  return
}
