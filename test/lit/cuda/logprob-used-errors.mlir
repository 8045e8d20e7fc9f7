// The adjoint of the vocabulary head overwrites the logits that were kept for it.
// RUN: mirl-opt %s --nn-to-plan="target=cuda" -split-input-file -verify-diagnostics

!h = tensor<?x64xbf16, #nn.axis<token>>
!w = tensor<512x64xbf16>
!dw = tensor<512x64xf32>
!t = tensor<?xi32, #nn.axis<token>>
!f = tensor<?xf32, #nn.axis<token>>
!k = tensor<?x256xbf16, #nn.axis<token>>
!m = tensor<?x1xf32, #nn.axis<token>>
func.func @input(%g: !f {nn.name = "g", nn.source = "input:g"}, %h: !h {nn.name = "h", nn.source = "input:h"}, %w: !w {nn.name = "w", nn.source = "input:w"},
             %t: !t {nn.name = "t", nn.source = "input:t"}, %dw: !dw {nn.name = "dw", nn.source = "input:dw"},
             %k: !k {nn.name = "k", nn.source = "input:k"}, %m: !m {nn.name = "m", nn.source = "input:m"})
    -> (!h {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {token = 64 : i64}} {
  // expected-error @+1 {{overwrites the kept logits: they must be a result of nn.linear_logprob that nothing else reads}}
  %0:2 = nn.linear_logprob_grad %g, %h, %w, %t, %g into(%dw) kept(%k, %m) {numerics = #nn.numerics<"k16", 16, f32>} : (!f, !h, !w, !t, !f, !dw, !k, !m) -> (!h, !dw)
  return %0#0 : !h
}

// -----

!h = tensor<?x64xbf16, #nn.axis<token>>
!w = tensor<512x64xbf16>
!dw = tensor<512x64xf32>
!t = tensor<?xi32, #nn.axis<token>>
!f = tensor<?xf32, #nn.axis<token>>
!k = tensor<?x256xbf16, #nn.axis<token>>
!m = tensor<?x1xf32, #nn.axis<token>>
func.func @read(%g: !f {nn.name = "g", nn.source = "input:g"}, %h: !h {nn.name = "h", nn.source = "input:h"}, %w: !w {nn.name = "w", nn.source = "input:w"},
             %t: !t {nn.name = "t", nn.source = "input:t"}, %dw: !dw {nn.name = "dw", nn.source = "input:dw"})
    -> (!h {nn.name = "r", nn.source = "output:r"}, !k {nn.name = "k", nn.source = "output:k"})
    attributes {nn.kind = "plain", nn.capacities = {token = 64 : i64}} {
  %a:4 = nn.linear_logprob %h, %w, %t {kept = 256 : i64, numerics = #nn.numerics<"k16_blocks", 256, f32>} : (!h, !w, !t) -> (!f, !f, !k, !m)
  // expected-error @+1 {{overwrites the kept logits: they must be a result of nn.linear_logprob that nothing else reads}}
  %0:2 = nn.linear_logprob_grad %g, %h, %w, %t, %a#1 into(%dw) kept(%a#2, %a#3) {numerics = #nn.numerics<"k16", 16, f32>} : (!f, !h, !w, !t, !f, !dw, !k, !m) -> (!h, !dw)
  return %0#0, %a#2 : !h, !k
}
