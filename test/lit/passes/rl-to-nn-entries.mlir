// rl-to-nn: plain entries, for `mirl call`. Values with scopes become tensors over axes.
// RUN: mirl-opt %s --rl-to-nn | FileCheck %s

// The gradient of the first result is asked for; a reduction from token to group goes by way of the sequences.
// The maximum of nothing is 0.
// CHECK-LABEL: func.func @md(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.p", nn.name = "p", nn.source = "input:p"},
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xf32, #nn.axis<sequence>> {nn.name = "r", nn.source = "input:r"},
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<f32> {nn.name = "tau", nn.source = "input:tau"},
// CHECK-SAME: %[[ARG3:[^ :,]+]]: tensor<?xi32, #nn.axis<sequence, 1>> {nn.name = "token_offsets", nn.source = "token_offsets"},
// CHECK-SAME: %[[ARG4:[^ :,]+]]: tensor<?xi32, #nn.axis<group, 1>> {nn.name = "group_offsets", nn.source = "group_offsets"})
// CHECK-SAME: -> (tensor<f32> {nn.name = "loss", nn.source = "output:loss"}, tensor<?xf32, #nn.axis<token>> {nn.name = "d", nn.source = "output:d"}) attributes {nn.capacities = {context = 65536 : i64, group = 16384 : i64, sequence = 16384 : i64, token = 65536 : i64}, nn.differentiate = {loss = 0 : i64}, nn.kind = "plain"} {
// CHECK-NEXT: %[[V5:.*]] = nn.spread %[[ARG2]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.binary mul %[[ARG0]], %[[V5]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V7:.*]] = nn.segment_reduce max %[[V6]], %[[ARG3]] : (tensor<?xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V8:.*]] = nn.segment_reduce max %[[V7]], %[[ARG4]] : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<group>>
// CHECK-NEXT: %[[ZERO:.*]] = nn.splat 0.000000e+00 : tensor<?xf32, #nn.axis<group>>
// CHECK-NEXT: %[[N:.*]] = nn.segment_count %[[ARG3]] : (tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[COUNT:.*]] = nn.segment_reduce sum %[[N]], %[[ARG4]] : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<group>>
// CHECK-NEXT: %[[BEST:.*]] = nn.select %[[COUNT]], %[[V8]], %[[ZERO]] : tensor<?xf32, #nn.axis<group>>
// CHECK-NEXT: %[[V9:.*]] = nn.reduce sum %[[BEST]] : (tensor<?xf32, #nn.axis<group>>) -> tensor<f32>
// CHECK-NEXT: %[[V10:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V11:.*]] = nn.extent <group> : tensor<f32>
// CHECK-NEXT: %[[V12:.*]] = nn.binary max %[[V11]], %[[V10]] : tensor<f32>
// CHECK-NEXT: %[[V13:.*]] = nn.binary div %[[V9]], %[[V12]] : tensor<f32>
// CHECK-NEXT: %[[V14:.*]] = nn.stop_gradient %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V13]], %[[V14]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
rl.entry @md ["p", "r", "tau"] -> ["loss", "d"] gradients [0] {
^bb0(%p: !rl.per<token, f32>, %r: !rl.per<sequence, f32>, %tau: !rl.per<batch, f32>):
  %t = rl.spread %tau : !rl.per<batch, f32> to !rl.per<token, f32>
  %m = rl.binary mul %p, %t : !rl.per<token, f32>
  %g = rl.reduce max %m : !rl.per<token, f32> to !rl.per<group, f32>
  %l = rl.reduce mean %g : !rl.per<group, f32> to !rl.per<batch, f32>
  %d = rl.stop_gradient %p : !rl.per<token, f32>
  rl.yield %l, %d : !rl.per<batch, f32>, !rl.per<token, f32>
}

// Without gradients there is nothing to stop.
// CHECK-LABEL: func.func @stopped(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>> {nn.name = "p", nn.source = "input:p"})
// CHECK-SAME: -> (tensor<?xf32, #nn.axis<token>> {nn.name = "d", nn.source = "output:d"}) attributes {nn.capacities = {context = 65536 : i64, group = 16384 : i64, sequence = 16384 : i64, token = 65536 : i64}, nn.kind = "plain"} {
// CHECK-NEXT: return %[[ARG0]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
rl.entry @stopped ["p"] -> ["d"] gradients [] {
^bb0(%p: !rl.per<token, f32>):
  %d = rl.stop_gradient %p : !rl.per<token, f32>
  rl.yield %d : !rl.per<token, f32>
}

