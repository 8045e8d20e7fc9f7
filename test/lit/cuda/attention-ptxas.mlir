// Attention of the heads that models have, on packed sequences, in decoding and in prefill, passes the assembler's gates: no
// register in memory, no product that waits for another, shared memory that fits.
// REQUIRES: ptxas
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 -o %t.plan 2>&1 | FileCheck %s
// Sequences of up to 1024 keys, or more of them in training; then the other way about, and decoding for many rows.
// RUN: sed -e 's/64x64xi32/64x256xi32/g' -e 's/context = 64 : i64/context = 512 : i64/' -e '/nn.attention/s/ : f32}/ : f32, longest = 1024}/' %s > %t.mlir
// RUN: mirlc %t.mlir --target cuda:sm_90a --dtype f32 -o %t.plan 2>&1 | FileCheck %s
// CHECK-NOT: {{error|warning}}
// CHECK: mirlc: 27 entries

func.func @packed_h14_kv2_d64(%q: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<?x128xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "input:k"}, %v: tensor<?x128xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "input:v"}, %o: tensor<?xi32, #nn.axis<sequence, 1>> {nn.name = "offsets", nn.source = "input:offsets"})
  -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}, tensor<?x14xf32, #nn.axis<context>> {nn.name = "lse", nn.source = "output:lse"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %y, %l = nn.attention %q, %k, %v, %o {heads = 14, kv_heads = 2, scale = 1.250000000e-01 : f32} : (tensor<?x896xbf16, #nn.axis<context>>, tensor<?x128xbf16, #nn.axis<context>>, tensor<?x128xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x896xbf16, #nn.axis<context>>, tensor<?x14xf32, #nn.axis<context>>)
  return %y, %l : tensor<?x896xbf16, #nn.axis<context>>, tensor<?x14xf32, #nn.axis<context>>
}

func.func @decode_h14_kv2_d64(%q: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x2x64x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x2x16x64xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "decode", nn.capacities = {context = 64 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 14, kv_heads = 2, scale = 1.250000000e-01 : f32} : (tensor<?x896xbf16, #nn.axis<context>>, tensor<512x2x64x16xbf16>, tensor<512x2x16x64xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x896xbf16, #nn.axis<context>>
  return %y : tensor<?x896xbf16, #nn.axis<context>>
}

func.func @prefill_h14_kv2_d64(%q: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x2x64x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x2x16x64xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "prefill", nn.capacities = {context = 4096 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 14, kv_heads = 2, scale = 1.250000000e-01 : f32} : (tensor<?x896xbf16, #nn.axis<context>>, tensor<512x2x64x16xbf16>, tensor<512x2x16x64xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x896xbf16, #nn.axis<context>>
  return %y : tensor<?x896xbf16, #nn.axis<context>>
}

func.func @packed_h12_kv2_d128(%q: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<?x256xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "input:k"}, %v: tensor<?x256xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "input:v"}, %o: tensor<?xi32, #nn.axis<sequence, 1>> {nn.name = "offsets", nn.source = "input:offsets"})
  -> (tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}, tensor<?x12xf32, #nn.axis<context>> {nn.name = "lse", nn.source = "output:lse"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %y, %l = nn.attention %q, %k, %v, %o {heads = 12, kv_heads = 2, scale = 8.838834765e-02 : f32} : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<?x256xbf16, #nn.axis<context>>, tensor<?x256xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x1536xbf16, #nn.axis<context>>, tensor<?x12xf32, #nn.axis<context>>)
  return %y, %l : tensor<?x1536xbf16, #nn.axis<context>>, tensor<?x12xf32, #nn.axis<context>>
}

func.func @decode_h12_kv2_d128(%q: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x2x128x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x2x16x128xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "decode", nn.capacities = {context = 64 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 12, kv_heads = 2, scale = 8.838834765e-02 : f32} : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<512x2x128x16xbf16>, tensor<512x2x16x128xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x1536xbf16, #nn.axis<context>>
  return %y : tensor<?x1536xbf16, #nn.axis<context>>
}

func.func @prefill_h12_kv2_d128(%q: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x2x128x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x2x16x128xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "prefill", nn.capacities = {context = 4096 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 12, kv_heads = 2, scale = 8.838834765e-02 : f32} : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<512x2x128x16xbf16>, tensor<512x2x16x128xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x1536xbf16, #nn.axis<context>>
  return %y : tensor<?x1536xbf16, #nn.axis<context>>
}

