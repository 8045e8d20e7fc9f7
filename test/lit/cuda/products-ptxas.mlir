// The products of Qwen2.5 0.5B and 1.5B, for training and for decoding, pass the assembler's gates: no register in memory, no
// product that waits for another, shared memory that fits.
// REQUIRES: ptxas
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 -o %t.plan 2>&1 | FileCheck %s
// CHECK-NOT: {{error|warning}}
// CHECK: mirlc: 43 entries

func.func @linear_896_896_bias_16384(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<896x896xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<896xbf16> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear %x, %w bias(%e) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<896x896xbf16>, tensor<896xbf16>) -> tensor<?x896xbf16, #nn.axis<context>>
  return %r : tensor<?x896xbf16, #nn.axis<context>>
}

func.func @linear_896_896_bias_256(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<896x896xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<896xbf16> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %r = nn.linear %x, %w bias(%e) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<896x896xbf16>, tensor<896xbf16>) -> tensor<?x896xbf16, #nn.axis<context>>
  return %r : tensor<?x896xbf16, #nn.axis<context>>
}

func.func @linear_896_896_bias_1(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<896x896xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<896xbf16> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 1 : i64}} {
  %r = nn.linear %x, %w bias(%e) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<896x896xbf16>, tensor<896xbf16>) -> tensor<?x896xbf16, #nn.axis<context>>
  return %r : tensor<?x896xbf16, #nn.axis<context>>
}

func.func @data_896_896_bias(%g: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %w: tensor<896x896xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_data_grad %g, %w : (tensor<?x896xbf16, #nn.axis<context>>, tensor<896x896xbf16>) -> tensor<?x896xbf16, #nn.axis<context>>
  return %r : tensor<?x896xbf16, #nn.axis<context>>
}

func.func @weight_896_896_bias(%g: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %into: tensor<896x896xf32> {nn.name = "into", nn.source = "input:into"})
    -> (tensor<896x896xf32> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_weight_grad %g, %x, %into : (tensor<?x896xbf16, #nn.axis<context>>, tensor<?x896xbf16, #nn.axis<context>>, tensor<896x896xf32>) -> tensor<896x896xf32>
  return %r : tensor<896x896xf32>
}

func.func @linear_128_896_bias_16384(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<128x896xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<128xbf16> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x128xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear %x, %w bias(%e) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<128x896xbf16>, tensor<128xbf16>) -> tensor<?x128xbf16, #nn.axis<context>>
  return %r : tensor<?x128xbf16, #nn.axis<context>>
}

func.func @linear_128_896_bias_256(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<128x896xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<128xbf16> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x128xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %r = nn.linear %x, %w bias(%e) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<128x896xbf16>, tensor<128xbf16>) -> tensor<?x128xbf16, #nn.axis<context>>
  return %r : tensor<?x128xbf16, #nn.axis<context>>
}

func.func @linear_128_896_bias_1(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<128x896xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<128xbf16> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x128xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 1 : i64}} {
  %r = nn.linear %x, %w bias(%e) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<128x896xbf16>, tensor<128xbf16>) -> tensor<?x128xbf16, #nn.axis<context>>
  return %r : tensor<?x128xbf16, #nn.axis<context>>
}

