// Maths on values that know their scope: every kind, at every scope.
// RUN: mirl-opt %s | mirl-opt | FileCheck %s
// RUN: mirl-opt %s --mlir-print-op-generic | mirl-opt | FileCheck %s
// RUN: mirl-opt %s --mlir-print-op-generic | FileCheck %s --check-prefix=GENERIC

// CHECK-LABEL: func.func @unary
// CHECK-SAME: (%[[X:.*]]: !rl.per<token, f32>)
// GENERIC-LABEL: sym_name = "unary"
func.func @unary(%x: !rl.per<token, f32>) {
  // CHECK-NEXT: rl.unary neg %[[X]] : <token, f32>
  // GENERIC: "rl.unary"({{.*}}) <{kind = #rl<unary_kind neg>}> : (!rl.per<token, f32>) -> !rl.per<token, f32>
  %0 = rl.unary neg %x : !rl.per<token, f32>
  // CHECK-NEXT: rl.unary exp %[[X]] : <token, f32>
  // GENERIC: "rl.unary"({{.*}}) <{kind = #rl<unary_kind exp>}> : (!rl.per<token, f32>) -> !rl.per<token, f32>
  %1 = rl.unary exp %x : !rl.per<token, f32>
  // CHECK-NEXT: rl.unary log %[[X]] : <token, f32>
  // GENERIC: "rl.unary"({{.*}}) <{kind = #rl<unary_kind log>}> : (!rl.per<token, f32>) -> !rl.per<token, f32>
  %2 = rl.unary log %x : !rl.per<token, f32>
  // CHECK-NEXT: rl.unary sqrt %[[X]] : <token, f32>
  // GENERIC: "rl.unary"({{.*}}) <{kind = #rl<unary_kind sqrt>}> : (!rl.per<token, f32>) -> !rl.per<token, f32>
  %3 = rl.unary sqrt %x : !rl.per<token, f32>
  // CHECK-NEXT: rl.unary abs %[[X]] : <token, f32>
  // GENERIC: "rl.unary"({{.*}}) <{kind = #rl<unary_kind abs>}> : (!rl.per<token, f32>) -> !rl.per<token, f32>
  %4 = rl.unary abs %x : !rl.per<token, f32>
  // CHECK-NEXT: rl.unary sigmoid %[[X]] : <token, f32>
  // GENERIC: "rl.unary"({{.*}}) <{kind = #rl<unary_kind sigmoid>}> : (!rl.per<token, f32>) -> !rl.per<token, f32>
  %5 = rl.unary sigmoid %x : !rl.per<token, f32>
  // CHECK-NEXT: rl.unary tanh %[[X]] : <token, f32>
  // GENERIC: "rl.unary"({{.*}}) <{kind = #rl<unary_kind tanh>}> : (!rl.per<token, f32>) -> !rl.per<token, f32>
  %6 = rl.unary tanh %x : !rl.per<token, f32>
  // CHECK-NEXT: rl.unary log_sigmoid %[[X]] : <token, f32>
  // GENERIC: "rl.unary"({{.*}}) <{kind = #rl<unary_kind log_sigmoid>}> : (!rl.per<token, f32>) -> !rl.per<token, f32>
  %7 = rl.unary log_sigmoid %x : !rl.per<token, f32>
  // CHECK-NEXT: rl.unary square %[[X]] : <token, f32>
  // GENERIC: "rl.unary"({{.*}}) <{kind = #rl<unary_kind square>}> : (!rl.per<token, f32>) -> !rl.per<token, f32>
  %8 = rl.unary square %x : !rl.per<token, f32>
  return
}

