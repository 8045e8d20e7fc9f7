// differentiate: the derivative of each function of one value.
// RUN: mirl-opt %s --differentiate | FileCheck %s

// -1.
// CHECK-LABEL: func.func @neg(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V1:.*]] = nn.unary neg %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V2:.*]] = nn.reduce sum %[[V1]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V3:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.spread %[[V3]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V5:.*]] = nn.unary neg %[[V4]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V2]], %[[V5]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @neg(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.x"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.unary neg %x : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// y.
// CHECK-LABEL: func.func @exp(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V1:.*]] = nn.unary exp %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V2:.*]] = nn.reduce sum %[[V1]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V3:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.spread %[[V3]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V5:.*]] = nn.binary mul %[[V4]], %[[V1]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V2]], %[[V5]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @exp(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.x"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.unary exp %x : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// 1 / x.
// CHECK-LABEL: func.func @log(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V1:.*]] = nn.unary log %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V2:.*]] = nn.reduce sum %[[V1]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V3:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.spread %[[V3]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V5:.*]] = nn.binary div %[[V4]], %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V2]], %[[V5]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @log(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.x"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.unary log %x : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// 1 / (2 y).
// CHECK-LABEL: func.func @sqrt(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V1:.*]] = nn.unary sqrt %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V2:.*]] = nn.reduce sum %[[V1]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V3:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.spread %[[V3]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V5:.*]] = nn.splat 5.000000e-01 : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.binary div %[[V5]], %[[V1]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V7:.*]] = nn.binary mul %[[V4]], %[[V6]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V2]], %[[V7]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @sqrt(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.x"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.unary sqrt %x : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -y^3 / 2.
// CHECK-LABEL: func.func @rsqrt(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V1:.*]] = nn.unary rsqrt %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V2:.*]] = nn.reduce sum %[[V1]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V3:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.spread %[[V3]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V5:.*]] = nn.splat -5.000000e-01 : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.binary mul %[[V1]], %[[V1]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V7:.*]] = nn.binary mul %[[V1]], %[[V6]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V8:.*]] = nn.binary mul %[[V5]], %[[V7]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V9:.*]] = nn.binary mul %[[V4]], %[[V8]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V2]], %[[V9]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @rsqrt(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.x"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.unary rsqrt %x : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// the sign, 0 at 0.
// CHECK-LABEL: func.func @abs(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V1:.*]] = nn.unary abs %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V2:.*]] = nn.reduce sum %[[V1]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V3:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.spread %[[V3]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V5:.*]] = nn.splat 0.000000e+00 : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.compare gt %[[ARG0]], %[[V5]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V7:.*]] = nn.compare lt %[[ARG0]], %[[V5]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V8:.*]] = nn.binary sub %[[V6]], %[[V7]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V9:.*]] = nn.binary mul %[[V4]], %[[V8]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V2]], %[[V9]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @abs(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.x"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.unary abs %x : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// y (1 - y).
// CHECK-LABEL: func.func @sigmoid(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V1:.*]] = nn.unary sigmoid %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V2:.*]] = nn.reduce sum %[[V1]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V3:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.spread %[[V3]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V5:.*]] = nn.splat 1.000000e+00 : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.binary sub %[[V5]], %[[V1]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V7:.*]] = nn.binary mul %[[V1]], %[[V6]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V8:.*]] = nn.binary mul %[[V4]], %[[V7]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V2]], %[[V8]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @sigmoid(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.x"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.unary sigmoid %x : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// s (1 + x (1 - s)).
// CHECK-LABEL: func.func @silu(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V1:.*]] = nn.unary silu %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V2:.*]] = nn.reduce sum %[[V1]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V3:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.spread %[[V3]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V5:.*]] = nn.unary sigmoid %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.splat 1.000000e+00 : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V7:.*]] = nn.splat 1.000000e+00 : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V8:.*]] = nn.binary sub %[[V7]], %[[V5]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V9:.*]] = nn.binary mul %[[ARG0]], %[[V8]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V10:.*]] = nn.binary add %[[V6]], %[[V9]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V11:.*]] = nn.binary mul %[[V5]], %[[V10]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V12:.*]] = nn.binary mul %[[V4]], %[[V11]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V2]], %[[V12]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @silu(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.x"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.unary silu %x : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// 1 - y^2.
// CHECK-LABEL: func.func @tanh(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V1:.*]] = nn.unary tanh %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V2:.*]] = nn.reduce sum %[[V1]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V3:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.spread %[[V3]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V5:.*]] = nn.splat 1.000000e+00 : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.binary mul %[[V1]], %[[V1]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V7:.*]] = nn.binary sub %[[V5]], %[[V6]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V8:.*]] = nn.binary mul %[[V4]], %[[V7]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V2]], %[[V8]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @tanh(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.x"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.unary tanh %x : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// sigmoid(-x): never 0 / 0.
// CHECK-LABEL: func.func @log_sigmoid(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V1:.*]] = nn.unary log_sigmoid %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V2:.*]] = nn.reduce sum %[[V1]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V3:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.spread %[[V3]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V5:.*]] = nn.unary neg %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.unary sigmoid %[[V5]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V7:.*]] = nn.binary mul %[[V4]], %[[V6]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V2]], %[[V7]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @log_sigmoid(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.x"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.unary log_sigmoid %x : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// 2 x.
// CHECK-LABEL: func.func @square(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V1:.*]] = nn.unary square %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V2:.*]] = nn.reduce sum %[[V1]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V3:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.spread %[[V3]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V5:.*]] = nn.binary add %[[ARG0]], %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.binary mul %[[V4]], %[[V5]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V2]], %[[V6]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @square(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.x"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %y = nn.unary square %x : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %y : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}
