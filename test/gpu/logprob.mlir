// What a vocabulary head gives on the tensor cores (compare.py): the log-prob that sampling records beside the one that training
// computes, and the adjoint. Where nothing else reads the logits (small, large) their product makes the sums of their blocks; `odd` also gives them out. The last block of the vocabulary is whole, or not; of the adjoint with 65,536 rows at capacity the vocabulary goes by in chunks.

func.func @sample_small(
    %hidden: tensor<?x136xbf16, #nn.axis<token>> {nn.name = "hidden", nn.source = "input:hidden"},
    %weight: tensor<264x136xbf16> {nn.name = "weight", nn.source = "input:weight"},
    %ids: tensor<?xi64, #nn.axis<token>> {nn.name = "ids", nn.source = "input:ids"},
    %steps: tensor<?xi32, #nn.axis<token>> {nn.name = "steps", nn.source = "input:steps"},
    %seed: tensor<i64> {nn.name = "seed", nn.source = "input:seed"},
    %temperature: tensor<f32> {nn.name = "temperature", nn.source = "input:temperature"},
    %top_k: tensor<i32> {nn.name = "top_k", nn.source = "input:top_k"},
    %top_p: tensor<f32> {nn.name = "top_p", nn.source = "input:top_p"})
    -> (tensor<?xi32, #nn.axis<token>> {nn.name = "token", nn.source = "output:token"}, tensor<?xf32, #nn.axis<token>> {nn.name = "sampled", nn.source = "output:sampled"}, tensor<?xf32, #nn.axis<token>> {nn.name = "logprob", nn.source = "output:logprob"}, tensor<?xf32, #nn.axis<token>> {nn.name = "lse", nn.source = "output:lse"})
    attributes {nn.kind = "plain", nn.capacities = {token = 512 : i64, sequence = 1 : i64, group = 1 : i64}} {
  %z = nn.linear %hidden, %weight : (tensor<?x136xbf16, #nn.axis<token>>, tensor<264x136xbf16>) -> tensor<?x264xf32, #nn.axis<token>>
  %token, %sampled = nn.sample %z, %ids, %steps, %seed, %temperature, %top_k, %top_p
      : (tensor<?x264xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %logprob, %lse = nn.linear_logprob %hidden, %weight, %token : (tensor<?x136xbf16, #nn.axis<token>>, tensor<264x136xbf16>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return %token, %sampled, %logprob, %lse : tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>
}

func.func @gradient_small(
    %gradient: tensor<?xf32, #nn.axis<token>> {nn.name = "gradient", nn.source = "input:gradient"},
    %entropy_gradient: tensor<?xf32, #nn.axis<token>> {nn.name = "entropy_gradient", nn.source = "input:entropy_gradient"},
    %hidden: tensor<?x136xbf16, #nn.axis<token>> {nn.name = "hidden", nn.source = "input:hidden"},
    %weight: tensor<264x136xbf16> {nn.name = "weight", nn.source = "input:weight"},
    %targets: tensor<?xi32, #nn.axis<token>> {nn.name = "targets", nn.source = "input:targets"},
    %into: tensor<264x136xf32> {nn.name = "into", nn.source = "input:into"})
    -> (tensor<?xf32, #nn.axis<token>> {nn.name = "logprob", nn.source = "output:logprob"}, tensor<?xf32, #nn.axis<token>> {nn.name = "entropy", nn.source = "output:entropy"}, tensor<?x136xbf16, #nn.axis<token>> {nn.name = "hidden_gradient", nn.source = "output:hidden_gradient"}, tensor<264x136xf32> {nn.name = "weight_gradient", nn.source = "output:weight_gradient"})
    attributes {nn.kind = "plain", nn.capacities = {token = 512 : i64, sequence = 1 : i64, group = 1 : i64}} {
  %logprob, %lse, %entropy = nn.linear_logprob %hidden, %weight, %targets {temperature = 0.7 : f32} : (tensor<?x136xbf16, #nn.axis<token>>, tensor<264x136xbf16>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %hidden_gradient, %weight_gradient = nn.linear_logprob_grad %gradient, %hidden, %weight, %targets, %lse into(%into)
      entropy(%entropy_gradient, %entropy) {temperature = 0.7 : f32}
      : (tensor<?xf32, #nn.axis<token>>, tensor<?x136xbf16, #nn.axis<token>>, tensor<264x136xbf16>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<264x136xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>) -> (tensor<?x136xbf16, #nn.axis<token>>, tensor<264x136xf32>)
  return %logprob, %entropy, %hidden_gradient, %weight_gradient : tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x136xbf16, #nn.axis<token>>, tensor<264x136xf32>
}

func.func @sample_odd(
    %hidden: tensor<?x264xbf16, #nn.axis<token>> {nn.name = "hidden", nn.source = "input:hidden"},
    %weight: tensor<1000x264xbf16> {nn.name = "weight", nn.source = "input:weight"},
    %ids: tensor<?xi64, #nn.axis<token>> {nn.name = "ids", nn.source = "input:ids"},
    %steps: tensor<?xi32, #nn.axis<token>> {nn.name = "steps", nn.source = "input:steps"},
    %seed: tensor<i64> {nn.name = "seed", nn.source = "input:seed"},
    %temperature: tensor<f32> {nn.name = "temperature", nn.source = "input:temperature"},
    %top_k: tensor<i32> {nn.name = "top_k", nn.source = "input:top_k"},
    %top_p: tensor<f32> {nn.name = "top_p", nn.source = "input:top_p"})
    -> (tensor<?xi32, #nn.axis<token>> {nn.name = "token", nn.source = "output:token"}, tensor<?xf32, #nn.axis<token>> {nn.name = "sampled", nn.source = "output:sampled"}, tensor<?xf32, #nn.axis<token>> {nn.name = "logprob", nn.source = "output:logprob"}, tensor<?xf32, #nn.axis<token>> {nn.name = "lse", nn.source = "output:lse"},
        tensor<?x1000xf32, #nn.axis<token>> {nn.name = "logits", nn.source = "output:logits"})
    attributes {nn.kind = "plain", nn.capacities = {token = 512 : i64, sequence = 1 : i64, group = 1 : i64}} {
  %z = nn.linear %hidden, %weight : (tensor<?x264xbf16, #nn.axis<token>>, tensor<1000x264xbf16>) -> tensor<?x1000xf32, #nn.axis<token>>
  %token, %sampled = nn.sample %z, %ids, %steps, %seed, %temperature, %top_k, %top_p
      : (tensor<?x1000xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %logprob, %lse = nn.linear_logprob %hidden, %weight, %token : (tensor<?x264xbf16, #nn.axis<token>>, tensor<1000x264xbf16>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return %token, %sampled, %logprob, %lse, %z : tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x1000xf32, #nn.axis<token>>
}

func.func @gradient_odd(
    %gradient: tensor<?xf32, #nn.axis<token>> {nn.name = "gradient", nn.source = "input:gradient"},
    %entropy_gradient: tensor<?xf32, #nn.axis<token>> {nn.name = "entropy_gradient", nn.source = "input:entropy_gradient"},
    %hidden: tensor<?x264xbf16, #nn.axis<token>> {nn.name = "hidden", nn.source = "input:hidden"},
    %weight: tensor<1000x264xbf16> {nn.name = "weight", nn.source = "input:weight"},
    %targets: tensor<?xi32, #nn.axis<token>> {nn.name = "targets", nn.source = "input:targets"},
    %into: tensor<1000x264xf32> {nn.name = "into", nn.source = "input:into"})
    -> (tensor<?xf32, #nn.axis<token>> {nn.name = "logprob", nn.source = "output:logprob"}, tensor<?xf32, #nn.axis<token>> {nn.name = "entropy", nn.source = "output:entropy"}, tensor<?x264xbf16, #nn.axis<token>> {nn.name = "hidden_gradient", nn.source = "output:hidden_gradient"}, tensor<1000x264xf32> {nn.name = "weight_gradient", nn.source = "output:weight_gradient"})
    attributes {nn.kind = "plain", nn.capacities = {token = 512 : i64, sequence = 1 : i64, group = 1 : i64}} {
  %logprob, %lse, %entropy = nn.linear_logprob %hidden, %weight, %targets {temperature = 0.7 : f32} : (tensor<?x264xbf16, #nn.axis<token>>, tensor<1000x264xbf16>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %hidden_gradient, %weight_gradient = nn.linear_logprob_grad %gradient, %hidden, %weight, %targets, %lse into(%into)
      entropy(%entropy_gradient, %entropy) {temperature = 0.7 : f32}
      : (tensor<?xf32, #nn.axis<token>>, tensor<?x264xbf16, #nn.axis<token>>, tensor<1000x264xbf16>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<1000x264xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>) -> (tensor<?x264xbf16, #nn.axis<token>>, tensor<1000x264xf32>)
  return %logprob, %entropy, %hidden_gradient, %weight_gradient : tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x264xbf16, #nn.axis<token>>, tensor<1000x264xf32>
}

func.func @sample_large(
    %hidden: tensor<?x896xbf16, #nn.axis<token>> {nn.name = "hidden", nn.source = "input:hidden"},
    %weight: tensor<4096x896xbf16> {nn.name = "weight", nn.source = "input:weight"},
    %ids: tensor<?xi64, #nn.axis<token>> {nn.name = "ids", nn.source = "input:ids"},
    %steps: tensor<?xi32, #nn.axis<token>> {nn.name = "steps", nn.source = "input:steps"},
    %seed: tensor<i64> {nn.name = "seed", nn.source = "input:seed"},
    %temperature: tensor<f32> {nn.name = "temperature", nn.source = "input:temperature"},
    %top_k: tensor<i32> {nn.name = "top_k", nn.source = "input:top_k"},
    %top_p: tensor<f32> {nn.name = "top_p", nn.source = "input:top_p"})
    -> (tensor<?xi32, #nn.axis<token>> {nn.name = "token", nn.source = "output:token"}, tensor<?xf32, #nn.axis<token>> {nn.name = "sampled", nn.source = "output:sampled"}, tensor<?xf32, #nn.axis<token>> {nn.name = "logprob", nn.source = "output:logprob"}, tensor<?xf32, #nn.axis<token>> {nn.name = "lse", nn.source = "output:lse"})
    attributes {nn.kind = "plain", nn.capacities = {token = 512 : i64, sequence = 1 : i64, group = 1 : i64}} {
  %z = nn.linear %hidden, %weight : (tensor<?x896xbf16, #nn.axis<token>>, tensor<4096x896xbf16>) -> tensor<?x4096xf32, #nn.axis<token>>
  %token, %sampled = nn.sample %z, %ids, %steps, %seed, %temperature, %top_k, %top_p
      : (tensor<?x4096xf32, #nn.axis<token>>, tensor<?xi64, #nn.axis<token>>, tensor<?xi32, #nn.axis<token>>, tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %logprob, %lse = nn.linear_logprob %hidden, %weight, %token : (tensor<?x896xbf16, #nn.axis<token>>, tensor<4096x896xbf16>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  return %token, %sampled, %logprob, %lse : tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>
}

func.func @gradient_large(
    %gradient: tensor<?xf32, #nn.axis<token>> {nn.name = "gradient", nn.source = "input:gradient"},
    %entropy_gradient: tensor<?xf32, #nn.axis<token>> {nn.name = "entropy_gradient", nn.source = "input:entropy_gradient"},
    %hidden: tensor<?x896xbf16, #nn.axis<token>> {nn.name = "hidden", nn.source = "input:hidden"},
    %weight: tensor<4096x896xbf16> {nn.name = "weight", nn.source = "input:weight"},
    %targets: tensor<?xi32, #nn.axis<token>> {nn.name = "targets", nn.source = "input:targets"},
    %into: tensor<4096x896xf32> {nn.name = "into", nn.source = "input:into"})
    -> (tensor<?xf32, #nn.axis<token>> {nn.name = "logprob", nn.source = "output:logprob"}, tensor<?xf32, #nn.axis<token>> {nn.name = "entropy", nn.source = "output:entropy"}, tensor<?x896xbf16, #nn.axis<token>> {nn.name = "hidden_gradient", nn.source = "output:hidden_gradient"}, tensor<4096x896xf32> {nn.name = "weight_gradient", nn.source = "output:weight_gradient"})
    attributes {nn.kind = "plain", nn.capacities = {token = 512 : i64, sequence = 1 : i64, group = 1 : i64}} {
  %logprob, %lse, %entropy = nn.linear_logprob %hidden, %weight, %targets {temperature = 0.7 : f32} : (tensor<?x896xbf16, #nn.axis<token>>, tensor<4096x896xbf16>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %hidden_gradient, %weight_gradient = nn.linear_logprob_grad %gradient, %hidden, %weight, %targets, %lse into(%into)
      entropy(%entropy_gradient, %entropy) {temperature = 0.7 : f32}
      : (tensor<?xf32, #nn.axis<token>>, tensor<?x896xbf16, #nn.axis<token>>, tensor<4096x896xbf16>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<4096x896xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>) -> (tensor<?x896xbf16, #nn.axis<token>>, tensor<4096x896xf32>)
  return %logprob, %entropy, %hidden_gradient, %weight_gradient : tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x896xbf16, #nn.axis<token>>, tensor<4096x896xf32>
}

func.func @gradient_chunks(
    %gradient: tensor<?xf32, #nn.axis<token>> {nn.name = "gradient", nn.source = "input:gradient"},
    %entropy_gradient: tensor<?xf32, #nn.axis<token>> {nn.name = "entropy_gradient", nn.source = "input:entropy_gradient"},
    %hidden: tensor<?x136xbf16, #nn.axis<token>> {nn.name = "hidden", nn.source = "input:hidden"},
    %weight: tensor<4104x136xbf16> {nn.name = "weight", nn.source = "input:weight"},
    %targets: tensor<?xi32, #nn.axis<token>> {nn.name = "targets", nn.source = "input:targets"},
    %into: tensor<4104x136xf32> {nn.name = "into", nn.source = "input:into"})
    -> (tensor<?xf32, #nn.axis<token>> {nn.name = "logprob", nn.source = "output:logprob"}, tensor<?xf32, #nn.axis<token>> {nn.name = "entropy", nn.source = "output:entropy"}, tensor<?x136xbf16, #nn.axis<token>> {nn.name = "hidden_gradient", nn.source = "output:hidden_gradient"}, tensor<4104x136xf32> {nn.name = "weight_gradient", nn.source = "output:weight_gradient"})
    attributes {nn.kind = "plain", nn.capacities = {token = 65536 : i64, sequence = 1 : i64, group = 1 : i64}} {
  %logprob, %lse, %entropy = nn.linear_logprob %hidden, %weight, %targets {temperature = 0.7 : f32} : (tensor<?x136xbf16, #nn.axis<token>>, tensor<4104x136xbf16>, tensor<?xi32, #nn.axis<token>>) -> (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>)
  %hidden_gradient, %weight_gradient = nn.linear_logprob_grad %gradient, %hidden, %weight, %targets, %lse into(%into)
      entropy(%entropy_gradient, %entropy) {temperature = 0.7 : f32}
      : (tensor<?xf32, #nn.axis<token>>, tensor<?x136xbf16, #nn.axis<token>>, tensor<4104x136xbf16>, tensor<?xi32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<4104x136xf32>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>) -> (tensor<?x136xbf16, #nn.axis<token>>, tensor<4104x136xf32>)
  return %logprob, %entropy, %hidden_gradient, %weight_gradient : tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?x136xbf16, #nn.axis<token>>, tensor<4104x136xf32>
}
