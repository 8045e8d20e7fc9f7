// rl-to-nn: a training step becomes three entries that meet in variables and in the ports value:vN.
// RUN: mirl-opt %s --verify-rl --split-step --rl-to-nn | FileCheck %s

// A policy has weights of its own.
// CHECK: nn.variable @"pi/e" "weight" "pi" "e" init "normal:0.5" : tensor<9x4xf32>
// CHECK: nn.variable @"ref/e" "weight" "ref" "e" init "normal:0.5" : tensor<9x4xf32>

// The micro entry runs both policies; the advantage and 1 / count come from the batch entry. The loss goes on from
// its accumulator, and the weights of the trained policy alone get gradients: two, for a weight that is embedding and head. The step is never called: 256 responses.
// CHECK-LABEL: func.func @train.micro(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<sequence>> {nn.name = "value:v0", nn.source = "value:v0"},
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xi32, #nn.axis<context>> {nn.name = "ids", nn.source = "ids"},
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "positions"},
// CHECK-SAME: %[[ARG3:[^ :,]+]]: tensor<?xi32, #nn.axis<sequence, 1>> {nn.name = "sequence_offsets", nn.source = "sequence_offsets"},
// CHECK-SAME: %[[ARG4:[^ :,]+]]: tensor<9x4xf32> {nn.gradient = array<i64: 11, 12>, nn.variable = @"pi/e"},
// CHECK-SAME: %[[ARG5:[^ :,]+]]: tensor<?xi32, #nn.axis<token>> {nn.name = "rows", nn.source = "rows"},
// CHECK-SAME: %[[ARG6:[^ :,]+]]: tensor<?xi32, #nn.axis<token>> {nn.name = "targets", nn.source = "targets"},
// CHECK-SAME: %[[ARG7:[^ :,]+]]: tensor<9x4xf32> {nn.variable = @"ref/e"},
// CHECK-SAME: %[[ARG8:[^ :,]+]]: tensor<?xi32, #nn.axis<sequence, 1>> {nn.name = "token_offsets", nn.source = "token_offsets"},
// CHECK-SAME: %[[ARG9:[^ :,]+]]: tensor<f32> {nn.name = "value:v1", nn.source = "value:v1"},
// CHECK-SAME: %[[ARG10:[^ :,]+]]: tensor<f32> {nn.variable = @"train/loss"},
// CHECK-SAME: %[[ARG11:[^ :,]+]]: tensor<9x4xf32> {nn.variable = @"pi/e.grad"},
// CHECK-SAME: %[[ARG12:[^ :,]+]]: tensor<9x4xf32> {nn.variable = @"pi/e.grad.1"})
// CHECK-SAME: -> (tensor<?xf32, #nn.axis<token>> {nn.name = "logprob", nn.source = "logprob"}, tensor<f32> {nn.alias = 10 : i64}, tensor<f32> {nn.name = "loss", nn.source = "loss"}) attributes {nn.capacities = {context = 1024 : i64, group = 256 : i64, sequence = 256 : i64, token = 1024 : i64}, nn.differentiate = {loss = 2 : i64}, nn.kind = "micro"} {
// CHECK-NEXT: %[[V12:.*]] = nn.embedding %[[ARG4]], %[[ARG1]] : (tensor<9x4xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[RESULT:[^ :,]+]], %[[LSE:[^ :,]+]] = nn.attention %[[V12]], %[[V12]], %[[V12]], %[[ARG3]] {heads = 2 : i64, kv_heads = 2 : i64, longest = 16 : i64, scale = 5.000000e-01 : f32} : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<context>>)
// CHECK-NEXT: %[[V15:.*]] = nn.gather_rows %[[RESULT]], %[[ARG5]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x4xf32, #nn.axis<token>>
// CHECK-NEXT: %[[LOGPROB:[^ :,]+]], %[[LSE_0:[^ :,]+]] = nn.linear_logprob %[[V15]], %[[ARG4]], %[[ARG6]] {temperature = 5.000000e-01 : f32} : (tensor<?x4xf32, #nn.axis<token>>, tensor<9x4xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V18:.*]] = nn.embedding %[[ARG7]], %[[ARG1]] : (tensor<9x4xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[RESULT_1:[^ :,]+]], %[[LSE_2:[^ :,]+]] = nn.attention %[[V18]], %[[V18]], %[[V18]], %[[ARG3]] {heads = 2 : i64, kv_heads = 2 : i64, longest = 16 : i64, scale = 5.000000e-01 : f32} : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<context>>)
// CHECK-NEXT: %[[V21:.*]] = nn.gather_rows %[[RESULT_1]], %[[ARG5]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x4xf32, #nn.axis<token>>
// CHECK-NEXT: %[[LOGPROB_3:[^ :,]+]], %[[LSE_4:[^ :,]+]] = nn.linear_logprob %[[V21]], %[[ARG7]], %[[ARG6]] : (tensor<?x4xf32, #nn.axis<token>>, tensor<9x4xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V24:.*]] = nn.binary sub %[[LOGPROB]], %[[LOGPROB_3]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V25:.*]] = nn.segment_reduce sum %[[V24]], %[[ARG8]] : (tensor<?xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V26:.*]] = nn.binary mul %[[ARG0]], %[[V25]] : tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V27:.*]] = nn.spread %[[ARG9]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V28:.*]] = nn.binary mul %[[V26]], %[[V27]] : tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V29:.*]] = nn.reduce sum %[[V28]] into(%[[ARG10]]) : (tensor<?xf32, #nn.axis<sequence>>, tensor<f32>) -> tensor<f32>
// CHECK-NEXT: return %[[LOGPROB]], %[[V29]], %[[V29]] : tensor<?xf32, #nn.axis<token>>, tensor<f32>, tensor<f32>
// CHECK-NEXT: }

