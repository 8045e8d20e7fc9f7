// What the launch of a product on tiles says: the tensor maps of A, B and the result, and a work item for each tile.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s

!x = tensor<?x896xbf16, #nn.axis<context>>
!y = tensor<?x1152xbf16, #nn.axis<context>>
!w = tensor<1152x896xbf16>
!dw = tensor<1152x896xf32>

// Rows are in A; k, the 896 numbers of a row, is innermost. Zeros are read beyond the rows of this call (axis 1), not of the capacity.
// CHECK-LABEL: plan.entry @linear
// CHECK: plan.launch @tile_linear_context_n1152_k896_{{[at]}}[[M:[0-9]+]]x[[N:[0-9]+]] {{.*}} over <context, size = 0, tile = [[M]], factor = {{[0-9]+}}>
// CHECK-SAME: maps = [#plan.tensor_map<argument = 0, axes = [0, 1], sizes = [896, 0], strides = [1792], box = {{\[}}64, [[M]]], swizzle = 128>,
// CHECK-SAME: #plan.tensor_map<argument = 1, axes = [0, 0], sizes = [896, 1152], strides = [1792], box = {{\[}}64, [[N]]], swizzle = 128>,
// CHECK-SAME: #plan.tensor_map<argument = 2, axes = [0, 1], sizes = [1152, 0], strides = [2304], box = {{\[[0-9]+}}, 64], swizzle = {{[0-9]+}}>]
func.func @linear(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: !w {nn.name = "w", nn.source = "input:w"})
    -> (!y {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear %x, %w : (!x, !w) -> !y
  return %r : !y
}

// With few rows at capacity the weight comes first.
// CHECK-LABEL: plan.entry @few
// CHECK: plan.launch @tile_linear_few_context_n1152_k896_early_t16x16 {{.*}} over <context, size = 0, tile = 16, factor = {{[0-9]+}}>
// CHECK-SAME: maps = [#plan.tensor_map<argument = 0, axes = [0, 0], sizes = [896, 1152]
// CHECK-SAME: #plan.tensor_map<argument = 1, axes = [0, 1], sizes = [896, 0]
func.func @few(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: !w {nn.name = "w", nn.source = "input:w"})
    -> (!y {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %r = nn.linear %x, %w : (!x, !w) -> !y
  return %r : !y
}

// k is the rows: what is contiguous are n and k of the weight. The gradient is read and written.
// CHECK-LABEL: plan.entry @weight_grad
// CHECK: plan.launch @tile_linear_weight_grad_context_n1152_k896_{{.*}} over <size = {{[0-9]+}}, tile = 1, factor = 1>
// CHECK-SAME: maps = [#plan.tensor_map<argument = 0, axes = [0, 1], sizes = [1152, 0], strides = [2304], box = [64, 64], swizzle = 128>,
// CHECK-SAME: #plan.tensor_map<argument = 1, axes = [0, 1], sizes = [896, 0], strides = [1792], box = [64, 64], swizzle = 128>,
// CHECK-SAME: #plan.tensor_map<argument = 2, axes = [0, 0], sizes = [896, 1152], strides = [3584], box = [{{16|32}}, 64], swizzle = {{64|128}}>]
// CHECK-SAME: updates = array<i64: 0>
func.func @weight_grad(%g: !y {nn.name = "g", nn.source = "input:g"}, %x: !x {nn.name = "x", nn.source = "input:x"},
                       %into: !dw {nn.name = "into", nn.source = "input:into"})
    -> (!dw {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %r = nn.linear_weight_grad %g, %x, %into : (!y, !x, !dw) -> !dw
  return %r : !dw
}
