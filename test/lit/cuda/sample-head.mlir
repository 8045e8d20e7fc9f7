// Logits that nothing but a sampler reads: their product stores the sums of the vocabulary's blocks as well, so nothing reads
// all logits again. Logits that are an output too have a product as any other; the exponentials are the same.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s
// RUN: sed 's/return %%token, %%logprob : !ints, !floats/return %%z, %%logprob : !z, !floats/; s/!ints {nn.name = "token", nn.source = "output:token"}/!z {nn.name = "z", nn.source = "output:z"}/' %s > %t.mlir
// RUN: mirlc %t.mlir --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s --check-prefix=OUTPUT

!h = tensor<?x896xbf16, #nn.axis<token>>
!w = tensor<151936x896xbf16>
!z = tensor<?x151936xf32, #nn.axis<token>>
!ids = tensor<?xi64, #nn.axis<token>>
!ints = tensor<?xi32, #nn.axis<token>>
!floats = tensor<?xf32, #nn.axis<token>>

// CHECK-LABEL: plan.entry @draw
// The tiles are whole blocks of 256; the temperature is read, the logits and two numbers a block are written.
// CHECK: plan.launch @tile_linear_sampled_token_n151936_k896_early_{{[at0-9]+}}x256 reads(%{{[0-9]+}}, %{{[0-9]+}}, %[[T:[0-9]+]] : {{.*}}) writes(%[[Z:[0-9]+]], %[[SUMS:[0-9]+]] : {{.*}}!plan.slice<tensor<?x1188xf32, #nn.axis<token>>>) over <token, size = 0, tile = {{[0-9]+}}, factor = 594>
// CHECK-NOT: @sample_blocks
// CHECK: plan.launch @sample_threshold_token_v151936 reads(%[[Z]], %[[T]], {{.*}}, %[[SUMS]] : {{.*}})
// CHECK-NEXT: plan.launch @sample_draw_token_v151936 reads(%[[Z]], {{.*}}, %[[T]], %[[SUMS]], {{.*}})
// CHECK-NOT: plan.launch
// OUTPUT: plan.launch @tile_linear_token_n151936_k896_f32
// OUTPUT: plan.launch @sample_blocks_token_v151936_special
func.func @draw(%h: !h {nn.name = "h", nn.source = "input:h"}, %w: !w {nn.name = "w", nn.source = "input:w"},
                %i: !ids {nn.name = "i", nn.source = "input:i"},
                %n: !ints {nn.name = "n", nn.source = "input:n"}, %seed: tensor<i64> {nn.name = "s", nn.source = "input:s"},
                %t: tensor<f32> {nn.name = "t", nn.source = "input:t"}, %k: tensor<i32> {nn.name = "k", nn.source = "input:k"},
                %p: tensor<f32> {nn.name = "p", nn.source = "input:p"})
    -> (!ints {nn.name = "token", nn.source = "output:token"}, !floats {nn.name = "logprob", nn.source = "output:logprob"})
    attributes {nn.kind = "plain", nn.capacities = {token = 256 : i64}} {
  %z = nn.linear %h, %w : (!h, !w) -> !z
  %token, %logprob = nn.sample %z, %i, %n, %seed, %t, %k, %p : (!z, !ids, !ints, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (!ints, !floats)
  return %token, %logprob : !ints, !floats
}
