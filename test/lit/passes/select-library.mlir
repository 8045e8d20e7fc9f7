// select-library: the products that a pattern names, and that cuBLASLt can compute, say so; those of a group together.
// RUN: mirl-opt %s --select-library | FileCheck %s
// RUN: mirl-opt %s --select-library="pattern=*/weight_grad/64x*" | FileCheck %s --check-prefix=GRAD
// RUN: mirl-opt %s --select-library="pattern=train/linear/* any-bits" | FileCheck %s --check-prefix=ANY

!x = tensor<?x64xbf16, #nn.axis<context>>
!t = tensor<?x64xbf16, #nn.axis<token>>
!f = tensor<?x64xf32, #nn.axis<token>>
!w = tensor<64x64xbf16>
!wq = tensor<96x64xbf16>
!q = tensor<?x96xbf16, #nn.axis<context>>
!dw = tensor<64x64xf32>
!dq = tensor<96x64xf32>
#k16 = #nn.numerics<"k16", 16, f32>

// The library adds no residual to a rounded result, so that is a matter of any bits.
// CHECK-LABEL: func.func @train
// CHECK: nn.linear {{.*}} {nn.library = "cublaslt", numerics
// CHECK-NEXT: nn.linear {{.*}} residual(%{{.*}}) {numerics
// CHECK-NEXT: nn.linear_data_grad {{.*}}nn.library = "cublaslt"
// CHECK-NEXT: nn.linear_weight_grad {{.*}}nn.library = "cublaslt"
// CHECK-NEXT: nn.linear_weight_grad {{.*}}nn.group = 0 : i64, nn.library = "cublaslt"
// CHECK-NEXT: nn.linear_weight_grad {{.*}}nn.group = 0 : i64, nn.library = "cublaslt"
// GRAD-LABEL: func.func @train
// GRAD-NOT: nn.library
// GRAD: nn.linear_weight_grad {{.*}}nn.library = "cublaslt"
// GRAD-NEXT: nn.linear_weight_grad {{.*}}nn.group = 0 : i64, nn.library = "cublaslt"
// GRAD-NEXT: nn.linear_weight_grad {{.*}}nn.group = 0 : i64, nn.library = "cublaslt"
// GRAD-NOT: nn.library
// ANY-LABEL: func.func @train
// ANY: nn.linear {{.*}} {nn.any_bits, nn.library = "cublaslt", numerics
// ANY-NEXT: nn.linear {{.*}} residual(%{{.*}}) {nn.any_bits, nn.library = "cublaslt", numerics
// ANY-NOT: nn.library
func.func @train(%x: !x, %y: !x, %w: !w, %g: !x, %gq: !q, %into: !dw, %intoq: !dq) -> (!x, !x, !x, !dw, !dq, !dw)
    attributes {nn.kind = "micro", nn.capacities = {context = 512 : i64}} {
  %0 = nn.linear %x, %w {numerics = #k16} : (!x, !w) -> !x
  %1 = nn.linear %0, %w residual(%y) {numerics = #k16} : (!x, !w, !x) -> !x
  %2 = nn.linear_data_grad %g, %w {numerics = #k16} : (!x, !w) -> !x
  %3 = nn.linear_weight_grad %g, %1, %into {numerics = #k16} : (!x, !x, !dw) -> !dw
  %4 = nn.linear_weight_grad %gq, %x, %intoq {nn.group = 0 : i64, numerics = #k16} : (!q, !x, !dq) -> !dq
  %5 = nn.linear_weight_grad %g, %x, %into {nn.group = 0 : i64, numerics = #k16} : (!x, !x, !dw) -> !dw
  return %1, %2, %0, %3, %4, %5 : !x, !x, !x, !dw, !dq, !dw
}

// What a library does not compute stays as it is: a program's products, logits that are sampled from, sums of f32.
// CHECK-LABEL: func.func @others
// CHECK-NOT: nn.library
// CHECK: return
func.func @others(%x: !t, %w: !w, %f: !f, %wf: tensor<64x64xf32>, %ids: tensor<?xi64, #nn.axis<token>>, %steps: tensor<?xi32, #nn.axis<token>>,
                  %seed: tensor<i64>, %n: tensor<f32>, %k: tensor<i32>) -> (!t, tensor<?xi32, #nn.axis<token>>, !f)
    attributes {nn.kind = "decode", nn.capacities = {token = 16 : i64}} {
  %0 = nn.linear %x, %w {nn.group = 0 : i64, numerics = #k16} : (!t, !w) -> !t
  %1 = nn.fused %0 {nn.group = 0 : i64} : (!t) -> !t {
  ^bb0(%a: f32):
    %m = arith.negf %a : f32
    nn.yield %m : f32
  }
  %2 = nn.linear %x, %w {numerics = #k16} : (!t, !w) -> !f
  %3:2 = nn.sample %2, %ids, %steps, %seed, %n, %k, %n : (!f, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %4 = nn.linear %f, %wf {numerics = #nn.numerics<"chain", 1, f32>} : (!f, tensor<64x64xf32>) -> !f
  return %1, %3#0, %4 : !t, tensor<?xi32, #nn.axis<token>>, !f
}
