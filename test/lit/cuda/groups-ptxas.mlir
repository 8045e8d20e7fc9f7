// Groups of products of Qwen2.5 0.5B and 1.5B, for training and for decoding, pass the assembler's gates: no register in
// memory, no product that waits for another, shared memory that fits.
// REQUIRES: ptxas
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 -o %t.plan 2>&1 | FileCheck %s
// CHECK-NOT: {{error|warning}}
// CHECK: mirlc: 22 entries, 22 kernels

func.func @products_896_16384(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wq: tensor<896x896xbf16> {nn.name = "wq", nn.source = "input:wq"},
    %wk: tensor<128x896xbf16> {nn.name = "wk", nn.source = "input:wk"},
    %wv: tensor<128x896xbf16> {nn.name = "wv", nn.source = "input:wv"},
    %bq: tensor<896xbf16> {nn.name = "bq", nn.source = "input:bq"},
    %bk: tensor<128xbf16> {nn.name = "bk", nn.source = "input:bk"},
    %bv: tensor<128xbf16> {nn.name = "bv", nn.source = "input:bv"})
    -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "output:q"},
        tensor<?x128xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "output:k"},
        tensor<?x128xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "output:v"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<896x896xbf16>, tensor<896xbf16>) -> tensor<?x896xbf16, #nn.axis<context>>
  %k = nn.linear %x, %wk bias(%bk) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<128x896xbf16>, tensor<128xbf16>) -> tensor<?x128xbf16, #nn.axis<context>>
  %v = nn.linear %x, %wv bias(%bv) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<128x896xbf16>, tensor<128xbf16>) -> tensor<?x128xbf16, #nn.axis<context>>
  return %q, %k, %v : tensor<?x896xbf16, #nn.axis<context>>, tensor<?x128xbf16, #nn.axis<context>>, tensor<?x128xbf16, #nn.axis<context>>
}

func.func @gated_896_16384(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wg: tensor<4864x896xbf16> {nn.name = "wg", nn.source = "input:wg"},
    %wu: tensor<4864x896xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xbf16>) -> tensor<?x4864xbf16, #nn.axis<context>>
  %u = nn.linear %x, %wu : (tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xbf16>) -> tensor<?x4864xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x4864xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x4864xbf16, #nn.axis<context>>
  return %h : tensor<?x4864xbf16, #nn.axis<context>>
}

func.func @gated_896_16384_kept(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wg: tensor<4864x896xbf16> {nn.name = "wg", nn.source = "input:wg"},
    %wu: tensor<4864x896xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "output:g"},
        tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "u", nn.source = "output:u"},
        tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xbf16>) -> tensor<?x4864xbf16, #nn.axis<context>>
  %u = nn.linear %x, %wu : (tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xbf16>) -> tensor<?x4864xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x4864xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x4864xbf16, #nn.axis<context>>
  return %g, %u, %h : tensor<?x4864xbf16, #nn.axis<context>>, tensor<?x4864xbf16, #nn.axis<context>>, tensor<?x4864xbf16, #nn.axis<context>>
}

func.func @products_896_256(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wq: tensor<896x896xbf16> {nn.name = "wq", nn.source = "input:wq"},
    %wk: tensor<128x896xbf16> {nn.name = "wk", nn.source = "input:wk"},
    %wv: tensor<128x896xbf16> {nn.name = "wv", nn.source = "input:wv"},
    %bq: tensor<896xbf16> {nn.name = "bq", nn.source = "input:bq"},
    %bk: tensor<128xbf16> {nn.name = "bk", nn.source = "input:bk"},
    %bv: tensor<128xbf16> {nn.name = "bv", nn.source = "input:bv"})
    -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "output:q"},
        tensor<?x128xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "output:k"},
        tensor<?x128xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "output:v"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<896x896xbf16>, tensor<896xbf16>) -> tensor<?x896xbf16, #nn.axis<context>>
  %k = nn.linear %x, %wk bias(%bk) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<128x896xbf16>, tensor<128xbf16>) -> tensor<?x128xbf16, #nn.axis<context>>
  %v = nn.linear %x, %wv bias(%bv) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<128x896xbf16>, tensor<128xbf16>) -> tensor<?x128xbf16, #nn.axis<context>>
  return %q, %k, %v : tensor<?x896xbf16, #nn.axis<context>>, tensor<?x128xbf16, #nn.axis<context>>, tensor<?x128xbf16, #nn.axis<context>>
}

