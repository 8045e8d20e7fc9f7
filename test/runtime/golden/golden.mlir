// The program of the golden plans: a little of everything that a plan holds. `scripts/golden` compiles it. It is of rl,
// not of the language, so that the plans name no folder of the machine they were made on.

module attributes {mirl.context = 16 : i64, mirl.model_config = "{}", mirl.model_dir = "model", mirl.source_file = "golden.mlir"} {
  rl.param @tau = 1.000000e-01
  rl.dataset @prompts "prompts.jsonl"
  rl.policy @pi model @tiny "trainable"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.899999976 : f32, beta2 = 9.990000e-01 : f32, clip = 0.000000e+00 : f32, eps = 9.99999993E-9 : f32, reset = "never", weight_decay = 0.000000e+00 : f32} {
    %0 = rl.constant 1.000000e-03 : !rl.per<batch, f32>
    rl.yield %0 : !rl.per<batch, f32>
  }
  rl.step @rollout "x" {
  ^bb0(%arg0: !rl.prompts):
    %0 = rl.sample @pi, %arg0 {max_tokens = 8 : i64, n = 2 : i64, temperature = 1.000000e+00 : f64, top_k = 0 : i64, top_p = 1.000000e+00 : f64} : (!rl.prompts) -> !rl.trajectory
    %1 = rl.verify "exact_answer" %0 {field = "answer"} : !rl.per<sequence, f32>
    %2 = rl.score %0, %1 : !rl.per<sequence, f32>
    rl.yield %2 : !rl.trajectory
  }
  rl.step @train "y" {
  ^bb0(%arg0: !rl.trajectory):
    %0 = rl.logprob @pi, %arg0 : !rl.per<token, f32>
    %1 = rl.field %arg0, "reward" : <sequence, f32>
    %2 = rl.read_param @tau : !rl.per<batch, f32>
    %3 = rl.spread %2 : <batch, f32> to <sequence, f32>
    %4 = rl.binary sub %1, %3 : <sequence, f32>
    %5 = rl.reduce sum %0 : <token, f32> to <sequence, f32>
    %6 = rl.binary mul %4, %5 : <sequence, f32>
    %7 = rl.reduce mean %6 : <sequence, f32> to <batch, f32>
    rl.minimize %7 by @opt : !rl.per<batch, f32>
    rl.yield
  }
  rl.entry @squares ["x"] -> ["each", "all"] gradients [] {
  ^bb0(%arg0: !rl.per<token, f32>):
    %0 = rl.unary square %arg0 : <token, f32>
    %2 = rl.reduce sum %0 : <token, f32> to <batch, f32>
    rl.yield %0, %2 : !rl.per<token, f32>, !rl.per<batch, f32>
  }
  rl.iteration {
    %0 = rl.draw @prompts 2 : !rl.prompts
    %1 = rl.call @rollout(%0) : (!rl.prompts) -> !rl.trajectory
    rl.repeat 2 {
      rl.call @train(%1) : (!rl.trajectory) -> ()
      rl.yield
    }
    rl.yield
  }
  func.func private @tiny(%arg0: tensor<?xi32, #nn.axis<context>>, %arg1: tensor<?xi32, #nn.axis<context>>, %arg2: tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x8xf32, #nn.axis<context>>, tensor<5x8xf32>) attributes {nn.model} {
    %0 = nn.weight "embed" init "normal:0.5" : tensor<5x8xf32>
    %1 = nn.weight "k" init "normal:0.5" : tensor<8x8xf32>
    %2 = nn.embedding %0, %arg0 : (tensor<5x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
    %3 = nn.linear %2, %1 : (tensor<?x8xf32, #nn.axis<context>>, tensor<8x8xf32>) -> tensor<?x8xf32, #nn.axis<context>>
    %result, %lse = nn.attention %2, %3, %2, %arg2 {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.353553385 : f32} : (tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> (tensor<?x8xf32, #nn.axis<context>>, tensor<?x1xf32, #nn.axis<context>>)
    %4 = nn.binary add %2, %result : tensor<?x8xf32, #nn.axis<context>>
    return %4, %0 : tensor<?x8xf32, #nn.axis<context>>, tensor<5x8xf32>
  }
}
