// What launches, copies and loops refuse.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<4xf32>>
  // expected-error @+1 {{updates must be indices into the 1 written slices, has 1}}
  plan.launch @k reads(%a : !plan.slice<tensor<4xf32>>) writes(%a : !plan.slice<tensor<4xf32>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.add", updates = array<i64: 1>,
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<4xf32>>
  // expected-error @+1 {{updates must be indices into the 1 written slices, has -1}}
  plan.launch @k reads(%a : !plan.slice<tensor<4xf32>>) writes(%a : !plan.slice<tensor<4xf32>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.add", updates = array<i64: -1>,
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<4xf32>>
  // expected-error @+1 {{grain must be at least 1, is 0}}
  plan.launch @k reads(%a : !plan.slice<tensor<4xf32>>) writes(%a : !plan.slice<tensor<4xf32>>) over #plan.work<size = 1>
      {grain = 0 : i64, op = "nn.add", updates = array<i64>,
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<4xf32>>
  %b = plan.alloc "b" : !plan.slice<tensor<2xf32>>
  // expected-error @+1 {{both slices must have the same type: '!plan.slice<tensor<4xf32>>' and '!plan.slice<tensor<2xf32>>'}}
  plan.copy %a to %b : !plan.slice<tensor<4xf32>>, !plan.slice<tensor<2xf32>>
}

// -----

plan.entry @e "plain" {token = 8} {
  // expected-error @+1 {{the loop variable must be number 0 or 1, is 2}}
  plan.loop #plan.work<size = 1> index 2 {
  }
}

// -----

plan.entry @e "plain" {token = 8} {
  plan.loop #plan.work<size = 1> index 0 {
    // expected-error @+1 {{must have another loop variable than the loop around it: both are number 0}}
    plan.loop #plan.work<size = 1> index 0 {
    }
  }
}

// -----

plan.entry @e "plain" {token = 8} {
  plan.loop #plan.work<size = 1> index 0 {
    plan.loop #plan.work<size = 1> index 1 {
      // expected-error @+1 {{loops nest two deep at most}}
      plan.loop #plan.work<size = 1> index 0 {
      }
    }
  }
}

// -----

plan.entry @e "plain" {token = 8} {
  plan.loop #plan.work<size = 1> index 0 {
    // expected-error @+1 {{does not belong into a loop: launches, fills, copies and loops do}}
    %b = "arith.constant"() <{value = 1.0 : f32}> : () -> f32
  }
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<?x64xbf16, #nn.axis<token>>>
  // expected-error @+1 {{a tensor map must be of one of the 1 arguments, is of number 1}}
  plan.launch @k reads() writes(%a : !plan.slice<tensor<?x64xbf16, #nn.axis<token>>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.add", updates = array<i64>,
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
       maps = [#plan.tensor_map<argument = 1, axes = [0, 2], sizes = [64, 0], strides = [128],
                                box = [64, 16], swizzle = 128>]}
}

// -----

// expected-error @+1 {{a stride is a positive multiple of 16 bytes, not 120}}
#map = #plan.tensor_map<argument = 0, axes = [0, 2], sizes = [60, 0], strides = [120], box = [60, 16], swizzle = 128>

// -----

// expected-error @+1 {{a box has 1 to 256 elements in each dimension, not 257}}
#map = #plan.tensor_map<argument = 0, axes = [0, 2], sizes = [64, 0], strides = [128], box = [64, 257], swizzle = 128>

// -----

// expected-error @+1 {{swizzle is 0, 32, 64 or 128, not 96}}
#map = #plan.tensor_map<argument = 0, axes = [0, 2], sizes = [64, 0], strides = [128], box = [64, 16], swizzle = 96>

// -----

// expected-error @+1 {{a tensor map has 2 to 5 dimensions, with as many axes, sizes and box extents, and a stride fewer; it has 2, 2, 1 and 1}}
#map = #plan.tensor_map<argument = 0, axes = [0, 2], sizes = [64, 0], strides = [128], box = [64], swizzle = 128>

// -----

// expected-error @+1 {{an axis is 0 (none) to 4, not 5}}
#map = #plan.tensor_map<argument = 0, axes = [0, 5], sizes = [64, 0], strides = [128], box = [64, 16], swizzle = 128>

// -----

