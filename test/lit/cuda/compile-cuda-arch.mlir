// compile-cuda: other architectures are refused.
// RUN: mirl-opt %s --compile-cuda="arch=sm_80 ptx-only" -verify-diagnostics

// expected-error @+1 {{option arch must be sm_90a, is 'sm_80'}}
module {
  module @kernels {
  }
}
