#include "test/runtime/core/FakeCuda.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <gtest/gtest.h>

namespace mirl::rt::test {

namespace {

using namespace cuda;

FakeCuda *fake = nullptr;

// Counts the call; true with the result when it is to fail.
bool Fails(const char *name, Result &result) {
  int call = fake->calls[name]++;
  auto fault = fake->faults.find(name);
  if (fault == fake->faults.end() || call < fault->second.after)
    return false;
  result = fault->second.result;
  return true;
}

#define FAKE(name)                                                                                                     \
  if (Result result; Fails(#name, result))                                                                             \
  return result

Result Queue(std::function<void()> work) { return fake->Enqueue(std::move(work)), 0; }
using Work = std::vector<std::function<void()>>;

double &TimeOf(Event event) { return *reinterpret_cast<double *>(event); }
template <typename T> T *Host(Address address) { return reinterpret_cast<T *>(address); }

} // namespace

FakeCuda::FakeCuda() {
  EXPECT_EQ(fake, nullptr);
  fake = this;
  Driver &d = driver_;
  d.DriverGetVersion = [](int *version) { return *version = fake->version, 0; };
  d.Init = [](unsigned) -> Result {
    FAKE(Init);
    return fake->gpus ? 0 : kNoDevice;
  };
  d.DeviceGetCount = [](int *count) -> Result {
    FAKE(DeviceGetCount);
    *count = fake->gpus;
    return 0;
  };
  d.DeviceGet = [](DeviceNumber *device, int index) -> Result {
    FAKE(DeviceGet);
    *device = index;
    return 0;
  };
  d.DeviceGetName = [](char *name, int size, DeviceNumber) { return std::snprintf(name, size, "Fake GPU"), 0; };
  d.DeviceGetAttribute = [](int *value, int attribute, DeviceNumber) {
    *value = attribute == kComputeMajor ? fake->major : attribute == kComputeMinor ? fake->minor : 132;
    return 0;
  };
  d.PrimaryContextRetain = [](Context *context, DeviceNumber) -> Result {
    FAKE(PrimaryContextRetain);
    ++fake->contexts;
    *context = reinterpret_cast<Context>(fake);
    return 0;
  };
  d.PrimaryContextRelease = [](DeviceNumber) { return --fake->contexts, 0; };
  d.ContextSetCurrent = [](Context) -> Result {
    FAKE(ContextSetCurrent);
    return 0;
  };
  d.MemoryInfo = [](size_t *free, size_t *total) -> Result {
    FAKE(MemoryInfo);
    *free = fake->free;
    *total = fake->total;
    return 0;
  };
  d.MemoryAllocate = [](Address *address, size_t bytes) -> Result {
    FAKE(MemoryAllocate);
    ++fake->memory;
    fake->free -= std::min(fake->free, bytes);
    fake->allocations.push_back(std::malloc(bytes));
    *address = reinterpret_cast<Address>(fake->allocations.back());
    return 0;
  };
  d.MemoryFree = [](Address address) { return std::free(Host<void>(address)), --fake->memory, 0; };
  d.HostAllocate = [](void **memory, size_t bytes, unsigned) -> Result {
    FAKE(HostAllocate);
    ++fake->host_memory;
    *memory = std::malloc(bytes);
    return 0;
  };
  d.HostFree = [](void *memory) { return std::free(memory), --fake->host_memory, 0; };
  d.CopyToDevice = [](Address to, const void *from, size_t bytes, Stream) -> Result {
    FAKE(CopyToDevice);
    return Queue([=] {
      fake->clock += 1;
      std::memcpy(Host<void>(to), from, bytes);
    });
  };
  d.CopyToHost = [](void *to, Address from, size_t bytes, Stream) -> Result {
    FAKE(CopyToHost);
    return Queue([=] {
      fake->clock += 1;
      std::memcpy(to, Host<void>(from), bytes);
    });
  };
  d.CopyOnDevice = [](Address to, Address from, size_t bytes, Stream) -> Result {
    FAKE(CopyOnDevice);
    return Queue([=] {
      fake->clock += 1;
      std::memcpy(Host<void>(to), Host<void>(from), bytes);
    });
  };
  d.CopyPieces = [](const Copy2D *copy, Stream) -> Result {
    FAKE(CopyPieces);
    return Queue([copy = *copy] {
      fake->clock += 1;
      for (size_t row = 0; row < copy.height; ++row)
        std::memcpy(Host<char>(copy.target_device) + row * copy.target_pitch,
                    Host<char>(copy.source_device) + row * copy.source_pitch, copy.width);
    });
  };
  d.Set = [](Address address, unsigned char value, size_t bytes, Stream) -> Result {
    FAKE(Set);
    return Queue([=] {
      fake->clock += 1;
      std::memset(Host<void>(address), value, bytes);
    });
  };
  d.ModuleLoad = [](Module *module, const void *) -> Result {
    FAKE(ModuleLoad);
    ++fake->modules;
    *module = reinterpret_cast<Module>(fake);
    return 0;
  };
  d.ModuleUnload = [](Module) { return --fake->modules, 0; };
  d.ModuleGetFunction = [](Function *function, Module, const char *) -> Result {
    FAKE(ModuleGetFunction);
    *function = reinterpret_cast<Function>(fake);
    return 0;
  };
  d.FunctionSetAttribute = [](Function, int, int) -> Result {
    FAKE(FunctionSetAttribute);
    return 0;
  };
  d.Launch = [](const LaunchConfig *config, Function, void **arguments, void **) -> Result {
    FAKE(Launch);
    bool overlaps = config->attribute_count == 1 && config->attributes->id == kOverlapEarlier && config->attributes->number == 1;
    EXPECT_EQ(config->attribute_count, overlaps ? 1u : 0u);
    if (overlaps && fake->overlap_fault)
      return fake->overlap_fault;
    FakeCuda::Launched launch = {config->grid_x, config->block_x, config->shared, overlaps, {}, static_cast<const int64_t *>(arguments[0])};
    for (size_t i = 0; i < launch.words.size(); ++i)
      std::memcpy(&launch.words[i], arguments[i], sizeof(int64_t));
    return Queue([=] {
      fake->clock += 2;
      fake->launches.push_back(launch);
      if (fake->kernel)
        fake->kernel();
    });
  };
  d.EncodeMap = [](EncodedMap *, int, unsigned, void *, const uint64_t *, const uint64_t *, const uint32_t *,
                   const uint32_t *, int, int, int, int) -> Result {
    FAKE(EncodeMap);
    return 0;
  };
  d.StreamCreate = [](Stream *stream, unsigned) -> Result {
    FAKE(StreamCreate);
    ++fake->streams;
    *stream = reinterpret_cast<Stream>(fake);
    return 0;
  };
  d.StreamDestroy = [](Stream) { return --fake->streams, 0; };
  d.StreamSynchronize = [](Stream) -> Result {
    FAKE(StreamSynchronize);
    EXPECT_FALSE(fake->capturing) << "nothing may be waited for in a capture";
    fake->CatchUp(fake->done + fake->queue.size());
    return 0;
  };
  d.BeginCapture = [](Stream, int) -> Result {
    FAKE(BeginCapture);
    EXPECT_FALSE(fake->capturing);
    fake->capturing = true;
    fake->captured.clear();
    return 0;
  };
  d.EndCapture = [](Stream, Graph *graph) -> Result {
    bool capturing = std::exchange(fake->capturing, false);
    FAKE(EndCapture);
    EXPECT_TRUE(capturing);
    ++fake->graphs;
    *graph = reinterpret_cast<Graph>(new Work(std::move(fake->captured)));
    return 0;
  };
  d.GraphInstantiate = [](GraphExec *ready, Graph graph, unsigned long long) -> Result {
    FAKE(GraphInstantiate);
    ++fake->graphs;
    *ready = reinterpret_cast<GraphExec>(new Work(*reinterpret_cast<Work *>(graph)));
    return 0;
  };
  d.GraphDestroy = [](Graph graph) { return delete reinterpret_cast<Work *>(graph), --fake->graphs, 0; };
  d.GraphLaunch = [](GraphExec ready, Stream) -> Result {
    FAKE(GraphLaunch);
    for (const std::function<void()> &work : *reinterpret_cast<Work *>(ready))
      fake->Enqueue(work);
    return 0;
  };
  d.GraphExecDestroy = [](GraphExec ready) { return delete reinterpret_cast<Work *>(ready), --fake->graphs, 0; };
  d.EventCreate = [](Event *event, unsigned) -> Result {
    FAKE(EventCreate);
    ++fake->events;
    *event = reinterpret_cast<Event>(new double(-1));
    return 0;
  };
  d.EventDestroy = [](Event event) { return delete &TimeOf(event), --fake->events, 0; };
  d.EventRecord = [](Event event, Stream) -> Result {
    FAKE(EventRecord);
    EXPECT_FALSE(fake->capturing);
    Queue([=] { TimeOf(event) = fake->clock; });
    fake->noted[event] = fake->done + fake->queue.size();
    return 0;
  };
  d.EventSynchronize = [](Event event) -> Result {
    FAKE(EventSynchronize);
    EXPECT_FALSE(fake->capturing) << "nothing may be waited for in a capture";
    fake->CatchUp(fake->noted[event]);
    return 0;
  };
  d.EventElapsed = [](float *milliseconds, Event from, Event to) -> Result {
    FAKE(EventElapsed);
    *milliseconds = static_cast<float>(TimeOf(to) - TimeOf(from));
    return 0;
  };
  d.ErrorName = [](Result result, const char **name) {
    *name = result == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : result == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR_FAKE";
    return 0;
  };
  d.ErrorText = [](Result, const char **text) { return *text = "the device's message", 0; };
}

void FakeCuda::Enqueue(std::function<void()> work) {
  if (capturing)
    captured.push_back(std::move(work));
  else if (late)
    queue.push_back(std::move(work));
  else
    work();
}

void FakeCuda::CatchUp(size_t until) {
  for (; done < until; ++done) {
    queue.front()();
    queue.pop_front();
  }
}

FakeCuda::~FakeCuda() {
  fake = nullptr;
  // Nothing may be left, whatever failed.
  EXPECT_EQ(memory, 0);
  EXPECT_EQ(host_memory, 0);
  EXPECT_EQ(events, 0);
  EXPECT_EQ(modules, 0);
  EXPECT_EQ(streams, 0);
  EXPECT_EQ(contexts, 0);
  EXPECT_EQ(graphs, 0);
}

} // namespace mirl::rt::test