func.func @data_128_896_bias(%g: tensor<?x128xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %w: tensor<128x896xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_data_grad %g, %w : (tensor<?x128xbf16, #nn.axis<context>>, tensor<128x896xbf16>) -> tensor<?x896xbf16, #nn.axis<context>>
  return %r : tensor<?x896xbf16, #nn.axis<context>>
}

func.func @weight_128_896_bias(%g: tensor<?x128xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %into: tensor<128x896xf32> {nn.name = "into", nn.source = "input:into"})
    -> (tensor<128x896xf32> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_weight_grad %g, %x, %into : (tensor<?x128xbf16, #nn.axis<context>>, tensor<?x896xbf16, #nn.axis<context>>, tensor<128x896xf32>) -> tensor<128x896xf32>
  return %r : tensor<128x896xf32>
}

func.func @linear_4864_896_16384(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<4864x896xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear %x, %w : (tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xbf16>) -> tensor<?x4864xbf16, #nn.axis<context>>
  return %r : tensor<?x4864xbf16, #nn.axis<context>>
}

func.func @linear_4864_896_256(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<4864x896xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %r = nn.linear %x, %w : (tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xbf16>) -> tensor<?x4864xbf16, #nn.axis<context>>
  return %r : tensor<?x4864xbf16, #nn.axis<context>>
}

func.func @linear_4864_896_1(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<4864x896xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 1 : i64}} {
  %r = nn.linear %x, %w : (tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xbf16>) -> tensor<?x4864xbf16, #nn.axis<context>>
  return %r : tensor<?x4864xbf16, #nn.axis<context>>
}

func.func @data_4864_896(%g: tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %w: tensor<4864x896xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_data_grad %g, %w : (tensor<?x4864xbf16, #nn.axis<context>>, tensor<4864x896xbf16>) -> tensor<?x896xbf16, #nn.axis<context>>
  return %r : tensor<?x896xbf16, #nn.axis<context>>
}

func.func @weight_4864_896(%g: tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %into: tensor<4864x896xf32> {nn.name = "into", nn.source = "input:into"})
    -> (tensor<4864x896xf32> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_weight_grad %g, %x, %into : (tensor<?x4864xbf16, #nn.axis<context>>, tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xf32>) -> tensor<4864x896xf32>
  return %r : tensor<4864x896xf32>
}

func.func @linear_896_4864_residual_16384(%x: tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<896x4864xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear %x, %w residual(%e) : (tensor<?x4864xbf16, #nn.axis<context>>, tensor<896x4864xbf16>, tensor<?x896xbf16, #nn.axis<context>>) -> tensor<?x896xbf16, #nn.axis<context>>
  return %r : tensor<?x896xbf16, #nn.axis<context>>
}

func.func @linear_896_4864_residual_256(%x: tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<896x4864xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %r = nn.linear %x, %w residual(%e) : (tensor<?x4864xbf16, #nn.axis<context>>, tensor<896x4864xbf16>, tensor<?x896xbf16, #nn.axis<context>>) -> tensor<?x896xbf16, #nn.axis<context>>
  return %r : tensor<?x896xbf16, #nn.axis<context>>
}

func.func @linear_896_4864_residual_1(%x: tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<896x4864xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 1 : i64}} {
  %r = nn.linear %x, %w residual(%e) : (tensor<?x4864xbf16, #nn.axis<context>>, tensor<896x4864xbf16>, tensor<?x896xbf16, #nn.axis<context>>) -> tensor<?x896xbf16, #nn.axis<context>>
  return %r : tensor<?x896xbf16, #nn.axis<context>>
}

func.func @data_896_4864_residual(%g: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %w: tensor<896x4864xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_data_grad %g, %w : (tensor<?x896xbf16, #nn.axis<context>>, tensor<896x4864xbf16>) -> tensor<?x4864xbf16, #nn.axis<context>>
  return %r : tensor<?x4864xbf16, #nn.axis<context>>
}

func.func @weight_896_4864_residual(%g: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %x: tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %into: tensor<896x4864xf32> {nn.name = "into", nn.source = "input:into"})
    -> (tensor<896x4864xf32> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_weight_grad %g, %x, %into : (tensor<?x896xbf16, #nn.axis<context>>, tensor<?x4864xbf16, #nn.axis<context>>, tensor<896x4864xf32>) -> tensor<896x4864xf32>
  return %r : tensor<896x4864xf32>
}

func.func @linear_896_896_residual_16384(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<896x896xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear %x, %w residual(%e) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<896x896xbf16>, tensor<?x896xbf16, #nn.axis<context>>) -> tensor<?x896xbf16, #nn.axis<context>>
  return %r : tensor<?x896xbf16, #nn.axis<context>>
}

func.func @linear_896_896_residual_256(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<896x896xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %r = nn.linear %x, %w residual(%e) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<896x896xbf16>, tensor<?x896xbf16, #nn.axis<context>>) -> tensor<?x896xbf16, #nn.axis<context>>
  return %r : tensor<?x896xbf16, #nn.axis<context>>
}

func.func @linear_896_896_residual_1(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<896x896xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 1 : i64}} {
  %r = nn.linear %x, %w residual(%e) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<896x896xbf16>, tensor<?x896xbf16, #nn.axis<context>>) -> tensor<?x896xbf16, #nn.axis<context>>
  return %r : tensor<?x896xbf16, #nn.axis<context>>
}

func.func @linear_1536_1536_bias_16384(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<1536x1536xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<1536xbf16> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear %x, %w bias(%e) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<1536x1536xbf16>, tensor<1536xbf16>) -> tensor<?x1536xbf16, #nn.axis<context>>
  return %r : tensor<?x1536xbf16, #nn.axis<context>>
}

func.func @linear_1536_1536_bias_256(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<1536x1536xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<1536xbf16> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %r = nn.linear %x, %w bias(%e) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<1536x1536xbf16>, tensor<1536xbf16>) -> tensor<?x1536xbf16, #nn.axis<context>>
  return %r : tensor<?x1536xbf16, #nn.axis<context>>
}

func.func @linear_1536_1536_bias_1(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<1536x1536xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<1536xbf16> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 1 : i64}} {
  %r = nn.linear %x, %w bias(%e) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<1536x1536xbf16>, tensor<1536xbf16>) -> tensor<?x1536xbf16, #nn.axis<context>>
  return %r : tensor<?x1536xbf16, #nn.axis<context>>
}

func.func @data_1536_1536_bias(%g: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %w: tensor<1536x1536xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_data_grad %g, %w : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<1536x1536xbf16>) -> tensor<?x1536xbf16, #nn.axis<context>>
  return %r : tensor<?x1536xbf16, #nn.axis<context>>
}

func.func @weight_1536_1536_bias(%g: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %into: tensor<1536x1536xf32> {nn.name = "into", nn.source = "input:into"})
    -> (tensor<1536x1536xf32> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_weight_grad %g, %x, %into : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<?x1536xbf16, #nn.axis<context>>, tensor<1536x1536xf32>) -> tensor<1536x1536xf32>
  return %r : tensor<1536x1536xf32>
}

func.func @linear_256_1536_bias_16384(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<256x1536xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<256xbf16> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x256xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear %x, %w bias(%e) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<256x1536xbf16>, tensor<256xbf16>) -> tensor<?x256xbf16, #nn.axis<context>>
  return %r : tensor<?x256xbf16, #nn.axis<context>>
}