// expected-error @+1 {{argument is not negative, but -1}}
#map = #plan.tensor_map<argument = -1, axes = [0, 2], sizes = [64, 0], strides = [128], box = [64, 16], swizzle = 128>

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<16x16xbf16>>
  %w = plan.alloc "w" : !plan.slice<tensor<64xi8>>
  // expected-error @+1 {{has both, products and a workspace for them, or neither}}
  plan.launch @k reads(%a, %a : !plan.slice<tensor<16x16xbf16>>, !plan.slice<tensor<16x16xbf16>>) writes(%a : !plan.slice<tensor<16x16xbf16>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.linear", updates = array<i64>, products = [#plan.product<left = 0, right = 1, result = 2, bias = -1, residual = -1, axes = [1, 0, 0], sizes = [0, 16, 16], left_transposed = false, right_transposed = false, accumulate = false>],
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<16x16xbf16>>
  %w = plan.alloc "w" : !plan.slice<tensor<64xi8>>
  // expected-error @+1 {{has both, products and a workspace for them, or neither}}
  plan.launch @k reads(%a, %a : !plan.slice<tensor<16x16xbf16>>, !plan.slice<tensor<16x16xbf16>>) writes(%a : !plan.slice<tensor<16x16xbf16>>) workspace %w : !plan.slice<tensor<64xi8>> over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.linear", updates = array<i64>,
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<16x16xbf16>>
  %w = plan.alloc "w" : !plan.slice<tensor<64xi8>>
  // expected-error @+1 {{has bits of its own without products: a kernel always has the same}}
  plan.launch @k reads(%a, %a : !plan.slice<tensor<16x16xbf16>>, !plan.slice<tensor<16x16xbf16>>) writes(%a : !plan.slice<tensor<16x16xbf16>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.linear", updates = array<i64>, any_bits,
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<16x16xbf16>>
  %w = plan.alloc "w" : !plan.slice<tensor<64xi8>>
  // expected-error @+1 {{a product must read one of the 2 reads, but reads argument 2}}
  plan.launch @k reads(%a, %a : !plan.slice<tensor<16x16xbf16>>, !plan.slice<tensor<16x16xbf16>>) writes(%a : !plan.slice<tensor<16x16xbf16>>) workspace %w : !plan.slice<tensor<64xi8>> over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.linear", updates = array<i64>, products = [#plan.product<left = 0, right = 2, result = 2, bias = -1, residual = -1, axes = [1, 0, 0], sizes = [0, 16, 16], left_transposed = false, right_transposed = false, accumulate = false>],
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<16x16xbf16>>
  %w = plan.alloc "w" : !plan.slice<tensor<64xi8>>
  // expected-error @+1 {{a product must write one of the arguments 2 to 2, but writes 1}}
  plan.launch @k reads(%a, %a : !plan.slice<tensor<16x16xbf16>>, !plan.slice<tensor<16x16xbf16>>) writes(%a : !plan.slice<tensor<16x16xbf16>>) workspace %w : !plan.slice<tensor<64xi8>> over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.linear", updates = array<i64>, products = [#plan.product<left = 0, right = 1, result = 1, bias = -1, residual = -1, axes = [1, 0, 0], sizes = [0, 16, 16], left_transposed = false, right_transposed = false, accumulate = false>],
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<16x16xbf16>>
  %w = plan.alloc "w" : !plan.slice<tensor<64xi8>>
  // expected-error @+3 {{left, right and result are arguments, bias and residual are, or -1}}
  plan.launch @k reads(%a, %a : !plan.slice<tensor<16x16xbf16>>, !plan.slice<tensor<16x16xbf16>>) writes(%a : !plan.slice<tensor<16x16xbf16>>) workspace %w : !plan.slice<tensor<64xi8>> over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.linear", updates = array<i64>,
       products = [#plan.product<left = -1, right = 1, result = 2, bias = -1, residual = -1, axes = [1, 0, 0], sizes = [0, 16, 16], left_transposed = false, right_transposed = false, accumulate = false>],
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<16x16xbf16>>
  %w = plan.alloc "w" : !plan.slice<tensor<64xi8>>
  // expected-error @+3 {{a product has the axes and sizes of three extents, not of 2 and 3}}
  plan.launch @k reads(%a, %a : !plan.slice<tensor<16x16xbf16>>, !plan.slice<tensor<16x16xbf16>>) writes(%a : !plan.slice<tensor<16x16xbf16>>) workspace %w : !plan.slice<tensor<64xi8>> over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.linear", updates = array<i64>,
       products = [#plan.product<left = 0, right = 1, result = 2, bias = -1, residual = -1, axes = [1, 0], sizes = [0, 16, 16], left_transposed = false, right_transposed = false, accumulate = false>],
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<16x16xbf16>>
  %w = plan.alloc "w" : !plan.slice<tensor<64xi8>>
  // expected-error @+3 {{the rows of the result or the terms of a sum may have an axis, not both and not the columns}}
  plan.launch @k reads(%a, %a : !plan.slice<tensor<16x16xbf16>>, !plan.slice<tensor<16x16xbf16>>) writes(%a : !plan.slice<tensor<16x16xbf16>>) workspace %w : !plan.slice<tensor<64xi8>> over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.linear", updates = array<i64>,
       products = [#plan.product<left = 0, right = 1, result = 2, bias = -1, residual = -1, axes = [1, 0, 1], sizes = [0, 16, 16], left_transposed = false, right_transposed = false, accumulate = false>],
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<16x16xbf16>>
  %w = plan.alloc "w" : !plan.slice<tensor<64xi8>>
  // expected-error @+3 {{an axis is 0 (none) to 4, a size without one at least 1, not 0 and 0}}
  plan.launch @k reads(%a, %a : !plan.slice<tensor<16x16xbf16>>, !plan.slice<tensor<16x16xbf16>>) writes(%a : !plan.slice<tensor<16x16xbf16>>) workspace %w : !plan.slice<tensor<64xi8>> over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.linear", updates = array<i64>,
       products = [#plan.product<left = 0, right = 1, result = 2, bias = -1, residual = -1, axes = [1, 0, 0], sizes = [0, 0, 16], left_transposed = false, right_transposed = false, accumulate = false>],
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<16x16xbf16>>
  %w = plan.alloc "w" : !plan.slice<tensor<64xi8>>
  // expected-error @+3 {{a product that accumulates has no bias and no residual}}
  plan.launch @k reads(%a, %a : !plan.slice<tensor<16x16xbf16>>, !plan.slice<tensor<16x16xbf16>>) writes(%a : !plan.slice<tensor<16x16xbf16>>) workspace %w : !plan.slice<tensor<64xi8>> over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.linear", updates = array<i64>,
       products = [#plan.product<left = 0, right = 1, result = 2, bias = 0, residual = -1, axes = [1, 0, 0], sizes = [0, 16, 16], left_transposed = false, right_transposed = false, accumulate = true>],
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<4xf32>>
  // expected-error @+1 {{early must be indices into the 1 read slices, has 1}}
  plan.launch @k reads(%a : !plan.slice<tensor<4xf32>>) writes(%a : !plan.slice<tensor<4xf32>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.add", updates = array<i64>, early = array<i64: 1>,
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
}
