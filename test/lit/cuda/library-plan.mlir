// --products cublaslt: the launch of a product has the same kernel, and beside it what cuBLASLt computes in its place, with a
// workspace of 32 MiB that takes memory only while it is needed.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --products cublaslt --emit kernels | FileCheck %s
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --products cublaslt --parity off --emit kernels | FileCheck %s --check-prefix=ANY
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s --check-prefix=OWN
// OWN-NOT: workspace
// OWN-NOT: #plan.product
// ANY: any_bits
// ANY-SAME: #plan.product

!x = tensor<?x896xbf16, #nn.axis<context>>
!kv = tensor<?x128xbf16, #nn.axis<context>>
!h = tensor<?x4864xbf16, #nn.axis<context>>
!wk = tensor<128x896xbf16>

// CHECK-LABEL: plan.entry @linear
// CHECK: plan.alloc "workspace" {offset = {{[0-9]+}} : i64} : <tensor<33554432xi8>>
// CHECK: plan.launch @tile_linear_context_n4864_k896_bias_{{[at][0-9]+x[0-9]+}}
// CHECK-SAME: workspace %{{[0-9]+}} : !plan.slice<tensor<33554432xi8>>
// CHECK-NOT: any_bits
// CHECK-SAME: products = [#plan.product<left = 0, right = 1, result = 3, bias = 2, residual = -1, axes = [1, 0, 0], sizes = [0, 4864, 896], left_transposed = false, right_transposed = false, accumulate = false>]
func.func @linear(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: tensor<4864x896xbf16> {nn.name = "w", nn.source = "input:w"},
                  %b: tensor<4864xbf16> {nn.name = "b", nn.source = "input:b"})
    -> (!h {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %h = nn.linear %x, %w bias(%b) : (!x, tensor<4864x896xbf16>, tensor<4864xbf16>) -> !h
  return %h : !h
}

// With few rows the kernel has the weight first; the product's rows are the tokens all the same.
// CHECK-LABEL: plan.entry @few
// CHECK: plan.launch @tile_linear_few_context_n4864_k896_
// CHECK-SAME: left = 1, right = 0, result = 2, bias = -1, residual = -1, axes = [1, 0, 0], sizes = [0, 4864, 896], left_transposed = false, right_transposed = false
func.func @few(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: tensor<4864x896xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (!h {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %h = nn.linear %x, %w : (!x, tensor<4864x896xbf16>) -> !h
  return %h : !h
}

// A group is one launch or as many products.
// CHECK-LABEL: plan.entry @group
// CHECK: plan.launch @tile_linear_context_n128_n128_k896_
// CHECK-SAME: products = [#plan.product<left = 0, right = 1, result = 3, {{[^>]*}}>, #plan.product<left = 0, right = 2, result = 4, {{[^>]*}}>]
func.func @group(%x: !x {nn.name = "x", nn.source = "input:x"}, %wk: !wk {nn.name = "wk", nn.source = "input:wk"}, %wv: !wk {nn.name = "wv", nn.source = "input:wv"})
    -> (!kv {nn.name = "k", nn.source = "output:k"}, !kv {nn.name = "v", nn.source = "output:v"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %k = nn.linear %x, %wk : (!x, !wk) -> !kv
  %v = nn.linear %x, %wv : (!x, !wk) -> !kv
  return %k, %v : !kv, !kv
}

// CHECK-LABEL: plan.entry @data
// CHECK: plan.launch @tile_linear_data_grad_
// CHECK-SAME: left = 0, right = 1, result = 2, bias = -1, residual = -1, axes = [1, 0, 0], sizes = [0, 896, 4864], left_transposed = false, right_transposed = true, accumulate = false
func.func @data(%g: !h {nn.name = "g", nn.source = "input:g"}, %w: tensor<4864x896xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (!x {nn.name = "x", nn.source = "output:x"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %x = nn.linear_data_grad %g, %w : (!h, tensor<4864x896xbf16>) -> !x
  return %x : !x
}

// The number of tokens is that of the terms of a sum.
// CHECK-LABEL: plan.entry @weight
// CHECK: plan.launch @tile_linear_weight_grad_
// CHECK-SAME: left = 0, right = 1, result = 2, bias = -1, residual = -1, axes = [0, 0, 1], sizes = [4864, 896, 0], left_transposed = true, right_transposed = true, accumulate = true
func.func @weight(%g: !h {nn.name = "g", nn.source = "input:g"}, %x: !x {nn.name = "x", nn.source = "input:x"}, %into: tensor<4864x896xf32> {nn.name = "into", nn.source = "input:into"})
    -> (tensor<4864x896xf32> {nn.name = "w", nn.source = "output:w"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %w = nn.linear_weight_grad %g, %x, %into : (!h, !x, tensor<4864x896xf32>) -> tensor<4864x896xf32>
  return %w : tensor<4864x896xf32>
}
