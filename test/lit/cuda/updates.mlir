// Updates and norms of many tensors on a GPU: a launch for each shape, which finds a tensor's addresses in an array that is one
// parameter; the sums of the tensors' blocks by the places where they begin and end; the chain over the tensors.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit ptx | FileCheck %s --check-prefix=PTX
// On a CPU they are launched one by one.
// RUN: mirlc %s --target cpu:x86-64-v3 --dtype f32 --emit kernels | FileCheck %s --check-prefix=CPU
// CPU-NOT: _x{{[23]}}
// CPU-COUNT-4: plan.launch @adamw_{{.*}}_c{{1000|4096}}{{(_copy)?(_bf80)?}} reads
// CPU-COUNT-4: plan.launch @squared_norm_{{c|merge}}

!a = tensor<1000xf32>
!n = tensor<1000xbf16>
!b = tensor<4096xf32>
!c = tensor<9000xf32>
!s = tensor<f32>

// 4 items of 256 numbers for each of two tensors, whose reads and writes stand kind by kind; with a copy, or of another shape, they
// are launches of their own.
// CHECK-LABEL: plan.entry @update
// CHECK: plan.launch @adamw_[[C:[0-9a-f_]+]]_c1000_x2 reads(%{{[^:]*}} : !plan.slice<tensor<f32>>, {{.*}}) writes(%{{[^:]*}} : {{.*}} over <size = 1000, tile = 256, factor = 2>
// CHECK-SAME: updates = array<i64: 0, 1, 2, 3, 4, 5>
// CHECK: plan.launch @adamw_[[C]]_c4096 {{.*}} over <size = 4096, tile = 256, factor = 1>
// CHECK: plan.launch @adamw_[[C]]_c1000_copy_bf80 {{.*}} over <size = 1000, tile = 256, factor = 1>
// CHECK-NOT: plan.launch
func.func @update(%wa: !a {nn.name = "wa", nn.source = "input:wa"}, %wb: !b {nn.name = "wb", nn.source = "input:wb"},
                  %wc: !a {nn.name = "wc", nn.source = "input:wc"}, %wd: !a {nn.name = "wd", nn.source = "input:wd"},
                  %s: !s {nn.name = "s", nn.source = "input:s"})
    -> (!a {nn.name = "ra", nn.source = "output:ra"}, !b {nn.name = "rb", nn.source = "output:rb"},
        !a {nn.name = "rc", nn.source = "output:rc"}, !n {nn.name = "rd", nn.source = "output:rd"})
    attributes {nn.kind = "plain", nn.capacities = {}} {
  %a:3 = nn.adamw %wa, %wa, %wa, %wa, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!a, !a, !a, !a, !s, !s, !s) -> (!a, !a, !a)
  %b:3 = nn.adamw %wb, %wb, %wb, %wb, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!b, !b, !b, !b, !s, !s, !s) -> (!b, !b, !b)
  %d:4 = nn.adamw %wd, %wd, %wd, %wd, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!a, !a, !a, !a, !s, !s, !s) -> (!a, !a, !a, !n)
  %c:3 = nn.adamw %wc, %wc, %wc, %wc, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!a, !a, !a, !a, !s, !s, !s) -> (!a, !a, !a)
  return %a#0, %b#0, %c#0, %d#3 : !a, !b, !a, !n
}

// 1, 1 and 3 blocks: those of the two tensors of one shape come first.
// CHECK-LABEL: plan.entry @norms
// CHECK: plan.launch @squared_norm_c4096_x2 {{.*}} over <size = 2, tile = 1, factor = 1>
// CHECK: plan.launch @squared_norm_c9000_at2 {{.*}} over <size = 3, tile = 1, factor = 1>
// CHECK: %[[PLACES:.*]] = plan.buffer @constant.0 {{.*}} : <tensor<3x2xi32>>
// CHECK: plan.launch @squared_norm_chains reads(%{{[0-9]+}}, %[[PLACES]] : {{.*}} over <size = 3, tile = 1, factor = 1>
// CHECK: plan.launch @squared_norm_total_n3 {{.*}} over <size = 1, tile = 1, factor = 1>
// CHECK-NOT: plan.launch
// CHECK: plan.constant @constant.0 {{.*}} dense<{{\[}}[0, 1], [2, 5], [1, 2]]> : tensor<3x2xi32>
func.func @norms(%a: !b {nn.name = "a", nn.source = "input:a"}, %b: !c {nn.name = "b", nn.source = "input:b"},
                 %c: !b {nn.name = "c", nn.source = "input:c"}, %s: !s {nn.name = "s", nn.source = "input:s"})
    -> (!s {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {}} {
  %0 = nn.squared_norm %a, %s : (!b, !s) -> !s
  %1 = nn.squared_norm %b, %0 : (!c, !s) -> !s
  %2 = nn.squared_norm %c, %1 : (!b, !s) -> !s
  return %2 : !s
}

// 3 numbers, 2 gradients, 2 weights, 4 moments.
// CHECK: llvm.func @adamw_{{.*}}_c1000_x2(%arg0: !llvm.ptr {llvm.align = 8 : i64, llvm.byval = !llvm.array<11 x ptr>, nvvm.grid_constant}
// CHECK-SAME: mirl.buffer_array = 1 : i64
// PTX-LABEL: .entry adamw_{{.*}}_c1000_x2(
// PTX: .param .align 8 .b8 adamw_{{.*}}_x2_param_0[88]
// PTX-NOT: st.local
// PTX-COUNT-8: ld.global.v4
// PTX-COUNT-6: st.global.v4
// PTX: ret
