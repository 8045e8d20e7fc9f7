// compile-kernels: what it refuses.
// RUN: split-file %s %t
// RUN: not mirl-opt %t/none.mlir --compile-kernels 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not mirl-opt %t/empty.mlir --compile-kernels='cpu=z80' 2>&1 | FileCheck %s --check-prefix=CPU
// RUN: mirl-opt %t/empty.mlir --compile-kernels='cpu=x86-64-v3' 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: not mirl-opt %t/calls.mlir --compile-kernels='cpu=x86-64-v3' 2>&1 | FileCheck %s --check-prefix=CALLS
// RUN: not mirl-opt %t/library.mlir --compile-kernels='cpu=x86-64-v3' 2>&1 | FileCheck %s --check-prefix=LIBRARY

// NONE: error: compile-kernels needs a nested module @kernels (run nn-to-plan first)
// CPU: error: option cpu must be native, x86-64-v3 or x86-64-v4, is 'z80'
// EMPTY: plan.code {isa = ["avx2", "fma", "bmi", "bmi2"], object = "\7FELF
// A kernel calls nothing outside itself: neither a function of its own accord, nor one of the mathematical library.
// CALLS: error: a kernel needs the function 'outside', but kernels must call nothing outside themselves
// LIBRARY: error: a kernel needs the function 'tanf', but kernels must call nothing outside themselves

//--- none.mlir
module {
}
//--- empty.mlir
module {
  module @kernels {
  }
}
//--- calls.mlir
module {
  module @kernels {
    llvm.func @outside()
    llvm.func @k(%buffers: !llvm.ptr, %dims: !llvm.ptr, %begin: i64, %end: i64) {
      llvm.call @outside() : () -> ()
      llvm.return
    }
  }
}
//--- library.mlir
module {
  module @kernels {
    llvm.func @k(%buffers: !llvm.ptr, %dims: !llvm.ptr, %begin: i64, %end: i64) {
      %x = llvm.load %buffers : !llvm.ptr -> f32
      %y = math.tan %x : f32
      llvm.store %y, %buffers : f32, !llvm.ptr
      llvm.return
    }
  }
}
