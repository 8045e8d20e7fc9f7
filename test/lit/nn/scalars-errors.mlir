// What elementwise maths, spread numbers and extents refuse.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<?x?xf32, #nn.axis<context>>) {
  // expected-error @+1 {{result: only the first dimension may be dynamic, dimension 1 is}}
  %0 = nn.unary neg %x : tensor<?x?xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%x: tensor<?xf32>) {
  // expected-error @+1 {{result: a dynamic first dimension needs an #nn.axis encoding}}
  %0 = nn.unary neg %x : tensor<?xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?xf32, #nn.axis<context>>) {
  // expected-error @+1 {{result: only the first dimension may be dynamic, dimension 1 is}}
  %0 = nn.binary add %x, %x : tensor<?x?xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%x: tensor<?xf32>) {
  // expected-error @+1 {{result: a dynamic first dimension needs an #nn.axis encoding}}
  %0 = nn.binary add %x, %x : tensor<?xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?xf32, #nn.axis<context>>) {
  // expected-error @+1 {{result: only the first dimension may be dynamic, dimension 1 is}}
  %0 = nn.compare eq %x, %x : tensor<?x?xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%x: tensor<?xf32>) {
  // expected-error @+1 {{result: a dynamic first dimension needs an #nn.axis encoding}}
  %0 = nn.compare eq %x, %x : tensor<?xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?xf32, #nn.axis<context>>) {
  // expected-error @+1 {{result: only the first dimension may be dynamic, dimension 1 is}}
  %0 = nn.select %x, %x, %x : tensor<?x?xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%x: tensor<?xf32>) {
  // expected-error @+1 {{result: a dynamic first dimension needs an #nn.axis encoding}}
  %0 = nn.select %x, %x, %x : tensor<?xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?xf32, #nn.axis<context>>) {
  // expected-error @+1 {{result: only the first dimension may be dynamic, dimension 1 is}}
  %0 = nn.stop_gradient %x : tensor<?x?xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%x: tensor<?xf32>) {
  // expected-error @+1 {{result: a dynamic first dimension needs an #nn.axis encoding}}
  %0 = nn.stop_gradient %x : tensor<?xf32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{result: a dynamic first dimension needs an #nn.axis encoding}}
  %0 = nn.splat 1.0 : tensor<?xf32>
  return
}

// -----

func.func @f(%x: tensor<4xf32>, %y: tensor<2xf32>) {
  // expected-error @+1 {{all non-scalar operands/results must have the same shape and base type}}
  %0 = "nn.binary"(%x, %y) <{kind = #nn<binary_kind add>}> : (tensor<4xf32>, tensor<2xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<?xf32, #nn.axis<token>>, %y: tensor<?xf32, #nn.axis<sequence>>) {
  // expected-error @+1 {{requires the same encoding for all operands and results}}
  %0 = "nn.binary"(%x, %y) <{kind = #nn<binary_kind add>}> : (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<sequence>>) -> tensor<?xf32, #nn.axis<token>>
  return
}

// -----

func.func @f(%x: tensor<4xf32>, %y: tensor<2xf32>) {
  // expected-error @+1 {{all non-scalar operands/results must have the same shape and base type}}
  %0 = "nn.compare"(%x, %y) <{kind = #nn<compare_kind eq>}> : (tensor<4xf32>, tensor<2xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<?xf32, #nn.axis<token>>, %y: tensor<?xf32, #nn.axis<sequence>>) {
  // expected-error @+1 {{requires the same encoding for all operands and results}}
  %0 = "nn.compare"(%x, %y) <{kind = #nn<compare_kind eq>}> : (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<sequence>>) -> tensor<?xf32, #nn.axis<token>>
  return
}

// -----

func.func @f(%x: tensor<4xf32>, %y: tensor<2xf32>) {
  // expected-error @+1 {{all non-scalar operands/results must have the same shape and base type}}
  %0 = "nn.select"(%x, %x, %y) : (tensor<4xf32>, tensor<4xf32>, tensor<2xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<?xf32, #nn.axis<token>>, %y: tensor<?xf32, #nn.axis<sequence>>) {
  // expected-error @+1 {{requires the same encoding for all operands and results}}
  %0 = "nn.select"(%x, %x, %y) : (tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<token>>, tensor<?xf32, #nn.axis<sequence>>) -> tensor<?xf32, #nn.axis<token>>
  return
}

// -----

func.func @f(%input: tensor<1xf32>) {
  // expected-error @+1 {{input must have rank 0, has rank 1}}
  %0 = nn.spread %input : (tensor<1xf32>) -> tensor<?x4xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<f32>) {
  // expected-error @+1 {{result: a dynamic first dimension needs an #nn.axis encoding}}
  %0 = nn.spread %input : (tensor<f32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{result must have rank 0, has rank 1}}
  %0 = nn.extent <token> : tensor<1xf32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{counts an axis itself: no extra rows}}
  %0 = nn.extent <sequence, 1> : tensor<f32>
  return
}
