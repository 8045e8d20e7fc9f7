// assign-numerics{tensor-cores}: which products are the tensor cores'. What they do not serve stays a chain.
// RUN: mirl-opt %s --assign-numerics="tensor-cores" | FileCheck %s
// RUN: mirl-opt %s --assign-numerics | FileCheck %s --check-prefix=NONE
// NONE-NOT: k16

!x = tensor<?x64xbf16, #nn.axis<context>>
!odd = tensor<?x60xbf16, #nn.axis<context>>
!f = tensor<?x64xf32, #nn.axis<context>>
!w = tensor<64x64xbf16>

// CHECK-LABEL: @products
func.func @products(%x: !x, %odd: !odd, %f: !f, %w: !w, %wodd: tensor<64x60xbf16>, %wf: tensor<64x64xf32>, %into: tensor<64x64xf32>) {
  // CHECK-NEXT: nn.linear {{.*}}<"k16", 16, f32>
  %0 = nn.linear %x, %w : (!x, !w) -> !x
  // CHECK-NEXT: nn.linear_data_grad {{.*}}<"k16", 16, f32>
  %1 = nn.linear_data_grad %x, %w : (!x, !w) -> !x
  // CHECK-NEXT: nn.linear_weight_grad {{.*}}<"k16", 16, f32>
  %2 = nn.linear_weight_grad %x, %x, %into : (!x, !x, tensor<64x64xf32>) -> tensor<64x64xf32>
  // Rows of 120 bytes.
  // CHECK-NEXT: nn.linear {{.*}}<"chain", 1, f32>
  %3 = nn.linear %odd, %wodd : (!odd, tensor<64x60xbf16>) -> !x
  // CHECK-NEXT: nn.linear {{.*}}<"chain", 1, f32>
  %4 = nn.linear %f, %wf : (!f, tensor<64x64xf32>) -> !f
  // Logits, which must have the bits of the log-prob's.
  // CHECK-NEXT: nn.linear {{.*}}<"k16", 16, f32>
  %5 = nn.linear %x, %w : (!x, !w) -> !f
  return
}

!tokens = tensor<?xi32, #nn.axis<context>>
!floats = tensor<?xf32, #nn.axis<context>>
// CHECK-LABEL: @head
func.func @head(%x: !x, %w: !w, %odd: !odd, %wodd: tensor<64x60xbf16>, %t: !tokens, %g: !floats, %into: tensor<64x64xf32>) {
  // CHECK-NEXT: nn.linear_logprob {{.*}}<"k16_blocks", 256, f32>
  %logprob, %lse = nn.linear_logprob %x, %w, %t : (!x, !w, !tokens) -> (!floats, !floats)
  // CHECK-NEXT: nn.linear_logprob_grad {{.*}}<"k16", 16, f32>
  %0:2 = nn.linear_logprob_grad %g, %x, %w, %t, %lse into(%into) : (!floats, !x, !w, !tokens, !floats, tensor<64x64xf32>) -> (!x, tensor<64x64xf32>)
  // CHECK-NEXT: nn.linear_logprob {{.*}}<"blocks", 256, f32>
  %1:2 = nn.linear_logprob %odd, %wodd, %t : (!odd, tensor<64x60xbf16>, !tokens) -> (!floats, !floats)
  return
}

