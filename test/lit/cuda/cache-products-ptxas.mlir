// The launch of q, k, v, their rotations and the cache's rows passes the assembler's gates for Qwen2.5 0.5B and 1.5B.
// REQUIRES: ptxas
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 -o %t.plan 2>&1 | FileCheck %s
// CHECK-NOT: {{error|warning}}
// CHECK: mirlc: 6 entries, 6 kernels

!i = tensor<?xi32, #nn.axis<context>>
!table = tensor<8x5xi32>
!x_896 = tensor<?x896xbf16, #nn.axis<context>>
!q_896 = tensor<?x896xbf16, #nn.axis<context>>
!kv_896 = tensor<?x128xbf16, #nn.axis<context>>
!wq_896 = tensor<896x896xbf16>
!wk_896 = tensor<128x896xbf16>
!bq_896 = tensor<896xbf16>
!bk_896 = tensor<128xbf16>
!angles_896 = tensor<80x64xf32>
!keys_896 = tensor<40x2x64x16xbf16>
!values_896 = tensor<40x2x16x64xbf16>
!x_1536 = tensor<?x1536xbf16, #nn.axis<context>>
!q_1536 = tensor<?x1536xbf16, #nn.axis<context>>
!kv_1536 = tensor<?x256xbf16, #nn.axis<context>>
!wq_1536 = tensor<1536x1536xbf16>
!wk_1536 = tensor<256x1536xbf16>
!bq_1536 = tensor<1536xbf16>
!bk_1536 = tensor<256xbf16>
!angles_1536 = tensor<80x128xf32>
!keys_1536 = tensor<40x2x128x16xbf16>
!values_1536 = tensor<40x2x16x128xbf16>

