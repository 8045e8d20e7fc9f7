// nn.binary folds x + 0, x - 0, x * 1 and x / 1 when the number is a splat; splats and constants of one value meet.
// RUN: mirl-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @neutral(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: return %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]] :
!rows = tensor<?x4xf32, #nn.axis<context>>
func.func @neutral(%x: !rows) -> (!rows, !rows, !rows, !rows, !rows, !rows) {
  %0 = nn.splat 0.0 : !rows
  %1 = nn.splat 1.0 : !rows
  %a = nn.binary add %x, %0 : !rows
  %b = nn.binary add %0, %x : !rows
  %c = nn.binary sub %x, %0 : !rows
  %d = nn.binary mul %x, %1 : !rows
  %e = nn.binary mul %1, %x : !rows
  %f = nn.binary div %x, %1 : !rows
  return %a, %b, %c, %d, %e, %f : !rows, !rows, !rows, !rows, !rows, !rows
}

// 0 - x, 1 / x, x * 0, min and max stay; so does a number that is spread from a tensor.
// CHECK-LABEL: func.func @kept(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?xf32, #nn.axis<token>>, %[[B:[^:]*]]: tensor<f32>
// CHECK-DAG: %[[ZERO:.*]] = nn.splat 0.000000e+00 : tensor<?xf32, #nn.axis<token>>
// CHECK-DAG: %[[ONE:.*]] = nn.splat 1.000000e+00 : tensor<?xf32, #nn.axis<token>>
// CHECK: %[[A:.*]] = nn.binary sub %[[ZERO]], %[[X]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[C:.*]] = nn.binary div %[[ONE]], %[[X]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[D:.*]] = nn.binary mul %[[X]], %[[ZERO]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[E:.*]] = nn.binary min %[[X]], %[[ZERO]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[F:.*]] = nn.binary max %[[X]], %[[ONE]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[S:.*]] = nn.spread %[[B]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[G:.*]] = nn.binary add %[[X]], %[[S]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[A]], %[[C]], %[[D]], %[[E]], %[[F]], %[[G]] :
!token = tensor<?xf32, #nn.axis<token>>
func.func @kept(%x: !token, %number: tensor<f32>) -> (!token, !token, !token, !token, !token, !token) {
  %0 = nn.splat 0.0 : !token
  %1 = nn.splat 1.0 : !token
  %a = nn.binary sub %0, %x : !token
  %c = nn.binary div %1, %x : !token
  %d = nn.binary mul %x, %0 : !token
  %e = nn.binary min %x, %0 : !token
  %f = nn.binary max %x, %1 : !token
  %spread = nn.spread %number : (tensor<f32>) -> !token
  %g = nn.binary add %x, %spread : !token
  return %a, %c, %d, %e, %f, %g : !token, !token, !token, !token, !token, !token
}

// Two constants of one value and type are one; another type or value is another.
// CHECK-LABEL: func.func @constants(
// CHECK-DAG: %[[S:.*]] = nn.splat 2.000000e+00 : tensor<3xf32>
// CHECK-DAG: %[[T:.*]] = nn.splat 2.000000e+00 : tensor<f32>
// CHECK-DAG: %[[C:.*]] = nn.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32> : tensor<2xf32>
// CHECK-DAG: %[[D:.*]] = nn.constant dense<[1.000000e+00, 3.000000e+00]> : tensor<2xf32> : tensor<2xf32>
// CHECK-NOT: nn.
// CHECK: return %[[S]], %[[S]], %[[T]], %[[C]], %[[C]], %[[D]] :
func.func @constants() -> (tensor<3xf32>, tensor<3xf32>, tensor<f32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) {
  %unused = nn.splat 9.0 : tensor<3xf32>
  %s = nn.splat 2.0 : tensor<3xf32>
  %s2 = nn.splat 2.0 : tensor<3xf32>
  %t = nn.splat 2.0 : tensor<f32>
  %c = nn.constant dense<[1.0, 2.0]> : tensor<2xf32> : tensor<2xf32>
  %c2 = nn.constant dense<[1.0, 2.0]> : tensor<2xf32> : tensor<2xf32>
  %d = nn.constant dense<[1.0, 3.0]> : tensor<2xf32> : tensor<2xf32>
  return %s, %s2, %t, %c, %c2, %d : tensor<3xf32>, tensor<3xf32>, tensor<f32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
}
