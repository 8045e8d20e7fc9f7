// rl.binary folds x + 0, x - 0, x * 1 and x / 1, also for a number that was spread; nothing else.
// RUN: mirl-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @neutral(
// CHECK-SAME: %[[X:[^:]*]]: !rl.per<token, f32>
// CHECK-NEXT: return %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[X]] :
func.func @neutral(%x: !rl.per<token, f32>)
    -> (!rl.per<token, f32>, !rl.per<token, f32>, !rl.per<token, f32>, !rl.per<token, f32>, !rl.per<token, f32>, !rl.per<token, f32>) {
  %zero = rl.constant 0.0 : !rl.per<batch, f32>
  %one = rl.constant 1.0 : !rl.per<batch, f32>
  // By way of the groups, and at once.
  %zeros = rl.spread %zero : !rl.per<batch, f32> to !rl.per<group, f32>
  %0 = rl.spread %zeros : !rl.per<group, f32> to !rl.per<token, f32>
  %1 = rl.spread %one : !rl.per<batch, f32> to !rl.per<token, f32>
  %a = rl.binary add %x, %0 : !rl.per<token, f32>
  %b = rl.binary add %0, %x : !rl.per<token, f32>
  %c = rl.binary sub %x, %0 : !rl.per<token, f32>
  %d = rl.binary mul %x, %1 : !rl.per<token, f32>
  %e = rl.binary mul %1, %x : !rl.per<token, f32>
  %f = rl.binary div %x, %1 : !rl.per<token, f32>
  return %a, %b, %c, %d, %e, %f
    : !rl.per<token, f32>, !rl.per<token, f32>, !rl.per<token, f32>, !rl.per<token, f32>, !rl.per<token, f32>, !rl.per<token, f32>
}

// The other side of a difference and a quotient stays, and so do x * 0, min and max.
// CHECK-LABEL: func.func @kept(
// CHECK-SAME: %[[X:[^:]*]]: !rl.per<batch, f32>
// CHECK-DAG: %[[ZERO:.*]] = rl.constant 0.000000e+00 : !rl.per<batch, f32>
// CHECK-DAG: %[[ONE:.*]] = rl.constant 1.000000e+00 : !rl.per<batch, f32>
// CHECK: %[[A:.*]] = rl.binary sub %[[ZERO]], %[[X]] : <batch, f32>
// CHECK-NEXT: %[[B:.*]] = rl.binary div %[[ONE]], %[[X]] : <batch, f32>
// CHECK-NEXT: %[[C:.*]] = rl.binary mul %[[X]], %[[ZERO]] : <batch, f32>
// CHECK-NEXT: %[[D:.*]] = rl.binary min %[[X]], %[[ZERO]] : <batch, f32>
// CHECK-NEXT: %[[E:.*]] = rl.binary max %[[X]], %[[ONE]] : <batch, f32>
// CHECK-NEXT: %[[F:.*]] = rl.binary add %[[X]], %[[ONE]] : <batch, f32>
// CHECK-NEXT: return %[[A]], %[[B]], %[[C]], %[[D]], %[[E]], %[[F]] :
func.func @kept(%x: !rl.per<batch, f32>)
    -> (!rl.per<batch, f32>, !rl.per<batch, f32>, !rl.per<batch, f32>, !rl.per<batch, f32>, !rl.per<batch, f32>, !rl.per<batch, f32>) {
  %0 = rl.constant 0.0 : !rl.per<batch, f32>
  %1 = rl.constant 1.0 : !rl.per<batch, f32>
  %a = rl.binary sub %0, %x : !rl.per<batch, f32>
  %b = rl.binary div %1, %x : !rl.per<batch, f32>
  %c = rl.binary mul %x, %0 : !rl.per<batch, f32>
  %d = rl.binary min %x, %0 : !rl.per<batch, f32>
  %e = rl.binary max %x, %1 : !rl.per<batch, f32>
  %f = rl.binary add %x, %1 : !rl.per<batch, f32>
  return %a, %b, %c, %d, %e, %f
    : !rl.per<batch, f32>, !rl.per<batch, f32>, !rl.per<batch, f32>, !rl.per<batch, f32>, !rl.per<batch, f32>, !rl.per<batch, f32>
}

// A constant without users goes; equal ones meet.
// CHECK-LABEL: func.func @constants(
// CHECK-NEXT: %[[C:.*]] = rl.constant 3.000000e+00 : !rl.per<batch, f32>
// CHECK-NEXT: return %[[C]], %[[C]] :
func.func @constants() -> (!rl.per<batch, f32>, !rl.per<batch, f32>) {
  %unused = rl.constant 4.0 : !rl.per<batch, f32>
  %a = rl.constant 3.0 : !rl.per<batch, f32>
  %b = rl.constant 3.0 : !rl.per<batch, f32>
  return %a, %b : !rl.per<batch, f32>, !rl.per<batch, f32>
}
