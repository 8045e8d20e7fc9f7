// fuse: elementwise ops become loops.
// RUN: mirl-opt %s --fuse | FileCheck %s

// Ops that feed each other are one loop; only what is used outside comes out.
// CHECK-LABEL: func.func @chain(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?x4xf32, #nn.axis<context>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?x4xf32, #nn.axis<context>>)
// CHECK-SAME: -> tensor<?x4xf32, #nn.axis<context>> {
// CHECK-NEXT: %[[V2:.*]] = nn.fused %[[ARG0]], %[[ARG1]] {nn.fused_from = "silu, mul"} : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>> {
// CHECK-NEXT: ^bb0(%[[ARG2:[^ :,]+]]: f32, %[[ARG3:[^ :,]+]]: f32):
// CHECK-NEXT: %[[CST:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-NEXT: %[[V6:.*]] = arith.negf %[[ARG2]] : f32
// CHECK-NEXT: %[[V7:.*]] = math.exp %[[V6]] : f32
// CHECK-NEXT: %[[V8:.*]] = arith.addf %[[CST]], %[[V7]] : f32
// CHECK-NEXT: %[[V9:.*]] = arith.divf %[[ARG2]], %[[V8]] : f32
// CHECK-NEXT: %[[V10:.*]] = arith.mulf %[[V9]], %[[ARG3]] : f32
// CHECK-NEXT: nn.yield %[[V10]] : f32
// CHECK-NEXT: }
// CHECK-NEXT: return %[[V2]] : tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: }
func.func @chain(%gate: tensor<?x4xf32, #nn.axis<context>>, %up: tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>> {
  %s = nn.unary silu %gate : tensor<?x4xf32, #nn.axis<context>>
  %y = nn.binary mul %s, %up : tensor<?x4xf32, #nn.axis<context>>
  return %y : tensor<?x4xf32, #nn.axis<context>>
}

// Both results are used: two come out.
// CHECK-LABEL: func.func @both(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?x4xf32, #nn.axis<context>>)
// CHECK-SAME: -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>) {
// CHECK-NEXT: %[[V1:.*]]:2 = nn.fused %[[ARG0]] {nn.fused_from = "exp, add"} : (tensor<?x4xf32, #nn.axis<context>>) -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>) {
// CHECK-NEXT: ^bb0(%[[ARG1:[^ :,]+]]: f32):
// CHECK-NEXT: %[[V3:.*]] = math.exp %[[ARG1]] : f32
// CHECK-NEXT: %[[V4:.*]] = arith.addf %[[V3]], %[[ARG1]] : f32
// CHECK-NEXT: nn.yield %[[V3]], %[[V4]] : f32, f32
// CHECK-NEXT: }
// CHECK-NEXT: return %[[V1]]#0, %[[V1]]#1 : tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: }
func.func @both(%x: tensor<?x4xf32, #nn.axis<context>>) -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>) {
  %s = nn.unary exp %x : tensor<?x4xf32, #nn.axis<context>>
  %y = nn.binary add %s, %x : tensor<?x4xf32, #nn.axis<context>>
  return %s, %y : tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>
}

