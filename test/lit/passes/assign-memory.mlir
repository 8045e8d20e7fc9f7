// assign-memory: offsets in the arena, at multiples of 128 bytes.
// RUN: mirl-opt %s --assign-memory | FileCheck %s
// RUN: mirl-opt %s --assign-memory | mirl-opt --assign-memory | FileCheck %s

// Variables and constants first: 512, 4 (a slot of 128) and 8 bytes. @reuse needs 1024 bytes behind them, the most.
// CHECK: module attributes {plan.arena_bytes = 1792 : i64, plan.persistent_bytes = 768 : i64} {
// CHECK: nn.variable @w "weight" "pi" "w" init "ones" {plan.offset = 0 : i64} : tensor<16x8xf32>
nn.variable @w "weight" "pi" "w" init "ones" : tensor<16x8xf32>
// CHECK: nn.variable @n "state" "pi" "" init "zeros" {plan.offset = 512 : i64} : tensor<f32>
nn.variable @n "state" "pi" "" init "zeros" : tensor<f32>
// CHECK: plan.constant @c {plan.offset = 640 : i64} dense<1.000000e+00> : tensor<2xf32>
plan.constant @c dense<1.0> : tensor<2xf32>

// A third slice takes the place of the first, which is dead by then: two of 512 bytes are live at a time.
// CHECK-LABEL: plan.entry @reuse "plain" {} attributes {peak_bytes = 1024 : i64} {
plan.entry @reuse "plain" {} {
  // CHECK-NEXT: plan.buffer @w {offset = 0 : i64}
  %w = plan.buffer @w : !plan.slice<tensor<16x8xf32>>
  // CHECK-NEXT: plan.buffer @n {offset = 512 : i64}
  %n = plan.buffer @n : !plan.slice<tensor<f32>>
  // CHECK-NEXT: plan.buffer @c {offset = 640 : i64}
  %c = plan.buffer @c : !plan.slice<tensor<2xf32>>
  // CHECK-NEXT: plan.alloc "a" {offset = 768 : i64}
  %a = plan.alloc "a" : !plan.slice<tensor<16x8xf32>>
  // CHECK-NEXT: plan.alloc "b" {offset = 1280 : i64}
  %b = plan.alloc "b" : !plan.slice<tensor<16x8xf32>>
  // CHECK-NEXT: plan.alloc "d" {offset = 768 : i64}
  %d = plan.alloc "d" : !plan.slice<tensor<16x8xf32>>
  // A slice that nothing uses is gone.
  // CHECK-NOT: plan.alloc "unused"
  %unused = plan.alloc "unused" : !plan.slice<tensor<1024xf32>>
  plan.copy %w to %a : !plan.slice<tensor<16x8xf32>>, !plan.slice<tensor<16x8xf32>>
  plan.copy %a to %b : !plan.slice<tensor<16x8xf32>>, !plan.slice<tensor<16x8xf32>>
  plan.copy %b to %d : !plan.slice<tensor<16x8xf32>>, !plan.slice<tensor<16x8xf32>>
  plan.output "d" from "output:d", %d : !plan.slice<tensor<16x8xf32>>
}

// Outputs are live to the end: neither may take the place of the other. Sizes are those at the entry's capacities.
// CHECK-LABEL: plan.entry @ports "plain" {context = 4 : i64, sequence = 2 : i64} attributes {peak_bytes = 384 : i64} {
plan.entry @ports "plain" {context = 4, sequence = 2} {
  // 4 rows of 16 bytes, and 3 offsets.
  // CHECK-NEXT: plan.input "x" from "input:x" {offset = 768 : i64} : <tensor<?x4xf32, #nn.axis<context>>>
  %x = plan.input "x" from "input:x" : !plan.slice<tensor<?x4xf32, #nn.axis<context>>>
  // An input that nothing uses stays, since the caller gives it; its bytes are free at once.
  // CHECK-NEXT: plan.input "o" from "sequence_offsets" {offset = 896 : i64} : <tensor<?xi32, #nn.axis<sequence, 1>>>
  %o = plan.input "o" from "sequence_offsets" : !plan.slice<tensor<?xi32, #nn.axis<sequence, 1>>>
  // CHECK-NEXT: plan.alloc "y" {offset = 896 : i64}
  %y = plan.alloc "y" : !plan.slice<tensor<?x4xf32, #nn.axis<context>>>
  // CHECK-NEXT: plan.alloc "z" {offset = 1024 : i64}
  %z = plan.alloc "z" : !plan.slice<tensor<?x4xf32, #nn.axis<context>>>
  plan.copy %x to %y : !plan.slice<tensor<?x4xf32, #nn.axis<context>>>, !plan.slice<tensor<?x4xf32, #nn.axis<context>>>
  plan.copy %x to %z : !plan.slice<tensor<?x4xf32, #nn.axis<context>>>, !plan.slice<tensor<?x4xf32, #nn.axis<context>>>
  plan.output "y" from "output:y", %y : !plan.slice<tensor<?x4xf32, #nn.axis<context>>>
  plan.output "z" from "output:z", %z : !plan.slice<tensor<?x4xf32, #nn.axis<context>>>
}

