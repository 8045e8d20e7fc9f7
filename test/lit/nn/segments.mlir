// Sums and spreads between tokens, sequences, groups and the batch; axes and numerics.
// RUN: mirl-opt %s | mirl-opt | FileCheck %s
// RUN: mirl-opt %s --mlir-print-op-generic | mirl-opt | FileCheck %s

// CHECK-LABEL: func.func @segments(
// CHECK-SAME: %[[S:[^:]*]]: tensor<?xf32, #nn.axis<sequence>>
// CHECK-SAME: %[[T:[^:]*]]: tensor<?xf32, #nn.axis<token>>
// CHECK-SAME: %[[G:[^:]*]]: tensor<?xf32, #nn.axis<group>>
// CHECK-SAME: %[[SO:[^:]*]]: tensor<?xi32, #nn.axis<sequence, 1>>
// CHECK-SAME: %[[GO:[^:]*]]: tensor<?xi32, #nn.axis<group, 1>>
func.func @segments(%s: tensor<?xf32, #nn.axis<sequence>>, %t: tensor<?xf32, #nn.axis<token>>,
    %g: tensor<?xf32, #nn.axis<group>>, %so: tensor<?xi32, #nn.axis<sequence, 1>>,
    %go: tensor<?xi32, #nn.axis<group, 1>>) {
  // CHECK-NEXT: %{{.*}} = nn.segment_spread %[[S]], %[[SO]] : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<token>>
  %0 = nn.segment_spread %s, %so : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<token>>
  // CHECK-NEXT: %{{.*}} = nn.segment_spread %[[G]], %[[GO]] : (tensor<?xf32, #nn.axis<group>>, tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
  %1 = nn.segment_spread %g, %go : (tensor<?xf32, #nn.axis<group>>, tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
  // CHECK-NEXT: %{{.*}} = nn.segment_reduce sum %[[T]], %[[SO]] : (tensor<?xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
  %2 = nn.segment_reduce sum %t, %so : (tensor<?xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
  // CHECK-NEXT: %{{.*}} = nn.segment_reduce max %[[S]], %[[GO]] : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<group>>
  %3 = nn.segment_reduce max %s, %go : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<group>>
  // CHECK-NEXT: %{{.*}} = nn.segment_reduce min %[[S]], %[[GO]] {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<group>>
  %4 = nn.segment_reduce min %s, %go {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<group>>
  // CHECK-NEXT: %{{.*}} = nn.segment_count %[[SO]] : (tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
  %5 = nn.segment_count %so : (tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
  // CHECK-NEXT: %{{.*}} = nn.segment_count %[[GO]] : (tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<group>>
  %6 = nn.segment_count %go : (tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<group>>
  return
}

// Rows may be fixed in number: offsets then have one more.
// CHECK-LABEL: func.func @fixed(
// CHECK-SAME: %[[X:[^:]*]]: tensor<4xf32>
// CHECK-SAME: %[[O:[^:]*]]: tensor<3xi32>
func.func @fixed(%x: tensor<4xf32>, %o: tensor<3xi32>) {
  // CHECK-NEXT: %{{.*}} = nn.segment_reduce sum %[[X]], %[[O]] : (tensor<4xf32>, tensor<3xi32>) -> tensor<2xf32>
  %0 = nn.segment_reduce sum %x, %o : (tensor<4xf32>, tensor<3xi32>) -> tensor<2xf32>
  // CHECK-NEXT: %{{.*}} = nn.segment_count %[[O]] : (tensor<3xi32>) -> tensor<2xf32>
  %1 = nn.segment_count %o : (tensor<3xi32>) -> tensor<2xf32>
  return
}

// CHECK-LABEL: func.func @reduce(
// CHECK-SAME: %[[T:[^:]*]]: tensor<?xf32, #nn.axis<token>>
// CHECK-SAME: %[[INTO:[^:]*]]: tensor<f32>
func.func @reduce(%t: tensor<?xf32, #nn.axis<token>>, %into: tensor<f32>) {
  // CHECK-NEXT: %{{.*}} = nn.reduce sum %[[T]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  %0 = nn.reduce sum %t : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  // CHECK-NEXT: %{{.*}} = nn.reduce max %[[T]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  %1 = nn.reduce max %t : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  // CHECK-NEXT: %{{.*}} = nn.reduce min %[[T]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  %2 = nn.reduce min %t : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  // CHECK-NEXT: %{{.*}} = nn.reduce sum %[[T]] into(%[[INTO]]) : (tensor<?xf32, #nn.axis<token>>, tensor<f32>) -> tensor<f32>
  %3 = nn.reduce sum %t into(%into) : (tensor<?xf32, #nn.axis<token>>, tensor<f32>) -> tensor<f32>
  // CHECK-NEXT: %{{.*}} = nn.reduce sum %[[T]] into(%[[INTO]]) {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?xf32, #nn.axis<token>>, tensor<f32>) -> tensor<f32>
  %4 = nn.reduce sum %t into(%into) {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?xf32, #nn.axis<token>>, tensor<f32>) -> tensor<f32>
  return
}

// The order of a reduction, with its width and the type it accumulates in.
// CHECK-LABEL: func.func @numerics(
// CHECK-SAME: %[[T:[^:]*]]: tensor<?xf32, #nn.axis<token>>
func.func @numerics(%t: tensor<?xf32, #nn.axis<token>>) {
  // CHECK-NEXT: %{{.*}} = nn.reduce sum %[[T]] {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  %0 = nn.reduce sum %t {numerics = #nn.numerics<"chain", 1, f32>} : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  // CHECK-NEXT: %{{.*}} = nn.reduce sum %[[T]] {numerics = #nn.numerics<"chain", 1, f64>} : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  %1 = nn.reduce sum %t {numerics = #nn.numerics<"chain", 1, f64>} : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  // CHECK-NEXT: %{{.*}} = nn.reduce sum %[[T]] {numerics = #nn.numerics<"lanes", 8, f32>} : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  %2 = nn.reduce sum %t {numerics = #nn.numerics<"lanes", 8, f32>} : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  // CHECK-NEXT: %{{.*}} = nn.reduce sum %[[T]] {numerics = #nn.numerics<"blocks", 256, f32>} : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  %3 = nn.reduce sum %t {numerics = #nn.numerics<"blocks", 256, f32>} : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return
}

// Every axis, alone and with extra rows.
// CHECK: func.func private @axis_context(tensor<?xf32, #nn.axis<context>>, tensor<?x8xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context, 1>>)
func.func private @axis_context(tensor<?xf32, #nn.axis<context>>, tensor<?x8xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context, 1>>)
// CHECK: func.func private @axis_token(tensor<?xf32, #nn.axis<token>>, tensor<?x8xbf16, #nn.axis<token>>, tensor<?xi32, #nn.axis<token, 1>>)
func.func private @axis_token(tensor<?xf32, #nn.axis<token>>, tensor<?x8xbf16, #nn.axis<token>>, tensor<?xi32, #nn.axis<token, 1>>)
// CHECK: func.func private @axis_sequence(tensor<?xf32, #nn.axis<sequence>>, tensor<?x8xbf16, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<sequence, 1>>)
func.func private @axis_sequence(tensor<?xf32, #nn.axis<sequence>>, tensor<?x8xbf16, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<sequence, 1>>)
// CHECK: func.func private @axis_group(tensor<?xf32, #nn.axis<group>>, tensor<?x8xbf16, #nn.axis<group>>, tensor<?xi32, #nn.axis<group, 1>>)
func.func private @axis_group(tensor<?xf32, #nn.axis<group>>, tensor<?x8xbf16, #nn.axis<group>>, tensor<?xi32, #nn.axis<group, 1>>)
// CHECK: func.func private @written(tensor<?xf32, #nn.axis<token>>)
func.func private @written(tensor<?xf32, #nn.axis<token, 0>>)
