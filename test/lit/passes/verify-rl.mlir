// verify-rl leaves an accepted program as it is.
// RUN: mirl-opt %s --verify-rl > %t.checked
// RUN: mirl-opt %s > %t.plain
// RUN: diff %t.plain %t.checked
// RUN: FileCheck %s < %t.checked

// CHECK: module attributes {mirl.context = 16 : i64} {
module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.policy @ref model @m "frozen"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.dataset @d "d.jsonl"
  rl.step @rollout "x" {
  ^bb0(%x: !rl.prompts):
    %y = rl.sample @pi, %x {n = 2, temperature = 1.0, top_k = 0, top_p = 1.0, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
    %r = rl.verify "exact_answer" %y {} : !rl.per<sequence, f32>
    %n = rl.field %y, "length" : !rl.per<sequence, f32>
    %s = rl.binary sub %r, %n : !rl.per<sequence, f32>
    %z = rl.score %y, %s : !rl.per<sequence, f32>
    rl.yield %z : !rl.trajectory
  }
  // Other policies are constants to the loss; a gradient that flows by one path is enough.
  // CHECK: rl.step @train "y" {
  rl.step @train "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %q = rl.logprob @ref, %y : !rl.per<token, f32>
    %o = rl.field %y, "logprob" : !rl.per<token, f32>
    %r = rl.field %y, "reward" : !rl.per<sequence, f32>
    %s = rl.spread %r : !rl.per<sequence, f32> to !rl.per<token, f32>
    %stopped = rl.stop_gradient %p : !rl.per<token, f32>
    %d = rl.binary sub %stopped, %q : !rl.per<token, f32>
    %a = rl.binary mul %d, %p : !rl.per<token, f32>
    %b = rl.binary mul %a, %s : !rl.per<token, f32>
    %c = rl.binary sub %b, %o : !rl.per<token, f32>
    %l = rl.reduce sum %c : !rl.per<token, f32> to !rl.per<batch, f32>
    rl.metric "sum", %l : !rl.per<batch, f32>
    // CHECK: rl.minimize %{{.*}} by @opt
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  // The select's branches carry a gradient; examples have a length.
  rl.step @imitate "y" {
  ^bb0(%y: !rl.trajectory):
    %e = rl.entropy @pi, %y : !rl.per<token, f32>
    %n = rl.field %y, "length" : !rl.per<sequence, f32>
    %m = rl.spread %n : !rl.per<sequence, f32> to !rl.per<token, f32>
    %c = rl.select %m, %e, %m : !rl.per<token, f32>
    %l = rl.reduce max %c : !rl.per<token, f32> to !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  // CHECK: rl.iteration {
  rl.iteration {
    %x = rl.draw @d 4 : !rl.prompts
    %e = rl.draw @d 4 : !rl.trajectory
    %y = rl.call @rollout(%x) : (!rl.prompts) -> !rl.trajectory
    rl.batches %y of 2 shuffle true {
    ^bb0(%b: !rl.trajectory):
      rl.call @train(%b) : (!rl.trajectory) -> ()
      rl.yield
    }
    rl.call @imitate(%e) : (!rl.trajectory) -> ()
    rl.yield
  }
  func.func private @m(%i: tensor<?xi32, #nn.axis<context>>, %p: tensor<?xi32, #nn.axis<context>>,
                       %o: tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>) attributes {nn.model} {
    %x, %w = builtin.unrealized_conversion_cast to tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
    return %x, %w : tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
  }
}
