// verify-plan: order, overlaps and kernels.
// RUN: mirl-opt %s --verify-plan -split-input-file -verify-diagnostics

module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-note @+1 {{the slice}}
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    %b = plan.alloc "b" {offset = 128} : !plan.slice<tensor<16xf32>>
    // expected-error @+1 {{reads a slice that nothing has written}}
    plan.copy %a to %b : !plan.slice<tensor<16xf32>>, !plan.slice<tensor<16xf32>>
  }
}

// -----

module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-note @+1 {{the slice}}
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    // expected-error @+1 {{reads a slice that nothing has written}}
    plan.output "a" from "output:a", %a : !plan.slice<tensor<16xf32>>
  }
}

// -----

module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-note @+1 {{the slice}}
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    %b = plan.alloc "b" {offset = 128} : !plan.slice<tensor<16xf32>>
    // expected-error @+1 {{reads a slice that nothing has written}}
    plan.launch @k reads(%a : !plan.slice<tensor<16xf32>>) writes(%b : !plan.slice<tensor<16xf32>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.add", updates = array<i64>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
       bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
  }
  module @kernels {
    llvm.func @k(%buffers: !llvm.ptr, %dims: !llvm.ptr, %begin: i64, %end: i64) {
      llvm.return
    }
  }
}

// -----

// An update reads what it writes.
module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-note @+1 {{the slice}}
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    // expected-error @+1 {{reads a slice that nothing has written}}
    plan.launch @k reads() writes(%a : !plan.slice<tensor<16xf32>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.add", updates = array<i64: 0>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
       bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
  }
  module @kernels {
    llvm.func @k(%buffers: !llvm.ptr, %dims: !llvm.ptr, %begin: i64, %end: i64) {
      llvm.return
    }
  }
}

// -----

// What a loop writes later in its body is not there in its first trip.
module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-note @+1 {{the slice}}
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    %b = plan.alloc "b" {offset = 128} : !plan.slice<tensor<16xf32>>
    plan.loop #plan.work<size = 2> index 0 {
      // expected-error @+1 {{reads a slice that nothing has written}}
      plan.copy %a to %b : !plan.slice<tensor<16xf32>>, !plan.slice<tensor<16xf32>>
      plan.fill %a : !plan.slice<tensor<16xf32>>
    }
  }
}

// -----

module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-error @+1 {{shares bytes of the arena with a slice that is live at the same time}}
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    // expected-note @+1 {{the other slice}}
    %b = plan.alloc "b" {offset = 96} : !plan.slice<tensor<16xf32>>
    plan.fill %a : !plan.slice<tensor<16xf32>>
    plan.copy %a to %b : !plan.slice<tensor<16xf32>>, !plan.slice<tensor<16xf32>>
  }
}

// -----

// An input is live from the start.
module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-error @+1 {{shares bytes of the arena with a slice that is live at the same time}}
    %x = plan.input "x" from "input:x" {offset = 64} : !plan.slice<tensor<16xf32>>
    // expected-note @+1 {{the other slice}}
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    %b = plan.alloc "b" {offset = 128} : !plan.slice<tensor<16xf32>>
    plan.fill %a : !plan.slice<tensor<16xf32>>
    plan.copy %a to %b : !plan.slice<tensor<16xf32>>, !plan.slice<tensor<16xf32>>
    plan.copy %x to %b : !plan.slice<tensor<16xf32>>, !plan.slice<tensor<16xf32>>
  }
}

// -----

// An output is live to the end.
module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-error @+1 {{shares bytes of the arena with a slice that is live at the same time}}
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    // expected-note @+1 {{the other slice}}
    %b = plan.alloc "b" {offset = 64} : !plan.slice<tensor<16xf32>>
    plan.fill %a : !plan.slice<tensor<16xf32>>
    plan.output "a" from "output:a", %a : !plan.slice<tensor<16xf32>>
    plan.fill %b : !plan.slice<tensor<16xf32>>
  }
}

// -----

// Any trip may follow any other.
module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-error @+1 {{shares bytes of the arena with a slice that is live at the same time}}
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    // expected-note @+1 {{the other slice}}
    %b = plan.alloc "b" {offset = 64} : !plan.slice<tensor<16xf32>>
    plan.loop #plan.work<size = 2> index 0 {
      plan.fill %a : !plan.slice<tensor<16xf32>>
      plan.fill %b : !plan.slice<tensor<16xf32>>
    }
  }
}

// -----

module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    // expected-error @+1 {{launches a kernel that does not exist: 'other'}}
    plan.launch @other reads() writes(%a : !plan.slice<tensor<16xf32>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.add", updates = array<i64>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
       bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
  }
  module @kernels {
    llvm.func @k(%buffers: !llvm.ptr, %dims: !llvm.ptr, %begin: i64, %end: i64) {
      llvm.return
    }
  }
}

