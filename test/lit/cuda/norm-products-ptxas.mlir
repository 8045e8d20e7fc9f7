// Products that normalise their rows pass the assembler's gates for rows of up to 4 KiB, of which registers have one to three of a warp.
// REQUIRES: ptxas
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 -o %t.plan 2>&1 | FileCheck %s
// CHECK-NOT: {{error|warning}}
// CHECK: mirlc: 10 entries, 10 kernels

func.func @gated_896(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<896xbf16> {nn.name = "n", nn.source = "input:n"}, %wg: tensor<4864x896xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<4864x896xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x4864xbf16, #nn.axis<context>> {nn.name = "y.out", nn.source = "output:y.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x896xbf16, #nn.axis<context>>, tensor<896xbf16>) -> (tensor<?x896xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %u = nn.linear %h, %wu : (tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xbf16>) -> tensor<?x4864xbf16, #nn.axis<context>>
  %g = nn.linear %h, %wg : (tensor<?x896xbf16, #nn.axis<context>>, tensor<4864x896xbf16>) -> tensor<?x4864xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x4864xbf16, #nn.axis<context>>
  %y = nn.binary mul %s, %u : tensor<?x4864xbf16, #nn.axis<context>>
  return %y : tensor<?x4864xbf16, #nn.axis<context>>
}

func.func @rows_896(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<896xbf16> {nn.name = "n", nn.source = "input:n"}, %wq: tensor<896x896xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<128x896xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<128x896xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bq: tensor<896xbf16> {nn.name = "bq", nn.source = "input:bq"}, %bk: tensor<128xbf16> {nn.name = "bk", nn.source = "input:bk"}, %angles: tensor<80x64xf32> {nn.name = "angles", nn.source = "input:angles"}, %keys: tensor<40x2x64x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x2x16x64xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %positions: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
    -> (tensor<?x896xbf16, #nn.axis<context>> {nn.name = "rq.out", nn.source = "output:rq.out"}, tensor<40x2x64x16xbf16> {nn.name = "nk.out", nn.source = "output:nk.out"}, tensor<40x2x16x64xbf16> {nn.name = "nv.out", nn.source = "output:nv.out"}) attributes {nn.kind = "decode", nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x896xbf16, #nn.axis<context>>, tensor<896xbf16>) -> (tensor<?x896xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %q = nn.linear %h, %wq bias(%bq) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<896x896xbf16>, tensor<896xbf16>) -> tensor<?x896xbf16, #nn.axis<context>>
  %k = nn.linear %h, %wk bias(%bk) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<128x896xbf16>, tensor<128xbf16>) -> tensor<?x128xbf16, #nn.axis<context>>
  %v = nn.linear %h, %wv bias(%bk) : (tensor<?x896xbf16, #nn.axis<context>>, tensor<128x896xbf16>, tensor<128xbf16>) -> tensor<?x128xbf16, #nn.axis<context>>
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (tensor<?x896xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x64xf32>) -> tensor<?x896xbf16, #nn.axis<context>>
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (tensor<?x128xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x64xf32>) -> tensor<?x128xbf16, #nn.axis<context>>
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (tensor<?x128xbf16, #nn.axis<context>>, tensor<?x128xbf16, #nn.axis<context>>, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>, tensor<8x5xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> (tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>)
  return %rq, %nk, %nv : tensor<?x896xbf16, #nn.axis<context>>, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>
}

func.func @gated_1024(%x: tensor<?x1024xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<1024xbf16> {nn.name = "n", nn.source = "input:n"}, %wg: tensor<3072x1024xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<3072x1024xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x3072xbf16, #nn.axis<context>> {nn.name = "y.out", nn.source = "output:y.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x1024xbf16, #nn.axis<context>>, tensor<1024xbf16>) -> (tensor<?x1024xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %u = nn.linear %h, %wu : (tensor<?x1024xbf16, #nn.axis<context>>, tensor<3072x1024xbf16>) -> tensor<?x3072xbf16, #nn.axis<context>>
  %g = nn.linear %h, %wg : (tensor<?x1024xbf16, #nn.axis<context>>, tensor<3072x1024xbf16>) -> tensor<?x3072xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x3072xbf16, #nn.axis<context>>
  %y = nn.binary mul %s, %u : tensor<?x3072xbf16, #nn.axis<context>>
  return %y : tensor<?x3072xbf16, #nn.axis<context>>
}

func.func @rows_1024(%x: tensor<?x1024xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<1024xbf16> {nn.name = "n", nn.source = "input:n"}, %wq: tensor<1024x1024xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<512x1024xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<512x1024xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bq: tensor<1024xbf16> {nn.name = "bq", nn.source = "input:bq"}, %bk: tensor<512xbf16> {nn.name = "bk", nn.source = "input:bk"}, %angles: tensor<80x64xf32> {nn.name = "angles", nn.source = "input:angles"}, %keys: tensor<40x8x64x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x8x16x64xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %positions: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
    -> (tensor<?x1024xbf16, #nn.axis<context>> {nn.name = "rq.out", nn.source = "output:rq.out"}, tensor<40x8x64x16xbf16> {nn.name = "nk.out", nn.source = "output:nk.out"}, tensor<40x8x16x64xbf16> {nn.name = "nv.out", nn.source = "output:nv.out"}) attributes {nn.kind = "decode", nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x1024xbf16, #nn.axis<context>>, tensor<1024xbf16>) -> (tensor<?x1024xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %q = nn.linear %h, %wq bias(%bq) : (tensor<?x1024xbf16, #nn.axis<context>>, tensor<1024x1024xbf16>, tensor<1024xbf16>) -> tensor<?x1024xbf16, #nn.axis<context>>
  %k = nn.linear %h, %wk bias(%bk) : (tensor<?x1024xbf16, #nn.axis<context>>, tensor<512x1024xbf16>, tensor<512xbf16>) -> tensor<?x512xbf16, #nn.axis<context>>
  %v = nn.linear %h, %wv bias(%bk) : (tensor<?x1024xbf16, #nn.axis<context>>, tensor<512x1024xbf16>, tensor<512xbf16>) -> tensor<?x512xbf16, #nn.axis<context>>
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (tensor<?x1024xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x64xf32>) -> tensor<?x1024xbf16, #nn.axis<context>>
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (tensor<?x512xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x64xf32>) -> tensor<?x512xbf16, #nn.axis<context>>
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (tensor<?x512xbf16, #nn.axis<context>>, tensor<?x512xbf16, #nn.axis<context>>, tensor<40x8x64x16xbf16>, tensor<40x8x16x64xbf16>, tensor<8x5xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> (tensor<40x8x64x16xbf16>, tensor<40x8x16x64xbf16>)
  return %rq, %nk, %nv : tensor<?x1024xbf16, #nn.axis<context>>, tensor<40x8x64x16xbf16>, tensor<40x8x16x64xbf16>
}

func.func @gated_1536(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<1536xbf16> {nn.name = "n", nn.source = "input:n"}, %wg: tensor<8960x1536xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<8960x1536xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "y.out", nn.source = "output:y.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<1536xbf16>) -> (tensor<?x1536xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %u = nn.linear %h, %wu : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  %g = nn.linear %h, %wg : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<8960x1536xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x8960xbf16, #nn.axis<context>>
  %y = nn.binary mul %s, %u : tensor<?x8960xbf16, #nn.axis<context>>
  return %y : tensor<?x8960xbf16, #nn.axis<context>>
}

func.func @rows_1536(%x: tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<1536xbf16> {nn.name = "n", nn.source = "input:n"}, %wq: tensor<1536x1536xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<256x1536xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<256x1536xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bq: tensor<1536xbf16> {nn.name = "bq", nn.source = "input:bq"}, %bk: tensor<256xbf16> {nn.name = "bk", nn.source = "input:bk"}, %angles: tensor<80x128xf32> {nn.name = "angles", nn.source = "input:angles"}, %keys: tensor<40x2x128x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x2x16x128xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %positions: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
    -> (tensor<?x1536xbf16, #nn.axis<context>> {nn.name = "rq.out", nn.source = "output:rq.out"}, tensor<40x2x128x16xbf16> {nn.name = "nk.out", nn.source = "output:nk.out"}, tensor<40x2x16x128xbf16> {nn.name = "nv.out", nn.source = "output:nv.out"}) attributes {nn.kind = "decode", nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<1536xbf16>) -> (tensor<?x1536xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %q = nn.linear %h, %wq bias(%bq) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<1536x1536xbf16>, tensor<1536xbf16>) -> tensor<?x1536xbf16, #nn.axis<context>>
  %k = nn.linear %h, %wk bias(%bk) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<256x1536xbf16>, tensor<256xbf16>) -> tensor<?x256xbf16, #nn.axis<context>>
  %v = nn.linear %h, %wv bias(%bk) : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<256x1536xbf16>, tensor<256xbf16>) -> tensor<?x256xbf16, #nn.axis<context>>
  %rq = nn.rotary %q, %positions, %angles {head_dim = 128 : i64} : (tensor<?x1536xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x128xf32>) -> tensor<?x1536xbf16, #nn.axis<context>>
  %rk = nn.rotary %k, %positions, %angles {head_dim = 128 : i64} : (tensor<?x256xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x128xf32>) -> tensor<?x256xbf16, #nn.axis<context>>
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (tensor<?x256xbf16, #nn.axis<context>>, tensor<?x256xbf16, #nn.axis<context>>, tensor<40x2x128x16xbf16>, tensor<40x2x16x128xbf16>, tensor<8x5xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> (tensor<40x2x128x16xbf16>, tensor<40x2x16x128xbf16>)
  return %rq, %nk, %nv : tensor<?x1536xbf16, #nn.axis<context>>, tensor<40x2x128x16xbf16>, tensor<40x2x16x128xbf16>
}

func.func @gated_1792(%x: tensor<?x1792xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<1792xbf16> {nn.name = "n", nn.source = "input:n"}, %wg: tensor<8192x1792xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<8192x1792xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x8192xbf16, #nn.axis<context>> {nn.name = "y.out", nn.source = "output:y.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x1792xbf16, #nn.axis<context>>, tensor<1792xbf16>) -> (tensor<?x1792xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %u = nn.linear %h, %wu : (tensor<?x1792xbf16, #nn.axis<context>>, tensor<8192x1792xbf16>) -> tensor<?x8192xbf16, #nn.axis<context>>
  %g = nn.linear %h, %wg : (tensor<?x1792xbf16, #nn.axis<context>>, tensor<8192x1792xbf16>) -> tensor<?x8192xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x8192xbf16, #nn.axis<context>>
  %y = nn.binary mul %s, %u : tensor<?x8192xbf16, #nn.axis<context>>
  return %y : tensor<?x8192xbf16, #nn.axis<context>>
}

func.func @rows_1792(%x: tensor<?x1792xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<1792xbf16> {nn.name = "n", nn.source = "input:n"}, %wq: tensor<1792x1792xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<256x1792xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<256x1792xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bq: tensor<1792xbf16> {nn.name = "bq", nn.source = "input:bq"}, %bk: tensor<256xbf16> {nn.name = "bk", nn.source = "input:bk"}, %angles: tensor<80x128xf32> {nn.name = "angles", nn.source = "input:angles"}, %keys: tensor<40x2x128x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x2x16x128xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %positions: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
    -> (tensor<?x1792xbf16, #nn.axis<context>> {nn.name = "rq.out", nn.source = "output:rq.out"}, tensor<40x2x128x16xbf16> {nn.name = "nk.out", nn.source = "output:nk.out"}, tensor<40x2x16x128xbf16> {nn.name = "nv.out", nn.source = "output:nv.out"}) attributes {nn.kind = "decode", nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x1792xbf16, #nn.axis<context>>, tensor<1792xbf16>) -> (tensor<?x1792xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %q = nn.linear %h, %wq bias(%bq) : (tensor<?x1792xbf16, #nn.axis<context>>, tensor<1792x1792xbf16>, tensor<1792xbf16>) -> tensor<?x1792xbf16, #nn.axis<context>>
  %k = nn.linear %h, %wk bias(%bk) : (tensor<?x1792xbf16, #nn.axis<context>>, tensor<256x1792xbf16>, tensor<256xbf16>) -> tensor<?x256xbf16, #nn.axis<context>>
  %v = nn.linear %h, %wv bias(%bk) : (tensor<?x1792xbf16, #nn.axis<context>>, tensor<256x1792xbf16>, tensor<256xbf16>) -> tensor<?x256xbf16, #nn.axis<context>>
  %rq = nn.rotary %q, %positions, %angles {head_dim = 128 : i64} : (tensor<?x1792xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x128xf32>) -> tensor<?x1792xbf16, #nn.axis<context>>
  %rk = nn.rotary %k, %positions, %angles {head_dim = 128 : i64} : (tensor<?x256xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x128xf32>) -> tensor<?x256xbf16, #nn.axis<context>>
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (tensor<?x256xbf16, #nn.axis<context>>, tensor<?x256xbf16, #nn.axis<context>>, tensor<40x2x128x16xbf16>, tensor<40x2x16x128xbf16>, tensor<8x5xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> (tensor<40x2x128x16xbf16>, tensor<40x2x16x128xbf16>)
  return %rq, %nk, %nv : tensor<?x1792xbf16, #nn.axis<context>>, tensor<40x2x128x16xbf16>, tensor<40x2x16x128xbf16>
}

func.func @gated_2048(%x: tensor<?x2048xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<2048xbf16> {nn.name = "n", nn.source = "input:n"}, %wg: tensor<11008x2048xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<11008x2048xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x11008xbf16, #nn.axis<context>> {nn.name = "y.out", nn.source = "output:y.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x2048xbf16, #nn.axis<context>>, tensor<2048xbf16>) -> (tensor<?x2048xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %u = nn.linear %h, %wu : (tensor<?x2048xbf16, #nn.axis<context>>, tensor<11008x2048xbf16>) -> tensor<?x11008xbf16, #nn.axis<context>>
  %g = nn.linear %h, %wg : (tensor<?x2048xbf16, #nn.axis<context>>, tensor<11008x2048xbf16>) -> tensor<?x11008xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x11008xbf16, #nn.axis<context>>
  %y = nn.binary mul %s, %u : tensor<?x11008xbf16, #nn.axis<context>>
  return %y : tensor<?x11008xbf16, #nn.axis<context>>
}

func.func @rows_2048(%x: tensor<?x2048xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<2048xbf16> {nn.name = "n", nn.source = "input:n"}, %wq: tensor<2048x2048xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<256x2048xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<256x2048xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bq: tensor<2048xbf16> {nn.name = "bq", nn.source = "input:bq"}, %bk: tensor<256xbf16> {nn.name = "bk", nn.source = "input:bk"}, %angles: tensor<80x128xf32> {nn.name = "angles", nn.source = "input:angles"}, %keys: tensor<40x2x128x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x2x16x128xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %positions: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
    -> (tensor<?x2048xbf16, #nn.axis<context>> {nn.name = "rq.out", nn.source = "output:rq.out"}, tensor<40x2x128x16xbf16> {nn.name = "nk.out", nn.source = "output:nk.out"}, tensor<40x2x16x128xbf16> {nn.name = "nv.out", nn.source = "output:nv.out"}) attributes {nn.kind = "decode", nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x2048xbf16, #nn.axis<context>>, tensor<2048xbf16>) -> (tensor<?x2048xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %q = nn.linear %h, %wq bias(%bq) : (tensor<?x2048xbf16, #nn.axis<context>>, tensor<2048x2048xbf16>, tensor<2048xbf16>) -> tensor<?x2048xbf16, #nn.axis<context>>
  %k = nn.linear %h, %wk bias(%bk) : (tensor<?x2048xbf16, #nn.axis<context>>, tensor<256x2048xbf16>, tensor<256xbf16>) -> tensor<?x256xbf16, #nn.axis<context>>
  %v = nn.linear %h, %wv bias(%bk) : (tensor<?x2048xbf16, #nn.axis<context>>, tensor<256x2048xbf16>, tensor<256xbf16>) -> tensor<?x256xbf16, #nn.axis<context>>
  %rq = nn.rotary %q, %positions, %angles {head_dim = 128 : i64} : (tensor<?x2048xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x128xf32>) -> tensor<?x2048xbf16, #nn.axis<context>>
  %rk = nn.rotary %k, %positions, %angles {head_dim = 128 : i64} : (tensor<?x256xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x128xf32>) -> tensor<?x256xbf16, #nn.axis<context>>
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (tensor<?x256xbf16, #nn.axis<context>>, tensor<?x256xbf16, #nn.axis<context>>, tensor<40x2x128x16xbf16>, tensor<40x2x16x128xbf16>, tensor<8x5xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> (tensor<40x2x128x16xbf16>, tensor<40x2x16x128xbf16>)
  return %rq, %nk, %nv : tensor<?x2048xbf16, #nn.axis<context>>, tensor<40x2x128x16xbf16>, tensor<40x2x16x128xbf16>
}