func.func @packed_h16_kv16_d128(%q: tensor<?x2048xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<?x2048xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "input:k"}, %v: tensor<?x2048xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "input:v"}, %o: tensor<?xi32, #nn.axis<sequence, 1>> {nn.name = "offsets", nn.source = "input:offsets"})
  -> (tensor<?x2048xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}, tensor<?x16xf32, #nn.axis<context>> {nn.name = "lse", nn.source = "output:lse"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %y, %l = nn.attention %q, %k, %v, %o {heads = 16, kv_heads = 16, scale = 8.838834765e-02 : f32} : (tensor<?x2048xbf16, #nn.axis<context>>, tensor<?x2048xbf16, #nn.axis<context>>, tensor<?x2048xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x2048xbf16, #nn.axis<context>>, tensor<?x16xf32, #nn.axis<context>>)
  return %y, %l : tensor<?x2048xbf16, #nn.axis<context>>, tensor<?x16xf32, #nn.axis<context>>
}

func.func @decode_h16_kv16_d128(%q: tensor<?x2048xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x16x128x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x16x16x128xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x2048xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "decode", nn.capacities = {context = 64 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 16, kv_heads = 16, scale = 8.838834765e-02 : f32} : (tensor<?x2048xbf16, #nn.axis<context>>, tensor<512x16x128x16xbf16>, tensor<512x16x16x128xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x2048xbf16, #nn.axis<context>>
  return %y : tensor<?x2048xbf16, #nn.axis<context>>
}

func.func @prefill_h16_kv16_d128(%q: tensor<?x2048xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x16x128x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x16x16x128xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x2048xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "prefill", nn.capacities = {context = 4096 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 16, kv_heads = 16, scale = 8.838834765e-02 : f32} : (tensor<?x2048xbf16, #nn.axis<context>>, tensor<512x16x128x16xbf16>, tensor<512x16x16x128xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x2048xbf16, #nn.axis<context>>
  return %y : tensor<?x2048xbf16, #nn.axis<context>>
}

func.func @packed_h4_kv4_d64(%q: tensor<?x256xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<?x256xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "input:k"}, %v: tensor<?x256xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "input:v"}, %o: tensor<?xi32, #nn.axis<sequence, 1>> {nn.name = "offsets", nn.source = "input:offsets"})
  -> (tensor<?x256xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}, tensor<?x4xf32, #nn.axis<context>> {nn.name = "lse", nn.source = "output:lse"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %y, %l = nn.attention %q, %k, %v, %o {heads = 4, kv_heads = 4, scale = 1.250000000e-01 : f32} : (tensor<?x256xbf16, #nn.axis<context>>, tensor<?x256xbf16, #nn.axis<context>>, tensor<?x256xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x256xbf16, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>)
  return %y, %l : tensor<?x256xbf16, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>
}

func.func @decode_h4_kv4_d64(%q: tensor<?x256xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x4x64x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x4x16x64xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x256xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "decode", nn.capacities = {context = 64 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 4, kv_heads = 4, scale = 1.250000000e-01 : f32} : (tensor<?x256xbf16, #nn.axis<context>>, tensor<512x4x64x16xbf16>, tensor<512x4x16x64xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x256xbf16, #nn.axis<context>>
  return %y : tensor<?x256xbf16, #nn.axis<context>>
}

func.func @prefill_h4_kv4_d64(%q: tensor<?x256xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x4x64x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x4x16x64xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x256xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "prefill", nn.capacities = {context = 4096 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 4, kv_heads = 4, scale = 1.250000000e-01 : f32} : (tensor<?x256xbf16, #nn.axis<context>>, tensor<512x4x64x16xbf16>, tensor<512x4x16x64xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x256xbf16, #nn.axis<context>>
  return %y : tensor<?x256xbf16, #nn.axis<context>>
}

func.func @packed_h16_kv1_d128(%q: tensor<?x2048xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<?x128xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "input:k"}, %v: tensor<?x128xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "input:v"}, %o: tensor<?xi32, #nn.axis<sequence, 1>> {nn.name = "offsets", nn.source = "input:offsets"})
  -> (tensor<?x2048xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}, tensor<?x16xf32, #nn.axis<context>> {nn.name = "lse", nn.source = "output:lse"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %y, %l = nn.attention %q, %k, %v, %o {heads = 16, kv_heads = 1, scale = 8.838834765e-02 : f32} : (tensor<?x2048xbf16, #nn.axis<context>>, tensor<?x128xbf16, #nn.axis<context>>, tensor<?x128xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x2048xbf16, #nn.axis<context>>, tensor<?x16xf32, #nn.axis<context>>)
  return %y, %l : tensor<?x2048xbf16, #nn.axis<context>>, tensor<?x16xf32, #nn.axis<context>>
}

