// Updates and norms of several tensors keep their numbers in registers, whatever the tail of a tensor: of whole 16 bytes, of single
// numbers, and where a tensor is nothing but a tail.
// REQUIRES: ptxas
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 -o %t.plan 2>&1 | FileCheck %s
// CHECK-NOT: {{error|warning}}
// CHECK: mirlc: 4 entries

func.func @updates_8192(%s: tensor<f32> {nn.name = "s", nn.source = "input:s"}, %a: tensor<8192xf32> {nn.name = "a", nn.source = "input:a"}, %b: tensor<8192xf32> {nn.name = "b", nn.source = "input:b"}, %c: tensor<8192xf32> {nn.name = "c", nn.source = "input:c"}, %d: tensor<8192xf32> {nn.name = "d", nn.source = "input:d"})
    -> (tensor<8192xbf16> {nn.name = "ra", nn.source = "output:ra"}, tensor<8192xbf16> {nn.name = "rb", nn.source = "output:rb"}, tensor<8192xf32> {nn.name = "rc", nn.source = "output:rc"}, tensor<8192xf32> {nn.name = "rd", nn.source = "output:rd"},
        tensor<f32> {nn.name = "norm", nn.source = "output:norm"})
    attributes {nn.kind = "plain", nn.capacities = {}} {
  %ua:4 = nn.adamw %a, %a, %a, %a, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (tensor<8192xf32>, tensor<8192xf32>, tensor<8192xf32>, tensor<8192xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<8192xf32>, tensor<8192xf32>, tensor<8192xf32>, tensor<8192xbf16>)
  %ub:4 = nn.adamw %b, %b, %b, %b, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (tensor<8192xf32>, tensor<8192xf32>, tensor<8192xf32>, tensor<8192xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<8192xf32>, tensor<8192xf32>, tensor<8192xf32>, tensor<8192xbf16>)
  %uc:3 = nn.adamw %c, %c, %c, %c, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (tensor<8192xf32>, tensor<8192xf32>, tensor<8192xf32>, tensor<8192xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<8192xf32>, tensor<8192xf32>, tensor<8192xf32>)
  %ud:3 = nn.adamw %d, %d, %d, %d, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (tensor<8192xf32>, tensor<8192xf32>, tensor<8192xf32>, tensor<8192xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<8192xf32>, tensor<8192xf32>, tensor<8192xf32>)
  %na = nn.squared_norm %a, %s : (tensor<8192xf32>, tensor<f32>) -> tensor<f32>
  %nb = nn.squared_norm %b, %na : (tensor<8192xf32>, tensor<f32>) -> tensor<f32>
  %nc = nn.squared_norm %c, %nb : (tensor<8192xf32>, tensor<f32>) -> tensor<f32>
  %nd = nn.squared_norm %d, %nc : (tensor<8192xf32>, tensor<f32>) -> tensor<f32>
  return %ua#3, %ub#3, %uc#0, %ud#0, %nd : tensor<8192xbf16>, tensor<8192xbf16>, tensor<8192xf32>, tensor<8192xf32>, tensor<f32>
}

func.func @updates_1000(%s: tensor<f32> {nn.name = "s", nn.source = "input:s"}, %a: tensor<1000xf32> {nn.name = "a", nn.source = "input:a"}, %b: tensor<1000xf32> {nn.name = "b", nn.source = "input:b"}, %c: tensor<1000xf32> {nn.name = "c", nn.source = "input:c"}, %d: tensor<1000xf32> {nn.name = "d", nn.source = "input:d"})
    -> (tensor<1000xbf16> {nn.name = "ra", nn.source = "output:ra"}, tensor<1000xbf16> {nn.name = "rb", nn.source = "output:rb"}, tensor<1000xf32> {nn.name = "rc", nn.source = "output:rc"}, tensor<1000xf32> {nn.name = "rd", nn.source = "output:rd"},
        tensor<f32> {nn.name = "norm", nn.source = "output:norm"})
    attributes {nn.kind = "plain", nn.capacities = {}} {
  %ua:4 = nn.adamw %a, %a, %a, %a, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (tensor<1000xf32>, tensor<1000xf32>, tensor<1000xf32>, tensor<1000xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<1000xf32>, tensor<1000xf32>, tensor<1000xf32>, tensor<1000xbf16>)
  %ub:4 = nn.adamw %b, %b, %b, %b, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (tensor<1000xf32>, tensor<1000xf32>, tensor<1000xf32>, tensor<1000xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<1000xf32>, tensor<1000xf32>, tensor<1000xf32>, tensor<1000xbf16>)
  %uc:3 = nn.adamw %c, %c, %c, %c, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (tensor<1000xf32>, tensor<1000xf32>, tensor<1000xf32>, tensor<1000xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<1000xf32>, tensor<1000xf32>, tensor<1000xf32>)
  %ud:3 = nn.adamw %d, %d, %d, %d, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (tensor<1000xf32>, tensor<1000xf32>, tensor<1000xf32>, tensor<1000xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<1000xf32>, tensor<1000xf32>, tensor<1000xf32>)
  %na = nn.squared_norm %a, %s : (tensor<1000xf32>, tensor<f32>) -> tensor<f32>
  %nb = nn.squared_norm %b, %na : (tensor<1000xf32>, tensor<f32>) -> tensor<f32>
  %nc = nn.squared_norm %c, %nb : (tensor<1000xf32>, tensor<f32>) -> tensor<f32>
  %nd = nn.squared_norm %d, %nc : (tensor<1000xf32>, tensor<f32>) -> tensor<f32>
  return %ua#3, %ub#3, %uc#0, %ud#0, %nd : tensor<1000xbf16>, tensor<1000xbf16>, tensor<1000xf32>, tensor<1000xf32>, tensor<f32>
}

