// assign-numerics: every reduction states its order.
// RUN: mirl-opt %s --assign-numerics | FileCheck %s

// Products, their gradients, and sums of rows: chains.
// CHECK-LABEL: func.func @chains(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?x4xf32, #nn.axis<context>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<4x4xf32>,
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG3:[^ :,]+]]: tensor<?xi32, #nn.axis<sequence, 1>>)
// CHECK-SAME: -> (tensor<4x4xf32>, tensor<f32>) {
// CHECK-NEXT: %[[V4:.*]] = nn.linear %[[ARG0]], %[[ARG1]] {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V5:.*]] = nn.linear_data_grad %[[V4]], %[[ARG1]] {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V6:.*]] = nn.linear_weight_grad %[[V5]], %[[ARG0]], %[[ARG1]] {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<4x4xf32>
// CHECK-NEXT: %[[V7:.*]] = nn.segment_reduce max %[[ARG2]], %[[ARG3]] {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V8:.*]] = nn.reduce sum %[[V7]] {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?xf32, #nn.axis<sequence>>) -> tensor<f32>
// CHECK-NEXT: return %[[V6]], %[[V8]] : tensor<4x4xf32>, tensor<f32>
// CHECK-NEXT: }
func.func @chains(%x: tensor<?x4xf32, #nn.axis<context>>, %w: tensor<4x4xf32>, %t: tensor<?xf32, #nn.axis<token>>, %o: tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<4x4xf32>, tensor<f32>) {
  %0 = nn.linear %x, %w : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
  %1 = nn.linear_data_grad %0, %w : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
  %2 = nn.linear_weight_grad %1, %x, %w : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %3 = nn.segment_reduce max %t, %o : (tensor<?xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
  %4 = nn.reduce sum %3 : (tensor<?xf32, #nn.axis<sequence>>) -> tensor<f32>
  return %2, %4 : tensor<4x4xf32>, tensor<f32>
}

// Sums over a row: 16 lanes.
// CHECK-LABEL: func.func @lanes(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?x4xf32, #nn.axis<context>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<4xf32>,
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<?xi32, #nn.axis<sequence, 1>>,
// CHECK-SAME: %[[ARG3:[^ :,]+]]: tensor<2x2x2x16xf32>,
// CHECK-SAME: %[[ARG4:[^ :,]+]]: tensor<2x2x16x2xf32>,
// CHECK-SAME: %[[ARG5:[^ :,]+]]: tensor<2x1xi32>,
// CHECK-SAME: %[[ARG6:[^ :,]+]]: tensor<?xi32, #nn.axis<context>>)
// CHECK-SAME: -> tensor<?x4xf32, #nn.axis<context>> {
// CHECK-NEXT: %[[RESULT:[^ :,]+]], %[[RSTD:[^ :,]+]] = nn.rms_norm %[[ARG0]], %[[ARG1]] {eps = 0.000000e+00 : f32, numerics = #nn.numerics<"lanes", 16, f32>} : (tensor<?x4xf32, #nn.axis<context>>, tensor<4xf32>) -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
// CHECK-NEXT: %[[RESULT_0:[^ :,]+]], %[[LSE:[^ :,]+]] = nn.attention %[[RESULT]], %[[ARG0]], %[[ARG0]], %[[ARG2]] {heads = 2 : i64, kv_heads = 2 : i64, numerics = #nn.numerics<"lanes", 16, f32>, scale = 1.000000e+00 : f32} : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<context>>)
// CHECK-NEXT: %[[V11:.*]] = nn.paged_attention %[[RESULT_0]], %[[ARG3]], %[[ARG4]], %[[ARG5]], %[[ARG6]], %[[ARG6]] {heads = 2 : i64, kv_heads = 2 : i64, numerics = #nn.numerics<"lanes", 16, f32>, scale = 1.000000e+00 : f32} : (tensor<?x4xf32, #nn.axis<context>>, tensor<2x2x2x16xf32>, tensor<2x2x16x2xf32>, tensor<2x1xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: return %[[V11]] : tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: }
func.func @lanes(%x: tensor<?x4xf32, #nn.axis<context>>, %n: tensor<4xf32>, %o: tensor<?xi32, #nn.axis<sequence, 1>>, %kc: tensor<2x2x2x16xf32>, %vc: tensor<2x2x16x2xf32>, %bt: tensor<2x1xi32>, %s: tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>> {
  %0:2 = nn.rms_norm %x, %n {eps = 0.0 : f32} : (tensor<?x4xf32, #nn.axis<context>>, tensor<4xf32>) -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %1:2 = nn.attention %0#0, %x, %x, %o {heads = 2, kv_heads = 2, scale = 1.0 : f32} : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<context>>)
  %2 = nn.paged_attention %1#0, %kc, %vc, %bt, %s, %s {heads = 2, kv_heads = 2, scale = 1.0 : f32} : (tensor<?x4xf32, #nn.axis<context>>, tensor<2x2x2x16xf32>, tensor<2x2x16x2xf32>, tensor<2x1xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
  return %2 : tensor<?x4xf32, #nn.axis<context>>
}

// The log-sum-exp over the vocabulary: blocks of 256, in training and in sampling. The gradient is a chain.
// CHECK-LABEL: func.func @blocks(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?x4xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<4x4xf32>,
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<?xi32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG3:[^ :,]+]]: tensor<?xi64, #nn.axis<token>>,
// CHECK-SAME: %[[ARG4:[^ :,]+]]: tensor<i64>,
// CHECK-SAME: %[[ARG5:[^ :,]+]]: tensor<f32>,
// CHECK-SAME: %[[ARG6:[^ :,]+]]: tensor<i32>)
// CHECK-SAME: -> tensor<4x4xf32> {
// CHECK-NEXT: %[[LOGPROB:[^ :,]+]], %[[LSE:[^ :,]+]] = nn.linear_logprob %[[ARG0]], %[[ARG1]], %[[ARG2]] {numerics = #nn.numerics<"blocks", 256, f32>} : (tensor<?x4xf32, #nn.axis<token>>, tensor<4x4xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[TOKEN:[^ :,]+]], %[[LOGPROB_0:[^ :,]+]] = nn.sample %[[ARG0]], %[[ARG3]], %[[ARG2]], %[[ARG4]], %[[ARG5]], %[[ARG6]], %[[ARG5]] {numerics = #nn.numerics<"blocks", 256, f32>} : (tensor<?x4xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[HIDDEN_GRADIENT:[^ :,]+]], %[[WEIGHT_GRADIENT:[^ :,]+]] = nn.linear_logprob_grad %[[LOGPROB]], %[[ARG0]], %[[ARG1]], %[[TOKEN]], %[[LSE]] into(%[[ARG1]]) {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?xf32, #nn.axis<token>>, tensor<?x4xf32, #nn.axis<token>>, tensor<4x4xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<4x4xf32>) -> (tensor<?x4xf32, #nn.axis<token>>, tensor<4x4xf32>)
// CHECK-NEXT: return %[[WEIGHT_GRADIENT]] : tensor<4x4xf32>
// CHECK-NEXT: }
func.func @blocks(%h: tensor<?x4xf32, #nn.axis<token>>, %w: tensor<4x4xf32>, %t: tensor<?xi32, #nn.axis<token>>, %ids: tensor<?xi64, #nn.axis<token>>, %seed: tensor<i64>, %n: tensor<f32>, %k: tensor<i32>) -> tensor<4x4xf32> {
  %0:2 = nn.linear_logprob %h, %w, %t : (tensor<?x4xf32, #nn.axis<token>>, tensor<4x4xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %1:2 = nn.sample %h, %ids, %t, %seed, %n, %k, %n : (tensor<?x4xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %2:2 = nn.linear_logprob_grad %0#0, %h, %w, %1#0, %0#1 into(%w) : (tensor<?xf32, #nn.axis<token>>, tensor<?x4xf32, #nn.axis<token>>, tensor<4x4xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<4x4xf32>) -> (tensor<?x4xf32, #nn.axis<token>>, tensor<4x4xf32>)
  return %2#1 : tensor<4x4xf32>
}

// An order that is stated already, as the CPU has it. What sums nothing, or has one order only, states none.
// CHECK-LABEL: func.func @stated(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?x4xf32, #nn.axis<context>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<4x4xf32>,
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<4xf32>)
// CHECK-SAME: -> tensor<4xf32> {
// CHECK-NEXT: %[[V3:.*]] = nn.linear %[[ARG0]], %[[ARG1]] {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V4:.*]] = nn.unary exp %[[V3]] : tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V5:.*]] = nn.column_sum %[[V4]], %[[ARG2]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT: return %[[V5]] : tensor<4xf32>
// CHECK-NEXT: }
func.func @stated(%x: tensor<?x4xf32, #nn.axis<context>>, %w: tensor<4x4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.linear %x, %w {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
  %1 = nn.unary exp %0 : tensor<?x4xf32, #nn.axis<context>>
  %2 = nn.column_sum %1, %b : (tensor<?x4xf32, #nn.axis<context>>, tensor<4xf32>) -> tensor<4xf32>
  return %2 : tensor<4xf32>
}
