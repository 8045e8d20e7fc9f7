// Elementwise maths: every kind; numbers, extents and fused loops.
// RUN: mirl-opt %s | mirl-opt | FileCheck %s
// RUN: mirl-opt %s --mlir-print-op-generic | mirl-opt | FileCheck %s

// CHECK-LABEL: func.func @unary(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?xf32, #nn.axis<token>>
func.func @unary(%x: tensor<?xf32, #nn.axis<token>>) {
  // CHECK-NEXT: %{{.*}} = nn.unary neg %[[X]] : tensor<?xf32, #nn.axis<token>>
  %0 = nn.unary neg %x : tensor<?xf32, #nn.axis<token>>
  // CHECK-NEXT: %{{.*}} = nn.unary exp %[[X]] : tensor<?xf32, #nn.axis<token>>
  %1 = nn.unary exp %x : tensor<?xf32, #nn.axis<token>>
  // CHECK-NEXT: %{{.*}} = nn.unary log %[[X]] : tensor<?xf32, #nn.axis<token>>
  %2 = nn.unary log %x : tensor<?xf32, #nn.axis<token>>
  // CHECK-NEXT: %{{.*}} = nn.unary sqrt %[[X]] : tensor<?xf32, #nn.axis<token>>
  %3 = nn.unary sqrt %x : tensor<?xf32, #nn.axis<token>>
  // CHECK-NEXT: %{{.*}} = nn.unary rsqrt %[[X]] : tensor<?xf32, #nn.axis<token>>
  %4 = nn.unary rsqrt %x : tensor<?xf32, #nn.axis<token>>
  // CHECK-NEXT: %{{.*}} = nn.unary abs %[[X]] : tensor<?xf32, #nn.axis<token>>
  %5 = nn.unary abs %x : tensor<?xf32, #nn.axis<token>>
  // CHECK-NEXT: %{{.*}} = nn.unary sigmoid %[[X]] : tensor<?xf32, #nn.axis<token>>
  %6 = nn.unary sigmoid %x : tensor<?xf32, #nn.axis<token>>
  // CHECK-NEXT: %{{.*}} = nn.unary silu %[[X]] : tensor<?xf32, #nn.axis<token>>
  %7 = nn.unary silu %x : tensor<?xf32, #nn.axis<token>>
  // CHECK-NEXT: %{{.*}} = nn.unary tanh %[[X]] : tensor<?xf32, #nn.axis<token>>
  %8 = nn.unary tanh %x : tensor<?xf32, #nn.axis<token>>
  // CHECK-NEXT: %{{.*}} = nn.unary log_sigmoid %[[X]] : tensor<?xf32, #nn.axis<token>>
  %9 = nn.unary log_sigmoid %x : tensor<?xf32, #nn.axis<token>>
  // CHECK-NEXT: %{{.*}} = nn.unary square %[[X]] : tensor<?xf32, #nn.axis<token>>
  %10 = nn.unary square %x : tensor<?xf32, #nn.axis<token>>
  // CHECK-NEXT: %{{.*}} = nn.stop_gradient %[[X]] : tensor<?xf32, #nn.axis<token>>
  %11 = nn.stop_gradient %x : tensor<?xf32, #nn.axis<token>>
  return
}

// CHECK-LABEL: func.func @binary(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x4xf32, #nn.axis<context>>
// CHECK-SAME: %[[Y:[^:]*]]: tensor<?x4xf32, #nn.axis<context>>
func.func @binary(%x: tensor<?x4xf32, #nn.axis<context>>, %y: tensor<?x4xf32, #nn.axis<context>>) {
  // CHECK-NEXT: %{{.*}} = nn.binary add %[[X]], %[[Y]] : tensor<?x4xf32, #nn.axis<context>>
  %0 = nn.binary add %x, %y : tensor<?x4xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.binary sub %[[X]], %[[Y]] : tensor<?x4xf32, #nn.axis<context>>
  %1 = nn.binary sub %x, %y : tensor<?x4xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.binary mul %[[X]], %[[Y]] : tensor<?x4xf32, #nn.axis<context>>
  %2 = nn.binary mul %x, %y : tensor<?x4xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.binary div %[[X]], %[[Y]] : tensor<?x4xf32, #nn.axis<context>>
  %3 = nn.binary div %x, %y : tensor<?x4xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.binary min %[[X]], %[[Y]] : tensor<?x4xf32, #nn.axis<context>>
  %4 = nn.binary min %x, %y : tensor<?x4xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.binary max %[[X]], %[[Y]] : tensor<?x4xf32, #nn.axis<context>>
  %5 = nn.binary max %x, %y : tensor<?x4xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.compare eq %[[X]], %[[Y]] : tensor<?x4xf32, #nn.axis<context>>
  %6 = nn.compare eq %x, %y : tensor<?x4xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.compare ne %[[X]], %[[Y]] : tensor<?x4xf32, #nn.axis<context>>
  %7 = nn.compare ne %x, %y : tensor<?x4xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.compare lt %[[X]], %[[Y]] : tensor<?x4xf32, #nn.axis<context>>
  %8 = nn.compare lt %x, %y : tensor<?x4xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.compare le %[[X]], %[[Y]] : tensor<?x4xf32, #nn.axis<context>>
  %9 = nn.compare le %x, %y : tensor<?x4xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.compare gt %[[X]], %[[Y]] : tensor<?x4xf32, #nn.axis<context>>
  %10 = nn.compare gt %x, %y : tensor<?x4xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.compare ge %[[X]], %[[Y]] : tensor<?x4xf32, #nn.axis<context>>
  %11 = nn.compare ge %x, %y : tensor<?x4xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.select %[[X]], %[[Y]], %[[X]] : tensor<?x4xf32, #nn.axis<context>>
  %12 = nn.select %x, %y, %x : tensor<?x4xf32, #nn.axis<context>>
  return
}