func.func @decode_h16_kv1_d128(%q: tensor<?x2048xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x1x128x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x1x16x128xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x2048xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "decode", nn.capacities = {context = 64 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 16, kv_heads = 1, scale = 8.838834765e-02 : f32} : (tensor<?x2048xbf16, #nn.axis<context>>, tensor<512x1x128x16xbf16>, tensor<512x1x16x128xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x2048xbf16, #nn.axis<context>>
  return %y : tensor<?x2048xbf16, #nn.axis<context>>
}

func.func @prefill_h16_kv1_d128(%q: tensor<?x2048xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x1x128x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x1x16x128xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x2048xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "prefill", nn.capacities = {context = 4096 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 16, kv_heads = 1, scale = 8.838834765e-02 : f32} : (tensor<?x2048xbf16, #nn.axis<context>>, tensor<512x1x128x16xbf16>, tensor<512x1x16x128xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x2048xbf16, #nn.axis<context>>
  return %y : tensor<?x2048xbf16, #nn.axis<context>>
}

func.func @packed_h32_kv8_d128(%q: tensor<?x4096xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<?x1024xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "input:k"}, %v: tensor<?x1024xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "input:v"}, %o: tensor<?xi32, #nn.axis<sequence, 1>> {nn.name = "offsets", nn.source = "input:offsets"})
  -> (tensor<?x4096xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}, tensor<?x32xf32, #nn.axis<context>> {nn.name = "lse", nn.source = "output:lse"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %y, %l = nn.attention %q, %k, %v, %o {heads = 32, kv_heads = 8, scale = 8.838834765e-02 : f32} : (tensor<?x4096xbf16, #nn.axis<context>>, tensor<?x1024xbf16, #nn.axis<context>>, tensor<?x1024xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x4096xbf16, #nn.axis<context>>, tensor<?x32xf32, #nn.axis<context>>)
  return %y, %l : tensor<?x4096xbf16, #nn.axis<context>>, tensor<?x32xf32, #nn.axis<context>>
}

func.func @decode_h32_kv8_d128(%q: tensor<?x4096xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x8x128x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x8x16x128xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x4096xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "decode", nn.capacities = {context = 64 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 32, kv_heads = 8, scale = 8.838834765e-02 : f32} : (tensor<?x4096xbf16, #nn.axis<context>>, tensor<512x8x128x16xbf16>, tensor<512x8x16x128xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4096xbf16, #nn.axis<context>>
  return %y : tensor<?x4096xbf16, #nn.axis<context>>
}

func.func @prefill_h32_kv8_d128(%q: tensor<?x4096xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x8x128x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x8x16x128xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x4096xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "prefill", nn.capacities = {context = 4096 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 32, kv_heads = 8, scale = 8.838834765e-02 : f32} : (tensor<?x4096xbf16, #nn.axis<context>>, tensor<512x8x128x16xbf16>, tensor<512x8x16x128xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4096xbf16, #nn.axis<context>>
  return %y : tensor<?x4096xbf16, #nn.axis<context>>
}

func.func @packed_h40_kv8_d128(%q: tensor<?x5120xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<?x1024xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "input:k"}, %v: tensor<?x1024xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "input:v"}, %o: tensor<?xi32, #nn.axis<sequence, 1>> {nn.name = "offsets", nn.source = "input:offsets"})
  -> (tensor<?x5120xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}, tensor<?x40xf32, #nn.axis<context>> {nn.name = "lse", nn.source = "output:lse"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %y, %l = nn.attention %q, %k, %v, %o {heads = 40, kv_heads = 8, scale = 8.838834765e-02 : f32} : (tensor<?x5120xbf16, #nn.axis<context>>, tensor<?x1024xbf16, #nn.axis<context>>, tensor<?x1024xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x5120xbf16, #nn.axis<context>>, tensor<?x40xf32, #nn.axis<context>>)
  return %y, %l : tensor<?x5120xbf16, #nn.axis<context>>, tensor<?x40xf32, #nn.axis<context>>
}

