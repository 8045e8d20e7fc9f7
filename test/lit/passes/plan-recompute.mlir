// plan-recompute: values that lie over the peak and are cheap are computed again behind it.
// RUN: mirl-opt %s --plan-recompute='budget=12288' | FileCheck %s
// RUN: mirl-opt %s --plan-recompute='budget=16384' | FileCheck %s --check-prefix=ROOM
// RUN: mirl-opt %s --plan-recompute | FileCheck %s --check-prefix=ROOM

// 16 rows of 64 numbers are 4096 bytes. At %z the values a, b, y and z are live: 16384 bytes. %a is read only after
// it, so it moves there: then three are live at a time.
// CHECK-LABEL: func.func @moved(
// CHECK-SAME: %[[X:[^ :]+]]: tensor<?x64xf32, #nn.axis<context>>
// CHECK-NEXT: %[[B:.*]] = nn.unary neg %[[X]] : tensor<?x64xf32, #nn.axis<context>>
// CHECK-NEXT: %[[Y:.*]] = nn.linear %[[B]],
// CHECK-NEXT: %[[Z:.*]] = nn.linear %[[Y]], %{{.*}} residual(%[[B]])
// CHECK-NEXT: %[[A:.*]] = nn.unary exp %[[X]] {nn.recomputed} : tensor<?x64xf32, #nn.axis<context>>
// CHECK-NEXT: %[[C:.*]] = nn.binary mul %[[A]], %[[Z]] : tensor<?x64xf32, #nn.axis<context>>
// CHECK-NEXT: return %[[C]]
// ROOM-LABEL: func.func @moved(
// ROOM-NEXT: nn.unary exp
// ROOM-NOT: nn.recomputed
!rows = tensor<?x64xf32, #nn.axis<context>>
!w = tensor<64x64xf32>
func.func @moved(%x: !rows, %w: !w) -> !rows attributes {nn.capacities = {context = 16 : i64}} {
  %a = nn.unary exp %x : !rows
  %b = nn.unary neg %x : !rows
  %y = nn.linear %b, %w : (!rows, !w) -> !rows
  %z = nn.linear %y, %w residual(%b) : (!rows, !w, !rows) -> !rows
  %c = nn.binary mul %a, %z : !rows
  return %c : !rows
}

// A value that is read before the peak too is computed twice: uses before it read the first, those behind it the second.
// CHECK-LABEL: func.func @twice(
// CHECK-SAME: %[[X:[^ :]+]]: tensor<?x64xf32, #nn.axis<context>>
// CHECK-NEXT: %[[A:.*]] = nn.unary exp %[[X]] : tensor<?x64xf32, #nn.axis<context>>
// CHECK-NEXT: %[[B:.*]] = nn.linear %[[A]],
// CHECK-NEXT: %[[Y:.*]] = nn.linear %[[B]],
// CHECK-NEXT: %[[Z:.*]] = nn.linear %[[Y]], %{{.*}} residual(%[[B]])
// CHECK-NEXT: %[[A2:.*]] = nn.unary exp %[[X]] {nn.recomputed} : tensor<?x64xf32, #nn.axis<context>>
// CHECK-NEXT: %[[C:.*]] = nn.binary mul %[[A2]], %[[Z]] : tensor<?x64xf32, #nn.axis<context>>
// CHECK-NEXT: return %[[C]]
func.func @twice(%x: !rows, %w: !w) -> !rows attributes {nn.capacities = {context = 16 : i64}} {
  %a = nn.unary exp %x : !rows
  %b = nn.linear %a, %w : (!rows, !w) -> !rows
  %y = nn.linear %b, %w : (!rows, !w) -> !rows
  %z = nn.linear %y, %w residual(%b) : (!rows, !w, !rows) -> !rows
  %c = nn.binary mul %a, %z : !rows
  return %c : !rows
}

