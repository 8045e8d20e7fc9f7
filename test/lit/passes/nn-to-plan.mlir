// nn-to-plan: which slice a value has. A variable is a buffer, a port an input, any other value an alloc.
// RUN: mirl-opt %s --nn-to-plan | FileCheck %s
// RUN: mirl-opt %s --nn-to-plan | FileCheck %s --check-prefix=KERNELS

// Variables stay: the plan's list of weights is made from them. One kernel for equal launches.
// CHECK: nn.variable @w "weight" "pi" "w" init "ones" : tensor<4x4xf32>
// CHECK: func.func private @helper()
// CHECK-NOT: func.func
// KERNELS: plan.constant @constant.0 dense<5.000000e-01> : tensor<8x4xf32>
// KERNELS-NOT: plan.constant
// KERNELS: module @kernels {
// KERNELS: llvm.func @linear_weight_grad{{.*}}(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64) {
// KERNELS-NOT: llvm.func @linear_weight_grad
// KERNELS: llvm.func @rotary
// KERNELS-NOT: llvm.func @rotary

nn.variable @w "weight" "pi" "w" init "ones" : tensor<4x4xf32>
nn.variable @dw "gradient" "pi" "w" init "zeros" : tensor<4x4xf32>
nn.variable @a "state" "pi" "" init "zeros" : tensor<f32>
nn.variable @b "state" "pi" "" init "zeros" : tensor<f32>
!rows = tensor<?x4xf32, #nn.axis<context>>

