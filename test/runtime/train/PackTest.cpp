#include "runtime/train/Pack.h"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/train/Stepper.h"
#include "test/runtime/train/ToyPlan.h"

namespace mirl::rt {
namespace {

using test::MakeTrajectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Two groups, of two and of one.
Batch ThreeSequences() {
  Batch batch;
  batch.trajectories = {MakeTrajectory({1, 2, 3}, {4, 5}, {0.25f, 0.5f}, 1),
                        MakeTrajectory({1, 2, 3}, {7}, {0.75f}, 0),
                        MakeTrajectory({6}, {5, 4, 3}, {1, 2, 3}, 0.5f)};
  batch.trajectories[1]->ending = Ending::eos;
  batch.trajectories[2]->ending = Ending::repeat;
  batch.trajectories[2]->segments = {{2, 1}, {3, 2}};
  batch.group_offsets = {0, 2, 3};
  for (const auto &trajectory : batch.trajectories)
    batch.prompts.push_back(trajectory->prompt);
  return batch;
}

TEST(Pack, HandMadeArrays) {
  Batch batch = ThreeSequences();
  Packed packed;
  Pack(batch, WholeBatch(batch), packed);
  // Without the last token of each response, which is predicted but not fed.
  EXPECT_THAT(packed.ids, ElementsAre(1, 2, 3, 4, 1, 2, 3, 6, 5, 4));
  EXPECT_THAT(packed.positions, ElementsAre(0, 1, 2, 3, 0, 1, 2, 0, 1, 2));
  EXPECT_THAT(packed.sequence_offsets, ElementsAre(0, 4, 7, 10));
  EXPECT_THAT(packed.token_offsets, ElementsAre(0, 2, 3, 6));
  EXPECT_THAT(packed.group_offsets, ElementsAre(0, 2, 3));
  EXPECT_THAT(packed.rows, ElementsAre(2, 3, 6, 7, 8, 9));
  EXPECT_THAT(packed.targets, ElementsAre(4, 5, 7, 5, 4, 3));
  EXPECT_THAT(packed.logprob, ElementsAre(0.25f, 0.5f, 0.75f, 1, 2, 3));
  EXPECT_THAT(packed.version, ElementsAre(0, 0, 0, 2, 3, 3));
  EXPECT_THAT(packed.reward, ElementsAre(1, 0, 0.5f));
  EXPECT_THAT(packed.length, ElementsAre(2, 1, 3));
  EXPECT_THAT(packed.finished, ElementsAre(0, 1, 0));
  EXPECT_THAT(packed.ending, ElementsAre(0, 1, 3));
  EXPECT_EQ(packed.extents.context, 10);
  EXPECT_EQ(packed.extents.token, 6);
  EXPECT_EQ(packed.extents.sequence, 3);
  EXPECT_EQ(packed.extents.group, 2);
}

TEST(Pack, APartStartsFromZero) {
  Batch batch = ThreeSequences();
  auto session = test::ToySession({.micro_context = 7});
  auto cuts = CutBatch(batch, *session->plan().FindEntry("train.micro"), /*whole_groups=*/false);
  ASSERT_TRUE(cuts.ok()) << cuts.status();
  ASSERT_EQ(cuts->size(), 2u); // 4 + 3 tokens fit into 7, the next 3 do not.
  const Cut &second = (*cuts)[1];
  EXPECT_EQ(second.begin, 2);
  EXPECT_EQ(second.offset.context, 7);
  EXPECT_EQ(second.offset.token, 3);
  EXPECT_EQ(second.offset.sequence, 2);
  EXPECT_EQ(second.offset.group, 1);
  Packed packed;
  Pack(batch, second, packed);
  EXPECT_THAT(packed.ids, ElementsAre(6, 5, 4));
  EXPECT_THAT(packed.rows, ElementsAre(0, 1, 2));
  EXPECT_THAT(packed.sequence_offsets, ElementsAre(0, 3));
  EXPECT_THAT(packed.group_offsets, ElementsAre(0, 1));
}

TEST(Cut, SequencesMaySplitAGroupAndGroupsMayNot) {
  Batch batch = ThreeSequences();
  auto session = test::ToySession({.micro_context = 6});
  const fb::Entry &entry = *session->plan().FindEntry("train.micro");
  auto cuts = CutBatch(batch, entry, false);
  ASSERT_TRUE(cuts.ok());
  ASSERT_EQ(cuts->size(), 2u); // {4}, {3, 3}
  EXPECT_EQ((*cuts)[1].group_begin, 0);
  EXPECT_EQ((*cuts)[1].group_end, 2);
  EXPECT_EQ((*cuts)[1].extents.group, 2);
  Packed packed;
  Pack(batch, (*cuts)[1], packed);
  EXPECT_THAT(packed.group_offsets,
              ElementsAre(0, 1, 2)); // the group's second half, then the other

  auto refused = CutBatch(batch, entry, true);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("7 tokens"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("at most 6"));
  auto small = test::ToySession({.micro_context = 3});
  refused = CutBatch(batch, *small->plan().FindEntry("train.micro"), false);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("test:1"));
}

TEST(Cut, CountsSequences) {
  Batch batch = ThreeSequences();
  auto session = test::ToySession({.micro_sequences = 1});
  auto cuts = CutBatch(batch, *session->plan().FindEntry("train.micro"), false);
  ASSERT_TRUE(cuts.ok());
  EXPECT_EQ(cuts->size(), 3u);
}

TEST(Stepper, TheLossDoesNotDependOnTheCut) {
  Batch batch = ThreeSequences();
  Params params = {{"scale", 2.0}};
  std::vector<StepResult> results;
  for (int64_t context : {4096, 7, 4}) {
    auto session = test::ToySession({.micro_context = context});
    Stepper stepper(*session, params);
    auto result = stepper.Run(*session->plan().FindStep("train"), batch, {0, 0, 1});
    ASSERT_TRUE(result.ok()) << result.status();
    results.push_back(*result);
    const fb::Buffer &weight = *session->plan().root().buffers()->Get(0);
    float w[test::kVocabulary];
    std::memcpy(w, session->Buffer(weight).data(), sizeof(w));
    // The advantages are 0.5, -0.5 and 0: tokens 4 and 5 gain, 7 loses.
    EXPECT_THAT(w, ElementsAre(0, 0, 0, 0, 5, 5, 0, 0)) << context;
  }
  EXPECT_NE(results[0].loss, 0);
  EXPECT_EQ(results[0].loss, results[1].loss);
  EXPECT_EQ(results[0].loss, results[2].loss);
  EXPECT_EQ(results[0].micro_batches, 1);
  EXPECT_EQ(results[1].micro_batches, 2);
  EXPECT_EQ(results[2].micro_batches, 3);
  EXPECT_EQ(results[2].metrics.at("micro_count"), 3); // the last micro-batch's sum
  EXPECT_EQ(results[0].tokens, 13);                   // of prompts and responses
  // The parameter reaches the kernel.
  params["scale"] = 4;
  auto session = test::ToySession({});
  Stepper stepper(*session, params);
  EXPECT_EQ(stepper.Run(*session->plan().FindStep("train"), batch, {0, 0, 1})->loss,
            2 * results[0].loss);
}

TEST(Stepper, RefusesABatchBeyondTheBatchEntry) {
  Batch batch = ThreeSequences();
  Params params = {{"scale", 2.0}};
  auto session = test::ToySession({.batch_sequences = 2});
  Stepper stepper(*session, params);
  auto result = stepper.Run(*session->plan().FindStep("train"), batch, {0, 0, 1});
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("sequence"));
}

TEST(FillInputs, MissingValuesAreErrors) {
  Batch batch = ThreeSequences();
  auto session = test::ToySession({});
  Packed packed;
  Cut cut = WholeBatch(batch);
  Pack(batch, cut, packed);
  absl::Status status = FillInputs(*session, *session->plan().FindEntry("train.micro"), batch, cut,
                                   packed, {}, {}, {});
  EXPECT_THAT(std::string(status.message()), HasSubstr("value:advantage"));
  status = FillInputs(*session, *session->plan().FindEntry("rollout.reward"), batch, cut, packed,
                      {}, {}, {});
  EXPECT_THAT(std::string(status.message()), HasSubstr("correct"));
}

} // namespace
} // namespace mirl::rt
