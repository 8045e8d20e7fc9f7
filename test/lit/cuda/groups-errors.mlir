// nn-to-plan refuses what says that it is one launch, but is not: it names the op and what the group requires.
// RUN: mirl-opt %s --nn-to-plan="target=cuda" -split-input-file -verify-diagnostics

!x = tensor<?x64xbf16, #nn.axis<context>>
func.func @operand(%x: !x {nn.name = "x", nn.source = "input:x"}, %y: !x {nn.name = "y", nn.source = "input:y"}, %w: tensor<64x64xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (!x {nn.name = "a", nn.source = "output:a"}, !x {nn.name = "b", nn.source = "output:b"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  %a = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  // expected-error @+1 {{must have the left operand of the group's first product (nn.group = 0 : i64 is one launch)}}
  %b = nn.linear %y, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  return %a, %b : !x, !x
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
func.func @order(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: tensor<64x64xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (!x {nn.name = "a", nn.source = "output:a"}, !x {nn.name = "b", nn.source = "output:b"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  %a = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  // expected-error @+1 {{must be a product of the tensor cores with a result of bf16}}
  %b = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"chain", 1, f32>} : (!x, tensor<64x64xbf16>) -> !x
  return %a, %b : !x, !x
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
func.func @bias(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: tensor<64x64xbf16> {nn.name = "w", nn.source = "input:w"}, %b: tensor<64xbf16> {nn.name = "b", nn.source = "input:b"})
    -> (!x {nn.name = "a", nn.source = "output:a"}, !x {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  %a = nn.linear %x, %w bias(%b) {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>, tensor<64xbf16>) -> !x
  // expected-error @+1 {{must have a bias where the group's first product has one, and nowhere else}}
  %r = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  return %a, %r : !x, !x
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
func.func @residual(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: tensor<64x64xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (!x {nn.name = "a", nn.source = "output:a"}, !x {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  %a = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  // expected-error @+1 {{must have no residual}}
  %r = nn.linear %x, %w residual(%x) {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>, !x) -> !x
  return %a, %r : !x, !x
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
func.func @program(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: tensor<64x64xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (!x {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  %a = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  // expected-error @+1 {{must have the results of the group's one or two products as operands, and these alone}}
  %h = nn.fused %a, %x {nn.group = 0 : i64} : (!x, !x) -> !x {
  ^bb0(%p: f32, %q: f32):
    %m = arith.mulf %p, %q : f32
    nn.yield %m : f32
  }
  return %h : !x
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
func.func @lonely(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: tensor<64x64xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (!x {nn.name = "a", nn.source = "output:a"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  // expected-error @+1 {{must have a product before it in its group, or behind it}}
  %a = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  return %a : !x
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
func.func @kind(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: tensor<64x64xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (!x {nn.name = "a", nn.source = "output:a"}, !x {nn.name = "b", nn.source = "output:b"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  %a = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  // expected-error @+1 {{must be an nn.linear or an nn.linear_weight_grad, as all products of its group}}
  %b = nn.linear_data_grad %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  return %a, %b : !x, !x
}

// -----

// Both are added to the same memory at the same time.
!x = tensor<?x64xbf16, #nn.axis<context>>
!dw = tensor<64x64xf32>
func.func @chained(%g: !x {nn.name = "g", nn.source = "input:g"}, %x: !x {nn.name = "x", nn.source = "input:x"}, %w: !dw {nn.name = "w", nn.source = "input:w"})
    -> (!dw {nn.name = "r", nn.source = "output:r"}, !dw {nn.name = "s", nn.source = "output:s"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  // expected-error @+1 {{must not overwrite what another op of its group reads}}
  %r = nn.linear_weight_grad %g, %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, !x, !dw) -> !dw
  %s = nn.linear_weight_grad %g, %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, !x, !dw) -> !dw
  return %r, %s : !dw, !dw
}

// -----

!kv = tensor<?x64xbf16, #nn.axis<context>>
!i = tensor<?xi32, #nn.axis<context>>
!keys = tensor<8x1x64x16xbf16>
!values = tensor<8x1x16x64xbf16>
func.func @positions(%k: !kv {nn.name = "k", nn.source = "input:k"}, %v: !kv {nn.name = "v", nn.source = "input:v"}, %o: !i {nn.name = "o", nn.source = "input:o"}, %p: !i {nn.name = "p", nn.source = "input:p"},
                     %t: tensor<80x64xf32> {nn.name = "t", nn.source = "input:t"}, %keys: !keys {nn.name = "keys", nn.source = "input:keys"}, %values: !values {nn.name = "values", nn.source = "input:values"}, %table: tensor<2x4xi32> {nn.name = "table", nn.source = "input:table"}, %slots: !i {nn.name = "slots", nn.source = "input:slots"})
    -> (!keys {nn.name = "nk", nn.source = "output:nk"}, !values {nn.name = "nv", nn.source = "output:nv"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  // expected-error @+1 {{must be an nn.rotary of the positions of the group's nn.kv_append}}
  %rk = nn.rotary %k, %o, %t {head_dim = 64 : i64, nn.group = 0 : i64} : (!kv, !i, tensor<80x64xf32>) -> !kv
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %p {nn.group = 0 : i64} : (!kv, !kv, !keys, !values, tensor<2x4xi32>, !i, !i) -> (!keys, !values)
  return %nk, %nv : !keys, !values
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
func.func @many(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: tensor<64x64xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (!x {nn.name = "d", nn.source = "output:d"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  %a = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  %b = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  %c = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  // expected-error @+1 {{is one too many: a group has at most 3 products}}
  %d = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  return %d : !x
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
func.func @chain(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: tensor<64x64xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (!x {nn.name = "b", nn.source = "output:b"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  %a = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  // expected-error @+1 {{must have the left operand of the group's first product}}
  %b = nn.linear %a, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  return %b : !x
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
func.func @program_bias(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: tensor<64x64xbf16> {nn.name = "w", nn.source = "input:w"}, %b: tensor<64xbf16> {nn.name = "b", nn.source = "input:b"})
    -> (!x {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  // expected-error @+1 {{must have no bias, since nn.fused follows in its group}}
  %a = nn.linear %x, %w bias(%b) {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>, tensor<64xbf16>) -> !x
  %h = nn.fused %a {nn.group = 0 : i64} : (!x) -> !x {
  ^bb0(%p: f32):
    %m = arith.mulf %p, %p : f32
    nn.yield %m : f32
  }
  return %h : !x
}

// -----

!x = tensor<?x64xbf16, #nn.axis<context>>
func.func @results(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: tensor<64x64xbf16> {nn.name = "w", nn.source = "input:w"})
    -> (!x {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  %a = nn.linear %x, %w {nn.group = 0 : i64, numerics = #nn.numerics<"k16", 16, f32>} : (!x, tensor<64x64xbf16>) -> !x
  // expected-error @+1 {{must have one to three results, of the type of the group's products}}
  %h:4 = nn.fused %a {nn.group = 0 : i64} : (!x) -> (!x, !x, !x, !x) {
  ^bb0(%p: f32):
    nn.yield %p, %p, %p, %p : f32, f32, f32, f32
  }
  return %h#0 : !x
}

// -----

!kv = tensor<?x64xbf16, #nn.axis<context>>
!i = tensor<?xi32, #nn.axis<context>>
!keys = tensor<8x1x64x16xbf16>
!values = tensor<8x1x16x64xbf16>
func.func @key(%k: !kv {nn.name = "k", nn.source = "input:k"}, %v: !kv {nn.name = "v", nn.source = "input:v"}, %p: !i {nn.name = "p", nn.source = "input:p"},
               %t: tensor<80x64xf32> {nn.name = "t", nn.source = "input:t"}, %keys: !keys {nn.name = "keys", nn.source = "input:keys"}, %values: !values {nn.name = "values", nn.source = "input:values"}, %table: tensor<2x4xi32> {nn.name = "table", nn.source = "input:table"}, %slots: !i {nn.name = "slots", nn.source = "input:slots"})
    -> (!keys {nn.name = "nk", nn.source = "output:nk"}, !values {nn.name = "nv", nn.source = "output:nv"}) attributes {nn.kind = "plain", nn.capacities = {context = 512 : i64}} {
  %rk = nn.rotary %k, %p, %t {head_dim = 64 : i64, nn.group = 0 : i64} : (!kv, !i, tensor<80x64xf32>) -> !kv
  // expected-error @+1 {{must have one of the group's one or two nn.rotary as its key}}
  %nk, %nv = nn.kv_append %k, %v, %keys, %values, %table, %slots, %p {nn.group = 0 : i64} : (!kv, !kv, !keys, !values, tensor<2x4xi32>, !i, !i) -> (!keys, !values)
  return %nk, %nv : !keys, !values
}

// -----

!w = tensor<64xf32>
!s = tensor<f32>
func.func @norm_alone(%w: !w {nn.name = "w", nn.source = "input:w"}, %zero: !s {nn.name = "zero", nn.source = "input:zero"}) -> (!s {nn.name = "n", nn.source = "output:n"}) attributes {nn.kind = "plain", nn.capacities = {}} {
  // expected-error @+1 {{must not be alone in its group}}
  %0 = nn.squared_norm %w, %zero {nn.group = 0 : i64} : (!w, !s) -> !s
  return %0 : !s
}

// -----

!w = tensor<64xf32>
!s = tensor<f32>
func.func @two_chains(%w: !w {nn.name = "w", nn.source = "input:w"}, %zero: !s {nn.name = "zero", nn.source = "input:zero"}) -> (!s {nn.name = "n", nn.source = "output:n"}) attributes {nn.kind = "plain", nn.capacities = {}} {
  %0 = nn.squared_norm %w, %zero {nn.group = 0 : i64} : (!w, !s) -> !s
  // expected-error @+1 {{must be added to the result of the op before it in its group}}
  %1 = nn.squared_norm %w, %zero {nn.group = 0 : i64} : (!w, !s) -> !s
  return %1 : !s
}

// -----

!w = tensor<64xf32>
!s = tensor<f32>
func.func @read_beside(%w: !w {nn.name = "w", nn.source = "input:w"}, %zero: !s {nn.name = "zero", nn.source = "input:zero"}) -> (!s {nn.name = "n", nn.source = "output:n"}, !s {nn.name = "m", nn.source = "output:m"}) attributes {nn.kind = "plain", nn.capacities = {}} {
  // expected-error @+1 {{must have a result that the next op of its group alone adds to}}
  %0 = nn.squared_norm %w, %zero {nn.group = 0 : i64} : (!w, !s) -> !s
  %1 = nn.squared_norm %w, %0 {nn.group = 0 : i64} : (!w, !s) -> !s
  return %0, %1 : !s, !s
}

// -----

!w = tensor<64xf32>
!s = tensor<f32>
func.func @norm_kind(%w: !w {nn.name = "w", nn.source = "input:w"}, %zero: !s {nn.name = "zero", nn.source = "input:zero"}) -> (!s {nn.name = "n", nn.source = "output:n"}) attributes {nn.kind = "plain", nn.capacities = {}} {
  %0 = nn.squared_norm %w, %zero {nn.group = 0 : i64} : (!w, !s) -> !s
  // expected-error @+1 {{must be an nn.squared_norm, as all ops of its group}}
  %1 = nn.binary add %0, %zero {nn.group = 0 : i64} : !s
  return %1 : !s
}

// -----

!w = tensor<64xf32>
!s = tensor<f32>
func.func @rate(%a: !w {nn.name = "a", nn.source = "input:a"}, %b: !w {nn.name = "b", nn.source = "input:b"}, %m: !w {nn.name = "m", nn.source = "input:m"}, %n: !w {nn.name = "n", nn.source = "input:n"}, %lr: !s {nn.name = "lr", nn.source = "input:lr"}, %step: !s {nn.name = "step", nn.source = "input:step"}, %scale: !s {nn.name = "scale", nn.source = "input:scale"})
    -> (!w {nn.name = "ra", nn.source = "output:ra"}, !w {nn.name = "rb", nn.source = "output:rb"}) attributes {nn.kind = "plain", nn.capacities = {}} {
  %u:3 = nn.adamw %a, %a, %m, %m, %lr, %step, %scale {nn.group = 0 : i64, beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!w, !w, !w, !w, !s, !s, !s) -> (!w, !w, !w)
  // expected-error @+1 {{must have the rate, the step and the scale of the group's first nn.adamw}}
  %v:3 = nn.adamw %b, %b, %n, %n, %scale, %step, %scale {nn.group = 0 : i64, beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!w, !w, !w, !w, !s, !s, !s) -> (!w, !w, !w)
  return %u#0, %v#0 : !w, !w
}

// -----

!w = tensor<64xf32>
!s = tensor<f32>
func.func @coefficients(%a: !w {nn.name = "a", nn.source = "input:a"}, %b: !w {nn.name = "b", nn.source = "input:b"}, %m: !w {nn.name = "m", nn.source = "input:m"}, %n: !w {nn.name = "n", nn.source = "input:n"}, %lr: !s {nn.name = "lr", nn.source = "input:lr"}, %step: !s {nn.name = "step", nn.source = "input:step"}, %scale: !s {nn.name = "scale", nn.source = "input:scale"})
    -> (!w {nn.name = "ra", nn.source = "output:ra"}, !w {nn.name = "rb", nn.source = "output:rb"}) attributes {nn.kind = "plain", nn.capacities = {}} {
  %u:3 = nn.adamw %a, %a, %m, %m, %lr, %step, %scale {nn.group = 0 : i64, beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!w, !w, !w, !w, !s, !s, !s) -> (!w, !w, !w)
  // expected-error @+1 {{must have the coefficients of the group's first nn.adamw}}
  %v:3 = nn.adamw %b, %b, %n, %n, %lr, %step, %scale {nn.group = 0 : i64, beta1 = 0.8 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!w, !w, !w, !w, !s, !s, !s) -> (!w, !w, !w)
  return %u#0, %v#0 : !w, !w
}

// -----

!w = tensor<64xf32>
!s = tensor<f32>
func.func @update_kind(%a: !w {nn.name = "a", nn.source = "input:a"}, %b: !w {nn.name = "b", nn.source = "input:b"}, %m: !w {nn.name = "m", nn.source = "input:m"}, %n: !w {nn.name = "n", nn.source = "input:n"}, %lr: !s {nn.name = "lr", nn.source = "input:lr"}, %step: !s {nn.name = "step", nn.source = "input:step"}, %scale: !s {nn.name = "scale", nn.source = "input:scale"})
    -> (!w {nn.name = "ra", nn.source = "output:ra"}, !w {nn.name = "rb", nn.source = "output:rb"}) attributes {nn.kind = "plain", nn.capacities = {}} {
  %u:3 = nn.adamw %a, %a, %m, %m, %lr, %step, %scale {nn.group = 0 : i64, beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!w, !w, !w, !w, !s, !s, !s) -> (!w, !w, !w)
  // expected-error @+1 {{must be an nn.adamw, as all ops of its group}}
  %v = nn.binary add %b, %m {nn.group = 0 : i64} : !w
  return %u#0, %v : !w, !w
}

// -----

!w = tensor<64xf32>
!s = tensor<f32>
func.func @updated_twice(%a: !w {nn.name = "a", nn.source = "input:a"}, %b: !w {nn.name = "b", nn.source = "input:b"}, %m: !w {nn.name = "m", nn.source = "input:m"}, %n: !w {nn.name = "n", nn.source = "input:n"}, %lr: !s {nn.name = "lr", nn.source = "input:lr"}, %step: !s {nn.name = "step", nn.source = "input:step"}, %scale: !s {nn.name = "scale", nn.source = "input:scale"})
    -> (!w {nn.name = "ra", nn.source = "output:ra"}, !w {nn.name = "rb", nn.source = "output:rb"}) attributes {nn.kind = "plain", nn.capacities = {}} {
  %u:3 = nn.adamw %a, %a, %m, %m, %lr, %step, %scale {nn.group = 0 : i64, beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!w, !w, !w, !w, !s, !s, !s) -> (!w, !w, !w)
  // expected-error @+1 {{must not read what another op of its group makes}}
  %v:3 = nn.adamw %u#0, %b, %u#1, %u#2, %lr, %step, %scale {nn.group = 0 : i64, beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (!w, !w, !w, !w, !s, !s, !s) -> (!w, !w, !w)
  return %u#0, %v#0 : !w, !w
}
