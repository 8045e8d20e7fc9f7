// split-step: chains of losses and metrics, and their coefficients.
// RUN: mirl-opt %s --split-step | FileCheck %s

module attributes {mirl.context = 16 : i64} {
  rl.policy @pi model @m "trainable"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 1.0 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.constant 0.1 : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.param @tau = 0.1
  // Sums per token and per sequence have a chain each. A metric has its own; one that needs no log-prob is of the batch phase.
  // CHECK-LABEL: rl.step @mixed "y" attributes {packing = "sequence"} {
  // CHECK-NEXT: ^bb0(%[[ARG0:[^ :,]+]]: !rl.trajectory):
  // CHECK-NEXT: %[[V1:.*]] = rl.read_param @tau {rl.phase = "batch"} : !rl.per<batch, f32>
  // CHECK-NEXT: %[[V2:.*]] = rl.field %[[ARG0]], "reward" {rl.phase = "batch"} : <sequence, f32>
  // CHECK-NEXT: %[[V3:.*]] = rl.reduce mean %[[V2]] {rl.phase = "batch"} : <sequence, f32> to <batch, f32>
  // CHECK-NEXT: %[[V4:.*]] = rl.constant 1.000000e+00 {rl.phase = "batch"} : !rl.per<batch, f32>
  // CHECK-NEXT: %[[V5:.*]] = rl.spread %[[V4]] {rl.phase = "batch"} : <batch, f32> to <token, f32>
  // CHECK-NEXT: %[[V6:.*]] = rl.reduce count %[[V5]] {rl.phase = "batch"} : <token, f32> to <batch, f32>
  // CHECK-NEXT: %[[V7:.*]] = rl.binary max %[[V6]], %[[V4]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V8:.*]] = rl.binary div %[[V4]], %[[V7]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V9:.*]] = rl.spread %[[V8]] {rl.phase = "batch"} : <batch, f32> to <token, f32>
  // CHECK-NEXT: rl.metric "reward", %[[V3]] {rl.phase = "batch"} : !rl.per<batch, f32>
  // CHECK-NEXT: %[[V10:.*]] = rl.spread %[[V4]] {rl.phase = "batch"} : <batch, f32> to <sequence, f32>
  // CHECK-NEXT: %[[V11:.*]] = rl.reduce count %[[V10]] {rl.phase = "batch"} : <sequence, f32> to <batch, f32>
  // CHECK-NEXT: %[[V12:.*]] = rl.binary max %[[V11]], %[[V4]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V13:.*]] = rl.binary div %[[V4]], %[[V12]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V14:.*]] = rl.spread %[[V13]] {rl.phase = "batch"} : <batch, f32> to <sequence, f32>
  // CHECK-NEXT: %[[V15:.*]] = rl.constant -1.000000e+00 {rl.phase = "batch"} : !rl.per<batch, f32>
  // CHECK-NEXT: %[[V16:.*]] = rl.binary mul %[[V15]], %[[V1]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V17:.*]] = rl.binary mul %[[V16]], %[[V8]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V18:.*]] = rl.spread %[[V17]] {rl.phase = "batch"} : <batch, f32> to <token, f32>
  // CHECK-NEXT: %[[V19:.*]] = rl.logprob @pi, %[[ARG0]] {rl.phase = "micro"} : !rl.per<token, f32>
  // CHECK-NEXT: %[[V20:.*]] = rl.entropy @pi, %[[ARG0]] {rl.phase = "micro"} : !rl.per<token, f32>
  // CHECK-NEXT: %[[V21:.*]] = rl.reduce sum %[[V19]] {rl.phase = "micro"} : <token, f32> to <sequence, f32>
  // CHECK-NEXT: %[[V22:.*]] = rl.unary square %[[V21]] {rl.phase = "micro"} : <sequence, f32>
  // CHECK-NEXT: %[[V23:.*]] = rl.binary mul %[[V20]], %[[V9]] {rl.phase = "micro"} : <token, f32>
  // CHECK-NEXT: %[[V24:.*]] = rl.reduce sum %[[V23]] {rl.accumulator = "metric.entropy", rl.phase = "micro"} : <token, f32> to <batch, f32>
  // CHECK-NEXT: %[[V25:.*]] = rl.binary mul %[[V20]], %[[V18]] {rl.phase = "micro"} : <token, f32>
  // CHECK-NEXT: %[[V26:.*]] = rl.reduce sum %[[V25]] {rl.accumulator = "loss", rl.phase = "micro"} : <token, f32> to <batch, f32>
  // CHECK-NEXT: %[[V27:.*]] = rl.binary mul %[[V22]], %[[V14]] {rl.phase = "micro"} : <sequence, f32>
  // CHECK-NEXT: %[[V28:.*]] = rl.reduce sum %[[V27]] {rl.accumulator = "loss.1", rl.phase = "micro"} : <sequence, f32> to <batch, f32>
  // CHECK-NEXT: %[[V29:.*]] = rl.binary add %[[V26]], %[[V28]] {rl.phase = "micro"} : <batch, f32>
  // CHECK-NEXT: rl.metric "entropy", %[[V24]] {rl.phase = "micro"} : !rl.per<batch, f32>
  // CHECK-NEXT: rl.minimize %[[V29]] by @opt {rl.phase = "apply"} : !rl.per<batch, f32>
  // CHECK-NEXT: rl.yield {rl.phase = "apply"}
  // CHECK-NEXT: }
  rl.step @mixed "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %e = rl.entropy @pi, %y : !rl.per<token, f32>
    %s = rl.reduce sum %p : !rl.per<token, f32> to !rl.per<sequence, f32>
    %q = rl.unary square %s : !rl.per<sequence, f32>
    %a = rl.reduce mean %q : !rl.per<sequence, f32> to !rl.per<batch, f32>
    %b = rl.reduce mean %e : !rl.per<token, f32> to !rl.per<batch, f32>
    %tau = rl.read_param @tau : !rl.per<batch, f32>
    %c = rl.binary mul %tau, %b : !rl.per<batch, f32>
    %l = rl.binary sub %a, %c : !rl.per<batch, f32>
    %r = rl.field %y, "reward" : !rl.per<sequence, f32>
    %m = rl.reduce mean %r : !rl.per<sequence, f32> to !rl.per<batch, f32>
    rl.metric "entropy", %b : !rl.per<batch, f32>
    rl.metric "reward", %m : !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  // The coefficients of differences, negations and quotients; stop_gradient moves to the elements; a count is no micro value; the constant comes last.
  // CHECK-LABEL: rl.step @stopped "y" attributes {packing = "sequence"} {
  // CHECK-NEXT: ^bb0(%[[ARG0:[^ :,]+]]: !rl.trajectory):
  // CHECK-NEXT: %[[V1:.*]] = rl.constant 1.000000e+00 {rl.phase = "batch"} : !rl.per<batch, f32>
  // CHECK-NEXT: %[[V2:.*]] = rl.spread %[[V1]] {rl.phase = "batch"} : <batch, f32> to <token, f32>
  // CHECK-NEXT: %[[V3:.*]] = rl.reduce count %[[V2]] {rl.phase = "batch"} : <token, f32> to <batch, f32>
  // CHECK-NEXT: %[[V4:.*]] = rl.constant -1.000000e+00 {rl.phase = "batch"} : !rl.per<batch, f32>
  // CHECK-NEXT: %[[V5:.*]] = rl.binary div %[[V4]], %[[V3]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V6:.*]] = rl.spread %[[V5]] {rl.phase = "batch"} : <batch, f32> to <token, f32>
  // CHECK-NEXT: %[[V7:.*]] = rl.spread %[[V4]] {rl.phase = "batch"} : <batch, f32> to <token, f32>
  // CHECK-NEXT: %[[V8:.*]] = rl.logprob @pi, %[[ARG0]] {rl.phase = "micro"} : !rl.per<token, f32>
  // CHECK-NEXT: %[[V9:.*]] = rl.stop_gradient %[[V8]] {rl.phase = "micro"} : <token, f32>
  // CHECK-NEXT: %[[V10:.*]] = rl.binary mul %[[V8]], %[[V6]] {rl.phase = "micro"} : <token, f32>
  // CHECK-NEXT: %[[V11:.*]] = rl.binary mul %[[V9]], %[[V7]] {rl.phase = "micro"} : <token, f32>
  // CHECK-NEXT: %[[V12:.*]] = rl.binary add %[[V10]], %[[V11]] {rl.phase = "micro"} : <token, f32>
  // CHECK-NEXT: %[[V13:.*]] = rl.reduce sum %[[V12]] {rl.accumulator = "loss", rl.phase = "micro"} : <token, f32> to <batch, f32>
  // CHECK-NEXT: %[[V14:.*]] = rl.binary add %[[V13]], %[[V1]] {rl.phase = "micro"} : <batch, f32>
  // CHECK-NEXT: rl.minimize %[[V14]] by @opt {rl.phase = "apply"} : !rl.per<batch, f32>
  // CHECK-NEXT: rl.yield {rl.phase = "apply"}
  // CHECK-NEXT: }
  rl.step @stopped "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %a = rl.reduce sum %p : !rl.per<token, f32> to !rl.per<batch, f32>
    %s = rl.stop_gradient %a : !rl.per<batch, f32>
    %n = rl.reduce count %p : !rl.per<token, f32> to !rl.per<batch, f32>
    %b = rl.binary div %a, %n : !rl.per<batch, f32>
    %k = rl.binary add %b, %s : !rl.per<batch, f32>
    %one = rl.constant 1.0 : !rl.per<batch, f32>
    %j = rl.unary neg %k : !rl.per<batch, f32>
    %l = rl.binary add %j, %one : !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  // The loss as a metric shares its chain.
  // CHECK-LABEL: rl.step @shared "y" attributes {packing = "sequence"} {
  // CHECK-NEXT: ^bb0(%[[ARG0:[^ :,]+]]: !rl.trajectory):
  // CHECK-NEXT: %[[V1:.*]] = rl.constant 2.000000e+00 {rl.phase = "batch"} : !rl.per<batch, f32>
  // CHECK-NEXT: %[[V2:.*]] = rl.constant 1.000000e+00 {rl.phase = "batch"} : !rl.per<batch, f32>
  // CHECK-NEXT: %[[V3:.*]] = rl.spread %[[V2]] {rl.phase = "batch"} : <batch, f32> to <token, f32>
  // CHECK-NEXT: %[[V4:.*]] = rl.reduce count %[[V3]] {rl.phase = "batch"} : <token, f32> to <batch, f32>
  // CHECK-NEXT: %[[V5:.*]] = rl.binary max %[[V4]], %[[V2]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V6:.*]] = rl.binary div %[[V2]], %[[V5]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V7:.*]] = rl.spread %[[V6]] {rl.phase = "batch"} : <batch, f32> to <token, f32>
  // CHECK-NEXT: %[[V8:.*]] = rl.binary mul %[[V1]], %[[V6]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V9:.*]] = rl.spread %[[V8]] {rl.phase = "batch"} : <batch, f32> to <token, f32>
  // CHECK-NEXT: %[[V10:.*]] = rl.logprob @pi, %[[ARG0]] {rl.phase = "micro"} : !rl.per<token, f32>
  // CHECK-NEXT: %[[V11:.*]] = rl.unary exp %[[V10]] {rl.phase = "micro"} : <token, f32>
  // CHECK-NEXT: %[[V12:.*]] = rl.binary mul %[[V11]], %[[V7]] {rl.phase = "micro"} : <token, f32>
  // CHECK-NEXT: %[[V13:.*]] = rl.reduce sum %[[V12]] {rl.accumulator = "loss", rl.phase = "micro"} : <token, f32> to <batch, f32>
  // CHECK-NEXT: %[[V14:.*]] = rl.binary mul %[[V11]], %[[V9]] {rl.phase = "micro"} : <token, f32>
  // CHECK-NEXT: %[[V15:.*]] = rl.reduce sum %[[V14]] {rl.accumulator = "metric.twice", rl.phase = "micro"} : <token, f32> to <batch, f32>
  // CHECK-NEXT: rl.metric "the loss", %[[V13]] {rl.phase = "micro"} : !rl.per<batch, f32>
  // CHECK-NEXT: rl.metric "twice", %[[V15]] {rl.phase = "micro"} : !rl.per<batch, f32>
  // CHECK-NEXT: rl.minimize %[[V13]] by @opt {rl.phase = "apply"} : !rl.per<batch, f32>
  // CHECK-NEXT: rl.yield {rl.phase = "apply"}
  // CHECK-NEXT: }
  rl.step @shared "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %q = rl.unary exp %p : !rl.per<token, f32>
    %l = rl.reduce mean %q : !rl.per<token, f32> to !rl.per<batch, f32>
    %two = rl.constant 2.0 : !rl.per<batch, f32>
    %m = rl.binary mul %l, %two : !rl.per<batch, f32>
    rl.metric "the loss", %l : !rl.per<batch, f32>
    rl.metric "twice", %m : !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  // A choice by a batch value: what is not chosen is replaced by 0, not scaled by it, since here it may be 0 / 0.
  // CHECK-LABEL: rl.step @chosen "y" attributes {packing = "sequence"} {
  // CHECK-NEXT: ^bb0(%[[ARG0:[^ :,]+]]: !rl.trajectory):
  // CHECK-NEXT: %[[V1:.*]] = rl.read_param @tau {rl.phase = "batch"} : !rl.per<batch, f32>
  // CHECK-NEXT: %[[V2:.*]] = rl.constant 1.000000e+00 {rl.phase = "batch"} : !rl.per<batch, f32>
  // CHECK-NEXT: %[[V3:.*]] = rl.binary div %[[V2]], %[[V1]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V4:.*]] = rl.spread %[[V3]] {rl.phase = "batch"} : <batch, f32> to <token, f32>
  // CHECK-NEXT: %[[V5:.*]] = rl.constant 0.000000e+00 {rl.phase = "batch"} : !rl.per<batch, f32>
  // CHECK-NEXT: %[[V6:.*]] = rl.select %[[V1]], %[[V5]], %[[V1]] {rl.phase = "batch"} : <batch, f32>
  // CHECK-NEXT: %[[V7:.*]] = rl.spread %[[V1]] {rl.phase = "batch"} : <batch, f32> to <token, f32>
  // CHECK-NEXT: %[[V8:.*]] = rl.spread %[[V5]] {rl.phase = "batch"} : <batch, f32> to <token, f32>
  // CHECK-NEXT: %[[V9:.*]] = rl.logprob @pi, %[[ARG0]] {rl.phase = "micro"} : !rl.per<token, f32>
  // CHECK-NEXT: %[[V10:.*]] = rl.binary mul %[[V9]], %[[V4]] {rl.phase = "micro"} : <token, f32>
  // CHECK-NEXT: %[[V11:.*]] = rl.select %[[V7]], %[[V10]], %[[V8]] {rl.phase = "micro"} : <token, f32>
  // CHECK-NEXT: %[[V12:.*]] = rl.reduce sum %[[V11]] {rl.accumulator = "loss", rl.phase = "micro"} : <token, f32> to <batch, f32>
  // CHECK-NEXT: %[[V13:.*]] = rl.binary add %[[V12]], %[[V6]] {rl.phase = "micro"} : <batch, f32>
  // CHECK-NEXT: rl.minimize %[[V13]] by @opt {rl.phase = "apply"} : !rl.per<batch, f32>
  // CHECK-NEXT: rl.yield {rl.phase = "apply"}
  // CHECK-NEXT: }
  rl.step @chosen "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y : !rl.per<token, f32>
    %s = rl.reduce sum %p : !rl.per<token, f32> to !rl.per<batch, f32>
    %n = rl.read_param @tau : !rl.per<batch, f32>
    %a = rl.binary div %s, %n : !rl.per<batch, f32>
    %l = rl.select %n, %a, %n : !rl.per<batch, f32>
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
