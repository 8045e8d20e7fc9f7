// q, k and v of few rows become rotated queries and rows of the cache in one launch (passes/LaunchGroups.h): nothing else has memory.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit ptx | FileCheck %s --check-prefix=PTX

!x = tensor<?x104xbf16, #nn.axis<context>>
!q = tensor<?x192xbf16, #nn.axis<context>>
!kv = tensor<?x128xbf16, #nn.axis<context>>
!i = tensor<?xi32, #nn.axis<context>>
!wq = tensor<192x104xbf16>
!wk = tensor<128x104xbf16>
!bq = tensor<192xbf16>
!bk = tensor<128xbf16>
!angles = tensor<80x64xf32>
!keys = tensor<40x2x64x16xbf16>
!values = tensor<40x2x16x64xbf16>
!table = tensor<8x5xi32>
!r = tensor<?x256xbf16, #nn.axis<context>>
!wr = tensor<256x104xbf16>
!br = tensor<256xbf16>

// The weights' boxes have eights of rows of a head's first and second half in turn: k, rows, halves, eights, heads. All but the
// input is there before other launches have ended.
// CHECK-LABEL: plan.entry @decode
// CHECK-SAME: fused = ["linear, linear, linear, rotary, rotary, kv_append"]
// CHECK-NOT: plan.alloc "nn.linear"
// CHECK-COUNT-1: plan.alloc "nn.rotary"
// CHECK-NOT: plan.alloc "nn.rotary"
// CHECK: plan.launch @tile_linear_rotary_kv_append_context_q192_k128_v128_d64_t5_k104_bias_early_t[[ROWS:[0-9]+]]x{{[0-9]+}}
// CHECK-SAME: early = array<i64: 0, 1, 2, 4, 5, 6, 7, 8, 9, 10>
// CHECK-SAME: maps = [#plan.tensor_map<argument = 0, axes = [0, 0, 0, 0, 0], sizes = [104, 8, 2, 4, 3], strides = [208, 6656, 1664, 13312], box = [64, 8, 2, {{[0-9]}}, 1], swizzle = 128>
// CHECK-SAME: #plan.tensor_map<argument = 1, axes = [0, 0, 0, 0, 0], sizes = [104, 8, 2, 4, 2]
// CHECK-SAME: #plan.tensor_map<argument = 2, axes = [0, 0, 0, 0, 0], sizes = [104, 8, 2, 4, 2]
// CHECK-SAME: #plan.tensor_map<argument = 3, axes = [0, 1], sizes = [104, 0]
// CHECK-SAME: updates = array<i64: 1, 2>
// CHECK-NOT: plan.launch

// Consumers load places and angles before they wait; the tile's own queries, keys and values behind the products.
// PTX: .visible .entry tile_linear_rotary_kv_append_context_q192_k128_v128_d64_t5_k104_bias_early_t
// PTX: ld.global
// PTX: griddepcontrol.wait;
// PTX: wgmma.mma_async
// PTX: shfl.sync.bfly
// PTX: st.global
// PTX: cp.async.bulk.tensor.5d
// PTX: griddepcontrol.wait;
// PTX: cp.async.bulk.tensor.2d
func.func @decode(%x: !x {nn.name = "x", nn.source = "input:x"}, %wq: !wq {nn.name = "wq", nn.source = "input:wq"}, %wk: !wk {nn.name = "wk", nn.source = "input:wk"}, %wv: !wk {nn.name = "wv", nn.source = "input:wv"}, %bq: !bq {nn.name = "bq", nn.source = "input:bq"}, %bk: !bk {nn.name = "bk", nn.source = "input:bk"}, %angles: !angles {nn.name = "angles", nn.source = "input:angles"}, %keys: !keys {nn.name = "keys", nn.source = "input:keys"}, %values: !values {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"}, %slots: !i {nn.name = "slots", nn.source = "input:slots"}, %positions: !i {nn.name = "positions", nn.source = "input:positions"})
    -> (!q {nn.name = "rq.out", nn.source = "output:rq.out"}, !keys {nn.name = "nk.out", nn.source = "output:nk.out"}, !values {nn.name = "nv.out", nn.source = "output:nv.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (!x, !wq, !bq) -> !q
  %k = nn.linear %x, %wk bias(%bk) : (!x, !wk, !bk) -> !kv
  %v = nn.linear %x, %wv bias(%bk) : (!x, !wk, !bk) -> !kv
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (!q, !i, !angles) -> !q
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (!kv, !i, !angles) -> !kv
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!kv, !kv, !keys, !values, !table, !i, !i) -> (!keys, !values)
  return %rq, %nk, %nv : !q, !keys, !values
}

// Where attention reads keys on the tensor cores they are stored as values are, two neighbours at a time. A decode step's product also
// brings what the cache has of its sequences nearer.
// CHECK-LABEL: plan.entry @rows
// CHECK: plan.launch @tile_linear_rotary_kv_append_context_q256_k128_v128_d64_t5_rows_k104_bias_early_prefetch_t
// CHECK: plan.launch @tile_paged_attention_decode_context_h4_kv2_d64_s3e000000_t5_early_r{{[0-9]+}}
// CHECK-SAME: early = array<i64: 3, 4, 5>
// PTX: .visible .entry tile_linear_rotary_kv_append_context_q256_k128_v128_d64_t5_rows_k104_bias_early_prefetch_t
// PTX-NOT: st.global.b16
// PTX: cp.async.bulk.prefetch.L2.global [%rd{{[0-9]+}}], %r
// PTX: cp.async.bulk.tensor.5d
func.func @rows(%x: !x {nn.name = "x", nn.source = "input:x"}, %wq: !wr {nn.name = "wq", nn.source = "input:wq"}, %wk: !wk {nn.name = "wk", nn.source = "input:wk"}, %wv: !wk {nn.name = "wv", nn.source = "input:wv"}, %bq: !br {nn.name = "bq", nn.source = "input:bq"}, %bk: !bk {nn.name = "bk", nn.source = "input:bk"}, %angles: !angles {nn.name = "angles", nn.source = "input:angles"}, %keys: !keys {nn.name = "keys", nn.source = "input:keys"}, %values: !values {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"}, %slots: !i {nn.name = "slots", nn.source = "input:slots"}, %positions: !i {nn.name = "positions", nn.source = "input:positions"})
    -> (!r {nn.name = "rq.out", nn.source = "output:rq.out"}, !keys {nn.name = "nk.out", nn.source = "output:nk.out"}, !values {nn.name = "nv.out", nn.source = "output:nv.out"}) attributes {nn.kind = "decode", nn.capacities = {context = 256 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (!x, !wr, !br) -> !r
  %k = nn.linear %x, %wk bias(%bk) : (!x, !wk, !bk) -> !kv
  %v = nn.linear %x, %wv bias(%bk) : (!x, !wk, !bk) -> !kv
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (!r, !i, !angles) -> !r
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (!kv, !i, !angles) -> !kv
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!kv, !kv, !keys, !values, !table, !i, !i) -> (!keys, !values)
  %y = nn.paged_attention %rq, %nk, %nv, %table, %slots, %positions {heads = 4, kv_heads = 2, scale = 1.25e-01 : f32} : (!r, !keys, !values, !table, !i, !i) -> !r
  return %y, %nk, %nv : !r, !keys, !values
}
