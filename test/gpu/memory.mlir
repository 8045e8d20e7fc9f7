// A plan whose memory is what prepare.sh says by its capacity, 2 KiB a row, for refusals.py.

!rows = tensor<?x1024xbf16, #nn.axis<context>>

func.func @sums(%ids: tensor<?xi32, #nn.axis<context>> {nn.name = "ids", nn.source = "input:ids"},
    %table: tensor<16x1024xbf16> {nn.name = "table", nn.source = "input:table"},
    %into: tensor<1024xf32> {nn.name = "into", nn.source = "input:into"})
    -> (tensor<1024xf32> {nn.name = "sums", nn.source = "output:sums"})
    attributes {nn.kind = "plain", nn.capacities = {context = 1024 : i64, sequence = 1 : i64}} {
  %0 = nn.embedding %table, %ids : (tensor<16x1024xbf16>, tensor<?xi32, #nn.axis<context>>) -> !rows
  %1 = nn.column_sum %0, %into : (!rows, tensor<1024xf32>) -> tensor<1024xf32>
  return %1 : tensor<1024xf32>
}
