// The three launches of the adjoint of attention of bf16: what they read and write, their tensor maps, and the op that keeps
// the CPU's schedule.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s
// RUN: mirlc %s --target cpu:x86-64-v3 --dtype f32 --emit kernels | FileCheck %s --check-prefix=CPU
// CPU-NOT: attention_grad_keys

!q = tensor<?x1536xbf16, #nn.axis<context>>
!k = tensor<?x256xbf16, #nn.axis<context>>
!l = tensor<?x12xf32, #nn.axis<context>>
!offsets = tensor<?xi32, #nn.axis<sequence, 1>>
!small = tensor<?x96xbf16, #nn.axis<context>>
!lsmall = tensor<?x2xf32, #nn.axis<context>>

// CHECK-LABEL: plan.entry @grad
// CHECK: plan.launch @attention_grad_prepare_context_sequence1_h12_kv2_d128 reads(%[[G:[0-9]+]], %[[O:[0-9]+]], %[[LSE:[0-9]+]], %[[OFFSETS:[0-9]+]] :
// CHECK-SAME: writes(%[[N:[0-9]+]], %[[LIST:[0-9]+]] : !plan.slice<tensor<?x24xf32, #nn.axis<context>>>, !plan.slice<tensor<?x2xi32, #nn.axis<context, 1>>>)
// CHECK-SAME: over <context, size = 0, tile = 1, factor = 1>
// Keys stay, queries pass by.
// CHECK: plan.launch @attention_grad_keys_context_sequence1_h12_kv2_d128_s3db504f3 reads(%[[G]], %[[Q:[0-9]+]], %[[K:[0-9]+]], %[[V:[0-9]+]], %[[OFFSETS]], %[[N]], %[[LIST]] :
// CHECK-SAME: over <context, size = 0, tile = 1, factor = 2>
// CHECK-SAME: maps = [#plan.tensor_map<argument = 2, axes = [0, 1], sizes = [256, 0], strides = [512], box = {{\[}}64, 128], swizzle = 128>,
// CHECK-SAME: #plan.tensor_map<argument = 3, axes = [0, 1], sizes = [256, 0], strides = [512], box = {{\[}}64, 128], swizzle = 128>,
// CHECK-SAME: #plan.tensor_map<argument = 1, axes = [0, 1], sizes = [1536, 0], strides = [3072], box = {{\[}}64, [[ROWS:[0-9]+]]], swizzle = 128>,
// CHECK-SAME: #plan.tensor_map<argument = 0, axes = [0, 1], sizes = [1536, 0], strides = [3072], box = {{\[}}64, [[ROWS]]], swizzle = 128>]
// Queries stay, keys pass by.
// CHECK: plan.launch @attention_grad_queries_context_sequence1_h12_kv2_d128_s3db504f3 reads(%[[G]], %[[Q]], %[[K]], %[[V]], %[[OFFSETS]], %[[N]], %[[LIST]] :
// CHECK-SAME: over <context, size = 0, tile = 1, factor = 12>
// CHECK-SAME: maps = [#plan.tensor_map<argument = 1, axes = [0, 1], sizes = [1536, 0], strides = [3072], box = {{\[}}64, 128], swizzle = 128>,
// CHECK-SAME: #plan.tensor_map<argument = 0, {{.*}}, box = {{\[}}64, 128], swizzle = 128>, #plan.tensor_map<argument = 2, {{.*}}, #plan.tensor_map<argument = 3,
func.func @grad(%g: !q {nn.name = "g", nn.source = "input:g"}, %q: !q {nn.name = "q", nn.source = "input:q"},
                %k: !k {nn.name = "k", nn.source = "input:k"}, %v: !k {nn.name = "v", nn.source = "input:v"},
                %o: !q {nn.name = "o", nn.source = "input:o"}, %lse: !l {nn.name = "lse", nn.source = "input:lse"},
                %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!q {nn.name = "dq", nn.source = "output:dq"}, !k {nn.name = "dk", nn.source = "output:dk"},
        !k {nn.name = "dv", nn.source = "output:dv"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %dq, %dk, %dv = nn.attention_grad %g, %q, %k, %v, %o, %lse, %offsets
      {heads = 12 : i64, kv_heads = 2 : i64, scale = 0.0883883461 : f32} : (!q, !q, !k, !k, !q, !l, !offsets) -> (!q, !k, !k)
  return %dq, %dk, %dv : !q, !k, !k
}

// Heads of 48 numbers.
// CHECK-LABEL: plan.entry @small
// CHECK-NOT: attention_grad_keys
// CHECK: plan.launch @attention_delta_
// CHECK: plan.launch @attention_grad_context_sequence1_h2_kv2_d48_
func.func @small(%x: !small {nn.name = "x", nn.source = "input:x"}, %lse: !lsmall {nn.name = "lse", nn.source = "input:lse"},
                 %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!small {nn.name = "dq", nn.source = "output:dq"})
    attributes {nn.kind = "plain", nn.capacities = {context = 1024 : i64, sequence = 64 : i64}} {
  %dq, %dk, %dv = nn.attention_grad %x, %x, %x, %x, %x, %lse, %offsets
      {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.125 : f32} : (!small, !small, !small, !small, !small, !lsmall, !offsets) -> (!small, !small, !small)
  return %dq : !small
}