// CHECK-LABEL: func.func @binary
// CHECK-SAME: (%[[X:.*]]: !rl.per<sequence, f32>, %[[Y:.*]]: !rl.per<sequence, f32>)
// GENERIC-LABEL: sym_name = "binary"
func.func @binary(%x: !rl.per<sequence, f32>, %y: !rl.per<sequence, f32>) {
  // CHECK-NEXT: rl.binary add %[[X]], %[[Y]] : <sequence, f32>
  // GENERIC: "rl.binary"({{.*}}) <{kind = #rl<binary_kind add>}>
  %0 = rl.binary add %x, %y : !rl.per<sequence, f32>
  // CHECK-NEXT: rl.binary sub %[[X]], %[[Y]] : <sequence, f32>
  // GENERIC: "rl.binary"({{.*}}) <{kind = #rl<binary_kind sub>}>
  %1 = rl.binary sub %x, %y : !rl.per<sequence, f32>
  // CHECK-NEXT: rl.binary mul %[[X]], %[[Y]] : <sequence, f32>
  // GENERIC: "rl.binary"({{.*}}) <{kind = #rl<binary_kind mul>}>
  %2 = rl.binary mul %x, %y : !rl.per<sequence, f32>
  // CHECK-NEXT: rl.binary div %[[X]], %[[Y]] : <sequence, f32>
  // GENERIC: "rl.binary"({{.*}}) <{kind = #rl<binary_kind div>}>
  %3 = rl.binary div %x, %y : !rl.per<sequence, f32>
  // CHECK-NEXT: rl.binary min %[[X]], %[[Y]] : <sequence, f32>
  // GENERIC: "rl.binary"({{.*}}) <{kind = #rl<binary_kind min>}>
  %4 = rl.binary min %x, %y : !rl.per<sequence, f32>
  // CHECK-NEXT: rl.binary max %[[X]], %[[Y]] : <sequence, f32>
  // GENERIC: "rl.binary"({{.*}}) <{kind = #rl<binary_kind max>}>
  %5 = rl.binary max %x, %y : !rl.per<sequence, f32>
  return
}

// CHECK-LABEL: func.func @compare
// CHECK-SAME: (%[[X:.*]]: !rl.per<group, f32>, %[[Y:.*]]: !rl.per<group, f32>)
// GENERIC-LABEL: sym_name = "compare"
func.func @compare(%x: !rl.per<group, f32>, %y: !rl.per<group, f32>) {
  // CHECK-NEXT: rl.compare eq %[[X]], %[[Y]] : <group, f32>
  // GENERIC: "rl.compare"({{.*}}) <{kind = #rl<compare_kind eq>}>
  %0 = rl.compare eq %x, %y : !rl.per<group, f32>
  // CHECK-NEXT: rl.compare ne %[[X]], %[[Y]] : <group, f32>
  // GENERIC: "rl.compare"({{.*}}) <{kind = #rl<compare_kind ne>}>
  %1 = rl.compare ne %x, %y : !rl.per<group, f32>
  // CHECK-NEXT: rl.compare lt %[[X]], %[[Y]] : <group, f32>
  // GENERIC: "rl.compare"({{.*}}) <{kind = #rl<compare_kind lt>}>
  %2 = rl.compare lt %x, %y : !rl.per<group, f32>
  // CHECK-NEXT: rl.compare le %[[X]], %[[Y]] : <group, f32>
  // GENERIC: "rl.compare"({{.*}}) <{kind = #rl<compare_kind le>}>
  %3 = rl.compare le %x, %y : !rl.per<group, f32>
  // CHECK-NEXT: rl.compare gt %[[X]], %[[Y]] : <group, f32>
  // GENERIC: "rl.compare"({{.*}}) <{kind = #rl<compare_kind gt>}>
  %4 = rl.compare gt %x, %y : !rl.per<group, f32>
  // CHECK-NEXT: rl.compare ge %[[X]], %[[Y]] : <group, f32>
  // GENERIC: "rl.compare"({{.*}}) <{kind = #rl<compare_kind ge>}>
  %5 = rl.compare ge %x, %y : !rl.per<group, f32>
  // CHECK-NEXT: rl.select %[[X]], %[[Y]], %[[X]] : <group, f32>
  %6 = rl.select %x, %y, %x : !rl.per<group, f32>
  // CHECK-NEXT: rl.stop_gradient %[[X]] : <group, f32>
  %7 = rl.stop_gradient %x : !rl.per<group, f32>
  return
}

