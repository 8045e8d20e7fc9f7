// Entries: slices, launches, loops; #plan.work and #plan.affine.
// RUN: mirl-opt %s | mirl-opt | FileCheck %s
// RUN: mirl-opt %s --mlir-print-op-generic | mirl-opt | FileCheck %s

// CHECK: nn.variable @"pi/w" "weight" "pi" "w" init "ones" : tensor<16x8xf32>
nn.variable @"pi/w" "weight" "pi" "w" init "ones" : tensor<16x8xf32>
// CHECK: plan.constant @table dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
plan.constant @table dense<[1.0, 2.0]> : tensor<2xf32>

// CHECK-LABEL: plan.entry @e "plain" {context = 64 : i64, sequence = 8 : i64, token = 32 : i64} attributes {fused = ["silu, mul"], peak_bytes = 4096 : i64} {
plan.entry @e "plain" {context = 64, token = 32, sequence = 8} attributes {fused = ["silu, mul"], peak_bytes = 4096} {
  // CHECK-NEXT: %[[W:.*]] = plan.buffer @"pi/w" : <tensor<16x8xf32>>
  %w = plan.buffer @"pi/w" : !plan.slice<tensor<16x8xf32>>
  // CHECK-NEXT: %[[T:.*]] = plan.buffer @table {offset = 512 : i64} : <tensor<2xf32>>
  %t = plan.buffer @table {offset = 512} : !plan.slice<tensor<2xf32>>
  // CHECK-NEXT: %[[X:.*]] = plan.input "ids" from "ids" : <tensor<?xi32, #nn.axis<context>>>
  %x = plan.input "ids" from "ids" : !plan.slice<tensor<?xi32, #nn.axis<context>>>
  // CHECK-NEXT: plan.input "token_offsets" from "token_offsets" {offset = 576 : i64} : <tensor<?xi32, #nn.axis<sequence, 1>>>
  %o = plan.input "token_offsets" from "token_offsets" {offset = 576} : !plan.slice<tensor<?xi32, #nn.axis<sequence, 1>>>
  // CHECK-NEXT: %[[A:.*]] = plan.alloc "nn.linear" : <tensor<?x16xf32, #nn.axis<context>>>
  %a = plan.alloc "nn.linear" : !plan.slice<tensor<?x16xf32, #nn.axis<context>>>
  // CHECK-NEXT: %[[B:.*]] = plan.alloc "copy" {offset = 640 : i64} : <tensor<?x16xf32, #nn.axis<context>>>
  %b = plan.alloc "copy" {offset = 640} : !plan.slice<tensor<?x16xf32, #nn.axis<context>>>
  // CHECK-NEXT: plan.launch @k reads(%[[X]], %[[W]] : !plan.slice<tensor<?xi32, #nn.axis<context>>>, !plan.slice<tensor<16x8xf32>>)
  // CHECK-SAME: writes(%[[A]] : !plan.slice<tensor<?x16xf32, #nn.axis<context>>>)
  // CHECK-SAME: over <context, size = 0, tile = 14, factor = 3>
  // CHECK-SAME: {bytes = #plan.affine<1.000000e+00, 2.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00>,
  // CHECK-SAME: flops = #plan.affine<0.000000e+00, 2.560000e+02, 5.000000e-01, -1.000000e+00, 1.000000e+100>,
  // CHECK-SAME: grain = 2 : i64, op = "nn.linear", updates = array<i64>}
  plan.launch @k reads(%x, %w : !plan.slice<tensor<?xi32, #nn.axis<context>>>, !plan.slice<tensor<16x8xf32>>)
                 writes(%a : !plan.slice<tensor<?x16xf32, #nn.axis<context>>>)
                 over #plan.work<context, size = 0, tile = 14, factor = 3>
                 {grain = 2 : i64, op = "nn.linear", updates = array<i64>,
                  flops = #plan.affine<0.0, 256.0, 0.5, -1.0, 1.0e+100>, bytes = #plan.affine<1.0, 2.0, 0.0, 0.0, 0.0>}
  // CHECK-NEXT: plan.fill %[[B]] : <tensor<?x16xf32, #nn.axis<context>>>
  plan.fill %b : !plan.slice<tensor<?x16xf32, #nn.axis<context>>>
  // CHECK-NEXT: plan.copy %[[A]] to %[[B]] : <tensor<?x16xf32, #nn.axis<context>>>, <tensor<?x16xf32, #nn.axis<context>>>
  plan.copy %a to %b : !plan.slice<tensor<?x16xf32, #nn.axis<context>>>, !plan.slice<tensor<?x16xf32, #nn.axis<context>>>
  // CHECK-NEXT: plan.loop <sequence, size = -1, tile = 1, factor = 1> index 0 {
  plan.loop #plan.work<sequence, size = -1> index 0 {
    // CHECK-NEXT: plan.loop <size = 5, tile = 2, factor = 1> index 1 {
    plan.loop #plan.work<size = 5, tile = 2> index 1 {
      // A slice that is read and written is among the writes alone.
      // CHECK-NEXT: plan.launch @k reads() writes(%[[B]] : !plan.slice<tensor<?x16xf32, #nn.axis<context>>>) over <size = 1, tile = 1, factor = 1> {{.*}}updates = array<i64: 0>}
      plan.launch @k reads() writes(%b : !plan.slice<tensor<?x16xf32, #nn.axis<context>>>) over #plan.work<size = 1>
          {grain = 1 : i64, op = "nn.add", updates = array<i64: 0>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
           bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
    // CHECK-NEXT: }
    }
  // CHECK-NEXT: }
  }
  // CHECK-NEXT: plan.output "out" from "output:out", %[[B]] : <tensor<?x16xf32, #nn.axis<context>>>
  plan.output "out" from "output:out", %b : !plan.slice<tensor<?x16xf32, #nn.axis<context>>>
}

// CHECK-LABEL: plan.entry @empty "apply" {} {
plan.entry @empty "apply" {} {
}

// CHECK: plan.code {isa = ["avx2", "fma"], object = "ELF"}
plan.code {isa = ["avx2", "fma"], object = "ELF"}

// Every axis of work.
// CHECK: func.func private @work() attributes {
// CHECK-SAME: c = #plan.work<context, size = 1, tile = 2, factor = 3>, g = #plan.work<group, size = 0, tile = 1, factor = 1>,
// CHECK-SAME: n = #plan.work<size = 0, tile = 1, factor = 1>, s = #plan.work<sequence, size = 1, tile = 1, factor = 1>,
// CHECK-SAME: t = #plan.work<token, size = -2, tile = 4, factor = 1>}
func.func private @work() attributes {
  c = #plan.work<context, size = 1, tile = 2, factor = 3>, t = #plan.work<token, size = -2, tile = 4>,
  s = #plan.work<sequence, size = 1>, g = #plan.work<group, size = 0>, n = #plan.work<size = 0>}
