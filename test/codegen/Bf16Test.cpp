// Every lowering with bf16 operands, against the float64 reference on the same (bf16) numbers.
//
// Tolerance: an op computes in f32 as it does of f32 operands and rounds a bf16 result once, to nearest even: half a unit of
// its 8 significant bits, 2^-8 of the number, beside the f32 op's own error. Results in f32 have that error alone.

#include "EntryText.h"
#include "Harness.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace mirl::test;

namespace {

constexpr double kRound = 0x1p-8;

std::string bf16(std::string type) {
  size_t at = type.find("f32");
  return at == std::string::npos ? type : type.replace(at, 3, "bf16");
}
std::string narrowRows(int64_t columns, llvm::StringRef axis = "context") { return bf16(rows(columns, axis)); }
std::string narrow(llvm::ArrayRef<int64_t> shape) { return fixed(shape, "bf16"); }
Extents context(int64_t count) { return {count, 0, 0, 0}; }

// One op over inputs named a, b, c, …; all of its results are ports. `limits`: inputs of whole numbers in [0, limit).
struct Case {
  std::string form;
  std::vector<std::string> operands, results;
  std::map<unsigned, double> limits = {};
};

// With `update` the last operand is a variable in f32, which the last result is the new value of.
void checkOp(const Case &one, llvm::ArrayRef<Extents> all, double absolute, double relative, bool update = false) {
  SCOPED_TRACE(one.form);
  EntryText text;
  std::vector<EntryText::Value> in;
  for (size_t i = 0; i < one.operands.size(); ++i) {
    std::string name(1, static_cast<char>('a' + i));
    bool variable = update && i + 1 == one.operands.size();
    in.push_back(variable ? text.variable(name, one.operands[i]) : text.input(name, one.operands[i]));
  }
  auto out = text.op(one.form, in, one.results);
  for (size_t i = 0; i + update < out.size(); ++i)
    text.result(out[i]);
  if (update)
    text.update(out.back(), static_cast<int64_t>(in.size()) - 1);
  auto entry = Entry::compile(text.str());
  ASSERT_TRUE(entry);
  for (const Extents &extents : all) {
    SCOPED_TRACE("rows " + std::to_string(std::max(extents.context, extents.token)));
    auto arguments = entry->randomArguments(extents);
    for (auto [index, limit] : one.limits)
      arguments[index] = entry->random(index, extents, 11 + index, 0, limit);
    check(*entry, arguments, extents, absolute, relative);
  }
}

void checkUpdate(const Case &one, llvm::ArrayRef<Extents> all, double absolute) {
  checkOp(one, all, absolute, one.results.size() > 1 ? kRound : absolute, /*update=*/true);
}

// As many rows of the context and of tokens.
std::vector<Extents> counts(std::initializer_list<int64_t> rows) {
  std::vector<Extents> all;
  for (int64_t count : rows)
    all.push_back({count, count, 0, 0});
  return all;
}
// The error of a chain over so many rows, as long as the most below.
constexpr int64_t kMost = 300;
constexpr double kRowChain = 2 * kMost * 0x1p-24;

TEST(Bf16, Products) {
  for (auto [n, k] : {std::pair<int64_t, int64_t>{48, 96}, {21, 37}, {1, 5}, {130, 64}}) {
    SCOPED_TRACE(std::to_string(n) + "x" + std::to_string(k));
    double chain = 2 * static_cast<double>(std::max(n, k)) * 0x1p-24;
    auto extents = counts({1, 7, 21, 64, kMost});
    checkOp({"nn.linear {0}, {1}", {narrowRows(k), narrow({n, k})}, {narrowRows(n)}}, extents, chain, kRound);
    checkOp({"nn.linear {0}, {1} bias({2})", {narrowRows(k), narrow({n, k}), narrow({n})}, {narrowRows(n)}}, extents, chain, kRound);
    // With a residual the sum is rounded before it is added, as when they are two ops: half a unit of the sum, which is
    // below 16, once more.
    checkOp({"nn.linear {0}, {1} bias({2}) residual({3})",
             {narrowRows(k), narrow({n, k}), narrow({n}), narrowRows(n)},
             {narrowRows(n)}},
            extents, 8 * kRound, kRound);
    // Logits that are sampled from are f32.
    checkOp({"nn.linear {0}, {1}", {narrowRows(k), narrow({n, k})}, {rows(n)}}, extents, chain, chain);
    checkOp({"nn.linear_data_grad {0}, {1}", {narrowRows(n), narrow({n, k})}, {narrowRows(k)}}, extents, chain, kRound);
    checkUpdate({"nn.linear_weight_grad {0}, {1}, {2}", {narrowRows(n), narrowRows(k), fixed({n, k})}, {fixed({n, k})}}, extents,
                kRowChain);
  }
}

TEST(Bf16, Rows) {
  for (int64_t d : {1, 5, 16, 24, 96, 131, 600}) {
    SCOPED_TRACE(std::to_string(d) + " columns");
    auto extents = counts({1, 7, 64, kMost});
    double chain = kRowChain;
    checkOp({"nn.embedding {0}, {1}", {narrow({50, d}), indices()}, {narrowRows(d)}, {{1, 50}}}, extents, 0, 0);
    checkUpdate({"nn.embedding_grad {0}, {1}, {2}", {narrowRows(d), indices(), fixed({50, d})}, {fixed({50, d})}, {{1, 50}}},
                extents, chain);
    checkOp({"nn.gather_rows {0}, {1}", {narrowRows(d), indices("token")}, {narrowRows(d, "token")}, {{1, 1}}}, counts({1, 7}), 0, 0);
    checkOp({"nn.gather_rows {0}, {1}", {narrowRows(d), indices("token")}, {narrowRows(d, "token")}, {{1, 64}}},
            counts({64, kMost}), 0, 0);
    checkUpdate({"nn.column_sum {0}, {1}", {narrowRows(d), fixed({d})}, {fixed({d})}}, extents, chain);
    checkOp({"nn.rms_norm {0}, {1} {eps = 1.0e-5 : f32}", {narrowRows(d), narrow({d})}, {narrowRows(d), scalars()}}, extents, 2e-6,
            kRound);
    checkOp({"nn.rms_norm_data_grad {0}, {1}, {2}, {3}", {narrowRows(d), narrowRows(d), narrow({d}), scalars()}, {narrowRows(d)}},
            extents, 2e-6, kRound);
    checkUpdate({"nn.rms_norm_weight_grad {0}, {1}, {2}, {3}", {narrowRows(d), narrowRows(d), scalars(), fixed({d})}, {fixed({d})}},
                extents, 2 * chain);
  }
}

TEST(Bf16, Rotary) {
  for (int64_t head : {2, 10, 24, 64})
    for (std::string inverse : {"", ", inverse"})
      checkOp({"nn.rotary {0}, {1}, {2} {head_dim = " + std::to_string(head) + " : i64" + inverse + "}",
               {narrowRows(3 * head), indices(), fixed({40, head})},
               {narrowRows(3 * head)},
               {{1, 40}}},
              counts({1, 7, kMost}), 3 * 0x1p-24, kRound);
}

TEST(Bf16, Elementwise) {
  for (int64_t count : {1, 7, 300}) {
    Extents extents = context(count);
    auto op = [&](const std::string &form, const std::string &from, const std::string &to, double relative, bool cast = false) {
      SCOPED_TRACE(form);
      EntryText text;
      auto x = text.input("x", from), y = text.input("y", from);
      text.result(text.op(form, {x, y}, {to}, cast ? from + " to " + to : to)[0]);
      auto entry = Entry::compile(text.str());
      ASSERT_TRUE(entry);
      check(*entry, entry->randomArguments(extents), extents, relative ? 1e-6 : 0, relative);
    };
    std::string wide = rows(37), small = narrowRows(37);
    for (const char *unary : {"exp", "silu", "tanh", "neg", "abs"})
      op(std::string("nn.unary ") + unary + " {0}", small, small, kRound);
    for (const char *binary : {"add", "sub", "mul", "max", "min"})
      op(std::string("nn.binary ") + binary + " {0}, {1}", small, small, kRound);
    // What is fused is rounded where the program says so: after every op.
    EntryText text;
    auto gate = text.input("gate", small), up = text.input("up", small);
    auto silu = text.op("nn.unary silu {0}", {gate}, {small}, small)[0];
    text.result(text.op("nn.binary mul {0}, {1}", {silu, up}, {small}, small)[0]);
    auto entry = Entry::compile(text.str());
    ASSERT_TRUE(entry);
    check(*entry, entry->randomArguments(extents), extents, 1e-6, 2 * kRound);
  }
}

struct Heads {
  int64_t heads, kvHeads, dim;
  std::string attributes() const {
    return " {heads = " + std::to_string(heads) + " : i64, kv_heads = " + std::to_string(kvHeads) +
           " : i64, scale = 0.2 : f32}";
  }
  std::string query() const { return narrowRows(heads * dim); }
  std::string key() const { return narrowRows(kvHeads * dim); }
};
const Heads kHeads[] = {{4, 2, 24}, {3, 3, 8}, {14, 2, 64}, {16, 2, 128}, {10, 2, 7}};
const std::vector<double> kOffsets{0, 1, 8, 38, 55, 55, 119, 152, 168};
const Extents kSequences{168, 0, 8, 0};

TEST(Bf16, Attention) {
  for (const Heads &h : kHeads) {
    SCOPED_TRACE(h.attributes());
    EntryText forward;
    for (const auto &result : forward.op("nn.attention {0}, {1}, {2}, {3}" + h.attributes(),
                                         {forward.input("q", h.query()), forward.input("k", h.key()), forward.input("v", h.key()),
                                          forward.input("offsets", offsetsOf("sequence"))},
                                         {h.query(), rows(h.heads)}))
      forward.result(result);
    auto entry = Entry::compile(forward.str());
    ASSERT_TRUE(entry);
    auto arguments = entry->randomArguments(kSequences);
    arguments[3].data = kOffsets;
    check(*entry, arguments, kSequences, 3e-6, kRound);

    EntryText backward;
    auto gradients = backward.op("nn.attention_grad {0}, {1}, {2}, {3}, {4}, {5}, {6}" + h.attributes(),
                                 {backward.input("g", h.query()), backward.input("q", h.query()), backward.input("k", h.key()),
                                  backward.input("v", h.key()), backward.input("result", h.query()),
                                  backward.input("lse", rows(h.heads)), backward.input("offsets", offsetsOf("sequence"))},
                                 {h.query(), h.key(), h.key()});
    for (const auto &gradient : gradients)
      backward.result(gradient);
    auto grad = Entry::compile(backward.str());
    ASSERT_TRUE(grad);
    auto results = entry->run(arguments, kSequences);
    auto all = grad->randomArguments(kSequences);
    std::copy_n(arguments.begin(), 3, all.begin() + 1);
    all[4] = results[0];
    all[5] = results[1];
    all[6].data = kOffsets;
    check(*grad, all, kSequences, 2e-5, kRound);
  }
}

TEST(Bf16, PagedAttention) {
  for (const Heads &h : kHeads) {
    SCOPED_TRACE(h.attributes());
    constexpr int64_t kSlots = 3, kWidth = 4, kBlocks = kSlots * kWidth;
    EntryText text;
    std::string keyCache = narrow({kBlocks, h.kvHeads, h.dim, 16}), valueCache = narrow({kBlocks, h.kvHeads, 16, h.dim});
    auto q = text.input("q", h.query()), k = text.input("k", h.key()), v = text.input("v", h.key());
    auto keys = text.variable("keys", keyCache), values = text.variable("values", valueCache);
    auto table = text.input("table", fixed({kSlots, kWidth}, "i32"));
    auto slot = text.input("slots", indices()), position = text.input("positions", indices());
    auto caches = text.op("nn.kv_append {0}, {1}, {2}, {3}, {4}, {5}, {6}", {k, v, keys, values, table, slot, position},
                          {keyCache, valueCache});
    text.update(caches[0], 3);
    text.update(caches[1], 4);
    text.result(text.op("nn.paged_attention {0}, {1}, {2}, {3}, {4}, {5}" + h.attributes(),
                        {q, caches[0], caches[1], table, slot, position}, {h.query()})[0]);
    auto entry = Entry::compile(text.str());
    ASSERT_TRUE(entry);
    Extents extents = context(5 + 40 + 64);
    auto arguments = entry->randomArguments(extents);
    for (int64_t b = 0; b < kBlocks; ++b)
      arguments[5].data[b] = (b * 7 + 3) % kBlocks;
    arguments[6].data.clear();
    arguments[7].data.clear();
    for (auto [s, length] : {std::pair{2, 5}, {0, 40}, {1, 64}})
      for (int p = 0; p < length; ++p) {
        arguments[6].data.push_back(s);
        arguments[7].data.push_back(p);
      }
    check(*entry, arguments, extents, 3e-6, kRound);
  }
}

TEST(Bf16, Logprob) {
  for (auto [vocabulary, depth] : {std::pair<int64_t, int64_t>{5, 96}, {20, 96}, {300, 48}, {2500, 33}})
    {
      SCOPED_TRACE(std::to_string(vocabulary) + "x" + std::to_string(depth));
      auto extents = counts({1, 7, 64});
      std::string hidden = narrowRows(depth, "token"), weight = narrow({vocabulary, depth}), one = scalars("token");
      double limit = static_cast<double>(vocabulary);
      checkOp({"nn.linear_logprob {0}, {1}, {2} {temperature = 7.0e-1 : f32}",
               {hidden, weight, indices("token")},
               {one, one, one},
               {{2, limit}}},
              extents, 4e-5, 2e-6);
      // The gradient of the hidden state is rounded, that of the weight added to in f32.
      checkUpdate({"nn.linear_logprob_grad {0}, {1}, {2}, {3}, {4} into({5}) {temperature = 7.0e-1 : f32}",
                   {one, hidden, weight, indices("token"), one, fixed({vocabulary, depth})},
                   {hidden, fixed({vocabulary, depth})},
                   {{3, limit}}},
                  extents, 1e-4);
    }
}

// The master is updated in f32; the bf16 weight is its copy, rounded.
TEST(Bf16, AdamwCopy) {
  for (int64_t n : {1, 20, 4096, 10007}) {
    EntryText text;
    std::string type = fixed({n});
    auto w = text.variable("w", type), g = text.input("g", type), m = text.variable("m", type), v = text.variable("v", type);
    auto out = text.op("nn.adamw {0}, {1}, {2}, {3}, {4}, {5}, {6} {beta1 = 0.9 : f32, beta2 = 0.999 : f32, eps = 1.0e-8 : f32, "
                       "weight_decay = 0.01 : f32}",
                       {w, g, m, v, text.input("lr", scalar()), text.input("step", scalar()), text.input("scale", scalar())},
                       {type, type, type, narrow({n})});
    text.update(out[0], 0);
    text.update(out[1], 2);
    text.update(out[2], 3);
    text.result(out[3]);
    auto entry = Entry::compile(text.str());
    ASSERT_TRUE(entry);
    auto arguments = entry->randomArguments({});
    for (double &x : arguments[3].data)
      x = std::abs(x);
    arguments[4].data = {static_cast<float>(1e-3)};
    arguments[5].data = {2};
    arguments[6].data = {0.5};
    auto expected = entry->reference(arguments, {}), actual = entry->run(arguments, {});
    for (int i : {0, 1, 2})
      expectNear(actual[i], expected[i], 2e-7, 2e-6);
    ASSERT_EQ(actual[3].data.size(), static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i)
      ASSERT_EQ(actual[3].data[i], roundToBf16(actual[0].data[i])) << i;
  }
}

} // namespace
