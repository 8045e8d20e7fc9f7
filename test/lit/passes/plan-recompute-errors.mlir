// plan-recompute: a budget that cannot be met.
// RUN: mirl-opt %s --plan-recompute='budget=12287' -split-input-file -verify-diagnostics

// Three values of 4096 bytes are live at each product, whatever is computed again.
!rows = tensor<?x64xf32, #nn.axis<context>>
!w = tensor<64x64xf32>
// expected-error @+1 {{'f' needs at least 12288 bytes of transient memory after recomputing 1 ops, but the budget is 12287: raise it, or lower the micro-batch's tokens}}
func.func @f(%x: !rows, %w: !w) -> !rows attributes {nn.capacities = {context = 16 : i64}} {
  %a = nn.unary exp %x : !rows
  %b = nn.unary neg %x : !rows
  %y = nn.linear %b, %w : (!rows, !w) -> !rows
  %z = nn.linear %y, %w residual(%b) : (!rows, !w, !rows) -> !rows
  %c = nn.binary mul %a, %z : !rows
  return %c : !rows
}

// -----

// The first product is computed again; three values are live at the last one.
!rows = tensor<?x64xf32, #nn.axis<context>>
!w = tensor<64x64xf32>
// expected-error @+1 {{'f' needs at least 12288 bytes of transient memory after recomputing 1 ops, but the budget is 12287}}
func.func @f(%x: !rows, %w: !w) -> !rows attributes {nn.capacities = {context = 16 : i64}} {
  %a = nn.linear %x, %w : (!rows, !w) -> !rows
  %b = nn.linear %a, %w : (!rows, !w) -> !rows
  %y = nn.linear %b, %w : (!rows, !w) -> !rows
  %z = nn.linear %y, %w residual(%b) : (!rows, !w, !rows) -> !rows
  %c = nn.binary mul %a, %z : !rows
  return %c : !rows
}

// -----

// The same rows fit in two thirds of the capacity.
!rows = tensor<?x64xf32, #nn.axis<context>>
!w = tensor<64x64xf32>
func.func @f(%x: !rows, %w: !w) -> !rows attributes {nn.capacities = {context = 10 : i64}} {
  %a = nn.unary exp %x : !rows
  %b = nn.unary neg %x : !rows
  %y = nn.linear %b, %w : (!rows, !w) -> !rows
  %z = nn.linear %y, %w residual(%b) : (!rows, !w, !rows) -> !rows
  %c = nn.binary mul %a, %z : !rows
  return %c : !rows
}
