// assign-types: what it refuses.
// RUN: mirl-opt %s --assign-types="dtype=bf16" -split-input-file -verify-diagnostics

nn.variable @w "weight" "pi" "w" init "zeros" : tensor<16x16xf32>
func.func @backward(%g: tensor<?x16xf32, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %w: tensor<16x16xf32> {nn.variable = @w})
    -> (tensor<?x16xf32, #nn.axis<context>> {nn.name = "d", nn.source = "output:d"}) attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  // expected-error @+1 {{has no rule for bf16 operands; assign-types comes before differentiate and fuse}}
  %d = nn.linear_data_grad %g, %w : (tensor<?x16xf32, #nn.axis<context>>, tensor<16x16xf32>) -> tensor<?x16xf32, #nn.axis<context>>
  return %d : tensor<?x16xf32, #nn.axis<context>>
}
