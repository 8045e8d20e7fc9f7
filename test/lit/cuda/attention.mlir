// Attention of bf16 on the tensor cores. Packed sequences: scores by wgmma from shared memory, values by wgmma with the
// weights in registers, tiles that a counter gives out. Over the cache: mma.sync with matrices from shared memory, where
// 16-byte copies bring blocks of the pool.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit ptx -o %t.ptx
// RUN: FileCheck %s --input-file=%t.ptx --implicit-check-not=".extern .func" --implicit-check-not="{{\.local}}"

!q = tensor<?x512xbf16, #nn.axis<context>>
!kv = tensor<?x256xbf16, #nn.axis<context>>
!lse = tensor<?x4xf32, #nn.axis<context>>
!offsets = tensor<?xi32, #nn.axis<sequence, 1>>
!index = tensor<?xi32, #nn.axis<context>>
!keys = tensor<32x2x128x16xbf16>
!values = tensor<32x2x16x128xbf16>
!table = tensor<4x8xi32>

// CHECK-LABEL: .visible .entry tile_attention_context_h4_kv2_d128_s3db504f3_sequence1(
// CHECK: .param .align 64 .b8 {{.*}}_param_2[128]
// CHECK: .maxntid 512, 1, 1
// CHECK: setmaxnreg.inc.sync.aligned.u32 160
// The scores of a block begin without an accumulator; eight steps over the head.
// CHECK: setp.ne.b32 p, 0, 0;
// CHECK: wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {{.*}}, p, 1, 1, 0, 0;
// CHECK-COUNT-7: wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16
// CHECK: wgmma.wait_group.sync.aligned 0
// Four maxima, by two exchanges each; no product is contracted into a sum but the one that is written so.
// CHECK: max.f32
// CHECK: shfl.sync.bfly.b32
// CHECK: fma.rn.f32
// CHECK: ex2.approx.ftz.f32
// CHECK: add.rn.f32
// CHECK: cvt.rn.bf16x2.f32
// The next block's scores, then this block's values; the softmax waits for the scores only.
// CHECK: wgmma.mma_async.sync.aligned.m64n64k16
// CHECK: wgmma.commit_group
// CHECK-COUNT-4: wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {{.*}}, p, 1, 1, 1;
// CHECK: wgmma.commit_group
// CHECK: wgmma.wait_group.sync.aligned 1
// CHECK: lg2.approx.ftz.f32
// The producer.
// CHECK: setmaxnreg.dec.sync.aligned.u32 24
// CHECK: elect.sync
// CHECK: atom.global.add.u32
// CHECK: cp.async.bulk.tensor.2d
func.func @packed(%q: !q {nn.name = "q", nn.source = "input:q"}, %k: !kv {nn.name = "k", nn.source = "input:k"},
                  %v: !kv {nn.name = "v", nn.source = "input:v"}, %o: !offsets {nn.name = "o", nn.source = "input:o"})
    -> (!q {nn.name = "y", nn.source = "output:y"}, !lse {nn.name = "l", nn.source = "output:l"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 64 : i64}} {
  %y, %l = nn.attention %q, %k, %v, %o {heads = 4, kv_heads = 2, scale = 8.83883461e-02 : f32, longest = 1024 : i64} : (!q, !kv, !kv, !offsets) -> (!q, !lse)
  return %y, %l : !q, !lse
}

