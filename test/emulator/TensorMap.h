// Tensor maps: how a tensor lies in global memory, and the box of it that the accelerator copies.

#ifndef MIRL_EMULATOR_TENSORMAP_H
#define MIRL_EMULATOR_TENSORMAP_H

#include <cstdint>

namespace mirl::emulator {

// The arguments of cuTensorMapEncodeTiled.
struct TensorMapArguments {
  int type = 0;
  unsigned rank = 0;
  uint64_t address = 0;
  const uint64_t *dims = nullptr;    // elements, the inner one first
  const uint64_t *strides = nullptr; // bytes, from the second dimension on
  const uint32_t *box = nullptr, *steps = nullptr;
  int interleave = 0, swizzle = 0, fill = 0;
};

inline constexpr uint32_t kTensorMapMark = 0x544d4150;

// What the 128 bytes hold here.
struct TensorMap {
  uint32_t mark = 0;
  uint8_t rank = 0, element = 0, swizzle = 0;
  bool f32 = false;
  uint64_t address = 0;
  uint64_t dims[5] = {};
  uint64_t strides[4] = {};
  uint16_t box[5] = {};
};

// Throws Fault{kInvalidValue} that says which of CUDA's rules is broken.
void EncodeTensorMap(uint64_t *words, const TensorMapArguments &arguments);

// The place of shared memory that an address has under a swizzle (0: none, 1: 32, 2: 64, 3: 128
// bytes).
inline uint32_t Swizzled(uint32_t address, uint32_t mode) {
  return mode == 0 ? address : address ^ ((address >> 7 & ((1u << mode) - 1)) << 4);
}

} // namespace mirl::emulator

#endif // MIRL_EMULATOR_TENSORMAP_H
