// compile-cuda: what it refuses.
// RUN: mirl-opt %s --compile-cuda="ptx-only" -split-input-file -verify-diagnostics

// expected-error @+1 {{compile-cuda needs a nested module @kernels (run nn-to-plan{target=cuda} first)}}
module {
}

// -----

module {
  // expected-error @+1 {{a kernel needs a function from outside, but kernels must call nothing outside themselves: .extern .func}}
  module @kernels {
    llvm.func @outside(f32) -> f32
    llvm.func @kernel(%p: !llvm.ptr) attributes {nvvm.kernel} {
      %x = llvm.load %p : !llvm.ptr -> f32
      %y = llvm.call @outside(%x) : (f32) -> f32
      llvm.store %y, %p : f32, !llvm.ptr
      llvm.return
    }
  }
}
