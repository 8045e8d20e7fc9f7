// An item's scratch memory is shared memory, of which a block has so much and no more.
// RUN: mirl-opt %s --nn-to-plan="target=cuda" -verify-diagnostics

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
  // expected-error @+1 {{kernel sample_token_v20000000 of nn.sample needs 312512 bytes of shared memory; a block has 232448}}
  %token, %logprob = nn.sample %z, %i, %n, %seed, %t, %k, %p : (!z, !ids, !ints, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (!ints, !floats)
  return %token, %logprob : !ints, !floats
}