// Numbers: a splat becomes a constant of the loop, a spread number an operand of rank 0.
// CHECK-LABEL: func.func @numbers(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<f32>)
// CHECK-SAME: -> tensor<?xf32, #nn.axis<token>> {
// CHECK-NEXT: %[[V2:.*]] = nn.fused %[[ARG0]], %[[ARG1]] {nn.fused_from = "mul, sub"} : (tensor<?xf32, #nn.axis<token>>, tensor<f32>) -> tensor<?xf32, #nn.axis<token>> {
// CHECK-NEXT: ^bb0(%[[ARG2:[^ :,]+]]: f32, %[[ARG3:[^ :,]+]]: f32):
// CHECK-NEXT: %[[CST:.*]] = arith.constant 5.000000e-01 : f32
// CHECK-NEXT: %[[V6:.*]] = arith.mulf %[[ARG2]], %[[CST]] : f32
// CHECK-NEXT: %[[V7:.*]] = arith.subf %[[V6]], %[[ARG3]] : f32
// CHECK-NEXT: nn.yield %[[V7]] : f32
// CHECK-NEXT: }
// CHECK-NEXT: return %[[V2]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @numbers(%x: tensor<?xf32, #nn.axis<token>>, %n: tensor<f32>) -> tensor<?xf32, #nn.axis<token>> {
  %half = nn.splat 0.5 : tensor<?xf32, #nn.axis<token>>
  %spread = nn.spread %n : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
  %a = nn.binary mul %x, %half : tensor<?xf32, #nn.axis<token>>
  %b = nn.binary sub %a, %spread : tensor<?xf32, #nn.axis<token>>
  return %b : tensor<?xf32, #nn.axis<token>>
}

// Comparisons are 1 or 0; a choice is by being other than 0; stop_gradient is nothing.
// CHECK-LABEL: func.func @choice(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-SAME: -> tensor<?xf32, #nn.axis<token>> {
// CHECK-NEXT: %[[V2:.*]] = nn.fused %[[ARG0]], %[[ARG1]] {nn.fused_from = "gt, stop_gradient, select, max"} : (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>) -> tensor<?xf32, #nn.axis<token>> {
// CHECK-NEXT: ^bb0(%[[ARG2:[^ :,]+]]: f32, %[[ARG3:[^ :,]+]]: f32):
// CHECK-NEXT: %[[V5:.*]] = arith.cmpf ogt, %[[ARG2]], %[[ARG3]] : f32
// CHECK-NEXT: %[[CST:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-NEXT: %[[CST_0:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT: %[[V8:.*]] = arith.select %[[V5]], %[[CST]], %[[CST_0]] : f32
// CHECK-NEXT: %[[CST_1:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT: %[[V10:.*]] = arith.cmpf une, %[[V8]], %[[CST_1]] : f32
// CHECK-NEXT: %[[V11:.*]] = arith.select %[[V10]], %[[ARG2]], %[[ARG3]] : f32
// CHECK-NEXT: %[[V12:.*]] = arith.maximumf %[[V11]], %[[ARG3]] : f32
// CHECK-NEXT: nn.yield %[[V12]] : f32
// CHECK-NEXT: }
// CHECK-NEXT: return %[[V2]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @choice(%x: tensor<?xf32, #nn.axis<token>>, %y: tensor<?xf32, #nn.axis<token>>) -> tensor<?xf32, #nn.axis<token>> {
  %c = nn.compare gt %x, %y : tensor<?xf32, #nn.axis<token>>
  %s = nn.stop_gradient %y : tensor<?xf32, #nn.axis<token>>
  %r = nn.select %c, %x, %s : tensor<?xf32, #nn.axis<token>>
  %m = nn.binary max %r, %y : tensor<?xf32, #nn.axis<token>>
  return %m : tensor<?xf32, #nn.axis<token>>
}