func.func @gated_896_256(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wg: tensor<4864x896xbf16> {nn.name = "wg", nn.source = "input:wg"},
    %wu: tensor<4864x896xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xbf16>) -> tensor<?x4864xbf16, #nn.axis<context>>
  %u = nn.linear %x, %wu : (tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xbf16>) -> tensor<?x4864xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x4864xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x4864xbf16, #nn.axis<context>>
  return %h : tensor<?x4864xbf16, #nn.axis<context>>
}

func.func @products_896_1(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wq: tensor<896x896xbf16> {nn.name = "wq", nn.source = "input:wq"},
    %wk: tensor<128x896xbf16> {nn.name = "wk", nn.source = "input:wk"},
    %wv: tensor<128x896xbf16> {nn.name = "wv", nn.source = "input:wv"},
    %bq: tensor<896xbf16> {nn.name = "bq", nn.source = "input:bq"},
    %bk: tensor<128xbf16> {nn.name = "bk", nn.source = "input:bk"},
    %bv: tensor<128xbf16> {nn.name = "bv", nn.source = "input:bv"})
    -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "output:q"},
        tensor<?x128xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "output:k"},
        tensor<?x128xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "output:v"}) attributes {nn.kind = "plain", nn.capacities = {context = 1 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<896x896xbf16>, tensor<896xbf16>) -> tensor<?x896xbf16, #nn.axis<context>>
  %k = nn.linear %x, %wk bias(%bk) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<128x896xbf16>, tensor<128xbf16>) -> tensor<?x128xbf16, #nn.axis<context>>
  %v = nn.linear %x, %wv bias(%bv) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<128x896xbf16>, tensor<128xbf16>) -> tensor<?x128xbf16, #nn.axis<context>>
  return %q, %k, %v : tensor<?x896xbf16, #nn.axis<context>>, tensor<?x128xbf16, #nn.axis<context>>, tensor<?x128xbf16, #nn.axis<context>>
}

func.func @gated_896_1(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wg: tensor<4864x896xbf16> {nn.name = "wg", nn.source = "input:wg"},
    %wu: tensor<4864x896xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 1 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xbf16>) -> tensor<?x4864xbf16, #nn.axis<context>>
  %u = nn.linear %x, %wu : (tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xbf16>) -> tensor<?x4864xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x4864xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x4864xbf16, #nn.axis<context>>
  return %h : tensor<?x4864xbf16, #nn.axis<context>>
}