// CHECK: nn.variable @"train/loss" "state" "train" "" init "zeros" : tensor<f32>
// CHECK: nn.variable @"pi/e.grad" "gradient" "pi" "e" init "zeros" : tensor<9x4xf32>
// CHECK: nn.variable @"pi/e.grad.1" "gradient" "pi" "e" init "zeros" : tensor<9x4xf32>

// Gradients and accumulators begin at zero; a group without members has mean 0.
// CHECK-LABEL: func.func @train.batch(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<9x4xf32> {nn.variable = @"pi/e.grad"},
// CHECK-SAME: %[[OTHER:[^ :,]+]]: tensor<9x4xf32> {nn.variable = @"pi/e.grad.1"},
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<f32> {nn.variable = @"train/loss"},
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<?xf32, #nn.axis<sequence>> {nn.name = "field:reward", nn.source = "field:reward"},
// CHECK-SAME: %[[ARG3:[^ :,]+]]: tensor<?xi32, #nn.axis<group, 1>> {nn.name = "group_offsets", nn.source = "group_offsets"})
// CHECK-SAME: -> (tensor<9x4xf32> {nn.alias = 0 : i64}, tensor<9x4xf32> {nn.alias = 1 : i64}, tensor<f32> {nn.alias = 2 : i64}, tensor<?xf32, #nn.axis<sequence>> {nn.name = "value:v0", nn.source = "value:v0"}, tensor<f32> {nn.name = "value:v1", nn.source = "value:v1"}, tensor<f32> {nn.name = "metric:reward", nn.source = "metric:reward"}) attributes {nn.capacities = {context = 4096 : i64, group = 256 : i64, sequence = 256 : i64, token = 4096 : i64}, nn.kind = "batch"} {
// CHECK-NEXT: %[[V4:.*]] = nn.splat 0.000000e+00 : tensor<9x4xf32>
// CHECK-NEXT: %[[Z:.*]] = nn.splat 0.000000e+00 : tensor<9x4xf32>
// CHECK-NEXT: %[[V5:.*]] = nn.splat 0.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V6:.*]] = nn.segment_reduce sum %[[ARG2]], %[[ARG3]] : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<group>>
// CHECK-NEXT: %[[V7:.*]] = nn.splat 1.000000e+00 : tensor<?xf32, #nn.axis<group>>
// CHECK-NEXT: %[[V8:.*]] = nn.segment_count %[[ARG3]] : (tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<group>>
// CHECK-NEXT: %[[V9:.*]] = nn.binary max %[[V8]], %[[V7]] : tensor<?xf32, #nn.axis<group>>
// CHECK-NEXT: %[[V10:.*]] = nn.binary div %[[V6]], %[[V9]] : tensor<?xf32, #nn.axis<group>>
// CHECK-NEXT: %[[V11:.*]] = nn.segment_spread %[[V10]], %[[ARG3]] : (tensor<?xf32, #nn.axis<group>>, tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V12:.*]] = nn.binary sub %[[ARG2]], %[[V11]] : tensor<?xf32, #nn.axis<sequence>>
// CHECK-NEXT: %[[V13:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V14:.*]] = nn.extent <sequence> : tensor<f32>
// CHECK-NEXT: %[[V15:.*]] = nn.binary max %[[V14]], %[[V13]] : tensor<f32>
// CHECK-NEXT: %[[V16:.*]] = nn.binary div %[[V13]], %[[V15]] : tensor<f32>
// CHECK-NEXT: %[[V17:.*]] = nn.reduce sum %[[ARG2]] : (tensor<?xf32, #nn.axis<sequence>>) -> tensor<f32>
// CHECK-NEXT: %[[V18:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V19:.*]] = nn.extent <sequence> : tensor<f32>
// CHECK-NEXT: %[[V20:.*]] = nn.binary max %[[V19]], %[[V18]] : tensor<f32>
// CHECK-NEXT: %[[V21:.*]] = nn.binary div %[[V17]], %[[V20]] : tensor<f32>
// CHECK-NEXT: return %[[V4]], %[[Z]], %[[V5]], %[[V12]], %[[V16]], %[[V21]] : tensor<9x4xf32>, tensor<9x4xf32>, tensor<f32>, tensor<?xf32, #nn.axis<sequence>>, tensor<f32>, tensor<f32>
// CHECK-NEXT: }

