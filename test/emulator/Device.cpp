#include "test/emulator/Device.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <optional>
#include <system_error>
#include <thread>

namespace mirl::emulator {

namespace {

// Memory in front of and behind every allocation that is nobody's.
constexpr uint64_t kMargin = 256;

int64_t Setting(const char *name, int64_t otherwise, int64_t least, int64_t most) {
  const char *text = std::getenv(name);
  if (!text || !*text)
    return otherwise;
  char *end = nullptr;
  long long value = std::strtoll(text, &end, 10);
  if (*end || value < least || value > most) {
    std::fprintf(stderr,
                 "emulator: %s must be a number from %lld to %lld, is '%s': %lld is taken\n", name,
                 static_cast<long long>(least), static_cast<long long>(most), text,
                 static_cast<long long>(otherwise));
    return otherwise;
  }
  return value;
}

} // namespace

Device &Device::Get() {
  static Device *device = new Device; // threads may outlive main
  return *device;
}

Device::Device() {
  int processors = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  settings_.multiprocessors = static_cast<int>(
      Setting("MIRL_EMULATOR_MULTIPROCESSORS", settings_.multiprocessors, 1, 1024));
  settings_.threads = static_cast<int>(Setting("MIRL_EMULATOR_THREADS", processors, 1, 1024));
  int64_t mebibytes = static_cast<int64_t>(settings_.memory >> 20);
  settings_.memory =
      static_cast<uint64_t>(Setting("MIRL_EMULATOR_MEMORY_MIB", mebibytes, 1, 1 << 20)) << 20;
  settings_.steps = static_cast<uint64_t>(
      Setting("MIRL_EMULATOR_STEPS", static_cast<int64_t>(settings_.steps), 1, INT64_MAX));
  settings_.log = Setting("MIRL_EMULATOR_LOG", settings_.log, 0, 1) != 0;
}

uint64_t Device::Allocate(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  if (bytes > settings_.memory - used_)
    return 0;
  std::unique_ptr<uint8_t[]> memory(new (std::nothrow) uint8_t[bytes + 2 * kMargin + 256]);
  if (!memory)
    return 0;
  uint64_t address = (reinterpret_cast<uint64_t>(memory.get()) + kMargin + 255) & ~uint64_t{255};
  // Pages that nobody touches cost nothing.
  decltype(Allocation::chains) chains(
      static_cast<uint32_t *>(std::calloc(bytes / kWrittenBytes + 1, sizeof(uint32_t))),
      &std::free);
  if (!chains)
    return 0;
  used_ += bytes;
  Allocation &made = allocations_[address];
  made.bytes = bytes;
  made.memory = std::move(memory);
  made.chains = std::move(chains);
  return address;
}

bool Device::Free(uint64_t address) {
  std::lock_guard lock(mutex_);
  auto it = allocations_.find(address);
  if (it == allocations_.end())
    return false;
  used_ -= it->second.bytes;
  allocations_.erase(it);
  return true;
}

bool Device::Holds(uint64_t address, uint64_t bytes) const {
  std::lock_guard lock(mutex_);
  auto it = allocations_.upper_bound(address);
  if (it == allocations_.begin())
    return false;
  --it;
  return address - it->first <= it->second.bytes &&
         bytes <= it->second.bytes - (address - it->first);
}

uint64_t Device::FreeBytes() const {
  std::lock_guard lock(mutex_);
  return settings_.memory - used_;
}

void Device::Run(Launch launch) {
  {
    std::lock_guard lock(mutex_);
    for (const auto &[address, allocation] : allocations_)
      launch.memory.push_back({address, address + allocation.bytes, allocation.chains.get()});
    chain_ += !launch.overlaps;
    launch.chain = chain_;
  }
  for (const Program::Range &range : launch.program->variable_ranges)
    launch.memory.push_back({range.begin, range.end});
  uint64_t parameters = reinterpret_cast<uint64_t>(launch.parameters);
  launch.memory.push_back({parameters, parameters + launch.kernel->parameter_bytes});
  std::sort(launch.memory.begin(), launch.memory.end(),
            [](const Range &a, const Range &b) { return a.begin < b.begin; });
  launch.steps = settings_.steps;

  auto started = std::chrono::steady_clock::now();
  uint64_t blocks = uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  std::atomic<uint64_t> next{0}, steps{0};
  std::mutex mutex;
  std::optional<Fault> fault;
  uint64_t fault_block = 0;
  auto fail = [&](uint64_t number, Fault found) {
    std::lock_guard lock(mutex);
    // Of faults of several blocks the first block's.
    if (!fault || number < fault_block) {
      fault = std::move(found);
      fault_block = number;
    }
    next = blocks;
  };
  auto work = [&] {
    uint64_t number = 0;
    try {
      Block block(launch);
      while ((number = next++) < blocks) {
        block.Run(number);
        steps += block.steps;
      }
    } catch (const Fault &found) {
      fail(number, found);
    } catch (const std::bad_alloc &) {
      fail(number, {kOutOfMemory, "kernel " + launch.kernel->name +
                                      ": this machine has no memory left for its blocks"});
    } catch (const std::exception &error) {
      fail(number, {kLaunchFailed, "kernel " + launch.kernel->name + ": " + error.what()});
    }
  };
  uint64_t workers = std::min<uint64_t>(settings_.threads, blocks);
  std::vector<std::jthread> threads;
  try {
    threads.reserve(workers);
    for (uint64_t i = 1; i < workers; ++i)
      threads.emplace_back(work);
  } catch (const std::system_error &) {
    // The machine starts no more threads: those that there are do the work.
  }
  work();
  threads.clear(); // waits for them
  if (settings_.log) {
    double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    std::fprintf(stderr,
                 "emulator: %s, %llu blocks of %u threads: %llu instructions of warps in %.3f s\n",
                 launch.kernel->name.c_str(), static_cast<unsigned long long>(blocks),
                 launch.block.x * launch.block.y * launch.block.z,
                 static_cast<unsigned long long>(steps.load()), seconds);
  }
  if (fault)
    throw *fault;
}

} // namespace mirl::emulator
