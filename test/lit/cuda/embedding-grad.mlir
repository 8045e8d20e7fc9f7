// The gradient of an embedding: the rows sorted by token, then one chain for each token, 16 bytes of a thread.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit ptx | FileCheck %s --check-prefix=PTX

!b = tensor<?x896xbf16, #nn.axis<context>>
!f = tensor<?x20xf32, #nn.axis<context>>
!o = tensor<?x7xf32, #nn.axis<context>>
!i = tensor<?xi32, #nn.axis<context>>

// CHECK-LABEL: plan.entry @grads
// CHECK: plan.launch @embedding_order_context {{.*}} over <context, size = 0, tile = 32, factor = 1>
// CHECK: plan.launch @embedding_grad_sorted_context_c896_bf1 {{.*}} over <context, size = 0, tile = 1, factor = 1>
// CHECK-SAME: updates = array<i64: 0>
// CHECK: plan.launch @embedding_order_context
// CHECK: plan.launch @embedding_grad_sorted_context_c20 {{.*}}
// Rows that are not whole 16 bytes: the CPU's schedule, a half-warp for 16 columns.
// CHECK: plan.launch @embedding_grad_context_c7 {{.*}} over <size = 1, tile = 1, factor = 1>

// PTX-LABEL: .entry embedding_order_context(
// PTX: ld.global.v4.b32
// Of each token: the table's row (8 numbers), then 8 rows of gradients at a time.
// PTX-LABEL: .entry embedding_grad_sorted_context_c896_bf1(
// PTX-NOT: add.rn.f32
// PTX-COUNT-10: ld.global.v4.b32
// PTX: add.rn.f32
// PTX-COUNT-2: st.global.v4.b32
// PTX-NOT: atom
// PTX-NOT: red.
// PTX: ret
func.func @grads(%b: !b {nn.name = "b", nn.source = "input:b"}, %f: !f {nn.name = "f", nn.source = "input:f"}, %o: !o {nn.name = "o", nn.source = "input:o"},
                 %ids: !i {nn.name = "ids", nn.source = "input:ids"}, %tb: tensor<100x896xf32> {nn.name = "tb", nn.source = "input:tb"},
                 %tf: tensor<100x20xf32> {nn.name = "tf", nn.source = "input:tf"}, %to: tensor<100x7xf32> {nn.name = "to", nn.source = "input:to"})
    -> (tensor<100x896xf32> {nn.name = "rb", nn.source = "output:rb"}, tensor<100x20xf32> {nn.name = "rf", nn.source = "output:rf"}, tensor<100x7xf32> {nn.name = "ro", nn.source = "output:ro"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 1 : i64}} {
  %0 = nn.embedding_grad %b, %ids, %tb : (!b, !i, tensor<100x896xf32>) -> tensor<100x896xf32>
  %1 = nn.embedding_grad %f, %ids, %tf : (!f, !i, tensor<100x20xf32>) -> tensor<100x20xf32>
  %2 = nn.embedding_grad %o, %ids, %to : (!o, !i, tensor<100x7xf32>) -> tensor<100x7xf32>
  return %0, %1, %2 : tensor<100x896xf32>, tensor<100x20xf32>, tensor<100x7xf32>
}
