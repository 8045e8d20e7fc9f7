// split-step: means over the batch become sums with global weights; what is of the batch, and what of a micro-batch.
// RUN: mirl-opt %s --split-step | FileCheck %s

module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.param @tau = 0.1
  // A mean over the batch is a sum with the weight 1 / max(count, 1); the count is of the whole batch, a batch value.
  // CHECK-LABEL: rl.step @mean "y" attributes {packing = "sequence"} {
  // CHECK-NEXT: ^bb0(%[[ARG0:[^ :,]+]]: !rl.trajectory):
  // CHECK-NEXT: %[[V1:.*]] = rl.constant 1.000000e+00 {rl.phase = "batch"} : !rl.per<batch, f32>
  // CHECK-NEXT: %[[V2:.*]] = rl.spread %[[V1]] {rl.phase = "batch"} : <batch, f32> to <token, f32>
  // CHECK-NEXT: %[[V3:.*]] = rl.reduce count %[[V2]] {rl.phase = "batch"} : <token, f32> to <batch, f32>
  // CHECK-NEXT: %[[V4:.*]] = rl.binary max %[[V3]], %[[V1]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V5:.*]] = rl.binary div %[[V1]], %[[V4]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V6:.*]] = rl.spread %[[V5]] {rl.phase = "batch"} : <batch, f32> to <token, f32>
  // CHECK-NEXT: %[[V7:.*]] = rl.logprob @pi, %[[ARG0]] {rl.phase = "micro"} : !rl.per<token, f32>
  // CHECK-NEXT: %[[V8:.*]] = rl.binary mul %[[V7]], %[[V6]] {rl.phase = "micro"} : <token, f32>
  // CHECK-NEXT: %[[V9:.*]] = rl.reduce sum %[[V8]] {rl.accumulator = "loss", rl.phase = "micro"} : <token, f32> to <batch, f32>
  // CHECK-NEXT: rl.minimize %[[V9]] by @opt {rl.phase = "apply"} : !rl.per<batch, f32>
  // CHECK-NEXT: rl.yield {rl.phase = "apply"}
  // CHECK-NEXT: }
  rl.step @mean "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %l = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  // What does not depend on log-probs is of the batch phase, group means too: micro-batches are cut at sequences.
  // CHECK-LABEL: rl.step @advantage "y" attributes {packing = "sequence"} {
  // CHECK-NEXT: ^bb0(%[[ARG0:[^ :,]+]]: !rl.trajectory):
  // CHECK-NEXT: %[[V1:.*]] = rl.field %[[ARG0]], "reward" {rl.phase = "batch"} : <sequence, f32>
  // CHECK-NEXT: %[[V2:.*]] = rl.reduce mean %[[V1]] {rl.phase = "batch"} : <sequence, f32> to <group, f32>
  // CHECK-NEXT: %[[V3:.*]] = rl.spread %[[V2]] {rl.phase = "batch"} : <group, f32> to <sequence, f32>
  // CHECK-NEXT: %[[V4:.*]] = rl.binary sub %[[V1]], %[[V3]] {rl.phase = "batch"} : <sequence, f32>
  // CHECK-NEXT: %[[V5:.*]] = rl.constant 1.000000e+00 {rl.phase = "batch"} : !rl.per<batch, f32>
  // CHECK-NEXT: %[[V6:.*]] = rl.spread %[[V5]] {rl.phase = "batch"} : <batch, f32> to <sequence, f32>
  // CHECK-NEXT: %[[V7:.*]] = rl.reduce count %[[V6]] {rl.phase = "batch"} : <sequence, f32> to <batch, f32>
  // CHECK-NEXT: %[[V8:.*]] = rl.binary max %[[V7]], %[[V5]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V9:.*]] = rl.binary div %[[V5]], %[[V8]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V10:.*]] = rl.spread %[[V9]] {rl.phase = "batch"} : <batch, f32> to <sequence, f32>
  // CHECK-NEXT: %[[V11:.*]] = rl.logprob @pi, %[[ARG0]] {rl.phase = "micro"} : !rl.per<token, f32>
  // CHECK-NEXT: %[[V12:.*]] = rl.reduce sum %[[V11]] {rl.phase = "micro"} : <token, f32> to <sequence, f32>
  // CHECK-NEXT: %[[V13:.*]] = rl.binary mul %[[V4]], %[[V12]] {rl.phase = "micro"} : <sequence, f32>
  // CHECK-NEXT: %[[V14:.*]] = rl.binary mul %[[V13]], %[[V10]] {rl.phase = "micro"} : <sequence, f32>
  // CHECK-NEXT: %[[V15:.*]] = rl.reduce sum %[[V14]] {rl.accumulator = "loss", rl.phase = "micro"} : <sequence, f32> to <batch, f32>
  // CHECK-NEXT: rl.minimize %[[V15]] by @opt {rl.phase = "apply"} : !rl.per<batch, f32>
  // CHECK-NEXT: rl.yield {rl.phase = "apply"}
  // CHECK-NEXT: }
  rl.step @advantage "y" {
  ^bb0(%y: !rl.trajectory):
    %r = rl.field %y, "reward" : !rl.per<sequence, f32>
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %g = rl.reduce mean %r : !rl.per<sequence, f32> to !rl.per<group, f32>
    %b = rl.spread %g : !rl.per<group, f32> to !rl.per<sequence, f32>
    %a = rl.binary sub %r, %b : !rl.per<sequence, f32>
    %s = rl.reduce sum %p : !rl.per<token, f32> to !rl.per<sequence, f32>
    %t = rl.binary mul %a, %s : !rl.per<sequence, f32>
    %l = rl.reduce mean %t : !rl.per<sequence, f32> to !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  // A mean over groups of a value that only enters linearly is pushed inside: no whole groups are needed.
  // CHECK-LABEL: rl.step @linear_group "y" attributes {packing = "sequence"} {
  // CHECK-NEXT: ^bb0(%[[ARG0:[^ :,]+]]: !rl.trajectory):
  // CHECK-NEXT: %[[V1:.*]] = rl.constant 1.000000e+00 {rl.phase = "batch"} : !rl.per<batch, f32>
  // CHECK-NEXT: %[[V2:.*]] = rl.spread %[[V1]] {rl.phase = "batch"} : <batch, f32> to <group, f32>
  // CHECK-NEXT: %[[V3:.*]] = rl.reduce count %[[V2]] {rl.phase = "batch"} : <group, f32> to <batch, f32>
  // CHECK-NEXT: %[[V4:.*]] = rl.binary max %[[V3]], %[[V1]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V5:.*]] = rl.binary div %[[V1]], %[[V4]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V6:.*]] = rl.spread %[[V5]] {rl.phase = "batch"} : <batch, f32> to <group, f32>
  // CHECK-NEXT: %[[V7:.*]] = rl.spread %[[V1]] {rl.phase = "batch"} : <batch, f32> to <token, f32>
  // CHECK-NEXT: %[[V8:.*]] = rl.reduce count %[[V7]] {rl.phase = "batch"} : <token, f32> to <group, f32>
  // CHECK-NEXT: %[[V9:.*]] = rl.binary max %[[V8]], %[[V2]] {rl.phase = "batch"} : <group, f32>
  // CHECK-NEXT: %[[V10:.*]] = rl.binary div %[[V2]], %[[V9]] {rl.phase = "batch"} : <group, f32>
  // CHECK-NEXT: %[[V11:.*]] = rl.binary mul %[[V6]], %[[V10]] {rl.phase = "batch"} : <group, f32>
  // CHECK-NEXT: %[[V12:.*]] = rl.spread %[[V11]] {rl.phase = "batch"} : <group, f32> to <sequence, f32>
  // CHECK-NEXT: %[[V13:.*]] = rl.spread %[[V12]] {rl.phase = "batch"} : <sequence, f32> to <token, f32>
  // CHECK-NEXT: %[[V14:.*]] = rl.logprob @pi, %[[ARG0]] {rl.phase = "micro"} : !rl.per<token, f32>
  // CHECK-NEXT: %[[V15:.*]] = rl.binary mul %[[V14]], %[[V13]] {rl.phase = "micro"} : <token, f32>
  // CHECK-NEXT: %[[V16:.*]] = rl.reduce sum %[[V15]] {rl.accumulator = "loss", rl.phase = "micro"} : <token, f32> to <batch, f32>
  // CHECK-NEXT: rl.minimize %[[V16]] by @opt {rl.phase = "apply"} : !rl.per<batch, f32>
  // CHECK-NEXT: rl.yield {rl.phase = "apply"}
  // CHECK-NEXT: }
  rl.step @linear_group "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %g = rl.reduce mean %p : !rl.per<token, f32> to !rl.per<group, f32>
    %l = rl.reduce mean %g : !rl.per<group, f32> to !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  // Here the value per group enters log_sigmoid: micro-batches hold whole groups.
  // CHECK-LABEL: rl.step @pairs "y" attributes {packing = "group"} {
  // CHECK-NEXT: ^bb0(%[[ARG0:[^ :,]+]]: !rl.trajectory):
  // CHECK-NEXT: %[[V1:.*]] = rl.constant 1.000000e+00 {rl.phase = "batch"} : !rl.per<batch, f32>
  // CHECK-NEXT: %[[V2:.*]] = rl.spread %[[V1]] {rl.phase = "batch"} : <batch, f32> to <group, f32>
  // CHECK-NEXT: %[[V3:.*]] = rl.reduce count %[[V2]] {rl.phase = "batch"} : <group, f32> to <batch, f32>
  // CHECK-NEXT: %[[V4:.*]] = rl.binary max %[[V3]], %[[V1]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V5:.*]] = rl.binary div %[[V1]], %[[V4]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V6:.*]] = rl.spread %[[V5]] {rl.phase = "batch"} : <batch, f32> to <group, f32>
  // CHECK-NEXT: %[[V7:.*]] = rl.logprob @pi, %[[ARG0]] {rl.phase = "micro"} : !rl.per<token, f32>
  // CHECK-NEXT: %[[V8:.*]] = rl.reduce sum %[[V7]] {rl.phase = "micro"} : <token, f32> to <group, f32>
  // CHECK-NEXT: %[[V9:.*]] = rl.unary log_sigmoid %[[V8]] {rl.phase = "micro"} : <group, f32>
  // CHECK-NEXT: %[[V10:.*]] = rl.binary mul %[[V9]], %[[V6]] {rl.phase = "micro"} : <group, f32>
  // CHECK-NEXT: %[[V11:.*]] = rl.reduce sum %[[V10]] {rl.accumulator = "loss", rl.phase = "micro"} : <group, f32> to <batch, f32>
  // CHECK-NEXT: rl.minimize %[[V11]] by @opt {rl.phase = "apply"} : !rl.per<batch, f32>
  // CHECK-NEXT: rl.yield {rl.phase = "apply"}
  // CHECK-NEXT: }
  rl.step @pairs "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %g = rl.reduce sum %p : !rl.per<token, f32> to !rl.per<group, f32>
    %q = rl.unary log_sigmoid %g : !rl.per<group, f32>
    %l = rl.reduce mean %q : !rl.per<group, f32> to !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  // From group to token in two spreads.
  // CHECK-LABEL: rl.step @spread_group "y" attributes {packing = "sequence"} {
  // CHECK-NEXT: ^bb0(%[[ARG0:[^ :,]+]]: !rl.trajectory):
  // CHECK-NEXT: %[[V1:.*]] = rl.field %[[ARG0]], "reward" {rl.phase = "batch"} : <sequence, f32>
  // CHECK-NEXT: %[[V2:.*]] = rl.reduce mean %[[V1]] {rl.phase = "batch"} : <sequence, f32> to <group, f32>
  // CHECK-NEXT: %[[V3:.*]] = rl.spread %[[V2]] {rl.phase = "batch"} : <group, f32> to <sequence, f32>
  // CHECK-NEXT: %[[V4:.*]] = rl.spread %[[V3]] {rl.phase = "batch"} : <sequence, f32> to <token, f32>
  // CHECK-NEXT: %[[V5:.*]] = rl.logprob @pi, %[[ARG0]] {rl.phase = "micro"} : !rl.per<token, f32>
  // CHECK-NEXT: %[[V6:.*]] = rl.binary mul %[[V5]], %[[V4]] {rl.phase = "micro"} : <token, f32>
  // CHECK-NEXT: %[[V7:.*]] = rl.reduce sum %[[V6]] {rl.accumulator = "loss", rl.phase = "micro"} : <token, f32> to <batch, f32>
  // CHECK-NEXT: rl.minimize %[[V7]] by @opt {rl.phase = "apply"} : !rl.per<batch, f32>
  // CHECK-NEXT: rl.yield {rl.phase = "apply"}
  // CHECK-NEXT: }
  rl.step @spread_group "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %r = rl.field %y, "reward" : !rl.per<sequence, f32>
    %g = rl.reduce mean %r : !rl.per<sequence, f32> to !rl.per<group, f32>
    %s = rl.spread %g : !rl.per<group, f32> to !rl.per<token, f32>
    %t = rl.binary mul %p, %s : !rl.per<token, f32>
    %l = rl.reduce sum %t : !rl.per<token, f32> to !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  func.func private @m(%i: tensor<?xi32, #nn.axis<context>>, %p: tensor<?xi32, #nn.axis<context>>,
                       %o: tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>) attributes {nn.model} {
    %x, %w = builtin.unrealized_conversion_cast to tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
    return %x, %w : tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
  }
}
