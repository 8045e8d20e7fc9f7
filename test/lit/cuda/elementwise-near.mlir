// sigmoid and silu that are rounded to bf16 are the special function unit's, alone and in the kernel of a product; of f32 they are
// the polynomial and the exact division of the CPU's kernels, as everything is on a CPU.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit ptx | FileCheck %s
// RUN: mirlc %s --target cpu --dtype f32 --emit kernels | FileCheck %s --check-prefix=CPU
// CPU: llvm.func @fused_
// CPU-NOT: fastmath

!h = tensor<?x64xbf16, #nn.axis<context>>
!f = tensor<?x64xf32, #nn.axis<context>>

// CHECK-LABEL: .entry fused_{{.*}}_v_context_c64_bf3(
// CHECK-COUNT-8: ex2.approx.ftz.f32
// CHECK-NOT: div.rn.f32
// CHECK: .entry fused_{{.*}}_v_context_c64(
// CHECK-NOT: approx
// CHECK: div.rn.f32
// CHECK-NOT: approx
// CHECK: .entry tile_linear_context_n64_k64_fused
// CHECK: rcp.approx.ftz.f32
// CHECK-NOT: div.rn.f32
// CHECK: {{^}}}
func.func @silu(%x: !h {nn.name = "x", nn.source = "input:x"}) -> (!h {nn.name = "y", nn.source = "output:y"})
    attributes {nn.kind = "plain", nn.capacities = {context = 1024 : i64}} {
  %y = nn.unary silu %x : !h
  return %y : !h
}
func.func @wide(%x: !f {nn.name = "x", nn.source = "input:x"}) -> (!f {nn.name = "y", nn.source = "output:y"})
    attributes {nn.kind = "plain", nn.capacities = {context = 1024 : i64}} {
  %y = nn.unary silu %x : !f
  return %y : !f
}
func.func @product(%x: !h {nn.name = "x", nn.source = "input:x"}, %w: tensor<64x64xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (!h {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "plain", nn.capacities = {context = 1024 : i64}} {
  %z = nn.linear %x, %w : (!h, tensor<64x64xbf16>) -> !h
  %y = nn.unary sigmoid %z : !h
  return %y : !h
}