// Sampling records the log-probs that training computes; of logits from elsewhere its order is that of any target.
!logits = tensor<?x64xf32, #nn.axis<context>>
!ids = tensor<?xi64, #nn.axis<context>>
// CHECK-LABEL: @sampled
func.func @sampled(%x: !x, %w: !w, %odd: !odd, %wodd: tensor<64x60xbf16>, %ids: !ids, %steps: !tokens, %seed: tensor<i64>, %f: tensor<f32>,
                   %k: tensor<i32>, %given: !logits) {
  %0 = nn.linear %x, %w : (!x, !w) -> !logits
  // CHECK: nn.sample {{.*}}<"k16_blocks", 256, f32>
  %1:2 = nn.sample %0, %ids, %steps, %seed, %f, %k, %f : (!logits, !ids, !tokens, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (!tokens, !floats)
  %2 = nn.linear %odd, %wodd : (!odd, tensor<64x60xbf16>) -> !logits
  // CHECK: nn.sample {{.*}}<"blocks", 256, f32>
  %3:2 = nn.sample %2, %ids, %steps, %seed, %f, %k, %f : (!logits, !ids, !tokens, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (!tokens, !floats)
  // CHECK: nn.sample {{.*}}<"blocks", 256, f32>
  %4:2 = nn.sample %given, %ids, %steps, %seed, %f, %k, %f : (!logits, !ids, !tokens, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (!tokens, !floats)
  return
}

!heads = tensor<?x128xbf16, #nn.axis<context>>
!wide = tensor<?x128xf32, #nn.axis<context>>
!narrow = tensor<?x96xbf16, #nn.axis<context>>
!scalars = tensor<?x2xf32, #nn.axis<context>>
!offsets = tensor<?xi32, #nn.axis<sequence, 1>>

// CHECK-LABEL: @attention
func.func @attention(%x: !heads, %f: !wide, %n: !narrow, %lse: !scalars, %offsets: !offsets) {
  // CHECK-NEXT: nn.attention_grad {{.*}}<"k16", 16, f32>
  %0:3 = nn.attention_grad %x, %x, %x, %x, %x, %lse, %offsets {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.125 : f32}
      : (!heads, !heads, !heads, !heads, !heads, !scalars, !offsets) -> (!heads, !heads, !heads)
  // CHECK-NEXT: nn.attention_grad {{.*}}<"chain", 1, f32>
  %1:3 = nn.attention_grad %f, %f, %f, %f, %f, %lse, %offsets {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.125 : f32}
      : (!wide, !wide, !wide, !wide, !wide, !scalars, !offsets) -> (!wide, !wide, !wide)
  // Heads of 48 numbers.
  // CHECK-NEXT: nn.attention_grad {{.*}}<"chain", 1, f32>
  %2:3 = nn.attention_grad %n, %n, %n, %n, %n, %lse, %offsets {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.125 : f32}
      : (!narrow, !narrow, !narrow, !narrow, !narrow, !scalars, !offsets) -> (!narrow, !narrow, !narrow)
  return
}

!q = tensor<?x128xbf16, #nn.axis<context>>
!q96 = tensor<?x96xbf16, #nn.axis<context>>
!qf = tensor<?x128xf32, #nn.axis<context>>
!lse = tensor<?x2xf32, #nn.axis<context>>
!i = tensor<?xi32, #nn.axis<context>>

// Attention to bf16 with heads of 64 or 128 numbers; what goes over the cache has the same order.
// CHECK-LABEL: @attention_forward
func.func @attention_forward(%q: !q, %h: !q96, %f: !qf, %o: tensor<?xi32, #nn.axis<sequence, 1>>, %kc: tensor<2x2x64x16xbf16>, %vc: tensor<2x2x16x64xbf16>, %kf: tensor<2x2x64x16xf32>, %vf: tensor<2x2x16x64xf32>, %t: tensor<2x1xi32>, %s: !i) {
  // CHECK-NEXT: nn.attention {{.*}}<"tiles", 1024, f32>
  %0:2 = nn.attention %q, %q, %q, %o {heads = 2, kv_heads = 2, scale = 1.0 : f32} : (!q, !q, !q, tensor<?xi32, #nn.axis<sequence, 1>>) -> (!q, !lse)
  // CHECK-NEXT: nn.paged_attention {{.*}}<"tiles", 1024, f32>
  %1 = nn.paged_attention %q, %kc, %vc, %t, %s, %s {heads = 2, kv_heads = 2, scale = 1.0 : f32} : (!q, tensor<2x2x64x16xbf16>, tensor<2x2x16x64xbf16>, tensor<2x1xi32>, !i, !i) -> !q
  // Heads of 48 numbers.
  // CHECK-NEXT: nn.attention {{.*}}<"lanes", 16, f32>
  %2:2 = nn.attention %h, %h, %h, %o {heads = 2, kv_heads = 2, scale = 1.0 : f32} : (!q96, !q96, !q96, tensor<?xi32, #nn.axis<sequence, 1>>) -> (!q96, !lse)
  // CHECK-NEXT: nn.attention {{.*}}<"lanes", 16, f32>
  %3:2 = nn.attention %f, %f, %f, %o {heads = 2, kv_heads = 2, scale = 1.0 : f32} : (!qf, !qf, !qf, tensor<?xi32, #nn.axis<sequence, 1>>) -> (!qf, !lse)
  // CHECK-NEXT: nn.paged_attention {{.*}}<"lanes", 16, f32>
  %4 = nn.paged_attention %f, %kf, %vf, %t, %s, %s {heads = 2, kv_heads = 2, scale = 1.0 : f32} : (!qf, tensor<2x2x64x16xf32>, tensor<2x2x16x64xf32>, tensor<2x1xi32>, !i, !i) -> !qf
  // A maximum of the products is none of the scores.
  // CHECK-NEXT: nn.attention {{.*}}<"lanes", 16, f32>
  %5:2 = nn.attention %q, %q, %q, %o {heads = 2, kv_heads = 2, scale = -1.0 : f32} : (!q, !q, !q, tensor<?xi32, #nn.axis<sequence, 1>>) -> (!q, !lse)
  return
}
