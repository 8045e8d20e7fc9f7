// How the vocabulary head goes on the tensor cores: forward one product, whose tiles are whole blocks of 256 of the vocabulary,
// and the merging of their sums; the adjoint in chunks of the vocabulary whose gradient of the logits takes 288 MiB at most.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s

!h = tensor<?x896xbf16, #nn.axis<token>>
!w = tensor<151936x896xbf16>
!dw = tensor<151936x896xf32>
!t = tensor<?xi32, #nn.axis<token>>
!f = tensor<?xf32, #nn.axis<token>>
!some = tensor<?x8192xbf16, #nn.axis<token>>
!m = tensor<?x32xf32, #nn.axis<token>>
!all = tensor<?x151936xbf16, #nn.axis<token>>
!allm = tensor<?x594xf32, #nn.axis<token>>

// CHECK-LABEL: plan.entry @head
// A row has 594 blocks, the last of them half empty: beyond the vocabulary zeros are read.
// CHECK: plan.launch @tile_logprob_token_v151936_k896_t3f800000_{{[at][0-9]+}}x256 {{.*}} over <token, size = 0, tile = {{[0-9]+}}, factor = 594>
// CHECK-SAME: maps = [#plan.tensor_map<argument = 0, axes = [0, 2], sizes = [896, 0]
// CHECK-SAME: #plan.tensor_map<argument = 1, axes = [0, 0], sizes = [896, 151936], strides = [1792], box = [64, 256], swizzle = 128>]
// CHECK: plan.launch @logprob_merge_token_b594
// 17 chunks of 8,960, which fill the machine best by the estimate; the last one ends with the vocabulary.
// CHECK: plan.loop <size = 17, tile = 1, factor = 1>
// CHECK: plan.launch @tile_logit_gradient_token_v151936_k896_t3f800000_c8960_{{[a-z0-9]+}} 
// CHECK-SAME: #plan.tensor_map<argument = 1, axes = [0, 0], sizes = [896, 151936]
// CHECK-SAME: #plan.tensor_map<argument = 5, axes = [0, 2], sizes = [8960, 0], strides = [17920]
// CHECK: plan.launch @tile_logprob_data_grad_token_v151936_k896_t3f800000_c8960_{{[a-z0-9]+}} 
// CHECK-SAME: #plan.tensor_map<argument = 0, axes = [0, 2], sizes = [8960, 0]
// CHECK-SAME: #plan.tensor_map<argument = 1, axes = [0, 0], sizes = [896, 151936]
// CHECK-SAME: updates = array<i64: 0>
// CHECK: plan.launch @tile_logprob_weight_grad_token_v151936_k896_t3f800000_c8960_{{[a-z0-9]+}} 
// CHECK-SAME: updates = array<i64: 0>
func.func @head(%g: !f {nn.name = "g", nn.source = "input:g"}, %h: !h {nn.name = "h", nn.source = "input:h"},
                %w: !w {nn.name = "w", nn.source = "input:w"}, %t: !t {nn.name = "t", nn.source = "input:t"},
                %into: !dw {nn.name = "into", nn.source = "input:into"})
    -> (!f {nn.name = "logprob", nn.source = "output:logprob"}, !h {nn.name = "dh", nn.source = "output:dh"},
        !dw {nn.name = "dw", nn.source = "output:dw"})
    attributes {nn.kind = "plain", nn.capacities = {token = 16384 : i64, sequence = 1 : i64, group = 1 : i64}} {
  %logprob, %lse = nn.linear_logprob %h, %w, %t : (!h, !w, !t) -> (!f, !f)
  %dh, %dw = nn.linear_logprob_grad %g, %h, %w, %t, %lse into(%into) : (!f, !h, !w, !t, !f, !dw) -> (!h, !dw)
  return %logprob, %dh, %dw : !f, !h, !dw
}

