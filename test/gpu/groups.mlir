// Groups that are one launch, and the same ops one by one, for groups.py: bits must be equal. Extents that no tile divides,
// several tiles and less than one; 4,096, 256 and 16 rows at capacity, where the operands change sides.

func.func @products_4096(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wq: tensor<520x104xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<72x104xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<136x104xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bq: tensor<520xbf16> {nn.name = "bq", nn.source = "input:bq"}, %bk: tensor<72xbf16> {nn.name = "bk", nn.source = "input:bk"}, %bv: tensor<136xbf16> {nn.name = "bv", nn.source = "input:bv"})
    -> (tensor<?x520xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "output:q"}, tensor<?x72xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "output:k"}, tensor<?x136xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "output:v"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<520x104xbf16>, tensor<520xbf16>) -> tensor<?x520xbf16, #nn.axis<context>>
  %k = nn.linear %x, %wk bias(%bk) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<72x104xbf16>, tensor<72xbf16>) -> tensor<?x72xbf16, #nn.axis<context>>
  %v = nn.linear %x, %wv bias(%bv) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<136x104xbf16>, tensor<136xbf16>) -> tensor<?x136xbf16, #nn.axis<context>>
  return %q, %k, %v : tensor<?x520xbf16, #nn.axis<context>>, tensor<?x72xbf16, #nn.axis<context>>, tensor<?x136xbf16, #nn.axis<context>>
}

func.func @alone_q_4096(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wq: tensor<520x104xbf16> {nn.name = "wq", nn.source = "input:wq"}, %bq: tensor<520xbf16> {nn.name = "bq", nn.source = "input:bq"})
    -> (tensor<?x520xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "output:q"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<520x104xbf16>, tensor<520xbf16>) -> tensor<?x520xbf16, #nn.axis<context>>
  return %q : tensor<?x520xbf16, #nn.axis<context>>
}

func.func @alone_k_4096(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wk: tensor<72x104xbf16> {nn.name = "wk", nn.source = "input:wk"}, %bk: tensor<72xbf16> {nn.name = "bk", nn.source = "input:bk"})
    -> (tensor<?x72xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "output:k"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %k = nn.linear %x, %wk bias(%bk) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<72x104xbf16>, tensor<72xbf16>) -> tensor<?x72xbf16, #nn.axis<context>>
  return %k : tensor<?x72xbf16, #nn.axis<context>>
}

func.func @alone_v_4096(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wv: tensor<136x104xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bv: tensor<136xbf16> {nn.name = "bv", nn.source = "input:bv"})
    -> (tensor<?x136xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "output:v"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %v = nn.linear %x, %wv bias(%bv) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<136x104xbf16>, tensor<136xbf16>) -> tensor<?x136xbf16, #nn.axis<context>>
  return %v : tensor<?x136xbf16, #nn.axis<context>>
}

func.func @gated_4096(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<200x104xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %u = nn.linear %x, %wu : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %g = nn.linear %x, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %h : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @gated_u_4096(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<200x104xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "u", nn.source = "output:u"}, tensor<?x200xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %u = nn.linear %x, %wu : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %g = nn.linear %x, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %u, %h : tensor<?x200xbf16, #nn.axis<context>>, tensor<?x200xbf16, #nn.axis<context>>
}

func.func @gated_gu_4096(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<200x104xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "output:g"}, tensor<?x200xbf16, #nn.axis<context>> {nn.name = "u", nn.source = "output:u"}, tensor<?x200xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %u = nn.linear %x, %wu : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %g = nn.linear %x, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %g, %u, %h : tensor<?x200xbf16, #nn.axis<context>>, tensor<?x200xbf16, #nn.axis<context>>, tensor<?x200xbf16, #nn.axis<context>>
}

func.func @alone_g_4096(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "output:g"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  return %g : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @alone_u_4096(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wu: tensor<200x104xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "u", nn.source = "output:u"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %u = nn.linear %x, %wu : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  return %u : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @activation_4096(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "t", nn.source = "output:t"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %t = nn.unary sigmoid %g : tensor<?x200xbf16, #nn.axis<context>>
  return %t : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @products_256(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wq: tensor<520x104xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<72x104xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<136x104xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bq: tensor<520xbf16> {nn.name = "bq", nn.source = "input:bq"}, %bk: tensor<72xbf16> {nn.name = "bk", nn.source = "input:bk"}, %bv: tensor<136xbf16> {nn.name = "bv", nn.source = "input:bv"})
    -> (tensor<?x520xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "output:q"}, tensor<?x72xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "output:k"}, tensor<?x136xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "output:v"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<520x104xbf16>, tensor<520xbf16>) -> tensor<?x520xbf16, #nn.axis<context>>
  %k = nn.linear %x, %wk bias(%bk) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<72x104xbf16>, tensor<72xbf16>) -> tensor<?x72xbf16, #nn.axis<context>>
  %v = nn.linear %x, %wv bias(%bv) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<136x104xbf16>, tensor<136xbf16>) -> tensor<?x136xbf16, #nn.axis<context>>
  return %q, %k, %v : tensor<?x520xbf16, #nn.axis<context>>, tensor<?x72xbf16, #nn.axis<context>>, tensor<?x136xbf16, #nn.axis<context>>
}

func.func @alone_q_256(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wq: tensor<520x104xbf16> {nn.name = "wq", nn.source = "input:wq"}, %bq: tensor<520xbf16> {nn.name = "bq", nn.source = "input:bq"})
    -> (tensor<?x520xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "output:q"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<520x104xbf16>, tensor<520xbf16>) -> tensor<?x520xbf16, #nn.axis<context>>
  return %q : tensor<?x520xbf16, #nn.axis<context>>
}

