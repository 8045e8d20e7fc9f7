// What reading values refuses: fields, policies, parameters, the clock, numbers.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{the field must be 'logprob', 'version', 'age', 'reward', 'length'}}
  %0 = rl.field %y, "score" : !rl.per<sequence, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{field 'logprob' is per token, the result is per sequence}}
  %0 = rl.field %y, "logprob" : !rl.per<sequence, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{field 'version' is per token, the result is per batch}}
  %0 = rl.field %y, "version" : !rl.per<batch, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{field 'reward' is per sequence, the result is per token}}
  %0 = rl.field %y, "reward" : !rl.per<token, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{field 'length' is per sequence, the result is per group}}
  %0 = rl.field %y, "length" : !rl.per<group, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{field 'finished' is per sequence, the result is per token}}
  %0 = rl.field %y, "finished" : !rl.per<token, f32>
  return
}

// -----

rl.policy @pi model @m "frozen"
func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{temperature must be positive, is 0.000000e+00}}
  %0 = rl.logprob @pi, %y {temperature = 0.0} : !rl.per<token, f32>
  return
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{needs a policy, but @pi is not declared}}
  %0 = rl.logprob @pi, %y : !rl.per<token, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{result #0 must be a value per token}}
  %0 = "rl.logprob"(%y) <{policy = @pi}> : (!rl.trajectory) -> !rl.per<sequence, f32>
  return
}

// -----

rl.policy @pi model @m "frozen"
func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{temperature must be positive, is 0.000000e+00}}
  %0 = rl.entropy @pi, %y {temperature = 0.0} : !rl.per<token, f32>
  return
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{needs a policy, but @pi is not declared}}
  %0 = rl.entropy @pi, %y : !rl.per<token, f32>
  return
}

// -----

func.func @f(%y: !rl.trajectory) {
  // expected-error @+1 {{result #0 must be a value per token}}
  %0 = "rl.entropy"(%y) <{policy = @pi}> : (!rl.trajectory) -> !rl.per<sequence, f32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{needs a param, but @tau is not declared}}
  %0 = rl.read_param @tau : !rl.per<batch, f32>
  return
}

// -----

// expected-note @+1 {{declared here}}
rl.dataset @tau "d"
func.func @f() {
  // expected-error @+1 {{needs a param, but @tau is a 'rl.dataset'}}
  %0 = rl.read_param @tau : !rl.per<batch, f32>
  return
}

// -----

rl.param @tau = 1.0
func.func @f() {
  // expected-error @+1 {{result #0 must be a value per batch}}
  %0 = rl.read_param @tau : !rl.per<token, f32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{the clock must be 'iteration' or 'iterations', is 'epoch'}}
  %0 = rl.clock "epoch" : !rl.per<batch, f32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{result #0 must be a value per batch}}
  %0 = rl.constant 1.0 : !rl.per<token, f32>
  return
}