// Sums into a variable that ends as its own new value are done in its buffer: no slice, no copy. Both launches share a kernel.
// CHECK-LABEL: plan.entry @update "micro" {context = 8 : i64} {
// CHECK-NEXT: %[[V0:.*]] = plan.input "g" from "input:g" : <tensor<?x4xf32, #nn.axis<context>>>
// CHECK-NEXT: %[[V1:.*]] = plan.buffer @dw : <tensor<4x4xf32>>
// CHECK-NEXT: plan.launch @{{.*}} reads(%[[V0]], %[[V0]] : !plan.slice<tensor<?x4xf32, #nn.axis<context>>>, !plan.slice<tensor<?x4xf32, #nn.axis<context>>>)
// CHECK-SAME: writes(%[[V1]] : !plan.slice<tensor<4x4xf32>>)
// CHECK-SAME: op = "nn.linear_weight_grad", updates = array<i64: 0>}
// CHECK-NEXT: plan.launch @{{.*}} reads(%[[V0]], %[[V0]] : !plan.slice<tensor<?x4xf32, #nn.axis<context>>>, !plan.slice<tensor<?x4xf32, #nn.axis<context>>>)
// CHECK-SAME: writes(%[[V1]] : !plan.slice<tensor<4x4xf32>>)
// CHECK-SAME: op = "nn.linear_weight_grad", updates = array<i64: 0>}
// CHECK-NEXT: }
func.func @update(%g: !rows {nn.name = "g", nn.source = "input:g"}, %dw: tensor<4x4xf32> {nn.variable = @dw})
    -> (tensor<4x4xf32> {nn.alias = 1 : i64}) attributes {nn.kind = "micro", nn.capacities = {context = 8 : i64}} {
  %0 = nn.linear_weight_grad %g, %g, %dw : (!rows, !rows, tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = nn.linear_weight_grad %g, %g, %0 : (!rows, !rows, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %1 : tensor<4x4xf32>
}

// A variable that keeps its value is copied first.
// CHECK-LABEL: plan.entry @copied "plain" {context = 8 : i64} {
// CHECK-NEXT: %[[V0:.*]] = plan.input "g" from "input:g" : <tensor<?x4xf32, #nn.axis<context>>>
// CHECK-NEXT: %[[V1:.*]] = plan.buffer @w : <tensor<4x4xf32>>
// CHECK-NEXT: %[[V2:.*]] = plan.alloc "nn.linear_weight_grad" : <tensor<4x4xf32>>
// CHECK-NEXT: plan.copy %[[V1]] to %[[V2]] : <tensor<4x4xf32>>, <tensor<4x4xf32>>
// CHECK-NEXT: plan.launch @{{.*}} reads(%[[V0]], %[[V0]] : !plan.slice<tensor<?x4xf32, #nn.axis<context>>>, !plan.slice<tensor<?x4xf32, #nn.axis<context>>>)
// CHECK-SAME: writes(%[[V2]] : !plan.slice<tensor<4x4xf32>>)
// CHECK-SAME: op = "nn.linear_weight_grad", updates = array<i64: 0>}
// CHECK-NEXT: plan.output "y" from "output:y", %[[V2]] : <tensor<4x4xf32>>
// CHECK-NEXT: }
func.func @copied(%g: !rows {nn.name = "g", nn.source = "input:g"}, %w: tensor<4x4xf32> {nn.variable = @w})
    -> (tensor<4x4xf32> {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  %0 = nn.linear_weight_grad %g, %g, %w : (!rows, !rows, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %0 : tensor<4x4xf32>
}

// What is still needed is staged before variables change places; a port shows the value of its result.
// CHECK-LABEL: plan.entry @swap "plain" {} {
// CHECK-NEXT: %[[V0:.*]] = plan.buffer @a : <tensor<f32>>
// CHECK-NEXT: %[[V1:.*]] = plan.buffer @b : <tensor<f32>>
// CHECK-NEXT: %[[V2:.*]] = plan.alloc "staged" : <tensor<f32>>
// CHECK-NEXT: plan.copy %[[V0]] to %[[V2]] : <tensor<f32>>, <tensor<f32>>
// CHECK-NEXT: %[[V3:.*]] = plan.alloc "staged" : <tensor<f32>>
// CHECK-NEXT: plan.copy %[[V0]] to %[[V3]] : <tensor<f32>>, <tensor<f32>>
// CHECK-NEXT: %[[V4:.*]] = plan.alloc "staged" : <tensor<f32>>
// CHECK-NEXT: plan.copy %[[V1]] to %[[V4]] : <tensor<f32>>, <tensor<f32>>
// CHECK-NEXT: plan.copy %[[V3]] to %[[V1]] : <tensor<f32>>, <tensor<f32>>
// CHECK-NEXT: plan.copy %[[V4]] to %[[V0]] : <tensor<f32>>, <tensor<f32>>
// CHECK-NEXT: plan.output "a" from "output:a", %[[V2]] : <tensor<f32>>
// CHECK-NEXT: }
func.func @swap(%a: tensor<f32> {nn.variable = @a}, %b: tensor<f32> {nn.variable = @b})
    -> (tensor<f32> {nn.alias = 1 : i64}, tensor<f32> {nn.alias = 0 : i64}, tensor<f32> {nn.name = "a", nn.source = "output:a"})
    attributes {nn.kind = "plain", nn.capacities = {}} {
  return %a, %b, %a : tensor<f32>, tensor<f32>, tensor<f32>
}

// A variable whose old value nobody reads is written in place; zeros are a fill.
// CHECK-LABEL: plan.entry @zero "batch" {} {
// CHECK-NEXT: %[[V0:.*]] = plan.buffer @dw : <tensor<4x4xf32>>
// CHECK-NEXT: %[[V1:.*]] = plan.buffer @a : <tensor<f32>>
// CHECK-NEXT: plan.fill %[[V0]] : <tensor<4x4xf32>>
// CHECK-NEXT: plan.launch @{{.*}} reads()
// CHECK-SAME: writes(%[[V1]] : !plan.slice<tensor<f32>>)
// CHECK-SAME: op = "nn.splat", updates = array<i64>}
// CHECK-NEXT: plan.output "one" from "output:one", %[[V1]] : <tensor<f32>>
// CHECK-NEXT: }
func.func @zero(%dw: tensor<4x4xf32> {nn.variable = @dw}, %a: tensor<f32> {nn.variable = @a})
    -> (tensor<4x4xf32> {nn.alias = 0 : i64}, tensor<f32> {nn.alias = 1 : i64, nn.name = "one", nn.source = "output:one"}) attributes {nn.kind = "batch", nn.capacities = {}} {
  %0 = nn.splat 0.0 : tensor<4x4xf32>
  %1 = nn.splat 1.0 : tensor<f32>
  return %0, %1 : tensor<4x4xf32>, tensor<f32>
}

// One zero for many variables: each is filled, none is copied.
// CHECK-LABEL: plan.entry @zeros "batch" {} {
// CHECK-NEXT: %[[V0:.*]] = plan.buffer @a : <tensor<f32>>
// CHECK-NEXT: %[[V1:.*]] = plan.buffer @b : <tensor<f32>>
// CHECK-NEXT: plan.fill %[[V0]] : <tensor<f32>>
// CHECK-NEXT: plan.fill %[[V1]] : <tensor<f32>>
// CHECK-NEXT: }
func.func @zeros(%a: tensor<f32> {nn.variable = @a}, %b: tensor<f32> {nn.variable = @b})
    -> (tensor<f32> {nn.alias = 0 : i64}, tensor<f32> {nn.alias = 1 : i64}) attributes {nn.kind = "batch", nn.capacities = {}} {
  %0 = nn.splat 0.0 : tensor<f32>
  return %0, %0 : tensor<f32>, tensor<f32>
}

// Equal constants are one; a value has a slice.
// CHECK-LABEL: plan.entry @rotate "plain" {context = 8 : i64} {
// CHECK-NEXT: %[[V0:.*]] = plan.input "x" from "input:x" : <tensor<?x4xf32, #nn.axis<context>>>
// CHECK-NEXT: %[[V1:.*]] = plan.input "positions" from "positions" : <tensor<?xi32, #nn.axis<context>>>
// CHECK-NEXT: %[[V2:.*]] = plan.buffer @constant.0 : <tensor<8x4xf32>>
// CHECK-NEXT: %[[V3:.*]] = plan.buffer @constant.0 : <tensor<8x4xf32>>
// CHECK-NEXT: %[[V4:.*]] = plan.alloc "nn.rotary" : <tensor<?x4xf32, #nn.axis<context>>>
// CHECK-NEXT: plan.launch @{{.*}} reads(%[[V0]], %[[V1]], %[[V2]] : !plan.slice<tensor<?x4xf32, #nn.axis<context>>>, !plan.slice<tensor<?xi32, #nn.axis<context>>>, !plan.slice<tensor<8x4xf32>>)
// CHECK-SAME: writes(%[[V4]] : !plan.slice<tensor<?x4xf32, #nn.axis<context>>>)
// CHECK-SAME: op = "nn.rotary", updates = array<i64>}
// CHECK-NEXT: %[[V5:.*]] = plan.alloc "nn.rotary" : <tensor<?x4xf32, #nn.axis<context>>>
// CHECK-NEXT: plan.launch @{{.*}} reads(%[[V4]], %[[V1]], %[[V3]] : !plan.slice<tensor<?x4xf32, #nn.axis<context>>>, !plan.slice<tensor<?xi32, #nn.axis<context>>>, !plan.slice<tensor<8x4xf32>>)
// CHECK-SAME: writes(%[[V5]] : !plan.slice<tensor<?x4xf32, #nn.axis<context>>>)
// CHECK-SAME: op = "nn.rotary", updates = array<i64>}
// CHECK-NEXT: plan.output "y" from "output:y", %[[V5]] : <tensor<?x4xf32, #nn.axis<context>>>
// CHECK-NEXT: }
func.func @rotate(%x: !rows {nn.name = "x", nn.source = "input:x"}, %p: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "positions"})
    -> (!rows {nn.name = "y", nn.source = "output:y"}) attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  %t = nn.constant dense<0.5> : tensor<8x4xf32> : tensor<8x4xf32>
  %s = nn.constant dense<0.5> : tensor<8x4xf32> : tensor<8x4xf32>
  %y = nn.rotary %x, %p, %t {head_dim = 4} : (!rows, tensor<?xi32, #nn.axis<context>>, tensor<8x4xf32>) -> !rows
  %z = nn.rotary %y, %p, %s {head_dim = 4} : (!rows, tensor<?xi32, #nn.axis<context>>, tensor<8x4xf32>) -> !rows
  return %z : !rows
}

// What is no entry stays; models are gone.
func.func private @helper()

func.func @model() attributes {nn.model} {
  return
}
