// nn-to-plan{target=cuda}: the CPU's schedules, with 16 threads in the place of 16 lanes.
// RUN: mirl-opt %s --nn-to-plan="target=cuda" | FileCheck %s
// RUN: not mirl-opt %s --nn-to-plan="target=tpu" 2>&1 | FileCheck %s --check-prefix=TARGET
// TARGET: option target must be cpu or cuda, is 'tpu'

!rows = tensor<?x20xf32, #nn.axis<context>>
!scalars = tensor<?xf32, #nn.axis<context>>

// The slices, the six dims and the number of items; how it is launched.
// CHECK: llvm.func @rms_norm_context_c20_{{.*}}(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64, %[[ITEMS:.*]]: i64)
// CHECK-SAME: mirl.items_per_block = 8 : i64, mirl.op = "nn.rms_norm", mirl.shared_bytes = 0 : i64, mirl.threads = 128 : i64, nvvm.kernel, nvvm.maxntid = array<i32: 128, 1, 1>, nvvm.minctasm = 2 : i32
// A half-warp is an item, and one behind the last does nothing at all.
// CHECK: nvvm.read.ptx.sreg.tid.x
// CHECK: nvvm.read.ptx.sreg.ctaid.x
// CHECK: %[[HERE:.*]] = arith.cmpi slt, %{{.*}}, %[[ITEMS]] : i64
// CHECK-NEXT: scf.if %[[HERE]]
// CHECK-NOT: vector<
// The tail of a row is a predicate, not a mask.
// CHECK: scf.if %{{.*}} -> (f32) {
// The pairwise tree of the 16 lanes, the lower lane's value first.
// CHECK: %[[O8:.*]] = nvvm.shfl.sync bfly %[[MASK:.*]], %[[V:.*]], %{{.*}}, %{{.*}} : f32 -> f32
// CHECK: %[[A:.*]] = arith.select %[[UP:.*]], %[[O8]], %[[V]] : f32
// CHECK: %[[B:.*]] = arith.select %[[UP]], %[[V]], %[[O8]] : f32
// CHECK: %[[S8:.*]] = arith.addf %[[A]], %[[B]] : f32
// CHECK: nvvm.shfl.sync bfly %[[MASK]], %[[S8]]
// CHECK: nvvm.shfl.sync bfly
// CHECK: nvvm.shfl.sync bfly
// CHECK-NOT: nvvm.shfl.sync
// What one lane stores the others may read behind the barrier.
// CHECK: nvvm.bar.warp.sync %[[MASK]]
// CHECK: llvm.store
// CHECK: nvvm.bar.warp.sync %[[MASK]]
// CHECK: llvm.return
func.func @norm(%x: !rows {nn.name = "x", nn.source = "input:x"}, %w: tensor<20xf32> {nn.name = "w", nn.source = "input:w"})
    -> (!rows {nn.name = "y", nn.source = "output:y"}, !scalars {nn.name = "r", nn.source = "output:r"})
    attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  %y, %r = nn.rms_norm %x, %w {eps = 1.0e-6 : f32} : (!rows, tensor<20xf32>) -> (!rows, !scalars)
  return %y, %r : !rows, !scalars
}