// CHECK-LABEL: func.func @reduce
// GENERIC-LABEL: sym_name = "reduce"
func.func @reduce(%t: !rl.per<token, f32>, %s: !rl.per<sequence, f32>, %g: !rl.per<group, f32>) {
  // CHECK-NEXT: rl.reduce sum %{{.*}} : <token, f32> to <sequence, f32>
  // GENERIC: "rl.reduce"({{.*}}) <{kind = #rl<reduce_kind sum>}> : (!rl.per<token, f32>) -> !rl.per<sequence, f32>
  %0 = rl.reduce sum %t : !rl.per<token, f32> to !rl.per<sequence, f32>
  // CHECK-NEXT: rl.reduce mean %{{.*}} : <token, f32> to <group, f32>
  // GENERIC: "rl.reduce"({{.*}}) <{kind = #rl<reduce_kind mean>}> : (!rl.per<token, f32>) -> !rl.per<group, f32>
  %1 = rl.reduce mean %t : !rl.per<token, f32> to !rl.per<group, f32>
  // CHECK-NEXT: rl.reduce max %{{.*}} : <token, f32> to <batch, f32>
  // GENERIC: "rl.reduce"({{.*}}) <{kind = #rl<reduce_kind max>}> : (!rl.per<token, f32>) -> !rl.per<batch, f32>
  %2 = rl.reduce max %t : !rl.per<token, f32> to !rl.per<batch, f32>
  // CHECK-NEXT: rl.reduce min %{{.*}} : <sequence, f32> to <group, f32>
  // GENERIC: "rl.reduce"({{.*}}) <{kind = #rl<reduce_kind min>}> : (!rl.per<sequence, f32>) -> !rl.per<group, f32>
  %3 = rl.reduce min %s : !rl.per<sequence, f32> to !rl.per<group, f32>
  // CHECK-NEXT: rl.reduce count %{{.*}} : <sequence, f32> to <batch, f32>
  // GENERIC: "rl.reduce"({{.*}}) <{kind = #rl<reduce_kind count>}> : (!rl.per<sequence, f32>) -> !rl.per<batch, f32>
  %4 = rl.reduce count %s : !rl.per<sequence, f32> to !rl.per<batch, f32>
  // CHECK-NEXT: rl.reduce sum %{{.*}} : <group, f32> to <batch, f32>
  // GENERIC: "rl.reduce"({{.*}}) <{kind = #rl<reduce_kind sum>}> : (!rl.per<group, f32>) -> !rl.per<batch, f32>
  %5 = rl.reduce sum %g : !rl.per<group, f32> to !rl.per<batch, f32>
  return
}

// CHECK-LABEL: func.func @spread
func.func @spread(%s: !rl.per<sequence, f32>, %g: !rl.per<group, f32>) {
  // CHECK-NEXT: %[[B:.*]] = rl.constant -2.500000e+00 : !rl.per<batch, f32>
  %b = rl.constant -2.5 : !rl.per<batch, f32>
  // CHECK-NEXT: rl.spread %{{.*}} : <sequence, f32> to <token, f32>
  %0 = rl.spread %s : !rl.per<sequence, f32> to !rl.per<token, f32>
  // CHECK-NEXT: rl.spread %{{.*}} : <group, f32> to <token, f32>
  %1 = rl.spread %g : !rl.per<group, f32> to !rl.per<token, f32>
  // CHECK-NEXT: rl.spread %[[B]] : <batch, f32> to <token, f32>
  %2 = rl.spread %b : !rl.per<batch, f32> to !rl.per<token, f32>
  // CHECK-NEXT: rl.spread %{{.*}} : <group, f32> to <sequence, f32>
  %3 = rl.spread %g : !rl.per<group, f32> to !rl.per<sequence, f32>
  // CHECK-NEXT: rl.spread %[[B]] : <batch, f32> to <sequence, f32>
  %4 = rl.spread %b : !rl.per<batch, f32> to !rl.per<sequence, f32>
  // CHECK-NEXT: rl.spread %[[B]] : <batch, f32> to <group, f32>
  %5 = rl.spread %b : !rl.per<batch, f32> to !rl.per<group, f32>
  return
}
