// Elementwise kernels on a GPU: a warp is an item, a thread holds two times 16 bytes of each operand, and nobody waits for
// anybody.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit ptx | FileCheck %s --check-prefix=PTX

!h = tensor<?x896xbf16, #nn.axis<context>>
!f = tensor<?x20xf32, #nn.axis<context>>
!c = tensor<?x20xbf16, #nn.axis<context>>
!o = tensor<?x7xbf16, #nn.axis<context>>
!w = tensor<1000xf32>
!s = tensor<f32>

// 512 numbers of bf16 are an item: 7 of them are 4 rows of 896. 256 of f32; 5 of them are 64 rows of 20. Beside f32, bf16
// moves as many numbers as that.
// CHECK-LABEL: plan.entry @elements
// CHECK: plan.launch @fused_{{.*}}_vv_context_c896_bf7 {{.*}} over <context, size = 0, tile = 4, factor = 7>
// CHECK: plan.launch @fused_{{.*}}_v_context_c20_bf2 {{.*}} over <context, size = 0, tile = 64, factor = 5>
// CHECK: plan.launch @fused_{{.*}}_v_context_c7_bf3 {{.*}} over <context, size = 0, tile = 512, factor = 7>
// CHECK: plan.launch @adamw_{{.*}}_c1000_copy_bf80 {{.*}} over <size = 1000, tile = 256, factor = 1>

// CHECK: llvm.func @fused_{{.*}}_c896_bf7
// CHECK-SAME: mirl.items_per_block = 8 : i64
// CHECK-SAME: mirl.threads = 256 : i64
// CHECK-SAME: nvvm.minctasm = 4 : i32
// CHECK-NOT: bar.warp.sync
// CHECK: llvm.return

// All loads of a whole item before its first store. In the last one 16 bytes are there or not.
// PTX-LABEL: .entry fused_{{.*}}_c896_bf7(
// PTX: .minnctapersm 4
// PTX-COUNT-4: ld.global.v4.b32
// PTX-NOT: ld.global
// PTX-COUNT-16: cvt.rn.bf16x2.f32
// PTX-COUNT-2: st.global.v4.b32
// PTX-NOT: .global.b
// PTX-NOT: bar.
// PTX: ret

// PTX-LABEL: .entry fused_{{.*}}_c20_bf2(
// PTX-COUNT-2: ld.global.v4.b32
// PTX-COUNT-2: st.global.v2.b32

// Rows of 7: whole items all the same; in the last one it is number by number.
// PTX-LABEL: .entry fused_{{.*}}_c7_bf3(
// PTX-COUNT-2: ld.global.v4.b32
// PTX-COUNT-2: st.global.v4.b32
// PTX: ld.global.b16

// Four tensors of f32 and a copy in bf16.
// PTX-LABEL: .entry adamw_{{.*}}_c1000_copy_bf80(
// PTX-COUNT-3: ld.global.b32
// PTX-COUNT-8: ld.global.v4.b32
// PTX-NOT: ld.global
// PTX-COUNT-6: st.global.v4.b32
// PTX-COUNT-2: st.global.v2.b32
// PTX-NOT: bar.
// PTX: ret
func.func @elements(%a: !h {nn.name = "a", nn.source = "input:a"}, %b: !h {nn.name = "b", nn.source = "input:b"},
                    %f: !f {nn.name = "f", nn.source = "input:f"}, %o: !o {nn.name = "o", nn.source = "input:o"},
                    %w: !w {nn.name = "w", nn.source = "input:w"}, %g: !w {nn.name = "g", nn.source = "input:g"},
                    %m: !w {nn.name = "m", nn.source = "input:m"}, %v: !w {nn.name = "v", nn.source = "input:v"},
                    %lr: !s {nn.name = "lr", nn.source = "input:lr"}, %step: !s {nn.name = "step", nn.source = "input:step"},
                    %scale: !s {nn.name = "scale", nn.source = "input:scale"})
    -> (!h {nn.name = "ra", nn.source = "output:ra"}, !c {nn.name = "rf", nn.source = "output:rf"},
        !o {nn.name = "ro", nn.source = "output:ro"}, tensor<1000xbf16> {nn.name = "rw", nn.source = "output:rw"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 1 : i64}} {
  %0 = nn.binary mul %a, %b : !h
  %1 = nn.cast %f : (!f) -> !c
  %2 = nn.unary neg %o : !o
  %3:4 = nn.adamw %w, %g, %m, %v, %lr, %step, %scale {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!w, !w, !w, !w, !s, !s, !s) -> (!w, !w, !w, tensor<1000xbf16>)
  return %0, %1, %2, %3#3 : !h, !c, !o, tensor<1000xbf16>
}
