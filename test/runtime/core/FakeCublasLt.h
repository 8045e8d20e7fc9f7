// A cuBLASLt for tests, on the GPU of FakeCuda: a product sets all bytes of its result to one
// value, takes some time, and every call may be told to fail.

#ifndef MIRL_TEST_RUNTIME_CORE_FAKECUBLASLT_H
#define MIRL_TEST_RUNTIME_CORE_FAKECUBLASLT_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/device/cuda/CublasLt.h"
#include "test/runtime/core/FakeCuda.h"

namespace mirl::rt::test {

// There is one at a time: the library's functions know no other.
class FakeCublasLt {
public:
  explicit FakeCublasLt(FakeCuda &cuda);
  ~FakeCublasLt();
  FakeCublasLt(const FakeCublasLt &) = delete;
  FakeCublasLt &operator=(const FakeCublasLt &) = delete;

  const cuda::CublasLt &library() const { return library_; }

  uint8_t byte = 7;                                // of results
  double milliseconds = 1;                         // of a product; a kernel takes 2
  int algorithms = 1;                              // that it knows for a product
  uint64_t most_rows = UINT64_MAX, least_rows = 0; // that its algorithms serve
  size_t workspace = 0;                            // bytes that they need
  // By the function's name in CublasLt: what it returns instead of doing anything, from its call
  // number `after` on.
  struct Fault {
    cuda::BlasStatus status;
    int after = 0;
  };
  std::map<std::string, Fault> faults;

  // What happened.
  std::map<std::string, int> calls;
  struct Multiplied {
    uint64_t columns, rows, depth; // of the result in memory, and terms of a sum
  };
  std::vector<Multiplied> products; // that were computed
  bool splits = false;              // whether an algorithm was asked for that may split a sum
  int64_t alive = 0;                // handles and descriptors

private:
  cuda::CublasLt library_;
};

} // namespace mirl::rt::test

#endif // MIRL_TEST_RUNTIME_CORE_FAKECUBLASLT_H
