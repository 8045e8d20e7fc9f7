// nn-to-plan refuses marks of select-library that are wrong: on what no library computes, of another library, on parts of a group.
// RUN: mirl-opt %s --nn-to-plan="target=cuda" -split-input-file -verify-diagnostics

!x = tensor<?x64xbf16, #nn.axis<context>>
func.func @residual(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: tensor<64x64xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (!x {nn.name = "a", nn.source = "output:a"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  // expected-error @+1 {{must have no residual: it is added to a result that was rounded, which a library does not do (nn.library: a library may compute it)}}
  %a = nn.linear %x, %w residual(%x) {nn.library = "cublaslt", numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>, !x) -> !x
  return %a : !x
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
func.func @name(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: tensor<64x64xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (!x {nn.name = "a", nn.source = "output:a"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  // expected-error @+1 {{must name the library cublaslt, and the same bits, as all ops of its group}}
  %a = nn.linear %x, %w {nn.library = "cutlass", numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  return %a : !x
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
func.func @part(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: tensor<64x64xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (!x {nn.name = "a", nn.source = "output:a"}, !x {nn.name = "b", nn.source = "output:b"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  %a = nn.linear %x, %w {nn.group = 0 : i64, nn.library = "cublaslt", numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  // expected-error @+1 {{must name the library cublaslt, and the same bits, as all ops of its group}}
  %b = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  return %a, %b : !x, !x
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
func.func @norm(%x: !x {nn.name = "x", nn.source = "input:x"})
    -> (!x {nn.name = "a", nn.source = "output:a"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  // expected-error @+1 {{must be a product of the tensor cores, of bf16 with rows of whole 16 bytes}}
  %a = nn.unary silu %x {nn.library = "cublaslt"} : !x
  return %a : !x
}