func.func @weights_attention_896(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %dq: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "dq", nn.source = "input:dq"},
    %dk: tensor<?x128xbf16, #nn.axis<context>> {nn.name = "dk", nn.source = "input:dk"},
    %dv: tensor<?x128xbf16, #nn.axis<context>> {nn.name = "dv", nn.source = "input:dv"},
    %iq: tensor<896x896xf32> {nn.name = "iq", nn.source = "input:iq"},
    %ik: tensor<128x896xf32> {nn.name = "ik", nn.source = "input:ik"},
    %iv: tensor<128x896xf32> {nn.name = "iv", nn.source = "input:iv"})
    -> (tensor<896x896xf32> {nn.name = "q", nn.source = "output:q"},
        tensor<128x896xf32> {nn.name = "k", nn.source = "output:k"},
        tensor<128x896xf32> {nn.name = "v", nn.source = "output:v"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %q = nn.linear_weight_grad %dq, %x, %iq : (tensor<?x896xbf16, #nn.axis<context>>, tensor<?x896xbf16, #nn.axis<context>>, tensor<896x896xf32>) -> tensor<896x896xf32>
  %k = nn.linear_weight_grad %dk, %x, %ik : (tensor<?x128xbf16, #nn.axis<context>>, tensor<?x896xbf16, #nn.axis<context>>, tensor<128x896xf32>) -> tensor<128x896xf32>
  %v = nn.linear_weight_grad %dv, %x, %iv : (tensor<?x128xbf16, #nn.axis<context>>, tensor<?x896xbf16, #nn.axis<context>>, tensor<128x896xf32>) -> tensor<128x896xf32>
  return %q, %k, %v : tensor<896x896xf32>, tensor<128x896xf32>, tensor<128x896xf32>
}

func.func @weights_mlp_896(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %dg: tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "dg", nn.source = "input:dg"},
    %du: tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "du", nn.source = "input:du"},
    %ig: tensor<4864x896xf32> {nn.name = "ig", nn.source = "input:ig"},
    %iu: tensor<4864x896xf32> {nn.name = "iu", nn.source = "input:iu"})
    -> (tensor<4864x896xf32> {nn.name = "g", nn.source = "output:g"},
        tensor<4864x896xf32> {nn.name = "u", nn.source = "output:u"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %g = nn.linear_weight_grad %dg, %x, %ig : (tensor<?x4864xbf16, #nn.axis<context>>, tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xf32>) -> tensor<4864x896xf32>
  %u = nn.linear_weight_grad %du, %x, %iu : (tensor<?x4864xbf16, #nn.axis<context>>, tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xf32>) -> tensor<4864x896xf32>
  return %g, %u : tensor<4864x896xf32>, tensor<4864x896xf32>
}

func.func @activation_896_16384(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wg: tensor<4864x896xbf16> {nn.name = "wg", nn.source = "input:wg"})
    -> (tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xbf16>) -> tensor<?x4864xbf16, #nn.axis<context>>
  %h = nn.unary tanh %g : tensor<?x4864xbf16, #nn.axis<context>>
  return %h : tensor<?x4864xbf16, #nn.axis<context>>
}

func.func @activation_896_256(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wg: tensor<4864x896xbf16> {nn.name = "wg", nn.source = "input:wg"})
    -> (tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xbf16>) -> tensor<?x4864xbf16, #nn.axis<context>>
  %h = nn.unary tanh %g : tensor<?x4864xbf16, #nn.axis<context>>
  return %h : tensor<?x4864xbf16, #nn.axis<context>>
}

func.func @products_1536_16384(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wq: tensor<1536x1536xbf16> {nn.name = "wq", nn.source = "input:wq"},
    %wk: tensor<256x1536xbf16> {nn.name = "wk", nn.source = "input:wk"},
    %wv: tensor<256x1536xbf16> {nn.name = "wv", nn.source = "input:wv"},
    %bq: tensor<1536xbf16> {nn.name = "bq", nn.source = "input:bq"},
    %bk: tensor<256xbf16> {nn.name = "bk", nn.source = "input:bk"},
    %bv: tensor<256xbf16> {nn.name = "bv", nn.source = "input:bv"})
    -> (tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "output:q"},
        tensor<?x256xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "output:k"},
        tensor<?x256xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "output:v"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<1536x1536xbf16>, tensor<1536xbf16>) -> tensor<?x1536xbf16, #nn.axis<context>>
  %k = nn.linear %x, %wk bias(%bk) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<256x1536xbf16>, tensor<256xbf16>) -> tensor<?x256xbf16, #nn.axis<context>>
  %v = nn.linear %x, %wv bias(%bv) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<256x1536xbf16>, tensor<256xbf16>) -> tensor<?x256xbf16, #nn.axis<context>>
  return %q, %k, %v : tensor<?x1536xbf16, #nn.axis<context>>, tensor<?x256xbf16, #nn.axis<context>>, tensor<?x256xbf16, #nn.axis<context>>
}

