// Gradients of biases and of norms' weights from bf16 rows: blocks of 128 rows beside each other, then their sums.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit ptx | FileCheck %s --check-prefix=PTX
// On a CPU, and in f32, they are chains.
// RUN: mirlc %s --target cpu:x86-64-v3 --dtype f32 --emit kernels | FileCheck %s --check-prefix=CPU
// CPU-NOT: row_blocks

!x = tensor<?x896xbf16, #nn.axis<context>>
!f = tensor<?x896xf32, #nn.axis<context>>
!s = tensor<?xf32, #nn.axis<context>>
!w = tensor<896xf32>

// CHECK-LABEL: plan.entry @sums
// CHECK: plan.launch @column_blocks_context_c896_r128_bf1 {{.*}} over <context, size = 0, tile = 128, factor = 14>
// CHECK: plan.launch @add_row_blocks_context_c896_r128 {{.*}} over <size = 56, tile = 1, factor = 1>
// CHECK-SAME: updates = array<i64: 0>
// CHECK: plan.launch @rms_norm_weight_blocks_context_c896_r128_bf3 {{.*}} over <context, size = 0, tile = 128, factor = 14>
// CHECK: plan.launch @add_row_blocks_context_c896_r128 {{.*}}
// CHECK: plan.launch @column_sum_context_c896 {{.*}} over <size = 56, tile = 1, factor = 1>
func.func @sums(%g: !x {nn.name = "g", nn.source = "input:g"}, %x: !x {nn.name = "x", nn.source = "input:x"},
                %r: !s {nn.name = "r", nn.source = "input:r"}, %f: !f {nn.name = "f", nn.source = "input:f"},
                %a: !w {nn.name = "a", nn.source = "input:a"}, %b: !w {nn.name = "b", nn.source = "input:b"}, %c: !w {nn.name = "c", nn.source = "input:c"})
    -> (!w {nn.name = "ra", nn.source = "output:ra"}, !w {nn.name = "rb", nn.source = "output:rb"}, !w {nn.name = "rc", nn.source = "output:rc"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 1 : i64}} {
  %0 = nn.column_sum %g, %a : (!x, !w) -> !w
  %1 = nn.rms_norm_weight_grad %g, %x, %r, %b : (!x, !x, !s, !w) -> !w
  %2 = nn.column_sum %f, %c : (!f, !w) -> !w
  return %0, %1, %2 : !w, !w, !w
}

// Eight rows of 16 bytes are on their way before the first is added; nobody waits for anybody.
// PTX-LABEL: .entry column_blocks_context_c896_r128_bf1(
// PTX-NOT: add.rn.f32
// PTX-COUNT-8: ld.global.v4.b32
// PTX-NOT: bar.
// PTX-LABEL: .entry add_row_blocks_context_c896_r128(
// PTX-COUNT-16: ld.global.v4.b32
// PTX-NOT: bar.
// PTX-LABEL: .entry rms_norm_weight_blocks_context_c896_r128_bf3(
// PTX-NOT: fma.rn.f32
// PTX-COUNT-16: ld.global.v4.b32
// PTX-NOT: bar.
// PTX: ret
