// How many values an instruction of the host program takes, and the settings it needs.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

plan.program {
  // expected-error @+1 {{'train' is not an instruction of the host program (docs/plan.md lists them)}}
  plan.host "train" [] -> [] {}
}

// -----

plan.program {
  // expected-error @+1 {{draw takes 0 and gives 1 values, has 1 and 1}}
  plan.host "draw" ["x"] -> ["y"] {}
}

// -----

plan.program {
  // expected-error @+1 {{draw takes 0 and gives 1 values, has 0 and 0}}
  plan.host "draw" [] -> [] {}
}

// -----

plan.program {
  // expected-error @+1 {{sample takes 1 and gives 1 values, has 1 and 0}}
  plan.host "sample" ["x"] -> [] {}
}

// -----

plan.program {
  // expected-error @+1 {{verify takes 1 and gives 1 values, has 0 and 1}}
  plan.host "verify" [] -> ["r"] {}
}

// -----

plan.program {
  // expected-error @+1 {{score takes 1 and gives 0 values, has 1 and 1}}
  plan.host "score" ["y"] -> ["z"] {}
}

// -----

plan.program {
  // expected-error @+1 {{batches takes 1 and gives 1 values, has 1 and 0}}
  plan.host "batches" ["y"] -> [] {}
}

// -----

plan.program {
  // expected-error @+1 {{repeat takes 0 and gives 0 values, has 1 and 0}}
  plan.host "repeat" ["y"] -> [] {}
}

// -----

plan.program {
  // expected-error @+1 {{step takes 1 and gives 0 values, has 0 and 0}}
  plan.host "step" [] -> [] {}
}

// -----

plan.program {
  // expected-error @+1 {{evaluate takes 0 and gives 0 values, has 0 and 1}}
  plan.host "evaluate" [] -> ["y"] {}
}

// -----

plan.program {
  // expected-error @+1 {{draw needs the setting 'dataset'}}
  plan.host "draw" [] -> ["x"] {count = 1.0, kind = "prompts"}
}

// -----

plan.program {
  // expected-error @+1 {{draw needs the setting 'count'}}
  plan.host "draw" [] -> ["x"] {dataset = "d", kind = "prompts"}
}

// -----

plan.program {
  // expected-error @+1 {{draw needs the setting 'kind'}}
  plan.host "draw" [] -> ["x"] {dataset = "d", count = 1.0}
}

// -----

plan.program {
  // expected-error @+1 {{sample needs the setting 'policy'}}
  plan.host "sample" ["x"] -> ["y"] {n = 1.0, temperature = 1.0, top_k = 0.0, top_p = 1.0, max_tokens = 8.0}
}

// -----

plan.program {
  // expected-error @+1 {{sample needs the setting 'n'}}
  plan.host "sample" ["x"] -> ["y"] {policy = "pi", temperature = 1.0, top_k = 0.0, top_p = 1.0, max_tokens = 8.0}
}

// -----

plan.program {
  // expected-error @+1 {{sample needs the setting 'temperature'}}
  plan.host "sample" ["x"] -> ["y"] {policy = "pi", n = 1.0, top_k = 0.0, top_p = 1.0, max_tokens = 8.0}
}

// -----

plan.program {
  // expected-error @+1 {{sample needs the setting 'top_k'}}
  plan.host "sample" ["x"] -> ["y"] {policy = "pi", n = 1.0, temperature = 1.0, top_p = 1.0, max_tokens = 8.0}
}

// -----

plan.program {
  // expected-error @+1 {{sample needs the setting 'top_p'}}
  plan.host "sample" ["x"] -> ["y"] {policy = "pi", n = 1.0, temperature = 1.0, top_k = 0.0, max_tokens = 8.0}
}

// -----

plan.program {
  // expected-error @+1 {{sample needs the setting 'max_tokens'}}
  plan.host "sample" ["x"] -> ["y"] {policy = "pi", n = 1.0, temperature = 1.0, top_k = 0.0, top_p = 1.0}
}

// -----

plan.program {
  // expected-error @+1 {{verify needs the setting 'kind'}}
  plan.host "verify" ["y"] -> ["r"] {}
}

// -----

plan.program {
  // expected-error @+1 {{score needs the setting 'entry'}}
  plan.host "score" ["y"] -> [] {}
}

// -----

plan.program {
  // expected-error @+1 {{batches needs the setting 'sequences'}}
  plan.host "batches" ["y"] -> ["b"] {shuffle = 0.0}
}

// -----

plan.program {
  // expected-error @+1 {{batches needs the setting 'shuffle'}}
  plan.host "batches" ["y"] -> ["b"] {sequences = 8.0}
}

// -----

plan.program {
  // expected-error @+1 {{repeat needs the setting 'count'}}
  plan.host "repeat" [] -> [] {}
}

// -----

plan.program {
  // expected-error @+1 {{step needs the setting 'step'}}
  plan.host "step" ["y"] -> [] {}
}

// -----

plan.program {
  // expected-error @+1 {{evaluate needs the setting 'policy'}}
  plan.host "evaluate" [] -> [] {dataset = "d", name = "t", temperature = 0.0, max_tokens = 8.0, every = 1.0}
}

// -----

plan.program {
  // expected-error @+1 {{evaluate needs the setting 'dataset'}}
  plan.host "evaluate" [] -> [] {policy = "pi", name = "t", temperature = 0.0, max_tokens = 8.0, every = 1.0}
}

// -----

plan.program {
  // expected-error @+1 {{evaluate needs the setting 'name'}}
  plan.host "evaluate" [] -> [] {policy = "pi", dataset = "d", temperature = 0.0, max_tokens = 8.0, every = 1.0}
}

// -----

plan.program {
  // expected-error @+1 {{evaluate needs the setting 'temperature'}}
  plan.host "evaluate" [] -> [] {policy = "pi", dataset = "d", name = "t", max_tokens = 8.0, every = 1.0}
}

// -----

plan.program {
  // expected-error @+1 {{evaluate needs the setting 'max_tokens'}}
  plan.host "evaluate" [] -> [] {policy = "pi", dataset = "d", name = "t", temperature = 0.0, every = 1.0}
}

// -----

plan.program {
  // expected-error @+1 {{evaluate needs the setting 'every'}}
  plan.host "evaluate" [] -> [] {policy = "pi", dataset = "d", name = "t", temperature = 0.0, max_tokens = 8.0}
}
