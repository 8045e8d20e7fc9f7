// plan-recompute: what a budget leaves takes logits of the vocabulary head, so that its adjoint need not compute them again.
// RUN: mirl-opt %s --plan-recompute='budget=2281766912 tensor-cores' | FileCheck %s --check-prefixes=CHECK,ALL
// RUN: mirl-opt %s --plan-recompute='budget=2281766911 tensor-cores' | FileCheck %s --check-prefixes=CHECK,MOST
// RUN: mirl-opt %s --plan-recompute='budget=1048576000 tensor-cores' | FileCheck %s --check-prefixes=CHECK,PART
// RUN: mirl-opt %s --plan-recompute='budget=503414784 tensor-cores' | FileCheck %s --check-prefixes=CHECK,LEAST
// RUN: mirl-opt %s --plan-recompute='tensor-cores' | FileCheck %s --check-prefixes=CHECK,NONE
// RUN: mirl-opt %s --plan-recompute='budget=4294967296' | FileCheck %s --check-prefixes=CHECK,NONE
// RUN: mirl-opt %s --plan-recompute='entries=head=1048576000 tensor-cores' | FileCheck %s --check-prefixes=CHECK,ENTRY

!h = tensor<?x4096xbf16, #nn.axis<token>>
!w = tensor<131072x4096xbf16>
!dw = tensor<131072x4096xf32>
!t = tensor<?xi32, #nn.axis<token>>
!f = tensor<?xf32, #nn.axis<token>>

// 8,192 rows of 131,072 logits are 2,048 MiB, their maxima 16; the blocks' sums forward count 48, the gradient in bf16 64, log-prob and
// log-sum-exp 1/16. Where a part is computed again, the gradient in f32 counts 128 instead of the 48. A part smaller than half a chunk is
// none.
// CHECK-LABEL: func.func @head(
// ALL: nn.linear_logprob {{.*}} {kept = 131072 : i64, temperature = 5.000000e-01 : f32} {{.*}} -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x131072xbf16, #nn.axis<token>>, tensor<?x512xf32, #nn.axis<token>>)
// ALL-NEXT: nn.linear_logprob_grad {{.*}} into(%{{.*}}) kept(%{{.*}}, %{{.*}}) {temperature = 5.000000e-01 : f32}
// MOST: nn.linear_logprob {{.*}} {kept = 125952 : i64, temperature = 5.000000e-01 : f32} {{.*}} tensor<?x125952xbf16, #nn.axis<token>>, tensor<?x492xf32, #nn.axis<token>>)
// MOST-NEXT: nn.linear_logprob_grad {{.*}} kept(
// PART: nn.linear_logprob {{.*}} {kept = 51200 : i64, temperature = 5.000000e-01 : f32} {{.*}} tensor<?x51200xbf16, #nn.axis<token>>, tensor<?x200xf32, #nn.axis<token>>)
// PART-NEXT: nn.linear_logprob_grad {{.*}} kept(
// The least budget there is has room for a chunk of the gradient, and so for as many logits.
// LEAST: nn.linear_logprob {{.*}} {kept = 18176 : i64
// ENTRY: nn.linear_logprob {{.*}} {kept = 51200 : i64
// NONE-NOT: kept
func.func @head(%g: !f, %h: !h, %w: !w, %t: !t, %into: !dw) -> (!f, !h, !dw) attributes {nn.capacities = {token = 8192 : i64}} {
  %logprob, %lse = nn.linear_logprob %h, %w, %t {temperature = 0.5 : f32} : (!h, !w, !t) -> (!f, !f)
  %dh, %dw = nn.linear_logprob_grad %g, %h, %w, %t, %lse into(%into) {temperature = 0.5 : f32} : (!f, !h, !w, !t, !f, !dw) -> (!h, !dw)
  return %logprob, %dh, %dw : !f, !h, !dw
}

// With the entropy they come behind it; two numbers a row more are live.
// CHECK-LABEL: func.func @entropy(
// ALL: nn.linear_logprob {{.*}} {kept = 125952 : i64} {{.*}} -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x125952xbf16, #nn.axis<token>>, tensor<?x492xf32, #nn.axis<token>>)
// ALL-NEXT: nn.linear_logprob_grad {{.*}} entropy(%{{.*}}, %{{.*}}) kept(%{{.*}}, %{{.*}})
// PART: nn.linear_logprob {{.*}} {kept = 51200 : i64}
// ENTRY-NOT: kept
func.func @entropy(%g: !f, %h: !h, %w: !w, %t: !t, %into: !dw) -> (!f, !h, !dw) attributes {nn.capacities = {token = 8192 : i64}} {
  %logprob, %lse, %entropy = nn.linear_logprob %h, %w, %t : (!h, !w, !t) -> (!f, !f, !f)
  %dh, %dw = nn.linear_logprob_grad %g, %h, %w, %t, %lse into(%into) entropy(%g, %entropy) : (!f, !h, !w, !t, !f, !dw, !f, !f) -> (!h, !dw)
  return %logprob, %dh, %dw : !f, !h, !dw
}

// Kept logits are used up: not for two adjoints. Nor are they where no tensor core serves the head, or where nothing asks for them.
// CHECK-LABEL: func.func @twice(
// CHECK-NOT: kept
func.func @twice(%g: !f, %h: !h, %w: !w, %t: !t, %into: !dw) -> (!h, !h, !dw) attributes {nn.capacities = {token = 64 : i64}} {
  %logprob, %lse = nn.linear_logprob %h, %w, %t : (!h, !w, !t) -> (!f, !f)
  %0, %1 = nn.linear_logprob_grad %g, %h, %w, %t, %lse into(%into) : (!f, !h, !w, !t, !f, !dw) -> (!h, !dw)
  %2, %3 = nn.linear_logprob_grad %logprob, %h, %w, %t, %lse into(%1) : (!f, !h, !w, !t, !f, !dw) -> (!h, !dw)
  return %0, %2, %3 : !h, !h, !dw
}

// CHECK-LABEL: func.func @wide(
// CHECK-NOT: kept
!h32 = tensor<?x64xf32, #nn.axis<token>>
!w32 = tensor<512x64xf32>
func.func @wide(%g: !f, %h: !h32, %w: !w32, %t: !t, %into: !w32) -> (!h32, !w32) attributes {nn.capacities = {token = 64 : i64}} {
  %logprob, %lse = nn.linear_logprob %h, %w, %t : (!h32, !w32, !t) -> (!f, !f)
  %dh, %dw = nn.linear_logprob_grad %g, %h, %w, %t, %lse into(%into) : (!f, !h32, !w32, !t, !f, !w32) -> (!h32, !w32)
  return %dh, %dw : !h32, !w32
}

// CHECK-LABEL: func.func @forward(
// CHECK-NOT: kept
func.func @forward(%h: !h, %w: !w, %t: !t) -> !f attributes {nn.capacities = {token = 64 : i64}} {
  %logprob, %lse = nn.linear_logprob %h, %w, %t : (!h, !w, !t) -> (!f, !f)
  return %logprob : !f
}