// What is read only to compute it again is computed again with it: keeping %s instead of %a would free nothing.
// CHECK-LABEL: func.func @chain(
// CHECK-SAME: %[[X:[^ :]+]]: tensor<?x64xf32, #nn.axis<context>>
// CHECK-NEXT: %[[S:.*]] = nn.unary exp %[[X]] : tensor<?x64xf32, #nn.axis<context>>
// CHECK-NEXT: %[[A:.*]] = nn.binary mul %[[S]], %[[X]] : tensor<?x64xf32, #nn.axis<context>>
// CHECK-NEXT: %[[B:.*]] = nn.linear %[[A]],
// CHECK-NEXT: %[[Y:.*]] = nn.linear %[[B]],
// CHECK-NEXT: %[[Z:.*]] = nn.linear %[[Y]], %{{.*}} residual(%[[B]])
// CHECK-NEXT: %[[S2:.*]] = nn.unary exp %[[X]] {nn.recomputed} : tensor<?x64xf32, #nn.axis<context>>
// CHECK-NEXT: %[[A2:.*]] = nn.binary mul %[[S2]], %[[X]] {nn.recomputed} : tensor<?x64xf32, #nn.axis<context>>
// CHECK-NEXT: %[[C:.*]] = nn.binary mul %[[A2]], %[[Z]] : tensor<?x64xf32, #nn.axis<context>>
// CHECK-NEXT: return %[[C]]
func.func @chain(%x: !rows, %w: !w) -> !rows attributes {nn.capacities = {context = 16 : i64}} {
  %s = nn.unary exp %x : !rows
  %a = nn.binary mul %s, %x : !rows
  %b = nn.linear %a, %w : (!rows, !w) -> !rows
  %y = nn.linear %b, %w : (!rows, !w) -> !rows
  %z = nn.linear %y, %w residual(%b) : (!rows, !w, !rows) -> !rows
  %c = nn.binary mul %a, %z : !rows
  return %c : !rows
}

// What has to live longer for a chain counts once, however often it is read: %l instead of %a is enough here.
// CHECK-LABEL: func.func @kept_once(
// CHECK-COUNT-3: nn.linear
// CHECK: nn.binary mul %[[L:.*]], %[[L]] {nn.recomputed}
// CHECK-NEXT: nn.cast %{{.*}} {nn.recomputed}
!narrow = tensor<?x64xbf16, #nn.axis<context>>
!wn = tensor<64x64xbf16>
func.func @kept_once(%x: !narrow, %wn: !wn, %w: !w) -> (!rows, !rows) attributes {nn.capacities = {context = 19 : i64}} {
  %l = nn.linear %x, %wn : (!narrow, !wn) -> !narrow
  %m = nn.binary mul %l, %l : !narrow
  %a = nn.cast %m : (!narrow) -> !rows
  %b = nn.linear %a, %w : (!rows, !w) -> !rows
  %z = nn.linear %b, %w residual(%b) : (!rows, !w, !rows) -> !rows
  return %z, %a : !rows, !rows
}

// Products are computed again only where what is cheaper does not suffice: here %a alone would.
// CHECK-LABEL: func.func @cheap_first(
// CHECK: nn.linear %{{.*}}, %{{.*}} residual
// CHECK-NEXT: nn.unary exp %{{.*}} {nn.recomputed}
// CHECK-NOT: nn.linear
// CHECK: return
func.func @cheap_first(%x: !rows, %w: !w) -> !rows attributes {nn.capacities = {context = 12 : i64}} {
  %p = nn.linear %x, %w : (!rows, !w) -> !rows
  %a = nn.unary exp %x : !rows
  %b = nn.unary neg %x : !rows
  %y = nn.linear %b, %w : (!rows, !w) -> !rows
  %z = nn.linear %y, %w residual(%b) : (!rows, !w, !rows) -> !rows
  %c = nn.binary mul %a, %z : !rows
  %d = nn.binary mul %p, %c : !rows
  return %d : !rows
}
// CHECK-LABEL: func.func @product(
// CHECK: nn.linear %{{.*}}, %{{.*}} residual
// CHECK-NEXT: nn.linear %{{.*}} {nn.recomputed}
func.func @product(%x: !rows, %w: !w) -> !rows attributes {nn.capacities = {context = 16 : i64}} {
  %p = nn.linear %x, %w : (!rows, !w) -> !rows
  %b = nn.unary neg %x : !rows
  %y = nn.linear %b, %w : (!rows, !w) -> !rows
  %z = nn.linear %y, %w residual(%b) : (!rows, !w, !rows) -> !rows
  %d = nn.binary mul %p, %z : !rows
  return %d : !rows
}

// A model is left alone: it has no capacities, and its entries are what is planned.
// CHECK-LABEL: func.func private @model(
// CHECK-NOT: nn.recomputed
func.func private @model(%x: !rows, %w: !w) -> !rows attributes {nn.model} {
  %a = nn.unary exp %x : !rows
  %b = nn.linear %x, %w : (!rows, !w) -> !rows
  %c = nn.binary mul %a, %b : !rows
  return %c : !rows
}
