#include "runtime/weights/Buffers.h"

#include <utility>

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

TensorDType DTypeOf(fb::DType dtype) {
  switch (dtype) {
  case fb::DType::f32:
    return TensorDType::F32;
  case fb::DType::bf16:
    return TensorDType::BF16;
  case fb::DType::i32:
    return TensorDType::I32;
  case fb::DType::i64:
    return TensorDType::I64;
  case fb::DType::u8:
    return TensorDType::U8;
  }
  return TensorDType::U8;
}

TensorView Describe(const fb::Buffer &buffer) {
  TensorView tensor;
  tensor.name = View(buffer.name());
  tensor.dtype = DTypeOf(buffer.type()->dtype());
  for (uint32_t d = 0; d < Length(buffer.type()->dims()); ++d)
    tensor.shape.push_back(buffer.type()->dims()->Get(d)->size());
  return tensor;
}

absl::Status ReadBytes(Session &session, const fb::Buffer &buffer, std::vector<uint8_t> &bytes) {
  bytes.resize(static_cast<size_t>(session.BufferBytes(buffer)));
  return session.ReadBuffer(buffer, bytes.data());
}

absl::Status WriteBuffers(Session &session, const std::string &path,
                          const std::vector<NamedBuffer> &buffers,
                          const std::map<std::string, std::string> &metadata) {
  std::vector<TensorView> tensors;
  for (const NamedBuffer &named : buffers) {
    tensors.push_back(Describe(*named.buffer));
    tensors.back().name = named.name;
  }
  std::vector<uint8_t> bytes;
  return WriteSafetensors(path, tensors, metadata,
                          [&](size_t i) -> absl::StatusOr<const uint8_t *> {
                            MIRL_TRY(ReadBytes(session, *buffers[i].buffer, bytes));
                            return bytes.data();
                          });
}

} // namespace mirl::rt
