// The adjoint of attention of bf16 on the tensor cores: S and dP with both operands in shared memory, the sums with P or dS from
// registers; exponentials by the special function unit; no atomics.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit ptx -o %t.ptx
// RUN: FileCheck %s --input-file=%t.ptx --implicit-check-not=".extern .func" --implicit-check-not="{{\.local|atom\.|[[:space:]]red\.}}"

!q = tensor<?x256xbf16, #nn.axis<context>>
!k = tensor<?x128xbf16, #nn.axis<context>>
!l = tensor<?x4xf32, #nn.axis<context>>
!offsets = tensor<?xi32, #nn.axis<sequence, 1>>

// D of a row and head, 16 bytes of each operand a thread.
// CHECK-LABEL: .visible .entry attention_grad_prepare_context_sequence1_h4_kv2_d64(
// CHECK: .maxntid 128, 1, 1
// CHECK-COUNT-2: ld.global.v4.b32
// CHECK-COUNT-3: shfl.sync.bfly.b32
// CHECK: st.global.v2.b32

// Kept keys, streamed queries, whose numbers two warps bring beside the copying thread.
// CHECK-LABEL: .visible .entry attention_grad_keys_context_sequence1_h4_kv2_d64_s3e000000(
// CHECK: .maxntid 384, 1, 1
// CHECK: mov.b32 [[ARRIVALS:%r[0-9]+]], 65;
// CHECK: mbarrier.init.shared.b64 {{.*}}, [[ARRIVALS]];
// CHECK: setmaxnreg.inc.sync.aligned.u32 240
// CHECK: mbarrier.try_wait.parity.shared
// CHECK: wgmma.fence.sync.aligned
// Both operands in shared memory, from zero.
// CHECK: wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {{.*}}, %rd{{[0-9]+}}, %rd{{[0-9]+}}, p, 1, 1, 0, 0;
// CHECK: wgmma.commit_group.sync.aligned
// CHECK: wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {{.*}}, %rd{{[0-9]+}}, %rd{{[0-9]+}}, p, 1, 1, 0, 0;
// CHECK: wgmma.commit_group.sync.aligned
// CHECK: wgmma.wait_group.sync.aligned 1
// CHECK: ld.shared.v2.b32
// CHECK: fma.rn.f32
// CHECK: ex2.approx.ftz.f32
// The first tile is masked.
// CHECK: selp.f32
// CHECK: wgmma.wait_group.sync.aligned 0
// CHECK: cvt.rn.bf16x2.f32
// CHECK: wgmma.fence.sync.aligned
// A in four registers; rows of B are what is summed over.
// CHECK-COUNT-2: wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {{.*}}, {{{%r[0-9]+, %r[0-9]+, %r[0-9]+, %r[0-9]+}}}, %rd{{[0-9]+}}, p, 1, 1, 1;
// CHECK: st.global.b32
// CHECK: setmaxnreg.dec.sync.aligned.u32 24
// CHECK: elect.sync
// CHECK: cp.async.bulk.tensor.2d.shared::cta.global.tile.mbarrier::complete_tx::bytes
// CHECK: ld.global.v2.b32
// CHECK: st.shared.b32

// Kept queries, streamed keys: the products with dS run into the next tile.
// CHECK-LABEL: .visible .entry attention_grad_queries_context_sequence1_h4_kv2_d64_s3e000000(
// CHECK: ld.shared.b32
// CHECK: wgmma.wait_group.sync.aligned 1
// CHECK: ex2.approx.ftz.f32
// CHECK-NOT: selp.f32
// CHECK: wgmma.wait_group.sync.aligned 0
// CHECK-COUNT-4: wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {{.*}}, {{{%r[0-9]+, %r[0-9]+, %r[0-9]+, %r[0-9]+}}}, %rd{{[0-9]+}}, p, 1, 1, 1;
// The stage before is free when the next tile's first product has been begun.
// CHECK: wgmma.wait_group.sync.aligned 1
// CHECK: mbarrier.arrive.shared
// CHECK: selp.f32
func.func @grad(%g: !q {nn.name = "g", nn.source = "input:g"}, %q: !q {nn.name = "q", nn.source = "input:q"},
                %k: !k {nn.name = "k", nn.source = "input:k"}, %v: !k {nn.name = "v", nn.source = "input:v"},
                %o: !q {nn.name = "o", nn.source = "input:o"}, %lse: !l {nn.name = "lse", nn.source = "input:lse"},
                %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!q {nn.name = "dq", nn.source = "output:dq"}, !k {nn.name = "dk", nn.source = "output:dk"},
        !k {nn.name = "dv", nn.source = "output:dv"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %dq, %dk, %dv = nn.attention_grad %g, %q, %k, %v, %o, %lse, %offsets
      {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.125 : f32} : (!q, !q, !k, !k, !q, !l, !offsets) -> (!q, !k, !k)
  return %dq, %dk, %dv : !q, !k, !k
}
