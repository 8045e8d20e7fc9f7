// verify-plan: what is missing, left over, or not in the arena.
// RUN: mirl-opt %s --verify-plan -split-input-file -verify-diagnostics

// expected-error @+1 {{has no memory plan: run assign-memory}}
module {
  plan.param @tau = 1.0
}

// -----

// expected-error @+1 {{has no memory plan: run assign-memory}}
module attributes {plan.persistent_bytes = 0 : i64} {
}

// -----

module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  // expected-error @+1 {{is left over: a plan has no such op}}
  func.func private @f()
}

// -----

module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  // expected-error @+1 {{is left over: a plan has no such op}}
  rl.param @tau = 1.0
}

// -----

module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  // expected-error @+1 {{is left over: a plan has no such op}}
  module @other {
  }
}

// -----

module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  nn.variable @w "weight" "pi" "w" init "ones" {plan.offset = 0 : i64} : tensor<16xf32>
  plan.entry @e "plain" {} {
    // expected-error @+1 {{has no offset: run assign-memory}}
    %w = plan.buffer @w : !plan.slice<tensor<16xf32>>
  }
}

// -----

module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-error @+1 {{has no offset: run assign-memory}}
    %x = plan.input "x" from "input:x" : !plan.slice<tensor<16xf32>>
  }
}

// -----

module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-error @+1 {{has no offset: run assign-memory}}
    %a = plan.alloc "a" : !plan.slice<tensor<16xf32>>
    plan.fill %a : !plan.slice<tensor<16xf32>>
  }
}

// -----

module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  nn.variable @w "weight" "pi" "w" init "ones" {plan.offset = 0 : i64} : tensor<16xf32>
  plan.entry @e "plain" {} {
    // expected-error @+1 {{must lie in bytes 0 to 64 of the arena, lies in 64 to 128}}
    %w = plan.buffer @w {offset = 64} : !plan.slice<tensor<16xf32>>
  }
}

// -----

module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-error @+1 {{must lie in bytes 64 to 192 of the arena, lies in 0 to 64}}
    %a = plan.alloc "a" {offset = 0} : !plan.slice<tensor<16xf32>>
    plan.fill %a : !plan.slice<tensor<16xf32>>
  }
}

// -----

module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-error @+1 {{must lie in bytes 64 to 192 of the arena, lies in 160 to 224}}
    %x = plan.input "x" from "input:x" {offset = 160} : !plan.slice<tensor<16xf32>>
  }
}

// -----

// What is read before earlier launches have ended stays as it is in the whole entry, by bytes.
module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  nn.variable @w "weight" "pi" "w" init "ones" {plan.offset = 0 : i64} : tensor<16xf32>
  plan.entry @e "plain" {} {
    %w = plan.buffer @w {offset = 0} : !plan.slice<tensor<16xf32>>
    %again = plan.buffer @w {offset = 0} : !plan.slice<tensor<16xf32>>
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    // expected-error @+1 {{reads a buffer early that the entry writes}}
    plan.launch @k reads(%w : !plan.slice<tensor<16xf32>>) writes(%a : !plan.slice<tensor<16xf32>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.add", updates = array<i64>, early = array<i64: 0>,
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
    // expected-note @+1 {{here}}
    plan.fill %again : !plan.slice<tensor<16xf32>>
  }
}

// -----

module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-note @+1 {{the slice}}
    %x = plan.alloc "x" {offset = 64} : !plan.slice<tensor<16xf32>>
    %a = plan.alloc "a" {offset = 128} : !plan.slice<tensor<16xf32>>
    plan.fill %x : !plan.slice<tensor<16xf32>>
    // expected-error @+1 {{reads a slice early that is no buffer and no input}}
    plan.launch @k reads(%x : !plan.slice<tensor<16xf32>>) writes(%a : !plan.slice<tensor<16xf32>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.add", updates = array<i64>, early = array<i64: 0>,
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
  }
}

// -----

module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    %x = plan.input "x" from "input:x" {offset = 64} : !plan.slice<tensor<16xf32>>
    %a = plan.alloc "a" {offset = 128} : !plan.slice<tensor<16xf32>>
    // expected-note @+1 {{here}}
    plan.fill %x : !plan.slice<tensor<16xf32>>
    // expected-error @+1 {{reads an input early that the entry writes}}
    plan.launch @k reads(%x : !plan.slice<tensor<16xf32>>) writes(%a : !plan.slice<tensor<16xf32>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.add", updates = array<i64>, early = array<i64: 0>,
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
  }
}