// -----

module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    plan.loop #plan.work<size = 2> index 0 {
      // expected-error @+1 {{launches a kernel that does not exist: 'k'}}
      plan.launch @k reads() writes(%a : !plan.slice<tensor<16xf32>>) over #plan.work<size = 1>
        {grain = 1 : i64, op = "nn.add", updates = array<i64>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
         bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
    }
  }
}

// -----

// A pointwise launch may replace what it reads last.
module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    %b = plan.alloc "b" {offset = 64} : !plan.slice<tensor<16xf32>>
    plan.fill %a : !plan.slice<tensor<16xf32>>
    plan.launch @k reads(%a : !plan.slice<tensor<16xf32>>) writes(%b : !plan.slice<tensor<16xf32>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.fused", updates = array<i64>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
       bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, pointwise}
    plan.output "b" from "output:b", %b : !plan.slice<tensor<16xf32>>
  }
  module @kernels {
    llvm.func @k(%buffers: !llvm.ptr, %dims: !llvm.ptr, %begin: i64, %end: i64) {
      llvm.return
    }
  }
}

// -----

// Any other may not.
module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-error @+1 {{shares bytes of the arena with a slice that is live at the same time}}
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    // expected-note @+1 {{the other slice}}
    %b = plan.alloc "b" {offset = 64} : !plan.slice<tensor<16xf32>>
    plan.fill %a : !plan.slice<tensor<16xf32>>
    plan.launch @k reads(%a : !plan.slice<tensor<16xf32>>) writes(%b : !plan.slice<tensor<16xf32>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.fused", updates = array<i64>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
       bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
    plan.output "b" from "output:b", %b : !plan.slice<tensor<16xf32>>
  }
  module @kernels {
    llvm.func @k(%buffers: !llvm.ptr, %dims: !llvm.ptr, %begin: i64, %end: i64) {
      llvm.return
    }
  }
}

// -----

// Nor when it is read again.
module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-error @+1 {{shares bytes of the arena with a slice that is live at the same time}}
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    // expected-note @+1 {{the other slice}}
    %b = plan.alloc "b" {offset = 64} : !plan.slice<tensor<16xf32>>
    plan.fill %a : !plan.slice<tensor<16xf32>>
    plan.launch @k reads(%a : !plan.slice<tensor<16xf32>>) writes(%b : !plan.slice<tensor<16xf32>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.fused", updates = array<i64>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
       bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, pointwise}
    plan.output "a" from "output:a", %a : !plan.slice<tensor<16xf32>>
    plan.output "b" from "output:b", %b : !plan.slice<tensor<16xf32>>
  }
  module @kernels {
    llvm.func @k(%buffers: !llvm.ptr, %dims: !llvm.ptr, %begin: i64, %end: i64) {
      llvm.return
    }
  }
}

// -----

// Nor at another place: its elements would not be those that were read.
module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-error @+1 {{shares bytes of the arena with a slice that is live at the same time}}
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    // expected-note @+1 {{the other slice}}
    %b = plan.alloc "b" {offset = 96} : !plan.slice<tensor<16xf32>>
    plan.fill %a : !plan.slice<tensor<16xf32>>
    plan.launch @k reads(%a : !plan.slice<tensor<16xf32>>) writes(%b : !plan.slice<tensor<16xf32>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.fused", updates = array<i64>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
       bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, pointwise}
    plan.output "b" from "output:b", %b : !plan.slice<tensor<16xf32>>
  }
  module @kernels {
    llvm.func @k(%buffers: !llvm.ptr, %dims: !llvm.ptr, %begin: i64, %end: i64) {
      llvm.return
    }
  }
}

// -----

// Nor in another type.
module attributes {plan.persistent_bytes = 64 : i64, plan.arena_bytes = 192 : i64} {
  plan.entry @e "plain" {} {
    // expected-error @+1 {{shares bytes of the arena with a slice that is live at the same time}}
    %a = plan.alloc "a" {offset = 64} : !plan.slice<tensor<16xf32>>
    // expected-note @+1 {{the other slice}}
    %b = plan.alloc "b" {offset = 64} : !plan.slice<tensor<32xbf16>>
    plan.fill %a : !plan.slice<tensor<16xf32>>
    plan.launch @k reads(%a : !plan.slice<tensor<16xf32>>) writes(%b : !plan.slice<tensor<32xbf16>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.fused", updates = array<i64>, flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>,
       bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, pointwise}
    plan.output "b" from "output:b", %b : !plan.slice<tensor<32xbf16>>
  }
  module @kernels {
    llvm.func @k(%buffers: !llvm.ptr, %dims: !llvm.ptr, %begin: i64, %end: i64) {
      llvm.return
    }
  }
}
