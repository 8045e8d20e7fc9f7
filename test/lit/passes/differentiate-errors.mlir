// differentiate: what it refuses.
// RUN: mirl-opt %s --differentiate -split-input-file -verify-diagnostics

// expected-error @+1 {{nn.differentiate must name a result of the function as its loss}}
func.func @f(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.x"}) -> tensor<f32> attributes {nn.differentiate = {loss = 1 : i64}} {
  %loss = nn.reduce sum %x : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// expected-error @+1 {{nn.differentiate must name a result of the function as its loss}}
func.func @f(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.x"}) -> tensor<f32> attributes {nn.differentiate = {loss = -1 : i64}} {
  %loss = nn.reduce sum %x : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// expected-error @+1 {{nn.differentiate must name a result of the function as its loss}}
func.func @f(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.x"}) -> tensor<f32> attributes {nn.differentiate = {}} {
  %loss = nn.reduce sum %x : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// expected-error @+1 {{the loss must have rank 0, has type 'tensor<?xf32, #nn.axis<token>>'}}
func.func @f(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.x"}) -> tensor<?xf32, #nn.axis<token>> attributes {nn.differentiate = {loss = 0 : i64}} {
  return %x : tensor<?xf32, #nn.axis<token>>
}

// -----

// expected-error @+1 {{is to be differentiated, but no argument carries nn.gradient or nn.gradient_output}}
func.func @f(%x: tensor<?xf32, #nn.axis<token>>) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %loss = nn.reduce sum %x : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// expected-error @+1 {{argument 0: nn.gradient must name an f32 argument of the same shape}}
func.func @f(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient = 1 : i64}, %g: tensor<4xf32>) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %loss = nn.reduce sum %x : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// expected-error @+1 {{argument 0: nn.gradient must name an f32 argument of the same shape}}
func.func @f(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient = 7 : i64}, %g: tensor<4xf32>) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %loss = nn.reduce sum %x : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// expected-error @+1 {{argument 0: nn.gradient must name an f32 argument of the same shape}}
func.func @f(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient = -1 : i64}, %g: tensor<4xf32>) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %loss = nn.reduce sum %x : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// expected-error @+1 {{must have one block to be differentiated}}
func.func @f(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.x"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %loss = nn.reduce sum %x : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  cf.br ^end
^end:
  return %loss : tensor<f32>
}

// -----

func.func @f(%x: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.x"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  // expected-error @+1 {{has no derivative, but the loss depends on a weight through it}}
  %n = nn.fused %x : (tensor<?xf32, #nn.axis<token>>) -> tensor<?xf32, #nn.axis<token>> {
  ^bb0(%a: f32):
    nn.yield %a : f32
  }
  // expected-note @+1 {{the loss}}
  %loss = nn.reduce sum %n : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

func.func @f(%h: tensor<?x4xf32, #nn.axis<token>> {nn.gradient_output = "grad.h"}, %w: tensor<9x4xf32>, %t: tensor<?xi32, #nn.axis<token>>) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  // expected-error @+1 {{has no derivative of lse}}
  %p:2 = nn.linear_logprob %h, %w, %t : (tensor<?x4xf32, #nn.axis<token>>, tensor<9x4xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %loss = nn.reduce sum %p#1 : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

func.func @f(%h: tensor<?x4xf32, #nn.axis<token>> {nn.gradient_output = "grad.h"}, %w: tensor<4xf32>) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  // expected-error @+1 {{has no derivative of rstd}}
  %p:2 = nn.rms_norm %h, %w {eps = 0.0 : f32} : (tensor<?x4xf32, #nn.axis<token>>, tensor<4xf32>) -> (tensor<?x4xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %loss = nn.reduce sum %p#1 : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

func.func @f(%n: tensor<f32> {nn.gradient_output = "grad.n"}, %w: tensor<9x4xf32>, %t: tensor<?xi32, #nn.axis<token>>) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  // expected-error @+1 {{has a derivative only where its result has rank 1}}
  %h = nn.spread %n : (tensor<f32>) -> tensor<?x4xf32, #nn.axis<token>>
  %p:2 = nn.linear_logprob %h, %w, %t : (tensor<?x4xf32, #nn.axis<token>>, tensor<9x4xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %loss = nn.reduce sum %p#0 : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

func.func @f(%h: tensor<?x4xf32, #nn.axis<token>>, %w: tensor<9x4xf32>, %t: tensor<?xi32, #nn.axis<token>>, %table: tensor<8x4xf32> {nn.gradient_output = "grad.table"}) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  // expected-error @+1 {{has no derivative with respect to its table}}
  %r = nn.rotary %h, %t, %table {head_dim = 4} : (tensor<?x4xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<8x4xf32>) -> tensor<?x4xf32, #nn.axis<token>>
  %p:2 = nn.linear_logprob %r, %w, %t : (tensor<?x4xf32, #nn.axis<token>>, tensor<9x4xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %loss = nn.reduce sum %p#0 : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// -----

// expected-error @+1 {{argument 0: nn.gradient must name an f32 argument of the same shape}}
func.func @f(%w: tensor<4xf32> {nn.gradient = array<i64: 1, 2>}, %g: tensor<4xf32>, %short: tensor<3xf32>) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %loss = nn.splat 0.0 : tensor<f32>
  return %loss : tensor<f32>
}

// -----

// expected-error @+1 {{argument 0: nn.gradient must name an f32 argument of the same shape}}
func.func @f(%w: tensor<4xf32> {nn.gradient = "g"}, %g: tensor<4xf32>) -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %loss = nn.splat 0.0 : tensor<f32>
  return %loss : tensor<f32>
}
