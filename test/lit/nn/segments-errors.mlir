// What sums and spreads over segments, reductions and fused loops refuse.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

func.func @f(%input: tensor<?x1xf32, #nn.axis<sequence>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{input must have rank 1, has rank 2}}
  %0 = nn.segment_spread %input, %offsets
    : (tensor<?x1xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<token>>
  return
}

// -----

func.func @f(%input: tensor<?xf32, #nn.axis<sequence>>, %offsets: tensor<?xi32, #nn.axis<sequence>>) {
  // expected-error @+1 {{offsets must have one element more than its axis, as in #nn.axis<sequence, 1>}}
  %0 = nn.segment_spread %input, %offsets
    : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<sequence>>) -> tensor<?xf32, #nn.axis<token>>
  return
}

// -----

func.func @f(%input: tensor<?xf32, #nn.axis<sequence>>, %offsets: tensor<?xi32, #nn.axis<group, 1>>) {
  // expected-error @+1 {{offsets must have one element more than input has rows}}
  %0 = nn.segment_spread %input, %offsets
    : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<group, 1>>) -> tensor<?xf32, #nn.axis<token>>
  return
}

// -----

func.func @f(%input: tensor<4xf32>, %offsets: tensor<4xi32>) {
  // expected-error @+1 {{offsets must have one element more than input has rows}}
  %0 = nn.segment_spread %input, %offsets : (tensor<4xf32>, tensor<4xi32>) -> tensor<?xf32, #nn.axis<token>>
  return
}

// -----

func.func @f(%input: tensor<?xf32, #nn.axis<sequence>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{result must have rank 1, has rank 2}}
  %0 = nn.segment_spread %input, %offsets
    : (tensor<?xf32, #nn.axis<sequence>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?x1xf32, #nn.axis<token>>
  return
}

// -----

func.func @f(%input: tensor<?x1xf32, #nn.axis<token>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{input must have rank 1, has rank 2}}
  %0 = nn.segment_reduce sum %input, %offsets
    : (tensor<?x1xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<sequence>>
  return
}

// -----

func.func @f(%input: tensor<?xf32, #nn.axis<token>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{result must have rank 1, has rank 2}}
  %0 = nn.segment_reduce sum %input, %offsets
    : (tensor<?xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?x1xf32, #nn.axis<sequence>>
  return
}

// -----

func.func @f(%input: tensor<?xf32, #nn.axis<token>>, %offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{offsets must have one element more than result has rows}}
  %0 = nn.segment_reduce sum %input, %offsets
    : (tensor<?xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<group>>
  return
}

// -----

func.func @f(%input: tensor<?xf32, #nn.axis<token>>, %offsets: tensor<?xi32, #nn.axis<sequence, 2>>) {
  // expected-error @+1 {{offsets must have one element more than its axis, as in #nn.axis<sequence, 1>}}
  %0 = nn.segment_reduce sum %input, %offsets
    : (tensor<?xf32, #nn.axis<token>>, tensor<?xi32, #nn.axis<sequence, 2>>) -> tensor<?xf32, #nn.axis<sequence>>
  return
}

// -----

func.func @f(%offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{result must have rank 1, has rank 0}}
  %0 = nn.segment_count %offsets : (tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<f32>
  return
}

// -----

func.func @f(%offsets: tensor<?xi32, #nn.axis<sequence, 1>>) {
  // expected-error @+1 {{offsets must have one element more than result has rows}}
  %0 = nn.segment_count %offsets : (tensor<?xi32, #nn.axis<sequence, 1>>) -> tensor<?xf32, #nn.axis<token>>
  return
}

// -----

func.func @f(%offsets: tensor<4xi32>) {
  // expected-error @+1 {{offsets must have one element more than result has rows}}
  %0 = nn.segment_count %offsets : (tensor<4xi32>) -> tensor<4xf32>
  return
}

// -----

func.func @f(%input: tensor<?x1xf32, #nn.axis<token>>) {
  // expected-error @+1 {{input must have rank 1, has rank 2}}
  %0 = nn.reduce sum %input : (tensor<?x1xf32, #nn.axis<token>>) -> tensor<f32>
  return
}

// -----

func.func @f(%input: tensor<?xf32, #nn.axis<token>>) {
  // expected-error @+1 {{result must have rank 0, has rank 1}}
  %0 = nn.reduce sum %input : (tensor<?xf32, #nn.axis<token>>) -> tensor<1xf32>
  return
}

// -----

func.func @f(%input: tensor<?xf32, #nn.axis<token>>, %into: tensor<1xf32>) {
  // expected-error @+1 {{into must have rank 0, has rank 1}}
  %0 = nn.reduce sum %input into(%into) : (tensor<?xf32, #nn.axis<token>>, tensor<1xf32>) -> tensor<f32>
  return
}

// -----

func.func @f(%input: tensor<?xf32, #nn.axis<token>>, %into: tensor<f32>) {
  // expected-error @+1 {{only a sum goes on from `into`}}
  %0 = nn.reduce max %input into(%into) : (tensor<?xf32, #nn.axis<token>>, tensor<f32>) -> tensor<f32>
  return
}

// -----

func.func @f(%x: tensor<4xf32>) {
  // expected-error @+1 {{needs at least one result}}
  "nn.fused"(%x) ({
  ^bb0(%a: f32):
    nn.yield %a : f32
  }) : (tensor<4xf32>) -> ()
  return
}

// -----

func.func @f(%x0: tensor<4xf32>) {
  // expected-error @+1 {{every result and result must have the same shape}}
  %0:2 = nn.fused %x0 : (tensor<4xf32>) -> (tensor<4xf32>, tensor<2xf32>) {
  ^bb0(%a: f32):
    nn.yield %a, %a : f32, f32
  }
  return
}

// -----

func.func @f(%x0: tensor<4xf32>) {
  // expected-error @+1 {{the body must have one argument per operand: 1, has 2}}
  %0 = nn.fused %x0 : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32, %b: f32):
    nn.yield %a : f32
  }
  return
}

// -----

func.func @f(%x0: tensor<4xf32>, %x1: tensor<2xf32>) {
  // expected-error @+1 {{every operand must have the results' shape, or rank 0}}
  %0 = nn.fused %x0, %x1 : (tensor<4xf32>, tensor<2xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32, %b: f32):
    nn.yield %a : f32
  }
  return
}

// -----

func.func @f(%x0: tensor<4xf32>, %x1: tensor<4xf32>) {
  // expected-error @+1 {{the body's arguments must be f32}}
  %0 = nn.fused %x0, %x1 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32, %b: f64):
    nn.yield %a : f32
  }
  return
}

// -----

func.func @f(%x0: tensor<4xf32>) {
  // expected-error @+1 {{the body must yield one value per result}}
  %0 = nn.fused %x0 : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32):
    nn.yield %a, %a : f32, f32
  }
  return
}

// -----

func.func @f(%x0: tensor<?xf32>) {
  // expected-error @+1 {{result: a dynamic first dimension needs an #nn.axis encoding}}
  %0 = nn.fused %x0 : (tensor<?xf32>) -> tensor<?xf32> {
  ^bb0(%a: f32):
    nn.yield %a : f32
  }
  return
}
