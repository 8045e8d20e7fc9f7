// What the iteration refuses: drawing and calling.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics -allow-unregistered-dialect

// expected-error @+1 {{must end in an rl.yield without values, yields 1}}
rl.iteration {
  %b = rl.constant 1.0 : !rl.per<batch, f32>
  rl.yield %b : !rl.per<batch, f32>
}

// -----

rl.dataset @d "d.jsonl"
rl.iteration {
  // expected-error @+1 {{count must be at least 1, is 0}}
  %x = rl.draw @d 0 : !rl.prompts
  rl.yield
}

// -----

rl.iteration {
  // expected-error @+1 {{needs a dataset, but @d is not declared}}
  %x = rl.draw @d 1 : !rl.prompts
  rl.yield
}

// -----

// expected-note @+1 {{declared here}}
rl.param @d = 1.0
rl.iteration {
  // expected-error @+1 {{needs a dataset, but @d is a 'rl.param'}}
  %x = rl.draw @d 1 : !rl.prompts
  rl.yield
}

// -----

rl.dataset @d "d.jsonl"
rl.iteration {
  // expected-error @+1 {{result #0 must be prompts drawn from a dataset or responses to prompts, in groups, with their fields, but got '!rl.per<token, f32>'}}
  %x = "rl.draw"() <{dataset = @d, count = 1}> : () -> !rl.per<token, f32>
  rl.yield
}

// -----

rl.dataset @d "d.jsonl"
rl.iteration {
  %y = rl.draw @d 1 : !rl.trajectory
  // expected-error @+1 {{needs a step, but @train is not declared}}
  rl.call @train(%y) : (!rl.trajectory) -> ()
  rl.yield
}

// -----

rl.dataset @d "d.jsonl"
// expected-note @+1 {{step @train is declared here}}
rl.step @train "y" {
^bb0(%y: !rl.trajectory):
  rl.yield
}
rl.iteration {
  %x = rl.draw @d 1 : !rl.prompts
  // expected-error @+1 {{the step takes '!rl.trajectory', found '!rl.prompts'}}
  rl.call @train(%x) : (!rl.prompts) -> ()
  rl.yield
}

// -----

rl.dataset @d "d.jsonl"
// expected-note @+1 {{step @train is declared here}}
rl.step @train "y" {
^bb0(%y: !rl.trajectory):
  rl.yield
}
rl.iteration {
  %y = rl.draw @d 1 : !rl.trajectory
  // expected-error @+1 {{the step returns nothing, the call has a result}}
  %z = rl.call @train(%y) : (!rl.trajectory) -> !rl.trajectory
  rl.yield
}

// -----

rl.dataset @d "d.jsonl"
// expected-note @+1 {{step @rollout is declared here}}
rl.step @rollout "x" {
^bb0(%x: !rl.prompts):
  %y = "test.sample"(%x) : (!rl.prompts) -> !rl.trajectory
  rl.yield %y : !rl.trajectory
}
rl.iteration {
  %y = rl.draw @d 1 : !rl.trajectory
  // expected-error @+1 {{the step takes '!rl.prompts', found '!rl.trajectory'}}
  %z = rl.call @rollout(%y) : (!rl.trajectory) -> !rl.trajectory
  rl.yield
}

// -----

rl.dataset @d "d.jsonl"
// expected-note @+1 {{step @rollout is declared here}}
rl.step @rollout "x" {
^bb0(%x: !rl.prompts):
  %y = "test.sample"(%x) : (!rl.prompts) -> !rl.trajectory
  rl.yield %y : !rl.trajectory
}
rl.iteration {
  %x = rl.draw @d 1 : !rl.prompts
  // expected-error @+1 {{the step returns a trajectory, the call has no result}}
  rl.call @rollout(%x) : (!rl.prompts) -> ()
  rl.yield
}