// Counts need no values; a mean divides by at least 1.
// CHECK-LABEL: func.func @sums(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>> {nn.name = "p", nn.source = "input:p"},
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xf32, #nn.axis<group>> {nn.name = "g", nn.source = "input:g"},
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<?xi32, #nn.axis<sequence, 1>> {nn.name = "token_offsets", nn.source = "token_offsets"},
// CHECK-SAME: %[[ARG3:[^ :,]+]]: tensor<?xi32, #nn.axis<group, 1>> {nn.name = "group_offsets", nn.source = "group_offsets"})
// CHECK-SAME: -> (tensor<?xf32, #nn.axis<group>> {nn.name = "mean", nn.source = "output:mean"}, tensor<?xf32, #nn.axis<sequence>> {nn.name = "count", nn.source = "output:count"}, tensor<f32> {nn.name = "all", nn.source = "output:all"}, tensor<?xf32, #nn.axis<sequence>> {nn.name = "near", nn.source = "output:near"}, tensor<?xf32, #nn.axis<token>> {nn.name = "far", nn.source = "output:far"}) attributes {nn.capacities = {context = 65536 : i64, group = 16384 : i64, sequence = 16384 : i64, token = 65536 : i64}, nn.kind = "plain"} {
// CHECK-NEXT: %[[V4:.*]] = nn.segment_reduce sum %[[ARG0]], %[[ARG2]] : (tensor<?xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V5:.*]] = nn.segment_reduce sum %[[V4]], %[[ARG3]] : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<group>>
// CHECK-NEXT: %[[V6:.*]] = nn.splat 1.000000e+00 : tensor<?xf32, #nn.axis<group>>
// CHECK-NEXT: %[[V7:.*]] = nn.segment_count %[[ARG2]] : (tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V8:.*]] = nn.segment_reduce sum %[[V7]], %[[ARG3]] : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<group>>
// CHECK-NEXT: %[[V9:.*]] = nn.binary max %[[V8]], %[[V6]] : tensor<?xf32, #nn.axis<group>>
// CHECK-NEXT: %[[V10:.*]] = nn.binary div %[[V5]], %[[V9]] : tensor<?xf32, #nn.axis<group>>
// CHECK-NEXT: %[[V11:.*]] = nn.segment_count %[[ARG2]] : (tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V12:.*]] = nn.extent <token> : tensor<f32>
// CHECK-NEXT: %[[V13:.*]] = nn.segment_spread %[[ARG1]], %[[ARG3]] : (tensor<?xf32, #nn.axis<group>>, tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V14:.*]] = nn.segment_spread %[[ARG1]], %[[ARG3]] : (tensor<?xf32, #nn.axis<group>>, tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V15:.*]] = nn.segment_spread %[[V14]], %[[ARG2]] : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V10]], %[[V11]], %[[V12]], %[[V13]], %[[V15]] : tensor<?xf32, #nn.axis<group>>, tensor<?xf32, #nn.axis<sequence>>, tensor<f32>, tensor<?xf32, #nn.axis<sequence>>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
rl.entry @sums ["p", "g"] -> ["mean", "count", "all", "near", "far"] gradients [] {
^bb0(%p: !rl.per<token, f32>, %g: !rl.per<group, f32>):
  %mean = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<group, f32>
  %count = rl.reduce count %p : !rl.per<token, f32> to !rl.per<sequence, f32>
  %all = rl.reduce count %p : !rl.per<token, f32> to !rl.per<batch, f32>
  %near = rl.spread %g : !rl.per<group, f32> to !rl.per<sequence, f32>
  %far = rl.spread %g : !rl.per<group, f32> to !rl.per<token, f32>
  rl.yield %mean, %count, %all, %near, %far : !rl.per<group, f32>, !rl.per<sequence, f32>, !rl.per<batch, f32>, !rl.per<sequence, f32>, !rl.per<token, f32>
}

// Maths, and the clock as a port.
// CHECK-LABEL: func.func @maths(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<f32> {nn.name = "a", nn.source = "input:a"},
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<f32> {nn.name = "b", nn.source = "input:b"},
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<f32> {nn.name = "iterations", nn.source = "iterations"})
// CHECK-SAME: -> (tensor<f32> {nn.name = "r", nn.source = "output:r"}) attributes {nn.capacities = {context = 65536 : i64, group = 16384 : i64, sequence = 16384 : i64, token = 65536 : i64}, nn.kind = "plain"} {
// CHECK-NEXT: %[[V3:.*]] = nn.unary log_sigmoid %[[ARG0]] : tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.binary max %[[V3]], %[[ARG1]] : tensor<f32>
// CHECK-NEXT: %[[V5:.*]] = nn.compare le %[[V4]], %[[ARG0]] : tensor<f32>
// CHECK-NEXT: %[[V6:.*]] = nn.splat -1.500000e+00 : tensor<f32>
// CHECK-NEXT: %[[V7:.*]] = nn.select %[[V5]], %[[V6]], %[[ARG1]] : tensor<f32>
// CHECK-NEXT: %[[V8:.*]] = nn.binary mul %[[V7]], %[[ARG2]] : tensor<f32>
// CHECK-NEXT: return %[[V8]] : tensor<f32>
// CHECK-NEXT: }
rl.entry @maths ["a", "b"] -> ["r"] gradients [] {
^bb0(%a: !rl.per<batch, f32>, %b: !rl.per<batch, f32>):
  %0 = rl.unary log_sigmoid %a : !rl.per<batch, f32>
  %1 = rl.binary max %0, %b : !rl.per<batch, f32>
  %2 = rl.compare le %1, %a : !rl.per<batch, f32>
  %3 = rl.constant -1.5 : !rl.per<batch, f32>
  %4 = rl.select %2, %3, %b : !rl.per<batch, f32>
  %5 = rl.clock "iterations" : !rl.per<batch, f32>
  %6 = rl.binary mul %4, %5 : !rl.per<batch, f32>
  rl.yield %6 : !rl.per<batch, f32>
}
