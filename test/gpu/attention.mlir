// Attention of bf16 and its adjoint, for compare.py: the forward pass makes what the adjoint needs.

!offsets = tensor<?xi32, #nn.axis<sequence, 1>>

!q1_1_64 = tensor<?x64xbf16, #nn.axis<context>>
!k1_1_64 = tensor<?x64xbf16, #nn.axis<context>>
!l1_1_64 = tensor<?x1xf32, #nn.axis<context>>
func.func @forward_1_1_64(%q: !q1_1_64 {nn.name = "q", nn.source = "input:q"}, %k: !k1_1_64 {nn.name = "k", nn.source = "input:k"},
    %v: !k1_1_64 {nn.name = "v", nn.source = "input:v"}, %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!q1_1_64 {nn.name = "o", nn.source = "output:o"}, !l1_1_64 {nn.name = "lse", nn.source = "output:lse"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 64 : i64}} {
  %o, %lse = nn.attention %q, %k, %v, %offsets {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.125 : f32}
      : (!q1_1_64, !k1_1_64, !k1_1_64, !offsets) -> (!q1_1_64, !l1_1_64)
  return %o, %lse : !q1_1_64, !l1_1_64
}
func.func @backward_1_1_64(%g: !q1_1_64 {nn.name = "g", nn.source = "input:g"}, %q: !q1_1_64 {nn.name = "q", nn.source = "input:q"},
    %k: !k1_1_64 {nn.name = "k", nn.source = "input:k"}, %v: !k1_1_64 {nn.name = "v", nn.source = "input:v"},
    %o: !q1_1_64 {nn.name = "o", nn.source = "input:o"}, %lse: !l1_1_64 {nn.name = "lse", nn.source = "input:lse"},
    %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!q1_1_64 {nn.name = "dq", nn.source = "output:dq"}, !k1_1_64 {nn.name = "dk", nn.source = "output:dk"},
        !k1_1_64 {nn.name = "dv", nn.source = "output:dv"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 64 : i64}} {
  %dq, %dk, %dv = nn.attention_grad %g, %q, %k, %v, %o, %lse, %offsets {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.125 : f32}
      : (!q1_1_64, !q1_1_64, !k1_1_64, !k1_1_64, !q1_1_64, !l1_1_64, !offsets) -> (!q1_1_64, !k1_1_64, !k1_1_64)
  return %dq, %dk, %dv : !q1_1_64, !k1_1_64, !k1_1_64
}

!q4_2_128 = tensor<?x512xbf16, #nn.axis<context>>
!k4_2_128 = tensor<?x256xbf16, #nn.axis<context>>
!l4_2_128 = tensor<?x4xf32, #nn.axis<context>>
func.func @forward_4_2_128(%q: !q4_2_128 {nn.name = "q", nn.source = "input:q"}, %k: !k4_2_128 {nn.name = "k", nn.source = "input:k"},
    %v: !k4_2_128 {nn.name = "v", nn.source = "input:v"}, %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!q4_2_128 {nn.name = "o", nn.source = "output:o"}, !l4_2_128 {nn.name = "lse", nn.source = "output:lse"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 64 : i64}} {
  %o, %lse = nn.attention %q, %k, %v, %offsets {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.08838834764831845 : f32}
      : (!q4_2_128, !k4_2_128, !k4_2_128, !offsets) -> (!q4_2_128, !l4_2_128)
  return %o, %lse : !q4_2_128, !l4_2_128
}
func.func @backward_4_2_128(%g: !q4_2_128 {nn.name = "g", nn.source = "input:g"}, %q: !q4_2_128 {nn.name = "q", nn.source = "input:q"},
    %k: !k4_2_128 {nn.name = "k", nn.source = "input:k"}, %v: !k4_2_128 {nn.name = "v", nn.source = "input:v"},
    %o: !q4_2_128 {nn.name = "o", nn.source = "input:o"}, %lse: !l4_2_128 {nn.name = "lse", nn.source = "input:lse"},
    %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!q4_2_128 {nn.name = "dq", nn.source = "output:dq"}, !k4_2_128 {nn.name = "dk", nn.source = "output:dk"},
        !k4_2_128 {nn.name = "dv", nn.source = "output:dv"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 64 : i64}} {
  %dq, %dk, %dv = nn.attention_grad %g, %q, %k, %v, %o, %lse, %offsets {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.08838834764831845 : f32}
      : (!q4_2_128, !q4_2_128, !k4_2_128, !k4_2_128, !q4_2_128, !l4_2_128, !offsets) -> (!q4_2_128, !k4_2_128, !k4_2_128)
  return %dq, %dk, %dv : !q4_2_128, !k4_2_128, !k4_2_128
}

