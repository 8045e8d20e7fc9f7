// The PTX of a kernel: no contraction, no approximation, nothing called. Needs no ptxas.
// RUN: mirlc %s --target cuda:sm_90a --emit ptx | FileCheck %s
// RUN: mirlc %s --target cuda --emit ptx | FileCheck %s --check-prefix=CALLS --implicit-check-not=".extern .func" --implicit-check-not="{{call|approx|ftz|\.local}}"

// CHECK: .target sm_90a
// CHECK: .visible .entry rms_norm_context_c20_
// CHECK: .maxntid 32, 1, 1
// CHECK: griddepcontrol.wait;
// CHECK: mov.u32 %r{{[0-9]+}}, %tid.x;
// x·x into the sum is the schedule's own fma; the scaling by 1/n and the sum with eps stay apart.
// CHECK: fma.rn.f32
// CHECK: shfl.sync.bfly.b32 %r{{[0-9]+}}, %r{{[0-9]+}}, 2, 7199
// CHECK: add.rn.f32
// CHECK: mul.rn.f32
// CHECK: add.rn.f32
// CHECK: sqrt.rn.f32
// CHECK: rcp.rn.f32
// CHECK: st.global.b32
// CALLS: .visible .entry rms_norm

!rows = tensor<?x20xf32, #nn.axis<context>>
!scalars = tensor<?xf32, #nn.axis<context>>
func.func @norm(%x: !rows {nn.name = "x", nn.source = "input:x"}, %w: tensor<20xf32> {nn.name = "w", nn.source = "input:w"})
    -> (!rows {nn.name = "y", nn.source = "output:y"}, !scalars {nn.name = "r", nn.source = "output:r"})
    attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  %y, %r = nn.rms_norm %x, %w {eps = 1.0e-6 : f32} : (!rows, tensor<20xf32>) -> (!rows, !scalars)
  return %y, %r : !rows, !scalars
}
