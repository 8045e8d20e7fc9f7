// The vocabulary head of Qwen2.5 0.5B, with entropy and temperature, for training (without logits kept, with some, with all) and for sampling, passes the assembler's gates.
// REQUIRES: ptxas
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 -o %t.plan 2>&1 | FileCheck %s
// CHECK-NOT: {{error|warning}}
// CHECK: mirlc: 6 entries

!h = tensor<?x896xbf16, #nn.axis<token>>
!w = tensor<151936x896xbf16>
!dw = tensor<151936x896xf32>
!t = tensor<?xi32, #nn.axis<token>>
!f = tensor<?xf32, #nn.axis<token>>
!z = tensor<?x151936xf32, #nn.axis<token>>
!ids = tensor<?xi64, #nn.axis<token>>

func.func @train(%g: !f {nn.name = "g", nn.source = "input:g"}, %e: !f {nn.name = "e", nn.source = "input:e"},
                 %h: !h {nn.name = "h", nn.source = "input:h"}, %w: !w {nn.name = "w", nn.source = "input:w"},
                 %t: !t {nn.name = "t", nn.source = "input:t"}, %into: !dw {nn.name = "into", nn.source = "input:into"})
    -> (!f {nn.name = "logprob", nn.source = "output:logprob"}, !h {nn.name = "dh", nn.source = "output:dh"},
        !dw {nn.name = "dw", nn.source = "output:dw"})
    attributes {nn.kind = "plain", nn.capacities = {token = 16384 : i64, sequence = 1 : i64, group = 1 : i64}} {
  %logprob, %lse, %entropy = nn.linear_logprob %h, %w, %t {temperature = 0.7 : f32} : (!h, !w, !t) -> (!f, !f, !f)
  %dh, %dw = nn.linear_logprob_grad %g, %h, %w, %t, %lse into(%into) entropy(%e, %entropy) {temperature = 0.7 : f32}
      : (!f, !h, !w, !t, !f, !dw, !f, !f) -> (!h, !dw)
  return %logprob, %dh, %dw : !f, !h, !dw
}

!some = tensor<?x12288xbf16, #nn.axis<token>>
!somemaxima = tensor<?x48xf32, #nn.axis<token>>
func.func @some(%g: !f {nn.name = "g", nn.source = "input:g"}, %e: !f {nn.name = "e", nn.source = "input:e"},
                %h: !h {nn.name = "h", nn.source = "input:h"}, %w: !w {nn.name = "w", nn.source = "input:w"},
                %t: !t {nn.name = "t", nn.source = "input:t"}, %into: !dw {nn.name = "into", nn.source = "input:into"})
    -> (!f {nn.name = "logprob", nn.source = "output:logprob"}, !h {nn.name = "dh", nn.source = "output:dh"},
        !dw {nn.name = "dw", nn.source = "output:dw"})
    attributes {nn.kind = "plain", nn.capacities = {token = 16384 : i64, sequence = 1 : i64, group = 1 : i64}} {
  %logprob, %lse, %entropy, %k, %m = nn.linear_logprob %h, %w, %t {temperature = 0.7 : f32, kept = 12288 : i64} : (!h, !w, !t) -> (!f, !f, !f, !some, !somemaxima)
  %dh, %dw = nn.linear_logprob_grad %g, %h, %w, %t, %lse into(%into) entropy(%e, %entropy) kept(%k, %m) {temperature = 0.7 : f32}
      : (!f, !h, !w, !t, !f, !dw, !f, !f, !some, !somemaxima) -> (!h, !dw)
  return %logprob, %dh, %dw : !f, !h, !dw
}

!all = tensor<?x151936xbf16, #nn.axis<token>>
!allmaxima = tensor<?x594xf32, #nn.axis<token>>
func.func @all(%g: !f {nn.name = "g", nn.source = "input:g"}, %e: !f {nn.name = "e", nn.source = "input:e"},
               %h: !h {nn.name = "h", nn.source = "input:h"}, %w: !w {nn.name = "w", nn.source = "input:w"},
               %t: !t {nn.name = "t", nn.source = "input:t"}, %into: !dw {nn.name = "into", nn.source = "input:into"})
    -> (!f {nn.name = "logprob", nn.source = "output:logprob"}, !h {nn.name = "dh", nn.source = "output:dh"},
        !dw {nn.name = "dw", nn.source = "output:dw"})
    attributes {nn.kind = "plain", nn.capacities = {token = 16384 : i64, sequence = 1 : i64, group = 1 : i64}} {
  %logprob, %lse, %entropy, %k, %m = nn.linear_logprob %h, %w, %t {temperature = 0.7 : f32, kept = 151936 : i64} : (!h, !w, !t) -> (!f, !f, !f, !all, !allmaxima)
  %dh, %dw = nn.linear_logprob_grad %g, %h, %w, %t, %lse into(%into) entropy(%e, %entropy) kept(%k, %m) {temperature = 0.7 : f32}
      : (!f, !h, !w, !t, !f, !dw, !f, !f, !all, !allmaxima) -> (!h, !dw)
  return %logprob, %dh, %dw : !f, !h, !dw
}

func.func @logits(%h: !h {nn.name = "h", nn.source = "input:h"}, %w: !w {nn.name = "w", nn.source = "input:w"})
    -> (!z {nn.name = "z", nn.source = "output:z"})
    attributes {nn.kind = "plain", nn.capacities = {token = 256 : i64, sequence = 1 : i64, group = 1 : i64}} {
  %z = nn.linear %h, %w : (!h, !w) -> !z
  return %z : !z
}

func.func @draw(%z: !z {nn.name = "z", nn.source = "input:z"}, %i: !ids {nn.name = "i", nn.source = "input:i"},
                %n: !t {nn.name = "n", nn.source = "input:n"}, %seed: tensor<i64> {nn.name = "s", nn.source = "input:s"},
                %t: tensor<f32> {nn.name = "t", nn.source = "input:t"}, %k: tensor<i32> {nn.name = "k", nn.source = "input:k"},
                %p: tensor<f32> {nn.name = "p", nn.source = "input:p"})
    -> (!t {nn.name = "token", nn.source = "output:token"}, !f {nn.name = "logprob", nn.source = "output:logprob"})
    attributes {nn.kind = "plain", nn.capacities = {token = 256 : i64, sequence = 1 : i64, group = 1 : i64}} {
  %token, %logprob = nn.sample %z, %i, %n, %seed, %t, %k, %p : (!z, !ids, !t, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (!t, !f)
  return %token, %logprob : !t, !f
}

func.func @sampled(%h: !h {nn.name = "h", nn.source = "input:h"}, %w: !w {nn.name = "w", nn.source = "input:w"}, %i: !ids {nn.name = "i", nn.source = "input:i"},
                %n: !t {nn.name = "n", nn.source = "input:n"}, %seed: tensor<i64> {nn.name = "s", nn.source = "input:s"},
                %t: tensor<f32> {nn.name = "t", nn.source = "input:t"}, %k: tensor<i32> {nn.name = "k", nn.source = "input:k"},
                %p: tensor<f32> {nn.name = "p", nn.source = "input:p"})
    -> (!t {nn.name = "token", nn.source = "output:token"}, !f {nn.name = "logprob", nn.source = "output:logprob"})
    attributes {nn.kind = "plain", nn.capacities = {token = 256 : i64, sequence = 1 : i64, group = 1 : i64}} {
  %z = nn.linear %h, %w : (!h, !w) -> !z
  %token, %logprob = nn.sample %z, %i, %n, %seed, %t, %k, %p : (!z, !ids, !t, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (!t, !f)
  return %token, %logprob : !t, !f
}
