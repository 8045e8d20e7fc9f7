// Where sigmoid and silu are rounded to bf16 at once, their exponential and their division may be approximated, and say so.
// RUN: mirl-opt %s --pass-pipeline='builtin.module(func.func(fuse))' | FileCheck %s

!h = tensor<?x8xbf16, #nn.axis<context>>
!f = tensor<?x8xf32, #nn.axis<context>>

// CHECK-LABEL: func.func @narrow
// CHECK: %[[E:.*]] = math.exp %{{.*}} fastmath<afn> : f32
// CHECK-NEXT: %[[S:.*]] = arith.addf %{{.*}}, %[[E]] : f32
// CHECK-NEXT: %[[Q:.*]] = arith.divf %{{.*}}, %[[S]] fastmath<arcp> : f32
// CHECK-NEXT: arith.truncf %[[Q]] : f32 to bf16
// CHECK: math.exp %{{.*}} fastmath<afn> : f32
// CHECK: arith.divf %{{.*}} fastmath<arcp> : f32
// The others are what they are everywhere.
// CHECK: math.exp %{{[0-9]+}} : f32
// CHECK: arith.divf %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : f32
func.func @narrow(%x: !h) -> !h {
  %0 = nn.unary silu %x : !h
  %1 = nn.unary sigmoid %0 : !h
  %2 = nn.unary exp %1 : !h
  %3 = nn.binary div %2, %x : !h
  return %3 : !h
}

// CHECK-LABEL: func.func @wide
// CHECK-NOT: fastmath
func.func @wide(%x: !f) -> !f {
  %0 = nn.unary silu %x : !f
  %1 = nn.unary sigmoid %0 : !f
  return %1 : !f
}
