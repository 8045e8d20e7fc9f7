// Attention of bf16 over packed sequences, and over a cache that the entry fills first, for attention.py: both must have the same
// bits. A decode entry has one row of each slot; the cache is what the other entry left. It
// attends twice: the launches of an entry share the counters of segments, which the first must leave zero. Those of many rows have
// smaller blocks, and append their rows themselves: attention copies what was there before while they are written.

!offsets = tensor<?xi32, #nn.axis<sequence, 1>>
!index = tensor<?xi32, #nn.axis<context>>
!table = tensor<16x40xi32>

!q14_2_64 = tensor<?x896xbf16, #nn.axis<context>>
!k14_2_64 = tensor<?x128xbf16, #nn.axis<context>>
!l14_2_64 = tensor<?x14xf32, #nn.axis<context>>
!keys14_2_64 = tensor<160x2x64x16xbf16>
!values14_2_64 = tensor<160x2x16x64xbf16>
func.func @packed_14_2_64(%q: !q14_2_64 {nn.name = "q", nn.source = "input:q"}, %k: !k14_2_64 {nn.name = "k", nn.source = "input:k"},
    %v: !k14_2_64 {nn.name = "v", nn.source = "input:v"}, %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!q14_2_64 {nn.name = "o", nn.source = "output:o"}, !l14_2_64 {nn.name = "lse", nn.source = "output:lse"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 64 : i64}} {
  %o, %lse = nn.attention %q, %k, %v, %offsets {heads = 14 : i64, kv_heads = 2 : i64, scale = 0.125 : f32}
      : (!q14_2_64, !k14_2_64, !k14_2_64, !offsets) -> (!q14_2_64, !l14_2_64)
  return %o, %lse : !q14_2_64, !l14_2_64
}
func.func @prefill_14_2_64(%q: !q14_2_64 {nn.name = "q", nn.source = "input:q"}, %k: !k14_2_64 {nn.name = "k", nn.source = "input:k"},
    %v: !k14_2_64 {nn.name = "v", nn.source = "input:v"}, %keys: !keys14_2_64 {nn.name = "keys", nn.source = "input:keys"},
    %values: !values14_2_64 {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"},
    %slots: !index {nn.name = "slots", nn.source = "input:slots"}, %positions: !index {nn.name = "positions", nn.source = "input:positions"})
    -> (!q14_2_64 {nn.name = "o", nn.source = "output:o"}, !keys14_2_64 {nn.name = "new_keys", nn.source = "output:new_keys"},
        !values14_2_64 {nn.name = "new_values", nn.source = "output:new_values"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %new_keys, %new_values = nn.kv_append %k, %v, %keys, %values, %table, %slots, %positions
      : (!k14_2_64, !k14_2_64, !keys14_2_64, !values14_2_64, !table, !index, !index) -> (!keys14_2_64, !values14_2_64)
  %o = nn.paged_attention %q, %new_keys, %new_values, %table, %slots, %positions {heads = 14 : i64, kv_heads = 2 : i64, scale = 0.125 : f32}
      : (!q14_2_64, !keys14_2_64, !values14_2_64, !table, !index, !index) -> !q14_2_64
  return %o, %new_keys, %new_values : !q14_2_64, !keys14_2_64, !values14_2_64
}
func.func @decode_14_2_64(%q: !q14_2_64 {nn.name = "q", nn.source = "input:q"}, %keys: !keys14_2_64 {nn.name = "keys", nn.source = "input:keys"},
    %values: !values14_2_64 {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"},
    %slots: !index {nn.name = "slots", nn.source = "input:slots"}, %positions: !index {nn.name = "positions", nn.source = "input:positions"})
    -> (!q14_2_64 {nn.name = "o", nn.source = "output:o"}, !q14_2_64 {nn.name = "first", nn.source = "output:first"})
    attributes {nn.kind = "decode", nn.capacities = {context = 64 : i64}} {
  %first = nn.paged_attention %q, %keys, %values, %table, %slots, %positions {heads = 14 : i64, kv_heads = 2 : i64, scale = 0.5 : f32}
      : (!q14_2_64, !keys14_2_64, !values14_2_64, !table, !index, !index) -> !q14_2_64
  %o = nn.paged_attention %q, %keys, %values, %table, %slots, %positions {heads = 14 : i64, kv_heads = 2 : i64, scale = 0.125 : f32}
      : (!q14_2_64, !keys14_2_64, !values14_2_64, !table, !index, !index) -> !q14_2_64
  return %o, %first : !q14_2_64, !q14_2_64
}

!q4_2_128 = tensor<?x512xbf16, #nn.axis<context>>
!k4_2_128 = tensor<?x256xbf16, #nn.axis<context>>
!l4_2_128 = tensor<?x4xf32, #nn.axis<context>>
!keys4_2_128 = tensor<160x2x128x16xbf16>
!values4_2_128 = tensor<160x2x16x128xbf16>
func.func @packed_4_2_128(%q: !q4_2_128 {nn.name = "q", nn.source = "input:q"}, %k: !k4_2_128 {nn.name = "k", nn.source = "input:k"},
    %v: !k4_2_128 {nn.name = "v", nn.source = "input:v"}, %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!q4_2_128 {nn.name = "o", nn.source = "output:o"}, !l4_2_128 {nn.name = "lse", nn.source = "output:lse"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 64 : i64}} {
  %o, %lse = nn.attention %q, %k, %v, %offsets {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.08838834764831845 : f32}
      : (!q4_2_128, !k4_2_128, !k4_2_128, !offsets) -> (!q4_2_128, !l4_2_128)
  return %o, %lse : !q4_2_128, !l4_2_128
}
func.func @prefill_4_2_128(%q: !q4_2_128 {nn.name = "q", nn.source = "input:q"}, %k: !k4_2_128 {nn.name = "k", nn.source = "input:k"},
    %v: !k4_2_128 {nn.name = "v", nn.source = "input:v"}, %keys: !keys4_2_128 {nn.name = "keys", nn.source = "input:keys"},
    %values: !values4_2_128 {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"},
    %slots: !index {nn.name = "slots", nn.source = "input:slots"}, %positions: !index {nn.name = "positions", nn.source = "input:positions"})
    -> (!q4_2_128 {nn.name = "o", nn.source = "output:o"}, !keys4_2_128 {nn.name = "new_keys", nn.source = "output:new_keys"},
        !values4_2_128 {nn.name = "new_values", nn.source = "output:new_values"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %new_keys, %new_values = nn.kv_append %k, %v, %keys, %values, %table, %slots, %positions
      : (!k4_2_128, !k4_2_128, !keys4_2_128, !values4_2_128, !table, !index, !index) -> (!keys4_2_128, !values4_2_128)
  %o = nn.paged_attention %q, %new_keys, %new_values, %table, %slots, %positions {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.08838834764831845 : f32}
      : (!q4_2_128, !keys4_2_128, !values4_2_128, !table, !index, !index) -> !q4_2_128
  return %o, %new_keys, %new_values : !q4_2_128, !keys4_2_128, !values4_2_128
}
func.func @decode_4_2_128(%q: !q4_2_128 {nn.name = "q", nn.source = "input:q"}, %keys: !keys4_2_128 {nn.name = "keys", nn.source = "input:keys"},
    %values: !values4_2_128 {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"},
    %slots: !index {nn.name = "slots", nn.source = "input:slots"}, %positions: !index {nn.name = "positions", nn.source = "input:positions"})
    -> (!q4_2_128 {nn.name = "o", nn.source = "output:o"}, !q4_2_128 {nn.name = "first", nn.source = "output:first"})
    attributes {nn.kind = "decode", nn.capacities = {context = 64 : i64}} {
  %first = nn.paged_attention %q, %keys, %values, %table, %slots, %positions {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.5 : f32}
      : (!q4_2_128, !keys4_2_128, !values4_2_128, !table, !index, !index) -> !q4_2_128
  %o = nn.paged_attention %q, %keys, %values, %table, %slots, %positions {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.08838834764831845 : f32}
      : (!q4_2_128, !keys4_2_128, !values4_2_128, !table, !index, !index) -> !q4_2_128
  return %o, %first : !q4_2_128, !q4_2_128
}
func.func @decode_many_4_2_128(%q: !q4_2_128 {nn.name = "q", nn.source = "input:q"}, %k: !k4_2_128 {nn.name = "k", nn.source = "input:k"},
    %v: !k4_2_128 {nn.name = "v", nn.source = "input:v"}, %keys: !keys4_2_128 {nn.name = "keys", nn.source = "input:keys"},
    %values: !values4_2_128 {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"},
    %slots: !index {nn.name = "slots", nn.source = "input:slots"}, %positions: !index {nn.name = "positions", nn.source = "input:positions"})
    -> (!q4_2_128 {nn.name = "o", nn.source = "output:o"}, !q4_2_128 {nn.name = "first", nn.source = "output:first"})
    attributes {nn.kind = "decode", nn.capacities = {context = 256 : i64}} {
  %new_keys, %new_values = nn.kv_append %k, %v, %keys, %values, %table, %slots, %positions
      : (!k4_2_128, !k4_2_128, !keys4_2_128, !values4_2_128, !table, !index, !index) -> (!keys4_2_128, !values4_2_128)
  %first = nn.paged_attention %q, %new_keys, %new_values, %table, %slots, %positions {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.5 : f32}
      : (!q4_2_128, !keys4_2_128, !values4_2_128, !table, !index, !index) -> !q4_2_128
  %o = nn.paged_attention %q, %new_keys, %new_values, %table, %slots, %positions {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.08838834764831845 : f32}
      : (!q4_2_128, !keys4_2_128, !values4_2_128, !table, !index, !index) -> !q4_2_128
  return %o, %first : !q4_2_128, !q4_2_128
}

!q3_3_64 = tensor<?x192xbf16, #nn.axis<context>>
!k3_3_64 = tensor<?x192xbf16, #nn.axis<context>>
!l3_3_64 = tensor<?x3xf32, #nn.axis<context>>
!keys3_3_64 = tensor<160x3x64x16xbf16>
!values3_3_64 = tensor<160x3x16x64xbf16>
func.func @packed_3_3_64(%q: !q3_3_64 {nn.name = "q", nn.source = "input:q"}, %k: !k3_3_64 {nn.name = "k", nn.source = "input:k"},
    %v: !k3_3_64 {nn.name = "v", nn.source = "input:v"}, %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!q3_3_64 {nn.name = "o", nn.source = "output:o"}, !l3_3_64 {nn.name = "lse", nn.source = "output:lse"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 64 : i64}} {
  %o, %lse = nn.attention %q, %k, %v, %offsets {heads = 3 : i64, kv_heads = 3 : i64, scale = 0.125 : f32}
      : (!q3_3_64, !k3_3_64, !k3_3_64, !offsets) -> (!q3_3_64, !l3_3_64)
  return %o, %lse : !q3_3_64, !l3_3_64
}
func.func @prefill_3_3_64(%q: !q3_3_64 {nn.name = "q", nn.source = "input:q"}, %k: !k3_3_64 {nn.name = "k", nn.source = "input:k"},
    %v: !k3_3_64 {nn.name = "v", nn.source = "input:v"}, %keys: !keys3_3_64 {nn.name = "keys", nn.source = "input:keys"},
    %values: !values3_3_64 {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"},
    %slots: !index {nn.name = "slots", nn.source = "input:slots"}, %positions: !index {nn.name = "positions", nn.source = "input:positions"})
    -> (!q3_3_64 {nn.name = "o", nn.source = "output:o"}, !keys3_3_64 {nn.name = "new_keys", nn.source = "output:new_keys"},
        !values3_3_64 {nn.name = "new_values", nn.source = "output:new_values"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %new_keys, %new_values = nn.kv_append %k, %v, %keys, %values, %table, %slots, %positions
      : (!k3_3_64, !k3_3_64, !keys3_3_64, !values3_3_64, !table, !index, !index) -> (!keys3_3_64, !values3_3_64)
  %o = nn.paged_attention %q, %new_keys, %new_values, %table, %slots, %positions {heads = 3 : i64, kv_heads = 3 : i64, scale = 0.125 : f32}
      : (!q3_3_64, !keys3_3_64, !values3_3_64, !table, !index, !index) -> !q3_3_64
  return %o, %new_keys, %new_values : !q3_3_64, !keys3_3_64, !values3_3_64
}
func.func @decode_3_3_64(%q: !q3_3_64 {nn.name = "q", nn.source = "input:q"}, %keys: !keys3_3_64 {nn.name = "keys", nn.source = "input:keys"},
    %values: !values3_3_64 {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"},
    %slots: !index {nn.name = "slots", nn.source = "input:slots"}, %positions: !index {nn.name = "positions", nn.source = "input:positions"})
    -> (!q3_3_64 {nn.name = "o", nn.source = "output:o"}, !q3_3_64 {nn.name = "first", nn.source = "output:first"})
    attributes {nn.kind = "decode", nn.capacities = {context = 64 : i64}} {
  %first = nn.paged_attention %q, %keys, %values, %table, %slots, %positions {heads = 3 : i64, kv_heads = 3 : i64, scale = 0.5 : f32}
      : (!q3_3_64, !keys3_3_64, !values3_3_64, !table, !index, !index) -> !q3_3_64
  %o = nn.paged_attention %q, %keys, %values, %table, %slots, %positions {heads = 3 : i64, kv_heads = 3 : i64, scale = 0.125 : f32}
      : (!q3_3_64, !keys3_3_64, !values3_3_64, !table, !index, !index) -> !q3_3_64
  return %o, %first : !q3_3_64, !q3_3_64
}
func.func @decode_many_3_3_64(%q: !q3_3_64 {nn.name = "q", nn.source = "input:q"}, %k: !k3_3_64 {nn.name = "k", nn.source = "input:k"},
    %v: !k3_3_64 {nn.name = "v", nn.source = "input:v"}, %keys: !keys3_3_64 {nn.name = "keys", nn.source = "input:keys"},
    %values: !values3_3_64 {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"},
    %slots: !index {nn.name = "slots", nn.source = "input:slots"}, %positions: !index {nn.name = "positions", nn.source = "input:positions"})
    -> (!q3_3_64 {nn.name = "o", nn.source = "output:o"}, !q3_3_64 {nn.name = "first", nn.source = "output:first"})
    attributes {nn.kind = "decode", nn.capacities = {context = 256 : i64}} {
  %new_keys, %new_values = nn.kv_append %k, %v, %keys, %values, %table, %slots, %positions
      : (!k3_3_64, !k3_3_64, !keys3_3_64, !values3_3_64, !table, !index, !index) -> (!keys3_3_64, !values3_3_64)
  %first = nn.paged_attention %q, %new_keys, %new_values, %table, %slots, %positions {heads = 3 : i64, kv_heads = 3 : i64, scale = 0.5 : f32}
      : (!q3_3_64, !keys3_3_64, !values3_3_64, !table, !index, !index) -> !q3_3_64
  %o = nn.paged_attention %q, %new_keys, %new_values, %table, %slots, %positions {heads = 3 : i64, kv_heads = 3 : i64, scale = 0.125 : f32}
      : (!q3_3_64, !keys3_3_64, !values3_3_64, !table, !index, !index) -> !q3_3_64
  return %o, %first : !q3_3_64, !q3_3_64
}

!q17_1_128 = tensor<?x2176xbf16, #nn.axis<context>>
!k17_1_128 = tensor<?x128xbf16, #nn.axis<context>>
!l17_1_128 = tensor<?x17xf32, #nn.axis<context>>
!keys17_1_128 = tensor<160x1x128x16xbf16>
!values17_1_128 = tensor<160x1x16x128xbf16>
func.func @packed_17_1_128(%q: !q17_1_128 {nn.name = "q", nn.source = "input:q"}, %k: !k17_1_128 {nn.name = "k", nn.source = "input:k"},
    %v: !k17_1_128 {nn.name = "v", nn.source = "input:v"}, %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!q17_1_128 {nn.name = "o", nn.source = "output:o"}, !l17_1_128 {nn.name = "lse", nn.source = "output:lse"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 64 : i64}} {
  %o, %lse = nn.attention %q, %k, %v, %offsets {heads = 17 : i64, kv_heads = 1 : i64, scale = 0.08838834764831845 : f32}
      : (!q17_1_128, !k17_1_128, !k17_1_128, !offsets) -> (!q17_1_128, !l17_1_128)
  return %o, %lse : !q17_1_128, !l17_1_128
}
func.func @prefill_17_1_128(%q: !q17_1_128 {nn.name = "q", nn.source = "input:q"}, %k: !k17_1_128 {nn.name = "k", nn.source = "input:k"},
    %v: !k17_1_128 {nn.name = "v", nn.source = "input:v"}, %keys: !keys17_1_128 {nn.name = "keys", nn.source = "input:keys"},
    %values: !values17_1_128 {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"},
    %slots: !index {nn.name = "slots", nn.source = "input:slots"}, %positions: !index {nn.name = "positions", nn.source = "input:positions"})
    -> (!q17_1_128 {nn.name = "o", nn.source = "output:o"}, !keys17_1_128 {nn.name = "new_keys", nn.source = "output:new_keys"},
        !values17_1_128 {nn.name = "new_values", nn.source = "output:new_values"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %new_keys, %new_values = nn.kv_append %k, %v, %keys, %values, %table, %slots, %positions
      : (!k17_1_128, !k17_1_128, !keys17_1_128, !values17_1_128, !table, !index, !index) -> (!keys17_1_128, !values17_1_128)
  %o = nn.paged_attention %q, %new_keys, %new_values, %table, %slots, %positions {heads = 17 : i64, kv_heads = 1 : i64, scale = 0.08838834764831845 : f32}
      : (!q17_1_128, !keys17_1_128, !values17_1_128, !table, !index, !index) -> !q17_1_128
  return %o, %new_keys, %new_values : !q17_1_128, !keys17_1_128, !values17_1_128
}
func.func @decode_17_1_128(%q: !q17_1_128 {nn.name = "q", nn.source = "input:q"}, %keys: !keys17_1_128 {nn.name = "keys", nn.source = "input:keys"},
    %values: !values17_1_128 {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"},
    %slots: !index {nn.name = "slots", nn.source = "input:slots"}, %positions: !index {nn.name = "positions", nn.source = "input:positions"})
    -> (!q17_1_128 {nn.name = "o", nn.source = "output:o"}, !q17_1_128 {nn.name = "first", nn.source = "output:first"})
    attributes {nn.kind = "decode", nn.capacities = {context = 64 : i64}} {
  %first = nn.paged_attention %q, %keys, %values, %table, %slots, %positions {heads = 17 : i64, kv_heads = 1 : i64, scale = 0.5 : f32}
      : (!q17_1_128, !keys17_1_128, !values17_1_128, !table, !index, !index) -> !q17_1_128
  %o = nn.paged_attention %q, %keys, %values, %table, %slots, %positions {heads = 17 : i64, kv_heads = 1 : i64, scale = 0.08838834764831845 : f32}
      : (!q17_1_128, !keys17_1_128, !values17_1_128, !table, !index, !index) -> !q17_1_128
  return %o, %first : !q17_1_128, !q17_1_128
}
