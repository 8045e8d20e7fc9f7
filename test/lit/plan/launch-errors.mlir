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
