// What steps and entries refuse.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{must take one argument, !rl.prompts or !rl.trajectory, takes 0}}
rl.step @s "y" {
  rl.yield
}

// -----

// expected-error @+1 {{must take one argument, !rl.prompts or !rl.trajectory, takes 2}}
rl.step @s "y" {
^bb0(%y: !rl.trajectory, %z: !rl.trajectory):
  rl.yield
}

// -----

// expected-error @+1 {{must take one argument, !rl.prompts or !rl.trajectory, takes 1 of another type}}
rl.step @s "y" {
^bb0(%y: !rl.per<token, f32>):
  rl.yield
}

// -----

// expected-error @+1 {{packing must be 'sequence' or 'group', is 'token'}}
rl.step @s "y" attributes {packing = "token"} {
^bb0(%y: !rl.trajectory):
  rl.yield
}

// -----

// expected-error @+1 {{must end in an rl.yield}}
rl.step @s "y" {
^bb0(%y: !rl.trajectory):
  llvm.unreachable
}

// -----

// expected-error @+1 {{takes prompts, so it must yield one !rl.trajectory, yields 0 values}}
rl.step @s "x" {
^bb0(%x: !rl.prompts):
  rl.yield
}

// -----

// expected-error @+1 {{takes prompts, so it must yield one !rl.trajectory, yields 1 values}}
rl.step @s "x" {
^bb0(%x: !rl.prompts):
  rl.yield %x : !rl.prompts
}

// -----

// expected-error @+1 {{takes a trajectory, so it trains and must yield nothing, yields 1 values}}
rl.step @s "y" {
^bb0(%y: !rl.trajectory):
  rl.yield %y : !rl.trajectory
}

// -----

// expected-error @+1 {{must name each of its 2 arguments, names 1}}
rl.entry @e ["p"] -> ["r"] gradients [] {
^bb0(%p: !rl.per<token, f32>, %b: !rl.per<batch, f32>):
  rl.yield %b : !rl.per<batch, f32>
}

// -----

// expected-error @+1 {{argument 1 must be an !rl.per, is '!rl.trajectory'}}
rl.entry @e ["b", "y"] -> ["r"] gradients [] {
^bb0(%b: !rl.per<batch, f32>, %y: !rl.trajectory):
  rl.yield %b : !rl.per<batch, f32>
}

// -----

// expected-error @+1 {{must yield one value for each of its 2 named results, at least one; yields 1}}
rl.entry @e ["p", "b"] -> ["r", "s"] gradients [] {
^bb0(%p: !rl.per<token, f32>, %b: !rl.per<batch, f32>):
  rl.yield %b : !rl.per<batch, f32>
}

// -----

// expected-error @+1 {{must yield one value for each of its 0 named results, at least one; yields 0}}
rl.entry @e ["p", "b"] -> [] gradients [] {
^bb0(%p: !rl.per<token, f32>, %b: !rl.per<batch, f32>):
  rl.yield
}

// -----

// expected-error @+1 {{arguments and results must have different names, found 'p' twice}}
rl.entry @e ["p", "b"] -> ["p"] gradients [] {
^bb0(%p: !rl.per<token, f32>, %b: !rl.per<batch, f32>):
  rl.yield %b : !rl.per<batch, f32>
}

// -----

// expected-error @+1 {{must yield values of !rl.per, yields 'f32'}}
rl.entry @e ["b"] -> ["r"] gradients [] {
^bb0(%b: !rl.per<batch, f32>):
  %f = arith.constant 1.0 : f32
  rl.yield %f : f32
}

// -----

// expected-error @+1 {{a gradient names an argument by its index, 0 to 1, found 2}}
rl.entry @e ["p", "b"] -> ["r"] gradients [2] {
^bb0(%p: !rl.per<token, f32>, %b: !rl.per<batch, f32>):
  rl.yield %b : !rl.per<batch, f32>
}

// -----

// expected-error @+1 {{a gradient names an argument by its index, 0 to 1, found -1}}
rl.entry @e ["p", "b"] -> ["r"] gradients [-1] {
^bb0(%p: !rl.per<token, f32>, %b: !rl.per<batch, f32>):
  rl.yield %b : !rl.per<batch, f32>
}

// -----

// expected-error @+1 {{asks for the gradient of argument 0 twice}}
rl.entry @e ["p", "b"] -> ["r"] gradients [0, 0] {
^bb0(%p: !rl.per<token, f32>, %b: !rl.per<batch, f32>):
  rl.yield %b : !rl.per<batch, f32>
}

// -----

// expected-error @+1 {{gradients are of the first result, which must be per batch, is per token}}
rl.entry @e ["p", "b"] -> ["r"] gradients [1] {
^bb0(%p: !rl.per<token, f32>, %b: !rl.per<batch, f32>):
  rl.yield %p : !rl.per<token, f32>
}
