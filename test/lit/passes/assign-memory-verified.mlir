// assign-memory: the memory plan is checked by verify-plan; what it makes passes.
// RUN: mirl-opt %s --nn-to-plan --assign-memory --verify-plan | FileCheck %s
// RUN: not mirl-opt %s --nn-to-plan --verify-plan 2>&1 | FileCheck %s --check-prefix=BEFORE

// BEFORE: error: 'builtin.module' op has no memory plan: run assign-memory

// CHECK: plan.entry @e "plain" {context = 8 : i64} attributes {{.*}}peak_bytes = {{[0-9]+}} : i64} {
nn.variable @w "weight" "pi" "w" init "ones" : tensor<4x4xf32>
!rows = tensor<?x4xf32, #nn.axis<context>>
func.func @e(%x: !rows {nn.name = "x", nn.source = "input:x"}, %w: tensor<4x4xf32> {nn.variable = @w})
    -> (!rows {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  %0 = nn.linear %x, %w : (!rows, tensor<4x4xf32>) -> !rows
  %1 = nn.linear %0, %w : (!rows, tensor<4x4xf32>) -> !rows
  %2 = nn.linear %1, %w residual(%0) : (!rows, tensor<4x4xf32>, !rows) -> !rows
  return %2 : !rows
}
