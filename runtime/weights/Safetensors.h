// The safetensors format (8 bytes little-endian header length, a JSON header, raw tensors), read by
// mapping and written atomically. https://github.com/huggingface/safetensors#format
//
// Reading trusts nothing: the header's length, its JSON, types, shapes, ranges, overlaps and the
// file's size are checked before a tensor is handed out.

#ifndef MIRL_RUNTIME_WEIGHTS_SAFETENSORS_H
#define MIRL_RUNTIME_WEIGHTS_SAFETENSORS_H

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mirl::rt {

enum class TensorDType { F32, BF16, F16, I32, I64, U8 };

std::string_view DTypeName(TensorDType dtype); // "F32", …, as in the file
int64_t DTypeBytes(TensorDType dtype);

// A tensor in memory that somebody else owns. Dense, row-major.
struct TensorView {
  std::string name;
  TensorDType dtype = TensorDType::F32;
  std::vector<int64_t> shape; // empty: a scalar
  const uint8_t *data = nullptr;

  int64_t elements() const;
  int64_t bytes() const { return elements() * DTypeBytes(dtype); }
};

std::string ShapeString(std::span<const int64_t> shape); // "[3, 4]"

class SafetensorsFile {
public:
  // Maps one file. The views it hands out live as long as it does.
  static absl::StatusOr<std::unique_ptr<SafetensorsFile>> Open(const std::string &path);
  ~SafetensorsFile();

  const std::string &path() const { return path_; }
  const std::vector<TensorView> &tensors() const { return tensors_; } // in order of their names
  const TensorView *Find(std::string_view name) const;                // nullptr: none
  const std::map<std::string, std::string> &metadata() const { return metadata_; }

private:
  SafetensorsFile() = default;
  std::string path_;
  const uint8_t *map_ = nullptr;
  size_t map_bytes_ = 0;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

// A Hugging Face model directory: model.safetensors, or model.safetensors.index.json and its shards.
class ModelFiles {
public:
  static absl::StatusOr<std::unique_ptr<ModelFiles>> Open(const std::string &directory);
  const std::string &directory() const { return directory_; }
  // The tensor and the file it is in; {nullptr, nullptr} when there is none.
  std::pair<const TensorView *, const SafetensorsFile *> Find(std::string_view name) const;
  // Every file, in the index's order.
  const std::vector<std::unique_ptr<SafetensorsFile>> &files() const { return files_; }

private:
  std::string directory_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
};

// Writes to a temporary file beside `path`, then renames: an error (a full disk) leaves what was at
// `path` as it was. A tensor without data is asked for when its turn comes: `data(i)` gives its
// bytes, which must last until the next call.
using TensorData = std::function<absl::StatusOr<const uint8_t *>(size_t)>;
absl::Status WriteSafetensors(const std::string &path, const std::vector<TensorView> &tensors,
                              const std::map<std::string, std::string> &metadata = {},
                              const TensorData &data = {});

// Converts a tensor's elements to f32 (F32, BF16, F16) or to i32 (I32, I64, U8; an error names the
// first element out of range). `out` has room for tensor.elements().
absl::Status ConvertToF32(const TensorView &tensor, float *out);
// The elements from `begin` to `end` alone; `out` has room for these.
absl::Status ConvertToF32(const TensorView &tensor, int64_t begin, int64_t end, float *out);
// f32 to bf16, rounded to nearest even; a NaN stays one. `out` has room for as many.
void RoundToBf16(std::span<const float> values, uint16_t *out);
absl::Status ConvertToI32(const TensorView &tensor, int32_t *out);
absl::Status ConvertToI64(const TensorView &tensor, int64_t *out);

} // namespace mirl::rt

#endif // MIRL_RUNTIME_WEIGHTS_SAFETENSORS_H
