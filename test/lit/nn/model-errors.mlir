// What variables, weights, constants, embeddings and row gathers refuse.
// RUN: mirl-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{kind must be weight, master, gradient, moment1, moment2, kv_cache, kv_table or state, is 'scratch'}}
nn.variable @v "scratch" "pi" "" init "zeros" : tensor<4xf32>

// -----

// expected-error @+1 {{init must be zeros, ones or normal:<std>, is 'random'}}
nn.variable @v "weight" "pi" "w" init "random" : tensor<4xf32>

// -----

// expected-error @+1 {{init must be zeros, ones or normal:<std>, is 'normal:'}}
nn.variable @v "weight" "pi" "w" init "normal:" : tensor<4xf32>

// -----

// expected-error @+1 {{init must be zeros, ones or normal:<std>, is 'normal:x'}}
nn.variable @v "weight" "pi" "w" init "normal:x" : tensor<4xf32>

// -----

// expected-error @+1 {{init must be zeros, ones or normal:<std>, is 'normal:-1.0'}}
nn.variable @v "weight" "pi" "w" init "normal:-1.0" : tensor<4xf32>

// -----

// expected-error @+1 {{a persistent tensor must have fixed dimensions}}
nn.variable @v "state" "pi" "" init "zeros" : tensor<?xf32, #nn.axis<token>>

// -----

func.func private @m() attributes {nn.model} {
  // expected-error @+1 {{init must be zeros, ones or normal:<std>, is 'xavier'}}
  %0 = nn.weight "w" init "xavier" : tensor<4xf32>
  return
}

// -----

func.func private @m() attributes {nn.model} {
  // expected-error @+1 {{weight must have fixed dimensions}}
  %0 = nn.weight "w" init "ones" : tensor<?xf32, #nn.axis<token>>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{the value must have the result's type}}
  %0 = nn.constant dense<1.0> : tensor<2xf32> : tensor<3xf32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{result must have fixed dimensions}}
  %0 = nn.constant dense<1.0> : tensor<2xf32> : tensor<?xf32, #nn.axis<token>>
  return
}

// -----

func.func @f(%table: tensor<32xf32>, %ids: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{table must have rank 2, has rank 1}}
  %0 = nn.embedding %table, %ids
    : (tensor<32xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%table: tensor<?x8xf32, #nn.axis<context>>, %ids: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{table must have fixed dimensions}}
  %0 = nn.embedding %table, %ids
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%table: tensor<32x8xf32>, %ids: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{ids and result must have the same rows}}
  %0 = nn.embedding %table, %ids
    : (tensor<32x8xf32>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%table: tensor<32x8xf32>, %ids: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{result must have rank 2, has rank 1}}
  %0 = nn.embedding %table, %ids
    : (tensor<32x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%table: tensor<32x8xf32>, %ids: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{ids and result must have the same rows}}
  %0 = nn.embedding %table, %ids : (tensor<32x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<5x8xf32>
  return
}

// -----

func.func @f(%table: tensor<32x8xf32>, %ids: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{result and table must have the same columns}}
  %0 = nn.embedding %table, %ids
    : (tensor<32x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x4xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%table: tensor<32x8xf32>, %ids: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{result: only the first dimension may be dynamic, dimension 1 is}}
  %0 = nn.embedding %table, %ids
    : (tensor<32x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x?xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%table: tensor<32x8xf32>, %ids: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{result: a dynamic first dimension needs an #nn.axis encoding}}
  %0 = nn.embedding %table, %ids : (tensor<32x8xf32>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32>
  return
}

// -----

func.func @f(%table: tensor<32x8xf64>, %ids: tensor<?xi32, #nn.axis<context>>) {
  // expected-error @+1 {{operand #0 must be ranked tensor of 32-bit float or bfloat16 type values}}
  %0 = nn.embedding %table, %ids
    : (tensor<32x8xf64>, tensor<?xi32, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%table: tensor<32x8xf32>, %ids: tensor<?xi64, #nn.axis<context>>) {
  // expected-error @+1 {{operand #1 must be 1D tensor of 32-bit signless integer values}}
  %0 = nn.embedding %table, %ids
    : (tensor<32x8xf32>, tensor<?xi64, #nn.axis<context>>) -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?xf32, #nn.axis<context>>, %rows: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{input must have rank 2, has rank 1}}
  %0 = nn.gather_rows %input, %rows
    : (tensor<?xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x8xf32, #nn.axis<token>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %rows: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{result must have rank 2, has rank 1}}
  %0 = nn.gather_rows %input, %rows
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?xf32, #nn.axis<token>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %rows: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{result and rows must have the same rows}}
  %0 = nn.gather_rows %input, %rows
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x8xf32, #nn.axis<context>>
  return
}

// -----

func.func @f(%input: tensor<?x8xf32, #nn.axis<context>>, %rows: tensor<?xi32, #nn.axis<token>>) {
  // expected-error @+1 {{result has 4 in dimension 1, must have 8: the columns of the input}}
  %0 = nn.gather_rows %input, %rows
    : (tensor<?x8xf32, #nn.axis<context>>, tensor<?xi32, #nn.axis<token>>) -> tensor<?x4xf32, #nn.axis<token>>
  return
}