// CHECK: nn.variable @"opt/step" "state" "opt" "" init "zeros" : tensor<f32>
// CHECK: nn.variable @"opt/e.m" "moment1" "opt" "e" init "zeros" : tensor<9x4xf32>
// CHECK: nn.variable @"opt/e.v" "moment2" "opt" "e" init "zeros" : tensor<9x4xf32>

// The gradients of a weight are added into the first of them, clipped to norm 0.5, and AdamW counts from 1.
// CHECK-LABEL: func.func @train.apply(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<f32> {nn.name = "param:tau", nn.source = "param:tau"},
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<9x4xf32> {nn.variable = @"pi/e.grad"},
// CHECK-SAME: %[[OTHER:[^ :,]+]]: tensor<9x4xf32> {nn.variable = @"pi/e.grad.1"},
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<f32> {nn.variable = @"opt/step"},
// CHECK-SAME: %[[ARG3:[^ :,]+]]: tensor<9x4xf32> {nn.variable = @"pi/e"},
// CHECK-SAME: %[[ARG4:[^ :,]+]]: tensor<9x4xf32> {nn.variable = @"opt/e.m"},
// CHECK-SAME: %[[ARG5:[^ :,]+]]: tensor<9x4xf32> {nn.variable = @"opt/e.v"})
// CHECK-SAME: -> (tensor<9x4xf32> {nn.alias = 1 : i64}, tensor<f32> {nn.alias = 3 : i64}, tensor<9x4xf32> {nn.alias = 4 : i64}, tensor<9x4xf32> {nn.alias = 5 : i64}, tensor<9x4xf32> {nn.alias = 6 : i64}, tensor<f32> {nn.name = "metric:grad_norm", nn.source = "metric:grad_norm"}, tensor<f32> {nn.name = "metric:lr", nn.source = "metric:lr"}) attributes {nn.capacities = {}, nn.kind = "apply"} {
// CHECK-NEXT: %[[G:.*]] = nn.binary add %[[ARG1]], %[[OTHER]] : tensor<9x4xf32>
// CHECK-NEXT: %[[V6:.*]] = nn.splat 0.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V7:.*]] = nn.squared_norm %[[G]], %[[V6]] : (tensor<9x4xf32>, tensor<f32>) -> tensor<f32>
// CHECK-NEXT: %[[V8:.*]] = nn.unary sqrt %[[V7]] : tensor<f32>
// CHECK-NEXT: %[[V9:.*]] = nn.splat 5.000000e-01 : tensor<f32>
// CHECK-NEXT: %[[V10:.*]] = nn.splat 9.99999997E-7 : tensor<f32>
// CHECK-NEXT: %[[V11:.*]] = nn.binary add %[[V8]], %[[V10]] : tensor<f32>
// CHECK-NEXT: %[[V12:.*]] = nn.binary div %[[V9]], %[[V11]] : tensor<f32>
// CHECK-NEXT: %[[V13:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V14:.*]] = nn.binary min %[[V12]], %[[V13]] : tensor<f32>
// CHECK-NEXT: %[[V15:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V16:.*]] = nn.binary add %[[ARG2]], %[[V15]] : tensor<f32>
// CHECK-NEXT: %[[NEW_WEIGHT:[^ :,]+]], %[[NEW_MOMENT1:[^ :,]+]], %[[NEW_MOMENT2:[^ :,]+]] = nn.adamw %[[ARG3]], %[[G]], %[[ARG4]], %[[ARG5]], %[[ARG0]], %[[V16]], %[[V14]] {beta1 = 0.899999976 : f32, beta2 = 0.949999988 : f32, eps = 9.99999993E-9 : f32, weight_decay = 0.000000e+00 : f32} : (tensor<9x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<9x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>)
// CHECK-NEXT: return %[[G]], %[[V16]], %[[NEW_WEIGHT]], %[[NEW_MOMENT1]], %[[NEW_MOMENT2]], %[[V8]], %[[ARG0]] : tensor<9x4xf32>, tensor<f32>, tensor<9x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>, tensor<f32>, tensor<f32>
// CHECK-NEXT: }

