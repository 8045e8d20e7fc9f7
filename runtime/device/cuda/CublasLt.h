// The part of cuBLASLt that the runtime uses, declared here and found at run time. Types are
// cuBLASLt's of 12 and 13; enumerators have their numbers.

#ifndef MIRL_RUNTIME_DEVICE_CUDA_CUBLASLT_H
#define MIRL_RUNTIME_DEVICE_CUDA_CUBLASLT_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/device/cuda/Driver.h"

namespace mirl::rt::cuda {

using BlasStatus = int; // 0: success
using BlasHandle = struct BlasHandleTag *;
using BlasDescription = struct BlasDescriptionTag *; // cublasLtMatmulDesc_t
using BlasLayout = struct BlasLayoutTag *;           // cublasLtMatrixLayout_t
using BlasPreference = struct BlasPreferenceTag *;   // cublasLtMatmulPreference_t

// cublasLtMatmulAlgo_t, which may be copied.
struct BlasAlgorithm {
  uint64_t data[8] = {};
};
// cublasLtMatmulHeuristicResult_t.
struct BlasCandidate {
  BlasAlgorithm algorithm;
  size_t workspace = 0; // bytes that it needs
  BlasStatus state = 0;
  float waves = 0;
  int reserved[4] = {};
};

inline constexpr BlasStatus kBlasNotSupported = 15; // CUBLAS_STATUS_NOT_SUPPORTED
inline constexpr int kBlasF32 = 0, kBlasBF16 = 14;  // CUDA_R_*
inline constexpr int kBlasCompute32 = 68;           // CUBLAS_COMPUTE_32F
inline constexpr int kBlasTransposeA = 3, kBlasTransposeB = 4, kBlasEpilogue = 7, kBlasBias = 8,
                     kBlasBiasType = 26;                       // CUBLASLT_MATMUL_DESC_*
inline constexpr int32_t kBlasNormal = 0, kBlasTransposed = 1; // CUBLAS_OP_*
inline constexpr uint32_t kBlasAddBias = 4;                    // CUBLASLT_EPILOGUE_BIAS
inline constexpr int kBlasWorkspaceBytes = 1, kBlasReductions = 3,
                     kBlasAlignmentA = 5;        // CUBLASLT_MATMUL_PREF_*, then B, C, D
inline constexpr uint32_t kBlasAnyReduction = 7; // CUBLASLT_REDUCTION_SCHEME_MASK
inline constexpr size_t kOldestBlas = 120000;    // cuBLAS 12.0.0, as cublasLtGetVersion says it

// Result, name here, symbol there, arguments.
#define MIRL_CUBLASLT_FUNCTIONS(F)                                                                 \
  F(size_t, GetVersion, "cublasLtGetVersion", ())                                                  \
  F(const char *, StatusText, "cublasLtGetStatusString", (BlasStatus))                             \
  F(BlasStatus, Create, "cublasLtCreate", (BlasHandle *))                                          \
  F(BlasStatus, Destroy, "cublasLtDestroy", (BlasHandle))                                          \
  F(BlasStatus, DescriptionCreate, "cublasLtMatmulDescCreate", (BlasDescription *, int, int))      \
  F(BlasStatus, DescriptionDestroy, "cublasLtMatmulDescDestroy", (BlasDescription))                \
  F(BlasStatus, DescriptionSet, "cublasLtMatmulDescSetAttribute",                                  \
    (BlasDescription, int, const void *, size_t))                                                  \
  F(BlasStatus, LayoutCreate, "cublasLtMatrixLayoutCreate",                                        \
    (BlasLayout *, int, uint64_t, uint64_t, int64_t))                                              \
  F(BlasStatus, LayoutDestroy, "cublasLtMatrixLayoutDestroy", (BlasLayout))                        \
  F(BlasStatus, PreferenceCreate, "cublasLtMatmulPreferenceCreate", (BlasPreference *))            \
  F(BlasStatus, PreferenceDestroy, "cublasLtMatmulPreferenceDestroy", (BlasPreference))            \
  F(BlasStatus, PreferenceSet, "cublasLtMatmulPreferenceSetAttribute",                             \
    (BlasPreference, int, const void *, size_t))                                                   \
  F(BlasStatus, Heuristic, "cublasLtMatmulAlgoGetHeuristic",                                       \
    (BlasHandle, BlasDescription, BlasLayout, BlasLayout, BlasLayout, BlasLayout, BlasPreference,  \
     int, BlasCandidate *, int *))                                                                 \
  F(BlasStatus, CheckAlgorithm, "cublasLtMatmulAlgoCheck",                                         \
    (BlasHandle, BlasDescription, BlasLayout, BlasLayout, BlasLayout, BlasLayout,                  \
     const BlasAlgorithm *, BlasCandidate *))                                                      \
  F(BlasStatus, Multiply, "cublasLtMatmul",                                                        \
    (BlasHandle, BlasDescription, const void *, Address, BlasLayout, Address, BlasLayout,          \
     const void *, Address, BlasLayout, Address, BlasLayout, const BlasAlgorithm *, Address,       \
     size_t, Stream))

struct CublasLt {
#define MIRL_CUBLASLT_DECLARE(result, name, symbol, arguments) result(*name) arguments = nullptr;
  MIRL_CUBLASLT_FUNCTIONS(MIRL_CUBLASLT_DECLARE)
#undef MIRL_CUBLASLT_DECLARE

  // The machine's, loaded once for the process: the file that $MIRL_CUBLASLT names, else what the
  // system's loader finds, what the Python package nvidia-cublas has, and what lies in
  // /usr/local/cuda. Errors say what is missing and how to get it.
  static absl::StatusOr<const CublasLt *> Get();
  // The functions of the first of these files that there is; it is never closed.
  static absl::StatusOr<CublasLt> Load(const std::vector<std::string> &files);

  // "cuBLASLt 13.1.0".
  std::string Name() const;
  // "what: cuBLASLt's message (7)" when the status is an error.
  absl::Status Check(BlasStatus status, std::string_view what) const;
};

} // namespace mirl::rt::cuda

#endif // MIRL_RUNTIME_DEVICE_CUDA_CUBLASLT_H
