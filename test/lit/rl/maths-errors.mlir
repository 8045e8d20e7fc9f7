// What maths and effects refuse: scopes.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: !rl.per<token, f32>) {
  // expected-error @+1 {{a value spreads to a finer scope: the result must be finer than per token, is per sequence; the way to a coarser one is rl.reduce}}
  %0 = rl.spread %x : !rl.per<token, f32> to !rl.per<sequence, f32>
  return
}

// -----

func.func @f(%x: !rl.per<group, f32>) {
  // expected-error @+1 {{a value spreads to a finer scope: the result must be finer than per group, is per group; the way to a coarser one is rl.reduce}}
  %0 = rl.spread %x : !rl.per<group, f32> to !rl.per<group, f32>
  return
}

// -----

func.func @f(%x: !rl.per<group, f32>) {
  // expected-error @+1 {{a value spreads to a finer scope: the result must be finer than per group, is per batch; the way to a coarser one is rl.reduce}}
  %0 = rl.spread %x : !rl.per<group, f32> to !rl.per<batch, f32>
  return
}

// -----

func.func @f(%x: !rl.per<sequence, f32>) {
  // expected-error @+1 {{a reduction goes to a coarser scope: the result must be coarser than per sequence, is per token}}
  %0 = rl.reduce sum %x : !rl.per<sequence, f32> to !rl.per<token, f32>
  return
}

// -----

func.func @f(%x: !rl.per<batch, f32>) {
  // expected-error @+1 {{a reduction goes to a coarser scope: the result must be coarser than per batch, is per batch}}
  %0 = rl.reduce sum %x : !rl.per<batch, f32> to !rl.per<batch, f32>
  return
}

// -----

func.func @f(%x: !rl.per<batch, f32>) {
  // expected-error @+1 {{a reduction goes to a coarser scope: the result must be coarser than per batch, is per group}}
  %0 = rl.reduce sum %x : !rl.per<batch, f32> to !rl.per<group, f32>
  return
}

// -----

func.func @f(%x: !rl.per<token, f32>, %z: !rl.per<batch, f32>) {
  // expected-error @+1 {{requires the same type for all operands and results}}
  %0 = "rl.binary"(%x, %z) <{kind = #rl<binary_kind add>}> : (!rl.per<token, f32>, !rl.per<batch, f32>) -> !rl.per<token, f32>
  return
}

// -----

func.func @f(%x: !rl.per<token, f32>, %z: !rl.per<batch, f32>) {
  // expected-error @+1 {{requires the same type for all operands and results}}
  %0 = "rl.unary"(%x) <{kind = #rl<unary_kind neg>}> : (!rl.per<token, f32>) -> !rl.per<batch, f32>
  return
}

// -----

func.func @f(%x: !rl.per<token, f32>, %z: !rl.per<batch, f32>) {
  // expected-error @+1 {{requires the same type for all operands and results}}
  %0 = "rl.compare"(%x, %z) <{kind = #rl<compare_kind eq>}> : (!rl.per<token, f32>, !rl.per<batch, f32>) -> !rl.per<token, f32>
  return
}

// -----

func.func @f(%x: !rl.per<token, f32>, %z: !rl.per<batch, f32>) {
  // expected-error @+1 {{requires the same type for all operands and results}}
  %0 = "rl.select"(%z, %x, %x) : (!rl.per<batch, f32>, !rl.per<token, f32>, !rl.per<token, f32>) -> !rl.per<token, f32>
  return
}

// -----

func.func @f(%x: !rl.per<token, f32>, %z: !rl.per<batch, f32>) {
  // expected-error @+1 {{requires the same type for all operands and results}}
  %0 = "rl.stop_gradient"(%x) : (!rl.per<token, f32>) -> !rl.per<batch, f32>
  return
}

// -----

func.func @f(%x: !rl.per<batch, f32>) {
  // expected-error @+1 {{needs an optimizer, but @opt is not declared}}
  rl.minimize %x by @opt : !rl.per<batch, f32>
  return
}

// -----

func.func @f(%x: !rl.per<token, f32>) {
  // expected-error @+1 {{operand #0 must be a value per batch}}
  "rl.minimize"(%x) <{optimizer = @opt}> : (!rl.per<token, f32>) -> ()
  return
}

// -----

func.func @f(%x: !rl.per<group, f32>) {
  // expected-error @+1 {{operand #0 must be a value per batch}}
  "rl.metric"(%x) <{name = "m"}> : (!rl.per<group, f32>) -> ()
  return
}
