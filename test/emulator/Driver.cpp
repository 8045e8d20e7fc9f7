// libcuda.so.1: the functions of CUDA's driver API that the runtime looks up
// (runtime/device/cuda/Driver.h), for the emulated GPU. Streams do at once what they are told,
// unless they are captured: then it is done whenever the graph is launched.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "runtime/device/cuda/Driver.h"
#include "test/emulator/Device.h"
#include "test/emulator/TensorMap.h"

using mirl::emulator::Device;
using mirl::emulator::Fault;
using namespace mirl::rt::cuda;
namespace emulator = mirl::emulator;

namespace mirl::rt::cuda {
// What the handles are.
struct ModuleTag {
  std::unique_ptr<emulator::Program> program;
  std::vector<std::unique_ptr<FunctionTag>> functions;
};
struct FunctionTag {
  const emulator::Program *program = nullptr;
  const emulator::Kernel *kernel = nullptr;
  int dynamic_shared = 48 << 10;
};
struct EventTag {
  std::chrono::steady_clock::time_point time;
};
struct GraphTag {
  std::vector<std::function<Result()>> work;
};
struct GraphExecTag {
  std::vector<std::function<Result()>> work;
};
} // namespace mirl::rt::cuda

namespace {

constexpr int kVersion = 13000;
const char *const kName = "PTX emulator (sm_90a)";

struct Description {
  int result;
  const char *name, *text;
};
constexpr Description kResults[] = {
    {emulator::kSuccess, "CUDA_SUCCESS", "no error"},
    {emulator::kInvalidValue, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {emulator::kOutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {emulator::kInvalidImage, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {emulator::kInvalidPtx, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {emulator::kNotFound, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {emulator::kIllegalAddress, "CUDA_ERROR_ILLEGAL_ADDRESS",
     "an illegal memory access was encountered"},
    {emulator::kLaunchTimeout, "CUDA_ERROR_LAUNCH_TIMEOUT",
     "the launch timed out and was terminated"},
    {emulator::kMisalignedAddress, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {emulator::kLaunchFailed, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
};

Result Refuse(Result result, const std::string &why) {
  std::fprintf(stderr, "emulator: %s\n", why.c_str());
  return result;
}

// Runs what may fail, unless a kernel has failed before.
template <typename Do> Result Guarded(Do act) {
  Device &device = Device::Get();
  if (device.fault)
    return device.fault;
  try {
    return act(device);
  } catch (const Fault &fault) {
    return Refuse(fault.result, fault.message);
  } catch (const std::bad_alloc &) {
    return Refuse(emulator::kOutOfMemory, "this machine has no memory left");
  }
}

// The graph of the stream that is captured; null: none is.
GraphTag *capture = nullptr;

// Does what a stream is told, now or whenever the graph is launched: `act` holds all that it needs
// by value.
template <typename Do> Result Queued(Do act) {
  if (!capture)
    return Guarded(act);
  capture->work.push_back([act] { return Guarded(act); });
  return emulator::kSuccess;
}

Result Checked(Device &device, const char *what, Address address, size_t bytes) {
  if (device.Holds(address, bytes))
    return emulator::kSuccess;
  return Refuse(emulator::kInvalidValue, std::string(what) + ": " + std::to_string(bytes) +
                                             " bytes at " + std::to_string(address) +
                                             " do not lie in one allocation");
}

uint8_t *Memory(Address address) { return reinterpret_cast<uint8_t *>(address); }

} // namespace

#define MIRL_EXPORT extern "C" __attribute__((visibility("default"))) Result

MIRL_EXPORT cuDriverGetVersion(int *version) {
  *version = kVersion;
  return emulator::kSuccess;
}
MIRL_EXPORT cuInit(unsigned flags) { return flags ? emulator::kInvalidValue : emulator::kSuccess; }
MIRL_EXPORT cuDeviceGetCount(int *count) {
  *count = 1;
  return emulator::kSuccess;
}
MIRL_EXPORT cuDeviceGet(DeviceNumber *device, int ordinal) {
  *device = 0;
  return ordinal == 0 ? emulator::kSuccess : emulator::kInvalidValue;
}
MIRL_EXPORT cuDeviceGetName(char *name, int length, DeviceNumber) {
  std::snprintf(name, static_cast<size_t>(std::max(length, 0)), "%s", kName);
  return emulator::kSuccess;
}
MIRL_EXPORT cuDeviceGetAttribute(int *value, int attribute, DeviceNumber) {
  switch (attribute) {
  case kMultiprocessors:
    *value = Device::Get().settings().multiprocessors;
    return emulator::kSuccess;
  case kComputeMajor:
    *value = 9;
    return emulator::kSuccess;
  case kComputeMinor:
    *value = 0;
    return emulator::kSuccess;
  default:
    return Refuse(emulator::kInvalidValue,
                  "the attribute " + std::to_string(attribute) + " of the device is not known");
  }
}
MIRL_EXPORT cuDevicePrimaryCtxRetain(Context *context, DeviceNumber) {
  *context = reinterpret_cast<Context>(&Device::Get());
  return emulator::kSuccess;
}
MIRL_EXPORT cuDevicePrimaryCtxRelease_v2(DeviceNumber) { return emulator::kSuccess; }
MIRL_EXPORT cuCtxSetCurrent(Context) { return emulator::kSuccess; }

MIRL_EXPORT cuMemGetInfo_v2(size_t *free, size_t *total) {
  return Guarded([&](Device &device) {
    *free = device.FreeBytes();
    *total = device.settings().memory;
    return emulator::kSuccess;
  });
}
MIRL_EXPORT cuMemAlloc_v2(Address *address, size_t bytes) {
  return Guarded([&](Device &device) {
    if (!bytes)
      return emulator::kInvalidValue;
    *address = device.Allocate(bytes);
    return *address ? emulator::kSuccess : emulator::kOutOfMemory;
  });
}
MIRL_EXPORT cuMemFree_v2(Address address) {
  return Device::Get().Free(address)
             ? emulator::kSuccess
             : Refuse(emulator::kInvalidValue, "cuMemFree: nothing is allocated there");
}
MIRL_EXPORT cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
  *memory = ::operator new(std::max<size_t>(bytes, 1), std::align_val_t(256), std::nothrow);
  return *memory ? emulator::kSuccess : emulator::kOutOfMemory;
}
MIRL_EXPORT cuMemFreeHost(void *memory) {
  ::operator delete(memory, std::align_val_t(256));
  return emulator::kSuccess;
}

MIRL_EXPORT cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t bytes, Stream) {
  return Queued([=](Device &device) {
    Result result = Checked(device, "cuMemcpyHtoD", to, bytes);
    if (!result)
      std::memcpy(Memory(to), from, bytes);
    return result;
  });
}
MIRL_EXPORT cuMemcpyDtoHAsync_v2(void *to, Address from, size_t bytes, Stream) {
  return Queued([=](Device &device) {
    Result result = Checked(device, "cuMemcpyDtoH", from, bytes);
    if (!result)
      std::memcpy(to, Memory(from), bytes);
    return result;
  });
}
MIRL_EXPORT cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, Stream) {
  return Queued([=](Device &device) {
    Result result = Checked(device, "cuMemcpyDtoD", to, bytes);
    if (!result)
      result = Checked(device, "cuMemcpyDtoD", from, bytes);
    if (!result && from < to + bytes && to < from + bytes && from != to)
      return Refuse(emulator::kInvalidValue, "cuMemcpyDtoD: the two places overlap");
    if (!result)
      std::memmove(Memory(to), Memory(from), bytes);
    return result;
  });
}
MIRL_EXPORT cuMemcpy2DAsync_v2(const Copy2D *given, Stream) {
  return Queued([copy = *given](Device &device) -> Result {
    if (copy.source_kind != kDeviceMemory || copy.target_kind != kDeviceMemory ||
        copy.width > copy.source_pitch || copy.width > copy.target_pitch)
      return Refuse(emulator::kInvalidValue,
                    "cuMemcpy2D: only copies on the device, of rows within the pitch");
    for (size_t row = 0; row < copy.height; ++row) {
      Address from = copy.source_device + (copy.source_y + row) * copy.source_pitch + copy.source_x;
      Address to = copy.target_device + (copy.target_y + row) * copy.target_pitch + copy.target_x;
      for (Address address : {from, to})
        if (Result result = Checked(device, "cuMemcpy2D", address, copy.width))
          return result;
      std::memmove(Memory(to), Memory(from), copy.width);
    }
    return emulator::kSuccess;
  });
}
MIRL_EXPORT cuMemsetD8Async(Address address, unsigned char value, size_t bytes, Stream) {
  return Queued([=](Device &device) {
    Result result = Checked(device, "cuMemsetD8", address, bytes);
    if (!result)
      std::memset(Memory(address), value, bytes);
    return result;
  });
}

MIRL_EXPORT cuModuleLoadData(Module *module, const void *image) {
  return Guarded([&](Device &) -> Result {
    const auto *bytes = static_cast<const unsigned char *>(image);
    if (std::memcmp(bytes, "\177ELF", 4) == 0 || std::memcmp(bytes, "\x50\xed\x55\xba", 4) == 0)
      return Refuse(
          emulator::kInvalidImage,
          "the module is machine code; the emulator runs PTX: compile the plan with --module ptx");
    auto loaded = std::make_unique<ModuleTag>();
    loaded->program = emulator::Load(static_cast<const char *>(image));
    *module = loaded.release();
    return emulator::kSuccess;
  });
}
MIRL_EXPORT cuModuleUnload(Module module) {
  delete module;
  return emulator::kSuccess;
}
MIRL_EXPORT cuModuleGetFunction(Function *function, Module module, const char *name) {
  return Guarded([&](Device &) -> Result {
    for (const auto &kernel : module->program->kernels)
      if (kernel->name == name) {
        auto made = std::make_unique<FunctionTag>();
        made->program = module->program.get();
        made->kernel = kernel.get();
        *function = made.get();
        module->functions.push_back(std::move(made));
        return emulator::kSuccess;
      }
    return emulator::kNotFound;
  });
}
MIRL_EXPORT cuFuncSetAttribute(Function function, int attribute, int value) {
  if (attribute != kMaxDynamicShared)
    return Refuse(emulator::kInvalidValue,
                  "the attribute " + std::to_string(attribute) + " of a function is not known");
  if (value < 0 ||
      static_cast<uint32_t>(value) + function->kernel->static_shared > emulator::kMostShared)
    return Refuse(emulator::kInvalidValue, "kernel " + function->kernel->name + ": a block has " +
                                               std::to_string(emulator::kMostShared) +
                                               " bytes of shared memory, " + std::to_string(value) +
                                               " are asked for");
  function->dynamic_shared = value;
  return emulator::kSuccess;
}

MIRL_EXPORT cuLaunchKernelEx(const LaunchConfig *config, Function function, void **arguments,
                             void **extra) {
  return Guarded([&](Device &) -> Result {
    const emulator::Kernel &kernel = *function->kernel;
    const LaunchConfig &c = *config;
    uint64_t threads = uint64_t{c.block_x} * c.block_y * c.block_z;
    if (extra || !(uint64_t{c.grid_x} * c.grid_y * c.grid_z) || c.grid_y > 65535 ||
        c.grid_z > 65535 || !threads || threads > kernel.most_threads || threads > 1024)
      return Refuse(emulator::kInvalidValue,
                    "kernel " + kernel.name + ": a launch of " + std::to_string(c.grid_x) + " x " +
                        std::to_string(c.grid_y) + " x " + std::to_string(c.grid_z) +
                        " blocks of " + std::to_string(threads) + " threads, at most " +
                        std::to_string(kernel.most_threads));
    if (c.shared > static_cast<unsigned>(function->dynamic_shared))
      return Refuse(emulator::kInvalidValue,
                    "kernel " + kernel.name + ": " + std::to_string(c.shared) +
                        " bytes of shared memory, " + std::to_string(function->dynamic_shared) +
                        " are allowed");
    bool overlaps = false;
    for (unsigned a = 0; a < c.attribute_count; ++a) {
      if (c.attributes[a].id != kOverlapEarlier)
        return Refuse(emulator::kInvalidValue, "kernel " + kernel.name + ": the attribute " +
                                                   std::to_string(c.attributes[a].id) +
                                                   " of a launch is not known");
      overlaps = c.attributes[a].number != 0;
    }
    // Tensor maps are aligned to 64 bytes.
    auto memory = std::make_shared<std::vector<uint8_t>>(kernel.parameter_bytes + 64);
    uint8_t *parameters = memory->data() + (-reinterpret_cast<uintptr_t>(memory->data()) & 63);
    for (size_t p = 0; p < kernel.parameters.size(); ++p)
      std::memcpy(parameters + kernel.parameters[p].offset, arguments[p],
                  kernel.parameters[p].bytes);
    emulator::Launch launch;
    launch.program = function->program;
    launch.kernel = &kernel;
    launch.grid = {c.grid_x, c.grid_y, c.grid_z};
    launch.block = {c.block_x, c.block_y, c.block_z};
    launch.dynamic_shared = c.shared;
    launch.overlaps = overlaps;
    launch.parameters = parameters;
    return Queued([launch, memory](Device &device) -> Result {
      try {
        device.Run(launch);
      } catch (const Fault &fault) {
        device.fault = fault.result;
        throw;
      }
      return emulator::kSuccess;
    });
  });
}

MIRL_EXPORT cuTensorMapEncodeTiled(EncodedMap *map, int type, unsigned rank, void *address,
                                   const uint64_t *dims, const uint64_t *strides,
                                   const uint32_t *box, const uint32_t *steps, int interleave,
                                   int swizzle, int, int fill) {
  return Guarded([&](Device &) -> Result {
    emulator::EncodeTensorMap(map->words, {type, rank, reinterpret_cast<uint64_t>(address), dims,
                                           strides, box, steps, interleave, swizzle, fill});
    return emulator::kSuccess;
  });
}

MIRL_EXPORT cuStreamCreate(Stream *stream, unsigned) {
  *stream = reinterpret_cast<Stream>(new char);
  return emulator::kSuccess;
}
MIRL_EXPORT cuStreamDestroy_v2(Stream stream) {
  delete reinterpret_cast<char *>(stream);
  return emulator::kSuccess;
}
MIRL_EXPORT cuStreamSynchronize(Stream) {
  if (capture)
    return Refuse(emulator::kInvalidValue, "cuStreamSynchronize: the stream is captured");
  return Device::Get().fault;
}

// For a library on this GPU (CublasLt.cpp).
MIRL_EXPORT cuLaunchHostFunc(Stream, void (*function)(void *), void *data) {
  return Queued([=](Device &) {
    function(data);
    return emulator::kSuccess;
  });
}
MIRL_EXPORT cuStreamBeginCapture_v2(Stream, int) {
  if (capture)
    return Refuse(emulator::kInvalidValue, "cuStreamBeginCapture: the stream is captured already");
  capture = new GraphTag;
  return Device::Get().fault;
}
MIRL_EXPORT cuStreamEndCapture(Stream, Graph *graph) {
  if (!capture)
    return Refuse(emulator::kInvalidValue, "cuStreamEndCapture: the stream is not captured");
  *graph = std::exchange(capture, nullptr);
  return Device::Get().fault;
}
MIRL_EXPORT cuGraphInstantiateWithFlags(GraphExec *ready, Graph graph, unsigned long long) {
  *ready = new GraphExecTag{graph->work};
  return emulator::kSuccess;
}
MIRL_EXPORT cuGraphDestroy(Graph graph) {
  delete graph;
  return emulator::kSuccess;
}
MIRL_EXPORT cuGraphExecDestroy(GraphExec ready) {
  delete ready;
  return emulator::kSuccess;
}
// What goes wrong in it shows when the stream is waited for.
MIRL_EXPORT cuGraphLaunch(GraphExec ready, Stream) {
  if (Result fault = Device::Get().fault)
    return fault;
  if (Device::Get().settings().log)
    std::fprintf(stderr, "emulator: a graph of %zu nodes\n", ready->work.size());
  for (const std::function<Result()> &work : ready->work)
    if (Result result = work()) {
      Device::Get().fault = static_cast<emulator::Result>(result);
      break;
    }
  return emulator::kSuccess;
}

MIRL_EXPORT cuEventCreate(Event *event, unsigned) {
  *event = new EventTag;
  return emulator::kSuccess;
}
MIRL_EXPORT cuEventDestroy_v2(Event event) {
  delete event;
  return emulator::kSuccess;
}
MIRL_EXPORT cuEventRecord(Event event, Stream) {
  event->time = std::chrono::steady_clock::now();
  return Device::Get().fault;
}
MIRL_EXPORT cuEventSynchronize(Event) { return Device::Get().fault; }
MIRL_EXPORT cuEventElapsedTime(float *milliseconds, Event from, Event to) {
  *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
  return Device::Get().fault;
}
MIRL_EXPORT cuGetErrorName(Result result, const char **name) {
  for (const Description &known : kResults)
    if (known.result == result) {
      *name = known.name;
      return emulator::kSuccess;
    }
  return emulator::kInvalidValue;
}
MIRL_EXPORT cuGetErrorString(Result result, const char **text) {
  for (const Description &known : kResults)
    if (known.result == result) {
      *text = known.text;
      return emulator::kSuccess;
    }
  return emulator::kInvalidValue;
}
