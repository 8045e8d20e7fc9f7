// All kinds of products that a library may compute, for library.py: with a bias, of one left operand, in f32, both gradients.
// prepare.sh makes the capacity larger for a GPU that is one.

!x = tensor<?x104xbf16, #nn.axis<context>>
!q = tensor<?x136xbf16, #nn.axis<context>>
!k = tensor<?x72xbf16, #nn.axis<context>>
!f = tensor<?x72xf32, #nn.axis<context>>
!wq = tensor<136x104xbf16>
!wk = tensor<72x104xbf16>
!dq = tensor<136x104xf32>
!dk = tensor<72x104xf32>

func.func @products(%x: !x {nn.name = "x", nn.source = "input:x"}, %y: !x {nn.name = "y", nn.source = "input:y"}, %g: !q {nn.name = "g", nn.source = "input:g"},
                    %h: !k {nn.name = "h", nn.source = "input:h"}, %wq: !wq {nn.name = "wq", nn.source = "input:wq"}, %wk: !wk {nn.name = "wk", nn.source = "input:wk"},
                    %wl: !wq {nn.name = "wl", nn.source = "input:wl"}, %bq: tensor<136xbf16> {nn.name = "bq", nn.source = "input:bq"}, %iq: !dq {nn.name = "iq", nn.source = "input:iq"}, %ik: !dk {nn.name = "ik", nn.source = "input:ik"})
    -> (!q {nn.name = "q", nn.source = "output:q"}, !k {nn.name = "k", nn.source = "output:k"}, !q {nn.name = "l", nn.source = "output:l"}, !f {nn.name = "f", nn.source = "output:f"},
        !x {nn.name = "dx", nn.source = "output:dx"}, !dq {nn.name = "dq", nn.source = "output:dq"}, !dk {nn.name = "dk", nn.source = "output:dk"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (!x, !wq, tensor<136xbf16>) -> !q
  %k = nn.linear %y, %wk : (!x, !wk) -> !k
  %l = nn.linear %y, %wl : (!x, !wq) -> !q
  %f = nn.linear %x, %wk : (!x, !wk) -> !f
  %dx = nn.linear_data_grad %g, %wq : (!q, !wq) -> !x
  %dq = nn.linear_weight_grad %g, %x, %iq : (!q, !x, !dq) -> !dq
  %dk = nn.linear_weight_grad %h, %x, %ik : (!k, !x, !dk) -> !dk
  return %q, %k, %l, %f, %dx, %dq, %dk : !q, !k, !q, !f, !x, !dq, !dk
}
