// What the launch of attention on the tensor cores says: tensor maps of query, key and value, and a counter that is zero; where a
// sequence may have several segments, memory for the sums of those that are done.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s

!q = tensor<?x896xbf16, #nn.axis<context>>
!kv = tensor<?x128xbf16, #nn.axis<context>>
!lse = tensor<?x14xf32, #nn.axis<context>>
!offsets = tensor<?xi32, #nn.axis<sequence, 1>>
!index = tensor<?xi32, #nn.axis<context>>

// CHECK-LABEL: plan.entry @packed
// CHECK: %[[COUNTER:.*]] = plan.alloc {{.*}}"next_tile"
// CHECK: plan.fill %[[COUNTER]]
// CHECK: plan.launch @tile_attention_context_h14_kv2_d64_s3e000000_sequence1 {{.*}} over <context, size = 0, tile = 1, factor = 14>
// CHECK-SAME: maps = [#plan.tensor_map<argument = 0, axes = [0, 1], sizes = [896, 0], strides = [1792], box = [64, 64], swizzle = 128>,
// CHECK-SAME: #plan.tensor_map<argument = 1, axes = [0, 1], sizes = [128, 0], strides = [256], box = [64, 64], swizzle = 128>,
// CHECK-SAME: #plan.tensor_map<argument = 2, axes = [0, 1], sizes = [128, 0], strides = [256], box = [64, 64], swizzle = 128>]
// CHECK-SAME: updates = array<i64: 2>
func.func @packed(%q: !q {nn.name = "q", nn.source = "input:q"}, %k: !kv {nn.name = "k", nn.source = "input:k"},
                  %v: !kv {nn.name = "v", nn.source = "input:v"}, %o: !offsets {nn.name = "o", nn.source = "input:o"})
    -> (!q {nn.name = "y", nn.source = "output:y"}, !lse {nn.name = "l", nn.source = "output:l"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 64 : i64}} {
  %y, %l = nn.attention %q, %k, %v, %o {heads = 14, kv_heads = 2, scale = 0.125 : f32, longest = 1024} : (!q, !kv, !kv, !offsets) -> (!q, !lse)
  return %y, %l : !q, !lse
}

// An item for each row and key/value head; 71 heads over one are more than a block takes of a row.
// CHECK-LABEL: plan.entry @paged
// CHECK: plan.launch @tile_paged_attention_context_h71_kv1_d64_s3e000000_t8 {{.*}} over <context, size = 0, tile = 1, factor = 2>
// CHECK-NOT: maps
// CHECK: plan.output
func.func @paged(%q: tensor<?x4544xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"},
                 %k: tensor<32x1x64x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<32x1x16x64xbf16> {nn.name = "v", nn.source = "input:v"},
                 %t: tensor<4x8xi32> {nn.name = "t", nn.source = "input:t"},
                 %s: !index {nn.name = "s", nn.source = "input:s"}, %p: !index {nn.name = "p", nn.source = "input:p"})
    -> (tensor<?x4544xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "plain", nn.capacities = {context = 64 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 71, kv_heads = 1, scale = 0.125 : f32} : (tensor<?x4544xbf16, #nn.axis<context>>, tensor<32x1x64x16xbf16>, tensor<32x1x16x64xbf16>, tensor<4x8xi32>, !index, !index) -> tensor<?x4544xbf16, #nn.axis<context>>
  return %y : tensor<?x4544xbf16, #nn.axis<context>>
}

// 144 blocks (the multiprocessors of the largest GPU of sm_90) of 384 threads, each with 32 sums and four numbers more.
// CHECK-LABEL: plan.entry @packed_long
// CHECK: %[[KEPT:.*]] = plan.alloc "segments" {{.*}}<tensor<1990656xf32>>
// CHECK: plan.launch @tile_attention_context_h14_kv2_d64_s3e000000_g1024_sequence1 {{.*}}%[[KEPT]] :
// CHECK-SAME: updates = array<i64: 2>
func.func @packed_long(%q: !q {nn.name = "q", nn.source = "input:q"}, %k: !kv {nn.name = "k", nn.source = "input:k"},
                       %v: !kv {nn.name = "v", nn.source = "input:v"}, %o: !offsets {nn.name = "o", nn.source = "input:o"})
    -> (!q {nn.name = "y", nn.source = "output:y"}, !lse {nn.name = "l", nn.source = "output:l"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 64 : i64}} {
  %y, %l = nn.attention %q, %k, %v, %o {heads = 14, kv_heads = 2, scale = 0.125 : f32} : (!q, !kv, !kv, !offsets) -> (!q, !lse)
  return %y, %l : !q, !lse
}

// Decoding: 2 segments for each of the 2 items of a row, and counters, which are zeroed once for all launches of the entry.
// CHECK-LABEL: plan.entry @decode_long
// CHECK: %[[KEPT:.*]] = plan.alloc "segments" {{.*}}<tensor<8x6144xf32>>
// CHECK: %[[DONE:.*]] = plan.alloc "segments_done" {{.*}}<tensor<8x2xi32>>
// CHECK: plan.fill %[[DONE]]
// CHECK: plan.launch @tile_paged_attention_decode_context_h14_kv2_d64_s3e000000_g1024_t128_early_r128 {{.*}}%[[KEPT]], %[[DONE]] : {{.*}} over <context, size = 0, tile = 1, factor = 4>
// CHECK-SAME: updates = array<i64: 2>
// CHECK-NOT: plan.fill
// CHECK: plan.launch @tile_paged_attention_decode_context_h14_kv2_d64_s3e000000_g1024_t128_early_r128 {{.*}}, %[[DONE]] :
func.func @decode_long(%q: !q {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x2x64x16xbf16> {nn.name = "k", nn.source = "input:k"},
                       %v: tensor<512x2x16x64xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<8x128xi32> {nn.name = "t", nn.source = "input:t"},
                       %s: !index {nn.name = "s", nn.source = "input:s"}, %p: !index {nn.name = "p", nn.source = "input:p"})
    -> (!q {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "decode", nn.capacities = {context = 8 : i64}} {
  %x = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 14, kv_heads = 2, scale = 0.125 : f32} : (!q, tensor<512x2x64x16xbf16>, tensor<512x2x16x64xbf16>, tensor<8x128xi32>, !index, !index) -> !q
  %y = nn.paged_attention %x, %k, %v, %t, %s, %p {heads = 14, kv_heads = 2, scale = 0.125 : f32} : (!q, tensor<512x2x64x16xbf16>, tensor<512x2x16x64xbf16>, tensor<8x128xi32>, !index, !index) -> !q
  return %y : !q
}
