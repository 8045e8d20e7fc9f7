// group-launches: the norm of few rows joins the products of its result that an elementwise program, or the cache, has.
// RUN: mirl-opt %s --group-launches | FileCheck %s

!x = tensor<?x64xbf16, #nn.axis<context>>
!s = tensor<?xf32, #nn.axis<context>>
!w = tensor<64x64xbf16>
!n = tensor<64xbf16>
!l = tensor<?x2056xbf16, #nn.axis<context>>
!lw = tensor<64x2056xbf16>
!ln = tensor<2056xbf16>
#k16 = #nn.numerics<"k16", 16, f32>
#lanes = #nn.numerics<"lanes", 256, f32>

// It moves down to them.
// CHECK-LABEL: func.func @few
// CHECK: nn.unary exp
// CHECK-NEXT: nn.rms_norm {{.*}}nn.group = 0
// CHECK-NEXT: nn.linear {{.*}}nn.group = 0
// CHECK-NEXT: nn.linear {{.*}}nn.group = 0
// CHECK-NEXT: nn.fused {{.*}}nn.group = 0
func.func @few(%x: !x, %n: !n, %wu: !w, %wg: !w) -> (!x, !x) attributes {nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32, numerics = #lanes} : (!x, !n) -> (!x, !s)
  %e = nn.unary exp %x : !x
  %u = nn.linear %h, %wu {numerics = #k16} : (!x, !w) -> !x
  %g = nn.linear %h, %wg {numerics = #k16} : (!x, !w) -> !x
  %y = nn.fused %u, %g : (!x, !x) -> !x {
  ^bb0(%a: f32, %c: f32):
    %m = arith.mulf %a, %c : f32
    nn.yield %m : f32
  }
  return %y, %e : !x, !x
}

// --- no group has the norm

// More rows.
// CHECK-LABEL: func.func @many
// CHECK-NOT: nn.rms_norm {{.*}}nn.group
// CHECK: return
func.func @many(%x: !x, %n: !n, %wu: !w, %wg: !w) -> !x attributes {nn.capacities = {context = 17 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32, numerics = #lanes} : (!x, !n) -> (!x, !s)
  %u = nn.linear %h, %wu {numerics = #k16} : (!x, !w) -> !x
  %g = nn.linear %h, %wg {numerics = #k16} : (!x, !w) -> !x
  %y = nn.fused %u, %g : (!x, !x) -> !x {
  ^bb0(%a: f32, %c: f32):
    %m = arith.mulf %a, %c : f32
    nn.yield %m : f32
  }
  return %y : !x
}

// Others need its result.
// CHECK-LABEL: func.func @read
// CHECK-NOT: nn.rms_norm {{.*}}nn.group
// CHECK: return
func.func @read(%x: !x, %n: !n, %wu: !w, %wg: !w) -> (!x, !x) attributes {nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32, numerics = #lanes} : (!x, !n) -> (!x, !s)
  %u = nn.linear %h, %wu {numerics = #k16} : (!x, !w) -> !x
  %g = nn.linear %h, %wg {numerics = #k16} : (!x, !w) -> !x
  %y = nn.fused %u, %g : (!x, !x) -> !x {
  ^bb0(%a: f32, %c: f32):
    %m = arith.mulf %a, %c : f32
    nn.yield %m : f32
  }
  return %y, %h : !x, !x
}

// Or the reciprocal of the root.
// CHECK-LABEL: func.func @root
// CHECK-NOT: nn.rms_norm {{.*}}nn.group
// CHECK: return
func.func @root(%x: !x, %n: !n, %wu: !w, %wg: !w) -> (!x, !s) attributes {nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32, numerics = #lanes} : (!x, !n) -> (!x, !s)
  %u = nn.linear %h, %wu {numerics = #k16} : (!x, !w) -> !x
  %g = nn.linear %h, %wg {numerics = #k16} : (!x, !w) -> !x
  %y = nn.fused %u, %g : (!x, !x) -> !x {
  ^bb0(%a: f32, %c: f32):
    %m = arith.mulf %a, %c : f32
    nn.yield %m : f32
  }
  return %y, %rstd : !x, !s
}

// Products alone.
// CHECK-LABEL: func.func @alone
// CHECK-NOT: nn.rms_norm {{.*}}nn.group
// CHECK: return
func.func @alone(%x: !x, %n: !n, %wu: !w, %wg: !w) -> (!x, !x) attributes {nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32, numerics = #lanes} : (!x, !n) -> (!x, !s)
  %u = nn.linear %h, %wu {numerics = #k16} : (!x, !w) -> !x
  %g = nn.linear %h, %wg {numerics = #k16} : (!x, !w) -> !x
  return %u, %g : !x, !x
}

// Sixteen rows of more than 64 KiB.
// CHECK-LABEL: func.func @long
// CHECK-NOT: nn.rms_norm {{.*}}nn.group
// CHECK: return
func.func @long(%x: !l, %n: !ln, %wu: !lw, %wg: !lw) -> !x attributes {nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32, numerics = #lanes} : (!l, !ln) -> (!l, !s)
  %u = nn.linear %h, %wu {numerics = #k16} : (!l, !lw) -> !x
  %g = nn.linear %h, %wg {numerics = #k16} : (!l, !lw) -> !x
  %y = nn.fused %u, %g : (!x, !x) -> !x {
  ^bb0(%a: f32, %c: f32):
    %m = arith.mulf %a, %c : f32
    nn.yield %m : f32
  }
  return %y : !x
}
