// The two cases in which a group is launches one by one after all (nn-to-plan); group-launches makes a group of all three.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s

!s = tensor<512x128xbf16>
!w = tensor<128x128xbf16>
nn.variable @state "state" "" "" init "zeros" : !s

// What the program makes goes to the buffer of a variable that the products read: in one launch, a tile would overwrite what another
// has still to read.
// CHECK-LABEL: plan.entry @forwarded
// CHECK-NOT: linear, linear, fused
// CHECK: %[[STATE:[0-9]+]] = plan.buffer @state
// CHECK: plan.launch @tile_linear_r512_n128_k128_t{{.*}} reads(%[[STATE]], {{[^:]*}} : {{.*}}) writes(%[[G:[0-9]+]] :
// CHECK: plan.launch @tile_linear_r512_n128_k128_t{{.*}} reads(%[[STATE]], {{[^:]*}} : {{.*}}) writes(%[[U:[0-9]+]] :
// CHECK: plan.launch @fused_{{.*}} reads(%[[G]], %[[U]] : {{.*}}) writes(%[[STATE]] :
// CHECK-NOT: plan.launch
func.func @forwarded(%x: !s {nn.variable = @state}, %wg: !w {nn.name = "wg", nn.source = "input:wg"}, %wu: !w {nn.name = "wu", nn.source = "input:wu"})
    -> (!s {nn.alias = 0 : i64}) attributes {nn.kind = "plain", nn.capacities = {}} {
  %g = nn.linear %x, %wg : (!s, !w) -> !s
  %u = nn.linear %x, %wu : (!s, !w) -> !s
  %h = nn.fused %g, %u : (!s, !s) -> !s {
  ^bb0(%a: f32, %b: f32):
    %m = arith.mulf %a, %b : f32
    nn.yield %m : f32
  }
  return %h : !s
}

!x = tensor<?x896xbf16, #nn.axis<context>>
!k = tensor<?x128xbf16, #nn.axis<context>>
!wide = tensor<?x12672xbf16, #nn.axis<context>>
!half = tensor<?x4096xbf16, #nn.axis<context>>

// A tile that suits both products would be slower than one that suits each.
// CHECK-LABEL: plan.entry @slower
// CHECK: plan.launch @tile_linear_context_n12672_k896_[[TILE:[at][0-9]+x[0-9]+]] reads(
// CHECK-NOT: plan.launch @tile_linear_context_n128_k896_[[TILE]] reads(
// CHECK: plan.launch @tile_linear_context_n128_k896_
// CHECK-NOT: plan.launch
func.func @slower(%x: !x {nn.name = "x", nn.source = "input:x"}, %w0: tensor<12672x896xbf16> {nn.name = "w0", nn.source = "input:w0"},
                  %w1: tensor<128x896xbf16> {nn.name = "w1", nn.source = "input:w1"})
    -> (!wide {nn.name = "a", nn.source = "output:a"}, !k {nn.name = "b", nn.source = "output:b"})
    attributes {nn.kind = "plain", nn.capacities = {context = 2048 : i64}} {
  %a = nn.linear %x, %w0 : (!x, tensor<12672x896xbf16>) -> !wide
  %b = nn.linear %x, %w1 : (!x, tensor<128x896xbf16>) -> !k
  return %a, %b : !wide, !k
}

// The same with a first product that has other extents: together.
// CHECK-LABEL: plan.entry @faster
// CHECK: plan.launch @tile_linear_context_n4096_n128_k896_
// CHECK-NOT: plan.launch
func.func @faster(%x: !x {nn.name = "x", nn.source = "input:x"}, %w0: tensor<4096x896xbf16> {nn.name = "w0", nn.source = "input:w0"},
                  %w1: tensor<128x896xbf16> {nn.name = "w1", nn.source = "input:w1"})
    -> (!half {nn.name = "a", nn.source = "output:a"}, !k {nn.name = "b", nn.source = "output:b"})
    attributes {nn.kind = "plain", nn.capacities = {context = 2048 : i64}} {
  %a = nn.linear %x, %w0 : (!x, tensor<4096x896xbf16>) -> !half
  %b = nn.linear %x, %w1 : (!x, tensor<128x896xbf16>) -> !k
  return %a, %b : !half, !k
}
