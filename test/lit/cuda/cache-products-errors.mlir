// nn-to-plan refuses a group of products and the cache's rows that is none.
// RUN: mirl-opt %s --nn-to-plan="target=cuda" -split-input-file -verify-diagnostics

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
func.func @two_products(%x: !x {nn.name = "x", nn.source = "input:x"}, %wq: !wq {nn.name = "wq", nn.source = "input:wq"}, %wk: !wk {nn.name = "wk", nn.source = "input:wk"}, %wv: !wk {nn.name = "wv", nn.source = "input:wv"}, %bq: !bq {nn.name = "bq", nn.source = "input:bq"}, %bk: !bk {nn.name = "bk", nn.source = "input:bk"}, %angles: !angles {nn.name = "angles", nn.source = "input:angles"}, %keys: !keys {nn.name = "keys", nn.source = "input:keys"}, %values: !values {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"}, %slots: !i {nn.name = "slots", nn.source = "input:slots"}, %positions: !i {nn.name = "positions", nn.source = "input:positions"})
    -> (!keys {nn.name = "nk.out", nn.source = "output:nk.out"}, !values {nn.name = "nv.out", nn.source = "output:nv.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %k = nn.linear %x, %wk bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>, nn.group = 0 : i64} : (!x, !wk, !bk) -> !kv
  %v = nn.linear %x, %wv bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>, nn.group = 0 : i64} : (!x, !wk, !bk) -> !kv
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64, nn.group = 0 : i64} : (!kv, !i, !angles) -> !kv
  // expected-error @+1 {{must have three products and two nn.rotary before it in its group}}
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions {nn.group = 0 : i64} : (!kv, !kv, !keys, !values, !table, !i, !i) -> (!keys, !values)
  return %nk, %nv : !keys, !values
}

// -----

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
func.func @values_read(%x: !x {nn.name = "x", nn.source = "input:x"}, %wq: !wq {nn.name = "wq", nn.source = "input:wq"}, %wk: !wk {nn.name = "wk", nn.source = "input:wk"}, %wv: !wk {nn.name = "wv", nn.source = "input:wv"}, %bq: !bq {nn.name = "bq", nn.source = "input:bq"}, %bk: !bk {nn.name = "bk", nn.source = "input:bk"}, %angles: !angles {nn.name = "angles", nn.source = "input:angles"}, %keys: !keys {nn.name = "keys", nn.source = "input:keys"}, %values: !values {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"}, %slots: !i {nn.name = "slots", nn.source = "input:slots"}, %positions: !i {nn.name = "positions", nn.source = "input:positions"})
    -> (!q {nn.name = "rq.out", nn.source = "output:rq.out"}, !keys {nn.name = "nk.out", nn.source = "output:nk.out"}, !values {nn.name = "nv.out", nn.source = "output:nv.out"}, !kv {nn.name = "v.out", nn.source = "output:v.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) {numerics = #nn.numerics<"k16", 16, f32>, nn.group = 0 : i64} : (!x, !wq, !bq) -> !q
  %k = nn.linear %x, %wk bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>, nn.group = 0 : i64} : (!x, !wk, !bk) -> !kv
  // expected-error @+1 {{must be read once: by an nn.rotary of its group, or as the value of its nn.kv_append}}
  %v = nn.linear %x, %wv bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>, nn.group = 0 : i64} : (!x, !wk, !bk) -> !kv
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64, nn.group = 0 : i64} : (!q, !i, !angles) -> !q
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64, nn.group = 0 : i64} : (!kv, !i, !angles) -> !kv
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions {nn.group = 0 : i64} : (!kv, !kv, !keys, !values, !table, !i, !i) -> (!keys, !values)
  return %rq, %nk, %nv, %v : !q, !keys, !values, !kv
}

// -----

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
func.func @keys_read(%x: !x {nn.name = "x", nn.source = "input:x"}, %wq: !wq {nn.name = "wq", nn.source = "input:wq"}, %wk: !wk {nn.name = "wk", nn.source = "input:wk"}, %wv: !wk {nn.name = "wv", nn.source = "input:wv"}, %bq: !bq {nn.name = "bq", nn.source = "input:bq"}, %bk: !bk {nn.name = "bk", nn.source = "input:bk"}, %angles: !angles {nn.name = "angles", nn.source = "input:angles"}, %keys: !keys {nn.name = "keys", nn.source = "input:keys"}, %values: !values {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"}, %slots: !i {nn.name = "slots", nn.source = "input:slots"}, %positions: !i {nn.name = "positions", nn.source = "input:positions"})
    -> (!q {nn.name = "rq.out", nn.source = "output:rq.out"}, !keys {nn.name = "nk.out", nn.source = "output:nk.out"}, !values {nn.name = "nv.out", nn.source = "output:nv.out"}, !kv {nn.name = "rk.out", nn.source = "output:rk.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) {numerics = #nn.numerics<"k16", 16, f32>, nn.group = 0 : i64} : (!x, !wq, !bq) -> !q
  %k = nn.linear %x, %wk bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>, nn.group = 0 : i64} : (!x, !wk, !bk) -> !kv
  %v = nn.linear %x, %wv bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>, nn.group = 0 : i64} : (!x, !wk, !bk) -> !kv
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64, nn.group = 0 : i64} : (!q, !i, !angles) -> !q
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64, nn.group = 0 : i64} : (!kv, !i, !angles) -> !kv
  // expected-error @+1 {{must have a cache of bf16, a product of its group as its value, and a key that nothing else reads}}
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions {nn.group = 0 : i64} : (!kv, !kv, !keys, !values, !table, !i, !i) -> (!keys, !values)
  return %rq, %nk, %nv, %rk : !q, !keys, !values, !kv
}

