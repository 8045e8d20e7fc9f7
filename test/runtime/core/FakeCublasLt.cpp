#include "test/runtime/core/FakeCublasLt.h"

#include <cstring>

#include <gtest/gtest.h>

namespace mirl::rt::test {

namespace {

using namespace cuda;

FakeCublasLt *fake = nullptr;
FakeCuda *gpu = nullptr;

struct Layout {
  int type;
  uint64_t rows, columns;
};
struct Description {
  int32_t transposed_a = 0;
};

bool Fails(const char *name, BlasStatus &status) {
  int call = fake->calls[name]++;
  auto fault = fake->faults.find(name);
  if (fault == fake->faults.end() || call < fault->second.after)
    return false;
  status = fault->second.status;
  return true;
}

#define FAKE(name)                                                                                 \
  if (BlasStatus status; Fails(#name, status))                                                     \
  return status

Layout &Of(BlasLayout layout) { return *reinterpret_cast<Layout *>(layout); }
Description &Of(BlasDescription description) {
  return *reinterpret_cast<Description *>(description);
}

} // namespace

FakeCublasLt::FakeCublasLt(FakeCuda &cuda) {
  EXPECT_EQ(fake, nullptr);
  fake = this;
  gpu = &cuda;
  CublasLt &l = library_;
  l.GetVersion = []() -> size_t { return 130102; };
  l.StatusText = [](BlasStatus) { return "the library's message"; };
  l.Create = [](BlasHandle *handle) -> BlasStatus {
    FAKE(Create);
    ++fake->alive;
    *handle = reinterpret_cast<BlasHandle>(fake);
    return 0;
  };
  l.Destroy = [](BlasHandle) { return --fake->alive, 0; };
  l.DescriptionCreate = [](BlasDescription *made, int compute, int scale) -> BlasStatus {
    FAKE(DescriptionCreate);
    EXPECT_EQ(compute, kBlasCompute32);
    EXPECT_EQ(scale, kBlasF32);
    ++fake->alive;
    *made = reinterpret_cast<BlasDescription>(new Description);
    return 0;
  };
  l.DescriptionDestroy = [](BlasDescription made) { return delete &Of(made), --fake->alive, 0; };
  l.DescriptionSet = [](BlasDescription made, int attribute, const void *value,
                        size_t) -> BlasStatus {
    FAKE(DescriptionSet);
    if (attribute == kBlasTransposeA)
      std::memcpy(&Of(made).transposed_a, value, 4);
    return 0;
  };
  l.LayoutCreate = [](BlasLayout *made, int type, uint64_t rows, uint64_t columns,
                      int64_t) -> BlasStatus {
    FAKE(LayoutCreate);
    ++fake->alive;
    *made = reinterpret_cast<BlasLayout>(new Layout{type, rows, columns});
    return 0;
  };
  l.LayoutDestroy = [](BlasLayout made) { return delete &Of(made), --fake->alive, 0; };
  l.PreferenceCreate = [](BlasPreference *made) -> BlasStatus {
    FAKE(PreferenceCreate);
    ++fake->alive;
    *made = reinterpret_cast<BlasPreference>(fake);
    return 0;
  };
  l.PreferenceDestroy = [](BlasPreference) { return --fake->alive, 0; };
  l.PreferenceSet = [](BlasPreference, int attribute, const void *value, size_t) -> BlasStatus {
    FAKE(PreferenceSet);
    if (attribute == kBlasReductions)
      fake->splits |= *static_cast<const uint32_t *>(value) != 0;
    return 0;
  };
  l.Heuristic = [](BlasHandle, BlasDescription, BlasLayout, BlasLayout, BlasLayout, BlasLayout,
                   BlasPreference, int wanted, BlasCandidate *candidates,
                   int *found) -> BlasStatus {
    FAKE(Heuristic);
    *found = std::min(wanted, fake->algorithms);
    if (*found)
      candidates[0].workspace = fake->workspace;
    return 0;
  };
  l.CheckAlgorithm = [](BlasHandle, BlasDescription, BlasLayout, BlasLayout, BlasLayout c,
                        BlasLayout, const BlasAlgorithm *, BlasCandidate *candidate) -> BlasStatus {
    FAKE(CheckAlgorithm);
    candidate->workspace = fake->workspace;
    return Of(c).columns < fake->least_rows || Of(c).columns > fake->most_rows ? kBlasNotSupported
                                                                               : 0;
  };
  l.Multiply = [](BlasHandle, BlasDescription description, const void *alpha, Address, BlasLayout a,
                  Address, BlasLayout, const void *, Address, BlasLayout, Address result,
                  BlasLayout d, const BlasAlgorithm *, Address workspace, size_t bytes,
                  Stream) -> BlasStatus {
    FAKE(Multiply);
    EXPECT_EQ(*static_cast<const float *>(alpha), 1.0f);
    EXPECT_NE(workspace, 0u);
    EXPECT_GE(bytes, 256u);
    Layout to = Of(d);
    uint64_t depth = Of(description).transposed_a ? Of(a).rows : Of(a).columns;
    gpu->Enqueue([=] {
      gpu->clock += fake->milliseconds;
      fake->products.push_back({to.rows, to.columns, depth});
      std::memset(reinterpret_cast<void *>(result), fake->byte,
                  to.rows * to.columns * (to.type == kBlasF32 ? 4 : 2));
    });
    return 0;
  };
}

FakeCublasLt::~FakeCublasLt() {
  fake = nullptr;
  // Nothing may be left, whatever failed.
  EXPECT_EQ(alive, 0);
}

} // namespace mirl::rt::test