func.func @decode_896_256(%x: !x_896 {nn.name = "x", nn.source = "input:x"}, %wq: !wq_896 {nn.name = "wq", nn.source = "input:wq"}, %wk: !wk_896 {nn.name = "wk", nn.source = "input:wk"}, %wv: !wk_896 {nn.name = "wv", nn.source = "input:wv"}, %bq: !bq_896 {nn.name = "bq", nn.source = "input:bq"}, %bk: !bk_896 {nn.name = "bk", nn.source = "input:bk"}, %angles: !angles_896 {nn.name = "angles", nn.source = "input:angles"}, %keys: !keys_896 {nn.name = "keys", nn.source = "input:keys"}, %values: !values_896 {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"}, %slots: !i {nn.name = "slots", nn.source = "input:slots"}, %positions: !i {nn.name = "positions", nn.source = "input:positions"})
    -> (!q_896 {nn.name = "rq.out", nn.source = "output:rq.out"}, !keys_896 {nn.name = "nk.out", nn.source = "output:nk.out"}, !values_896 {nn.name = "nv.out", nn.source = "output:nv.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (!x_896, !wq_896, !bq_896) -> !q_896
  %k = nn.linear %x, %wk bias(%bk) : (!x_896, !wk_896, !bk_896) -> !kv_896
  %v = nn.linear %x, %wv bias(%bk) : (!x_896, !wk_896, !bk_896) -> !kv_896
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (!q_896, !i, !angles_896) -> !q_896
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (!kv_896, !i, !angles_896) -> !kv_896
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!kv_896, !kv_896, !keys_896, !values_896, !table, !i, !i) -> (!keys_896, !values_896)
  return %rq, %nk, %nv : !q_896, !keys_896, !values_896
}

func.func @decode_896_64(%x: !x_896 {nn.name = "x", nn.source = "input:x"}, %wq: !wq_896 {nn.name = "wq", nn.source = "input:wq"}, %wk: !wk_896 {nn.name = "wk", nn.source = "input:wk"}, %wv: !wk_896 {nn.name = "wv", nn.source = "input:wv"}, %bq: !bq_896 {nn.name = "bq", nn.source = "input:bq"}, %bk: !bk_896 {nn.name = "bk", nn.source = "input:bk"}, %angles: !angles_896 {nn.name = "angles", nn.source = "input:angles"}, %keys: !keys_896 {nn.name = "keys", nn.source = "input:keys"}, %values: !values_896 {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"}, %slots: !i {nn.name = "slots", nn.source = "input:slots"}, %positions: !i {nn.name = "positions", nn.source = "input:positions"})
    -> (!q_896 {nn.name = "rq.out", nn.source = "output:rq.out"}, !keys_896 {nn.name = "nk.out", nn.source = "output:nk.out"}, !values_896 {nn.name = "nv.out", nn.source = "output:nv.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 64 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (!x_896, !wq_896, !bq_896) -> !q_896
  %k = nn.linear %x, %wk bias(%bk) : (!x_896, !wk_896, !bk_896) -> !kv_896
  %v = nn.linear %x, %wv bias(%bk) : (!x_896, !wk_896, !bk_896) -> !kv_896
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (!q_896, !i, !angles_896) -> !q_896
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (!kv_896, !i, !angles_896) -> !kv_896
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!kv_896, !kv_896, !keys_896, !values_896, !table, !i, !i) -> (!keys_896, !values_896)
  return %rq, %nk, %nv : !q_896, !keys_896, !values_896
}

func.func @decode_896_16(%x: !x_896 {nn.name = "x", nn.source = "input:x"}, %wq: !wq_896 {nn.name = "wq", nn.source = "input:wq"}, %wk: !wk_896 {nn.name = "wk", nn.source = "input:wk"}, %wv: !wk_896 {nn.name = "wv", nn.source = "input:wv"}, %bq: !bq_896 {nn.name = "bq", nn.source = "input:bq"}, %bk: !bk_896 {nn.name = "bk", nn.source = "input:bk"}, %angles: !angles_896 {nn.name = "angles", nn.source = "input:angles"}, %keys: !keys_896 {nn.name = "keys", nn.source = "input:keys"}, %values: !values_896 {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"}, %slots: !i {nn.name = "slots", nn.source = "input:slots"}, %positions: !i {nn.name = "positions", nn.source = "input:positions"})
    -> (!q_896 {nn.name = "rq.out", nn.source = "output:rq.out"}, !keys_896 {nn.name = "nk.out", nn.source = "output:nk.out"}, !values_896 {nn.name = "nv.out", nn.source = "output:nv.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (!x_896, !wq_896, !bq_896) -> !q_896
  %k = nn.linear %x, %wk bias(%bk) : (!x_896, !wk_896, !bk_896) -> !kv_896
  %v = nn.linear %x, %wv bias(%bk) : (!x_896, !wk_896, !bk_896) -> !kv_896
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (!q_896, !i, !angles_896) -> !q_896
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (!kv_896, !i, !angles_896) -> !kv_896
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!kv_896, !kv_896, !keys_896, !values_896, !table, !i, !i) -> (!keys_896, !values_896)
  return %rq, %nk, %nv : !q_896, !keys_896, !values_896
}

func.func @decode_1536_256(%x: !x_1536 {nn.name = "x", nn.source = "input:x"}, %wq: !wq_1536 {nn.name = "wq", nn.source = "input:wq"}, %wk: !wk_1536 {nn.name = "wk", nn.source = "input:wk"}, %wv: !wk_1536 {nn.name = "wv", nn.source = "input:wv"}, %bq: !bq_1536 {nn.name = "bq", nn.source = "input:bq"}, %bk: !bk_1536 {nn.name = "bk", nn.source = "input:bk"}, %angles: !angles_1536 {nn.name = "angles", nn.source = "input:angles"}, %keys: !keys_1536 {nn.name = "keys", nn.source = "input:keys"}, %values: !values_1536 {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"}, %slots: !i {nn.name = "slots", nn.source = "input:slots"}, %positions: !i {nn.name = "positions", nn.source = "input:positions"})
    -> (!q_1536 {nn.name = "rq.out", nn.source = "output:rq.out"}, !keys_1536 {nn.name = "nk.out", nn.source = "output:nk.out"}, !values_1536 {nn.name = "nv.out", nn.source = "output:nv.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (!x_1536, !wq_1536, !bq_1536) -> !q_1536
  %k = nn.linear %x, %wk bias(%bk) : (!x_1536, !wk_1536, !bk_1536) -> !kv_1536
  %v = nn.linear %x, %wv bias(%bk) : (!x_1536, !wk_1536, !bk_1536) -> !kv_1536
  %rq = nn.rotary %q, %positions, %angles {head_dim = 128 : i64} : (!q_1536, !i, !angles_1536) -> !q_1536
  %rk = nn.rotary %k, %positions, %angles {head_dim = 128 : i64} : (!kv_1536, !i, !angles_1536) -> !kv_1536
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!kv_1536, !kv_1536, !keys_1536, !values_1536, !table, !i, !i) -> (!keys_1536, !values_1536)
  return %rq, %nk, %nv : !q_1536, !keys_1536, !values_1536
}

func.func @decode_1536_64(%x: !x_1536 {nn.name = "x", nn.source = "input:x"}, %wq: !wq_1536 {nn.name = "wq", nn.source = "input:wq"}, %wk: !wk_1536 {nn.name = "wk", nn.source = "input:wk"}, %wv: !wk_1536 {nn.name = "wv", nn.source = "input:wv"}, %bq: !bq_1536 {nn.name = "bq", nn.source = "input:bq"}, %bk: !bk_1536 {nn.name = "bk", nn.source = "input:bk"}, %angles: !angles_1536 {nn.name = "angles", nn.source = "input:angles"}, %keys: !keys_1536 {nn.name = "keys", nn.source = "input:keys"}, %values: !values_1536 {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"}, %slots: !i {nn.name = "slots", nn.source = "input:slots"}, %positions: !i {nn.name = "positions", nn.source = "input:positions"})
    -> (!q_1536 {nn.name = "rq.out", nn.source = "output:rq.out"}, !keys_1536 {nn.name = "nk.out", nn.source = "output:nk.out"}, !values_1536 {nn.name = "nv.out", nn.source = "output:nv.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 64 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (!x_1536, !wq_1536, !bq_1536) -> !q_1536
  %k = nn.linear %x, %wk bias(%bk) : (!x_1536, !wk_1536, !bk_1536) -> !kv_1536
  %v = nn.linear %x, %wv bias(%bk) : (!x_1536, !wk_1536, !bk_1536) -> !kv_1536
  %rq = nn.rotary %q, %positions, %angles {head_dim = 128 : i64} : (!q_1536, !i, !angles_1536) -> !q_1536
  %rk = nn.rotary %k, %positions, %angles {head_dim = 128 : i64} : (!kv_1536, !i, !angles_1536) -> !kv_1536
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!kv_1536, !kv_1536, !keys_1536, !values_1536, !table, !i, !i) -> (!keys_1536, !values_1536)
  return %rq, %nk, %nv : !q_1536, !keys_1536, !values_1536
}

func.func @decode_1536_16(%x: !x_1536 {nn.name = "x", nn.source = "input:x"}, %wq: !wq_1536 {nn.name = "wq", nn.source = "input:wq"}, %wk: !wk_1536 {nn.name = "wk", nn.source = "input:wk"}, %wv: !wk_1536 {nn.name = "wv", nn.source = "input:wv"}, %bq: !bq_1536 {nn.name = "bq", nn.source = "input:bq"}, %bk: !bk_1536 {nn.name = "bk", nn.source = "input:bk"}, %angles: !angles_1536 {nn.name = "angles", nn.source = "input:angles"}, %keys: !keys_1536 {nn.name = "keys", nn.source = "input:keys"}, %values: !values_1536 {nn.name = "values", nn.source = "input:values"}, %table: !table {nn.name = "table", nn.source = "input:table"}, %slots: !i {nn.name = "slots", nn.source = "input:slots"}, %positions: !i {nn.name = "positions", nn.source = "input:positions"})
    -> (!q_1536 {nn.name = "rq.out", nn.source = "output:rq.out"}, !keys_1536 {nn.name = "nk.out", nn.source = "output:nk.out"}, !values_1536 {nn.name = "nv.out", nn.source = "output:nv.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (!x_1536, !wq_1536, !bq_1536) -> !q_1536
  %k = nn.linear %x, %wk bias(%bk) : (!x_1536, !wk_1536, !bk_1536) -> !kv_1536
  %v = nn.linear %x, %wv bias(%bk) : (!x_1536, !wk_1536, !bk_1536) -> !kv_1536
  %rq = nn.rotary %q, %positions, %angles {head_dim = 128 : i64} : (!q_1536, !i, !angles_1536) -> !q_1536
  %rk = nn.rotary %k, %positions, %angles {head_dim = 128 : i64} : (!kv_1536, !i, !angles_1536) -> !kv_1536
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!kv_1536, !kv_1536, !keys_1536, !values_1536, !table, !i, !i) -> (!keys_1536, !values_1536)
  return %rq, %nk, %nv : !q_1536, !keys_1536, !values_1536
}