func.func @decode_h40_kv8_d128(%q: tensor<?x5120xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x8x128x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x8x16x128xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x5120xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "decode", nn.capacities = {context = 64 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 40, kv_heads = 8, scale = 8.838834765e-02 : f32} : (tensor<?x5120xbf16, #nn.axis<context>>, tensor<512x8x128x16xbf16>, tensor<512x8x16x128xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x5120xbf16, #nn.axis<context>>
  return %y : tensor<?x5120xbf16, #nn.axis<context>>
}

func.func @prefill_h40_kv8_d128(%q: tensor<?x5120xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x8x128x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x8x16x128xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x5120xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "prefill", nn.capacities = {context = 4096 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 40, kv_heads = 8, scale = 8.838834765e-02 : f32} : (tensor<?x5120xbf16, #nn.axis<context>>, tensor<512x8x128x16xbf16>, tensor<512x8x16x128xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x5120xbf16, #nn.axis<context>>
  return %y : tensor<?x5120xbf16, #nn.axis<context>>
}

func.func @packed_h71_kv1_d64(%q: tensor<?x4544xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<?x64xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "input:k"}, %v: tensor<?x64xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "input:v"}, %o: tensor<?xi32, #nn.axis<sequence, 1>> {nn.name = "offsets", nn.source = "input:offsets"})
  -> (tensor<?x4544xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}, tensor<?x71xf32, #nn.axis<context>> {nn.name = "lse", nn.source = "output:lse"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %y, %l = nn.attention %q, %k, %v, %o {heads = 71, kv_heads = 1, scale = 1.250000000e-01 : f32} : (tensor<?x4544xbf16, #nn.axis<context>>, tensor<?x64xbf16, #nn.axis<context>>, tensor<?x64xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x4544xbf16, #nn.axis<context>>, tensor<?x71xf32, #nn.axis<context>>)
  return %y, %l : tensor<?x4544xbf16, #nn.axis<context>>, tensor<?x71xf32, #nn.axis<context>>
}

func.func @decode_h71_kv1_d64(%q: tensor<?x4544xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x1x64x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x1x16x64xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x4544xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "decode", nn.capacities = {context = 64 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 71, kv_heads = 1, scale = 1.250000000e-01 : f32} : (tensor<?x4544xbf16, #nn.axis<context>>, tensor<512x1x64x16xbf16>, tensor<512x1x16x64xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4544xbf16, #nn.axis<context>>
  return %y : tensor<?x4544xbf16, #nn.axis<context>>
}

func.func @prefill_h71_kv1_d64(%q: tensor<?x4544xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x1x64x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x1x16x64xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x4544xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "prefill", nn.capacities = {context = 4096 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 71, kv_heads = 1, scale = 1.250000000e-01 : f32} : (tensor<?x4544xbf16, #nn.axis<context>>, tensor<512x1x64x16xbf16>, tensor<512x1x16x64xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4544xbf16, #nn.axis<context>>
  return %y : tensor<?x4544xbf16, #nn.axis<context>>
}

func.func @packed_h3_kv1_d64(%q: tensor<?x192xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<?x64xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "input:k"}, %v: tensor<?x64xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "input:v"}, %o: tensor<?xi32, #nn.axis<sequence, 1>> {nn.name = "offsets", nn.source = "input:offsets"})
  -> (tensor<?x192xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}, tensor<?x3xf32, #nn.axis<context>> {nn.name = "lse", nn.source = "output:lse"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %y, %l = nn.attention %q, %k, %v, %o {heads = 3, kv_heads = 1, scale = 1.250000000e-01 : f32} : (tensor<?x192xbf16, #nn.axis<context>>, tensor<?x64xbf16, #nn.axis<context>>, tensor<?x64xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x192xbf16, #nn.axis<context>>, tensor<?x3xf32, #nn.axis<context>>)
  return %y, %l : tensor<?x192xbf16, #nn.axis<context>>, tensor<?x3xf32, #nn.axis<context>>
}

func.func @decode_h3_kv1_d64(%q: tensor<?x192xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x1x64x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x1x16x64xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x192xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "decode", nn.capacities = {context = 64 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 3, kv_heads = 1, scale = 1.250000000e-01 : f32} : (tensor<?x192xbf16, #nn.axis<context>>, tensor<512x1x64x16xbf16>, tensor<512x1x16x64xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x192xbf16, #nn.axis<context>>
  return %y : tensor<?x192xbf16, #nn.axis<context>>
}

func.func @prefill_h3_kv1_d64(%q: tensor<?x192xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<512x1x64x16xbf16> {nn.name = "k", nn.source = "input:k"}, %v: tensor<512x1x16x64xbf16> {nn.name = "v", nn.source = "input:v"}, %t: tensor<64x64xi32> {nn.name = "table", nn.source = "input:table"}, %s: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
  -> (tensor<?x192xbf16, #nn.axis<context>> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "prefill", nn.capacities = {context = 4096 : i64}} {
  %y = nn.paged_attention %q, %k, %v, %t, %s, %p {heads = 3, kv_heads = 1, scale = 1.250000000e-01 : f32} : (tensor<?x192xbf16, #nn.axis<context>>, tensor<512x1x64x16xbf16>, tensor<512x1x16x64xbf16>, tensor<64x64xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x192xbf16, #nn.axis<context>>
  return %y : tensor<?x192xbf16, #nn.axis<context>>
}

