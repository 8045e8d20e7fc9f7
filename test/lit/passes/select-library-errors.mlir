// select-library: a pattern that names nothing a library computes is an error, which says why, or what there is.
// RUN: mirl-opt %s --select-library="pattern=*/linear/*" -split-input-file -verify-diagnostics
// RUN: not mirl-opt %s --select-library="pattern=[" -split-input-file 2>&1 | FileCheck %s --check-prefix=GLOB
// GLOB: error: select-library: '[' is no pattern: invalid glob pattern

!x = tensor<?x64xbf16, #nn.axis<context>>
!w = tensor<64x64xbf16>
#k16 = #nn.numerics<"k16", 16, f32>
func.func @fused(%x: !x, %w: !w) -> !x attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  // expected-error @+1 {{must not be fused with an elementwise program, so that a library may compute it; nothing else is named by the pattern '*/linear/*'}}
  %0 = nn.linear %x, %w {nn.group = 0 : i64, numerics = #k16} : (!x, !w) -> !x
  %1 = nn.fused %0 {nn.group = 0 : i64} : (!x) -> !x {
  ^bb0(%a: f32):
    %n = arith.negf %a : f32
    nn.yield %n : f32
  }
  return %1 : !x
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
!w = tensor<64x64xbf16>
func.func @residual(%x: !x, %w: !w) -> !x attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  // expected-error @+1 {{must have no residual: it is added to a result that was rounded, which a library does not do}}
  %0 = nn.linear %x, %w residual(%x) {numerics = #nn.numerics<"k16", 16, f32>} : (!x, !w, !x) -> !x
  return %0 : !x
}

// -----

!f = tensor<?x64xf32, #nn.axis<context>>
func.func @f32(%x: !f, %w: tensor<64x64xf32>) -> !f attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  // expected-error @+1 {{must be a product of the tensor cores, of bf16 with rows of whole 16 bytes}}
  %0 = nn.linear %x, %w {numerics = #nn.numerics<"chain", 1, f32>} : (!f, tensor<64x64xf32>) -> !f
  return %0 : !f
}

// -----

// expected-error @+1 {{select-library: the pattern '*/linear/*' names no product; there are other/data_grad/64x32}}
module {
  func.func @other(%g: tensor<?x64xbf16, #nn.axis<context>>, %w: tensor<64x32xbf16>) -> tensor<?x32xbf16, #nn.axis<context>>
      attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
    %0 = nn.linear_data_grad %g, %w {numerics = #nn.numerics<"k16", 16, f32>} : (tensor<?x64xbf16, #nn.axis<context>>, tensor<64x32xbf16>) -> tensor<?x32xbf16, #nn.axis<context>>
    return %0 : tensor<?x32xbf16, #nn.axis<context>>
  }
}

// -----

// expected-error @+1 {{select-library: the pattern '*/linear/*' names no product; the program has none}}
module {
  func.func @none(%x: tensor<4xf32>) -> tensor<4xf32> attributes {nn.kind = "plain"} {
    return %x : tensor<4xf32>
  }
}

// -----

// Products of few rows that become rows of the cache.
!x = tensor<?x64xbf16, #nn.axis<context>>
!w = tensor<64x64xbf16>
!i = tensor<?xi32, #nn.axis<context>>
!keys = tensor<8x1x64x16xbf16>
!values = tensor<8x1x16x64xbf16>
func.func @cache(%x: !x, %w: !w, %angles: tensor<80x64xf32>, %keys: !keys, %values: !values, %table: tensor<2x4xi32>, %slots: !i, %positions: !i) -> (!x, !keys, !values)
    attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  // expected-error @+1 {{must not be one launch with the rows of the KV cache that are made of it}}
  %q = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, !w) -> !x
  %k = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, !w) -> !x
  %v = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, !w) -> !x
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64, nn.group = 0 : i64} : (!x, !i, tensor<80x64xf32>) -> !x
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64, nn.group = 0 : i64} : (!x, !i, tensor<80x64xf32>) -> !x
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions {nn.group = 0 : i64} : (!x, !x, !keys, !values, tensor<2x4xi32>, !i, !i) -> (!keys, !values)
  return %rq, %nk, %nv : !x, !keys, !values
}
