// nn-to-plan{target=cuda}: the CPU's schedules, with threads in the place of lanes.
// RUN: mirl-opt %s --split-input-file --nn-to-plan="target=cuda" | FileCheck %s
// RUN: not mirl-opt %s --split-input-file --nn-to-plan="target=tpu" 2>&1 | FileCheck %s --check-prefix=TARGET
// TARGET: option target must be cpu or cuda, is 'tpu'

!rows = tensor<?x20xf32, #nn.axis<context>>
!w = tensor<20xf32>

// The slices, the six dims and the number of items; how it is launched.
// CHECK: llvm.func @column_sum_context_c20(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64, %[[ITEMS:.*]]: i64)
// CHECK-SAME: mirl.items_per_block = 8 : i64, mirl.op = "nn.column_sum", mirl.shared_bytes = 0 : i64, mirl.threads = 128 : i64, nvvm.kernel, nvvm.maxntid = array<i32: 128, 1, 1>, nvvm.minctasm = 2 : i32
// A half-warp is an item, and one behind the last does nothing at all.
// CHECK: nvvm.read.ptx.sreg.tid.x
// CHECK: nvvm.read.ptx.sreg.ctaid.x
// CHECK: %[[MASK:.*]] = arith.shli
// CHECK: %[[HERE:.*]] = arith.cmpi slt, %{{.*}}, %[[ITEMS]] : i64
// CHECK-NEXT: scf.if %[[HERE]]
// CHECK-NOT: vector<
// The tail of a row is a predicate, not a mask.
// CHECK: scf.if %{{.*}} -> (f32) {
// What one lane stores the others may read behind the barrier.
// CHECK: nvvm.bar.warp.sync %[[MASK]]
// CHECK: llvm.store
// CHECK: nvvm.bar.warp.sync %[[MASK]]
// CHECK: llvm.return
func.func @sum(%x: !rows {nn.name = "x", nn.source = "input:x"}, %w: !w {nn.name = "w", nn.source = "input:w"})
    -> (!w {nn.name = "y", nn.source = "output:y"})
    attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  %y = nn.column_sum %x, %w : (!rows, !w) -> !w
  return %y : !w
}

// -----

!rows = tensor<?x20xf32, #nn.axis<context>>
!scalars = tensor<?xf32, #nn.axis<context>>

// Where lanes exchange nothing through memory, a row's 16 are four threads with four numbers each, and nobody waits.
// CHECK: llvm.func @rms_norm_context_c20_{{.*}} attributes {mirl.items_per_block = 8 : i64, {{.*}} mirl.threads = 32 : i64
// CHECK: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr -> vector<4xf32>
// The tail of a row: 16 bytes are there or not.
// CHECK: scf.if %{{.*}} -> (f32, f32, f32, f32) {
// CHECK: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr -> vector<4xf32>
// The pairwise tree of the 16 lanes: 8 apart and 4 apart are in other threads, 2 and 1 in this one.
// CHECK: nvvm.shfl.sync bfly %[[MASK:.*]], %[[V:.*]], %{{.*}}, %{{.*}} : f32 -> f32
// CHECK-NEXT: arith.addf %[[V]]
// CHECK-COUNT-7: nvvm.shfl.sync bfly %[[MASK]]
// CHECK-NOT: nvvm.shfl.sync
// CHECK: arith.addf
// CHECK-NEXT: %[[A:.*]] = arith.addf
// CHECK-NEXT: %[[B:.*]] = arith.addf
// CHECK-NEXT: arith.addf %[[A]], %[[B]]
// CHECK-NOT: bar.warp.sync
// CHECK: llvm.store {{.*}} {alignment = 16 : i64} : vector<4xf32>
// CHECK-NOT: bar.warp.sync
// CHECK: llvm.return
func.func @norm(%x: !rows {nn.name = "x", nn.source = "input:x"}, %w: tensor<20xf32> {nn.name = "w", nn.source = "input:w"})
    -> (!rows {nn.name = "y", nn.source = "output:y"}, !scalars {nn.name = "r", nn.source = "output:r"})
    attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  %y, %r = nn.rms_norm %x, %w {eps = 1.0e-6 : f32} : (!rows, tensor<20xf32>) -> (!rows, !scalars)
  return %y, %r : !rows, !scalars
}
