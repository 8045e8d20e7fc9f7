// Sums and spreads between tokens, sequences, groups and the batch.
//
// Tolerance: a sum is a chain, 2 · n · 2^-24 for n numbers from [−1, 1] (MatmulTest.cpp); everything else is exact.

#include "EntryText.h"
#include "Harness.h"
#include "gtest/gtest.h"

using namespace mirl::test;

namespace {

// Lengths 0, 1, 2, … in turn, up to `longest`.
struct Segments {
  Tensor offsets;
  Extents extents;
  Segments(int64_t count, int64_t longest) {
    offsets = {{count + 1}, {0}};
    for (int64_t i = 0; i < count; ++i)
      offsets.data.push_back(offsets.data.back() + i % (longest + 1));
    extents = {0, static_cast<int64_t>(offsets.data.back()), count, 0};
  }
};
const Segments kSegments[] = {{1, 1}, {2, 1}, {7, 5}, {64, 100}, {1000, 3}};

TEST(Segment, Spread) {
  EntryText text;
  text.result(text.op("nn.segment_spread {0}, {1}", {text.input("x", scalars("sequence")), text.input("o", offsetsOf("sequence"))},
                      {scalars("token")})[0]);
  auto entry = Entry::compile(text.str());
  ASSERT_TRUE(entry);
  for (const Segments &s : kSegments) {
    auto arguments = entry->randomArguments(s.extents);
    arguments[1] = s.offsets;
    check(*entry, arguments, s.extents, 0, 0);
  }
}

TEST(Segment, Reduce) {
  for (std::string kind : {"sum", "max", "min"}) {
    EntryText text;
    text.result(text.op("nn.segment_reduce " + kind + " {0}, {1}",
                        {text.input("x", scalars("token")), text.input("o", offsetsOf("sequence"))}, {scalars("sequence")})[0]);
    auto entry = Entry::compile(text.str());
    ASSERT_TRUE(entry);
    for (const Segments &s : kSegments) {
      auto arguments = entry->randomArguments(s.extents);
      arguments[1] = s.offsets;
      check(*entry, arguments, s.extents, kind == "sum" ? 200 * 0x1p-24 : 0, kind == "sum" ? 0x1p-23 : 0);
    }
  }
}

TEST(Segment, Count) {
  EntryText text;
  text.result(text.op("nn.segment_count {0}", {text.input("o", offsetsOf("sequence"))}, {scalars("sequence")})[0]);
  auto entry = Entry::compile(text.str());
  ASSERT_TRUE(entry);
  for (const Segments &s : kSegments)
    check(*entry, {s.offsets}, s.extents, 0, 0);
}

TEST(Batch, Reduce) {
  for (std::string kind : {"sum", "max", "min"}) {
    EntryText text;
    text.result(text.op("nn.reduce " + kind + " {0}", {text.input("x", scalars("token"))}, {scalar()})[0]);
    auto entry = Entry::compile(text.str());
    ASSERT_TRUE(entry);
    for (int64_t count : {1, 7, 64, 1000}) {
      Extents extents{0, count, 0, 0};
      check(*entry, entry->randomArguments(extents), extents, kind == "sum" ? 2 * (count + 2) * 0x1p-24 : 0,
            kind == "sum" ? 0x1p-23 : 0);
    }
  }
}

// A loss is one chain over all micro-batches.
TEST(Batch, SumGoesOn) {
  EntryText text;
  auto x = text.input("x", scalars("token")), into = text.variable("loss", scalar());
  text.update(text.op("nn.reduce sum {0} into({1})", {x, into}, {scalar()})[0], 1);
  auto entry = Entry::compile(text.str());
  ASSERT_TRUE(entry);
  Extents extents{0, 100, 0, 0};
  auto all = entry->randomArguments(extents);
  check(*entry, all, extents, 200 * 0x1p-24, 0x1p-23);
  Tensor whole = entry->run(all, extents)[0], sum = all[1];
  for (int64_t from = 0; from < 100; from += 10)
    sum = entry->run({rows(all[0], from, from + 10), sum}, {0, 10, 0, 0})[0];
  EXPECT_TRUE(sameBits(whole, sum));
}

TEST(Batch, Spread) {
  EntryText text;
  text.result(text.op("nn.spread {0}", {text.input("x", scalar())}, {scalars("token")})[0]);
  auto entry = Entry::compile(text.str());
  ASSERT_TRUE(entry);
  for (int64_t count : {1, 7, 64, 1000, 3000}) {
    Extents extents{0, count, 0, 0};
    check(*entry, entry->randomArguments(extents), extents, 0, 0);
  }
}

TEST(Batch, Extent) {
  for (std::string axis : {"context", "token", "sequence", "group"}) {
    EntryText text;
    text.input("x", scalar()); // an entry has an argument
    text.result(text.op("nn.extent <" + axis + ">", {}, {scalar()}, scalar())[0]);
    auto entry = Entry::compile(text.str());
    ASSERT_TRUE(entry);
    check(*entry, entry->randomArguments({11, 22, 33, 44}), {11, 22, 33, 44}, 0, 0);
  }
}

} // namespace
