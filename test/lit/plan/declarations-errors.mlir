// What policies, optimizers, steps and the program refuse.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{role must be trainable or frozen, is 'student'}}
plan.policy @pi "m" "student" {vocab_size = 4, max_context = 8, kv_slots = 0}

// -----

// expected-error @+1 {{needs an entry of kind prefill, but 'e' is not declared}}
plan.policy @pi "m" "frozen" {prefill = @e, vocab_size = 4, max_context = 8, kv_slots = 0}

// -----

// expected-error @+1 {{needs an entry of kind decode, but 'e' is not declared}}
plan.policy @pi "m" "frozen" {decode = @e, vocab_size = 4, max_context = 8, kv_slots = 0}

// -----

// expected-error @+1 {{needs an entry of kind score, but 'e' is not declared}}
plan.policy @pi "m" "frozen" {score = @e, vocab_size = 4, max_context = 8, kv_slots = 0}

// -----

// expected-note @+1 {{declared here}}
plan.entry @e "decode" {} {
}
// expected-error @+1 {{needs an entry of kind prefill, but 'e' is of kind decode}}
plan.policy @pi "m" "frozen" {prefill = @e, vocab_size = 4, max_context = 8, kv_slots = 0}

// -----

// expected-note @+1 {{declared here}}
func.func private @e() attributes {nn.kind = "score"}
// expected-error @+1 {{needs an entry of kind decode, but 'e' is of kind score}}
plan.policy @pi "m" "frozen" {decode = @e, vocab_size = 4, max_context = 8, kv_slots = 0}

// -----

plan.entry @d "decode" {} {
}
// expected-note @+1 {{declared here}}
plan.entry @e "prefill" {} {
}
// expected-error @+1 {{needs an entry of kind decode, but 'e' is of kind prefill}}
plan.policy @pi "m" "frozen" {decode = @d, decode_few = [@e], vocab_size = 4, max_context = 8, kv_slots = 0}

// -----

plan.entry @d "decode" {} {
}
// expected-error @+1 {{has decode_few, but no decode}}
plan.policy @pi "m" "frozen" {decode_few = [@d], vocab_size = 4, max_context = 8, kv_slots = 0}

// -----

// expected-note @+1 {{declared here}}
plan.entry @d "decode" {} {
}
plan.entry @p "prefill" {} {
}
// expected-error @+1 {{needs an entry of kind prefill, but 'd' is of kind decode}}
plan.policy @pi "m" "frozen" {prefill = @p, prefill_few = [@d], vocab_size = 4, max_context = 8, kv_slots = 0}

// -----

plan.entry @p "prefill" {} {
}
// expected-error @+1 {{has prefill_few, but no prefill}}
plan.policy @pi "m" "frozen" {prefill_few = [@p], vocab_size = 4, max_context = 8, kv_slots = 0}

// -----

// expected-note @+1 {{declared here}}
plan.param @e = 1.0
// expected-error @+1 {{needs an entry of kind score, but 'e' is a 'plan.param'}}
plan.policy @pi "m" "frozen" {score = @e, vocab_size = 4, max_context = 8, kv_slots = 0}

// -----

plan.policy @pi "m" "trainable" {vocab_size = 4, max_context = 8, kv_slots = 0}
// expected-error @+1 {{reset must be iteration or never, is 'epoch'}}
plan.optimizer @opt of @pi reset "epoch"

// -----

// expected-error @+1 {{needs a plan.policy, but 'pi' is not declared}}
plan.optimizer @opt of @pi reset "never"

// -----

// expected-note @+1 {{declared here}}
plan.param @pi = 1.0
// expected-error @+1 {{needs a plan.policy, but 'pi' is a 'plan.param'}}
plan.optimizer @opt of @pi reset "never"

// -----

plan.policy @pi "m" "trainable" {vocab_size = 4, max_context = 8, kv_slots = 0}
plan.optimizer @opt of @pi reset "never"
plan.entry @b "batch" {} {
}
plan.entry @m "micro" {} {
}
plan.entry @a "apply" {} {
}
// expected-error @+1 {{packing must be sequence or group, is 'token'}}
plan.step @s("y") batch @b micro @m apply @a packing "token" by @opt

// -----

plan.policy @pi "m" "trainable" {vocab_size = 4, max_context = 8, kv_slots = 0}
plan.optimizer @opt of @pi reset "never"
plan.entry @b "batch" {} {
}
plan.entry @m "micro" {} {
}
plan.entry @a "apply" {} {
}
// expected-error @+1 {{needs an entry of kind batch, but 'none' is not declared}}
plan.step @s("y") batch @none micro @m apply @a packing "group" by @opt

// -----

plan.policy @pi "m" "trainable" {vocab_size = 4, max_context = 8, kv_slots = 0}
plan.optimizer @opt of @pi reset "never"
plan.entry @b "batch" {} {
}
// expected-note @+1 {{declared here}}
plan.entry @m "micro" {} {
}
plan.entry @a "apply" {} {
}
// expected-error @+1 {{needs an entry of kind batch, but 'm' is of kind micro}}
plan.step @s("y") batch @m micro @m apply @a packing "group" by @opt

// -----

plan.policy @pi "m" "trainable" {vocab_size = 4, max_context = 8, kv_slots = 0}
plan.optimizer @opt of @pi reset "never"
plan.entry @b "batch" {} {
}
plan.entry @m "micro" {} {
}
// expected-note @+1 {{declared here}}
plan.entry @a "apply" {} {
}
// expected-error @+1 {{needs an entry of kind micro, but 'a' is of kind apply}}
plan.step @s("y") batch @b micro @a apply @a packing "group" by @opt

// -----

plan.policy @pi "m" "trainable" {vocab_size = 4, max_context = 8, kv_slots = 0}
plan.optimizer @opt of @pi reset "never"
// expected-note @+1 {{declared here}}
plan.entry @b "batch" {} {
}
plan.entry @m "micro" {} {
}
plan.entry @a "apply" {} {
}
// expected-error @+1 {{needs an entry of kind apply, but 'b' is of kind batch}}
plan.step @s("y") batch @b micro @m apply @b packing "group" by @opt

// -----

plan.entry @b "batch" {} {
}
plan.entry @m "micro" {} {
}
plan.entry @a "apply" {} {
}
// expected-error @+1 {{needs a plan.optimizer, but 'opt' is not declared}}
plan.step @s("y") batch @b micro @m apply @a packing "group" by @opt

// -----

// expected-note @+1 {{declared here}}
plan.policy @pi "m" "trainable" {vocab_size = 4, max_context = 8, kv_slots = 0}
plan.entry @b "batch" {} {
}
plan.entry @m "micro" {} {
}
plan.entry @a "apply" {} {
}
// expected-error @+1 {{needs a plan.optimizer, but 'pi' is a 'plan.policy'}}
plan.step @s("y") batch @b micro @m apply @a packing "group" by @pi

// -----

plan.program {
  // expected-error @+1 {{does not belong into a program: plan.host ops do}}
  %0 = arith.constant 1.0 : f32
}
