// All passes in order, from a program to a complete plan. The memory plan of assign-memory is what verify-plan checks.
// RUN: mirl-opt %s --verify-rl --split-step --rl-to-nn --canonicalize --cse --differentiate --canonicalize --cse --plan-recompute --fuse --assign-numerics --nn-to-plan --assign-memory --compile-kernels='cpu=x86-64-v3' --verify-plan > %t.plan
// RUN: FileCheck %s < %t.plan
// RUN: mirl-opt %t.plan --verify-plan | FileCheck %s
// Without a memory plan it is none.
// RUN: not mirl-opt %s --verify-rl --split-step --rl-to-nn --differentiate --fuse --assign-numerics --nn-to-plan --verify-plan 2>&1 | FileCheck %s --check-prefix=BEFORE

// BEFORE: error: 'builtin.module' op has no memory plan: run assign-memory

// CHECK: module attributes {{{.*}}plan.arena_bytes = {{[0-9]+}} : i64, plan.persistent_bytes = {{[0-9]+}} : i64}
// CHECK-NOT: rl.
// CHECK-NOT: func.func
// CHECK-DAG: nn.variable @"pi/e" "weight" "pi" "e" init "normal:0.5" {plan.offset = 0 : i64} : tensor<9x4xf32>
// CHECK-DAG: plan.entry @rollout.reward "reward" {{.*}}peak_bytes = {{[0-9]+}} : i64
// CHECK-DAG: plan.entry @train.batch "batch" {{.*}}peak_bytes = {{[0-9]+}} : i64
// CHECK-DAG: plan.entry @train.micro "micro" {{.*}}peak_bytes = {{[0-9]+}} : i64
// CHECK-DAG: plan.entry @train.apply "apply" {} attributes {{.*}}peak_bytes = {{[0-9]+}} : i64
// CHECK-DAG: plan.entry @md "plain" {{.*}}peak_bytes = {{[0-9]+}} : i64
// CHECK-DAG: plan.entry @pi.score "score" {{.*}}peak_bytes = {{[0-9]+}} : i64
// CHECK-DAG: plan.entry @pi.prefill "prefill" {{.*}}peak_bytes = {{[0-9]+}} : i64
// CHECK-DAG: plan.entry @pi.decode "decode" {{.*}}peak_bytes = {{[0-9]+}} : i64
// CHECK-DAG: plan.entry @ref.score "score" {{.*}}peak_bytes = {{[0-9]+}} : i64
// CHECK-DAG: plan.code {isa = ["avx2", "fma", "bmi", "bmi2"], object = "\7FELF

module attributes {mirl.context = 16 : i64} {
  rl.param @tau = 0.125
  rl.dataset @d "d.jsonl"
  rl.policy @pi model @m "trainable"
  rl.policy @ref model @m "frozen"
  rl.optimizer @opt adamw @pi attributes {beta1 = 0.9 : f32, beta2 = 0.95 : f32, clip = 0.5 : f32, eps = 1.0e-8 : f32,
                                          reset = "never", weight_decay = 0.0 : f32} {
    %lr = rl.read_param @tau : !rl.per<batch, f32>
    rl.yield %lr : !rl.per<batch, f32>
  }
  rl.step @rollout "x" {
  ^bb0(%x: !rl.prompts):
    %y = rl.sample @pi, %x {n = 2, temperature = 0.5, top_k = 3, top_p = 0.75, max_tokens = 8} : (!rl.prompts) -> !rl.trajectory
    %r = rl.verify "regex" %y {pattern = "ok"} : !rl.per<sequence, f32>
    %q = rl.verify "program" %y {command = "check", timeout = 2 : i64} : !rl.per<sequence, f32>
    %n = rl.field %y, "length" : !rl.per<sequence, f32>
    %s = rl.binary sub %r, %n : !rl.per<sequence, f32>
    %t = rl.binary mul %s, %q : !rl.per<sequence, f32>
    %z = rl.score %y, %t : !rl.per<sequence, f32>
    rl.yield %z : !rl.trajectory
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
  rl.entry @md ["p", "r", "tau"] -> ["loss", "d"] gradients [0] {
  ^bb0(%p: !rl.per<token, f32>, %r: !rl.per<sequence, f32>, %tau: !rl.per<batch, f32>):
    %t = rl.spread %tau : !rl.per<batch, f32> to !rl.per<token, f32>
    %m = rl.binary mul %p, %t : !rl.per<token, f32>
    %g = rl.reduce max %m : !rl.per<token, f32> to !rl.per<group, f32>
    %l = rl.reduce mean %g : !rl.per<group, f32> to !rl.per<batch, f32>
    %d = rl.stop_gradient %p : !rl.per<token, f32>
    rl.yield %l, %d : !rl.per<batch, f32>, !rl.per<token, f32>
  }
  rl.iteration {
    %x = rl.draw @d 6 : !rl.prompts
    %y = rl.call @rollout(%x) : (!rl.prompts) -> !rl.trajectory
    rl.batches %y of 4 shuffle false {
    ^bb0(%b: !rl.trajectory):
      rl.repeat 3 {
        rl.call @train(%b) : (!rl.trajectory) -> ()
        rl.yield
      }
      rl.yield
    }
    rl.evaluate @pi on @d as "t" {temperature = 0.0, max_tokens = 8, every = 5, verifier = {kind = "exact_answer", field = "a"}}
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
