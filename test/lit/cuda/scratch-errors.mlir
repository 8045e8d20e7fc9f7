// An item's scratch memory is shared memory, of which a block has so much and no more; the same goes for kernels on tiles.
// RUN: mirl-opt %s --nn-to-plan="target=cuda" -split-input-file -verify-diagnostics

!q = tensor<?x4096xf32, #nn.axis<context>>
!l = tensor<?x1xf32, #nn.axis<context>>
!offsets = tensor<?xi32, #nn.axis<sequence, 1>>
func.func @grad(%g: !q {nn.name = "g", nn.source = "input:g"}, %q: !q {nn.name = "q", nn.source = "input:q"},
                %k: !q {nn.name = "k", nn.source = "input:k"}, %v: !q {nn.name = "v", nn.source = "input:v"},
                %o: !q {nn.name = "o", nn.source = "input:o"}, %lse: !l {nn.name = "lse", nn.source = "input:lse"},
                %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!q {nn.name = "dq", nn.source = "output:dq"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64, sequence = 1 : i64}} {
  // expected-error @+1 {{kernel attention_grad_context_sequence1_h1_kv1_d4096_s3e000000 of nn.attention_grad needs 526336 bytes of shared memory; a block has 232448}}
  %dq, %dk, %dv = nn.attention_grad %g, %q, %k, %v, %o, %lse, %offsets
      {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.125 : f32} : (!q, !q, !q, !q, !q, !l, !offsets) -> (!q, !q, !q)
  return %dq : !q
}

// -----

!z = tensor<?x20000000xf32, #nn.axis<token>>
!ids = tensor<?xi64, #nn.axis<token>>
!ints = tensor<?xi32, #nn.axis<token>>
!floats = tensor<?xf32, #nn.axis<token>>
func.func @draw(%z: !z {nn.name = "z", nn.source = "input:z"}, %i: !ids {nn.name = "i", nn.source = "input:i"},
                %n: !ints {nn.name = "n", nn.source = "input:n"}, %seed: tensor<i64> {nn.name = "s", nn.source = "input:s"},
                %t: tensor<f32> {nn.name = "t", nn.source = "input:t"}, %k: tensor<i32> {nn.name = "k", nn.source = "input:k"},
                %p: tensor<f32> {nn.name = "p", nn.source = "input:p"})
    -> (!ints {nn.name = "token", nn.source = "output:token"}, !floats {nn.name = "logprob", nn.source = "output:logprob"})
    attributes {nn.kind = "plain", nn.capacities = {token = 8 : i64}} {
  // expected-error @+2 {{kernel sample_threshold_token_v20000000 of nn.sample needs 628816 bytes of shared memory; a block has 232448}}
  // expected-error @+1 {{kernel sample_draw_token_v20000000 of nn.sample needs 1564736 bytes of shared memory; a block has 232448}}
  %token, %logprob = nn.sample %z, %i, %n, %seed, %t, %k, %p : (!z, !ids, !ints, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (!ints, !floats)
  return %token, %logprob : !ints, !floats
}
