// What the settings of the host program refuse: their types, bodies, and the symbols they name.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

plan.program {
  // expected-error @+1 {{the setting 'count' must be a string or an f64}}
  plan.host "repeat" [] -> [] {count = 2 : i64} {
  }
}

// -----

plan.program {
  // expected-error @+1 {{the setting 'count' must be a string or an f64}}
  plan.host "repeat" [] -> [] {count = 2.0 : f32} {
  }
}

// -----

plan.program {
  // expected-error @+1 {{repeat needs a body}}
  plan.host "repeat" [] -> [] {count = 2.0}
}

// -----

plan.program {
  // expected-error @+1 {{batches needs a body}}
  plan.host "batches" ["y"] -> ["b"] {sequences = 8.0, shuffle = 0.0}
}

// -----

plan.program {
  // expected-error @+1 {{verify has no body}}
  plan.host "verify" ["y"] -> ["r"] {kind = "regex"} {
    plan.host "repeat" [] -> [] {count = 1.0} {
    ^bb0:
    }
  }
}

// -----

plan.program {
  // expected-error @+1 {{needs a plan.policy, but 'pi' is not declared}}
  plan.host "sample" ["x"] -> ["y"] {policy = "pi", n = 1.0, temperature = 1.0, top_k = 0.0, top_p = 1.0, max_tokens = 8.0}
}

// -----

// expected-note @+1 {{declared here}}
plan.dataset @pi "d.jsonl"
plan.program {
  // expected-error @+1 {{needs a plan.policy, but 'pi' is a 'plan.dataset'}}
  plan.host "sample" ["x"] -> ["y"] {policy = "pi", n = 1.0, temperature = 1.0, top_k = 0.0, top_p = 1.0, max_tokens = 8.0}
}

// -----

plan.program {
  // expected-error @+1 {{needs a plan.dataset, but 'd' is not declared}}
  plan.host "draw" [] -> ["x"] {dataset = "d", count = 1.0, kind = "prompts"}
}

// -----

// expected-note @+1 {{declared here}}
plan.param @d = 1.0
plan.program {
  // expected-error @+1 {{needs a plan.dataset, but 'd' is a 'plan.param'}}
  plan.host "draw" [] -> ["x"] {dataset = "d", count = 1.0, kind = "prompts"}
}

// -----

plan.program {
  // expected-error @+1 {{needs a plan.step, but 's' is not declared}}
  plan.host "step" ["y"] -> [] {step = "s"}
}

// -----

// expected-note @+1 {{declared here}}
plan.param @s = 1.0
plan.program {
  // expected-error @+1 {{needs a plan.step, but 's' is a 'plan.param'}}
  plan.host "step" ["y"] -> [] {step = "s"}
}

// -----

plan.program {
  // expected-error @+1 {{needs an entry of kind reward, but 'e' is not declared}}
  plan.host "score" ["y"] -> [] {entry = "e"}
}

// -----

// expected-note @+1 {{declared here}}
plan.entry @e "plain" {} {
}
plan.program {
  // expected-error @+1 {{needs an entry of kind reward, but 'e' is of kind plain}}
  plan.host "score" ["y"] -> [] {entry = "e"}
}
