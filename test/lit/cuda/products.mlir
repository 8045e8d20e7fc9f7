// Matrix products of bf16 on the tensor cores: tiles by the tensor memory accelerator, wgmma, a persistent grid. The three
// layouts differ in how A and B are read (the last two numbers of wgmma: 0 for k, 1 for rows of k), a few rows have the
// weight on the side of the 64 rows.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit ptx -o %t.ptx
// RUN: FileCheck %s --input-file=%t.ptx --implicit-check-not=".extern .func" --implicit-check-not="{{\.local|fma\.rn}}"

!x = tensor<?x896xbf16, #nn.axis<context>>
!y = tensor<?x1152xbf16, #nn.axis<context>>
!w = tensor<1152x896xbf16>
!dw = tensor<1152x896xf32>

// CHECK-LABEL: .visible .entry tile_linear_weight_grad_context_n1152_k896_{{[at][0-9x]+}}(
// CHECK: wgmma.mma_async.sync.aligned.m64n{{[0-9]+}}k16.f32.bf16.bf16 {{.*}}, p, 1,  1, 1,  1;
// The sum is added to the gradient once, by the accelerator; no thread reads it.
// CHECK-NOT: ld.global.v2
// CHECK: st.shared.v2.b32
// CHECK: fence.proxy.async.shared::cta
// CHECK: cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.tile.bulk_group
// CHECK: cp.async.bulk.wait_group.read 0
// One thread copies, and ptxas knows that it is one.
// CHECK: elect.sync
// CHECK: mbarrier.arrive.expect_tx
func.func @weight_grad(%g: !y {nn.name = "g", nn.source = "input:g"}, %x: !x {nn.name = "x", nn.source = "input:x"},
                       %into: !dw {nn.name = "into", nn.source = "input:into"})
    -> (!dw {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_weight_grad %g, %x, %into : (!y, !x, !dw) -> !dw
  return %r : !dw
}

// CHECK-LABEL: .visible .entry tile_linear_data_grad_context_n1152_k896_
// CHECK: wgmma.mma_async.sync.aligned.m64n{{[0-9]+}}k16.f32.bf16.bf16 {{.*}}, p, 1,  1, 0,  1;
func.func @data_grad(%g: !y {nn.name = "g", nn.source = "input:g"}, %w: !w {nn.name = "w", nn.source = "input:w"})
    -> (!x {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_data_grad %g, %w : (!y, !w) -> !x
  return %r : !x
}

// CHECK-LABEL: .visible .entry tile_linear_few_context_n1152_k896_bias_residual_early_t
// CHECK: wgmma.mma_async.sync.aligned.m64n{{8|16|32|64}}k16.f32.bf16.bf16 {{.*}}, p, 1,  1, 0,  0;
// CHECK: elect.sync
// CHECK: mbarrier.arrive.expect_tx
func.func @few(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: !w {nn.name = "w", nn.source = "input:w"},
               %b: tensor<1152xbf16> {nn.name = "b", nn.source = "input:b"}, %s: !y {nn.name = "s", nn.source = "input:s"})
    -> (!y {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 32 : i64}} {
  %r = nn.linear %x, %w bias(%b) residual(%s) : (!x, !w, tensor<1152xbf16>, !y) -> !y
  return %r : !y
}

// CHECK-LABEL: .visible .entry tile_linear_context_n1152_k896_bias_residual_{{[at][0-9x]+}}(
// CHECK: .param .align 64 .b8 {{.*}}_param_0[128]
// CHECK: .param .align 64 .b8 {{.*}}_param_1[128]
// CHECK: .param .align 64 .b8 {{.*}}_param_2[128]
// CHECK: .maxntid {{384|512}}, 1, 1
// CHECK: .minnctapersm 1
// CHECK: mbarrier.init.shared.b64
// CHECK: fence.mbarrier_init.release.cluster
// CHECK: setmaxnreg.inc.sync.aligned.u32
// CHECK: mbarrier.try_wait.parity.shared
// CHECK: wgmma.fence.sync.aligned
// CHECK-COUNT-4: wgmma.mma_async.sync.aligned.m64n{{[0-9]+}}k16.f32.bf16.bf16 {{.*}}, p, 1,  1, 0,  0;
// CHECK: wgmma.commit_group.sync.aligned
// CHECK: wgmma.wait_group.sync.aligned 1
// CHECK: mbarrier.arrive.shared
// CHECK: wgmma.wait_group.sync.aligned 0
// Bias, rounding; later the residual, rounding.
// CHECK: add.rn.f32
// CHECK: cvt.rn.bf16{{.*}}f32
// CHECK: add.rn.f32
// CHECK: cvt.rn.bf16{{.*}}f32
// 64 rows of some columns through shared memory, copied.
// CHECK: stmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK: fence.proxy.async.shared::cta
// CHECK: cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group
// CHECK: cp.async.bulk.wait_group.read 0
// CHECK: setmaxnreg.dec.sync.aligned.u32
// CHECK: elect.sync
// CHECK: mbarrier.arrive.expect_tx.shared.b64
// CHECK: cp.async.bulk.tensor.2d.shared::cta.global.tile.mbarrier::complete_tx::bytes
// CHECK: cp.async.bulk.tensor.2d.shared::cta.global.tile.mbarrier::complete_tx::bytes
func.func @linear(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: !w {nn.name = "w", nn.source = "input:w"},
                  %b: tensor<1152xbf16> {nn.name = "b", nn.source = "input:b"}, %s: !y {nn.name = "s", nn.source = "input:s"})
    -> (!y {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear %x, %w bias(%b) residual(%s) : (!x, !w, tensor<1152xbf16>, !y) -> !y
  return %r : !y
}
