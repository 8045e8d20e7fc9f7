// An order of sums that a target has no schedule for is refused: 256 lanes are a warp's, of bf16.
// RUN: mirl-opt %s --split-input-file --verify-diagnostics --nn-to-plan="target=cuda"

!h = tensor<?x512xf32, #nn.axis<context>>
!s = tensor<?xf32, #nn.axis<context>>
func.func @f32(%x: !h {nn.name = "x", nn.source = "input:x"}, %w: tensor<512xf32> {nn.name = "w", nn.source = "input:w"})
    -> (!h {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  // expected-error @+1 {{states the order #nn.numerics<"lanes", 256, f32>, for which there is no schedule: sums over a row have 16 lanes, or 256 of bf16 on a GPU}}
  %y, %r = nn.rms_norm %x, %w {eps = 1.0e-6 : f32, numerics = #nn.numerics<"lanes", 256, f32>} : (!h, tensor<512xf32>) -> (!h, !s)
  return %y : !h
}

// -----

!h = tensor<?x512xbf16, #nn.axis<context>>
!s = tensor<?xf32, #nn.axis<context>>
func.func @other(%g: !h {nn.name = "g", nn.source = "input:g"}, %w: tensor<512xbf16> {nn.name = "w", nn.source = "input:w"}, %r: !s {nn.name = "r", nn.source = "input:r"})
    -> (!h {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  // expected-error @+1 {{states the order #nn.numerics<"lanes", 64, f32>, for which there is no schedule}}
  %y = nn.rms_norm_data_grad %g, %g, %w, %r {numerics = #nn.numerics<"lanes", 64, f32>} : (!h, !h, tensor<512xbf16>, !s) -> !h
  return %y : !h
}
