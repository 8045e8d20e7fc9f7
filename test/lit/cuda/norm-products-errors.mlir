// nn-to-plan refuses a norm that says it is one launch with products, but cannot be.
// RUN: mirl-opt %s --nn-to-plan="target=cuda" -split-input-file -verify-diagnostics

!x = tensor<?x64xbf16, #nn.axis<context>>
!s = tensor<?xf32, #nn.axis<context>>
!w = tensor<64x64xbf16>
!n = tensor<64xbf16>
#k16 = #nn.numerics<"k16", 16, f32>
func.func @order(%x: !x {nn.name = "x", nn.source = "input:x"}, %n: !n {nn.name = "n", nn.source = "input:n"}, %wu: !w {nn.name = "wu", nn.source = "input:wu"}, %wg: !w {nn.name = "wg", nn.source = "input:wg"})
    -> (!x {nn.name = "y.out", nn.source = "output:y.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  // expected-error @+1 {{must be of bf16, with sums in lanes of 256}}
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32, numerics = #nn.numerics<"lanes", 16, f32>, nn.group = 0 : i64} : (!x, !n) -> (!x, !s)
  %u = nn.linear %h, %wu {nn.group = 0 : i64, numerics = #k16} : (!x, !w) -> !x
  %g = nn.linear %h, %wg {nn.group = 0 : i64, numerics = #k16} : (!x, !w) -> !x
  %y = nn.fused %u, %g {nn.group = 0 : i64} : (!x, !x) -> !x {
  ^bb0(%a: f32, %c: f32):
    %m = arith.mulf %a, %c : f32
    nn.yield %m : f32
  }
  return %y : !x
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
!s = tensor<?xf32, #nn.axis<context>>
!w = tensor<64x64xbf16>
!n = tensor<64xbf16>
#k16 = #nn.numerics<"k16", 16, f32>
func.func @products(%x: !x {nn.name = "x", nn.source = "input:x"}, %n: !n {nn.name = "n", nn.source = "input:n"}, %wu: !w {nn.name = "wu", nn.source = "input:wu"}, %wg: !w {nn.name = "wg", nn.source = "input:wg"})
    -> (!x {nn.name = "u.out", nn.source = "output:u.out"}, !x {nn.name = "g.out", nn.source = "output:g.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  // expected-error @+1 {{must make the left operand of products with a program or with the cache's new rows}}
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32, numerics = #nn.numerics<"lanes", 256, f32>, nn.group = 0 : i64} : (!x, !n) -> (!x, !s)
  %u = nn.linear %h, %wu {nn.group = 0 : i64, numerics = #k16} : (!x, !w) -> !x
  %g = nn.linear %h, %wg {nn.group = 0 : i64, numerics = #k16} : (!x, !w) -> !x
  return %u, %g : !x, !x
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
!s = tensor<?xf32, #nn.axis<context>>
!w = tensor<64x64xbf16>
!n = tensor<64xbf16>
#k16 = #nn.numerics<"k16", 16, f32>
func.func @operand(%x: !x {nn.name = "x", nn.source = "input:x"}, %n: !n {nn.name = "n", nn.source = "input:n"}, %wu: !w {nn.name = "wu", nn.source = "input:wu"}, %wg: !w {nn.name = "wg", nn.source = "input:wg"})
    -> (!x {nn.name = "y.out", nn.source = "output:y.out"}, !x {nn.name = "h.out", nn.source = "output:h.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  // expected-error @+1 {{must make the left operand of products with a program or with the cache's new rows}}
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32, numerics = #nn.numerics<"lanes", 256, f32>, nn.group = 0 : i64} : (!x, !n) -> (!x, !s)
  %u = nn.linear %x, %wu {nn.group = 0 : i64, numerics = #k16} : (!x, !w) -> !x
  %g = nn.linear %x, %wg {nn.group = 0 : i64, numerics = #k16} : (!x, !w) -> !x
  %y = nn.fused %u, %g {nn.group = 0 : i64} : (!x, !x) -> !x {
  ^bb0(%a: f32, %c: f32):
    %m = arith.mulf %a, %c : f32
    nn.yield %m : f32
  }
  return %y, %h : !x, !x
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
!s = tensor<?xf32, #nn.axis<context>>
!w = tensor<64x64xbf16>
!n = tensor<64xbf16>
#k16 = #nn.numerics<"k16", 16, f32>
func.func @read(%x: !x {nn.name = "x", nn.source = "input:x"}, %n: !n {nn.name = "n", nn.source = "input:n"}, %wu: !w {nn.name = "wu", nn.source = "input:wu"}, %wg: !w {nn.name = "wg", nn.source = "input:wg"})
    -> (!x {nn.name = "y.out", nn.source = "output:y.out"}, !x {nn.name = "h.out", nn.source = "output:h.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  // expected-error @+1 {{must have a result that its group alone reads, and an rstd that nobody reads}}
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32, numerics = #nn.numerics<"lanes", 256, f32>, nn.group = 0 : i64} : (!x, !n) -> (!x, !s)
  %u = nn.linear %h, %wu {nn.group = 0 : i64, numerics = #k16} : (!x, !w) -> !x
  %g = nn.linear %h, %wg {nn.group = 0 : i64, numerics = #k16} : (!x, !w) -> !x
  %y = nn.fused %u, %g {nn.group = 0 : i64} : (!x, !x) -> !x {
  ^bb0(%a: f32, %c: f32):
    %m = arith.mulf %a, %c : f32
    nn.yield %m : f32
  }
  return %y, %h : !x, !x
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
!s = tensor<?xf32, #nn.axis<context>>
!w = tensor<64x64xbf16>
!n = tensor<64xbf16>
#k16 = #nn.numerics<"k16", 16, f32>
func.func @root(%x: !x {nn.name = "x", nn.source = "input:x"}, %n: !n {nn.name = "n", nn.source = "input:n"}, %wu: !w {nn.name = "wu", nn.source = "input:wu"}, %wg: !w {nn.name = "wg", nn.source = "input:wg"})
    -> (!x {nn.name = "y.out", nn.source = "output:y.out"}, !s {nn.name = "rstd.out", nn.source = "output:rstd.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  // expected-error @+1 {{must have a result that its group alone reads, and an rstd that nobody reads}}
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32, numerics = #nn.numerics<"lanes", 256, f32>, nn.group = 0 : i64} : (!x, !n) -> (!x, !s)
  %u = nn.linear %h, %wu {nn.group = 0 : i64, numerics = #k16} : (!x, !w) -> !x
  %g = nn.linear %h, %wg {nn.group = 0 : i64, numerics = #k16} : (!x, !w) -> !x
  %y = nn.fused %u, %g {nn.group = 0 : i64} : (!x, !x) -> !x {
  ^bb0(%a: f32, %c: f32):
    %m = arith.mulf %a, %c : f32
    nn.yield %m : f32
  }
  return %y, %rstd : !x, !s
}
