// What the assembler says of a kernel on the tensor cores decides whether it may be: registers in memory and products that
// wait for each other are errors, which name the op.
// RUN: env MIRL_PTXAS=%S/Inputs/slow-ptxas SAYS="    0 bytes stack frame, 8 bytes spill stores, 8 bytes spill loads" not mirlc %s --target cuda:sm_90a --dtype f32 -o %t.plan 2>&1 | FileCheck %s --check-prefixes=CHECK,SPILL
// RUN: env MIRL_PTXAS=%S/Inputs/slow-ptxas SAYS="ptxas info    : (C7511) Potential Performance Loss: wgmma.mma_async instructions are serialized due to insufficient register resources in the function 'NAME'" not mirlc %s --target cuda:sm_90a --dtype f32 -o %t.plan 2>&1 | FileCheck %s --check-prefixes=CHECK,SERIAL
// RUN: env MIRL_PTXAS=%S/Inputs/slow-ptxas SAYS="    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" mirlc %s --target cuda:sm_90a --dtype f32 -o %t.plan 2>&1 | FileCheck %s --check-prefix=FINE
// CHECK: products-errors.mlir:[[@LINE+9]]:8: error: kernel tile_linear_context_n64_k64_{{.*}} of nn.linear must keep its numbers in registers
// SPILL-SAME: 8 bytes
// SERIAL-SAME: C7511
// FINE: 1 entries, 1 kernels


!x = tensor<?x64xbf16, #nn.axis<context>>
func.func @linear(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: tensor<64x64xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (!x {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  %r = nn.linear %x, %w : (!x, tensor<64x64xbf16>) -> !x
  return %r : !x
}
