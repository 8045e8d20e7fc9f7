// fuse: sums go into the product or norm before them.
// RUN: mirl-opt %s --fuse | FileCheck %s

// A sum takes the product before it, on either side, and runs where the sum stood.
// CHECK-LABEL: func.func @residual(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?x4xf32, #nn.axis<context>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<4x4xf32>)
// CHECK-SAME: -> tensor<?x4xf32, #nn.axis<context>> {
// CHECK-NEXT: %[[V2:.*]] = nn.linear %[[ARG0]], %[[ARG1]] residual(%[[ARG0]]) {nn.fused_from = "linear + residual"} : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>, tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V3:.*]] = nn.linear %[[ARG0]], %[[ARG1]] residual(%[[V2]]) {nn.fused_from = "linear + residual"} : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>, tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: return %[[V3]] : tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: }
func.func @residual(%x: tensor<?x4xf32, #nn.axis<context>>, %w: tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>> {
  %y = nn.linear %x, %w : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
  %z = nn.linear %x, %w : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
  %a = nn.binary add %x, %y : tensor<?x4xf32, #nn.axis<context>>
  %b = nn.binary add %z, %a : tensor<?x4xf32, #nn.axis<context>>
  return %b : tensor<?x4xf32, #nn.axis<context>>
}

// Not when the product has another use, or takes a residual already, or is added to itself.
// CHECK-LABEL: func.func @kept(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?x4xf32, #nn.axis<context>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<4x4xf32>)
// CHECK-SAME: -> tensor<?x4xf32, #nn.axis<context>> {
// CHECK-NEXT: %[[V2:.*]] = nn.linear %[[ARG0]], %[[ARG1]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V3:.*]] = nn.linear %[[V2]], %[[ARG1]] residual(%[[ARG0]]) : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>, tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V4:.*]] = nn.fused %[[ARG0]], %[[V2]], %[[V3]] {nn.fused_from = "add, add"} : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>> {
// CHECK-NEXT: ^bb0(%[[ARG2:[^ :,]+]]: f32, %[[ARG3:[^ :,]+]]: f32, %[[ARG4:[^ :,]+]]: f32):
// CHECK-NEXT: %[[V8:.*]] = arith.addf %[[ARG2]], %[[ARG3]] : f32
// CHECK-NEXT: %[[V9:.*]] = arith.addf %[[ARG4]], %[[V8]] : f32
// CHECK-NEXT: nn.yield %[[V9]] : f32
// CHECK-NEXT: }
// CHECK-NEXT: %[[V10:.*]] = nn.linear %[[V4]], %[[ARG1]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V11:.*]] = nn.fused %[[V10]] {nn.fused_from = "add"} : (tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>> {
// CHECK-NEXT: ^bb0(%[[ARG2:[^ :,]+]]: f32):
// CHECK-NEXT: %[[V12:.*]] = arith.addf %[[ARG2]], %[[ARG2]] : f32
// CHECK-NEXT: nn.yield %[[V12]] : f32
// CHECK-NEXT: }
// CHECK-NEXT: return %[[V11]] : tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: }
func.func @kept(%x: tensor<?x4xf32, #nn.axis<context>>, %w: tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>> {
  %y = nn.linear %x, %w : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
  %a = nn.binary add %x, %y : tensor<?x4xf32, #nn.axis<context>>
  %z = nn.linear %y, %w residual(%x) : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>, tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
  %b = nn.binary add %z, %a : tensor<?x4xf32, #nn.axis<context>>
  %v = nn.linear %b, %w : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
  %c = nn.binary add %v, %v : tensor<?x4xf32, #nn.axis<context>>
  return %c : tensor<?x4xf32, #nn.axis<context>>
}

// The gradient that flows past a norm; a product with a bias.
// CHECK-LABEL: func.func @norm(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?x4xf32, #nn.axis<context>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?x4xf32, #nn.axis<context>>,
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<4xf32>,
// CHECK-SAME: %[[ARG3:[^ :,]+]]: tensor<?xf32, #nn.axis<context>>,
// CHECK-SAME: %[[ARG4:[^ :,]+]]: tensor<4x4xf32>)
// CHECK-SAME: -> tensor<?x4xf32, #nn.axis<context>> {
// CHECK-NEXT: %[[V5:.*]] = nn.rms_norm_data_grad %[[ARG0]], %[[ARG1]], %[[ARG2]], %[[ARG3]], %[[ARG0]] {nn.fused_from = "rms_norm_data_grad + residual"} : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<4xf32>, tensor<?xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V6:.*]] = nn.linear %[[V5]], %[[ARG4]] bias(%[[ARG2]]) residual(%[[V5]]) {nn.fused_from = "linear + residual"} : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>, tensor<4xf32>, tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: return %[[V6]] : tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: }
func.func @norm(%gy: tensor<?x4xf32, #nn.axis<context>>, %x: tensor<?x4xf32, #nn.axis<context>>, %n: tensor<4xf32>, %r: tensor<?xf32, #nn.axis<context>>, %w: tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>> {
  %d = nn.rms_norm_data_grad %gy, %x, %n, %r : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<4xf32>, tensor<?xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
  %s = nn.binary add %gy, %d : tensor<?x4xf32, #nn.axis<context>>
  %y = nn.linear %s, %w bias(%n) : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>, tensor<4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
  %b = nn.binary add %y, %s : tensor<?x4xf32, #nn.axis<context>>
  return %b : tensor<?x4xf32, #nn.axis<context>>
}

// A difference is no residual.
// CHECK-LABEL: func.func @difference(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?x4xf32, #nn.axis<context>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<4x4xf32>)
// CHECK-SAME: -> tensor<?x4xf32, #nn.axis<context>> {
// CHECK-NEXT: %[[V2:.*]] = nn.linear %[[ARG0]], %[[ARG1]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V3:.*]] = nn.fused %[[V2]], %[[ARG0]] {nn.fused_from = "sub"} : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>> {
// CHECK-NEXT: ^bb0(%[[ARG2:[^ :,]+]]: f32, %[[ARG3:[^ :,]+]]: f32):
// CHECK-NEXT: %[[V6:.*]] = arith.subf %[[ARG2]], %[[ARG3]] : f32
// CHECK-NEXT: nn.yield %[[V6]] : f32
// CHECK-NEXT: }
// CHECK-NEXT: return %[[V3]] : tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: }
func.func @difference(%x: tensor<?x4xf32, #nn.axis<context>>, %w: tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>> {
  %y = nn.linear %x, %w : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
  %a = nn.binary sub %y, %x : tensor<?x4xf32, #nn.axis<context>>
  return %a : tensor<?x4xf32, #nn.axis<context>>
}
