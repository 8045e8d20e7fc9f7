// What the entries are for: policies, optimizers, steps, data, parameters and the host program.
// RUN: mirl-opt %s | mirl-opt | FileCheck %s
// RUN: mirl-opt %s --mlir-print-op-generic | mirl-opt | FileCheck %s

// An entry is a function before nn-to-plan and a plan.entry after it: either may be named.
plan.entry @pi.prefill "prefill" {} {}
plan.entry @pi.decode "decode" {} {}
plan.entry @pi.decode.8 "decode" {} {}
plan.entry @pi.prefill.32 "prefill" {} {}
plan.entry @pi.score "score" {} {}
plan.entry @train.batch "batch" {} {}
plan.entry @train.micro "micro" {} {}
func.func private @train.apply() attributes {nn.kind = "apply"}
plan.entry @rollout.reward "reward" {} {}

// CHECK: plan.policy @pi "qwen2" "trainable" {decode = @pi.decode, decode_few = [@pi.decode.8], kv_slots = 256 : i64, max_context = 128 : i64,
// CHECK-SAME: prefill = @pi.prefill, prefill_few = [@pi.prefill.32], score = @pi.score, vocab_size = 20 : i64}
plan.policy @pi "qwen2" "trainable" {prefill = @pi.prefill, decode = @pi.decode, decode_few = [@pi.decode.8],
                                     prefill_few = [@pi.prefill.32], score = @pi.score, vocab_size = 20, max_context = 128, kv_slots = 256}
// CHECK: plan.policy @ref "qwen2" "frozen" {kv_slots = 0 : i64, max_context = 128 : i64, vocab_size = 20 : i64}
plan.policy @ref "qwen2" "frozen" {vocab_size = 20, max_context = 128, kv_slots = 0}
// CHECK: plan.optimizer @opt of @pi reset "iteration"
plan.optimizer @opt of @pi reset "iteration"
// CHECK: plan.optimizer @other of @pi reset "never"
plan.optimizer @other of @pi reset "never"
// CHECK: plan.step @train("y") batch @train.batch micro @train.micro apply @train.apply packing "group" by @opt
plan.step @train("y") batch @train.batch micro @train.micro apply @train.apply packing "group" by @opt
// CHECK: plan.dataset @prompts "data/train.jsonl"
plan.dataset @prompts "data/train.jsonl"
// CHECK: plan.param @tau = 1.250000e-01
plan.param @tau = 0.125

// CHECK: plan.program {
plan.program {
  // CHECK-NEXT: plan.host "draw" [] -> ["x"] {count = 6.400000e+01 : f64, dataset = "prompts", kind = "prompts"}
  plan.host "draw" [] -> ["x"] {dataset = "prompts", count = 64.0, kind = "prompts"}
  // CHECK-NEXT: plan.host "sample" ["x"] -> ["y"] {max_tokens = 6.400000e+01 : f64, n = 8.000000e+00 : f64, policy = "pi",
  // CHECK-SAME: temperature = 1.000000e+00 : f64, top_k = 0.000000e+00 : f64, top_p = 1.000000e+00 : f64}
  plan.host "sample" ["x"] -> ["y"] {policy = "pi", n = 8.0, temperature = 1.0, top_k = 0.0, top_p = 1.0, max_tokens = 64.0}
  // CHECK-NEXT: plan.host "verify" ["y"] -> ["exact_answer"] {field = "answer", kind = "exact_answer"}
  plan.host "verify" ["y"] -> ["exact_answer"] {kind = "exact_answer", field = "answer"}
  // CHECK-NEXT: plan.host "score" ["y"] -> [] {entry = "rollout.reward"}
  plan.host "score" ["y"] -> [] {entry = "rollout.reward"}
  // CHECK-NEXT: plan.host "batches" ["y"] -> ["b"] {sequences = 2.560000e+02 : f64, shuffle = 1.000000e+00 : f64} {
  plan.host "batches" ["y"] -> ["b"] {sequences = 256.0, shuffle = 1.0} {
    // CHECK-NEXT: plan.host "repeat" [] -> [] {count = 2.000000e+00 : f64} {
    plan.host "repeat" [] -> [] {count = 2.0} {
      // CHECK-NEXT: plan.host "step" ["b"] -> [] {step = "train"}
      plan.host "step" ["b"] -> [] {step = "train"}
    // CHECK-NEXT: }
    }
  // CHECK-NEXT: }
  }
  // CHECK-NEXT: plan.host "evaluate" [] -> [] {dataset = "prompts", every = 1.000000e+01 : f64, kind = "exact_answer",
  // CHECK-SAME: max_tokens = 6.400000e+01 : f64, name = "test", policy = "pi", temperature = 0.000000e+00 : f64}
  plan.host "evaluate" [] -> [] {policy = "pi", dataset = "prompts", name = "test", temperature = 0.0, max_tokens = 64.0,
                                 every = 10.0, kind = "exact_answer"}
  // A loop over nothing is a loop all the same.
  // CHECK-NEXT: plan.host "repeat" [] -> [] {count = 3.000000e+00 : f64} {
  // CHECK-NEXT: }
  plan.host "repeat" [] -> [] {count = 3.0} {}
// CHECK-NEXT: }
}
