// Products of a library that is not there: when it is used, what is said of it, and what happens
// when it fails. test/gpu has the real one.

#include <cstring>

#include "test/runtime/core/CorePlan.h"
#include "test/runtime/core/FakeCublasLt.h"

namespace mirl::rt::test {
namespace {

using cuda::CublasLt;
using testing::Contains;
using testing::HasSubstr;

TEST(CublasLt, NoLibrary) {
  ExpectError(CublasLt::Load({"libmirl_no_such_blas.so.13", "libmirl_no_other_blas.so"}),
              "the plan asks for cuBLASLt, which there is not", "libmirl_no_such_blas.so.13",
              "pip install nvidia-cublas", "MIRL_CUBLASLT");
}

TEST(CublasLt, TheFirstThatThereIs) {
  ExpectError(CublasLt::Load({"libmirl_no_such_blas.so.13", MIRL_CUBLASLT_11}),
              "cuBLASLt is too old: it is version 110901; 120000 (12.0) or later is needed",
              "pip install nvidia-cublas");
}

TEST(CublasLt, OneWithoutAFunction) {
  ExpectError(CublasLt::Load({MIRL_CUBLASLT_13}),
              "cuBLASLt cannot be used: the library has no cublasLt");
}

TEST(CublasLt, TheEnvironmentNamesIt) {
  // Read once in a process, which this one is for.
  EXPECT_EXIT(
      {
        setenv("MIRL_CUBLASLT", MIRL_CUBLASLT_11, 1);
        std::fprintf(stderr, "%s", std::string(CublasLt::Get().status().message()).c_str());
        _exit(0);
      },
      testing::ExitedWithCode(0), "cuBLASLt is too old: it is version 110901");
}

// A GPU whose kernels set all bytes of "result" to 7, with a library.
class Products : public testing::Test {
protected:
  FakeCuda cuda_;
  FakeCublasLt blas_{cuda_};
  std::vector<std::string> notes_;
  std::shared_ptr<const Plan> plan_;
  std::unique_ptr<Session> session_;

  const fb::Slice &Result() { return *plan_->FindEntry("product")->slices()->Get(2); }
  char *Arena() { return static_cast<char *>(cuda_.allocations.at(0)); }