// One row of a slot: the four warps share the pair's two heads. Each has the scores of 32 of a round's 128 keys, and 32 columns of the
// values; the weights of all meet in shared memory between two barriers, in bf16 and in f32.
// Each lane has a block of the table; what earlier calls wrote is copied before the wait, for which queries are loaded behind it.
// CHECK-LABEL: .visible .entry tile_paged_attention_decode_context_h4_kv2_d128_s3db504f3_t8_early_r128(
// CHECK: .maxntid 128, 1, 1
// CHECK-NEXT: .minnctapersm 2
// CHECK: vote.sync.ballot
// CHECK: griddepcontrol.wait;
// CHECK: shfl.sync.idx
// CHECK: cp.async.cg.shared.global {{.*}}, 16, %r
// CHECK: cp.async.commit_group
// CHECK: griddepcontrol.wait;
// CHECK: ld.global.b32
// Two blocks of the pool by eight steps over the head, 16 keys in two products.
// CHECK: bar.sync
// CHECK: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK-COUNT-32: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
// CHECK-NOT: mma.sync
// CHECK: bar.sync
// CHECK: ex2.approx.ftz.f32
// CHECK: st.shared.v2
// CHECK: st.shared.v4
// CHECK: bar.sync
// Four steps over a block's keys for four parts of eight columns.
// CHECK: ld.shared.v4
// CHECK: ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
// CHECK-COUNT-16: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
func.func @decode(%q: !q {nn.name = "q", nn.source = "input:q"}, %k: !keys {nn.name = "k", nn.source = "input:k"},
                  %v: !values {nn.name = "v", nn.source = "input:v"}, %t: !table {nn.name = "t", nn.source = "input:t"},
                  %s: !index {nn.name = "s", nn.source = "input:s"}, %p: !index {nn.name = "p", nn.source = "input:p"})
    -> (!q {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "decode", nn.capacities = {context = 4 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 4, kv_heads = 2, scale = 8.83883461e-02 : f32} : (!q, !keys, !values, !table, !index, !index) -> !q
  return %y : !q
}

// More items than such blocks: twice as many smaller ones, whose rounds are 64 keys, 16 for each warp.
// CHECK-LABEL: .visible .entry tile_paged_attention_decode_context_h4_kv2_d128_s3db504f3_t8_early_r64(
// CHECK: .maxntid 128, 1, 1
// CHECK-NEXT: .minnctapersm 4
// CHECK: bar.sync
// CHECK: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK-COUNT-16: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
// CHECK-NOT: mma.sync
// CHECK: bar.sync
func.func @decode_many(%q: !q {nn.name = "q", nn.source = "input:q"}, %k: !keys {nn.name = "k", nn.source = "input:k"},
                  %v: !values {nn.name = "v", nn.source = "input:v"}, %t: !table {nn.name = "t", nn.source = "input:t"},
                  %s: !index {nn.name = "s", nn.source = "input:s"}, %p: !index {nn.name = "p", nn.source = "input:p"})
    -> (!q {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "decode", nn.capacities = {context = 256 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 4, kv_heads = 2, scale = 8.83883461e-02 : f32} : (!q, !keys, !values, !table, !index, !index) -> !q
  return %y : !q
}

// Many rows of a slot: each warp has 16 pairs of a row and a head.
// CHECK-LABEL: .visible .entry tile_paged_attention_context_h4_kv2_d128_s3db504f3_t8(
// CHECK: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
func.func @chunk(%q: !q {nn.name = "q", nn.source = "input:q"}, %k: !keys {nn.name = "k", nn.source = "input:k"},
                 %v: !values {nn.name = "v", nn.source = "input:v"}, %t: !table {nn.name = "t", nn.source = "input:t"},
                 %s: !index {nn.name = "s", nn.source = "input:s"}, %p: !index {nn.name = "p", nn.source = "input:p"})
    -> (!q {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "prefill", nn.capacities = {context = 64 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 4, kv_heads = 2, scale = 8.83883461e-02 : f32} : (!q, !keys, !values, !table, !index, !index) -> !q
  return %y : !q
}

// Sequences of several segments of 1024 keys. Between two of them a thread keeps its 64 sums and four numbers more of its rows in
// memory, 16 bytes at a time: the first segment's as they are, later ones merged with them.
// CHECK-LABEL: .visible .entry tile_attention_context_h4_kv2_d128_s3db504f3_g1024_sequence1(
// CHECK: wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16
// CHECK: st.global.v4.b32
// CHECK: ld.global.v4.b32
// CHECK: lg2.approx.ftz.f32
func.func @packed_long(%q: !q {nn.name = "q", nn.source = "input:q"}, %k: !kv {nn.name = "k", nn.source = "input:k"},
                       %v: !kv {nn.name = "v", nn.source = "input:v"}, %o: !offsets {nn.name = "o", nn.source = "input:o"})
    -> (!q {nn.name = "y", nn.source = "output:y"}, !lse {nn.name = "l", nn.source = "output:l"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 64 : i64}} {
  %y, %l = nn.attention %q, %k, %v, %o {heads = 4, kv_heads = 2, scale = 8.83883461e-02 : f32} : (!q, !kv, !kv, !offsets) -> (!q, !lse)
  return %y, %l : !q, !lse
}

// In decoding a segment is an item. Each lane looks for one that there is; the block that is the last of a row's to add one to the
// counter merges them, and leaves zero.
// CHECK-LABEL: .visible .entry tile_paged_attention_decode_context_h4_kv2_d128_s3db504f3_g1024_t128_early_r128(
// CHECK: vote.sync.ballot
// CHECK: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
// CHECK: st.global.v4.b32
// CHECK: bar.sync
// CHECK: fence.acq_rel.gpu
// CHECK: atom{{.*}}.global.add.u32
// CHECK: fence.acq_rel.gpu
// CHECK: bar.sync
// CHECK: ld.global.v4.b32
// CHECK: st.global.b32 {{.*}}, 0
func.func @decode_long(%q: !q {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x2x128x16xbf16> {nn.name = "k", nn.source = "input:k"},
                       %v: tensor<512x2x16x128xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<4x128xi32> {nn.name = "t", nn.source = "input:t"},
                       %s: !index {nn.name = "s", nn.source = "input:s"}, %p: !index {nn.name = "p", nn.source = "input:p"})
    -> (!q {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "decode", nn.capacities = {context = 4 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 4, kv_heads = 2, scale = 8.83883461e-02 : f32} : (!q, tensor<512x2x128x16xbf16>, tensor<512x2x16x128xbf16>, tensor<4x128xi32>, !index, !index) -> !q
  return %y : !q
}

// Prefill goes through them as training does.
// CHECK-LABEL: .visible .entry tile_paged_attention_context_h4_kv2_d128_s3db504f3_g1024_t128(
// CHECK-NOT: atom
// CHECK: st.global.v4.b32
// CHECK-NOT: atom
func.func @chunk_long(%q: !q {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x2x128x16xbf16> {nn.name = "k", nn.source = "input:k"},
                      %v: tensor<512x2x16x128xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<4x128xi32> {nn.name = "t", nn.source = "input:t"},
                      %s: !index {nn.name = "s", nn.source = "input:s"}, %p: !index {nn.name = "p", nn.source = "input:p"})
    -> (!q {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "prefill", nn.capacities = {context = 64 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 4, kv_heads = 2, scale = 8.83883461e-02 : f32} : (!q, tensor<512x2x128x16xbf16>, tensor<512x2x16x128xbf16>, tensor<4x128xi32>, !index, !index) -> !q
  return %y : !q
}
