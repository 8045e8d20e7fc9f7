// Reading a plan: what is written comes back, and no damage to the file gets through.

#include <sys/stat.h>

#include <cstring>
#include <random>

#include "runtime/artifact/ContentHash.h"
#include "runtime/artifact/Macros.h"
#include "test/runtime/core/CorePlan.h"

namespace mirl::rt::test {
namespace {

// Stores a scalar field of the root table and makes the checksum right again.
template <typename T>
std::vector<uint8_t> WithRoot(std::vector<uint8_t> bytes, uint16_t field, T value) {
  auto at = RootFieldOffset(bytes.data(), bytes.size(), field, sizeof(T));
  EXPECT_TRUE(at);
  std::memcpy(bytes.data() + *at, &value, sizeof(T));
  EXPECT_TRUE(StoreContentHash(bytes.data(), bytes.size()));
  return bytes;
}

std::string AsText(const std::vector<uint8_t> &bytes) { return {bytes.begin(), bytes.end()}; }

TEST(Plan, RoundTrip) {
  Folder folder;
  std::vector<uint8_t> bytes = CorePlanBytes();
  auto plan = Plan::Load(folder.Write("core.plan", AsText(bytes)));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ((*plan)->name(), folder / "core.plan");
  const fb::Plan &root = (*plan)->root();
  EXPECT_EQ(root.source_file()->str(), "core.mirl");
  EXPECT_EQ(root.buffers()->size(), 5u);
  EXPECT_EQ((*plan)->FindEntry("rows")->slices()->size(), 4u);
  EXPECT_EQ((*plan)->FindEntry("nothing"), nullptr);
  EXPECT_EQ((*plan)->FindPolicy("pi")->vocab_size(), 16);
  EXPECT_EQ((*plan)->FindPolicy(""), nullptr);
  EXPECT_EQ((*plan)->FindStep("train"), nullptr);
  EXPECT_EQ((*plan)->FindOptimizer("opt"), nullptr);
  EXPECT_NE((*plan)->kernel(0), nullptr);
  EXPECT_NE((*plan)->kernel(0), (*plan)->kernel(1));
}

TEST(Plan, TwoPlansKeepTheirOwnKernels) {
  auto first = CorePlan();
  KernelFunction kernel = first->kernel(0);
  auto second = CorePlan();
  EXPECT_NE(kernel, second->kernel(0));
  first.reset();
  EXPECT_NE(CorePlan()->kernel(0), second->kernel(0));
}

TEST(Plan, FilesThatAreNone) {
  Folder folder;
  ExpectError(Plan::Load(folder / "none.plan"), "none.plan", "No such file");
  ExpectError(Plan::Load(folder.path()), folder.path(), "not a plan");
  ExpectError(Plan::Load("/dev/zero"), "/dev/zero", "not a plan");
  for (const char *text : {"", "x", "MIRLMIRL", "a text that is no plan but longer than its head"})
    ExpectError(Plan::Load(folder.Write("x.plan", text)), "x.plan", "plan");
}

TEST(Plan, AnotherMagic) {
  std::vector<uint8_t> bytes = CorePlanBytes();
  bytes[4] = 'N';
  ExpectError(Plan::Parse(bytes, "core.plan"), "core.plan", "is not a plan");
}

TEST(Plan, AnotherVersion) {
  for (uint32_t version : {0u, 1u, kPlanVersion + 1, 4'000'000'000u})
    ExpectError(Plan::Parse(WithRoot(CorePlanBytes(), fb::Plan::VT_VERSION, version), "core.plan"),
                "core.plan", "version " + std::to_string(version), "reads version " + std::to_string(kPlanVersion));
  // Said before the checksum is looked at: another version may have another one.
  auto bytes = WithRoot(CorePlanBytes(), fb::Plan::VT_VERSION, kPlanVersion + 1);
  bytes.back() ^= 1;
  ExpectError(Plan::Parse(bytes, "core.plan"), "version 3");
}

TEST(Plan, AnotherChecksum) {
  std::vector<uint8_t> bytes = CorePlanBytes();
  auto at = RootFieldOffset(bytes.data(), bytes.size(), fb::Plan::VT_CONTENT_HASH, 8);
  bytes[*at] ^= 1;
  ExpectError(Plan::Parse(bytes, "core.plan"), "core.plan", "damaged", "checksum");
}

TEST(Plan, AnotherMachine) {
  CoreOptions options;
  options.isa = {"sse2", "avx1024"};
  ExpectError(Plan::Parse(CorePlanBytes(options), "core.plan"), "core.plan", "avx1024", "lacks");
  options.isa = {"sse2"};
  EXPECT_TRUE(Plan::Parse(CorePlanBytes(options), "core.plan").ok());
}

TEST(Plan, CodeThatIsNone) {
  std::vector<uint8_t> bytes = CorePlanBytes();
  bytes[CodeRange(bytes).begin] = 'X';
  StoreContentHash(bytes.data(), bytes.size());
  ExpectError(Plan::Parse(bytes, "core.plan"), "not an ELF shared object");
  // Half of it, which the loader would map to its end.
  bytes = CorePlanBytes();
  Range code = CodeRange(bytes);
  uint32_t half = static_cast<uint32_t>((code.end - code.begin) / 2);
  std::memcpy(bytes.data() + code.begin - sizeof(half), &half, sizeof(half));
  StoreContentHash(bytes.data(), bytes.size());
  ExpectError(Plan::Parse(bytes, "core.plan"), "an ELF shared object that is not whole");
  bytes = CorePlanBytes();
  auto *symbol =
      const_cast<flatbuffers::String *>(fb::GetPlan(bytes.data())->kernels()->Get(1)->symbol());
  const_cast<uint8_t *>(symbol->Data())[0] = 'X';
  StoreContentHash(bytes.data(), bytes.size());
  ExpectError(Plan::Parse(bytes, "core.plan"), "no kernel Xore_trace");
}

TEST(PlanFuzz, EveryFlippedBitIsFound) {
  const std::vector<uint8_t> good = CorePlanBytes();
  std::mt19937 random(1);
  for (int i = 0; i < 4000; ++i) {
    std::vector<uint8_t> bytes = good;
    size_t at = i < 256 ? static_cast<size_t>(i) : random() % bytes.size();
    bytes[at] ^= static_cast<uint8_t>(1u << random() % 8);
    EXPECT_FALSE(Plan::Parse(std::move(bytes), "core.plan").ok()) << "byte " << at;
  }
}

TEST(PlanFuzz, EveryTruncationIsFound) {
  const std::vector<uint8_t> good = CorePlanBytes();
  auto parse = [&](size_t size) {
    // Of just this size, so that a read beyond the end is one beyond an allocation.
    EXPECT_FALSE(
        Plan::Parse({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)}, "core.plan")
            .ok())
        << size << " bytes";
  };
  for (size_t size = 0; size < 512; ++size)
    parse(size);
  for (size_t size = 512; size < good.size(); size += 37)
    parse(size);
}

// What passes must be usable as Plan.h promises; it is not run, since what a kernel computes with
// is the compiler's word.
void Use(std::vector<uint8_t> bytes, int &accepted) {
  auto plan = Plan::Parse(std::move(bytes), "core.plan");
  if (!plan.ok()) {
    EXPECT_THAT(std::string(plan.status().message()), testing::StartsWith("core.plan: "));
    return;
  }
  ++accepted;
  SessionOptions options;
  options.threads = 1;
  auto session = Session::Create(*plan, options);
  if (!session.ok())
    return; // More memory than there is.
  // Damage may take a whole list away: absent lists are empty.
  const fb::Plan &root = (*plan)->root();
  for (uint32_t i = 0; i < Length(root.buffers()); ++i) {
    std::span<uint8_t> bytes = (*session)->Buffer(*root.buffers()->Get(i));
    for (uint8_t &byte : bytes.first(std::min<size_t>(4096, bytes.size())))
      byte = 1;
  }
  for (uint32_t i = 0; i < Length(root.entries()); ++i) {
    const fb::Entry &entry = *root.entries()->Get(i);
    for (uint32_t k = 0; k < Length(entry.inputs()); ++k) {
      const fb::Port &port = *entry.inputs()->Get(k);
      if (ByteSize(*entry.slices()->Get(port.slice())->type(), {}) > 0)
        *(*session)->PortData(entry, port) = 1;
    }
  }
}

// With the checksum made right again, so that the verifier and Validate.cpp stand alone.
TEST(PlanFuzz, FlippedBitsWithARightChecksum) {
  const std::vector<uint8_t> good = CorePlanBytes();
  const Range code = CodeRange(good);
  std::mt19937 random(2);
  int accepted = 0;
  for (int i = 0; i < 8000; ++i) {
    std::vector<uint8_t> bytes = good;
    for (uint32_t flips = 1 + random() % 3; flips > 0; --flips) {
      size_t at = random() % (bytes.size() - (code.end - code.begin));
      at = at < code.begin ? at : at + (code.end - code.begin);
      bytes[at] ^= static_cast<uint8_t>(1u << random() % 8);
    }
    if (StoreContentHash(bytes.data(), bytes.size()))
      Use(std::move(bytes), accepted);
  }
  EXPECT_GT(accepted, 0) << "flips in names and sources leave a plan a plan";
}

TEST(PlanFuzz, HostileNumbersWithARightChecksum) {
  const std::vector<uint8_t> good = CorePlanBytes();
  const Range code = CodeRange(good);
  const uint64_t numbers[] = {0,          1,          0xFF,       0xFFFF,     0x7FFFFFFF,
                              0x80000000, 0xFFFFFFFF, ~0ull,      1ull << 40, 1ull << 47,
                              1ull << 62, 1ull << 63, 0xFFFFFFF0, 4000000000};
  int accepted = 0;
  for (size_t at = 0; at + 8 <= good.size(); at += 4) {
    if (at + 8 > code.begin && at < code.end)
      continue;
    for (uint64_t number : numbers) {
      for (size_t width : {size_t{4}, size_t{8}}) {
        std::vector<uint8_t> bytes = good;
        std::memcpy(bytes.data() + at, &number, width);
        if (bytes != good && StoreContentHash(bytes.data(), bytes.size()))
          Use(std::move(bytes), accepted);
      }
    }
  }
  EXPECT_GT(accepted, 0);
}

TEST(PlanFuzz, Noise) {
  std::mt19937 random(3);
  for (int i = 0; i < 2000; ++i) {
    std::vector<uint8_t> bytes(random() % 300);
    for (uint8_t &byte : bytes)
      byte = static_cast<uint8_t>(random() % 4 ? random() % 16 : random());
    if (bytes.size() >= 8)
      std::memcpy(bytes.data() + 4, "MIRL", 4);
    StoreContentHash(bytes.data(), bytes.size());
    EXPECT_FALSE(Plan::Parse(std::move(bytes), "noise").ok());
  }
}

} // namespace
} // namespace mirl::rt::test
