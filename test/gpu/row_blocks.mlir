// Sums over rows of bf16 in blocks of 128 rows (passes/cuda/RowBlockSchedules.cpp), for compare.py. 40 columns are no whole lanes.

!x40 = tensor<?x40xbf16, #nn.axis<context>>
!x96 = tensor<?x96xbf16, #nn.axis<context>>
!factors = tensor<?xf32, #nn.axis<context>>

func.func @sums_40(%g: !x40 {nn.name = "g", nn.source = "input:g"}, %x: !x40 {nn.name = "x", nn.source = "input:x"},
    %factors: !factors {nn.name = "factors", nn.source = "input:factors"},
    %a: tensor<40xf32> {nn.name = "a", nn.source = "input:a"}, %b: tensor<40xf32> {nn.name = "b", nn.source = "input:b"})
    -> (tensor<40xf32> {nn.name = "columns", nn.source = "output:columns"}, tensor<40xf32> {nn.name = "norm", nn.source = "output:norm"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 1 : i64}} {
  %0 = nn.column_sum %g, %a : (!x40, tensor<40xf32>) -> tensor<40xf32>
  %1 = nn.rms_norm_weight_grad %g, %x, %factors, %b : (!x40, !x40, !factors, tensor<40xf32>) -> tensor<40xf32>
  return %0, %1 : tensor<40xf32>, tensor<40xf32>
}

func.func @sums_96(%g: !x96 {nn.name = "g", nn.source = "input:g"}, %x: !x96 {nn.name = "x", nn.source = "input:x"},
    %factors: !factors {nn.name = "factors", nn.source = "input:factors"},
    %a: tensor<96xf32> {nn.name = "a", nn.source = "input:a"}, %b: tensor<96xf32> {nn.name = "b", nn.source = "input:b"})
    -> (tensor<96xf32> {nn.name = "columns", nn.source = "output:columns"}, tensor<96xf32> {nn.name = "norm", nn.source = "output:norm"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64, sequence = 1 : i64}} {
  %0 = nn.column_sum %g, %a : (!x96, tensor<96xf32>) -> tensor<96xf32>
  %1 = nn.rms_norm_weight_grad %g, %x, %factors, %b : (!x96, !x96, !factors, tensor<96xf32>) -> tensor<96xf32>
  return %0, %1 : tensor<96xf32>, tensor<96xf32>
}
