// Kept logits where they cannot be: on a CPU, without the order of the tensor cores, where somebody else reads them.
// RUN: mirl-opt %s --nn-to-plan -split-input-file -verify-diagnostics
// RUN: mirl-opt %s --nn-to-plan="target=cuda" -split-input-file -verify-diagnostics

!h = tensor<?x64xbf16, #nn.axis<token>>
!w = tensor<512x64xbf16>
!t = tensor<?xi32, #nn.axis<token>>
!f = tensor<?xf32, #nn.axis<token>>
func.func @f(%h: !h {nn.name = "h", nn.source = "input:h"}, %w: !w {nn.name = "w", nn.source = "input:w"}, %t: !t {nn.name = "t", nn.source = "input:t"})
    -> (!f {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {token = 64 : i64}} {
  // expected-error @+1 {{can keep logits only where they are products of bf16 on tensor cores, in the order k16_blocks}}
  %0:4 = nn.linear_logprob %h, %w, %t {kept = 256 : i64} : (!h, !w, !t) -> (!f, !f, tensor<?x256xbf16, #nn.axis<token>>, tensor<?x1xf32, #nn.axis<token>>)
  return %0#0 : !f
}

// -----

!h = tensor<?x64xbf16, #nn.axis<token>>
!w = tensor<512x64xbf16>
!dw = tensor<512x64xf32>
!t = tensor<?xi32, #nn.axis<token>>
!f = tensor<?xf32, #nn.axis<token>>
!k = tensor<?x256xbf16, #nn.axis<token>>
!m = tensor<?x1xf32, #nn.axis<token>>
func.func @f(%g: !f {nn.name = "g", nn.source = "input:g"}, %h: !h {nn.name = "h", nn.source = "input:h"}, %w: !w {nn.name = "w", nn.source = "input:w"},
             %t: !t {nn.name = "t", nn.source = "input:t"}, %dw: !dw {nn.name = "dw", nn.source = "input:dw"},
             %k: !k {nn.name = "k", nn.source = "input:k"}, %m: !m {nn.name = "m", nn.source = "input:m"})
    -> (!h {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {token = 64 : i64}} {
  // expected-error @+1 {{has use for kept logits only where they are products of bf16 on tensor cores, in the order k16}}
  %0:2 = nn.linear_logprob_grad %g, %h, %w, %t, %g into(%dw) kept(%k, %m) : (!f, !h, !w, !t, !f, !dw, !k, !m) -> (!h, !dw)
  return %0#0 : !h
}