func.func @alone_k_256(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wk: tensor<72x104xbf16> {nn.name = "wk", nn.source = "input:wk"}, %bk: tensor<72xbf16> {nn.name = "bk", nn.source = "input:bk"})
    -> (tensor<?x72xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "output:k"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %k = nn.linear %x, %wk bias(%bk) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<72x104xbf16>, tensor<72xbf16>) -> tensor<?x72xbf16, #nn.axis<context>>
  return %k : tensor<?x72xbf16, #nn.axis<context>>
}

func.func @alone_v_256(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wv: tensor<136x104xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bv: tensor<136xbf16> {nn.name = "bv", nn.source = "input:bv"})
    -> (tensor<?x136xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "output:v"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %v = nn.linear %x, %wv bias(%bv) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<136x104xbf16>, tensor<136xbf16>) -> tensor<?x136xbf16, #nn.axis<context>>
  return %v : tensor<?x136xbf16, #nn.axis<context>>
}

func.func @gated_256(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<200x104xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %u = nn.linear %x, %wu : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %g = nn.linear %x, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %h : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @gated_u_256(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<200x104xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "u", nn.source = "output:u"}, tensor<?x200xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %u = nn.linear %x, %wu : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %g = nn.linear %x, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %u, %h : tensor<?x200xbf16, #nn.axis<context>>, tensor<?x200xbf16, #nn.axis<context>>
}

func.func @gated_gu_256(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<200x104xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "output:g"}, tensor<?x200xbf16, #nn.axis<context>> {nn.name = "u", nn.source = "output:u"}, tensor<?x200xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %u = nn.linear %x, %wu : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %g = nn.linear %x, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %g, %u, %h : tensor<?x200xbf16, #nn.axis<context>>, tensor<?x200xbf16, #nn.axis<context>>, tensor<?x200xbf16, #nn.axis<context>>
}

func.func @alone_g_256(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "output:g"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  return %g : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @alone_u_256(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wu: tensor<200x104xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "u", nn.source = "output:u"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %u = nn.linear %x, %wu : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  return %u : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @activation_256(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "t", nn.source = "output:t"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %t = nn.unary sigmoid %g : tensor<?x200xbf16, #nn.axis<context>>
  return %t : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @products_16(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wq: tensor<520x104xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<72x104xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<136x104xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bq: tensor<520xbf16> {nn.name = "bq", nn.source = "input:bq"}, %bk: tensor<72xbf16> {nn.name = "bk", nn.source = "input:bk"}, %bv: tensor<136xbf16> {nn.name = "bv", nn.source = "input:bv"})
    -> (tensor<?x520xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "output:q"}, tensor<?x72xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "output:k"}, tensor<?x136xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "output:v"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<520x104xbf16>, tensor<520xbf16>) -> tensor<?x520xbf16, #nn.axis<context>>
  %k = nn.linear %x, %wk bias(%bk) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<72x104xbf16>, tensor<72xbf16>) -> tensor<?x72xbf16, #nn.axis<context>>
  %v = nn.linear %x, %wv bias(%bv) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<136x104xbf16>, tensor<136xbf16>) -> tensor<?x136xbf16, #nn.axis<context>>
  return %q, %k, %v : tensor<?x520xbf16, #nn.axis<context>>, tensor<?x72xbf16, #nn.axis<context>>, tensor<?x136xbf16, #nn.axis<context>>
}

func.func @alone_q_16(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wq: tensor<520x104xbf16> {nn.name = "wq", nn.source = "input:wq"}, %bq: tensor<520xbf16> {nn.name = "bq", nn.source = "input:bq"})
    -> (tensor<?x520xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "output:q"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<520x104xbf16>, tensor<520xbf16>) -> tensor<?x520xbf16, #nn.axis<context>>
  return %q : tensor<?x520xbf16, #nn.axis<context>>
}

func.func @alone_k_16(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wk: tensor<72x104xbf16> {nn.name = "wk", nn.source = "input:wk"}, %bk: tensor<72xbf16> {nn.name = "bk", nn.source = "input:bk"})
    -> (tensor<?x72xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "output:k"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %k = nn.linear %x, %wk bias(%bk) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<72x104xbf16>, tensor<72xbf16>) -> tensor<?x72xbf16, #nn.axis<context>>
  return %k : tensor<?x72xbf16, #nn.axis<context>>
}

func.func @alone_v_16(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wv: tensor<136x104xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bv: tensor<136xbf16> {nn.name = "bv", nn.source = "input:bv"})
    -> (tensor<?x136xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "output:v"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %v = nn.linear %x, %wv bias(%bv) : (tensor<?x104xbf16, #nn.axis<context>>, tensor<136x104xbf16>, tensor<136xbf16>) -> tensor<?x136xbf16, #nn.axis<context>>
  return %v : tensor<?x136xbf16, #nn.axis<context>>
}

func.func @gated_16(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<200x104xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %u = nn.linear %x, %wu : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %g = nn.linear %x, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %h : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @gated_u_16(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<200x104xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "u", nn.source = "output:u"}, tensor<?x200xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %u = nn.linear %x, %wu : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %g = nn.linear %x, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %u, %h : tensor<?x200xbf16, #nn.axis<context>>, tensor<?x200xbf16, #nn.axis<context>>
}

func.func @gated_gu_16(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<200x104xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "output:g"}, tensor<?x200xbf16, #nn.axis<context>> {nn.name = "u", nn.source = "output:u"}, tensor<?x200xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %u = nn.linear %x, %wu : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %g = nn.linear %x, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %g, %u, %h : tensor<?x200xbf16, #nn.axis<context>>, tensor<?x200xbf16, #nn.axis<context>>, tensor<?x200xbf16, #nn.axis<context>>
}

