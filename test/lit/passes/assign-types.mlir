// assign-types: weights, caches and activations become bf16; what is trained gets an f32 master.
// RUN: mirl-opt %s --assign-types="dtype=bf16" | FileCheck %s
// RUN: mirl-opt %s --assign-types="dtype=f32" | FileCheck %s --check-prefix=F32
// RUN: not mirl-opt %s --assign-types="dtype=f16" 2>&1 | FileCheck %s --check-prefix=DTYPE
// DTYPE: option dtype must be f32 or bf16, is 'f16'
// F32-NOT: bf16
// F32-NOT: master

!rows = tensor<?x16xf32, #nn.axis<context>>
!scalars = tensor<?xf32, #nn.axis<context>>

// CHECK: nn.variable @w "weight" "pi" "w" init "zeros" : tensor<16x16xbf16>
// CHECK-NEXT: nn.variable @w.master "master" "pi" "w" init "zeros" : tensor<16x16xf32>
// Moments and gradients stay f32.
// CHECK: nn.variable @m "moment1" {{.*}} : tensor<16x16xf32>
nn.variable @w "weight" "pi" "w" init "zeros" : tensor<16x16xf32>
nn.variable @m "moment1" "opt" "w" init "zeros" : tensor<16x16xf32>
nn.variable @v "moment2" "opt" "w" init "zeros" : tensor<16x16xf32>

// A port is f32: an activation is made of it, and made f32 again where it goes out.
// CHECK-LABEL: func.func @forward(
// CHECK-SAME: %[[X:.*]]: tensor<?x16xf32, #nn.axis<context>> {nn.name = "x"
// CHECK-SAME: %[[W:.*]]: tensor<16x16xbf16> {nn.variable = @w}
// CHECK-SAME: -> (tensor<?x16xf32, #nn.axis<context>> {{.*}}, tensor<?x16xf32, #nn.axis<context>>
// CHECK: %[[C:.*]] = nn.cast %[[X]] : {{.*}} -> tensor<?x16xbf16
// CHECK: %[[Y:.*]] = nn.linear %[[C]], %[[W]] : {{.*}} -> tensor<?x16xbf16, #nn.axis<context>>
// Maths on activations is bf16.
// CHECK: %[[S:.*]] = nn.unary silu %[[Y]] : tensor<?x16xbf16
// With an f32 beside it, it is done in f32 and rounded at the end.
// CHECK: %[[WIDE:.*]] = nn.cast %[[S]]
// CHECK: %[[SUM:.*]] = nn.binary add %[[WIDE]], %[[X]] : tensor<?x16xf32
// CHECK: nn.cast %[[SUM]]
func.func @forward(%x: !rows {nn.name = "x", nn.source = "input:x"}, %w: tensor<16x16xf32> {nn.variable = @w})
    -> (!rows {nn.name = "y", nn.source = "output:y"}, !rows {nn.name = "z", nn.source = "output:z"}) attributes {nn.kind = "plain", nn.capacities = {context = 8 : i64}} {
  %y = nn.linear %x, %w : (!rows, tensor<16x16xf32>) -> !rows
  %s = nn.unary silu %y : !rows
  %z = nn.binary add %s, %x : !rows
  return %s, %z : !rows, !rows
}

// The optimizer updates the master, and the weight is its copy.
// CHECK-LABEL: func.func @apply(
// CHECK-SAME: %[[BF:[^:]*]]: tensor<16x16xbf16> {nn.variable = @w}
// CHECK-SAME: %[[MASTER:[^:]*]]: tensor<16x16xf32> {nn.variable = @w.master}
// CHECK: nn.adamw %[[MASTER]], {{.*}} -> (tensor<16x16xf32>, tensor<16x16xf32>, tensor<16x16xf32>, tensor<16x16xbf16>)
func.func @apply(%w: tensor<16x16xf32> {nn.variable = @w}, %m: tensor<16x16xf32> {nn.variable = @m}, %v: tensor<16x16xf32> {nn.variable = @v},
                 %g: tensor<16x16xf32> {nn.name = "g", nn.source = "input:g"}, %s: tensor<f32> {nn.name = "s", nn.source = "input:s"})
    -> (tensor<16x16xf32> {nn.alias = 0 : i64}, tensor<16x16xf32> {nn.alias = 1 : i64}, tensor<16x16xf32> {nn.alias = 2 : i64}) attributes {nn.kind = "plain", nn.capacities = {}} {
  %0:3 = nn.adamw %w, %g, %m, %v, %s, %s, %s {beta1 = 0.9 : f32, beta2 = 0.999 : f32, eps = 1.0e-8 : f32, weight_decay = 0.01 : f32} : (tensor<16x16xf32>, tensor<16x16xf32>, tensor<16x16xf32>, tensor<16x16xf32>, tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<16x16xf32>, tensor<16x16xf32>, tensor<16x16xf32>)
  return %0#0, %0#1, %0#2 : tensor<16x16xf32>, tensor<16x16xf32>, tensor<16x16xf32>
}
