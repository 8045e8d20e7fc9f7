// Few rows are normalised by every block of the product behind the norm (passes/LaunchGroups.h): what the norm makes has no memory.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit ptx | FileCheck %s --check-prefix=PTX

// The rows have no tensor map; the weight of the norm, which is read last, is early as those of the products are.
// CHECK-LABEL: plan.entry @gated
// CHECK-SAME: fused = ["rms_norm, linear, linear, silu, mul"]
// CHECK-NOT: plan.alloc "nn.rms_norm"
// CHECK: plan.launch @tile_linear_few_context_n200_n200_k104_norm_eps358637bd_fused_{{[0-9a-f]+}}_p{{[01]+}}_early_t{{[0-9]+}}x16
// CHECK-SAME: early = array<i64: 0, 1, 3>
// CHECK-SAME: maps = [#plan.tensor_map<argument = 0, {{[^>]*}}>, #plan.tensor_map<argument = 1, {{[^>]*}}>]
// CHECK-NOT: plan.launch

// The consumers load the weight, wait, load rows, add up squares over a warp, and store rows to shared memory for the tensor cores.
// PTX: .visible .entry tile_linear_few_context_n200_n200_k104_norm_eps358637bd_fused_
// PTX: ld.global.v4
// PTX: griddepcontrol.wait;
// PTX: ld.global.v4
// PTX: fma.rn.f32
// PTX-COUNT-40: shfl.sync.bfly
// PTX: sqrt.rn.f32
// PTX: st.shared.v4
// PTX: fence.proxy.async.shared::cta
// PTX: bar.sync
// PTX: wgmma.mma_async
// PTX: cp.async.bulk.tensor.2d
// PTX-NOT: griddepcontrol.wait;
// PTX: ret;
func.func @gated(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<104xbf16> {nn.name = "n", nn.source = "input:n"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<200x104xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "y.out", nn.source = "output:y.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x104xbf16, #nn.axis<context>>, tensor<104xbf16>) -> (tensor<?x104xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %u = nn.linear %h, %wu : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %g = nn.linear %h, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %y = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %y : tensor<?x200xbf16, #nn.axis<context>>
}

// Places in the cache are loaded before the wait, too.
// CHECK-LABEL: plan.entry @cache
// CHECK-SAME: fused = ["rms_norm, linear, linear, linear, rotary, rotary, kv_append"]
// CHECK-NOT: plan.alloc "nn.rms_norm"
// CHECK: plan.launch @tile_linear_rotary_kv_append_context_q192_k128_v128_d64_t5_k104_norm_eps358637bd_bias_early_t{{[0-9]+}}x16
// CHECK-SAME: early = array<i64: 0, 1, 2, 11, 4, 5, 6, 7, 8, 9, 10>
// CHECK-NOT: plan.launch
func.func @cache(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<104xbf16> {nn.name = "n", nn.source = "input:n"}, %wq: tensor<192x104xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<128x104xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<128x104xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bq: tensor<192xbf16> {nn.name = "bq", nn.source = "input:bq"}, %bk: tensor<128xbf16> {nn.name = "bk", nn.source = "input:bk"}, %angles: tensor<80x64xf32> {nn.name = "angles", nn.source = "input:angles"}, %keys: tensor<40x2x64x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x2x16x64xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %positions: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
    -> (tensor<?x192xbf16, #nn.axis<context>> {nn.name = "rq.out", nn.source = "output:rq.out"}, tensor<40x2x64x16xbf16> {nn.name = "nk.out", nn.source = "output:nk.out"}, tensor<40x2x16x64xbf16> {nn.name = "nv.out", nn.source = "output:nv.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x104xbf16, #nn.axis<context>>, tensor<104xbf16>) -> (tensor<?x104xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %q = nn.linear %h, %wq bias(%bq) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<192x104xbf16>, tensor<192xbf16>) -> tensor<?x192xbf16, #nn.axis<context>>
  %k = nn.linear %h, %wk bias(%bk) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<128x104xbf16>, tensor<128xbf16>) -> tensor<?x128xbf16, #nn.axis<context>>
  %v = nn.linear %h, %wv bias(%bk) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<128x104xbf16>, tensor<128xbf16>) -> tensor<?x128xbf16, #nn.axis<context>>
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (tensor<?x192xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x64xf32>) -> tensor<?x192xbf16, #nn.axis<context>>
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (tensor<?x128xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x64xf32>) -> tensor<?x128xbf16, #nn.axis<context>>
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (tensor<?x128xbf16, #nn.axis<context>>, tensor<?x128xbf16, #nn.axis<context>>, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>, tensor<8x5xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> (tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>)
  return %rq, %nk, %nv : tensor<?x192xbf16, #nn.axis<context>>, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>
}

// With more rows the norm is a launch.
// CHECK-LABEL: plan.entry @many
// CHECK: plan.launch @rms_norm
// CHECK: plan.launch @tile_linear_few_context_n200_n200_k104_fused
func.func @many(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<104xbf16> {nn.name = "n", nn.source = "input:n"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<200x104xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "y.out", nn.source = "output:y.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 64 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x104xbf16, #nn.axis<context>>, tensor<104xbf16>) -> (tensor<?x104xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %u = nn.linear %h, %wu : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %g = nn.linear %h, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %y = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %y : tensor<?x200xbf16, #nn.axis<context>>
}
