// Kernels on rows of bf16: a warp has a row, a thread 16 bytes of it at a time. A sum over the row is of 256 lanes.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit nn | FileCheck %s --check-prefix=NN
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit ptx | FileCheck %s --check-prefix=PTX
// On a CPU it is of 16.
// RUN: mirlc %s --target cpu:x86-64-v3 --dtype f32 --emit nn | FileCheck %s --check-prefix=CPU

!h = tensor<?x896xbf16, #nn.axis<context>>
!l = tensor<?x4096xbf16, #nn.axis<context>>
!s = tensor<?xf32, #nn.axis<context>>
!w = tensor<896xbf16>
!lw = tensor<4096xbf16>
!i = tensor<?xi32, #nn.axis<context>>

// NN: nn.rms_norm {{.*}}<"lanes", 256, f32>
// NN: nn.rms_norm_data_grad {{.*}}<"lanes", 256, f32>
// CPU: nn.rms_norm {{.*}}<"lanes", 16, f32>
// CPU: nn.rms_norm_data_grad {{.*}}<"lanes", 16, f32>

// CHECK-LABEL: plan.entry @rows
// CHECK: plan.launch @gather_context_c896_bf5 {{.*}} over <context, size = 0, tile = 1, factor = 1>
// CHECK: plan.launch @rms_norm_context_c896_{{.*}}_l256_bf7 {{.*}} over <context, size = 0, tile = 1, factor = 1>
// CHECK: plan.launch @rms_norm_data_grad_context_c896_residual_l256_bf37 {{.*}} over <context, size = 0, tile = 1, factor = 1>
// 14 heads, of whose halves of 32 numbers a thread takes 8.
// CHECK: plan.launch @rotary_context_c896_h64_bf9 {{.*}} over <context, size = 0, tile = 1, factor = 56>

// 896 numbers are three and a half times 256: the last half is a predicate. All is read before something is written.
// PTX-LABEL: .entry gather_context_c896_bf5(
// PTX-NOT: st.global
// PTX-COUNT-3: ld.global.v4.b32
// PTX: setp.gt.u32 %[[BEYOND:p[0-9]+]], %r{{[0-9]+}}, 127;
// PTX: ld.global.v4.b32
// PTX-COUNT-3: st.global.v4.b32
// PTX: @%[[BEYOND]] bra
// PTX: st.global.v4.b32

// The row is read once, its weight later; the sum is 5 exchanges of 8 numbers.
// PTX-LABEL: .entry rms_norm_context_c896_{{.*}}_l256_bf7(
// PTX: .maxntid 128, 1, 1
// PTX: .minnctapersm 8
// PTX-COUNT-4: ld.global.v4.b32
// PTX-NOT: ld.global.v4.b32
// PTX-COUNT-40: shfl.sync.bfly.b32
// PTX-NOT: shfl
// PTX-COUNT-4: ld.global.v4.b32
// PTX-NOT: ld.global
// PTX-NOT: bar.
// PTX-COUNT-4: st.global.v4.b32

// Residual, gradient, input and weight, all before the sum.
// PTX-LABEL: .entry rms_norm_data_grad_context_c896_residual_l256_bf37(
// PTX-COUNT-16: ld.global.v4.b32
// PTX-COUNT-40: shfl.sync.bfly.b32
// PTX-NOT: ld.global
// PTX-NOT: bar.
// PTX-COUNT-4: st.global.v4.b32

// Cosines and sines are f32, of two accesses each.
// PTX-LABEL: .entry rotary_context_c896_h64_bf9(
// PTX-COUNT-6: ld.global.v4.b32
// PTX-COUNT-2: st.global.v4.b32
// PTX-NOT: bar.

// A gradient of 4,096 numbers does not fit: it is read twice, in loops.
// PTX-LABEL: .entry rms_norm_data_grad_context_c4096_l256_bf17(
// PTX-COUNT-3: ld.global.v4.b32
// PTX: shfl.sync.bfly.b32
// PTX: ld.global.v4.b32
// PTX: st.global.v4.b32
// PTX: ret
func.func @rows(%x: !h {nn.name = "x", nn.source = "input:x"}, %w: !w {nn.name = "w", nn.source = "input:w"}, %e: tensor<100x896xbf16> {nn.name = "e", nn.source = "input:e"},
                %ids: !i {nn.name = "ids", nn.source = "input:ids"}, %table: tensor<64x64xf32> {nn.name = "table", nn.source = "input:table"},
                %l: !l {nn.name = "l", nn.source = "input:l"}, %lw: !lw {nn.name = "lw", nn.source = "input:lw"})
    -> (!h {nn.name = "dx", nn.source = "output:dx"}, !h {nn.name = "q", nn.source = "output:q"}, !l {nn.name = "dl", nn.source = "output:dl"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 1 : i64}} {
  %0 = nn.embedding %e, %ids : (tensor<100x896xbf16>, !i) -> !h
  %y, %r = nn.rms_norm %x, %w {eps = 1.0e-6 : f32} : (!h, !w) -> (!h, !s)
  %dx = nn.rms_norm_data_grad %0, %x, %w, %r, %y : (!h, !h, !w, !s, !h) -> !h
  %q = nn.rotary %y, %ids, %table {head_dim = 64 : i64} : (!h, !i, tensor<64x64xf32>) -> !h
  %dl = nn.rms_norm_data_grad %l, %l, %lw, %r : (!l, !l, !lw, !s) -> !l
  return %dx, %q, %dl : !h, !h, !l
}
