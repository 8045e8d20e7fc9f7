#include "test/emulator/TensorMap.h"

#include <cstring>
#include <string>

#include "test/emulator/Fault.h"

namespace mirl::emulator {

static_assert(sizeof(TensorMap) <= 128);

void EncodeTensorMap(uint64_t *words, const TensorMapArguments &a) {
  auto need = [](bool holds, const std::string &what) {
    if (!holds)
      throw Fault{kInvalidValue, "cuTensorMapEncodeTiled: " + what};
  };
  // CU_TENSOR_MAP_DATA_TYPE_…: U8, U16, U32, S32, U64, S64, F16, F32, F64, BF16.
  constexpr uint8_t kBytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2};
  constexpr int kF32 = 7;
  need(a.type >= 0 && a.type < static_cast<int>(sizeof kBytes),
       "the type " + std::to_string(a.type) + " is not served");
  need(a.rank >= 1 && a.rank <= 5, "a tensor has 1 to 5 dimensions, not " + std::to_string(a.rank));
  need(a.interleave == 0, "interleaved tensors are not served");
  need(a.swizzle >= 0 && a.swizzle <= 3,
       "the swizzle " + std::to_string(a.swizzle) + " is not served");
  need(a.fill == 0, "what lies outside is zeros");
  need(a.address && a.address % 16 == 0, "the address must be a multiple of 16 bytes");
  TensorMap map;
  map.mark = kTensorMapMark;
  map.rank = static_cast<uint8_t>(a.rank);
  map.element = kBytes[a.type];
  map.f32 = a.type == kF32;
  map.swizzle = static_cast<uint8_t>(a.swizzle);
  map.address = a.address;
  for (unsigned d = 0; d < a.rank; ++d) {
    std::string which = "dimension " + std::to_string(d) + ": ";
    need(a.dims[d] >= 1 && a.dims[d] <= uint64_t{1} << 32,
         which + "an extent from 1 to 2^32, not " + std::to_string(a.dims[d]));
    need(a.box[d] >= 1 && a.box[d] <= 256,
         which + "a box of 1 to 256 elements, not " + std::to_string(a.box[d]));
    need(a.steps[d] == 1, which + "steps of elements are not served");
    map.dims[d] = a.dims[d];
    map.box[d] = static_cast<uint16_t>(a.box[d]);
    if (d) {
      uint64_t stride = a.strides[d - 1];
      need(stride % 16 == 0 && stride < uint64_t{1} << 40,
           which + "a stride must be a multiple of 16 bytes below 2^40, is " +
               std::to_string(stride));
      map.strides[d - 1] = stride;
    }
  }
  uint32_t inner = a.box[0] * map.element;
  need(inner % 16 == 0,
       "the box's rows must be a multiple of 16 bytes, are " + std::to_string(inner));
  need(!a.swizzle || inner <= 16u << a.swizzle,
       "the box's rows must fit the swizzle, are " + std::to_string(inner) + " bytes");
  std::memset(words, 0, 128);
  std::memcpy(words, &map, sizeof map);
}

} // namespace mirl::emulator