// CHECK: plan.optimizer @opt of @pi reset "never"
// CHECK-NEXT: plan.step @train("y") batch @train.batch micro @train.micro apply @train.apply packing "sequence" by @opt

// The frozen policy has no gradients and no optimizer; no rl op is left.
// CHECK-NOT: nn.variable @"ref/e.grad"
// CHECK-NOT: rl.

module attributes {mirl.context = 16 : i64} {
  rl.param @tau = 0.125
  rl.policy @pi model @m "trainable"
  rl.policy @ref model @m "frozen"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 0.5 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.read_param @tau : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.step @train "y" {
  ^bb0(%y: !rl.trajectory):
    %p = rl.logprob @pi, %y {temperature = 0.5} : !rl.per<token, f32>
    %ref = rl.logprob @ref, %y : !rl.per<token, f32>
    %r = rl.field %y, "reward" : !rl.per<sequence, f32>
    %g = rl.reduce mean %r : !rl.per<sequence, f32> to !rl.per<group, f32>
    %b = rl.spread %g : !rl.per<group, f32> to !rl.per<sequence, f32>
    %a = rl.binary sub %r, %b : !rl.per<sequence, f32>
    %d = rl.binary sub %p, %ref : !rl.per<token, f32>
    %s = rl.reduce sum %d : !rl.per<token, f32> to !rl.per<sequence, f32>
    %m = rl.binary mul %a, %s : !rl.per<sequence, f32>
    %l = rl.reduce mean %m : !rl.per<sequence, f32> to !rl.per<batch, f32>
    %e = rl.reduce mean %r : !rl.per<sequence, f32> to !rl.per<batch, f32>
    rl.metric "reward", %e : !rl.per<batch, f32>
    rl.minimize %l by @opt : !rl.per<batch, f32>
    rl.yield
  }
  func.func private @m(%i: tensor<?xi32, #nn.axis<context>>, %p: tensor<?xi32, #nn.axis<context>>,
                       %o: tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>) attributes {nn.model} {
    %w = nn.weight "e" init "normal:0.5" : tensor<9x4xf32>
    %x = nn.embedding %w, %i : (tensor<9x4xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
    %a:2 = nn.attention %x, %x, %x, %o {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f32}
      : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>)
      -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?x2xf32, #nn.axis<context>>)
    return %a#0, %w : tensor<?x4xf32, #nn.axis<context>>, tensor<9x4xf32>
  }
}