func.func @alone_g_16(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "output:g"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  return %g : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @alone_u_16(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wu: tensor<200x104xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "u", nn.source = "output:u"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %u = nn.linear %x, %wu : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  return %u : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @activation_16(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "t", nn.source = "output:t"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %g = nn.linear %x, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %t = nn.unary sigmoid %g : tensor<?x200xbf16, #nn.axis<context>>
  return %t : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @program_gated(%g: tensor<?x200xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"}, %u: tensor<?x200xbf16, #nn.axis<context>> {nn.name = "u", nn.source = "input:u"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "h", nn.source = "output:h"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %h = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %h : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @program_activation(%g: tensor<?x200xbf16, #nn.axis<context>> {nn.name = "g", nn.source = "input:g"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "t", nn.source = "output:t"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %t = nn.unary sigmoid %g : tensor<?x200xbf16, #nn.axis<context>>
  return %t : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @weights(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %gq: tensor<?x520xbf16, #nn.axis<context>> {nn.name = "gq", nn.source = "input:gq"}, %gk: tensor<?x72xbf16, #nn.axis<context>> {nn.name = "gk", nn.source = "input:gk"}, %gv: tensor<?x136xbf16, #nn.axis<context>> {nn.name = "gv", nn.source = "input:gv"}, %iq: tensor<520x104xf32> {nn.name = "iq", nn.source = "input:iq"}, %ik: tensor<72x104xf32> {nn.name = "ik", nn.source = "input:ik"}, %iv: tensor<136x104xf32> {nn.name = "iv", nn.source = "input:iv"})
    -> (tensor<520x104xf32> {nn.name = "q", nn.source = "output:q"}, tensor<72x104xf32> {nn.name = "k", nn.source = "output:k"}, tensor<136x104xf32> {nn.name = "v", nn.source = "output:v"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %q = nn.linear_weight_grad %gq, %x, %iq : (tensor<?x520xbf16, #nn.axis<context>>, tensor<?x104xbf16, #nn.axis<context>>, tensor<520x104xf32>) -> tensor<520x104xf32>
  %k = nn.linear_weight_grad %gk, %x, %ik : (tensor<?x72xbf16, #nn.axis<context>>, tensor<?x104xbf16, #nn.axis<context>>, tensor<72x104xf32>) -> tensor<72x104xf32>
  %v = nn.linear_weight_grad %gv, %x, %iv : (tensor<?x136xbf16, #nn.axis<context>>, tensor<?x104xbf16, #nn.axis<context>>, tensor<136x104xf32>) -> tensor<136x104xf32>
  return %q, %k, %v : tensor<520x104xf32>, tensor<72x104xf32>, tensor<136x104xf32>
}

func.func @alone_weight_q(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %gq: tensor<?x520xbf16, #nn.axis<context>> {nn.name = "gq", nn.source = "input:gq"}, %iq: tensor<520x104xf32> {nn.name = "iq", nn.source = "input:iq"})
    -> (tensor<520x104xf32> {nn.name = "q", nn.source = "output:q"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %q = nn.linear_weight_grad %gq, %x, %iq : (tensor<?x520xbf16, #nn.axis<context>>, tensor<?x104xbf16, #nn.axis<context>>, tensor<520x104xf32>) -> tensor<520x104xf32>
  return %q : tensor<520x104xf32>
}

func.func @alone_weight_k(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %gk: tensor<?x72xbf16, #nn.axis<context>> {nn.name = "gk", nn.source = "input:gk"}, %ik: tensor<72x104xf32> {nn.name = "ik", nn.source = "input:ik"})
    -> (tensor<72x104xf32> {nn.name = "k", nn.source = "output:k"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %k = nn.linear_weight_grad %gk, %x, %ik : (tensor<?x72xbf16, #nn.axis<context>>, tensor<?x104xbf16, #nn.axis<context>>, tensor<72x104xf32>) -> tensor<72x104xf32>
  return %k : tensor<72x104xf32>
}

func.func @alone_weight_v(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %gv: tensor<?x136xbf16, #nn.axis<context>> {nn.name = "gv", nn.source = "input:gv"}, %iv: tensor<136x104xf32> {nn.name = "iv", nn.source = "input:iv"})
    -> (tensor<136x104xf32> {nn.name = "v", nn.source = "output:v"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %v = nn.linear_weight_grad %gv, %x, %iv : (tensor<?x136xbf16, #nn.axis<context>>, tensor<?x104xbf16, #nn.axis<context>>, tensor<136x104xf32>) -> tensor<136x104xf32>
  return %v : tensor<136x104xf32>
}

func.func @cache(%q: tensor<?x192xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<?x128xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "input:k"}, %angles: tensor<80x64xf32> {nn.name = "angles", nn.source = "input:angles"}, %v: tensor<?x128xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "input:v"}, %keys: tensor<40x2x64x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x2x16x64xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %positions: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
    -> (tensor<?x192xbf16, #nn.axis<context>> {nn.name = "rq", nn.source = "output:rq"}, tensor<40x2x64x16xbf16> {nn.name = "keys.new", nn.source = "output:keys.new"}, tensor<40x2x16x64xbf16> {nn.name = "values.new", nn.source = "output:values.new"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (tensor<?x192xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x64xf32>) -> tensor<?x192xbf16, #nn.axis<context>>
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (tensor<?x128xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x64xf32>) -> tensor<?x128xbf16, #nn.axis<context>>
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (tensor<?x128xbf16, #nn.axis<context>>, tensor<?x128xbf16, #nn.axis<context>>, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>, tensor<8x5xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> (tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>)
  return %rq, %nk, %nv : tensor<?x192xbf16, #nn.axis<context>>, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>
}

func.func @cache_kept(%q: tensor<?x192xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %k: tensor<?x128xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "input:k"}, %angles: tensor<80x64xf32> {nn.name = "angles", nn.source = "input:angles"}, %v: tensor<?x128xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "input:v"}, %keys: tensor<40x2x64x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x2x16x64xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %positions: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
    -> (tensor<?x192xbf16, #nn.axis<context>> {nn.name = "rq", nn.source = "output:rq"}, tensor<?x128xbf16, #nn.axis<context>> {nn.name = "rk", nn.source = "output:rk"}, tensor<40x2x64x16xbf16> {nn.name = "keys.new", nn.source = "output:keys.new"}, tensor<40x2x16x64xbf16> {nn.name = "values.new", nn.source = "output:values.new"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (tensor<?x128xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x64xf32>) -> tensor<?x128xbf16, #nn.axis<context>>
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (tensor<?x192xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x64xf32>) -> tensor<?x192xbf16, #nn.axis<context>>
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (tensor<?x128xbf16, #nn.axis<context>>, tensor<?x128xbf16, #nn.axis<context>>, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>, tensor<8x5xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> (tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>)
  return %rq, %rk, %nk, %nv : tensor<?x192xbf16, #nn.axis<context>>, tensor<?x128xbf16, #nn.axis<context>>, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>
}

func.func @alone_rq(%q: tensor<?x192xbf16, #nn.axis<context>> {nn.name = "q", nn.source = "input:q"}, %angles: tensor<80x64xf32> {nn.name = "angles", nn.source = "input:angles"}, %positions: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
    -> (tensor<?x192xbf16, #nn.axis<context>> {nn.name = "rq", nn.source = "output:rq"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (tensor<?x192xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x64xf32>) -> tensor<?x192xbf16, #nn.axis<context>>
  return %rq : tensor<?x192xbf16, #nn.axis<context>>
}

func.func @alone_rk(%k: tensor<?x128xbf16, #nn.axis<context>> {nn.name = "k", nn.source = "input:k"}, %angles: tensor<80x64xf32> {nn.name = "angles", nn.source = "input:angles"}, %positions: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
    -> (tensor<?x128xbf16, #nn.axis<context>> {nn.name = "rk", nn.source = "output:rk"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (tensor<?x128xbf16, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>, tensor<80x64xf32>) -> tensor<?x128xbf16, #nn.axis<context>>
  return %rk : tensor<?x128xbf16, #nn.axis<context>>
}

func.func @alone_append(%rk: tensor<?x128xbf16, #nn.axis<context>> {nn.name = "rk", nn.source = "input:rk"}, %v: tensor<?x128xbf16, #nn.axis<context>> {nn.name = "v", nn.source = "input:v"}, %keys: tensor<40x2x64x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x2x16x64xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: tensor<?xi32, #nn.axis<context>> {nn.name = "slots", nn.source = "input:slots"}, %positions: tensor<?xi32, #nn.axis<context>> {nn.name = "positions", nn.source = "input:positions"})
    -> (tensor<40x2x64x16xbf16> {nn.name = "keys.new", nn.source = "output:keys.new"}, tensor<40x2x16x64xbf16> {nn.name = "values.new", nn.source = "output:values.new"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (tensor<?x128xbf16, #nn.axis<context>>, tensor<?x128xbf16, #nn.axis<context>>, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>, tensor<8x5xi32>, tensor<?xi32, #nn.axis<context>>, tensor<?xi32, #nn.axis<context>>) -> (tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>)
  return %nk, %nv : tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>
}

// Products, rotations and the cache's new rows: one launch where there are few rows, two where there are many.
!in = tensor<?x104xbf16, #nn.axis<context>>
!rows = tensor<?xi32, #nn.axis<context>>
!q192 = tensor<?x192xbf16, #nn.axis<context>>
!q256 = tensor<?x256xbf16, #nn.axis<context>>
!k128 = tensor<?x128xbf16, #nn.axis<context>>

func.func @projections_64_4096(%x: !in {nn.name = "x", nn.source = "input:x"}, %wq: tensor<192x104xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<128x104xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<128x104xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bq: tensor<192xbf16> {nn.name = "bq", nn.source = "input:bq"}, %bk: tensor<128xbf16> {nn.name = "bk", nn.source = "input:bk"}, %bv: tensor<128xbf16> {nn.name = "bv", nn.source = "input:bv"}, %angles: tensor<80x64xf32> {nn.name = "angles", nn.source = "input:angles"}, %keys: tensor<40x2x64x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x2x16x64xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: !rows {nn.name = "slots", nn.source = "input:slots"}, %positions: !rows {nn.name = "positions", nn.source = "input:positions"})
    -> (!q192 {nn.name = "rq", nn.source = "output:rq"}, tensor<40x2x64x16xbf16> {nn.name = "keys.new", nn.source = "output:keys.new"}, tensor<40x2x16x64xbf16> {nn.name = "values.new", nn.source = "output:values.new"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (!in, tensor<192x104xbf16>, tensor<192xbf16>) -> !q192
  %k = nn.linear %x, %wk bias(%bk) : (!in, tensor<128x104xbf16>, tensor<128xbf16>) -> !k128
  %v = nn.linear %x, %wv bias(%bv) : (!in, tensor<128x104xbf16>, tensor<128xbf16>) -> !k128
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (!q192, !rows, tensor<80x64xf32>) -> !q192
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (!k128, !rows, tensor<80x64xf32>) -> !k128
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!k128, !k128, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>, tensor<8x5xi32>, !rows, !rows) -> (tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>)
  return %rq, %nk, %nv : !q192, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>
}

func.func @projections_64_256(%x: !in {nn.name = "x", nn.source = "input:x"}, %wq: tensor<192x104xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<128x104xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<128x104xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bq: tensor<192xbf16> {nn.name = "bq", nn.source = "input:bq"}, %bk: tensor<128xbf16> {nn.name = "bk", nn.source = "input:bk"}, %bv: tensor<128xbf16> {nn.name = "bv", nn.source = "input:bv"}, %angles: tensor<80x64xf32> {nn.name = "angles", nn.source = "input:angles"}, %keys: tensor<40x2x64x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x2x16x64xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: !rows {nn.name = "slots", nn.source = "input:slots"}, %positions: !rows {nn.name = "positions", nn.source = "input:positions"})
    -> (!q192 {nn.name = "rq", nn.source = "output:rq"}, tensor<40x2x64x16xbf16> {nn.name = "keys.new", nn.source = "output:keys.new"}, tensor<40x2x16x64xbf16> {nn.name = "values.new", nn.source = "output:values.new"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (!in, tensor<192x104xbf16>, tensor<192xbf16>) -> !q192
  %k = nn.linear %x, %wk bias(%bk) : (!in, tensor<128x104xbf16>, tensor<128xbf16>) -> !k128
  %v = nn.linear %x, %wv bias(%bv) : (!in, tensor<128x104xbf16>, tensor<128xbf16>) -> !k128
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (!q192, !rows, tensor<80x64xf32>) -> !q192
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (!k128, !rows, tensor<80x64xf32>) -> !k128
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!k128, !k128, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>, tensor<8x5xi32>, !rows, !rows) -> (tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>)
  return %rq, %nk, %nv : !q192, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>
}

func.func @projections_64_64(%x: !in {nn.name = "x", nn.source = "input:x"}, %wq: tensor<192x104xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<128x104xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<128x104xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bq: tensor<192xbf16> {nn.name = "bq", nn.source = "input:bq"}, %bk: tensor<128xbf16> {nn.name = "bk", nn.source = "input:bk"}, %bv: tensor<128xbf16> {nn.name = "bv", nn.source = "input:bv"}, %angles: tensor<80x64xf32> {nn.name = "angles", nn.source = "input:angles"}, %keys: tensor<40x2x64x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x2x16x64xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: !rows {nn.name = "slots", nn.source = "input:slots"}, %positions: !rows {nn.name = "positions", nn.source = "input:positions"})
    -> (!q192 {nn.name = "rq", nn.source = "output:rq"}, tensor<40x2x64x16xbf16> {nn.name = "keys.new", nn.source = "output:keys.new"}, tensor<40x2x16x64xbf16> {nn.name = "values.new", nn.source = "output:values.new"})
    attributes {nn.kind = "plain", nn.capacities = {context = 64 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (!in, tensor<192x104xbf16>, tensor<192xbf16>) -> !q192
  %k = nn.linear %x, %wk bias(%bk) : (!in, tensor<128x104xbf16>, tensor<128xbf16>) -> !k128
  %v = nn.linear %x, %wv bias(%bv) : (!in, tensor<128x104xbf16>, tensor<128xbf16>) -> !k128
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (!q192, !rows, tensor<80x64xf32>) -> !q192
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (!k128, !rows, tensor<80x64xf32>) -> !k128
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!k128, !k128, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>, tensor<8x5xi32>, !rows, !rows) -> (tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>)
  return %rq, %nk, %nv : !q192, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>
}

func.func @projections_64_16(%x: !in {nn.name = "x", nn.source = "input:x"}, %wq: tensor<192x104xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<128x104xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<128x104xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bq: tensor<192xbf16> {nn.name = "bq", nn.source = "input:bq"}, %bk: tensor<128xbf16> {nn.name = "bk", nn.source = "input:bk"}, %bv: tensor<128xbf16> {nn.name = "bv", nn.source = "input:bv"}, %angles: tensor<80x64xf32> {nn.name = "angles", nn.source = "input:angles"}, %keys: tensor<40x2x64x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x2x16x64xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: !rows {nn.name = "slots", nn.source = "input:slots"}, %positions: !rows {nn.name = "positions", nn.source = "input:positions"})
    -> (!q192 {nn.name = "rq", nn.source = "output:rq"}, tensor<40x2x64x16xbf16> {nn.name = "keys.new", nn.source = "output:keys.new"}, tensor<40x2x16x64xbf16> {nn.name = "values.new", nn.source = "output:values.new"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (!in, tensor<192x104xbf16>, tensor<192xbf16>) -> !q192
  %k = nn.linear %x, %wk bias(%bk) : (!in, tensor<128x104xbf16>, tensor<128xbf16>) -> !k128
  %v = nn.linear %x, %wv bias(%bv) : (!in, tensor<128x104xbf16>, tensor<128xbf16>) -> !k128
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (!q192, !rows, tensor<80x64xf32>) -> !q192
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (!k128, !rows, tensor<80x64xf32>) -> !k128
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!k128, !k128, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>, tensor<8x5xi32>, !rows, !rows) -> (tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>)
  return %rq, %nk, %nv : !q192, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>
}

func.func @projections_128_4096(%x: !in {nn.name = "x", nn.source = "input:x"}, %wq: tensor<256x104xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<128x104xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<128x104xbf16> {nn.name = "wv", nn.source = "input:wv"}, %angles: tensor<80x128xf32> {nn.name = "angles", nn.source = "input:angles"}, %keys: tensor<40x1x128x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x1x16x128xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: !rows {nn.name = "slots", nn.source = "input:slots"}, %positions: !rows {nn.name = "positions", nn.source = "input:positions"})
    -> (!q256 {nn.name = "rq", nn.source = "output:rq"}, tensor<40x1x128x16xbf16> {nn.name = "keys.new", nn.source = "output:keys.new"}, tensor<40x1x16x128xbf16> {nn.name = "values.new", nn.source = "output:values.new"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %v = nn.linear %x, %wv : (!in, tensor<128x104xbf16>) -> !k128
  %k = nn.linear %x, %wk : (!in, tensor<128x104xbf16>) -> !k128
  %q = nn.linear %x, %wq : (!in, tensor<256x104xbf16>) -> !q256
  %rk = nn.rotary %k, %positions, %angles {head_dim = 128 : i64} : (!k128, !rows, tensor<80x128xf32>) -> !k128
  %rq = nn.rotary %q, %positions, %angles {head_dim = 128 : i64} : (!q256, !rows, tensor<80x128xf32>) -> !q256
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!k128, !k128, tensor<40x1x128x16xbf16>, tensor<40x1x16x128xbf16>, tensor<8x5xi32>, !rows, !rows) -> (tensor<40x1x128x16xbf16>, tensor<40x1x16x128xbf16>)
  return %rq, %nk, %nv : !q256, tensor<40x1x128x16xbf16>, tensor<40x1x16x128xbf16>
}

func.func @projections_128_256(%x: !in {nn.name = "x", nn.source = "input:x"}, %wq: tensor<256x104xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<128x104xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<128x104xbf16> {nn.name = "wv", nn.source = "input:wv"}, %angles: tensor<80x128xf32> {nn.name = "angles", nn.source = "input:angles"}, %keys: tensor<40x1x128x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x1x16x128xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: !rows {nn.name = "slots", nn.source = "input:slots"}, %positions: !rows {nn.name = "positions", nn.source = "input:positions"})
    -> (!q256 {nn.name = "rq", nn.source = "output:rq"}, tensor<40x1x128x16xbf16> {nn.name = "keys.new", nn.source = "output:keys.new"}, tensor<40x1x16x128xbf16> {nn.name = "values.new", nn.source = "output:values.new"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %v = nn.linear %x, %wv : (!in, tensor<128x104xbf16>) -> !k128
  %k = nn.linear %x, %wk : (!in, tensor<128x104xbf16>) -> !k128
  %q = nn.linear %x, %wq : (!in, tensor<256x104xbf16>) -> !q256
  %rk = nn.rotary %k, %positions, %angles {head_dim = 128 : i64} : (!k128, !rows, tensor<80x128xf32>) -> !k128
  %rq = nn.rotary %q, %positions, %angles {head_dim = 128 : i64} : (!q256, !rows, tensor<80x128xf32>) -> !q256
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!k128, !k128, tensor<40x1x128x16xbf16>, tensor<40x1x16x128xbf16>, tensor<8x5xi32>, !rows, !rows) -> (tensor<40x1x128x16xbf16>, tensor<40x1x16x128xbf16>)
  return %rq, %nk, %nv : !q256, tensor<40x1x128x16xbf16>, tensor<40x1x16x128xbf16>
}

func.func @projections_128_64(%x: !in {nn.name = "x", nn.source = "input:x"}, %wq: tensor<256x104xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<128x104xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<128x104xbf16> {nn.name = "wv", nn.source = "input:wv"}, %angles: tensor<80x128xf32> {nn.name = "angles", nn.source = "input:angles"}, %keys: tensor<40x1x128x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x1x16x128xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: !rows {nn.name = "slots", nn.source = "input:slots"}, %positions: !rows {nn.name = "positions", nn.source = "input:positions"})
    -> (!q256 {nn.name = "rq", nn.source = "output:rq"}, tensor<40x1x128x16xbf16> {nn.name = "keys.new", nn.source = "output:keys.new"}, tensor<40x1x16x128xbf16> {nn.name = "values.new", nn.source = "output:values.new"})
    attributes {nn.kind = "plain", nn.capacities = {context = 64 : i64}} {
  %v = nn.linear %x, %wv : (!in, tensor<128x104xbf16>) -> !k128
  %k = nn.linear %x, %wk : (!in, tensor<128x104xbf16>) -> !k128
  %q = nn.linear %x, %wq : (!in, tensor<256x104xbf16>) -> !q256
  %rk = nn.rotary %k, %positions, %angles {head_dim = 128 : i64} : (!k128, !rows, tensor<80x128xf32>) -> !k128
  %rq = nn.rotary %q, %positions, %angles {head_dim = 128 : i64} : (!q256, !rows, tensor<80x128xf32>) -> !q256
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!k128, !k128, tensor<40x1x128x16xbf16>, tensor<40x1x16x128xbf16>, tensor<8x5xi32>, !rows, !rows) -> (tensor<40x1x128x16xbf16>, tensor<40x1x16x128xbf16>)
  return %rq, %nk, %nv : !q256, tensor<40x1x128x16xbf16>, tensor<40x1x16x128xbf16>
}

func.func @projections_128_16(%x: !in {nn.name = "x", nn.source = "input:x"}, %wq: tensor<256x104xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<128x104xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<128x104xbf16> {nn.name = "wv", nn.source = "input:wv"}, %angles: tensor<80x128xf32> {nn.name = "angles", nn.source = "input:angles"}, %keys: tensor<40x1x128x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x1x16x128xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: !rows {nn.name = "slots", nn.source = "input:slots"}, %positions: !rows {nn.name = "positions", nn.source = "input:positions"})
    -> (!q256 {nn.name = "rq", nn.source = "output:rq"}, tensor<40x1x128x16xbf16> {nn.name = "keys.new", nn.source = "output:keys.new"}, tensor<40x1x16x128xbf16> {nn.name = "values.new", nn.source = "output:values.new"})
    attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %v = nn.linear %x, %wv : (!in, tensor<128x104xbf16>) -> !k128
  %k = nn.linear %x, %wk : (!in, tensor<128x104xbf16>) -> !k128
  %q = nn.linear %x, %wq : (!in, tensor<256x104xbf16>) -> !q256
  %rk = nn.rotary %k, %positions, %angles {head_dim = 128 : i64} : (!k128, !rows, tensor<80x128xf32>) -> !k128
  %rq = nn.rotary %q, %positions, %angles {head_dim = 128 : i64} : (!q256, !rows, tensor<80x128xf32>) -> !q256
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!k128, !k128, tensor<40x1x128x16xbf16>, tensor<40x1x16x128xbf16>, tensor<8x5xi32>, !rows, !rows) -> (tensor<40x1x128x16xbf16>, tensor<40x1x16x128xbf16>)
  return %rq, %nk, %nv : !q256, tensor<40x1x128x16xbf16>, tensor<40x1x16x128xbf16>
}

// Of the shape 0.5B: tiles of whole heads.
!in896 = tensor<?x896xbf16, #nn.axis<context>>

func.func @projections_large_4096(%x: !in896 {nn.name = "x", nn.source = "input:x"}, %wq: tensor<896x896xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<128x896xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<128x896xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bq: tensor<896xbf16> {nn.name = "bq", nn.source = "input:bq"}, %bk: tensor<128xbf16> {nn.name = "bk", nn.source = "input:bk"}, %bv: tensor<128xbf16> {nn.name = "bv", nn.source = "input:bv"}, %angles: tensor<80x64xf32> {nn.name = "angles", nn.source = "input:angles"}, %keys: tensor<40x2x64x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x2x16x64xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: !rows {nn.name = "slots", nn.source = "input:slots"}, %positions: !rows {nn.name = "positions", nn.source = "input:positions"})
    -> (!in896 {nn.name = "rq", nn.source = "output:rq"}, tensor<40x2x64x16xbf16> {nn.name = "keys.new", nn.source = "output:keys.new"}, tensor<40x2x16x64xbf16> {nn.name = "values.new", nn.source = "output:values.new"})
    attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (!in896, tensor<896x896xbf16>, tensor<896xbf16>) -> !in896
  %k = nn.linear %x, %wk bias(%bk) : (!in896, tensor<128x896xbf16>, tensor<128xbf16>) -> !k128
  %v = nn.linear %x, %wv bias(%bv) : (!in896, tensor<128x896xbf16>, tensor<128xbf16>) -> !k128
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (!in896, !rows, tensor<80x64xf32>) -> !in896
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (!k128, !rows, tensor<80x64xf32>) -> !k128
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!k128, !k128, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>, tensor<8x5xi32>, !rows, !rows) -> (tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>)
  return %rq, %nk, %nv : !in896, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>
}

func.func @projections_large_256(%x: !in896 {nn.name = "x", nn.source = "input:x"}, %wq: tensor<896x896xbf16> {nn.name = "wq", nn.source = "input:wq"}, %wk: tensor<128x896xbf16> {nn.name = "wk", nn.source = "input:wk"}, %wv: tensor<128x896xbf16> {nn.name = "wv", nn.source = "input:wv"}, %bq: tensor<896xbf16> {nn.name = "bq", nn.source = "input:bq"}, %bk: tensor<128xbf16> {nn.name = "bk", nn.source = "input:bk"}, %bv: tensor<128xbf16> {nn.name = "bv", nn.source = "input:bv"}, %angles: tensor<80x64xf32> {nn.name = "angles", nn.source = "input:angles"}, %keys: tensor<40x2x64x16xbf16> {nn.name = "keys", nn.source = "input:keys"}, %values: tensor<40x2x16x64xbf16> {nn.name = "values", nn.source = "input:values"}, %table: tensor<8x5xi32> {nn.name = "table", nn.source = "input:table"}, %slots: !rows {nn.name = "slots", nn.source = "input:slots"}, %positions: !rows {nn.name = "positions", nn.source = "input:positions"})
    -> (!in896 {nn.name = "rq", nn.source = "output:rq"}, tensor<40x2x64x16xbf16> {nn.name = "keys.new", nn.source = "output:keys.new"}, tensor<40x2x16x64xbf16> {nn.name = "values.new", nn.source = "output:values.new"})
    attributes {nn.kind = "plain", nn.capacities = {context = 256 : i64}} {
  %q = nn.linear %x, %wq bias(%bq) : (!in896, tensor<896x896xbf16>, tensor<896xbf16>) -> !in896
  %k = nn.linear %x, %wk bias(%bk) : (!in896, tensor<128x896xbf16>, tensor<128xbf16>) -> !k128
  %v = nn.linear %x, %wv bias(%bv) : (!in896, tensor<128x896xbf16>, tensor<128xbf16>) -> !k128
  %rq = nn.rotary %q, %positions, %angles {head_dim = 64 : i64} : (!in896, !rows, tensor<80x64xf32>) -> !in896
  %rk = nn.rotary %k, %positions, %angles {head_dim = 64 : i64} : (!k128, !rows, tensor<80x64xf32>) -> !k128
  %nk, %nv = nn.kv_append %rk, %v, %keys, %values, %table, %slots, %positions : (!k128, !k128, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>, tensor<8x5xi32>, !rows, !rows) -> (tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>)
  return %rq, %nk, %nv : !in896, tensor<40x2x64x16xbf16>, tensor<40x2x16x64xbf16>
}

// A norm and its products with a program: one launch where there are few rows, two where there are many. Rows end within a thread's
// second eight numbers, or a warp's fourth 256.
func.func @normed_104_16(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<104xbf16> {nn.name = "n", nn.source = "input:n"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<200x104xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "y.out", nn.source = "output:y.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x104xbf16, #nn.axis<context>>, tensor<104xbf16>) -> (tensor<?x104xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %u = nn.linear %h, %wu : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %g = nn.linear %h, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %y = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %y : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @normed_104_4096(%x: tensor<?x104xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<104xbf16> {nn.name = "n", nn.source = "input:n"}, %wg: tensor<200x104xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<200x104xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "y.out", nn.source = "output:y.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x104xbf16, #nn.axis<context>>, tensor<104xbf16>) -> (tensor<?x104xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %u = nn.linear %h, %wu : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %g = nn.linear %h, %wg : (tensor<?x104xbf16, #nn.axis<context>>, tensor<200x104xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %y = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %y : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @normed_296_16(%x: tensor<?x296xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<296xbf16> {nn.name = "n", nn.source = "input:n"}, %wg: tensor<200x296xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<200x296xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "y.out", nn.source = "output:y.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x296xbf16, #nn.axis<context>>, tensor<296xbf16>) -> (tensor<?x296xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %u = nn.linear %h, %wu : (tensor<?x296xbf16, #nn.axis<context>>, tensor<200x296xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %g = nn.linear %h, %wg : (tensor<?x296xbf16, #nn.axis<context>>, tensor<200x296xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %y = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %y : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @normed_296_4096(%x: tensor<?x296xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<296xbf16> {nn.name = "n", nn.source = "input:n"}, %wg: tensor<200x296xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<200x296xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "y.out", nn.source = "output:y.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x296xbf16, #nn.axis<context>>, tensor<296xbf16>) -> (tensor<?x296xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %u = nn.linear %h, %wu : (tensor<?x296xbf16, #nn.axis<context>>, tensor<200x296xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %g = nn.linear %h, %wg : (tensor<?x296xbf16, #nn.axis<context>>, tensor<200x296xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %y = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %y : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @normed_896_16(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<896xbf16> {nn.name = "n", nn.source = "input:n"}, %wg: tensor<200x896xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<200x896xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "y.out", nn.source = "output:y.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x896xbf16, #nn.axis<context>>, tensor<896xbf16>) -> (tensor<?x896xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %u = nn.linear %h, %wu : (tensor<?x896xbf16, #nn.axis<context>>, tensor<200x896xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %g = nn.linear %h, %wg : (tensor<?x896xbf16, #nn.axis<context>>, tensor<200x896xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %y = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %y : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @normed_896_4096(%x: tensor<?x896xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<896xbf16> {nn.name = "n", nn.source = "input:n"}, %wg: tensor<200x896xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<200x896xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x200xbf16, #nn.axis<context>> {nn.name = "y.out", nn.source = "output:y.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x896xbf16, #nn.axis<context>>, tensor<896xbf16>) -> (tensor<?x896xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %u = nn.linear %h, %wu : (tensor<?x896xbf16, #nn.axis<context>>, tensor<200x896xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %g = nn.linear %h, %wg : (tensor<?x896xbf16, #nn.axis<context>>, tensor<200x896xbf16>) -> tensor<?x200xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x200xbf16, #nn.axis<context>>
  %y = nn.binary mul %s, %u : tensor<?x200xbf16, #nn.axis<context>>
  return %y : tensor<?x200xbf16, #nn.axis<context>>
}

func.func @normed_wide_16(%x: tensor<?x296xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<296xbf16> {nn.name = "n", nn.source = "input:n"}, %wg: tensor<8960x296xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<8960x296xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "y.out", nn.source = "output:y.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 16 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x296xbf16, #nn.axis<context>>, tensor<296xbf16>) -> (tensor<?x296xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %u = nn.linear %h, %wu : (tensor<?x296xbf16, #nn.axis<context>>, tensor<8960x296xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  %g = nn.linear %h, %wg : (tensor<?x296xbf16, #nn.axis<context>>, tensor<8960x296xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x8960xbf16, #nn.axis<context>>
  %y = nn.binary mul %s, %u : tensor<?x8960xbf16, #nn.axis<context>>
  return %y : tensor<?x8960xbf16, #nn.axis<context>>
}

func.func @normed_wide_4096(%x: tensor<?x296xbf16, #nn.axis<context>> {nn.name = "x", nn.source = "input:x"}, %n: tensor<296xbf16> {nn.name = "n", nn.source = "input:n"}, %wg: tensor<8960x296xbf16> {nn.name = "wg", nn.source = "input:wg"}, %wu: tensor<8960x296xbf16> {nn.name = "wu", nn.source = "input:wu"})
    -> (tensor<?x8960xbf16, #nn.axis<context>> {nn.name = "y.out", nn.source = "output:y.out"}) attributes {nn.kind = "plain", nn.capacities = {context = 4096 : i64}} {
  %h, %rstd = nn.rms_norm %x, %n {eps = 1.0e-6 : f32} : (tensor<?x296xbf16, #nn.axis<context>>, tensor<296xbf16>) -> (tensor<?x296xbf16, #nn.axis<context>>, tensor<?xf32, #nn.axis<context>>)
  %u = nn.linear %h, %wu : (tensor<?x296xbf16, #nn.axis<context>>, tensor<8960x296xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  %g = nn.linear %h, %wg : (tensor<?x296xbf16, #nn.axis<context>>, tensor<8960x296xbf16>) -> tensor<?x8960xbf16, #nn.axis<context>>
  %s = nn.unary silu %g : tensor<?x8960xbf16, #nn.axis<context>>
  %y = nn.binary mul %s, %u : tensor<?x8960xbf16, #nn.axis<context>>
  return %y : tensor<?x8960xbf16, #nn.axis<context>>
}
