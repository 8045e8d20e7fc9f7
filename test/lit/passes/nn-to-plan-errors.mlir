// nn-to-plan: what it refuses. Elementwise ops outside of loops have no schedule: fuse makes the loops.
// RUN: mirl-opt %s --nn-to-plan -split-input-file -verify-diagnostics

// expected-error @+1 {{argument 0 must be a ranked tensor, is 'f32'}}
func.func @f(%x: f32 {nn.name = "x", nn.source = "input:x"}) attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  return
}

// -----

// expected-error @+1 {{argument 0 must carry nn.variable, or nn.name and nn.source}}
func.func @f(%x: tensor<?x4xf32, #nn.axis<context>>) attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  return
}

// -----

// expected-error @+1 {{argument 0 must carry nn.variable, or nn.name and nn.source}}
func.func @f(%x: tensor<?x4xf32, #nn.axis<context>> {nn.name = "x"}) attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  return
}

// -----

// expected-error @+1 {{result 0 must carry nn.alias, or nn.name and nn.source}}
func.func @f(%x: tensor<?x4xf32, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}) -> tensor<?x4xf32, #nn.axis<context>> attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  return %x : tensor<?x4xf32, #nn.axis<context>>
}

// -----

// expected-error @+1 {{must have one block to become an entry of a plan}}
func.func @f(%x: tensor<?x4xf32, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}) attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  cf.br ^end
^end:
  return
}

// -----

func.func @f(%x: tensor<?x4xf32, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}) attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  // expected-error @+1 {{has no schedule for the CPU; an entry can only be lowered when every op in it has one}}
  %y = builtin.unrealized_conversion_cast %x : tensor<?x4xf32, #nn.axis<context>> to tensor<?x4xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%x: tensor<?x4xf32, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}) attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  // expected-error @+1 {{has no schedule for the CPU; an entry can only be lowered when every op in it has one}}
  %y = nn.unary exp %x : tensor<?x4xf32, #nn.axis<context>>
  return
}

// -----

// expected-error @+1 {{result 0: nn.alias must name one of the 1 arguments, names 7}}
func.func @f(%x: tensor<4xf32> {nn.name = "x", nn.source = "input:x"}) -> (tensor<4xf32> {nn.alias = 7 : i64}) attributes {nn.kind = "plain", nn.capacities = {}} {
  return %x : tensor<4xf32>
}
