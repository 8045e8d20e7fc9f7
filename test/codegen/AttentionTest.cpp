// nn.attention, nn.kv_append, nn.paged_attention and nn.attention_grad.
//
// Tolerances: scores are chains of head_dim products of numbers from [−1, 1], an error of about head_dim · 2^-24, which
// the exponential turns into a relative error of the same size; sums over the keys add a few 2^-24 of numbers that are at
// most 1. 3e-6 holds for head_dim ≤ 128 and thousands of keys. A key's gradient adds as many terms as there are rows.

#include "EntryText.h"
#include "Harness.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>

using namespace mirl::test;

namespace {

struct Heads {
  int64_t heads, kvHeads, dim;
  std::string attributes() const {
    return " {heads = " + std::to_string(heads) + " : i64, kv_heads = " + std::to_string(kvHeads) +
           " : i64, scale = 0.2 : f32}";
  }
  std::string query() const { return rows(heads * dim); }
  std::string key() const { return rows(kvHeads * dim); }
};

std::string attention(const Heads &h) {
  EntryText text;
  auto results = text.op("nn.attention {0}, {1}, {2}, {3}" + h.attributes(),
                         {text.input("q", h.query()), text.input("k", h.key()), text.input("v", h.key()),
                          text.input("offsets", offsetsOf("sequence"))},
                         {h.query(), rows(h.heads)});
  text.result(results[0]);
  text.result(results[1]);
  return text.str();
}

// Appends the keys and values, then attends: what prefill and decode do.
std::string paged(const Heads &h, int64_t slots, int64_t blocks, int64_t width) {
  EntryText text;
  std::string keyCache = fixed({blocks, h.kvHeads, h.dim, 16}), valueCache = fixed({blocks, h.kvHeads, 16, h.dim});
  auto q = text.input("q", h.query()), k = text.input("k", h.key()), v = text.input("v", h.key());
  auto keys = text.variable("keys", keyCache), values = text.variable("values", valueCache);
  auto table = text.input("table", "tensor<" + std::to_string(slots) + "x" + std::to_string(width) + "xi32>");
  auto slot = text.input("slots", indices()), position = text.input("positions", indices());
  auto caches = text.op("nn.kv_append {0}, {1}, {2}, {3}, {4}, {5}, {6}", {k, v, keys, values, table, slot, position},
                        {keyCache, valueCache});
  text.update(caches[0], 3);
  text.update(caches[1], 4);
  text.result(text.op("nn.paged_attention {0}, {1}, {2}, {3}, {4}, {5}" + h.attributes(),
                      {q, caches[0], caches[1], table, slot, position}, {h.query()})[0]);
  return text.str();
}

std::string attentionGrad(const Heads &h) {
  EntryText text;
  auto g = text.input("g", h.query()), q = text.input("q", h.query()), k = text.input("k", h.key()), v = text.input("v", h.key());
  auto result = text.input("result", h.query()), lse = text.input("lse", rows(h.heads));
  auto gradients = text.op("nn.attention_grad {0}, {1}, {2}, {3}, {4}, {5}, {6}" + h.attributes(),
                           {g, q, k, v, result, lse, text.input("offsets", offsetsOf("sequence"))},
                           {h.query(), h.key(), h.key()});
  for (const auto &gradient : gradients)
    text.result(gradient);
  return text.str();
}

struct Batch {
  std::vector<int64_t> lengths;
  int64_t rows() const {
    int64_t sum = 0;
    for (int64_t length : lengths)
      sum += length;
    return sum;
  }
  Extents extents() const { return {rows(), 0, static_cast<int64_t>(lengths.size()), 0}; }
  Tensor offsets() const {
    Tensor tensor{{static_cast<int64_t>(lengths.size()) + 1}, {0}};
    for (int64_t length : lengths)
      tensor.data.push_back(tensor.data.back() + length);
    return tensor;
  }
};

std::vector<Tensor> attentionArguments(const Entry &entry, const Batch &batch) {
  auto arguments = entry.randomArguments(batch.extents());
  arguments[3] = batch.offsets();
  return arguments;
}

// Heads of the small model, one head a group, wide heads, odd ones, a group larger than a tile; sequences of one row, of
// none, at and beside multiples of 16.
const Heads kHeads[] = {{4, 2, 24}, {3, 3, 8}, {16, 2, 128}, {6, 2, 20}, {16, 1, 16}, {10, 2, 7}};
const Batch kBatch{{1, 7, 30, 17, 0, 64, 33, 16, 129}};

class Attention : public testing::TestWithParam<Heads> {};

TEST_P(Attention, Forward) {
  auto entry = Entry::compile(attention(GetParam()));
  ASSERT_TRUE(entry);
  check(*entry, attentionArguments(*entry, kBatch), kBatch.extents(), 3e-6, 3e-6);
}

TEST_P(Attention, PagedIsTheSame) {
  auto packed = Entry::compile(attention(GetParam()));
  auto arguments = attentionArguments(*packed, kBatch);
  Tensor expected = packed->run(arguments, kBatch.extents())[0];
  int64_t slots = kBatch.lengths.size();
  int64_t width = 9, blocks = slots * width; // 144 positions
  auto entry = Entry::compile(paged(GetParam(), slots, blocks, width));
  ASSERT_TRUE(entry);
  Extents extents = kBatch.extents();
  auto all = entry->randomArguments(extents);
  std::copy_n(arguments.begin(), 3, all.begin());
  // Blocks anywhere: every block of the pool once, none where one would expect it.
  for (int64_t b = 0; b < blocks; ++b)
    all[5].data[b] = (b * 7 + 3) % blocks;
  all[6].data.clear();
  all[7].data.clear();
  for (int64_t s = 0; s < slots; ++s)
    for (int64_t p = 0; p < kBatch.lengths[s]; ++p) {
      all[6].data.push_back(slots - 1 - s); // any slot will do
      all[7].data.push_back(p);
    }
  check(*entry, all, extents, 3e-6, 3e-6);
  EXPECT_TRUE(sameBits(entry->run(all, extents)[2], expected)) << "prefill differs from packed attention";

  // Token by token, all sequences at once: decode.
  auto step = all;
  for (int64_t position = 0; position < 144; ++position) {
    std::vector<int64_t> present;
    for (int64_t c = 0; c < extents.context; ++c)
      if (all[7].data[c] == position)
        present.push_back(c);
    if (present.empty())
      continue;
    for (int i : {0, 1, 2, 6, 7}) {
      step[i].data.clear();
      step[i].shape[0] = present.size();
      for (int64_t c : present) {
        Tensor row = rows(all[i], c, c + 1);
        step[i].data.insert(step[i].data.end(), row.data.begin(), row.data.end());
      }
    }
    auto results = entry->run(step, {static_cast<int64_t>(present.size()), 0, 0, 0}, position);
    step[3] = results[0];
    step[4] = results[1];
    for (size_t i = 0; i < present.size(); ++i)
      ASSERT_TRUE(sameBits(rows(results[2], i, i + 1), rows(expected, present[i], present[i] + 1)))
          << "decode differs from packed attention in row " << present[i];
  }
}

TEST_P(Attention, Grad) {
  auto forward = Entry::compile(attention(GetParam()));
  auto entry = Entry::compile(attentionGrad(GetParam()));
  ASSERT_TRUE(entry);
  auto arguments = attentionArguments(*forward, kBatch);
  auto results = forward->run(arguments, kBatch.extents());
  auto all = entry->randomArguments(kBatch.extents());
  std::copy_n(arguments.begin(), 3, all.begin() + 1);
  all[4] = results[0];
  all[5] = results[1];
  all[6] = kBatch.offsets();
  check(*entry, all, kBatch.extents(), 1e-5, 1e-5);
}

// Rows see their own sequence up to themselves: not even what is not a number elsewhere.
TEST_P(Attention, NothingElseIsSeen) {
  auto entry = Entry::compile(attention(GetParam()));
  Batch batch{{20, 30}};
  auto clean = attentionArguments(*entry, batch);
  auto dirty = clean;
  for (int i : {1, 2})
    for (int64_t row : {15, 21})
      std::fill_n(dirty[i].data.begin() + row * dirty[i].columns(), dirty[i].columns(), NAN);
  auto expected = entry->run(clean, batch.extents()), actual = entry->run(dirty, batch.extents());
  for (int i : {0, 1})
    for (auto [from, to] : {std::pair{0, 15}, {20, 21}})
      EXPECT_TRUE(sameBits(rows(actual[i], from, to), rows(expected[i], from, to))) << "rows " << from << " to " << to;
}

// A sequence's gradients and results do not depend on the others.
TEST_P(Attention, SequenceAlone) {
  auto forward = Entry::compile(attention(GetParam())), backward = Entry::compile(attentionGrad(GetParam()));
  auto arguments = attentionArguments(*forward, kBatch);
  auto results = forward->run(arguments, kBatch.extents());
  auto all = backward->randomArguments(kBatch.extents());
  std::copy_n(arguments.begin(), 3, all.begin() + 1);
  all[4] = results[0];
  all[5] = results[1];
  all[6] = kBatch.offsets();
  auto gradients = backward->run(all, kBatch.extents());
  Tensor offsets = kBatch.offsets();
  for (size_t s = 0; s < kBatch.lengths.size(); ++s) {
    int64_t from = offsets.data[s], to = offsets.data[s + 1];
    if (from == to)
      continue;
    Batch one{{to - from}};
    auto part = all;
    for (int i = 0; i < 6; ++i)
      part[i] = rows(all[i], from, to);
    part[6] = one.offsets();
    auto alone = forward->run({part[1], part[2], part[3], part[6]}, one.extents());
    for (int i : {0, 1})
      EXPECT_TRUE(sameBits(alone[i], rows(results[i], from, to))) << "sequence " << s << ", result " << i;
    auto aloneGradients = backward->run(part, one.extents());
    for (int i : {0, 1, 2})
      EXPECT_TRUE(sameBits(aloneGradients[i], rows(gradients[i], from, to))) << "sequence " << s << ", gradient " << i;
  }
}

TEST_P(Attention, InstructionSets) {
  auto arguments = [](const Entry &entry) { return attentionArguments(entry, kBatch); };
  expectSameOnAllCpus(attention(GetParam()), arguments, kBatch.extents());
  expectSameOnAllCpus(
      attentionGrad(GetParam()),
      [](const Entry &entry) {
        auto all = entry.randomArguments(kBatch.extents());
        all[6] = kBatch.offsets();
        return all;
      },
      kBatch.extents());
}

INSTANTIATE_TEST_SUITE_P(Heads, Attention, testing::ValuesIn(kHeads), [](const auto &info) {
  return "h" + std::to_string(info.param.heads) + "_kv" + std::to_string(info.param.kvHeads) + "_d" +
         std::to_string(info.param.dim);
});

// More keys than the stack holds scores for (3040): they are taken in chunks.
TEST(AttentionLong, Chunks) {
  auto entry = Entry::compile(attention({2, 1, 16}));
  ASSERT_TRUE(entry);
  Batch batch{{3500, 10}};
  check(*entry, attentionArguments(*entry, batch), batch.extents(), 3e-6, 3e-6);
}

} // namespace
