// differentiate: sums and spreads over segments.
// RUN: mirl-opt %s --differentiate | FileCheck %s

// A spread is the adjoint of a sum, and a sum that of a spread.
// CHECK-LABEL: func.func @sum(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xi32, #nn.axis<sequence, 1>>)
// CHECK-NEXT: %[[V2:.*]] = nn.segment_reduce sum %[[ARG0]], %[[ARG1]] : (tensor<?xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V3:.*]] = nn.reduce sum %[[V2]] : (tensor<?xf32, #nn.axis<sequence>>) -> tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V5:.*]] = nn.spread %[[V4]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V6:.*]] = nn.segment_spread %[[V5]], %[[ARG1]] : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V3]], %[[V6]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @sum(%t: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.t"}, %o: tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.segment_reduce sum %t, %o : (tensor<?xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<sequence>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// CHECK-LABEL: func.func @spread(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<sequence>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xi32, #nn.axis<sequence, 1>>)
// CHECK-NEXT: %[[V2:.*]] = nn.segment_spread %[[ARG0]], %[[ARG1]] : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V3:.*]] = nn.reduce sum %[[V2]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V5:.*]] = nn.spread %[[V4]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.segment_reduce sum %[[V5]], %[[ARG1]] : (tensor<?xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: return %[[V3]], %[[V6]] : tensor<f32>, tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: }
func.func @spread(%s: tensor<?xf32, #nn.axis<sequence>> {nn.gradient_output = "grad.s"}, %o: tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.segment_spread %s, %o : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// The largest of a segment: to every row that equals it.
// CHECK-LABEL: func.func @largest(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xi32, #nn.axis<sequence, 1>>)
// CHECK-NEXT: %[[V2:.*]] = nn.segment_reduce max %[[ARG0]], %[[ARG1]] : (tensor<?xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V3:.*]] = nn.reduce sum %[[V2]] : (tensor<?xf32, #nn.axis<sequence>>) -> tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V5:.*]] = nn.spread %[[V4]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V6:.*]] = nn.segment_spread %[[V5]], %[[ARG1]] : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V7:.*]] = nn.segment_spread %[[V2]], %[[ARG1]] : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V8:.*]] = nn.compare eq %[[ARG0]], %[[V7]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V9:.*]] = nn.binary mul %[[V6]], %[[V8]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V3]], %[[V9]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @largest(%t: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.t"}, %o: tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.segment_reduce max %t, %o : (tensor<?xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<sequence>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// CHECK-LABEL: func.func @number(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<f32>)
// CHECK-NEXT: %[[V1:.*]] = nn.spread %[[ARG0]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V2:.*]] = nn.reduce sum %[[V1]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V3:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.spread %[[V3]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V5:.*]] = nn.reduce sum %[[V4]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: return %[[V2]], %[[V5]] : tensor<f32>, tensor<f32>
// CHECK-NEXT: }
func.func @number(%n: tensor<f32> {nn.gradient_output = "grad.n"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.spread %n : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// CHECK-LABEL: func.func @smallest(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V1:.*]] = nn.reduce min %[[ARG0]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V2:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V3:.*]] = nn.spread %[[V2]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V4:.*]] = nn.spread %[[V1]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V5:.*]] = nn.compare eq %[[ARG0]], %[[V4]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.binary mul %[[V3]], %[[V5]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V1]], %[[V6]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @smallest(%t: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.t"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %loss = nn.reduce min %t : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// What the chain starts from gets the gradient itself.
// CHECK-LABEL: func.func @into(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<f32>)
// CHECK-NEXT: %[[V2:.*]] = nn.reduce sum %[[ARG0]] into(%[[ARG1]]) : (tensor<?xf32, #nn.axis<token>>, tensor<f32>) -> tensor<f32>
// CHECK-NEXT: %[[V3:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.spread %[[V3]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V2]], %[[V4]], %[[V3]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>, tensor<f32>
// CHECK-NEXT: }
func.func @into(%t: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.t"}, %n: tensor<f32> {nn.gradient_output = "grad.n"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %loss = nn.reduce sum %t into(%n) : (tensor<?xf32, #nn.axis<token>>, tensor<f32>) -> tensor<f32>
  return %loss : tensor<f32>
}

// Counts and extents carry no gradient.
// CHECK-LABEL: func.func @counts(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<sequence>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xi32, #nn.axis<sequence, 1>>)
// CHECK-NEXT: %[[V2:.*]] = nn.segment_count %[[ARG1]] : (tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V3:.*]] = nn.extent <sequence> : tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.spread %[[V3]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V5:.*]] = nn.binary div %[[ARG0]], %[[V2]] : tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V6:.*]] = nn.binary div %[[V5]], %[[V4]] : tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V7:.*]] = nn.reduce sum %[[V6]] : (tensor<?xf32, #nn.axis<sequence>>) -> tensor<f32>
// CHECK-NEXT: %[[V8:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V9:.*]] = nn.spread %[[V8]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V10:.*]] = nn.binary div %[[V9]], %[[V4]] : tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V11:.*]] = nn.binary div %[[V10]], %[[V2]] : tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: return %[[V7]], %[[V11]] : tensor<f32>, tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: }
func.func @counts(%s: tensor<?xf32, #nn.axis<sequence>> {nn.gradient_output = "grad.s"}, %o: tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %c = nn.segment_count %o : (tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
  %e = nn.extent <sequence> : tensor<f32>
  %f = nn.spread %e : (tensor<f32>) -> tensor<?xf32, #nn.axis<sequence>>
  %g = nn.binary div %s, %c : tensor<?xf32, #nn.axis<sequence>>
  %y = nn.binary div %g, %f : tensor<?xf32, #nn.axis<sequence>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<sequence>>) -> tensor<f32>
  return %loss : tensor<f32>
}