// -----

!x = tensor<?x104xbf16, #nn.axis<context>>
!q = tensor<?x192xbf16, #nn.axis<context>>
!kv = tensor<?x128xbf16, #nn.axis<context>>
!i = tensor<?xi32, #nn.axis<context>>
!wq = tensor<192x104xbf16>
!wk = tensor<128x104xbf16>
!bq = tensor<192xbf16>
!bk = tensor<128xbf16>
!angles = tensor<80x64xf32>
!keys = tensor<40x2x64x16xf32>
!values = tensor<40x2x16x64xf32>
!table = tensor<8x5xi32>
func.func @wide_cache(%x: !x {nn.name = "x", nn.source = "input:x"}, %wq: !wq {nn.name = "wq", nn.source = "input:wq"}, %wk: !wk {nn.name = "wk", nn.source = "input:wk"}, %wv: !wk {nn.name = "wv", nn.source = "input:wv"}, %bq: !bq {nn.name = "bq", nn.source = "input:bq"}, %bk: !bk {nn.name = "bk", nn.source = "input:bk"}, %angles: !angles {nn.name = "angles", nn.source = "input:angles"}, %keys: !keys {nn.name = "keys", nn.source = "input:keys"}, %values: !values {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"}, %slots: !i {nn.name = "slots", nn.source = "input:slots"}, %positions: !i {nn.name = "positions", nn.source = "input:positions"})
    -> (!q {nn.name = "rq.out", nn.source = "output:rq.out"}, !keys {nn.name = "nk.out", nn.source = "output:nk.out"}, !values {nn.name = "nv.out", nn.source = "output:nv.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) {numerics = #nn.numerics<"k16", 16, f32>, nn.group = 0 : i64} : (!x, !wq, !bq) -> !q
  %k = nn.linear %x, %wk bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>, nn.group = 0 : i64} : (!x, !wk, !bk) -> !kv
  %v = nn.linear %x, %wv bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>, nn.group = 0 : i64} : (!x, !wk, !bk) -> !kv
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64, nn.group = 0 : i64} : (!q, !i, !angles) -> !q
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64, nn.group = 0 : i64} : (!kv, !i, !angles) -> !kv
  // expected-error @+1 {{must have a cache of bf16, a product of its group as its value, and a key that nothing else reads}}
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions {nn.group = 0 : i64} : (!kv, !kv, !keys, !values, !table, !i, !i) -> (!keys, !values)
  return %rq, %nk, %nv : !q, !keys, !values
}

// -----

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
func.func @operand(%y: !x {nn.name = "y", nn.source = "input:y"}, %x: !x {nn.name = "x", nn.source = "input:x"}, %wq: !wq {nn.name = "wq", nn.source = "input:wq"}, %wk: !wk {nn.name = "wk", nn.source = "input:wk"}, %wv: !wk {nn.name = "wv", nn.source = "input:wv"}, %bq: !bq {nn.name = "bq", nn.source = "input:bq"}, %bk: !bk {nn.name = "bk", nn.source = "input:bk"}, %angles: !angles {nn.name = "angles", nn.source = "input:angles"}, %keys: !keys {nn.name = "keys", nn.source = "input:keys"}, %values: !values {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"}, %slots: !i {nn.name = "slots", nn.source = "input:slots"}, %positions: !i {nn.name = "positions", nn.source = "input:positions"})
    -> (!q {nn.name = "rq.out", nn.source = "output:rq.out"}, !keys {nn.name = "nk.out", nn.source = "output:nk.out"}, !values {nn.name = "nv.out", nn.source = "output:nv.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) {numerics = #nn.numerics<"k16", 16, f32>, nn.group = 0 : i64} : (!x, !wq, !bq) -> !q
  // expected-error @+1 {{must have the left operand of the group's first product}}
  %k = nn.linear %y, %wk bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>, nn.group = 0 : i64} : (!x, !wk, !bk) -> !kv
  %v = nn.linear %x, %wv bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>, nn.group = 0 : i64} : (!x, !wk, !bk) -> !kv
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64, nn.group = 0 : i64} : (!q, !i, !angles) -> !q
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64, nn.group = 0 : i64} : (!kv, !i, !angles) -> !kv
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions {nn.group = 0 : i64} : (!kv, !kv, !keys, !values, !table, !i, !i) -> (!keys, !values)
  return %rq, %nk, %nv : !q, !keys, !values
}
