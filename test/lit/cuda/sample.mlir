// nn.sample on a GPU: a half-warp for each block of the vocabulary, then a block of threads for each row. The CPU has one kernel.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s --check-prefix=PLAN
// RUN: mirl-opt %s --nn-to-plan="target=cuda" | FileCheck %s
// RUN: sed s/1000/1024/g %s | mirl-opt --nn-to-plan="target=cuda" | FileCheck %s --check-prefix=WHOLE
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit ptx | FileCheck %s --check-prefix=PTX --implicit-check-not="{{approx|ftz|\.local|fma.rn.f64|atom.global}}"
// RUN: mirlc %s --target cpu:x86-64-v3 --dtype f32 --emit kernels | FileCheck %s --check-prefix=CPU

!z = tensor<?x1000xf32, #nn.axis<token>>
!ids = tensor<?xi64, #nn.axis<token>>
!ints = tensor<?xi32, #nn.axis<token>>
!floats = tensor<?xf32, #nn.axis<token>>

// PLAN-LABEL: plan.entry @draw
// PLAN: plan.launch @sample_blocks_token_v1000 reads(%[[Z:[0-9]+]], %[[T:[0-9]+]] : {{.*}}) writes(%[[SUMS:[0-9]+]] : !plan.slice<tensor<?x8xf32, #nn.axis<token>>>) over <token, size = 0, tile = 1, factor = 4>
// PLAN-NEXT: plan.launch @sample_threshold_token_v1000 reads(%[[Z]], %[[T]], {{.*}}, %[[SUMS]] : {{.*}}) writes(%[[LEAST:[0-9]+]] : !plan.slice<tensor<?x1xf32, #nn.axis<token>>>) over <token, size = 0, tile = 1, factor = 1>
// PLAN-NEXT: plan.launch @sample_draw_token_v1000 reads(%[[Z]], {{.*}}, %[[T]], %[[SUMS]], %[[LEAST]] : {{.*}}) {{.*}} over <token, size = 0, tile = 1, factor = 1>
// PLAN-NOT: plan.launch
// Programs have logits of f32.
// RUN: sed 's/x1000xf32/x1000xbf16/g' %s | not mirl-opt --nn-to-plan="target=cuda" 2>&1 | FileCheck %s --check-prefix=NARROW
// NARROW: error: 'nn.sample' op must have logits of f32 on a GPU
// CPU: plan.launch @sample_token_v1000
// CPU-NOT: plan.launch

// A whole block is read by 16 loads of every lane, once; two numbers are stored of it: maximum and sum.
// WHOLE-LABEL: llvm.func @sample_blocks_token_v1024
// WHOLE: llvm.load
// WHOLE-COUNT-16: llvm.load
// WHOLE-NOT: llvm.load
// WHOLE: nvvm.shfl.sync bfly
// WHOLE-NOT: llvm.load
// WHOLE-COUNT-2: llvm.store
// WHOLE-NOT: llvm.store
// WHOLE: llvm.return
// The last block, of 232, by loops.
// CHECK-LABEL: llvm.func @sample_blocks_token_v1000
// CHECK: scf.if %{{.*}} -> (f32, f32) {
// CHECK: scf.for

// 256 threads a row. A mass for top_p is a multiple of 2^-35: 1.5 · 2^17 is added and taken away again, in f64, where no sum of
// them rounds.
// CHECK-LABEL: llvm.func @sample_threshold_token_v1000
// CHECK-SAME: mirl.blocks_per_multiprocessor = 2 : i64
// CHECK-SAME: mirl.threads = 256 : i64
// CHECK: scf.while
// CHECK: llvm.atomicrmw add %{{.*}} : !llvm.ptr<3>, i32
// CHECK: scf.while
// CHECK: nvvm.vote.sync any
// CHECK: %[[W:.*]] = arith.extf %{{.*}} : f32 to f64
// CHECK-NEXT: %[[UP:.*]] = arith.addf %[[W]], %[[MAGIC:.*]] : f64
// CHECK-NEXT: arith.subf %[[UP]], %[[MAGIC]] : f64

// 256 threads, two blocks on a multiprocessor.
// CHECK-LABEL: llvm.func @sample_draw_token_v1000
// CHECK-SAME: mirl.blocks_per_multiprocessor = 2 : i64
// CHECK-SAME: mirl.threads = 256 : i64
// The maximum of the blocks before is a scan.
// CHECK-COUNT-6: nvvm.shfl.sync up
// CHECK: nvvm.barrier0
// Both sums over the blocks are one thread's, in order.
// CHECK: scf.for %{{.*}} -> (f32, f32)
// CHECK: nvvm.barrier0
// And the sum over the tokens of a block.
// CHECK: scf.for %{{.*}} -> (f32)
// CHECK: nvvm.barrier0
// CHECK: llvm.return
// PTX: .visible .entry sample_draw_token_v1000
// PTX: shfl.sync.up.b32
// PTX: bar.sync
// The 16 lanes of a block's kept tokens are added as a CPU does, eight apart, four, two, one.
// PTX: shfl.sync.bfly.b32 %[[O:r[0-9]+]], %[[S:r[0-9]+]], 8, 31, -1;
// PTX-NEXT: add.rn.f32 %[[S4:r[0-9]+]], %[[O]], %[[S]];
// PTX-NEXT: shfl.sync.bfly.b32 %[[O4:r[0-9]+]], %[[S4]], 4, 31, -1;
// PTX-NEXT: add.rn.f32 %[[S2:r[0-9]+]], %[[O4]], %[[S4]];
// PTX-NEXT: shfl.sync.bfly.b32 %[[O2:r[0-9]+]], %[[S2]], 2, 31, -1;
// PTX-NEXT: add.rn.f32 %[[S1:r[0-9]+]], %[[O2]], %[[S2]];
// PTX-NEXT: shfl.sync.bfly.b32 %{{r[0-9]+}}, %[[S1]], 1, 31, -1;
func.func @draw(%z: !z {nn.name = "z", nn.source = "input:z"}, %i: !ids {nn.name = "i", nn.source = "input:i"},
                %n: !ints {nn.name = "n", nn.source = "input:n"}, %seed: tensor<i64> {nn.name = "s", nn.source = "input:s"},
                %t: tensor<f32> {nn.name = "t", nn.source = "input:t"}, %k: tensor<i32> {nn.name = "k", nn.source = "input:k"},
                %p: tensor<f32> {nn.name = "p", nn.source = "input:p"})
    -> (!ints {nn.name = "token", nn.source = "output:token"}, !floats {nn.name = "logprob", nn.source = "output:logprob"})
    attributes {nn.kind = "plain", nn.capacities = {token = 8 : i64}} {
  %token, %logprob = nn.sample %z, %i, %n, %seed, %t, %k, %p : (!z, !ids, !ints, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (!ints, !floats)
  return %token, %logprob : !ints, !floats
}
