// The state of one part of a run, as a checkpoint carries it: numbers and names as JSON, arrays as
// tensors. A checkpoint stores it without knowing what is in it.

#ifndef MIRL_RUNTIME_WEIGHTS_STATEDICT_H
#define MIRL_RUNTIME_WEIGHTS_STATEDICT_H

#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "runtime/artifact/Macros.h"
#include "runtime/weights/Safetensors.h"

namespace mirl::rt {

// Dense, row-major; `bytes` holds as many elements as `shape` says.
struct StateTensor {
  TensorDType dtype = TensorDType::U8;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;

  bool operator==(const StateTensor &) const = default;
};

// Each owner of state has a key of its own in `json` and prefixes its tensors' names with it:
// "rollout" and "rollout/tokens".
struct StateDict {
  nlohmann::json json = nlohmann::json::object();
  std::map<std::string, StateTensor> tensors;

  // A vector of float, int32_t, int64_t or uint8_t, kept by its bits.
  template <typename T> void Set(const std::string &name, const std::vector<T> &values) {
    StateTensor &tensor = tensors[name];
    tensor.dtype = kDType<T>;
    tensor.shape = {static_cast<int64_t>(values.size())};
    tensor.bytes.resize(values.size() * sizeof(T));
    if (!values.empty())
      std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  }
  // An error when there is none of this name, or it is no vector of this type.
  template <typename T> absl::StatusOr<std::vector<T>> Get(const std::string &name) const {
    auto found = tensors.find(name);
    if (found == tensors.end())
      return Invalid("the saved state has no tensor ", name);
    const StateTensor &tensor = found->second;
    if (tensor.dtype != kDType<T> || tensor.shape.size() != 1 ||
        tensor.bytes.size() != static_cast<size_t>(tensor.shape[0]) * sizeof(T))
      return Invalid("the saved state's tensor ", name, " must be a vector of ",
                     DTypeName(kDType<T>), ", is ", DTypeName(tensor.dtype),
                     ShapeString(tensor.shape));
    std::vector<T> values(static_cast<size_t>(tensor.shape[0]));
    if (!values.empty())
      std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    return values;
  }

  bool operator==(const StateDict &) const = default;

private:
  template <typename T>
  static constexpr TensorDType kDType = std::is_same_v<T, float>     ? TensorDType::F32
                                        : std::is_same_v<T, int32_t> ? TensorDType::I32
                                        : std::is_same_v<T, int64_t> ? TensorDType::I64
                                                                     : TensorDType::U8;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_WEIGHTS_STATEDICT_H
