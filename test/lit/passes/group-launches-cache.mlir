// group-launches: q, k and v of few rows, their rotations and the cache's new rows are one group.
// RUN: mirl-opt %s --group-launches | FileCheck %s

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

// In the order in which the products come; what stands between them goes behind.
// CHECK-LABEL: func.func @decode
// CHECK: nn.linear %arg0, %arg3 {{.*}}nn.group = 0
// CHECK-NEXT: nn.linear %arg0, %arg1 {{.*}}nn.group = 0
// CHECK-NEXT: nn.linear %arg0, %arg2 {{.*}}nn.group = 0
// CHECK-NEXT: nn.rotary {{.*}}nn.group = 0
// CHECK-NEXT: nn.rotary {{.*}}nn.group = 0
// CHECK-NEXT: nn.kv_append {{.*}} {nn.group = 0
// CHECK-NEXT: nn.fused
func.func @decode(%x: !x, %wq: !wq, %wk: !wk, %wv: !wk, %bq: !bq, %bk: !bk, %angles: !angles, %keys: !keys, %values: !values, %table: !table, %slots: !i, %positions: !i) -> (!q, !keys, !values, !x) attributes {nn.capacities = {context = 256 : i64}} {
  %v = nn.linear %x, %wv bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>} : (!x, !wk, !bk) -> !kv
  %q = nn.linear %x, %wq bias(%bq) {numerics = #nn.numerics<"k16", 16, f32>} : (!x, !wq, !bq) -> !q
  %n = nn.fused %x : (!x) -> !x {
  ^bb0(%e: f32):
    %m = arith.negf %e : f32
    nn.yield %m : f32
  }
  %k = nn.linear %x, %wk bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>} : (!x, !wk, !bk) -> !kv
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (!q, !i, !angles) -> !q
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (!kv, !i, !angles) -> !kv
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!kv, !kv, !keys, !values, !table, !i, !i) -> (!keys, !values)
  return %rq, %nk, %nv, %n : !q, !keys, !values, !x
}

// --- products are one group, rotations and the cache's rows another

// Many rows.
// CHECK-LABEL: func.func @prefill
// CHECK-COUNT-3: nn.linear {{.*}}nn.group = 0
// CHECK: nn.rotary {{.*}}nn.group = 1
// CHECK: nn.kv_append {{.*}} {nn.group = 1
func.func @prefill(%x: !x, %wq: !wq, %wk: !wk, %wv: !wk, %bq: !bq, %bk: !bk, %angles: !angles, %keys: !keys, %values: !values, %table: !table, %slots: !i, %positions: !i) -> (!q, !keys, !values) attributes {nn.capacities = {context = 257 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) {numerics = #nn.numerics<"k16", 16, f32>} : (!x, !wq, !bq) -> !q
  %k = nn.linear %x, %wk bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>} : (!x, !wk, !bk) -> !kv
  %v = nn.linear %x, %wv bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>} : (!x, !wk, !bk) -> !kv
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (!q, !i, !angles) -> !q
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (!kv, !i, !angles) -> !kv
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!kv, !kv, !keys, !values, !table, !i, !i) -> (!keys, !values)
  return %rq, %nk, %nv : !q, !keys, !values
}

// The values are needed elsewhere.
// CHECK-LABEL: func.func @values
// CHECK-COUNT-3: nn.linear {{.*}}nn.group = 0
// CHECK: nn.rotary {{.*}}nn.group = 1
// CHECK: nn.kv_append {{.*}} {nn.group = 1
func.func @values(%x: !x, %wq: !wq, %wk: !wk, %wv: !wk, %bq: !bq, %bk: !bk, %angles: !angles, %keys: !keys, %values: !values, %table: !table, %slots: !i, %positions: !i) -> (!q, !keys, !values, !kv) attributes {nn.capacities = {context = 256 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) {numerics = #nn.numerics<"k16", 16, f32>} : (!x, !wq, !bq) -> !q
  %k = nn.linear %x, %wk bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>} : (!x, !wk, !bk) -> !kv
  %v = nn.linear %x, %wv bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>} : (!x, !wk, !bk) -> !kv
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (!q, !i, !angles) -> !q
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (!kv, !i, !angles) -> !kv
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!kv, !kv, !keys, !values, !table, !i, !i) -> (!keys, !values)
  return %rq, %nk, %nv, %v : !q, !keys, !values, !kv
}

// The rotated keys are.
// CHECK-LABEL: func.func @keys
// CHECK-COUNT-3: nn.linear {{.*}}nn.group = 0
// CHECK: nn.rotary {{.*}}nn.group = 1
// CHECK: nn.kv_append {{.*}} {nn.group = 1
func.func @keys(%x: !x, %wq: !wq, %wk: !wk, %wv: !wk, %bq: !bq, %bk: !bk, %angles: !angles, %keys: !keys, %values: !values, %table: !table, %slots: !i, %positions: !i) -> (!q, !keys, !values, !kv) attributes {nn.capacities = {context = 256 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) {numerics = #nn.numerics<"k16", 16, f32>} : (!x, !wq, !bq) -> !q
  %k = nn.linear %x, %wk bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>} : (!x, !wk, !bk) -> !kv
  %v = nn.linear %x, %wv bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>} : (!x, !wk, !bk) -> !kv
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (!q, !i, !angles) -> !q
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (!kv, !i, !angles) -> !kv
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!kv, !kv, !keys, !values, !table, !i, !i) -> (!keys, !values)
  return %rq, %nk, %nv, %rk : !q, !keys, !values, !kv
}

// The angles are made behind the first product.
// CHECK-LABEL: func.func @late
// CHECK-COUNT-3: nn.linear {{.*}}nn.group = 0
// CHECK: nn.rotary {{.*}}nn.group = 1
// CHECK: nn.kv_append {{.*}} {nn.group = 1
func.func @late(%x: !x, %wq: !wq, %wk: !wk, %wv: !wk, %bq: !bq, %bk: !bk, %angles: !angles, %keys: !keys, %values: !values, %table: !table, %slots: !i, %positions: !i) -> (!q, !keys, !values) attributes {nn.capacities = {context = 256 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) {numerics = #nn.numerics<"k16", 16, f32>} : (!x, !wq, !bq) -> !q
  %turned = nn.fused %angles : (!angles) -> !angles {
  ^bb0(%e: f32):
    %m = arith.negf %e : f32
    nn.yield %m : f32
  }
  %k = nn.linear %x, %wk bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>} : (!x, !wk, !bk) -> !kv
  %v = nn.linear %x, %wv bias(%bk) {numerics = #nn.numerics<"k16", 16, f32>} : (!x, !wk, !bk) -> !kv
  %rq = nn.rotary %q, %positions, %turned {head_dim = 64 : i64} : (!q, !i, !angles) -> !q
  %rk = nn.rotary %k, %positions, %turned {head_dim = 64 : i64} : (!kv, !i, !angles) -> !kv
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!kv, !kv, !keys, !values, !table, !i, !i) -> (!keys, !values)
  return %rq, %nk, %nv : !q, !keys, !values
}
