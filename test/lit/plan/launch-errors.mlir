// What launches, copies and loops refuse.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<4xf32>>
  // expected-error @+1 {{updates must be indices into the 1 written slices, has 1}}
  plan.launch @k reads(%a : !plan.slice<tensor<4xf32>>) writes(%a : !plan.slice<tensor<4xf32>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.add", updates = array<i64: 1>,
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<4xf32>>
  // expected-error @+1 {{updates must be indices into the 1 written slices, has -1}}
  plan.launch @k reads(%a : !plan.slice<tensor<4xf32>>) writes(%a : !plan.slice<tensor<4xf32>>) over #plan.work<size = 1>
      {grain = 1 : i64, op = "nn.add", updates = array<i64: -1>,
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<4xf32>>
  // expected-error @+1 {{grain must be at least 1, is 0}}
  plan.launch @k reads(%a : !plan.slice<tensor<4xf32>>) writes(%a : !plan.slice<tensor<4xf32>>) over #plan.work<size = 1>
      {grain = 0 : i64, op = "nn.add", updates = array<i64>,
       flops = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>, bytes = #plan.affine<0.0, 0.0, 0.0, 0.0, 0.0>}
}

// -----

plan.entry @e "plain" {token = 8} {
  %a = plan.alloc "a" : !plan.slice<tensor<4xf32>>
  %b = plan.alloc "b" : !plan.slice<tensor<2xf32>>
  // expected-error @+1 {{both slices must have the same type: '!plan.slice<tensor<4xf32>>' and '!plan.slice<tensor<2xf32>>'}}
  plan.copy %a to %b : !plan.slice<tensor<4xf32>>, !plan.slice<tensor<2xf32>>
}

// -----

plan.entry @e "plain" {token = 8} {
  // expected-error @+1 {{the loop variable must be number 0 or 1, is 2}}
  plan.loop #plan.work<size = 1> index 2 {
  }
}

// -----

plan.entry @e "plain" {token = 8} {
  plan.loop #plan.work<size = 1> index 0 {
    // expected-error @+1 {{must have another loop variable than the loop around it: both are number 0}}
    plan.loop #plan.work<size = 1> index 0 {
    }
  }
}

// -----

plan.entry @e "plain" {token = 8} {
  plan.loop #plan.work<size = 1> index 0 {
    plan.loop #plan.work<size = 1> index 1 {
      // expected-error @+1 {{loops nest two deep at most}}
      plan.loop #plan.work<size = 1> index 0 {
      }
    }
  }
}

// -----

plan.entry @e "plain" {token = 8} {
  plan.loop #plan.work<size = 1> index 0 {
    // expected-error @+1 {{does not belong into a loop: launches, fills, copies and loops do}}
    %b = "arith.constant"() <{value = 1.0 : f32}> : () -> f32
  }
}