// Other types and unrelated ops are other loops.
// CHECK-LABEL: func.func @apart(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?x4xf32, #nn.axis<context>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?x4xf32, #nn.axis<context>>,
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-SAME: -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<token>>, tensor<?x4xf32, #nn.axis<context>>) {
// CHECK-NEXT: %[[V3:.*]] = nn.fused %[[ARG0]] {nn.fused_from = "exp"} : (tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>> {
// CHECK-NEXT: ^bb0(%[[ARG3:[^ :,]+]]: f32):
// CHECK-NEXT: %[[V5:.*]] = math.exp %[[ARG3]] : f32
// CHECK-NEXT: nn.yield %[[V5]] : f32
// CHECK-NEXT: }
// CHECK-NEXT: %[[V6:.*]] = nn.fused %[[ARG2]] {nn.fused_from = "exp"} : (tensor<?xf32, #nn.axis<token>>) -> tensor<?xf32, #nn.axis<token>> {
// CHECK-NEXT: ^bb0(%[[ARG3:[^ :,]+]]: f32):
// CHECK-NEXT: %[[V7:.*]] = math.exp %[[ARG3]] : f32
// CHECK-NEXT: nn.yield %[[V7]] : f32
// CHECK-NEXT: }
// CHECK-NEXT: %[[V7:.*]] = nn.fused %[[ARG1]] {nn.fused_from = "neg"} : (tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>> {
// CHECK-NEXT: ^bb0(%[[ARG3:[^ :,]+]]: f32):
// CHECK-NEXT: %[[V8:.*]] = arith.negf %[[ARG3]] : f32
// CHECK-NEXT: nn.yield %[[V8]] : f32
// CHECK-NEXT: }
// CHECK-NEXT: return %[[V3]], %[[V6]], %[[V7]] : tensor<?x4xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<token>>, tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: }
func.func @apart(%x: tensor<?x4xf32, #nn.axis<context>>, %y: tensor<?x4xf32, #nn.axis<context>>, %t: tensor<?xf32, #nn.axis<token>>) -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<token>>, tensor<?x4xf32, #nn.axis<context>>) {
  %a = nn.unary exp %x : tensor<?x4xf32, #nn.axis<context>>
  %b = nn.unary exp %t : tensor<?xf32, #nn.axis<token>>
  %c = nn.unary neg %y : tensor<?x4xf32, #nn.axis<context>>
  return %a, %b, %c : tensor<?x4xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<token>>, tensor<?x4xf32, #nn.axis<context>>
}

// Ops that read one tensor share a loop, though neither feeds the other.
// CHECK-LABEL: func.func @shared(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?x4xf32, #nn.axis<context>>)
// CHECK-SAME: -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>) {
// CHECK-NEXT: %[[V1:.*]]:2 = nn.fused %[[ARG0]] {nn.fused_from = "exp, neg"} : (tensor<?x4xf32, #nn.axis<context>>) -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>) {
// CHECK-NEXT: ^bb0(%[[ARG1:[^ :,]+]]: f32):
// CHECK-NEXT: %[[V3:.*]] = math.exp %[[ARG1]] : f32
// CHECK-NEXT: %[[V4:.*]] = arith.negf %[[ARG1]] : f32
// CHECK-NEXT: nn.yield %[[V3]], %[[V4]] : f32, f32
// CHECK-NEXT: }
// CHECK-NEXT: return %[[V1]]#0, %[[V1]]#1 : tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: }
func.func @shared(%x: tensor<?x4xf32, #nn.axis<context>>) -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>) {
  %a = nn.unary exp %x : tensor<?x4xf32, #nn.axis<context>>
  %b = nn.unary neg %x : tensor<?x4xf32, #nn.axis<context>>
  return %a, %b : tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>
}

// A loop does not move past an op that reads it: the product stands between two loops.
// CHECK-LABEL: func.func @between(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?x4xf32, #nn.axis<context>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<4x4xf32>)
// CHECK-SAME: -> tensor<?x4xf32, #nn.axis<context>> {
// CHECK-NEXT: %[[V2:.*]] = nn.fused %[[ARG0]] {nn.fused_from = "silu"} : (tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>> {
// CHECK-NEXT: ^bb0(%[[ARG2:[^ :,]+]]: f32):
// CHECK-NEXT: %[[CST:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-NEXT: %[[V5:.*]] = arith.negf %[[ARG2]] : f32
// CHECK-NEXT: %[[V6:.*]] = math.exp %[[V5]] : f32
// CHECK-NEXT: %[[V7:.*]] = arith.addf %[[CST]], %[[V6]] : f32
// CHECK-NEXT: %[[V8:.*]] = arith.divf %[[ARG2]], %[[V7]] : f32
// CHECK-NEXT: nn.yield %[[V8]] : f32
// CHECK-NEXT: }
// CHECK-NEXT: %[[V9:.*]] = nn.linear %[[V2]], %[[ARG1]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V10:.*]] = nn.fused %[[V9]], %[[V2]] {nn.fused_from = "mul"} : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>> {
// CHECK-NEXT: ^bb0(%[[ARG2:[^ :,]+]]: f32, %[[ARG3:[^ :,]+]]: f32):
// CHECK-NEXT: %[[V12:.*]] = arith.mulf %[[ARG2]], %[[ARG3]] : f32
// CHECK-NEXT: nn.yield %[[V12]] : f32
// CHECK-NEXT: }
// CHECK-NEXT: return %[[V10]] : tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: }
func.func @between(%x: tensor<?x4xf32, #nn.axis<context>>, %w: tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>> {
  %a = nn.unary silu %x : tensor<?x4xf32, #nn.axis<context>>
  %y = nn.linear %a, %w : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
  %b = nn.binary mul %y, %a : tensor<?x4xf32, #nn.axis<context>>
  return %b : tensor<?x4xf32, #nn.axis<context>>
}

