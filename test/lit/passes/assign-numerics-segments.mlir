// assign-numerics{tensor-cores}: attention keeps the length of the segments that it states, without which it is 1024 keys.
// RUN: mirl-opt %s --assign-numerics="tensor-cores" | FileCheck %s

!q = tensor<?x128xbf16, #nn.axis<context>>
!lse = tensor<?x2xf32, #nn.axis<context>>
!offsets = tensor<?xi32, #nn.axis<sequence, 1>>
!i = tensor<?xi32, #nn.axis<context>>
!keys = tensor<2x2x64x16xbf16>
!values = tensor<2x2x16x64xbf16>
// CHECK-LABEL: @f
func.func @f(%q: !q, %o: !offsets, %k: !keys, %v: !values, %t: tensor<2x1xi32>, %s: !i) {
  // CHECK-NEXT: nn.attention {{.*}}<"tiles", 128, f32>
  %0:2 = nn.attention %q, %q, %q, %o {heads = 2, kv_heads = 2, scale = 1.0 : f32, numerics = #nn.numerics<"tiles", 128, f32>} : (!q, !q, !q, !offsets) -> (!q, !lse)
  // CHECK-NEXT: nn.paged_attention {{.*}}<"tiles", 4096, f32>
  %1 = nn.paged_attention %q, %k, %v, %t, %s, %s {heads = 2, kv_heads = 2, scale = 1.0 : f32, numerics = #nn.numerics<"tiles", 4096, f32>} : (!q, !keys, !values, tensor<2x1xi32>, !i, !i) -> !q
  // CHECK-NEXT: nn.attention {{.*}}<"tiles", 1024, f32>
  %2:2 = nn.attention %q, %q, %q, %o {heads = 2, kv_heads = 2, scale = 1.0 : f32} : (!q, !q, !q, !offsets) -> (!q, !lse)
  return
}
