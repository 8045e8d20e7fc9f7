// verify-plan leaves a complete plan as it is.
// RUN: mirl-opt %s > %t.plain
// RUN: mirl-opt %s --verify-plan > %t.checked
// RUN: diff %t.plain %t.checked
// RUN: FileCheck %s < %t.checked

// CHECK: plan.persistent_bytes = 64 : i64
module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  nn.variable @w "weight" "pi" "w" init "ones" {plan.offset = 0 : i64} : tensor<16xf32>
  // CHECK: plan.entry @e "plain"
  plan.entry @e "plain" {token = 16} attributes {peak_bytes = 128} {
    %w = plan.buffer @w {offset = 0} : !plan.slice<tensor<16xf32>>
    // Two entries of one variable share its bytes, and so do slices that are not live together.
    %again = plan.buffer @w {offset = 0} : !plan.slice<tensor<16xf32>>
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    %b = plan.alloc "b" {offset = 128} : !plan.slice<tensor<16xf32>>
    %c = plan.alloc "c" {offset = 64} : !plan.slice<tensor<16xf32>>
    plan.copy %w to %a : !plan.slice<tensor<16xf32>>, !plan.slice<tensor<16xf32>>
    plan.launch @k reads(%a : !plan.slice<tensor<16xf32>>) writes(%b : !plan.slice<tensor<16xf32>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.add", updates = array<i64>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
       bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
    plan.copy %b to %c : !plan.slice<tensor<16xf32>>, !plan.slice<tensor<16xf32>>
    plan.output "c" from "output:c", %c : !plan.slice<tensor<16xf32>>
  }
  plan.param @tau = 1.0
  module @kernels {
    llvm.func @k(%buffers: !llvm.ptr, %dims: !llvm.ptr, %begin: i64, %end: i64) {
      llvm.return
    }
  }
}
