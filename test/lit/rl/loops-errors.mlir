// What repeating, batches and evaluation refuse.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

rl.iteration {
  // expected-error @+1 {{count must be at least 1, is 0}}
  rl.repeat 0 {
    rl.yield
  }
  rl.yield
}

// -----

rl.iteration {
  // expected-error @+1 {{must end in an rl.yield without values, yields 1}}
  rl.repeat 1 {
    %b = rl.constant 1.0 : !rl.per<batch, f32>
    rl.yield %b : !rl.per<batch, f32>
  }
  rl.yield
}

// -----

rl.dataset @d "d.jsonl"
rl.iteration {
  %y = rl.draw @d 1 : !rl.trajectory
  // expected-error @+1 {{sequences must be at least 1, is 0}}
  rl.batches %y of 0 shuffle true {
  ^bb0(%b: !rl.trajectory):
    rl.yield
  }
  rl.yield
}

// -----

rl.dataset @d "d.jsonl"
rl.iteration {
  %y = rl.draw @d 1 : !rl.trajectory
  // expected-error @+1 {{the body must take one !rl.trajectory, the batch, takes 0 arguments}}
  rl.batches %y of 1 shuffle true {
    rl.yield
  }
  rl.yield
}

// -----

rl.dataset @d "d.jsonl"
rl.iteration {
  %y = rl.draw @d 1 : !rl.trajectory
  // expected-error @+1 {{the body must take one !rl.trajectory, the batch, takes 1 arguments of another type}}
  rl.batches %y of 1 shuffle true {
  ^bb0(%b: !rl.prompts):
    rl.yield
  }
  rl.yield
}

// -----

rl.dataset @d "d.jsonl"
rl.iteration {
  %y = rl.draw @d 1 : !rl.trajectory
  // expected-error @+1 {{must end in an rl.yield without values, yields 1}}
  rl.batches %y of 1 shuffle true {
  ^bb0(%b: !rl.trajectory):
    rl.yield %b : !rl.trajectory
  }
  rl.yield
}

// -----

rl.dataset @d "d.jsonl"
rl.policy @pi model @m "frozen"
rl.iteration {
  // expected-error @+1 {{needs a verifier with a 'kind', found none}}
  rl.evaluate @pi on @d as "t" {temperature = 1.0, max_tokens = 8, every = 1, verifier = {field = "a"}}
  rl.yield
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.dataset @d "d.jsonl"
rl.policy @pi model @m "frozen"
rl.iteration {
  // expected-error @+1 {{the verifier's kind must be 'exact_answer', 'regex' or 'program', is 'judge'}}
  rl.evaluate @pi on @d as "t" {temperature = 1.0, max_tokens = 8, every = 1, verifier = {kind = "judge"}}
  rl.yield
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.dataset @d "d.jsonl"
rl.policy @pi model @m "frozen"
rl.iteration {
  // expected-error @+1 {{verifier 'regex' needs a 'pattern', found none}}
  rl.evaluate @pi on @d as "t" {temperature = 1.0, max_tokens = 8, every = 1, verifier = {kind = "regex"}}
  rl.yield
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.dataset @d "d.jsonl"
rl.policy @pi model @m "frozen"
rl.iteration {
  // expected-error @+1 {{temperature must not be negative, is -1.000000e+00}}
  rl.evaluate @pi on @d as "t" {temperature = -1.0, max_tokens = 8, every = 1, verifier = {kind = "exact_answer"}}
  rl.yield
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.dataset @d "d.jsonl"
rl.policy @pi model @m "frozen"
rl.iteration {
  // expected-error @+1 {{max_tokens must be at least 1, is 0}}
  rl.evaluate @pi on @d as "t" {temperature = 1.0, max_tokens = 0, every = 1, verifier = {kind = "exact_answer"}}
  rl.yield
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.dataset @d "d.jsonl"
rl.policy @pi model @m "frozen"
rl.iteration {
  // expected-error @+1 {{every must be at least 1, is 0}}
  rl.evaluate @pi on @d as "t" {temperature = 1.0, max_tokens = 8, every = 0, verifier = {kind = "exact_answer"}}
  rl.yield
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}

// -----

rl.dataset @d "d.jsonl"
rl.iteration {
  // expected-error @+1 {{needs a policy, but @pi is not declared}}
  rl.evaluate @pi on @d as "t" {temperature = 1.0, max_tokens = 8, every = 1, verifier = {kind = "exact_answer"}}
  rl.yield
}

// -----

rl.policy @pi model @m "frozen"
rl.iteration {
  // expected-error @+1 {{needs a dataset, but @d is not declared}}
  rl.evaluate @pi on @d as "t" {temperature = 1.0, max_tokens = 8, every = 1, verifier = {kind = "exact_answer"}}
  rl.yield
}
func.func private @m(%ids: tensor<?xi32, #nn.axis<context>>, %positions: tensor<?xi32, #nn.axis<context>>,
                     %offsets: tensor<?xi32, #nn.axis<sequence, 1>>)
    -> (tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>) attributes {nn.model} {
  %e = nn.weight "e" init "ones" : tensor<16x8xf32>
  %x = nn.embedding %e, %ids : (tensor<16x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return %x, %e : tensor<?x8xf32, #nn.axis<context>>, tensor<16x8xf32>
}