!q7_1_64 = tensor<?x448xbf16, #nn.axis<context>>
!k7_1_64 = tensor<?x64xbf16, #nn.axis<context>>
!l7_1_64 = tensor<?x7xf32, #nn.axis<context>>
func.func @forward_7_1_64(%q: !q7_1_64 {nn.name = "q", nn.source = "input:q"}, %k: !k7_1_64 {nn.name = "k", nn.source = "input:k"},
    %v: !k7_1_64 {nn.name = "v", nn.source = "input:v"}, %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!q7_1_64 {nn.name = "o", nn.source = "output:o"}, !l7_1_64 {nn.name = "lse", nn.source = "output:lse"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 64 : i64}} {
  %o, %lse = nn.attention %q, %k, %v, %offsets {heads = 7 : i64, kv_heads = 1 : i64, scale = 0.125 : f32}
      : (!q7_1_64, !k7_1_64, !k7_1_64, !offsets) -> (!q7_1_64, !l7_1_64)
  return %o, %lse : !q7_1_64, !l7_1_64
}
func.func @backward_7_1_64(%g: !q7_1_64 {nn.name = "g", nn.source = "input:g"}, %q: !q7_1_64 {nn.name = "q", nn.source = "input:q"},
    %k: !k7_1_64 {nn.name = "k", nn.source = "input:k"}, %v: !k7_1_64 {nn.name = "v", nn.source = "input:v"},
    %o: !q7_1_64 {nn.name = "o", nn.source = "input:o"}, %lse: !l7_1_64 {nn.name = "lse", nn.source = "input:lse"},
    %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!q7_1_64 {nn.name = "dq", nn.source = "output:dq"}, !k7_1_64 {nn.name = "dk", nn.source = "output:dk"},
        !k7_1_64 {nn.name = "dv", nn.source = "output:dv"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 64 : i64}} {
  %dq, %dk, %dv = nn.attention_grad %g, %q, %k, %v, %o, %lse, %offsets {heads = 7 : i64, kv_heads = 1 : i64, scale = 0.125 : f32}
      : (!q7_1_64, !q7_1_64, !k7_1_64, !k7_1_64, !q7_1_64, !l7_1_64, !offsets) -> (!q7_1_64, !k7_1_64, !k7_1_64)
  return %dq, %dk, %dv : !q7_1_64, !k7_1_64, !k7_1_64
}

!q2_2_128 = tensor<?x256xbf16, #nn.axis<context>>
!k2_2_128 = tensor<?x256xbf16, #nn.axis<context>>
!l2_2_128 = tensor<?x2xf32, #nn.axis<context>>
func.func @forward_2_2_128(%q: !q2_2_128 {nn.name = "q", nn.source = "input:q"}, %k: !k2_2_128 {nn.name = "k", nn.source = "input:k"},
    %v: !k2_2_128 {nn.name = "v", nn.source = "input:v"}, %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!q2_2_128 {nn.name = "o", nn.source = "output:o"}, !l2_2_128 {nn.name = "lse", nn.source = "output:lse"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 64 : i64}} {
  %o, %lse = nn.attention %q, %k, %v, %offsets {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.08838834764831845 : f32}
      : (!q2_2_128, !k2_2_128, !k2_2_128, !offsets) -> (!q2_2_128, !l2_2_128)
  return %o, %lse : !q2_2_128, !l2_2_128
}
func.func @backward_2_2_128(%g: !q2_2_128 {nn.name = "g", nn.source = "input:g"}, %q: !q2_2_128 {nn.name = "q", nn.source = "input:q"},
    %k: !k2_2_128 {nn.name = "k", nn.source = "input:k"}, %v: !k2_2_128 {nn.name = "v", nn.source = "input:v"},
    %o: !q2_2_128 {nn.name = "o", nn.source = "input:o"}, %lse: !l2_2_128 {nn.name = "lse", nn.source = "input:lse"},
    %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!q2_2_128 {nn.name = "dq", nn.source = "output:dq"}, !k2_2_128 {nn.name = "dk", nn.source = "output:dk"},
        !k2_2_128 {nn.name = "dv", nn.source = "output:dv"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 64 : i64}} {
  %dq, %dk, %dv = nn.attention_grad %g, %q, %k, %v, %o, %lse, %offsets {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.08838834764831845 : f32}
      : (!q2_2_128, !q2_2_128, !k2_2_128, !k2_2_128, !q2_2_128, !l2_2_128, !offsets) -> (!q2_2_128, !k2_2_128, !k2_2_128)
  return %dq, %dk, %dv : !q2_2_128, !k2_2_128, !k2_2_128
}