func.func @gated_1536_16384(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wg: tensor<8960x1536xbf16> {nn.name = "wg", nn.source = "input:wg"},
    %wu: tensor<8960x1536xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  %u = nn.linear %x, %wu : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x8960xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x8960xbf16, #nn.axis<context>>
  return %h : tensor<?x8960xbf16, #nn.axis<context>>
}

func.func @gated_1536_16384_kept(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wg: tensor<8960x1536xbf16> {nn.name = "wg", nn.source = "input:wg"},
    %wu: tensor<8960x1536xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "output:g"},
        tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "u", nn.source = "output:u"},
        tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  %u = nn.linear %x, %wu : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x8960xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x8960xbf16, #nn.axis<context>>
  return %g, %u, %h : tensor<?x8960xbf16, #nn.axis<context>>, tensor<?x8960xbf16, #nn.axis<context>>, tensor<?x8960xbf16, #nn.axis<context>>
}

func.func @products_1536_256(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wq: tensor<1536x1536xbf16> {nn.name = "wq", nn.source = "input:wq"},
    %wk: tensor<256x1536xbf16> {nn.name = "wk", nn.source = "input:wk"},
    %wv: tensor<256x1536xbf16> {nn.name = "wv", nn.source = "input:wv"},
    %bq: tensor<1536xbf16> {nn.name = "bq", nn.source = "input:bq"},
    %bk: tensor<256xbf16> {nn.name = "bk", nn.source = "input:bk"},
    %bv: tensor<256xbf16> {nn.name = "bv", nn.source = "input:bv"})
    -> (tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "output:q"},
        tensor<?x256xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "output:k"},
        tensor<?x256xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "output:v"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<1536x1536xbf16>, tensor<1536xbf16>) -> tensor<?x1536xbf16, #nn.axis<context>>
  %k = nn.linear %x, %wk bias(%bk) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<256x1536xbf16>, tensor<256xbf16>) -> tensor<?x256xbf16, #nn.axis<context>>
  %v = nn.linear %x, %wv bias(%bv) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<256x1536xbf16>, tensor<256xbf16>) -> tensor<?x256xbf16, #nn.axis<context>>
  return %q, %k, %v : tensor<?x1536xbf16, #nn.axis<context>>, tensor<?x256xbf16, #nn.axis<context>>, tensor<?x256xbf16, #nn.axis<context>>
}

func.func @gated_1536_256(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wg: tensor<8960x1536xbf16> {nn.name = "wg", nn.source = "input:wg"},
    %wu: tensor<8960x1536xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  %u = nn.linear %x, %wu : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x8960xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x8960xbf16, #nn.axis<context>>
  return %h : tensor<?x8960xbf16, #nn.axis<context>>
}

func.func @products_1536_1(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wq: tensor<1536x1536xbf16> {nn.name = "wq", nn.source = "input:wq"},
    %wk: tensor<256x1536xbf16> {nn.name = "wk", nn.source = "input:wk"},
    %wv: tensor<256x1536xbf16> {nn.name = "wv", nn.source = "input:wv"},
    %bq: tensor<1536xbf16> {nn.name = "bq", nn.source = "input:bq"},
    %bk: tensor<256xbf16> {nn.name = "bk", nn.source = "input:bk"},
    %bv: tensor<256xbf16> {nn.name = "bv", nn.source = "input:bv"})
    -> (tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "output:q"},
        tensor<?x256xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "output:k"},
        tensor<?x256xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "output:v"}) attributes {nn.kind = "plain", nn.capacities = {context = 1 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<1536x1536xbf16>, tensor<1536xbf16>) -> tensor<?x1536xbf16, #nn.axis<context>>
  %k = nn.linear %x, %wk bias(%bk) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<256x1536xbf16>, tensor<256xbf16>) -> tensor<?x256xbf16, #nn.axis<context>>
  %v = nn.linear %x, %wv bias(%bv) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<256x1536xbf16>, tensor<256xbf16>) -> tensor<?x256xbf16, #nn.axis<context>>
  return %q, %k, %v : tensor<?x1536xbf16, #nn.axis<context>>, tensor<?x256xbf16, #nn.axis<context>>, tensor<?x256xbf16, #nn.axis<context>>
}