  absl::Status Open(bool any_bits = false, double seconds = 30, bool profile = false) {
    plan_ = CorePlan({.cuda = true, .library = true, .any_bits = any_bits});
    cuda_.kernel = [this] { std::memset(Arena() + Result().offset(), 7, Result().bytes()); };
    SessionOptions options;
    options.cuda_driver = &cuda_.driver();
    options.cublaslt = &blas_.library();
    options.choice_seconds = seconds;
    options.profile = profile;
    options.note = [this](const std::string &note) { notes_.push_back(note); };
    auto session = Session::Create(plan_, options);
    if (!session.ok())
      return session.status();
    session_ = *std::move(session);
    cuda_.launches.clear();
    blas_.products.clear();
    return absl::OkStatus();
  }
  absl::Status Run(int64_t rows) {
    return session_->Run(*plan_->FindEntry("product"), {rows, 0, 0, 0});
  }
  // Who computes so many rows: kernels, then products.
  std::pair<size_t, size_t> Who(int64_t rows) {
    cuda_.launches.clear();
    blas_.products.clear();
    EXPECT_TRUE(Run(rows).ok());
    return {cuda_.launches.size(), blas_.products.size()};
  }
  void TearDown() override { session_.reset(); }
};

using Pair = std::pair<size_t, size_t>;
constexpr Pair kKernel = {1, 0}, kLibrary = {0, 1};

TEST_F(Products, FasterWithTheSameBits) {
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(notes_.size(), 2u);
  EXPECT_THAT(notes_, Contains(HasSubstr("cuBLASLt 13.1.2")));
  EXPECT_THAT(
      notes_,
      Contains(HasSubstr(
          "core_sums: 17 to 32: the library, same bits, 1000.0 us to our 2000.0; 9 to 16:")));
  EXPECT_FALSE(blas_.splits);
  EXPECT_EQ(Who(32), kLibrary);
  EXPECT_EQ(blas_.products[0].rows, 32u);
  EXPECT_EQ(blas_.products[0].columns, 8u);
  EXPECT_EQ(blas_.products[0].depth, 64u);
  // The second time it is recorded, the third replayed.
  EXPECT_EQ(Who(32), kLibrary);
  EXPECT_EQ(Who(32), kLibrary);
  EXPECT_EQ(Who(17), kLibrary);
  EXPECT_EQ(blas_.products[0].rows, 17u);
  EXPECT_EQ(Who(2), kLibrary);
  // Below a sixteenth of the capacity nothing was tried.
  EXPECT_EQ(Who(1), kKernel);
  EXPECT_EQ(Who(0), Pair(0, 0));
}

TEST_F(Products, NothingIsLeftInTheArena) {
  ASSERT_TRUE(Open().ok());
  const fb::Plan &root = plan_->root();
  for (uint64_t at = root.persistent_bytes(); at < root.arena_bytes(); ++at)
    ASSERT_EQ(Arena()[at], 0) << at;
  for (const fb::Buffer *buffer : *root.buffers())
    for (uint64_t at = 0; at < buffer->bytes(); ++at)
      ASSERT_EQ(Arena()[buffer->offset() + at],
                buffer->data()->size() ? static_cast<char>(buffer->data()->Get(at)) : 0)
          << buffer->name()->str();
}

TEST_F(Products, OtherBits) {
  blas_.byte = 8;
  ASSERT_TRUE(Open().ok());
  EXPECT_THAT(notes_, Contains(HasSubstr("17 to 32: other bits; 9 to 16: other bits")));
  EXPECT_EQ(Who(32), kKernel);
  EXPECT_EQ(Who(9), kKernel);
}

TEST_F(Products, OtherBitsAtOneExtentAlone) {
  // What the kernel computes at the last extent that is compared in the first range, an odd one
  // between.
  int launch = 0;
  plan_ = CorePlan({.cuda = true, .library = true});
  SessionOptions options;
  options.cuda_driver = &cuda_.driver();
  options.cublaslt = &blas_.library();
  options.note = [this](const std::string &note) { notes_.push_back(note); };
  cuda_.kernel = [&] {
    ++launch;
    std::memset(Arena() + Result().offset(), launch == 3 ? 9 : 7, Result().bytes());
  };
  auto session = Session::Create(plan_, options);
  ASSERT_TRUE(session.ok()) << session.status();
  session_ = *std::move(session);
  EXPECT_THAT(notes_, Contains(HasSubstr("17 to 32: other bits; 9 to 16: the library")));
  EXPECT_EQ(Who(32), kKernel);
  EXPECT_EQ(Who(16), kLibrary);
}

TEST_F(Products, NotFaster) {
  blas_.milliseconds = 1.99;
  ASSERT_TRUE(Open().ok());
  EXPECT_THAT(notes_,
              Contains(HasSubstr("17 to 32: not faster, same bits, 1990.0 us to our 2000.0")));
  EXPECT_EQ(Who(32), kKernel);
}

TEST_F(Products, AnyBits) {
  blas_.byte = 8;
  blas_.milliseconds = 100;
  ASSERT_TRUE(Open(/*any_bits=*/true, /*seconds=*/-1).ok());
  EXPECT_THAT(notes_, Contains(HasSubstr(
                          "core_sums, any bits: 17 to 32: the library, with bits of its own")));
  EXPECT_TRUE(blas_.splits);
  EXPECT_EQ(Who(32), kLibrary);
  EXPECT_EQ(cuda_.calls["EventElapsed"], 0);
}

TEST_F(Products, TheTimeIsOver) {
  ASSERT_TRUE(Open(/*any_bits=*/false, /*seconds=*/-1).ok());
  EXPECT_THAT(notes_, Contains(HasSubstr("17 to 32: not tried, the time for it was over")));
  EXPECT_EQ(Who(32), kKernel);
}

TEST_F(Products, AnAlgorithmThatDoesNotServeAll) {
  blas_.least_rows = 20;
  ASSERT_TRUE(Open().ok());
  EXPECT_THAT(
      notes_,
      Contains(HasSubstr(
          "17 to 32: its algorithm does not serve 17; 9 to 16: its algorithm does not serve 16")));
  EXPECT_EQ(Who(32), kKernel);
}

TEST_F(Products, AnExtentThatIsNotServedLater) {
  ASSERT_TRUE(Open().ok());
  blas_.least_rows = 24;
  EXPECT_EQ(Who(23), kKernel);
  EXPECT_EQ(Who(24), kLibrary);
}

TEST_F(Products, MoreWorkspaceThanThereIs) {
  blas_.workspace = 1 << 20;
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(Who(32), kKernel);
}

TEST_F(Products, NoAlgorithm) {
  blas_.algorithms = 0;
  ASSERT_TRUE(Open().ok());
  EXPECT_THAT(notes_, Contains(HasSubstr("17 to 32: cuBLASLt has no algorithm for the product")));
  EXPECT_EQ(Who(32), kKernel);
}

// A library that does not start is an error; what it does not do afterwards is done by the kernel.
TEST_F(Products, EveryFaultOfTheLibrary) {
  blas_.faults["Create"] = {1};
  ExpectError(Open(), "core.plan: starting cuBLASLt 13.1.2: the library's message (1)");
  for (const char *call :
       {"DescriptionCreate", "DescriptionSet", "LayoutCreate", "PreferenceCreate", "PreferenceSet",
        "Heuristic", "CheckAlgorithm", "Multiply"}) {
    SCOPED_TRACE(call);
    session_.reset();
    cuda_.allocations.clear();
    blas_.faults = {{call, {13, blas_.calls[call]}}};
    ASSERT_TRUE(Open().ok());
    EXPECT_GT(blas_.calls[call], 0);
    EXPECT_EQ(Who(32), kKernel);
  }
}

TEST_F(Products, AProductThatFailsInARunNamesItsOp) {
  ASSERT_TRUE(Open().ok());
  blas_.faults["Multiply"] = {13};
  ExpectError(Run(32), "core: launching a product of cuBLASLt: the library's message (13)");
}

TEST_F(Products, EveryFaultOfTheDriver) {
  for (const char *call : {"CopyToHost", "Launch"}) {
    SCOPED_TRACE(call);
    cuda_.allocations.clear();
    cuda_.faults = {{call, {999, cuda_.calls[call]}}};
    ExpectError(Open(), "core.plan: ", "CUDA_ERROR_FAKE (999): the device's message");
  }
  // What cannot be timed is not faster.
  for (const char *call : {"BeginCapture", "EndCapture", "GraphInstantiate", "GraphLaunch",
                           "EventRecord", "EventElapsed"}) {
    SCOPED_TRACE(call);
    session_.reset();
    notes_.clear();
    cuda_.allocations.clear();
    cuda_.faults = {{call, {999, cuda_.calls[call]}}};
    ASSERT_TRUE(Open().ok());
    cuda_.faults.clear();
    EXPECT_THAT(notes_, Contains(HasSubstr("17 to 32: ")));
    EXPECT_THAT(notes_, Contains(HasSubstr("CUDA_ERROR_FAKE (999): the device's message")));
    EXPECT_EQ(Who(32), kKernel);
  }
}

TEST_F(Products, AProfileSaysWhoComputed) {
  ASSERT_TRUE(Open(/*any_bits=*/false, /*seconds=*/30, /*profile=*/true).ok());
  ASSERT_TRUE(Run(32).ok());
  ASSERT_TRUE(Run(1).ok());
  std::vector<std::string> kernels;
  for (const ProfileRow &row : session_->Profile())
    kernels.push_back(row.kernel);
  EXPECT_THAT(kernels, testing::UnorderedElementsAre("cublaslt", "core_sums"));
}

} // namespace
} // namespace mirl::rt::test
