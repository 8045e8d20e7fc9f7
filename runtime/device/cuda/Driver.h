// The part of CUDA's driver API that the runtime uses, declared here and found in libcuda.so.1 at run time.

#ifndef MIRL_RUNTIME_DEVICE_CUDA_DRIVER_H
#define MIRL_RUNTIME_DEVICE_CUDA_DRIVER_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mirl::rt::cuda {

using Result = int; // 0: success
using DeviceNumber = int;
using Address = unsigned long long;
using Context = struct ContextTag *;
using Module = struct ModuleTag *;
using Function = struct FunctionTag *;
using Stream = struct StreamTag *;
using Event = struct EventTag *;
using Graph = struct GraphTag *;
using GraphExec = struct GraphExecTag *;

// CUDA_MEMCPY2D.
struct Copy2D {
  size_t source_x = 0, source_y = 0;
  unsigned source_kind = 0;
  const void *source_host = nullptr;
  Address source_device = 0;
  void *source_array = nullptr;
  size_t source_pitch = 0;
  size_t target_x = 0, target_y = 0;
  unsigned target_kind = 0;
  void *target_host = nullptr;
  Address target_device = 0;
  void *target_array = nullptr;
  size_t target_pitch = 0;
  size_t width = 0, height = 0;
};

// CUlaunchAttribute: a number, and a value of at most 64 bytes.
struct alignas(8) LaunchAttribute {
  int id = 0;
  char padding[4] = {};
  union {
    char bytes[64] = {};
    int number;
  };
};
inline constexpr int kOverlapEarlier = 6; // CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION

// CUlaunchConfig.
struct LaunchConfig {
  unsigned grid_x = 1, grid_y = 1, grid_z = 1, block_x = 1, block_y = 1, block_z = 1, shared = 0;
  Stream stream = nullptr;
  LaunchAttribute *attributes = nullptr;
  unsigned attribute_count = 0;
};

// CUtensorMap, and what cuTensorMapEncodeTiled calls things.
struct alignas(64) EncodedMap {
  uint64_t words[16] = {};
};
inline constexpr int kMapF32 = 7, kMapBF16 = 9; // CU_TENSOR_MAP_DATA_TYPE_*
inline constexpr int kMapPlain = 0;             // CU_TENSOR_MAP_INTERLEAVE_NONE, …_FLOAT_OOB_FILL_NONE: zeros beyond the end
inline constexpr int kMapPromote256 = 3;        // CU_TENSOR_MAP_L2_PROMOTION_L2_256B

inline constexpr Result kNoDevice = 100;             // CUDA_ERROR_NO_DEVICE
inline constexpr int kOldestDriver = 12000;           // CUDA 12.0, as cuDriverGetVersion says it
inline constexpr int kOverlappingGraphs = 12030;      // CUDA 12.3: graphs keep kOverlapEarlier
// "12.3".
std::string VersionText(int version);
inline constexpr unsigned kDeviceMemory = 2;         // CU_MEMORYTYPE_DEVICE
inline constexpr unsigned kNonBlockingStream = 1;    // CU_STREAM_NON_BLOCKING
inline constexpr unsigned kEventWithoutTime = 2;     // CU_EVENT_DISABLE_TIMING
inline constexpr int kCaptureThread = 1;             // CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
inline constexpr int kMaxDynamicShared = 8;          // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
inline constexpr int kMultiprocessors = 16;           // CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
inline constexpr int kComputeMajor = 75, kComputeMinor = 76; // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*