func.func @gated_1536_1(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wg: tensor<8960x1536xbf16> {nn.name = "wg", nn.source = "input:wg"},
    %wu: tensor<8960x1536xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 1 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  %u = nn.linear %x, %wu : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x8960xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x8960xbf16, #nn.axis<context>>
  return %h : tensor<?x8960xbf16, #nn.axis<context>>
}

func.func @weights_attention_1536(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %dq: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "dq", nn.source = "input:dq"},
    %dk: tensor<?x256xbf16, #nn.axis<context>> {nn.name = "dk", nn.source = "input:dk"},
    %dv: tensor<?x256xbf16, #nn.axis<context>> {nn.name = "dv", nn.source = "input:dv"},
    %iq: tensor<1536x1536xf32> {nn.name = "iq", nn.source = "input:iq"},
    %ik: tensor<256x1536xf32> {nn.name = "ik", nn.source = "input:ik"},
    %iv: tensor<256x1536xf32> {nn.name = "iv", nn.source = "input:iv"})
    -> (tensor<1536x1536xf32> {nn.name = "q", nn.source = "output:q"},
        tensor<256x1536xf32> {nn.name = "k", nn.source = "output:k"},
        tensor<256x1536xf32> {nn.name = "v", nn.source = "output:v"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %q = nn.linear_weight_grad %dq, %x, %iq : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<?x1536xbf16, #nn.axis<context>>, tensor<1536x1536xf32>) -> tensor<1536x1536xf32>
  %k = nn.linear_weight_grad %dk, %x, %ik : (tensor<?x256xbf16, #nn.axis<context>>, tensor<?x1536xbf16, #nn.axis<context>>, tensor<256x1536xf32>) -> tensor<256x1536xf32>
  %v = nn.linear_weight_grad %dv, %x, %iv : (tensor<?x256xbf16, #nn.axis<context>>, tensor<?x1536xbf16, #nn.axis<context>>, tensor<256x1536xf32>) -> tensor<256x1536xf32>
  return %q, %k, %v : tensor<1536x1536xf32>, tensor<256x1536xf32>, tensor<256x1536xf32>
}

func.func @weights_mlp_1536(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %dg: tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "dg", nn.source = "input:dg"},
    %du: tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "du", nn.source = "input:du"},
    %ig: tensor<8960x1536xf32> {nn.name = "ig", nn.source = "input:ig"},
    %iu: tensor<8960x1536xf32> {nn.name = "iu", nn.source = "input:iu"})
    -> (tensor<8960x1536xf32> {nn.name = "g", nn.source = "output:g"},
        tensor<8960x1536xf32> {nn.name = "u", nn.source = "output:u"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %g = nn.linear_weight_grad %dg, %x, %ig : (tensor<?x8960xbf16, #nn.axis<context>>, tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xf32>) -> tensor<8960x1536xf32>
  %u = nn.linear_weight_grad %du, %x, %iu : (tensor<?x8960xbf16, #nn.axis<context>>, tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xf32>) -> tensor<8960x1536xf32>
  return %g, %u : tensor<8960x1536xf32>, tensor<8960x1536xf32>
}

func.func @activation_1536_16384(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wg: tensor<8960x1536xbf16> {nn.name = "wg", nn.source = "input:wg"})
    -> (tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  %h = nn.unary tanh %g : tensor<?x8960xbf16, #nn.axis<context>>
  return %h : tensor<?x8960xbf16, #nn.axis<context>>
}

func.func @activation_1536_256(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"},
    %wg: tensor<8960x1536xbf16> {nn.name = "wg", nn.source = "input:wg"})
    -> (tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"}) attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  %h = nn.unary tanh %g : tensor<?x8960xbf16, #nn.axis<context>>
  return %h : tensor<?x8960xbf16, #nn.axis<context>>
}
