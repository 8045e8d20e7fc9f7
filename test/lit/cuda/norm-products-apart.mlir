// A norm of more rows than every block of a product should make for itself is launches one by one, whoever wrote its group.
// RUN: mirl-opt %s --nn-to-plan="target=cuda" | FileCheck %s

!x = tensor<?x64xbf16, #nn.axis<context>>
!s = tensor<?xf32, #nn.axis<context>>
!w = tensor<64x64xbf16>
!n = tensor<64xbf16>
#k16 = #nn.numerics<"k16", 16, f32>

// CHECK-LABEL: plan.entry @rows
// CHECK: plan.launch @rms_norm_context_c64_
// CHECK: plan.launch @tile_linear_few_context_n64_k64
// CHECK: plan.launch @tile_linear_few_context_n64_k64
// CHECK: plan.launch @fused_
func.func @rows(%x: !x {nn.name = "x", nn.source = "input:x"}, %n: !n {nn.name = "n", nn.source = "input:n"}, %wu: !w {nn.name = "wu", nn.source = "input:wu"}, %wg: !w {nn.name = "wg", nn.source = "input:wg"})
    -> (!x {nn.name = "y.out", nn.source = "output:y.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 17 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32, numerics = #nn.numerics<"lanes", 256, f32>, nn.group = 0 : i64} : (!x, !n) -> (!x, !s)
  %u = nn.linear %h, %wu {nn.group = 0 : i64, numerics = #k16} : (!x, !w) -> !x
  %g = nn.linear %h, %wg {nn.group = 0 : i64, numerics = #k16} : (!x, !w) -> !x
  %y = nn.fused %u, %g {nn.group = 0 : i64} : (!x, !x) -> !x {
  ^bb0(%a: f32, %c: f32):
    %m = arith.mulf %a, %c : f32
    nn.yield %m : f32
  }
  return %y : !x
}
