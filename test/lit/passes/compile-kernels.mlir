// compile-kernels: the kernels become a shared object; the bytes depend on the kernels and the CPU alone.
// RUN: mirl-opt %s --compile-kernels='cpu=x86-64-v3' > %t.first
// RUN: mirl-opt %s --compile-kernels='cpu=x86-64-v3' > %t.second
// RUN: diff %t.first %t.second
// RUN: FileCheck %s < %t.first
// RUN: mirl-opt %s --compile-kernels='cpu=x86-64-v4' | FileCheck %s --check-prefix=V4
// RUN: mirl-opt %s --compile-kernels | FileCheck %s --check-prefix=NATIVE
// An object of before is replaced.
// RUN: mirl-opt %t.first --compile-kernels='cpu=x86-64-v3' | FileCheck %s

module {
  // The kernels stay, lowered to llvm: nothing of scf, arith or math is left.
  // CHECK: module @kernels {
  // CHECK-NEXT: llvm.func @add_one(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64) {
  // CHECK-NOT: scf.
  // CHECK-NOT: arith.
  // CHECK: llvm.fadd
  // CHECK: llvm.intr.fma
  // An ELF file that exports the kernel, and what the machine must have.
  // CHECK: plan.code {isa = ["avx2", "fma", "bmi", "bmi2"], object = "\7FELF{{.*}}add_one
  // CHECK-NOT: plan.code
  // V4: plan.code {isa = ["avx2", "fma", "bmi", "bmi2", "avx512f", "avx512bw", "avx512dq", "avx512vl"], object = "\7FELF
  // NATIVE: plan.code {isa = ["avx2", "fma", "bmi", "bmi2"{{.*}}], object = "\7FELF
  module @kernels {
    llvm.func @add_one(%buffers: !llvm.ptr, %dims: !llvm.ptr, %begin: i64, %end: i64) {
      %one = arith.constant 1 : index
      %first = arith.index_cast %begin : i64 to index
      %last = arith.index_cast %end : i64 to index
      %x = llvm.load %buffers : !llvm.ptr -> !llvm.ptr
      %number = arith.constant 1.0 : f32
      scf.for %i = %first to %last step %one {
        %at = arith.index_cast %i : index to i64
        %place = llvm.getelementptr %x[%at] : (!llvm.ptr, i64) -> !llvm.ptr, f32
        %value = llvm.load %place : !llvm.ptr -> f32
        %sum = arith.addf %value, %number : f32
        %next = math.fma %sum, %sum, %number : f32
        llvm.store %next, %place : f32, !llvm.ptr
      }
      llvm.return
    }
  }
}
