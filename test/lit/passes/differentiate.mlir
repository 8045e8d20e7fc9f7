// differentiate: adjoints behind the forward ops, one chain for each weight.
// RUN: mirl-opt %s --differentiate | FileCheck %s

// A model in small. The table is the head too: one chain, which begins at the accumulator and ends as its new value.
// No gradient is built for what has no weight before it.
// CHECK-LABEL: func.func @tied(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xi32, #nn.axis<context>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xi32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<?xi32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG3:[^ :,]+]]: tensor<9x4xf32> {nn.variable = @table},
// CHECK-SAME: %[[ARG4:[^ :,]+]]: tensor<9x4xf32> {nn.variable = @table.grad})
// CHECK-SAME: -> (tensor<f32> {nn.name = "loss", nn.source = "loss"}, tensor<9x4xf32> {nn.alias = 4 : i64}) attributes {nn.kind = "micro"} {
// CHECK-NEXT: %[[V5:.*]] = nn.embedding %[[ARG3]], %[[ARG0]] : (tensor<9x4xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V6:.*]] = nn.gather_rows %[[V5]], %[[ARG1]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x4xf32, #nn.axis<token>>
// CHECK-NEXT: %[[LOGPROB:[^ :,]+]], %[[LSE:[^ :,]+]] = nn.linear_logprob %[[V6]], %[[ARG3]], %[[ARG2]] : (tensor<?x4xf32, #nn.axis<token>>, tensor<9x4xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V9:.*]] = nn.reduce sum %[[LOGPROB]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V10:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V11:.*]] = nn.spread %[[V10]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[HIDDEN_GRADIENT:[^ :,]+]], %[[WEIGHT_GRADIENT:[^ :,]+]] = nn.linear_logprob_grad %[[V11]], %[[V6]], %[[ARG3]], %[[ARG2]], %[[LSE]] into(%[[ARG4]]) : (tensor<?xf32, #nn.axis<token>>, tensor<?x4xf32, #nn.axis<token>>, tensor<9x4xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<9x4xf32>) -> (tensor<?x4xf32, #nn.axis<token>>, tensor<9x4xf32>)
// CHECK-NEXT: %[[V14:.*]] = nn.scatter_rows %[[HIDDEN_GRADIENT]], %[[ARG1]] : (tensor<?x4xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V15:.*]] = nn.embedding_grad %[[V14]], %[[ARG0]], %[[WEIGHT_GRADIENT]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<9x4xf32>) -> tensor<9x4xf32>
// CHECK-NEXT: return %[[V9]], %[[V15]] : tensor<f32>, tensor<9x4xf32>
// CHECK-NEXT: }
func.func @tied(%ids: tensor<?xi32, #nn.axis<context>>, %rows: tensor<?xi32, #nn.axis<token>>, %targets: tensor<?xi32, #nn.axis<token>>,
                %table: tensor<9x4xf32> {nn.variable = @table, nn.gradient = 4 : i64},
                %table_grad: tensor<9x4xf32> {nn.variable = @table.grad})
    -> (tensor<f32> {nn.name = "loss", nn.source = "loss"})
    attributes {nn.kind = "micro", nn.differentiate = {loss = 0 : i64}} {
  %x = nn.embedding %table, %ids : (tensor<9x4xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
  %h = nn.gather_rows %x, %rows : (tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x4xf32, #nn.axis<token>>
  %p:2 = nn.linear_logprob %h, %table, %targets : (tensor<?x4xf32, #nn.axis<token>>, tensor<9x4xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %loss = nn.reduce sum %p#0 : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// Products with a bias and a residual, a norm: data gradients meet in sums, weight gradients in their accumulators.
// CHECK-LABEL: func.func @layer(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?x4xf32, #nn.axis<context>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<4x4xf32>,
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<4x4xf32>,
// CHECK-SAME: %[[ARG3:[^ :,]+]]: tensor<4xf32>,
// CHECK-SAME: %[[ARG4:[^ :,]+]]: tensor<4xf32>,
// CHECK-SAME: %[[ARG5:[^ :,]+]]: tensor<4xf32>,
// CHECK-SAME: %[[ARG6:[^ :,]+]]: tensor<4xf32>,
// CHECK-SAME: %[[ARG7:[^ :,]+]]: tensor<1x4xf32>,
// CHECK-SAME: %[[ARG8:[^ :,]+]]: tensor<?xi32, #nn.axis<token>>)
// CHECK-SAME: -> (tensor<f32>, tensor<4x4xf32> {nn.alias = 2 : i64}, tensor<4xf32> {nn.alias = 4 : i64}, tensor<4xf32> {nn.alias = 6 : i64}) {
// CHECK-NEXT: %[[RESULT:[^ :,]+]], %[[RSTD:[^ :,]+]] = nn.rms_norm %[[ARG0]], %[[ARG5]] {eps = 0.000000e+00 : f32} : (tensor<?x4xf32, #nn.axis<context>>, tensor<4xf32>) -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
// CHECK-NEXT: %[[V11:.*]] = nn.linear %[[RESULT]], %[[ARG1]] bias(%[[ARG3]]) residual(%[[RESULT]]) : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>, tensor<4xf32>, tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V12:.*]] = nn.linear %[[V11]], %[[ARG1]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V13:.*]] = nn.gather_rows %[[V12]], %[[ARG8]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x4xf32, #nn.axis<token>>
// CHECK-NEXT: %[[LOGPROB:[^ :,]+]], %[[LSE:[^ :,]+]] = nn.linear_logprob %[[V13]], %[[ARG7]], %[[ARG8]] : (tensor<?x4xf32, #nn.axis<token>>, tensor<1x4xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
// CHECK-NEXT: %[[V16:.*]] = nn.reduce sum %[[LOGPROB]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V17:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V18:.*]] = nn.spread %[[V17]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V19:.*]] = nn.splat 0.000000e+00 : tensor<1x4xf32>
// CHECK-NEXT: %[[HIDDEN_GRADIENT:[^ :,]+]], %[[WEIGHT_GRADIENT:[^ :,]+]] = nn.linear_logprob_grad %[[V18]], %[[V13]], %[[ARG7]], %[[ARG8]], %[[LSE]] into(%[[V19]]) : (tensor<?xf32, #nn.axis<token>>, tensor<?x4xf32, #nn.axis<token>>, tensor<1x4xf32>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<1x4xf32>) -> (tensor<?x4xf32, #nn.axis<token>>, tensor<1x4xf32>)
// CHECK-NEXT: %[[V22:.*]] = nn.scatter_rows %[[HIDDEN_GRADIENT]], %[[ARG8]] : (tensor<?x4xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V23:.*]] = nn.linear_data_grad %[[V22]], %[[ARG1]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V24:.*]] = nn.linear_weight_grad %[[V22]], %[[V11]], %[[ARG2]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<4x4xf32>
// CHECK-NEXT: %[[V25:.*]] = nn.linear_data_grad %[[V23]], %[[ARG1]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V26:.*]] = nn.linear_weight_grad %[[V23]], %[[RESULT]], %[[V24]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<4x4xf32>
// CHECK-NEXT: %[[V27:.*]] = nn.column_sum %[[V23]], %[[ARG4]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT: %[[V28:.*]] = nn.binary add %[[V25]], %[[V23]] : tensor<?x4xf32, #nn.axis<context>>
// CHECK-NEXT: %[[V29:.*]] = nn.rms_norm_weight_grad %[[V28]], %[[ARG0]], %[[RSTD]], %[[ARG6]] : (tensor<?x4xf32, #nn.axis<context>>, tensor<?x4xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>, tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT: return %[[V16]], %[[V26]], %[[V27]], %[[V29]] : tensor<f32>, tensor<4x4xf32>, tensor<4xf32>, tensor<4xf32>
// CHECK-NEXT: }
func.func @layer(%x: tensor<?x4xf32, #nn.axis<context>>, %w: tensor<4x4xf32> {nn.gradient = 2 : i64}, %dw: tensor<4x4xf32>,
                 %b: tensor<4xf32> {nn.gradient = 4 : i64}, %db: tensor<4xf32>,
                 %n: tensor<4xf32> {nn.gradient = 6 : i64}, %dn: tensor<4xf32>, %v: tensor<1x4xf32>, %rows: tensor<?xi32, #nn.axis<token>>)
    -> (tensor<f32>) attributes {nn.differentiate = {loss = 0 : i64}} {
  %h:2 = nn.rms_norm %x, %n {eps = 0.0 : f32} : (tensor<?x4xf32, #nn.axis<context>>, tensor<4xf32>) -> (tensor<?x4xf32, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %y = nn.linear %h#0, %w bias(%b) residual(%h#0) : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>, tensor<4xf32>, tensor<?x4xf32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
  %z = nn.linear %y, %w : (tensor<?x4xf32, #nn.axis<context>>, tensor<4x4xf32>) -> tensor<?x4xf32, #nn.axis<context>>
  %g = nn.gather_rows %z, %rows : (tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x4xf32, #nn.axis<token>>
  %o:2 = nn.linear_logprob %g, %v, %rows : (tensor<?x4xf32, #nn.axis<token>>, tensor<1x4xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %loss = nn.reduce sum %o#0 : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// Inputs of plain entries: an output each, zeros where the loss does not depend on it or no gradient flows.
// CHECK-LABEL: func.func @plain(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG3:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-SAME: -> (tensor<f32> {nn.name = "loss", nn.source = "output:loss"}, tensor<f32> {nn.name = "other", nn.source = "output:other"}, tensor<?xf32, #nn.axis<token>> {nn.name = "grad.a", nn.source = "output:grad.a"}, tensor<?xf32, #nn.axis<token>> {nn.name = "grad.b", nn.source = "output:grad.b"}, tensor<?xf32, #nn.axis<token>> {nn.name = "grad.c", nn.source = "output:grad.c"}) attributes {nn.kind = "plain"} {
// CHECK-NEXT: %[[V4:.*]] = nn.stop_gradient %[[ARG1]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V5:.*]] = nn.binary mul %[[ARG0]], %[[V4]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V6:.*]] = nn.compare gt %[[ARG2]], %[[ARG3]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V7:.*]] = nn.binary sub %[[V5]], %[[V6]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V8:.*]] = nn.reduce sum %[[V7]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V9:.*]] = nn.reduce sum %[[ARG2]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V10:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V11:.*]] = nn.spread %[[V10]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V12:.*]] = nn.binary mul %[[V11]], %[[V4]] : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V13:.*]] = nn.splat 0.000000e+00 : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: %[[V14:.*]] = nn.splat 0.000000e+00 : tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V8]], %[[V9]], %[[V12]], %[[V13]], %[[V14]] : tensor<f32>, tensor<f32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @plain(%a: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.a"}, %b: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.b"},
                 %c: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.c"}, %d: tensor<?xf32, #nn.axis<token>>)
    -> (tensor<f32> {nn.name = "loss", nn.source = "output:loss"}, tensor<f32> {nn.name = "other", nn.source = "output:other"})
    attributes {nn.kind = "plain", nn.differentiate = {loss = 0 : i64}} {
  %s = nn.stop_gradient %b : tensor<?xf32, #nn.axis<token>>
  %m = nn.binary mul %a, %s : tensor<?xf32, #nn.axis<token>>
  %k = nn.compare gt %c, %d : tensor<?xf32, #nn.axis<token>>
  %n = nn.binary sub %m, %k : tensor<?xf32, #nn.axis<token>>
  %loss = nn.reduce sum %n : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  %other = nn.reduce sum %c : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss, %other : tensor<f32>, tensor<f32>
}

// A weight that the loss does not depend on keeps its accumulator: no result for it.
// CHECK-LABEL: func.func @unused(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>,
// CHECK-SAME: %[[ARG1:[^ :,]+]]: tensor<4xf32>,
// CHECK-SAME: %[[ARG2:[^ :,]+]]: tensor<4xf32>)
// CHECK-SAME: -> (tensor<f32>, tensor<?xf32, #nn.axis<token>> {nn.name = "grad.a", nn.source = "output:grad.a"}) {
// CHECK-NEXT: %[[V3:.*]] = nn.reduce sum %[[ARG0]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: %[[V4:.*]] = nn.splat 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[V5:.*]] = nn.spread %[[V4]] : (tensor<f32>) -> tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: return %[[V3]], %[[V5]] : tensor<f32>, tensor<?xf32, #nn.axis<token>>
// CHECK-NEXT: }
func.func @unused(%a: tensor<?xf32, #nn.axis<token>> {nn.gradient_output = "grad.a"}, %w: tensor<4xf32> {nn.gradient = 2 : i64}, %dw: tensor<4xf32>)
    -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %loss = nn.reduce sum %a : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// A function that asks for no gradient is left alone.
// CHECK-LABEL: func.func @forward(
// CHECK-SAME: %[[ARG0:[^ :,]+]]: tensor<?xf32, #nn.axis<token>>)
// CHECK-SAME: -> tensor<f32> {
// CHECK-NEXT: %[[V1:.*]] = nn.reduce sum %[[ARG0]] : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
// CHECK-NEXT: return %[[V1]] : tensor<f32>
// CHECK-NEXT: }
func.func @forward(%a: tensor<?xf32, #nn.axis<token>>) -> tensor<f32> {
  %loss = nn.reduce sum %a : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}

// Two accumulators: each use has its own chain, the one nearer to the loss the first.
// CHECK-LABEL: func.func @chains(
// CHECK-SAME: %[[TABLE:[^ :,]+]]: tensor<9x4xf32>, %[[FIRST:[^ :,]+]]: tensor<9x4xf32>, %[[SECOND:[^ :,]+]]: tensor<9x4xf32>)
// CHECK-SAME: -> (tensor<f32>, tensor<9x4xf32> {nn.alias = 4 : i64}, tensor<9x4xf32> {nn.alias = 5 : i64})
// CHECK: %{{.*}}, %[[HEAD:[^ :,]+]] = nn.linear_logprob_grad {{.*}} into(%[[FIRST]])
// CHECK: %[[ROWS:.*]] = nn.embedding_grad %{{.*}}, %{{.*}}, %[[SECOND]]
// CHECK: return %{{.*}}, %[[HEAD]], %[[ROWS]] : tensor<f32>, tensor<9x4xf32>, tensor<9x4xf32>
func.func @chains(%ids: tensor<?xi32, #nn.axis<context>>, %rows: tensor<?xi32, #nn.axis<token>>, %targets: tensor<?xi32, #nn.axis<token>>,
                  %table: tensor<9x4xf32> {nn.gradient = array<i64: 4, 5>}, %first: tensor<9x4xf32>, %second: tensor<9x4xf32>)
    -> tensor<f32> attributes {nn.differentiate = {loss = 0 : i64}} {
  %x = nn.embedding %table, %ids : (tensor<9x4xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
  %h = nn.gather_rows %x, %rows : (tensor<?x4xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x4xf32, #nn.axis<token>>
  %p:2 = nn.linear_logprob %h, %table, %targets : (tensor<?x4xf32, #nn.axis<token>>, tensor<9x4xf32>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %loss = nn.reduce sum %p#0 : (tensor<?xf32, #nn.axis<token>>) -> tensor<f32>
  return %loss : tensor<f32>
}