func.func @linear_256_1536_bias_256(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<256x1536xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<256xbf16> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x256xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %r = nn.linear %x, %w bias(%e) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<256x1536xbf16>, tensor<256xbf16>) -> tensor<?x256xbf16, #nn.axis<context>>
  return %r : tensor<?x256xbf16, #nn.axis<context>>
}

func.func @linear_256_1536_bias_1(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<256x1536xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<256xbf16> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x256xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 1 : i64}} {
  %r = nn.linear %x, %w bias(%e) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<256x1536xbf16>, tensor<256xbf16>) -> tensor<?x256xbf16, #nn.axis<context>>
  return %r : tensor<?x256xbf16, #nn.axis<context>>
}

func.func @data_256_1536_bias(%g: tensor<?x256xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %w: tensor<256x1536xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_data_grad %g, %w : (tensor<?x256xbf16, #nn.axis<context>>, tensor<256x1536xbf16>) -> tensor<?x1536xbf16, #nn.axis<context>>
  return %r : tensor<?x1536xbf16, #nn.axis<context>>
}

func.func @weight_256_1536_bias(%g: tensor<?x256xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %into: tensor<256x1536xf32> {nn.name = "into", nn.source = "input:into"})
    -> (tensor<256x1536xf32> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_weight_grad %g, %x, %into : (tensor<?x256xbf16, #nn.axis<context>>, tensor<?x1536xbf16, #nn.axis<context>>, tensor<256x1536xf32>) -> tensor<256x1536xf32>
  return %r : tensor<256x1536xf32>
}

func.func @linear_8960_1536_16384(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<8960x1536xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear %x, %w : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  return %r : tensor<?x8960xbf16, #nn.axis<context>>
}

func.func @linear_8960_1536_256(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<8960x1536xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %r = nn.linear %x, %w : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  return %r : tensor<?x8960xbf16, #nn.axis<context>>
}

func.func @linear_8960_1536_1(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<8960x1536xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 1 : i64}} {
  %r = nn.linear %x, %w : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  return %r : tensor<?x8960xbf16, #nn.axis<context>>
}

func.func @data_8960_1536(%g: tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %w: tensor<8960x1536xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_data_grad %g, %w : (tensor<?x8960xbf16, #nn.axis<context>>, tensor<8960x1536xbf16>) -> tensor<?x1536xbf16, #nn.axis<context>>
  return %r : tensor<?x1536xbf16, #nn.axis<context>>
}

func.func @weight_8960_1536(%g: tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %into: tensor<8960x1536xf32> {nn.name = "into", nn.source = "input:into"})
    -> (tensor<8960x1536xf32> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_weight_grad %g, %x, %into : (tensor<?x8960xbf16, #nn.axis<context>>, tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xf32>) -> tensor<8960x1536xf32>
  return %r : tensor<8960x1536xf32>
}

func.func @linear_1536_8960_residual_16384(%x: tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<1536x8960xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear %x, %w residual(%e) : (tensor<?x8960xbf16, #nn.axis<context>>, tensor<1536x8960xbf16>, tensor<?x1536xbf16, #nn.axis<context>>) -> tensor<?x1536xbf16, #nn.axis<context>>
  return %r : tensor<?x1536xbf16, #nn.axis<context>>
}

func.func @linear_1536_8960_residual_256(%x: tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<1536x8960xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %r = nn.linear %x, %w residual(%e) : (tensor<?x8960xbf16, #nn.axis<context>>, tensor<1536x8960xbf16>, tensor<?x1536xbf16, #nn.axis<context>>) -> tensor<?x1536xbf16, #nn.axis<context>>
  return %r : tensor<?x1536xbf16, #nn.axis<context>>
}

func.func @linear_1536_8960_residual_1(%x: tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %w: tensor<1536x8960xbf16> {nn.name = "w", nn.source = "input:w"}, %e: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "e", nn.source = "input:e"})
    -> (tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 1 : i64}} {
  %r = nn.linear %x, %w residual(%e) : (tensor<?x8960xbf16, #nn.axis<context>>, tensor<1536x8960xbf16>, tensor<?x1536xbf16, #nn.axis<context>>) -> tensor<?x1536xbf16, #nn.axis<context>>
  return %r : tensor<?x1536xbf16, #nn.axis<context>>
}

func.func @data_1536_8960_residual(%g: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %w: tensor<1536x8960xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_data_grad %g, %w : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<1536x8960xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  return %r : tensor<?x8960xbf16, #nn.axis<context>>
}

func.func @weight_1536_8960_residual(%g: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %x: tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %into: tensor<1536x8960xf32> {nn.name = "into", nn.source = "input:into"})
    -> (tensor<1536x8960xf32> {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_weight_grad %g, %x, %into : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<?x8960xbf16, #nn.axis<context>>, tensor<1536x8960xf32>) -> tensor<1536x8960xf32>
  return %r : tensor<1536x8960xf32>
}
