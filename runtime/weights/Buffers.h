// Persistent buffers of a session as tensors of a safetensors file, whatever device they lie on.

#ifndef MIRL_RUNTIME_WEIGHTS_BUFFERS_H
#define MIRL_RUNTIME_WEIGHTS_BUFFERS_H

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/executor/Session.h"
#include "runtime/weights/Safetensors.h"

namespace mirl::rt {

TensorDType DTypeOf(fb::DType dtype);

// The buffer's name, type and shape; `data` is nullptr.
TensorView Describe(const fb::Buffer &buffer);

struct NamedBuffer {
  std::string name; // in the file
  const fb::Buffer *buffer;
};

// Writes the buffers to a file, one after the other: host memory must have room for a copy of the
// largest one, not of all.
absl::Status WriteBuffers(Session &session, const std::string &path,
                          const std::vector<NamedBuffer> &buffers,
                          const std::map<std::string, std::string> &metadata = {});

// The buffer's bytes, in `bytes`.
absl::Status ReadBytes(Session &session, const fb::Buffer &buffer, std::vector<uint8_t> &bytes);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_WEIGHTS_BUFFERS_H
