// Kernels wait for earlier launches before they touch memory, and then let the next one start. A product of few rows reads weights
// that no command of the entry writes before that: what stays is seen in the entry.
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit kernels | FileCheck %s
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 --emit ptx | FileCheck %s --check-prefix=PTX

!x = tensor<?x896xbf16, #nn.axis<context>>
!y = tensor<?x1152xbf16, #nn.axis<context>>
!w = tensor<1152x896xbf16>

nn.variable @w "weight" "pi" "w" init "ones" : !w

// The weight comes first (two copies of 64 values of k), on either side of the tile the other operand waits.
// CHECK-LABEL: plan.entry @stays
// CHECK: plan.launch @tile_linear_few_context_n1152_k896_early_[[T:t[0-9x]+]] reads(%[[W:[0-9]+]], %{{[0-9]+}} : {{.*}} early = array<i64: 0>
// PTX: .visible .entry tile_linear_few_context_n1152_k896_early_t
// PTX-NOT: cp.async.bulk
// PTX: griddepcontrol.wait;
// PTX-NEXT: griddepcontrol.launch_dependents;
// PTX: wgmma.mma_async
// PTX-NOT: cp.async.bulk
// PTX: mbarrier.arrive.expect_tx
// PTX-COUNT-2: cp.async.bulk.tensor.2d.shared::
// PTX-NOT: cp.async.bulk
// PTX: griddepcontrol.wait;
// PTX: cp.async.bulk.tensor.2d.shared::
func.func @stays(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: !w {nn.variable = @w})
    -> (!y {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %r = nn.linear %x, %w : (!x, !w) -> !y
  return %r : !y
}

// A weight that the entry gives a new value, by whichever argument.
// CHECK-LABEL: plan.entry @changes
// CHECK: plan.launch @tile_linear_few_context_n1152_k896_t
// CHECK-NOT: early = 
// PTX: .visible .entry tile_linear_few_context_n1152_k896_t
// PTX-NOT: cp.async.bulk
// PTX: griddepcontrol.wait;
// PTX-NEXT: griddepcontrol.launch_dependents;
// PTX: wgmma.mma_async
// PTX-NOT: cp.async.bulk
// PTX: griddepcontrol.wait;
// PTX: cp.async.bulk
func.func @changes(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: !w {nn.variable = @w}, %again: !w {nn.variable = @w},
                   %new: !w {nn.name = "new", nn.source = "input:new"})
    -> (!y {nn.name = "r", nn.source = "output:r"}, !w {nn.alias = 2 : i64}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %r = nn.linear %x, %w : (!x, !w) -> !y
  return %r, %new : !y, !w
}

// An input is there from the beginning. What the entry makes is not, nor is it read early with many rows.
// CHECK-LABEL: plan.entry @input
// CHECK: plan.launch @tile_linear_few_context_n1152_k896_early_t{{.*}} early = array<i64: 0>
func.func @input(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: !w {nn.name = "w", nn.source = "input:w"})
    -> (!y {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %r = nn.linear %x, %w : (!x, !w) -> !y
  return %r : !y
}
// CHECK-LABEL: plan.entry @made
// CHECK: plan.launch @tile_linear_few_context_n1152_k896_t
// CHECK-NOT: early = 
func.func @made(%x: !x {nn.name = "x", nn.source = "input:x"}, %v: !w {nn.variable = @w})
    -> (!y {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %w = nn.binary add %v, %v : !w
  %r = nn.linear %x, %w : (!x, !w) -> !y
  return %r : !y
}
// CHECK-LABEL: plan.entry @many
// CHECK: plan.launch @tile_linear_context_n1152_k896_
// CHECK-NOT: early = 
func.func @many(%x: !x {nn.name = "x", nn.source = "input:x"}, %w: !w {nn.variable = @w})
    -> (!y {nn.name = "r", nn.source = "output:r"}) attributes {nn.kind = "plain", nn.capacities = {context = 257 : i64}} {
  %r = nn.linear %x, %w : (!x, !w) -> !y
  return %r : !y
}
