// Small kernels for the emulator's own tests.

#ifndef MIRL_EMULATOR_TESTING_H
#define MIRL_EMULATOR_TESTING_H

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "test/emulator/Device.h"

namespace mirl::emulator::testing {

// Runs a kernel with the parameter `out`, the address of `words` zeroed words of global memory, and
// 4 KiB of dynamic shared memory called smem. Registers: %p0…9, %rs0…9, %r0…99, %f0…99, %rd0…19;
// %rd0 = out, %r0 = tid.x. Returns the fault's message, or "". The launches of `times` kernels follow
// each other; all but the first overlap the one before.
struct Outcome {
  std::string fault;
  Result result = kSuccess;
  std::vector<uint32_t> out;
};

inline Outcome RunKernel(const std::string &body, uint32_t threads = 32, uint32_t words = 256,
                         uint32_t blocks = 1, int times = 1) {
  std::string text =
      ".version 8.6\n.target sm_90a\n.address_size 64\n.extern .shared .align 1024 .b8 smem[];\n"
      ".visible .entry kernel(\n.param .u64 out\n)\n.maxntid 1024, 1, 1\n{\n.reg .pred "
      "%p<10>;\n.reg .b16 %rs<10>;\n"
      ".reg .b32 %r<100>;\n.reg .b32 %f<100>;\n.reg .b64 %rd<20>;\n"
      "ld.param.b64 %rd0, [out];\nmov.u32 %r0, %tid.x;\n" +
      body + "\nret;\n}\n";
  Outcome outcome;
  uint64_t address = Device::Get().Allocate(words * 4);
  std::memset(reinterpret_cast<void *>(address), 0, words * 4);
  try {
    auto program = Load(text);
    Launch launch;
    launch.program = program.get();
    launch.kernel = program->kernels.front().get();
    launch.grid.x = blocks;
    launch.block.x = threads;
    launch.dynamic_shared = 4096;
    alignas(64) uint8_t parameters[64];
    std::memcpy(parameters, &address, 8);
    launch.parameters = parameters;
    for (int time = 0; time < times; ++time) {
      launch.overlaps = time > 0;
      Device::Get().Run(launch);
    }
  } catch (const Fault &fault) {
    outcome.fault = fault.message;
    outcome.result = fault.result;
  }
  outcome.out.resize(words);
  std::memcpy(outcome.out.data(), reinterpret_cast<void *>(address), words * 4);
  Device::Get().Free(address);
  return outcome;
}

// Stores %r1 of every thread at out[thread].
inline const std::string kStore =
    "\nmul.wide.u32 %rd1, %r0, 4;\nadd.s64 %rd1, %rd0, %rd1;\nst.global.b32 [%rd1], %r1;\n";

} // namespace mirl::emulator::testing

#endif // MIRL_EMULATOR_TESTING_H