// Some are kept: forward the first columns are stored; backward they become their gradient, a product begins the hidden states' with it, and
// the rest goes by in chunks of at most as many, which lie where the kept ones were.
// CHECK-LABEL: plan.entry @some
// CHECK: %[[KEPT:[0-9]+]] = plan.alloc "nn.linear_logprob" {{.*}} : <tensor<?x8192xbf16
// CHECK: plan.launch @tile_logprob_token_v151936_k896_t3f800000_keep8192_{{[at][0-9]+}}x256 {{.*}} writes({{.*}}, %[[KEPT]] : 
// CHECK-SAME: #plan.tensor_map<argument = 6, axes = [0, 2], sizes = [8192, 0], strides = [16384]
// CHECK: %[[GRADIENT:[0-9]+]] = plan.alloc "hidden_gradient" {{.*}} : <tensor<?x896xf32
// CHECK-NOT: plan.fill
// CHECK: plan.launch @logprob_kept_gradient_token_v151936_k896_t3f800000_c8192_of8192 {{.*}} writes(%[[KEPT]] : 
// CHECK-SAME: updates = array<i64: 0>
// CHECK: plan.launch @tile_logprob_data_grad_token_v151936_k896_t3f800000_c8192_of8192_kept_{{[a-z0-9]+}} reads(%[[KEPT]], 
// CHECK-SAME: writes(%[[GRADIENT]] : 
// CHECK-SAME: updates = array<i64>}
// CHECK: plan.launch @tile_logprob_weight_grad_token_v151936_k896_t3f800000_c8192_of8192_kept_{{[a-z0-9]+}} reads(%[[KEPT]], 
// CHECK-NOT: "logit_gradient"
// CHECK: plan.loop
// CHECK: plan.launch @tile_logit_gradient_token_v151936_k896_t3f800000_c{{[0-9]+}}_of8192_{{[at][0-9]+}}x256 {{.*}} writes(%[[KEPT]] : 
// CHECK: plan.launch @tile_logprob_data_grad_token_v151936_k896_t3f800000_c{{[0-9]+}}_of8192_{{[a-z0-9]+}} reads(%[[KEPT]], 
// CHECK-SAME: updates = array<i64: 0>
func.func @some(%g: !f {nn.name = "g", nn.source = "input:g"}, %h: !h {nn.name = "h", nn.source = "input:h"},
                %w: !w {nn.name = "w", nn.source = "input:w"}, %t: !t {nn.name = "t", nn.source = "input:t"},
                %into: !dw {nn.name = "into", nn.source = "input:into"})
    -> (!f {nn.name = "logprob", nn.source = "output:logprob"}, !h {nn.name = "dh", nn.source = "output:dh"},
        !dw {nn.name = "dw", nn.source = "output:dw"})
    attributes {nn.kind = "plain", nn.capacities = {token = 16384 : i64, sequence = 1 : i64, group = 1 : i64}} {
  %logprob, %lse, %k, %m = nn.linear_logprob %h, %w, %t {kept = 8192 : i64} : (!h, !w, !t) -> (!f, !f, !some, !m)
  %dh, %dw = nn.linear_logprob_grad %g, %h, %w, %t, %lse into(%into) kept(%k, %m) : (!f, !h, !w, !t, !f, !dw, !some, !m) -> (!h, !dw)
  return %logprob, %dh, %dw : !f, !h, !dw
}

// All are kept: one product each, which rounds the gradient of the hidden states.
// CHECK-LABEL: plan.entry @all
// CHECK: plan.launch @tile_logprob_token_v151936_k896_t3f800000_keep151936_
// CHECK-NOT: hidden_gradient
// CHECK: plan.launch @logprob_kept_gradient_token_v151936_k896_t3f800000_c151936_of151936
// CHECK: plan.launch @tile_logprob_data_grad_token_v151936_k896_t3f800000_c151936_of151936_kept_whole_
// CHECK: plan.launch @tile_logprob_weight_grad_token_v151936_k896_t3f800000_c151936_of151936_kept_
// CHECK-NOT: plan.loop
func.func @all(%g: !f {nn.name = "g", nn.source = "input:g"}, %h: !h {nn.name = "h", nn.source = "input:h"},
                %w: !w {nn.name = "w", nn.source = "input:w"}, %t: !t {nn.name = "t", nn.source = "input:t"},
                %into: !dw {nn.name = "into", nn.source = "input:into"})
    -> (!f {nn.name = "logprob", nn.source = "output:logprob"}, !h {nn.name = "dh", nn.source = "output:dh"},
        !dw {nn.name = "dw", nn.source = "output:dw"})
    attributes {nn.kind = "plain", nn.capacities = {token = 16384 : i64, sequence = 1 : i64, group = 1 : i64}} {
  %logprob, %lse, %k, %m = nn.linear_logprob %h, %w, %t {kept = 151936 : i64} : (!h, !w, !t) -> (!f, !f, !all, !allm)
  %dh, %dw = nn.linear_logprob_grad %g, %h, %w, %t, %lse into(%into) kept(%k, %m) : (!f, !h, !w, !t, !f, !dw, !all, !allm) -> (!h, !dw)
  return %logprob, %dh, %dw : !f, !h, !dw
}
