// What the launch of a group says: a tensor map for each weight and each result beside the common operand's; the tiles of all
// parts are its work. What nobody else reads has no slice.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s

!x = tensor<?x896xbf16, #nn.axis<context>>
!kv = tensor<?x128xbf16, #nn.axis<context>>
!h = tensor<?x4864xbf16, #nn.axis<context>>

// CHECK-LABEL: plan.entry @gated
// CHECK-SAME: fused = ["linear, linear, fused"]
// CHECK-COUNT-1: plan.alloc "nn.fused"
// CHECK-NOT: plan.alloc
// CHECK: plan.launch @tile_linear_context_n4864_n4864_k896_fused_[[PROGRAM:[0-9a-f]+]]_p01_{{[at][0-9]+x[0-9]+}} reads(%{{.*}}, %{{.*}}, %{{.*}} : {{.*}}) writes(%[[H:[0-9]+]] :
// CHECK-SAME: argument = 0
// CHECK-SAME: argument = 1, axes = [0, 0], sizes = [896, 4864]
// CHECK-SAME: argument = 2, axes = [0, 0], sizes = [896, 4864]
// CHECK-SAME: argument = 3, axes = [0, 1], sizes = [4864, 0]
// CHECK-NOT: plan.launch
// CHECK: plan.output "h" from "output:h", %[[H]]
func.func @gated(%x: !x {nn.name = "x", nn.source = "input:x"}, %wg: tensor<4864x896xbf16> {nn.name = "wg", nn.source = "input:wg"},
                 %wu: tensor<4864x896xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (!h {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %g = nn.linear %x, %wg : (!x, tensor<4864x896xbf16>) -> !h
  %u = nn.linear %x, %wu : (!x, tensor<4864x896xbf16>) -> !h
  %h = nn.fused %g, %u : (!h, !h) -> !h {
  ^bb0(%a: f32, %b: f32):
    %m = arith.mulf %a, %b : f32
    nn.yield %m : f32
  }
  return %h : !h
}

// The gate is needed as well: it is stored beside what is made of it.
// CHECK-LABEL: plan.entry @kept
// CHECK: plan.launch @tile_linear_context_n4864_n4864_k896_fused_[[PROGRAM]]_p01_keep0_{{[at][0-9]+x[0-9]+}} {{.*}} writes(%[[GATE:[0-9]+]], %[[H:[0-9]+]] :
// CHECK-SAME: argument = 3, axes = [0, 1], sizes = [4864, 0]
// CHECK-SAME: argument = 4, axes = [0, 1], sizes = [4864, 0]
// CHECK: plan.output "g" from "output:g", %[[GATE]]
// CHECK: plan.output "h" from "output:h", %[[H]]
func.func @kept(%x: !x {nn.name = "x", nn.source = "input:x"}, %wg: tensor<4864x896xbf16> {nn.name = "wg", nn.source = "input:wg"},
                %wu: tensor<4864x896xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (!h {nn.name = "g", nn.source = "output:g"}, !h {nn.name = "h", nn.source = "output:h"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %g = nn.linear %x, %wg : (!x, tensor<4864x896xbf16>) -> !h
  %u = nn.linear %x, %wu : (!x, tensor<4864x896xbf16>) -> !h
  %h = nn.fused %g, %u : (!h, !h) -> !h {
  ^bb0(%a: f32, %b: f32):
    %m = arith.mulf %a, %b : f32
    nn.yield %m : f32
  }
  return %g, %h : !h, !h
}

// 7 + 1 + 1 tiles of 128 columns, each of one product.
// CHECK-LABEL: plan.entry @products
// CHECK: plan.launch @tile_linear_context_n896_n128_n128_k896_bias_{{[at]}}[[ROWS:[0-9]+]]x128 reads(%{{([^:]*)}} : {{.*}}) writes({{.*}} over <context, size = 0, tile = [[ROWS]], factor = 9>
// CHECK-SAME: maps = [#plan.tensor_map<argument = 0, axes = [0, 1], sizes = [896, 0]
// CHECK-SAME: #plan.tensor_map<argument = 1, axes = [0, 0], sizes = [896, 896]
// CHECK-SAME: #plan.tensor_map<argument = 2, axes = [0, 0], sizes = [896, 128]
// CHECK-SAME: #plan.tensor_map<argument = 3, axes = [0, 0], sizes = [896, 128]
// CHECK-SAME: #plan.tensor_map<argument = 7, axes = [0, 1], sizes = [896, 0], strides = [1792]
// CHECK-SAME: #plan.tensor_map<argument = 8, axes = [0, 1], sizes = [128, 0], strides = [256]
// CHECK-SAME: #plan.tensor_map<argument = 9, axes = [0, 1], sizes = [128, 0], strides = [256]
func.func @products(%x: !x {nn.name = "x", nn.source = "input:x"}, %wq: tensor<896x896xbf16> {nn.name = "wq", nn.source = "input:wq"},
                    %wk: tensor<128x896xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<128x896xbf16> {nn.name = "wv", nn.source = "input:wv"},
                    %bq: tensor<896xbf16> {nn.name = "bq", nn.source = "input:bq"}, %bk: tensor<128xbf16> {nn.name = "bk", nn.source = "input:bk"},
                    %bv: tensor<128xbf16> {nn.name = "bv", nn.source = "input:bv"})
    -> (!x {nn.name = "q", nn.source = "output:q"}, !kv {nn.name = "k", nn.source = "output:k"}, !kv {nn.name = "v", nn.source = "output:v"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (!x, tensor<896x896xbf16>, tensor<896xbf16>) -> !x
  %k = nn.linear %x, %wk bias(%bk) : (!x, tensor<128x896xbf16>, tensor<128xbf16>) -> !kv
  %v = nn.linear %x, %wv bias(%bv) : (!x, tensor<128x896xbf16>, tensor<128xbf16>) -> !kv
  return %q, %k, %v : !x, !kv, !kv
}

// With few rows at capacity the weights come first, and the result is stored without a map.
// CHECK-LABEL: plan.entry @few
// CHECK: plan.launch @tile_linear_few_context_n896_n128_n128_k896_early_t{{[0-9]+}}x16 {{.*}} over <context, size = 0, tile = 16, factor = {{[0-9]+}}>
// CHECK-SAME: maps = [#plan.tensor_map<argument = 0, axes = [0, 0], sizes = [896, 896]
// CHECK-SAME: #plan.tensor_map<argument = 1, axes = [0, 0], sizes = [896, 128]
// CHECK-SAME: #plan.tensor_map<argument = 2, axes = [0, 0], sizes = [896, 128]
// CHECK-SAME: #plan.tensor_map<argument = 3, axes = [0, 1], sizes = [896, 0], {{[^>]*}}>]
func.func @few(%x: !x {nn.name = "x", nn.source = "input:x"}, %wq: tensor<896x896xbf16> {nn.name = "wq", nn.source = "input:wq"},
               %wk: tensor<128x896xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<128x896xbf16> {nn.name = "wv", nn.source = "input:wv"})
    -> (!x {nn.name = "q", nn.source = "output:q"}, !kv {nn.name = "k", nn.source = "output:k"}, !kv {nn.name = "v", nn.source = "output:v"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %q = nn.linear %x, %wq : (!x, tensor<896x896xbf16>) -> !x
  %k = nn.linear %x, %wk : (!x, tensor<128x896xbf16>) -> !kv
  %v = nn.linear %x, %wv : (!x, tensor<128x896xbf16>) -> !kv
  return %q, %k, %v : !x, !kv, !kv
}

// CHECK-LABEL: plan.entry @weight_grads
// CHECK: plan.launch @tile_linear_weight_grad_context_n896_n128_k896_{{.*}} updates = array<i64: 0, 1>
// CHECK-NOT: plan.launch
func.func @weight_grads(%gq: !x {nn.name = "gq", nn.source = "input:gq"}, %gk: !kv {nn.name = "gk", nn.source = "input:gk"}, %x: !x {nn.name = "x", nn.source = "input:x"},
                        %q: tensor<896x896xf32> {nn.name = "q", nn.source = "input:q"}, %k: tensor<128x896xf32> {nn.name = "k", nn.source = "input:k"})
    -> (tensor<896x896xf32> {nn.name = "dq", nn.source = "output:dq"}, tensor<128x896xf32> {nn.name = "dk", nn.source = "output:dk"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %dq = nn.linear_weight_grad %gq, %x, %q : (!x, !x, tensor<896x896xf32>) -> tensor<896x896xf32>
  %dk = nn.linear_weight_grad %gk, %x, %k : (!kv, !x, tensor<128x896xf32>) -> tensor<128x896xf32>
  return %dq, %dk : tensor<896x896xf32>, tensor<128x896xf32>
}

// The rotated key that only the cache needs has no memory; the caches are updated. A thread has 16 bytes of either half of a head.
!q = tensor<?x192xbf16, #nn.axis<context>>
!i = tensor<?xi32, #nn.axis<context>>
!keys = tensor<40x2x64x16xbf16>
!values = tensor<40x2x16x64xbf16>
// CHECK-LABEL: plan.entry @cache
// CHECK-COUNT-1: plan.alloc "nn.rotary"
// CHECK-NOT: plan.alloc "nn.rotary"
// CHECK: plan.launch @rotary_kv_append_context_c192_k128_cached_kv2_d64_t5_{{.*}} over <context, size = 0, tile = 1, factor = 28> {{.*}} updates = array<i64: 1, 2>
// CHECK-NOT: plan.launch
// Nothing goes from one thread to another.
// CHECK: llvm.func @rotary_kv_append
// CHECK-NOT: bar.warp.sync
// CHECK: llvm.return
func.func @cache(%q: !q {nn.name = "q", nn.source = "input:q"}, %k: !kv {nn.name = "k", nn.source = "input:k"}, %v: !kv {nn.name = "v", nn.source = "input:v"},
                 %angles: tensor<80x64xf32> {nn.name = "angles", nn.source = "input:angles"}, %keys: !keys {nn.name = "keys", nn.source = "input:keys"},
                 %values: !values {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"},
                 %slots: !i {nn.name = "slots", nn.source = "input:slots"}, %positions: !i {nn.name = "positions", nn.source = "input:positions"})
    -> (!q {nn.name = "rq", nn.source = "output:rq"}, !keys {nn.name = "nk", nn.source = "output:nk"}, !values {nn.name = "nv", nn.source = "output:nv"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (!q, !i, tensor<80x64xf32>) -> !q
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (!kv, !i, tensor<80x64xf32>) -> !kv
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!kv, !kv, !keys, !values, tensor<8x5xi32>, !i, !i) -> (!keys, !values)
  return %rq, %nk, %nv : !q, !keys, !values
}
