// differentiate: the derivatives of functions of two values, and of a choice.
// RUN: mirl-opt %s --differentiate | FileCheck %s

// The gradient itself, to both.
// CHECK-LABEL: func.func @add(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V2:.*]] = nn.binary add %[[ARG0]], %[[ARG1]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V3:.*]] = nn.reduce sum %[[V2]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V5:.*]] = nn.spread %[[V4]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V3]], %[[V5]], %[[V5]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @add(%a: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.a"}, %b: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.b"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.binary add %a, %b : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// CHECK-LABEL: func.func @sub(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V2:.*]] = nn.binary sub %[[ARG0]], %[[ARG1]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V3:.*]] = nn.reduce sum %[[V2]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V5:.*]] = nn.spread %[[V4]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.unary neg %[[V5]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V3]], %[[V5]], %[[V6]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @sub(%a: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.a"}, %b: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.b"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.binary sub %a, %b : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// CHECK-LABEL: func.func @mul(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V2:.*]] = nn.binary mul %[[ARG0]], %[[ARG1]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V3:.*]] = nn.reduce sum %[[V2]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V5:.*]] = nn.spread %[[V4]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.binary mul %[[V5]], %[[ARG1]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V7:.*]] = nn.binary mul %[[V5]], %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V3]], %[[V6]], %[[V7]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @mul(%a: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.a"}, %b: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.b"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.binary mul %a, %b : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// g / y, and -g (x / y) / y.
// CHECK-LABEL: func.func @div(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V2:.*]] = nn.binary div %[[ARG0]], %[[ARG1]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V3:.*]] = nn.reduce sum %[[V2]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V5:.*]] = nn.spread %[[V4]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.binary div %[[V5]], %[[ARG1]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V7:.*]] = nn.binary mul %[[V5]], %[[V2]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V8:.*]] = nn.binary div %[[V7]], %[[ARG1]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V9:.*]] = nn.unary neg %[[V8]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V3]], %[[V6]], %[[V9]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @div(%a: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.a"}, %b: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.b"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.binary div %a, %b : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// On ties to the left.
// CHECK-LABEL: func.func @min(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V2:.*]] = nn.binary min %[[ARG0]], %[[ARG1]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V3:.*]] = nn.reduce sum %[[V2]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V5:.*]] = nn.spread %[[V4]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.compare le %[[ARG0]], %[[ARG1]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V7:.*]] = nn.binary mul %[[V5]], %[[V6]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V8:.*]] = nn.splat 1.000000e+00 : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V9:.*]] = nn.binary sub %[[V8]], %[[V6]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V10:.*]] = nn.binary mul %[[V5]], %[[V9]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V3]], %[[V7]], %[[V10]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @min(%a: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.a"}, %b: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.b"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.binary min %a, %b : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// On ties to the left.
// CHECK-LABEL: func.func @max(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V2:.*]] = nn.binary max %[[ARG0]], %[[ARG1]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V3:.*]] = nn.reduce sum %[[V2]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V5:.*]] = nn.spread %[[V4]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.compare ge %[[ARG0]], %[[ARG1]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V7:.*]] = nn.binary mul %[[V5]], %[[V6]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V8:.*]] = nn.splat 1.000000e+00 : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V9:.*]] = nn.binary sub %[[V8]], %[[V6]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V10:.*]] = nn.binary mul %[[V5]], %[[V9]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V3]], %[[V7]], %[[V10]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @max(%a: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.a"}, %b: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.b"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.binary max %a, %b : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// To the branch that was chosen; none to the condition.
// CHECK-LABEL: func.func @select(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V3:.*]] = nn.select %[[ARG0]], %[[ARG1]], %[[ARG2]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V4:.*]] = nn.reduce sum %[[V3]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V5:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V6:.*]] = nn.spread %[[V5]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V7:.*]] = nn.splat 0.000000e+00 : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V8:.*]] = nn.select %[[ARG0]], %[[V6]], %[[V7]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V9:.*]] = nn.select %[[ARG0]], %[[V7]], %[[V6]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V10:.*]] = nn.splat 0.000000e+00 : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V4]], %[[V10]], %[[V8]], %[[V9]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @select(%c: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.c"}, %a: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.a"}, %b: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.b"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.select %c, %a, %b : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// Two uses add up.
// CHECK-LABEL: func.func @twice(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V1:.*]] = nn.binary mul %[[ARG0]], %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V2:.*]] = nn.reduce sum %[[V1]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V3:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.spread %[[V3]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V5:.*]] = nn.binary mul %[[V4]], %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.binary mul %[[V4]], %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V7:.*]] = nn.binary add %[[V5]], %[[V6]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V2]], %[[V7]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @twice(%a: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.a"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.binary mul %a, %a : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// In the maths behind a choice a gradient of 0 stays 0: where %n is 0 the quotient is not chosen, and its derivative is
// infinite.
// CHECK-LABEL: func.func @guarded(
// CHECK-SAME: %[[X:[^ :,]+]]: tensor<f32>,
// CHECK-SAME: %[[N:[^ :,]+]]: tensor<f32>)
// CHECK: nn.select %[[N]], %{{.*}}, %{{.*}} : tensor<f32>
// CHECK: %[[ONE:.*]] = nn.splat 1.000000e+00
// CHECK: %[[G:.*]] = nn.select %[[N]], %[[ONE]], %{{.*}} : tensor<f32>
// CHECK: %[[DX:.*]] = nn.binary div %[[G]], %[[N]] : tensor<f32>
// CHECK-NEXT: %[[ZERO:.*]] = nn.splat 0.000000e+00
// CHECK-NEXT: %[[SAFE:.*]] = nn.select %[[G]], %[[DX]], %[[ZERO]] : tensor<f32>
// CHECK-NEXT: return %{{.*}}, %[[SAFE]] : tensor<f32>, tensor<f32>
func.func @guarded(%x: tensor<f32> {nn.gradient_output = "grad.x"}, %n: tensor<f32>) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.binary div %x, %n : tensor<f32>
  %zero = nn.splat 0.0 : tensor<f32>
  %loss = nn.select %n, %y, %zero : tensor<f32>
  return %loss : tensor<f32>
}
