// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11), as docs/plan.md
// keys it. The reference semantics of nn.sample; the kernels compute the same integers.

#ifndef MIRL_DIALECTS_NN_REFERENCE_PHILOX_H
#define MIRL_DIALECTS_NN_REFERENCE_PHILOX_H

#include <cstdint>

namespace mirl::nn::reference {

// The draw of `step` of sequence `id`, in [0, 1).
inline double uniform(uint64_t seed, uint64_t id, uint32_t step) {
  uint32_t x[4] = {step, 0, static_cast<uint32_t>(id), static_cast<uint32_t>(id >> 32)};
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    uint64_t p0 = uint64_t(0xD2511F53) * x[0], p1 = uint64_t(0xCD9E8D57) * x[2];
    uint32_t y[4] = {static_cast<uint32_t>(p1 >> 32) ^ x[1] ^ k0, static_cast<uint32_t>(p1),
                     static_cast<uint32_t>(p0 >> 32) ^ x[3] ^ k1, static_cast<uint32_t>(p0)};
    for (int i = 0; i < 4; ++i)
      x[i] = y[i];
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return (x[0] >> 8) * 0x1p-24;
}

} // namespace mirl::nn::reference

#endif // MIRL_DIALECTS_NN_REFERENCE_PHILOX_H