// A number that is a result stays; one without users goes.
// CHECK-LABEL: func.func @result(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<f32>)
// CHECK-SAME: -> tensor<4x4xf32> {
// CHECK-NEXT: %[[V1:.*]] = nn.splat 0.000000e+00 : tensor<4x4xf32>
// CHECK-NEXT: return %[[V1]] : tensor<4x4xf32>
// CHECK-NEXT: }
func.func @result(%x: tensor<f32>) -> tensor<4x4xf32> {
  %zero = nn.splat 0.0 : tensor<4x4xf32>
  %unused = nn.splat 1.0 : tensor<?xf32, #nn.axis<token>>
  return %zero : tensor<4x4xf32>
}

// A model is left alone.
// CHECK-LABEL: func.func private @model(
// CHECK: nn.unary silu
// CHECK: nn.linear %{{.*}}, %{{.*}} : (
// CHECK: nn.binary add
// CHECK-NOT: nn.fused
func.func private @model(%x: tensor<?x4xf32, #nn.axis<context>>, %w: tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>> attributes {nn.model} {
  %a = nn.unary silu %x : tensor<?x4xf32, #nn.axis<context>>
  %y = nn.linear %a, %w : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
  %b = nn.binary add %y, %a : tensor<?x4xf32, #nn.axis<context>>
  return %b : tensor<?x4xf32, #nn.axis<context>>
}

// What nothing reads is no loop.
// CHECK-LABEL: func.func @dead(
// CHECK-SAME: %[[X:[^ :]+]]: tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: return %[[X]]
func.func @dead(%x: tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>> {
  %a = nn.unary exp %x : tensor<?x4xf32, #nn.axis<context>>
  %b = nn.binary mul %a, %x : tensor<?x4xf32, #nn.axis<context>>
  return %x : tensor<?x4xf32, #nn.axis<context>>
}

// A gradient that nobody reads here does not stand between two loops that read the same: it comes after both.
// CHECK-LABEL: func.func @gradient(
// CHECK-NEXT: %[[LOOP:.*]]:2 = nn.fused {{.*}} {nn.fused_from = "exp, mul"}
// CHECK: %[[DW:.*]] = nn.linear_weight_grad %{{.*}}, %[[LOOP]]#0, %
// CHECK-NEXT: return %[[DW]], %[[LOOP]]#1
func.func @gradient(%x: tensor<?x4xf32, #nn.axis<context>>, %dy: tensor<?x8xf32, #nn.axis<context>>, %dw: tensor<8x4xf32>)
    -> (tensor<8x4xf32>, tensor<?x4xf32, #nn.axis<context>>) {
  %h = nn.unary exp %x : tensor<?x4xf32, #nn.axis<context>>
  %0 = nn.linear_weight_grad %dy, %h, %dw : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %y = nn.binary mul %x, %x : tensor<?x4xf32, #nn.axis<context>>
  return %0, %y : tensor<8x4xf32>, tensor<?x4xf32, #nn.axis<context>>
}
