// nn-to-plan for a CPU refuses the marks of select-library.
// RUN: mirl-opt %s --nn-to-plan -verify-diagnostics

!x = tensor<?x64xbf16, #nn.axis<context>>
func.func @cpu(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: tensor<64x64xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (!x {nn.name = "a", nn.source = "output:a"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  // expected-error @+1 {{must be compiled for a GPU (nn.library: a library may compute it)}}
  %a = nn.linear %x, %w {nn.library = "cublaslt", numerics = #nn.numerics<"chain", 1, f32>} : (!x, tensor<64x64xbf16>) -> !x
  return %a : !x
}