func.func @updates_12293(%s: tensor<f32> {nn.name = "s", nn.source = "input:s"}, %a: tensor<12293xf32> {nn.name = "a", nn.source = "input:a"}, %b: tensor<12293xf32> {nn.name = "b", nn.source = "input:b"}, %c: tensor<12293xf32> {nn.name = "c", nn.source = "input:c"}, %d: tensor<12293xf32> {nn.name = "d", nn.source = "input:d"})
    -> (tensor<12293xbf16> {nn.name = "ra", nn.source = "output:ra"}, tensor<12293xbf16> {nn.name = "rb", nn.source = "output:rb"}, tensor<12293xf32> {nn.name = "rc", nn.source = "output:rc"}, tensor<12293xf32> {nn.name = "rd", nn.source = "output:rd"},
        tensor<f32> {nn.name = "norm", nn.source = "output:norm"})
    attributes {nn.kind = "plain", nn.capacities = {}} {
  %ua:4 = nn.adamw %a, %a, %a, %a, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (tensor<12293xf32>, tensor<12293xf32>, tensor<12293xf32>, tensor<12293xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<12293xf32>, tensor<12293xf32>, tensor<12293xf32>, tensor<12293xbf16>)
  %ub:4 = nn.adamw %b, %b, %b, %b, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (tensor<12293xf32>, tensor<12293xf32>, tensor<12293xf32>, tensor<12293xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<12293xf32>, tensor<12293xf32>, tensor<12293xf32>, tensor<12293xbf16>)
  %uc:3 = nn.adamw %c, %c, %c, %c, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (tensor<12293xf32>, tensor<12293xf32>, tensor<12293xf32>, tensor<12293xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<12293xf32>, tensor<12293xf32>, tensor<12293xf32>)
  %ud:3 = nn.adamw %d, %d, %d, %d, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (tensor<12293xf32>, tensor<12293xf32>, tensor<12293xf32>, tensor<12293xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<12293xf32>, tensor<12293xf32>, tensor<12293xf32>)
  %na = nn.squared_norm %a, %s : (tensor<12293xf32>, tensor<f32>) -> tensor<f32>
  %nb = nn.squared_norm %b, %na : (tensor<12293xf32>, tensor<f32>) -> tensor<f32>
  %nc = nn.squared_norm %c, %nb : (tensor<12293xf32>, tensor<f32>) -> tensor<f32>
  %nd = nn.squared_norm %d, %nc : (tensor<12293xf32>, tensor<f32>) -> tensor<f32>
  return %ua#3, %ub#3, %uc#0, %ud#0, %nd : tensor<12293xbf16>, tensor<12293xbf16>, tensor<12293xf32>, tensor<12293xf32>, tensor<f32>
}

func.func @updates_7(%s: tensor<f32> {nn.name = "s", nn.source = "input:s"}, %a: tensor<7xf32> {nn.name = "a", nn.source = "input:a"}, %b: tensor<7xf32> {nn.name = "b", nn.source = "input:b"}, %c: tensor<7xf32> {nn.name = "c", nn.source = "input:c"}, %d: tensor<7xf32> {nn.name = "d", nn.source = "input:d"})
    -> (tensor<7xbf16> {nn.name = "ra", nn.source = "output:ra"}, tensor<7xbf16> {nn.name = "rb", nn.source = "output:rb"}, tensor<7xf32> {nn.name = "rc", nn.source = "output:rc"}, tensor<7xf32> {nn.name = "rd", nn.source = "output:rd"},
        tensor<f32> {nn.name = "norm", nn.source = "output:norm"})
    attributes {nn.kind = "plain", nn.capacities = {}} {
  %ua:4 = nn.adamw %a, %a, %a, %a, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (tensor<7xf32>, tensor<7xf32>, tensor<7xf32>, tensor<7xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<7xf32>, tensor<7xf32>, tensor<7xf32>, tensor<7xbf16>)
  %ub:4 = nn.adamw %b, %b, %b, %b, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (tensor<7xf32>, tensor<7xf32>, tensor<7xf32>, tensor<7xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<7xf32>, tensor<7xf32>, tensor<7xf32>, tensor<7xbf16>)
  %uc:3 = nn.adamw %c, %c, %c, %c, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (tensor<7xf32>, tensor<7xf32>, tensor<7xf32>, tensor<7xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<7xf32>, tensor<7xf32>, tensor<7xf32>)
  %ud:3 = nn.adamw %d, %d, %d, %d, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.95 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (tensor<7xf32>, tensor<7xf32>, tensor<7xf32>, tensor<7xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<7xf32>, tensor<7xf32>, tensor<7xf32>)
  %na = nn.squared_norm %a, %s : (tensor<7xf32>, tensor<f32>) -> tensor<f32>
  %nb = nn.squared_norm %b, %na : (tensor<7xf32>, tensor<f32>) -> tensor<f32>
  %nc = nn.squared_norm %c, %nb : (tensor<7xf32>, tensor<f32>) -> tensor<f32>
  %nd = nn.squared_norm %d, %nc : (tensor<7xf32>, tensor<f32>) -> tensor<f32>
  return %ua#3, %ub#3, %uc#0, %ud#0, %nd : tensor<7xbf16>, tensor<7xbf16>, tensor<7xf32>, tensor<7xf32>, tensor<f32>
}
