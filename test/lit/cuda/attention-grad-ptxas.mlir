// The adjoint of attention passes the assembler's gates at both head dimensions, and where heads of 64 share a key five and eight
// times: no register in memory, no product that waits for another, shared memory that fits.
// REQUIRES: ptxas
// RUN: mirlc %s --target cuda:sm_90a --dtype f32 -o %t.plan 2>&1 | FileCheck %s
// CHECK-NOT: {{error|warning}}
// CHECK: mirlc: 8 entries, 24 kernels

!offsets = tensor<?xi32, #nn.axis<sequence, 1>>
!qqwen05 = tensor<?x896xbf16, #nn.axis<context>>
!kqwen05 = tensor<?x128xbf16, #nn.axis<context>>
!lqwen05 = tensor<?x14xf32, #nn.axis<context>>
!qqwen15 = tensor<?x1536xbf16, #nn.axis<context>>
!kqwen15 = tensor<?x256xbf16, #nn.axis<context>>
!lqwen15 = tensor<?x12xf32, #nn.axis<context>>
!qllama = tensor<?x4096xbf16, #nn.axis<context>>
!kllama = tensor<?x1024xbf16, #nn.axis<context>>
!lllama = tensor<?x32xf32, #nn.axis<context>>
!qmany = tensor<?x2048xbf16, #nn.axis<context>>
!kmany = tensor<?x2048xbf16, #nn.axis<context>>
!lmany = tensor<?x16xf32, #nn.axis<context>>
!qone = tensor<?x64xbf16, #nn.axis<context>>
!kone = tensor<?x64xbf16, #nn.axis<context>>
!lone = tensor<?x1xf32, #nn.axis<context>>
!qone128 = tensor<?x128xbf16, #nn.axis<context>>
!kone128 = tensor<?x128xbf16, #nn.axis<context>>
!lone128 = tensor<?x1xf32, #nn.axis<context>>
!qfive = tensor<?x320xbf16, #nn.axis<context>>
!kfive = tensor<?x64xbf16, #nn.axis<context>>
!lfive = tensor<?x5xf32, #nn.axis<context>>
!qeight = tensor<?x1024xbf16, #nn.axis<context>>
!keight = tensor<?x128xbf16, #nn.axis<context>>
!leight = tensor<?x16xf32, #nn.axis<context>>

