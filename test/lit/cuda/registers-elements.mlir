// The adjoint of an activation, four tensors of bf16 with 16 numbers of each in a thread, keeps all of them in registers.
// REQUIRES: ptxas
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 -o %t.plan 2>&1 | FileCheck %s
// CHECK-NOT: error
// CHECK: 1 entries, 1 kernels

!t = tensor<?x4864xbf16, #nn.axis<context>>
func.func @adjoint(%d: !t {nn.name = "d", nn.source = "input:d"}, %u: !t {nn.name = "u", nn.source = "input:u"}, %g: !t {nn.name = "g", nn.source = "input:g"})
    -> (!t {nn.name = "dg", nn.source = "output:dg"}) attributes {nn.kind = "plain", nn.capacities = {context = 64 : i64}} {
  %c = nn.binary mul %d, %u : !t
  %s = nn.unary sigmoid %g : !t
  %a = nn.unary silu %g : !t
  %one = nn.splat 1.0 : !t
  %x = nn.binary sub %one, %s : !t
  %y = nn.binary mul %a, %x : !t
  %z = nn.binary add %y, %s : !t
  %r = nn.binary mul %c, %z : !t
  return %r : !t
}
