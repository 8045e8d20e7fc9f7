// The counter-based generator Philox 4x32-10.
// J. Salmon, M. Moraes, R. Dror, D. Shaw: Parallel random numbers: as easy as 1, 2, 3. SC'11.

#ifndef MIRL_RUNTIME_DEVICE_PHILOX_H
#define MIRL_RUNTIME_DEVICE_PHILOX_H

#include <array>
#include <cstdint>

namespace mirl::rt {

using PhiloxBlock = std::array<uint32_t, 4>;

constexpr PhiloxBlock Philox4x32(PhiloxBlock counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    uint64_t p0 = uint64_t{0xD2511F53} * counter[0];
    uint64_t p1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(p0)};
    key = {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};
  }
  return counter;
}

constexpr PhiloxBlock Philox4x32(PhiloxBlock counter, uint64_t seed) {
  return Philox4x32(counter, std::array{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
}

// The uniform number in [0, 1) of docs/plan.md ("Random numbers").
constexpr float PhiloxUniform(uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

} // namespace mirl::rt

#endif // MIRL_RUNTIME_DEVICE_PHILOX_H