// Name here, symbol there, arguments.
#define MIRL_CUDA_FUNCTIONS(F)                                                                                         \
  F(DriverGetVersion, "cuDriverGetVersion", (int *))                                                                   \
  F(Init, "cuInit", (unsigned))                                                                                        \
  F(DeviceGetCount, "cuDeviceGetCount", (int *))                                                                       \
  F(DeviceGet, "cuDeviceGet", (DeviceNumber *, int))                                                                   \
  F(DeviceGetName, "cuDeviceGetName", (char *, int, DeviceNumber))                                                     \
  F(DeviceGetAttribute, "cuDeviceGetAttribute", (int *, int, DeviceNumber))                                            \
  F(PrimaryContextRetain, "cuDevicePrimaryCtxRetain", (Context *, DeviceNumber))                                       \
  F(PrimaryContextRelease, "cuDevicePrimaryCtxRelease_v2", (DeviceNumber))                                             \
  F(ContextSetCurrent, "cuCtxSetCurrent", (Context))                                                                   \
  F(MemoryInfo, "cuMemGetInfo_v2", (size_t *, size_t *))                                                               \
  F(MemoryAllocate, "cuMemAlloc_v2", (Address *, size_t))                                                              \
  F(MemoryFree, "cuMemFree_v2", (Address))                                                                             \
  F(HostAllocate, "cuMemHostAlloc", (void **, size_t, unsigned))                                                       \
  F(HostFree, "cuMemFreeHost", (void *))                                                                               \
  F(CopyToDevice, "cuMemcpyHtoDAsync_v2", (Address, const void *, size_t, Stream))                                     \
  F(CopyToHost, "cuMemcpyDtoHAsync_v2", (void *, Address, size_t, Stream))                                             \
  F(CopyOnDevice, "cuMemcpyDtoDAsync_v2", (Address, Address, size_t, Stream))                                          \
  F(CopyPieces, "cuMemcpy2DAsync_v2", (const Copy2D *, Stream))                                                        \
  F(Set, "cuMemsetD8Async", (Address, unsigned char, size_t, Stream))                                                  \
  F(ModuleLoad, "cuModuleLoadData", (Module *, const void *))                                                          \
  F(ModuleUnload, "cuModuleUnload", (Module))                                                                          \
  F(ModuleGetFunction, "cuModuleGetFunction", (Function *, Module, const char *))                                      \
  F(FunctionSetAttribute, "cuFuncSetAttribute", (Function, int, int))                                                  \
  F(Launch, "cuLaunchKernelEx", (const LaunchConfig *, Function, void **, void **))                                    \
  F(EncodeMap, "cuTensorMapEncodeTiled", (EncodedMap *, int, unsigned, void *, const uint64_t *, const uint64_t *,     \
                                          const uint32_t *, const uint32_t *, int, int, int, int))                     \
  F(StreamCreate, "cuStreamCreate", (Stream *, unsigned))                                                              \
  F(StreamDestroy, "cuStreamDestroy_v2", (Stream))                                                                     \
  F(StreamSynchronize, "cuStreamSynchronize", (Stream))                                                                \
  F(EventCreate, "cuEventCreate", (Event *, unsigned))                                                                 \
  F(EventDestroy, "cuEventDestroy_v2", (Event))                                                                        \
  F(EventRecord, "cuEventRecord", (Event, Stream))                                                                     \
  F(EventSynchronize, "cuEventSynchronize", (Event))                                                                   \
  F(EventElapsed, "cuEventElapsedTime", (float *, Event, Event))                                                       \
  F(BeginCapture, "cuStreamBeginCapture_v2", (Stream, int))                                                            \
  F(EndCapture, "cuStreamEndCapture", (Stream, Graph *))                                                               \
  F(GraphInstantiate, "cuGraphInstantiateWithFlags", (GraphExec *, Graph, unsigned long long))                         \
  F(GraphDestroy, "cuGraphDestroy", (Graph))                                                                           \
  F(GraphLaunch, "cuGraphLaunch", (GraphExec, Stream))                                                                 \
  F(GraphExecDestroy, "cuGraphExecDestroy", (GraphExec))                                                               \
  F(ErrorName, "cuGetErrorName", (Result, const char **))                                                              \
  F(ErrorText, "cuGetErrorString", (Result, const char **))

struct Driver {
#define MIRL_CUDA_DECLARE(name, symbol, arguments) Result(*name) arguments = nullptr;
  MIRL_CUDA_FUNCTIONS(MIRL_CUDA_DECLARE)
#undef MIRL_CUDA_DECLARE

  // The machine's driver, loaded and started once for the process. Errors say what is missing: the driver, a newer one, a GPU.
  static absl::StatusOr<const Driver *> Get();
  // The functions of a driver's library, which is never closed.
  static absl::StatusOr<Driver> Load(const char *library);
  absl::Status Start() const;

  // "what: CUDA_ERROR_…: the device's message" when the result is an error.
  absl::Status Check(Result result, std::string_view what) const;
};

} // namespace mirl::rt::cuda

#endif // MIRL_RUNTIME_DEVICE_CUDA_DRIVER_H
