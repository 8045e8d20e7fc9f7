// What attributes, slices and entries refuse.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{a work item covers at least 1 row, so tile is at least 1, not 0}}
func.func private @f() attributes {a = #plan.work<context, size = 0, tile = 0>}

// -----

// expected-error @+1 {{factor is at least 1, not 0}}
func.func private @f() attributes {a = #plan.work<context, size = 0, tile = 1, factor = 0>}

// -----

// expected-error @+1 {{a constant amount of work is not negative, but size = -1}}
func.func private @f() attributes {a = #plan.work<size = -1>}

// -----

// expected-error @+1 {{expected 'size'}}
func.func private @f() attributes {a = #plan.work<batch, size = 1>}

// -----

// expected-error @+1 {{expected ','}}
func.func private @f() attributes {a = #plan.affine<0.0, 1.0, 2.0, 3.0>}

// -----

// expected-error @+1 {{only the first dimension of a slice may be dynamic, dimension 1 of}}
func.func private @f(!plan.slice<tensor<?x?xf32, #nn.axis<context>>>)

// -----

// expected-error @+1 {{a dynamic first dimension needs an #nn.axis encoding}}
func.func private @f(!plan.slice<tensor<?x4xf32>>)

// -----

// expected-error @+1 {{must hold dense elements of a ranked tensor}}
plan.constant @c dense<1.0> : vector<4xf32>

// -----

// expected-error @+1 {{kind must be plain, batch, micro, apply, score, prefill, decode or reward, is 'main'}}
plan.entry @e "main" {} {
}

// -----

// expected-error @+1 {{capacities must name context, token, sequence or group, not 'batch'}}
plan.entry @e "plain" {batch = 8} {
}

// -----

// expected-error @+1 {{the capacity of token must be an integer of at least 1}}
plan.entry @e "plain" {token = 0} {
}

// -----

// expected-error @+1 {{the capacity of token must be an integer of at least 1}}
plan.entry @e "plain" {token = 8.0} {
}

// -----

plan.entry @e "plain" {token = 8} {
  // expected-error @+1 {{does not belong into an entry}}
  %0 = arith.constant 1.0 : f32
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.input "x" from "input:x" : !plan.slice<tensor<4xf32>>
  // expected-error @+1 {{the input port 'x' occurs twice}}
  %b = plan.input "x" from "input:x" : !plan.slice<tensor<4xf32>>
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<4xf32>>
  plan.output "y" from "output:y", %a : !plan.slice<tensor<4xf32>>
  // expected-error @+1 {{the output port 'y' occurs twice}}
  plan.output "y" from "output:y", %a : !plan.slice<tensor<4xf32>>
}

// -----

plan.entry @e "plain" {token = 8} {
  // expected-error @+1 {{has a dynamic dimension whose axis has no capacity in the entry}}
  %a = plan.alloc "a" : !plan.slice<tensor<?xf32, #nn.axis<context>>>
}

// -----

plan.entry @e "plain" {token = 8} {
  // expected-error @+1 {{needs an nn.variable or a plan.constant, but 'v' is not declared}}
  %a = plan.buffer @v : !plan.slice<tensor<4xf32>>
}

// -----

plan.param @v = 1.0
plan.entry @e "plain" {token = 8} {
  // expected-error @+1 {{needs an nn.variable or a plan.constant, but 'v' is neither}}
  %a = plan.buffer @v : !plan.slice<tensor<4xf32>>
}

// -----

// expected-note @+1 {{declared here}}
nn.variable @v "state" "pi" "" init "zeros" : tensor<8xf32>
plan.entry @e "plain" {token = 8} {
  // expected-error @+1 {{must have the type of 'v', 'tensor<8xf32>', has 'tensor<4xf32>'}}
  %a = plan.buffer @v : !plan.slice<tensor<4xf32>>
}

// -----

// expected-note @+1 {{declared here}}
plan.constant @c dense<1.0> : tensor<2xf32>
plan.entry @e "plain" {token = 8} {
  // expected-error @+1 {{must have the type of 'c', 'tensor<2xf32>', has 'tensor<4xf32>'}}
  %a = plan.buffer @c : !plan.slice<tensor<4xf32>>
}

// -----

func.func @f() {
  // expected-error @+1 {{expects parent op 'plan.entry'}}
  %a = plan.buffer @v : !plan.slice<tensor<4xf32>>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{expects parent op 'plan.entry'}}
  %a = plan.input "x" from "input:x" : !plan.slice<tensor<4xf32>>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{expects parent op 'plan.entry'}}
  %a = plan.alloc "a" : !plan.slice<tensor<4xf32>>
  return
}

// -----

func.func @f(%a: !plan.slice<tensor<4xf32>>) {
  // expected-error @+1 {{expects parent op 'plan.entry'}}
  plan.output "y" from "output:y", %a : !plan.slice<tensor<4xf32>>
  return
}