func.func @qwen05(%g: !qqwen05 {nn.name = "g", nn.source = "input:g"}, %q: !qqwen05 {nn.name = "q", nn.source = "input:q"},
                  %k: !kqwen05 {nn.name = "k", nn.source = "input:k"}, %v: !kqwen05 {nn.name = "v", nn.source = "input:v"},
                  %o: !qqwen05 {nn.name = "o", nn.source = "input:o"}, %lse: !lqwen05 {nn.name = "lse", nn.source = "input:lse"},
                  %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!qqwen05 {nn.name = "dq", nn.source = "output:dq"}, !kqwen05 {nn.name = "dk", nn.source = "output:dk"},
        !kqwen05 {nn.name = "dv", nn.source = "output:dv"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %dq, %dk, %dv = nn.attention_grad %g, %q, %k, %v, %o, %lse, %offsets
      {heads = 14 : i64, kv_heads = 2 : i64, scale = 0.125 : f32} : (!qqwen05, !qqwen05, !kqwen05, !kqwen05, !qqwen05, !lqwen05, !offsets) -> (!qqwen05, !kqwen05, !kqwen05)
  return %dq, %dk, %dv : !qqwen05, !kqwen05, !kqwen05
}

func.func @qwen15(%g: !qqwen15 {nn.name = "g", nn.source = "input:g"}, %q: !qqwen15 {nn.name = "q", nn.source = "input:q"},
                  %k: !kqwen15 {nn.name = "k", nn.source = "input:k"}, %v: !kqwen15 {nn.name = "v", nn.source = "input:v"},
                  %o: !qqwen15 {nn.name = "o", nn.source = "input:o"}, %lse: !lqwen15 {nn.name = "lse", nn.source = "input:lse"},
                  %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!qqwen15 {nn.name = "dq", nn.source = "output:dq"}, !kqwen15 {nn.name = "dk", nn.source = "output:dk"},
        !kqwen15 {nn.name = "dv", nn.source = "output:dv"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %dq, %dk, %dv = nn.attention_grad %g, %q, %k, %v, %o, %lse, %offsets
      {heads = 12 : i64, kv_heads = 2 : i64, scale = 0.0883883461 : f32} : (!qqwen15, !qqwen15, !kqwen15, !kqwen15, !qqwen15, !lqwen15, !offsets) -> (!qqwen15, !kqwen15, !kqwen15)
  return %dq, %dk, %dv : !qqwen15, !kqwen15, !kqwen15
}

func.func @llama(%g: !qllama {nn.name = "g", nn.source = "input:g"}, %q: !qllama {nn.name = "q", nn.source = "input:q"},
                 %k: !kllama {nn.name = "k", nn.source = "input:k"}, %v: !kllama {nn.name = "v", nn.source = "input:v"},
                 %o: !qllama {nn.name = "o", nn.source = "input:o"}, %lse: !lllama {nn.name = "lse", nn.source = "input:lse"},
                 %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!qllama {nn.name = "dq", nn.source = "output:dq"}, !kllama {nn.name = "dk", nn.source = "output:dk"},
        !kllama {nn.name = "dv", nn.source = "output:dv"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %dq, %dk, %dv = nn.attention_grad %g, %q, %k, %v, %o, %lse, %offsets
      {heads = 32 : i64, kv_heads = 8 : i64, scale = 0.0883883461 : f32} : (!qllama, !qllama, !kllama, !kllama, !qllama, !lllama, !offsets) -> (!qllama, !kllama, !kllama)
  return %dq, %dk, %dv : !qllama, !kllama, !kllama
}

func.func @many(%g: !qmany {nn.name = "g", nn.source = "input:g"}, %q: !qmany {nn.name = "q", nn.source = "input:q"},
                %k: !kmany {nn.name = "k", nn.source = "input:k"}, %v: !kmany {nn.name = "v", nn.source = "input:v"},
                %o: !qmany {nn.name = "o", nn.source = "input:o"}, %lse: !lmany {nn.name = "lse", nn.source = "input:lse"},
                %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!qmany {nn.name = "dq", nn.source = "output:dq"}, !kmany {nn.name = "dk", nn.source = "output:dk"},
        !kmany {nn.name = "dv", nn.source = "output:dv"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %dq, %dk, %dv = nn.attention_grad %g, %q, %k, %v, %o, %lse, %offsets
      {heads = 16 : i64, kv_heads = 16 : i64, scale = 0.0883883461 : f32} : (!qmany, !qmany, !kmany, !kmany, !qmany, !lmany, !offsets) -> (!qmany, !kmany, !kmany)
  return %dq, %dk, %dv : !qmany, !kmany, !kmany
}

func.func @five(%g: !qfive {nn.name = "g", nn.source = "input:g"}, %q: !qfive {nn.name = "q", nn.source = "input:q"},
                  %k: !kfive {nn.name = "k", nn.source = "input:k"}, %v: !kfive {nn.name = "v", nn.source = "input:v"},
                  %o: !qfive {nn.name = "o", nn.source = "input:o"}, %lse: !lfive {nn.name = "lse", nn.source = "input:lse"},
                  %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!qfive {nn.name = "dq", nn.source = "output:dq"}, !kfive {nn.name = "dk", nn.source = "output:dk"},
        !kfive {nn.name = "dv", nn.source = "output:dv"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %dq, %dk, %dv = nn.attention_grad %g, %q, %k, %v, %o, %lse, %offsets
      {heads = 5 : i64, kv_heads = 1 : i64, scale = 0.125 : f32} : (!qfive, !qfive, !kfive, !kfive, !qfive, !lfive, !offsets) -> (!qfive, !kfive, !kfive)
  return %dq, %dk, %dv : !qfive, !kfive, !kfive
}

func.func @eight(%g: !qeight {nn.name = "g", nn.source = "input:g"}, %q: !qeight {nn.name = "q", nn.source = "input:q"},
                  %k: !keight {nn.name = "k", nn.source = "input:k"}, %v: !keight {nn.name = "v", nn.source = "input:v"},
                  %o: !qeight {nn.name = "o", nn.source = "input:o"}, %lse: !leight {nn.name = "lse", nn.source = "input:lse"},
                  %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!qeight {nn.name = "dq", nn.source = "output:dq"}, !keight {nn.name = "dk", nn.source = "output:dk"},
        !keight {nn.name = "dv", nn.source = "output:dv"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %dq, %dk, %dv = nn.attention_grad %g, %q, %k, %v, %o, %lse, %offsets
      {heads = 16 : i64, kv_heads = 2 : i64, scale = 0.125 : f32} : (!qeight, !qeight, !keight, !keight, !qeight, !leight, !offsets) -> (!qeight, !keight, !keight)
  return %dq, %dk, %dv : !qeight, !keight, !keight
}

func.func @one(%g: !qone {nn.name = "g", nn.source = "input:g"}, %q: !qone {nn.name = "q", nn.source = "input:q"},
               %k: !kone {nn.name = "k", nn.source = "input:k"}, %v: !kone {nn.name = "v", nn.source = "input:v"},
               %o: !qone {nn.name = "o", nn.source = "input:o"}, %lse: !lone {nn.name = "lse", nn.source = "input:lse"},
               %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!qone {nn.name = "dq", nn.source = "output:dq"}, !kone {nn.name = "dk", nn.source = "output:dk"},
        !kone {nn.name = "dv", nn.source = "output:dv"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %dq, %dk, %dv = nn.attention_grad %g, %q, %k, %v, %o, %lse, %offsets
      {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.125 : f32} : (!qone, !qone, !kone, !kone, !qone, !lone, !offsets) -> (!qone, !kone, !kone)
  return %dq, %dk, %dv : !qone, !kone, !kone
}

func.func @one128(%g: !qone128 {nn.name = "g", nn.source = "input:g"}, %q: !qone128 {nn.name = "q", nn.source = "input:q"},
                  %k: !kone128 {nn.name = "k", nn.source = "input:k"}, %v: !kone128 {nn.name = "v", nn.source = "input:v"},
                  %o: !qone128 {nn.name = "o", nn.source = "input:o"}, %lse: !lone128 {nn.name = "lse", nn.source = "input:lse"},
                  %offsets: !offsets {nn.name = "offsets", nn.source = "sequence_offsets"})
    -> (!qone128 {nn.name = "dq", nn.source = "output:dq"}, !kone128 {nn.name = "dk", nn.source = "output:dk"},
        !kone128 {nn.name = "dv", nn.source = "output:dv"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16384 : i64, sequence = 64 : i64}} {
  %dq, %dk, %dv = nn.attention_grad %g, %q, %k, %v, %o, %lse, %offsets
      {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.0883883461 : f32} : (!qone128, !qone128, !kone128, !kone128, !qone128, !lone128, !offsets) -> (!qone128, !kone128, !kone128)
  return %dq, %dk, %dv : !qone128, !kone128, !kone128
}
