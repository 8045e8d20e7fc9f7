// compile-cuda: what it refuses.
// RUN: mirl-opt %s --compile-cuda="ptx-only" -split-input-file -verify-diagnostics

// expected-error @+1 {{compile-cuda needs a nested module @kernels (run nn-to-plan{target=cuda} first)}}
module {
}

// -----

module {
  module @kernels {
    llvm.func @outside(f32) -> f32
    // expected-error @+1 {{kernel kernel of nn.linear needs the function outside, but a kernel must call nothing outside itself}}
    llvm.func @kernel(%p: !llvm.ptr) attributes {nvvm.kernel, mirl.op = "nn.linear"} {
      %x = llvm.load %p : !llvm.ptr -> f32
      %y = llvm.call @outside(%x) : (f32) -> f32
      llvm.store %y, %p : f32, !llvm.ptr
      llvm.return
    }
  }
}

// -----

// The one of two kernels that calls it.
module {
  module @kernels {
    llvm.func @outside()
    llvm.func @first(%p: !llvm.ptr) attributes {nvvm.kernel, mirl.op = "nn.linear"} {
      llvm.return
    }
    // expected-error @+1 {{kernel second of nn.rms_norm needs the function outside}}
    llvm.func @second(%p: !llvm.ptr) attributes {nvvm.kernel, mirl.op = "nn.rms_norm"} {
      llvm.call @outside() : () -> ()
      llvm.return
    }
  }
}