// An input that is read late is live from the start.
// CHECK-LABEL: plan.entry @late "plain" {} attributes {peak_bytes = 256 : i64} {
plan.entry @late "plain" {} {
  // CHECK-NEXT: plan.input "x" from "input:x" {offset = 768 : i64}
  %x = plan.input "x" from "input:x" : !plan.slice<tensor<16xf32>>
  // CHECK-NEXT: plan.alloc "a" {offset = 896 : i64}
  %a = plan.alloc "a" : !plan.slice<tensor<16xf32>>
  plan.fill %a : !plan.slice<tensor<16xf32>>
  plan.copy %x to %a : !plan.slice<tensor<16xf32>>, !plan.slice<tensor<16xf32>>
}

// What a loop uses lives as long as the loop: its first slice is read again by the next trip.
// CHECK-LABEL: plan.entry @loop "plain" {} attributes {peak_bytes = 384 : i64} {
plan.entry @loop "plain" {} {
  // CHECK-NEXT: plan.alloc "a" {offset = 768 : i64}
  %a = plan.alloc "a" : !plan.slice<tensor<16xf32>>
  // CHECK-NEXT: plan.alloc "b" {offset = 896 : i64}
  %b = plan.alloc "b" : !plan.slice<tensor<16xf32>>
  // CHECK-NEXT: plan.alloc "c" {offset = 1024 : i64}
  %c = plan.alloc "c" : !plan.slice<tensor<16xf32>>
  plan.fill %a : !plan.slice<tensor<16xf32>>
  plan.loop #plan.work<size = 2> index 0 {
    plan.copy %a to %b : !plan.slice<tensor<16xf32>>, !plan.slice<tensor<16xf32>>
    plan.copy %b to %c : !plan.slice<tensor<16xf32>>, !plan.slice<tensor<16xf32>>
  }
}

// A result of a pointwise launch has the bytes of what is read there for the last time: d those of a, and e those of d; b is read again.
// CHECK-LABEL: plan.entry @in_place "plain" {} attributes {peak_bytes = 256 : i64} {
!s = !plan.slice<tensor<16xf32>>
plan.entry @in_place "plain" {} {
  // CHECK-NEXT: plan.alloc "a" {offset = 768 : i64}
  %a = plan.alloc "a" : !s
  // CHECK-NEXT: plan.alloc "b" {offset = 896 : i64}
  %b = plan.alloc "b" : !s
  // CHECK-NEXT: plan.alloc "d" {offset = 768 : i64}
  %d = plan.alloc "d" : !s
  // CHECK-NEXT: plan.alloc "e" {offset = 768 : i64}
  %e = plan.alloc "e" : !s
  plan.fill %a : !s
  plan.fill %b : !s
  plan.launch @k reads(%a, %b : !s, !s) writes(%d : !s) over #plan.work<size = 1>
    {grain = 1 : i64, op = "nn.fused", updates = array<i64>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
     bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, pointwise}
  plan.launch @k reads(%b, %d : !s, !s) writes(%e : !s) over #plan.work<size = 1>
    {grain = 1 : i64, op = "nn.fused", updates = array<i64>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
     bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, pointwise}
  plan.copy %e to %b : !s, !s
  plan.output "b" from "output:b", %b : !s
}

// Not of another type, not where the launch is not pointwise, not what was an input, and not in a loop.
// CHECK-LABEL: plan.entry @apart "plain" {} attributes {peak_bytes = 384 : i64} {
!half = !plan.slice<tensor<32xbf16>>
plan.entry @apart "plain" {} {
  // CHECK-NEXT: plan.input "x" from "input:x" {offset = 768 : i64}
  %x = plan.input "x" from "input:x" : !s
  // CHECK-NEXT: plan.alloc "a" {offset = 896 : i64}
  %a = plan.alloc "a" : !s
  // CHECK-NEXT: plan.alloc "h" {offset = 768 : i64}
  %h = plan.alloc "h" : !half
  // CHECK-NEXT: plan.alloc "c" {offset = 896 : i64}
  %c = plan.alloc "c" : !s
  // CHECK-NEXT: plan.alloc "e" {offset = 768 : i64}
  %e = plan.alloc "e" : !s
  // CHECK-NEXT: plan.alloc "g" {offset = 1024 : i64}
  %g = plan.alloc "g" : !s
  plan.launch @k reads(%x : !s) writes(%a : !s) over #plan.work<size = 1>
    {grain = 1 : i64, op = "nn.fused", updates = array<i64>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
     bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, pointwise}
  plan.launch @k reads(%a : !s) writes(%h : !half) over #plan.work<size = 1>
    {grain = 1 : i64, op = "nn.fused", updates = array<i64>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
     bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, pointwise}
  plan.launch @k reads(%h : !half) writes(%c : !s) over #plan.work<size = 1>
    {grain = 1 : i64, op = "nn.norm", updates = array<i64>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
     bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
  plan.loop #plan.work<size = 2> index 0 {
    plan.launch @k reads(%c : !s) writes(%e : !s) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.fused", updates = array<i64>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
       bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, pointwise}
    plan.launch @k reads(%e : !s) writes(%g : !s) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.fused", updates = array<i64>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
       bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, pointwise}
  }
}
