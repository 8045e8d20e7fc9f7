// The adjoint of a gated MLP's activation is one loop: the part that comes late moves up to the part whose result it uses,
// and silu(gate) is made once more where the gate is read anyway, so that nothing but gate and up stays alive.
// RUN: mirl-opt %s --pass-pipeline='builtin.module(func.func(fuse))' | FileCheck %s

!wide = tensor<?x8xf32, #nn.axis<context>>
!weight = tensor<8x8xf32>

// The forward loop has one result: silu(gate) is not kept.
// CHECK: nn.fused %arg0, %arg1 {nn.fused_from = "silu, mul"} : ({{.*}}) -> tensor<?x8xf32, #nn.axis<context>> {
// CHECK: %[[D:.*]] = nn.linear_data_grad
// CHECK: %[[R:.*]]:2 = nn.fused %arg0, %[[D]], %arg1
// CHECK-SAME: nn.fused_from = "silu, mul, mul, sigmoid, mul"
// CHECK: nn.linear_weight_grad %[[R]]#0
// CHECK-NOT: nn.fused
func.func @mlp(%gate: !wide {nn.name = "gate", nn.source = "input:gate"}, %up: !wide {nn.name = "up", nn.source = "input:up"},
               %w: !weight {nn.name = "w", nn.source = "input:w"})
    -> (!weight {nn.name = "dw", nn.source = "output:dw"},
        !wide {nn.name = "dgate", nn.source = "output:dgate"}) attributes {nn.kind = "plain"} {
  %silu = nn.unary silu %gate : !wide
  %y = nn.binary mul %silu, %up : !wide
  %out = nn.linear %y, %w : (!wide, !weight) -> !wide
  %d = nn.linear_data_grad %out, %w : (!wide, !weight) -> !wide
  %dsilu = nn.binary mul %d, %up : !wide
  %dup = nn.binary mul %d, %silu : !wide
  %zero = nn.splat 0.0 : !weight
  %dw = nn.linear_weight_grad %dup, %y, %zero : (!wide, !wide, !weight) -> !weight
  %sigmoid = nn.unary sigmoid %gate : !wide
  %dgate = nn.binary mul %dsilu, %sigmoid : !wide
  return %dw, %dgate : !weight, !wide
}
