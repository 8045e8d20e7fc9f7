// assign-numerics{tensor-cores}: attention that states another order than the tensor cores' is refused, and theirs where they
// do not serve it.
// RUN: mirl-opt %s --assign-numerics="tensor-cores" -split-input-file -verify-diagnostics

!q = tensor<?x128xbf16, #nn.axis<context>>
!lse = tensor<?x2xf32, #nn.axis<context>>
func.func @f(%q: !q, %o: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{states the order #nn.numerics<"lanes", 16, f32>, but the target has it only as #nn.numerics<"tiles", 1024, f32>}}
  %0:2 = nn.attention %q, %q, %q, %o {heads = 2, kv_heads = 2, scale = 1.0 : f32, numerics = #nn.numerics<"lanes", 16, f32>} : (!q, !q, !q, tensor<?xi32, #nn.axis<sequence, 1>>) -> (!q, !lse)
  return
}

// -----

!q = tensor<?x128xbf16, #nn.axis<context>>
!i = tensor<?xi32, #nn.axis<context>>
func.func @f(%q: !q, %kc: tensor<2x2x64x16xbf16>, %vc: tensor<2x2x16x64xbf16>, %t: tensor<2x1xi32>, %s: !i) {
  // expected-error @+1 {{the width of tiles, the keys of a segment, is a multiple of 128, not 192}}
  %0 = nn.paged_attention %q, %kc, %vc, %t, %s, %s {heads = 2, kv_heads = 2, scale = 1.0 : f32, numerics = #nn.numerics<"tiles", 192, f32>} : (!q, tensor<2x2x64x16xbf16>, tensor<2x2x16x64xbf16>, tensor<2x1xi32>, !i, !i) -> !q
  return
}

// -----

!q = tensor<?x96xbf16, #nn.axis<context>>
!lse = tensor<?x2xf32, #nn.axis<context>>
func.func @f(%q: !q, %o: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{states the order #nn.numerics<"tiles", 128, f32>, but the target has it only as #nn.numerics<"lanes", 16, f32>}}
  %0:2 = nn.attention %q, %q, %q, %o {heads = 2, kv_heads = 2, scale = 1.0 : f32, numerics = #nn.numerics<"tiles", 128, f32>} : (!q, !q, !q, tensor<?xi32, #nn.axis<sequence, 1>>) -> (!q, !lse)
  return
}
