// group-launches: products of one operand, what an elementwise program makes of two of them, weights' gradients of one
// input, updates and norms stand behind each other and carry a number. An op moves up to its group's first op, never down.
// RUN: mirl-opt %s --group-launches | FileCheck %s

!x = tensor<?x64xbf16, #nn.axis<context>>
!q = tensor<?x96xbf16, #nn.axis<context>>
!f = tensor<?x64xf32, #nn.axis<context>>
!w = tensor<64x64xbf16>
!wq = tensor<96x64xbf16>
!b = tensor<64xbf16>
!bq = tensor<96xbf16>
!dw = tensor<64x64xf32>
!dq = tensor<96x64xf32>
#k16 = #nn.numerics<"k16", 16, f32>
#chain = #nn.numerics<"chain", 1, f32>

// Ops without sums may stand in between.
// CHECK-LABEL: func.func @products
// CHECK: nn.linear %{{.*}}, %arg1 bias(%arg4) {nn.group = 0 : i64, numerics
// CHECK-NEXT: nn.linear %{{.*}}, %arg2 bias(%arg5) {nn.group = 0 : i64, numerics
// CHECK-NEXT: nn.linear %{{.*}}, %arg3 bias(%arg5) {nn.group = 0 : i64, numerics
// CHECK-NEXT: nn.fused
func.func @products(%x: !x, %wq: !wq, %wk: !w, %wv: !w, %bq: !bq, %b: !b) -> (!q, !x, !x) {
  %q = nn.linear %x, %wq bias(%bq) {numerics = #k16} : (!x, !wq, !bq) -> !q
  %p = nn.fused %q : (!q) -> !q {
  ^bb0(%a: f32):
    %n = arith.negf %a : f32
    nn.yield %n : f32
  }
  %k = nn.linear %x, %wk bias(%b) {numerics = #k16} : (!x, !w, !b) -> !x
  %v = nn.linear %x, %wv bias(%b) {numerics = #k16} : (!x, !w, !b) -> !x
  return %p, %k, %v : !q, !x, !x
}

// Four are two groups of at most three.
// CHECK-LABEL: func.func @four
// CHECK-COUNT-3: nn.group = 0
// CHECK-NOT: nn.group
func.func @four(%x: !x, %w0: !w, %w1: !w, %w2: !w, %w3: !w) -> (!x, !x, !x, !x) {
  %0 = nn.linear %x, %w0 {numerics = #k16} : (!x, !w) -> !x
  %1 = nn.linear %x, %w1 {numerics = #k16} : (!x, !w) -> !x
  %2 = nn.linear %x, %w2 {numerics = #k16} : (!x, !w) -> !x
  %3 = nn.linear %x, %w3 {numerics = #k16} : (!x, !w) -> !x
  return %0, %1, %2, %3 : !x, !x, !x, !x
}

// The program's products come before a group of products alone.
// CHECK-LABEL: func.func @gated
// CHECK: nn.linear %arg0, %arg2 {nn.group = 1
// CHECK-NEXT: nn.linear %arg0, %arg4 {nn.group = 1
// CHECK-NEXT: %[[GATE:.*]] = nn.linear %arg0, %arg1 {nn.group = 0
// CHECK-NEXT: %[[UP:.*]] = nn.linear %arg0, %arg3 {nn.group = 0
// CHECK-NEXT: nn.fused %[[UP]], %[[GATE]] {nn.group = 0
func.func @gated(%x: !x, %wg: !w, %wr: !w, %wu: !w, %ws: !w) -> (!x, !x, !x) {
  %r = nn.linear %x, %wr {numerics = #k16} : (!x, !w) -> !x
  %g = nn.linear %x, %wg {numerics = #k16} : (!x, !w) -> !x
  %u = nn.linear %x, %wu {numerics = #k16} : (!x, !w) -> !x
  %s = nn.linear %x, %ws {numerics = #k16} : (!x, !w) -> !x
  %h = nn.fused %u, %g : (!x, !x) -> !x {
  ^bb0(%a: f32, %c: f32):
    %m = arith.mulf %a, %c : f32
    nn.yield %m : f32
  }
  return %r, %s, %h : !x, !x, !x
}

// Two gradients of one input, however far apart; the second had been there for long. What the third adds to the first's
// result waits for it.
// CHECK-LABEL: func.func @weight_grads
// CHECK: nn.linear_weight_grad %arg0, %arg2, %arg3 {nn.group = 0
// CHECK-NEXT: nn.linear_weight_grad %arg1, %arg2, %arg4 {nn.group = 0
// CHECK-NEXT: nn.linear_data_grad
// CHECK-NEXT: nn.linear_weight_grad %{{.*}} {numerics
func.func @weight_grads(%gq: !q, %g: !x, %x: !x, %intoq: !dq, %into: !dw, %w: !w) -> (!dq, !dw, !x) {
  %dq = nn.linear_weight_grad %gq, %x, %intoq {numerics = #k16} : (!q, !x, !dq) -> !dq
  %dx = nn.linear_data_grad %g, %w {numerics = #k16} : (!x, !w) -> !x
  %dw = nn.linear_weight_grad %g, %x, %into {numerics = #k16} : (!x, !x, !dw) -> !dw
  %again = nn.linear_weight_grad %gq, %x, %dq {numerics = #k16} : (!q, !x, !dq) -> !dq
  return %again, %dw, %dx : !dq, !dw, !x
}

// The norms of all gradients are one chain; the updates that it is for have one rate, step and scale, whatever their shapes.
!s = tensor<f32>
// CHECK-LABEL: func.func @update
// CHECK: %[[N0:.*]] = nn.squared_norm %arg1, %arg0 {nn.group = 0 : i64}
// CHECK-NEXT: %[[N1:.*]] = nn.squared_norm %arg2, %[[N0]] {nn.group = 0 : i64}
// CHECK-NEXT: %[[N2:.*]] = nn.squared_norm %arg1, %[[N1]] {nn.group = 0 : i64}
// CHECK-NEXT: %[[SCALE:.*]] = nn.fused %[[N2]]
// CHECK: nn.adamw %arg1, {{.*}}, %[[SCALE]] {{{.*}}nn.group = 1 : i64
// CHECK-NEXT: nn.adamw %arg2, {{.*}}, %[[SCALE]] {{{.*}}nn.group = 1 : i64
// CHECK-NEXT: nn.fused
func.func @update(%zero: !s, %a: !dw, %b: !dq, %ma: !dw, %mb: !dq, %lr: !s, %step: !s) -> (!dw, !dq, !dw) {
  %0 = nn.squared_norm %a, %zero : (!dw, !s) -> !s
  %1 = nn.squared_norm %b, %0 : (!dq, !s) -> !s
  %2 = nn.squared_norm %a, %1 : (!dw, !s) -> !s
  %scale = nn.fused %2 : (!s) -> !s {
  ^bb0(%x: f32):
    %r = math.sqrt %x : f32
    nn.yield %r : f32
  }
  %u:3 = nn.adamw %a, %a, %ma, %ma, %lr, %step, %scale {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!dw, !dw, !dw, !dw, !s, !s, !s) -> (!dw, !dw, !dw)
  %n = nn.fused %u#1 : (!dw) -> !dw {
  ^bb0(%x: f32):
    %m = arith.negf %x : f32
    nn.yield %m : f32
  }
  %v:3 = nn.adamw %b, %b, %mb, %mb, %lr, %step, %scale {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!dq, !dq, !dq, !dq, !s, !s, !s) -> (!dq, !dq, !dq)
  return %u#0, %v#0, %n : !dw, !dq, !dw
}

// --- what stays alone

// What somebody else reads, and a chain's end.
// CHECK-LABEL: func.func @norm_read
// CHECK-NOT: nn.group
func.func @norm_read(%zero: !s, %a: !dw, %b: !dq) -> (!s, !s) {
  %0 = nn.squared_norm %a, %zero : (!dw, !s) -> !s
  %1 = nn.squared_norm %b, %0 : (!dq, !s) -> !s
  return %0, %1 : !s, !s
}

// Another rate, another coefficient, what was updated before.
// CHECK-LABEL: func.func @other_update
// CHECK-NOT: nn.group
func.func @other_update(%a: !dw, %b: !dw, %c: !dw, %ma: !dw, %mb: !dw, %mc: !dw, %lr: !s, %other: !s, %step: !s, %scale: !s) -> (!dw, !dw, !dw) {
  %u:3 = nn.adamw %a, %a, %ma, %ma, %lr, %step, %scale {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!dw, !dw, !dw, !dw, !s, !s, !s) -> (!dw, !dw, !dw)
  %v:3 = nn.adamw %b, %b, %mb, %mb, %other, %step, %scale {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!dw, !dw, !dw, !dw, !s, !s, !s) -> (!dw, !dw, !dw)
  %w:3 = nn.adamw %c, %c, %mc, %mc, %lr, %step, %scale {beta1 = 0.5 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!dw, !dw, !dw, !dw, !s, !s, !s) -> (!dw, !dw, !dw)
  %x:3 = nn.adamw %u#0, %u#0, %u#1, %u#2, %lr, %step, %scale {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!dw, !dw, !dw, !dw, !s, !s, !s) -> (!dw, !dw, !dw)
  return %x#0, %v#0, %w#0 : !dw, !dw, !dw
}

// CHECK-LABEL: func.func @other_operand
// CHECK-NOT: nn.group
func.func @other_operand(%x: !x, %y: !x, %w0: !w, %w1: !w) -> (!x, !x) {
  %0 = nn.linear %x, %w0 {numerics = #k16} : (!x, !w) -> !x
  %1 = nn.linear %y, %w1 {numerics = #k16} : (!x, !w) -> !x
  return %0, %1 : !x, !x
}

// CHECK-LABEL: func.func @other_order
// CHECK-NOT: nn.group
func.func @other_order(%x: !f, %w0: tensor<64x64xf32>, %w1: tensor<64x64xf32>) -> (!f, !f) {
  %0 = nn.linear %x, %w0 {numerics = #chain} : (!f, tensor<64x64xf32>) -> !f
  %1 = nn.linear %x, %w1 {numerics = #chain} : (!f, tensor<64x64xf32>) -> !f
  return %0, %1 : !f, !f
}

// CHECK-LABEL: func.func @f32_result
// CHECK-NOT: nn.group
func.func @f32_result(%x: !x, %w0: !w, %w1: !w) -> (!x, !f) {
  %0 = nn.linear %x, %w0 {numerics = #k16} : (!x, !w) -> !x
  %1 = nn.linear %x, %w1 {numerics = #k16} : (!x, !w) -> !f
  return %0, %1 : !x, !f
}

// CHECK-LABEL: func.func @bias_and_residual
// CHECK-NOT: nn.group
func.func @bias_and_residual(%x: !x, %w0: !w, %w1: !w, %w2: !w, %b: !b, %r: !x) -> (!x, !x, !x) {
  %0 = nn.linear %x, %w0 {numerics = #k16} : (!x, !w) -> !x
  %1 = nn.linear %x, %w1 bias(%b) {numerics = #k16} : (!x, !w, !b) -> !x
  %2 = nn.linear %x, %w2 residual(%r) {numerics = #k16} : (!x, !w, !x) -> !x
  return %0, %1, %2 : !x, !x, !x
}

// A sum in between ends the stage.
// CHECK-LABEL: func.func @other_sum
// CHECK-NOT: nn.group
func.func @other_sum(%x: !x, %w0: !w, %w1: !w, %wq: !wq) -> (!x, !q, !x) {
  %0 = nn.linear %x, %w0 {numerics = #k16} : (!x, !w) -> !x
  %1 = nn.linear %0, %wq {numerics = #k16} : (!x, !wq) -> !q
  %2 = nn.linear %x, %w1 {numerics = #k16} : (!x, !w) -> !x
  return %0, %1, %2 : !x, !q, !x
}

// A program that reads another tensor, or a number, beside its products.
// CHECK-LABEL: func.func @other_input
// CHECK: nn.linear
// CHECK-SAME: nn.group = 0
// CHECK: nn.linear
// CHECK-SAME: nn.group = 0
// CHECK: nn.fused
// CHECK-NOT: nn.group
func.func @other_input(%x: !x, %w0: !w, %w1: !w) -> !x {
  %0 = nn.linear %x, %w0 {numerics = #k16} : (!x, !w) -> !x
  %1 = nn.linear %x, %w1 {numerics = #k16} : (!x, !w) -> !x
  %h = nn.fused %0, %1, %x : (!x, !x, !x) -> !x {
  ^bb0(%a: f32, %c: f32, %d: f32):
    %m = arith.mulf %a, %c : f32
    %n = arith.addf %m, %d : f32
    nn.yield %n : f32
  }
  return %h : !x
}

// The gradient of the second is not there yet.
// CHECK-LABEL: func.func @late_gradient
// CHECK-NOT: nn.group
func.func @late_gradient(%g: !x, %x: !x, %w: !w, %into0: !dw, %into1: !dw) -> (!dw, !dw) {
  %0 = nn.linear_weight_grad %g, %x, %into0 {numerics = #k16} : (!x, !x, !dw) -> !dw
  %dx = nn.linear_data_grad %g, %w {numerics = #k16} : (!x, !w) -> !x
  %1 = nn.linear_weight_grad %dx, %x, %into1 {numerics = #k16} : (!x, !x, !dw) -> !dw
  return %0, %1 : !dw, !dw
}

// --- the cache's new rows

#ax = #nn.axis<context>
!kv = tensor<?x64xbf16, #ax>
!i = tensor<?xi32, #ax>
!keys = tensor<8x1x64x16xbf16>
!values = tensor<8x1x16x64xbf16>

// CHECK-LABEL: func.func @cache
// CHECK: nn.rotary %arg0, {{.*}}nn.group = 0
// CHECK-NEXT: nn.rotary %arg1, {{.*}}nn.group = 0
// CHECK-NEXT: nn.kv_append {{.*}}nn.group = 0
func.func @cache(%q: !kv, %k: !kv, %v: !kv, %p: !i, %t: tensor<80x64xf32>, %keys: !keys, %values: !values, %table: tensor<2x4xi32>, %slots: !i) -> (!kv, !keys, !values) {
  %rq = nn.rotary %q, %p, %t {head_dim = 64 : i64} : (!kv, !i, tensor<80x64xf32>) -> !kv
  %rk = nn.rotary %k, %p, %t {head_dim = 64 : i64} : (!kv, !i, tensor<80x64xf32>) -> !kv
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %p : (!kv, !kv, !keys, !values, tensor<2x4xi32>, !i, !i) -> (!keys, !values)
  return %rq, %nk, %nv : !kv, !keys, !values
}

// Rotated to other positions than those of the cache.
// CHECK-LABEL: func.func @other_positions
// CHECK-NOT: nn.group
func.func @other_positions(%k: !kv, %v: !kv, %o: !i, %p: !i, %t: tensor<80x64xf32>, %keys: !keys, %values: !values, %table: tensor<2x4xi32>, %slots: !i) -> (!keys, !values) {
  %rk = nn.rotary %k, %o, %t {head_dim = 64 : i64} : (!kv, !i, tensor<80x64xf32>) -> !kv
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %p : (!kv, !kv, !keys, !values, tensor<2x4xi32>, !i, !i) -> (!keys, !values)
  return %nk, %nv : !keys, !values
}

// Heads that are not whole 32 numbers.
// CHECK-LABEL: func.func @odd_heads
// CHECK-NOT: nn.group
func.func @odd_heads(%k: !kv, %v: !kv, %p: !i, %t: tensor<80x16xf32>, %keys: tensor<8x4x16x16xbf16>, %values: tensor<8x4x16x16xbf16>, %table: tensor<2x4xi32>, %slots: !i) -> (tensor<8x4x16x16xbf16>, tensor<8x4x16x16xbf16>) {
  %rk = nn.rotary %k, %p, %t {head_dim = 16 : i64} : (!kv, !i, tensor<80x16xf32>) -> !kv
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %p : (!kv, !kv, tensor<8x4x16x16xbf16>, tensor<8x4x16x16xbf16>, tensor<2x4xi32>, !i, !i) -> (tensor<8x4x16x16xbf16>, tensor<8x4x16x16xbf16>)
  return %nk, %nv : tensor<8x4x16x16xbf16>, tensor<8x4x16x16xbf16>
}