// CHECK-LABEL: func.func @bf16(
// CHECK-SAME: %[[X:[^:]*]]: tensor<2x3xbf16>
func.func @bf16(%x: tensor<2x3xbf16>) {
  // CHECK-NEXT: %{{.*}} = nn.unary silu %[[X]] : tensor<2x3xbf16>
  %0 = nn.unary silu %x : tensor<2x3xbf16>
  // CHECK-NEXT: %{{.*}} = nn.binary mul %[[X]], %[[X]] : tensor<2x3xbf16>
  %1 = nn.binary mul %x, %x : tensor<2x3xbf16>
  return
}

// CHECK-LABEL: func.func @numbers(
// CHECK-SAME: %[[X:[^:]*]]: tensor<f32>
func.func @numbers(%x: tensor<f32>) {
  // CHECK-NEXT: %{{.*}} = nn.splat 5.000000e-01 : tensor<f32>
  %0 = nn.splat 5.000000e-01 : tensor<f32>
  // CHECK-NEXT: %{{.*}} = nn.splat -1.000000e+00 : tensor<?xf32, #nn.axis<token>>
  %1 = nn.splat -1.000000e+00 : tensor<?xf32, #nn.axis<token>>
  // CHECK-NEXT: %{{.*}} = nn.splat 0.000000e+00 : tensor<4x2xbf16>
  %2 = nn.splat 0.000000e+00 : tensor<4x2xbf16>
  // CHECK-NEXT: %{{.*}} = nn.spread %[[X]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<sequence>>
  %3 = nn.spread %x : (tensor<f32>) -> tensor<?xf32, #nn.axis<sequence>>
  // CHECK-NEXT: %{{.*}} = nn.spread %[[X]] : (tensor<f32>) -> tensor<?x4xf32, #nn.axis<context>>
  %4 = nn.spread %x : (tensor<f32>) -> tensor<?x4xf32, #nn.axis<context>>
  // CHECK-NEXT: %{{.*}} = nn.extent <context> : tensor<f32>
  %5 = nn.extent <context> : tensor<f32>
  // CHECK-NEXT: %{{.*}} = nn.extent <token> : tensor<f32>
  %6 = nn.extent <token> : tensor<f32>
  // CHECK-NEXT: %{{.*}} = nn.extent <sequence> : tensor<f32>
  %7 = nn.extent <sequence> : tensor<f32>
  // CHECK-NEXT: %{{.*}} = nn.extent <group> : tensor<f32>
  %8 = nn.extent <group> : tensor<f32>
  return
}

// CHECK-LABEL: func.func @fused(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x4xf32, #nn.axis<context>>, %[[B:[^:]*]]: tensor<f32>
// CHECK-NEXT: %{{.*}}:2 = nn.fused %[[X]], %[[B]] {nn.fused_from = "mul, exp"} : (tensor<?x4xf32, #nn.axis<context>>, tensor<f32>)
// CHECK-SAME: -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>) {
// CHECK-NEXT: ^bb0(%[[E:.*]]: f32, %[[N:.*]]: f32):
// CHECK-NEXT: %[[P:.*]] = arith.mulf %[[E]], %[[N]] : f32
// CHECK-NEXT: %[[Q:.*]] = math.exp %[[P]] : f32
// CHECK-NEXT: nn.yield %[[P]], %[[Q]] : f32, f32
// CHECK-NEXT: }
func.func @fused(%x: tensor<?x4xf32, #nn.axis<context>>, %b: tensor<f32>) {
  %0:2 = nn.fused %x, %b {nn.fused_from = "mul, exp"} : (tensor<?x4xf32, #nn.axis<context>>, tensor<f32>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>) {
  ^bb0(%e: f32, %n: f32):
    %p = arith.mulf %e, %n : f32
    %q = math.exp %p : f32
    nn.yield %p, %q : f32, f32
  }
  return
}
