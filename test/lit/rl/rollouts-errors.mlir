// What sampling, verifying, scoring and rescoring refuse.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

rl.policy @pi model @m "frozen"
rl.step @s "x" {
^bb0(%x: !rl.prompts):
  // expected-error @+1 {{n must be at least 1, is 0}}
  %y = rl.sample @pi, %x {n = 0, temperature = 1.0, top_k = 0, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
  rl.yield %y : !rl.trajectory
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.policy @pi model @m "frozen"
rl.step @s "x" {
^bb0(%x: !rl.prompts):
  // expected-error @+1 {{temperature must not be negative, is -5.000000e-01}}
  %y = rl.sample @pi, %x {n = 2, temperature = -0.5, top_k = 0, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
  rl.yield %y : !rl.trajectory
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.policy @pi model @m "frozen"
rl.step @s "x" {
^bb0(%x: !rl.prompts):
  // expected-error @+1 {{top_k must be at least 0, is -1}}
  %y = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = -1, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
  rl.yield %y : !rl.trajectory
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.policy @pi model @m "frozen"
rl.step @s "x" {
^bb0(%x: !rl.prompts):
  // expected-error @+1 {{max_tokens must be at least 1, is 0}}
  %y = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = 0, top_p = 1.0, max_tokens = 0} : (!rl.prompts) -> !rl.trajectory
  rl.yield %y : !rl.trajectory
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.policy @pi model @m "frozen"
rl.step @s "x" {
^bb0(%x: !rl.prompts):
  // expected-error @+1 {{top_p must be in (0, 1], is 0.000000e+00}}
  %y = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = 0, top_p = 0.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
  rl.yield %y : !rl.trajectory
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.policy @pi model @m "frozen"
rl.step @s "x" {
^bb0(%x: !rl.prompts):
  // expected-error @+1 {{top_p must be in (0, 1], is 1.500000e+00}}
  %y = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = 0, top_p = 1.5, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
  rl.yield %y : !rl.trajectory
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.step @s "x" {
^bb0(%x: !rl.prompts):
  // expected-error @+1 {{needs a policy, but @pi is not declared}}
  %y = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = 0, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
  rl.yield %y : !rl.trajectory
}

// -----

// expected-note @+1 {{declared here}}
rl.param @pi = 1.0
rl.step @s "x" {
^bb0(%x: !rl.prompts):
  // expected-error @+1 {{needs a policy, but @pi is a 'rl.param'}}
  %y = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = 0, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
  rl.yield %y : !rl.trajectory
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{the verifier's kind must be 'exact_answer', 'regex' or 'program', is 'judge'}}
  %r = rl.verify "judge" %y {} : !rl.per<sequence, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{setting 'pattern' must be a string, is 1 : i64}}
  %r = rl.verify "exact_answer" %y {pattern = 1 : i64} : !rl.per<sequence, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{setting 'field' must be a string, is 1.000000e+00 : f32}}
  %r = rl.verify "exact_answer" %y {field = 1.0 : f32} : !rl.per<sequence, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{setting 'command' must be a string, is true}}
  %r = rl.verify "program" %y {command = true} : !rl.per<sequence, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{setting 'timeout' must be a number of seconds, is "long"}}
  %r = rl.verify "program" %y {command = "c", timeout = "long"} : !rl.per<sequence, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{setting 'workers' must be a number of processes, at least 1, is 0}}
  %r = rl.verify "program" %y {command = "c", workers = 0 : i64} : !rl.per<sequence, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{a verifier's settings are pattern, field, command, timeout and workers, found 'answer'}}
  %r = rl.verify "exact_answer" %y {answer = "x"} : !rl.per<sequence, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{verifier 'regex' needs a 'pattern', found none}}
  %r = rl.verify "regex" %y {} : !rl.per<sequence, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{verifier 'program' needs a 'command', found none}}
  %r = rl.verify "program" %y {timeout = 1 : i64} : !rl.per<sequence, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{result #0 must be a value per sequence}}
  %r = "rl.verify"(%y) <{kind = "exact_answer", settings = {}}> : (!rl.trajectory) -> !rl.per<token, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory, %r: !rl.per<token, f32>) {
  // expected-error @+1 {{operand #1 must be a value per sequence}}
  %z = "rl.score"(%y, %r) : (!rl.trajectory, !rl.per<token, f32>) -> !rl.trajectory
  return
}
