#include "runtime/weights/Safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "runtime/weights/AtomicFile.h"
#include "runtime/weights/Json.h"

namespace mirl::rt {

namespace {

using Json = nlohmann::json;

// The format's own bound on the header, which keeps a hostile length from being believed.
constexpr uint64_t kMaxHeader = 100'000'000;

struct DTypeInfo {
  TensorDType dtype;
  const char *name;
  int64_t bytes;
};
constexpr DTypeInfo kDTypes[] = {{TensorDType::F32, "F32", 4}, {TensorDType::BF16, "BF16", 2},
                                 {TensorDType::F16, "F16", 2}, {TensorDType::I32, "I32", 4},
                                 {TensorDType::I64, "I64", 8}, {TensorDType::U8, "U8", 1}};

const DTypeInfo &Info(TensorDType dtype) { return kDTypes[static_cast<size_t>(dtype)]; }

// The number of elements, or nothing when it does not fit.
std::optional<int64_t> Elements(std::span<const int64_t> shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    if (size < 0 || __builtin_mul_overflow(count, size, &count))
      return std::nullopt;
  return count;
}

absl::Status Wrong(const std::string &path, const std::string &what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": not a valid safetensors file: ", what));
}

std::optional<uint64_t> Unsigned(const Json &value) {
  if (!value.is_number_unsigned())
    return std::nullopt;
  return value.get<uint64_t>();
}

// One entry of the header; its data must lie within `data_bytes`.
absl::StatusOr<TensorView> ReadEntry(const std::string &path, const std::string &name, const Json &entry,
                                     const uint8_t *data, uint64_t data_bytes) {
  auto wrong = [&](const std::string &what) { return Wrong(path, absl::StrCat("tensor '", name, "' ", what)); };
  if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") || !entry.contains("data_offsets"))
    return wrong("needs dtype, shape and data_offsets");
  TensorView tensor;
  tensor.name = name;
  const Json &dtype = entry["dtype"], &shape = entry["shape"], &offsets = entry["data_offsets"];
  if (!dtype.is_string())
    return wrong("has a dtype that is not a string");
  const auto *info = std::find_if(std::begin(kDTypes), std::end(kDTypes),
                                  [&](const DTypeInfo &one) { return dtype.get_ref<const std::string &>() == one.name; });
  if (info == std::end(kDTypes))
    return wrong(absl::StrCat("is of dtype ", dtype.get_ref<const std::string &>(),
                              "; F32, BF16, F16, I32, I64 and U8 are read"));
  tensor.dtype = info->dtype;
  if (!shape.is_array())
    return wrong("has a shape that is not a list");
  for (const Json &size : shape) {
    std::optional<uint64_t> number = Unsigned(size);
    if (!number || *number > static_cast<uint64_t>(INT64_MAX))
      return wrong("has a shape of something else than whole numbers");
    tensor.shape.push_back(static_cast<int64_t>(*number));
  }
  std::optional<uint64_t> begin, end;
  if (offsets.is_array() && offsets.size() == 2) {
    begin = Unsigned(offsets[0]);
    end = Unsigned(offsets[1]);
  }
  if (!begin || !end || *begin > *end || *end > data_bytes)
    return wrong(absl::StrCat("has data_offsets outside of the ", data_bytes, " bytes of data"));
  std::optional<int64_t> count = Elements(tensor.shape);
  int64_t bytes = 0;
  if (!count || __builtin_mul_overflow(*count, info->bytes, &bytes) || static_cast<uint64_t>(bytes) != *end - *begin)
    return wrong(absl::StrCat("has shape ", ShapeString(tensor.shape), " of ", info->name, ", but ", *end - *begin,
                              " bytes of data"));
  tensor.data = data + *begin;
  return tensor;
}

float HalfToFloat(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half >> 15) << 31, exponent = half >> 10 & 31, mantissa = half & 1023u;
  if (exponent == 31) // infinities and NaN
    return std::bit_cast<float>(sign | 0x7F800000u | mantissa << 13);
  if (exponent == 0) { // zero and subnormals: mantissa · 2^−24, exact in f32
    float value = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -value : value;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

template <typename T> T ReadElement(const uint8_t *data, int64_t i) {
  T value;
  std::memcpy(&value, data + static_cast<size_t>(i) * sizeof(T), sizeof(T));
  return value;
}

// `out[i]` = the i-th element of an integer tensor, each within T.
template <typename T> absl::Status ConvertToInteger(const TensorView &tensor, T *out, const char *wanted) {
  int64_t count = tensor.elements();
  for (int64_t i = 0; i < count; ++i) {
    int64_t value;
    switch (tensor.dtype) {
    case TensorDType::I32:
      value = ReadElement<int32_t>(tensor.data, i);
      break;
    case TensorDType::I64:
      value = ReadElement<int64_t>(tensor.data, i);
      break;
    case TensorDType::U8:
      value = tensor.data[i];
      break;
    default:
      return absl::InvalidArgumentError(absl::StrCat("tensor '", tensor.name, "' must be of whole numbers (", wanted,
                                                     "), is ", Info(tensor.dtype).name));
    }
    if (value != static_cast<int64_t>(static_cast<T>(value)))
      return absl::InvalidArgumentError(
          absl::StrCat("tensor '", tensor.name, "': element ", i, " is ", value, ", outside of ", wanted));
    out[i] = static_cast<T>(value);
  }
  return absl::OkStatus();
}

} // namespace

std::string_view DTypeName(TensorDType dtype) { return Info(dtype).name; }
int64_t DTypeBytes(TensorDType dtype) { return Info(dtype).bytes; }

int64_t TensorView::elements() const { return Elements(shape).value_or(0); }

std::string ShapeString(std::span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    absl::StrAppend(&text, i ? ", " : "", shape[i]);
  return text + "]";
}

SafetensorsFile::~SafetensorsFile() {
  if (map_)
    munmap(const_cast<uint8_t *>(map_), map_bytes_);
}

absl::StatusOr<std::unique_ptr<SafetensorsFile>> SafetensorsFile::Open(const std::string &path) {
  std::unique_ptr<SafetensorsFile> file(new SafetensorsFile);
  file->path_ = path;
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    std::string text = absl::StrCat("cannot read ", path, ": ", strerror(errno));
    return errno == ENOENT ? absl::NotFoundError(text) : absl::InternalError(text);
  }
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return absl::InvalidArgumentError(absl::StrCat("cannot read ", path, ": it is not a file"));
  }
  auto size = static_cast<uint64_t>(info.st_size);
  if (size < 8) {
    close(fd);
    return Wrong(path, absl::StrCat("it has ", size, " bytes, the header's length alone takes 8"));
  }
  void *map = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  int error = errno;
  close(fd);
  if (map == MAP_FAILED)
    return absl::InternalError(absl::StrCat("cannot map ", path, ": ", strerror(error)));
  file->map_ = static_cast<const uint8_t *>(map);
  file->map_bytes_ = size;

  uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i)
    header_bytes = header_bytes << 8 | file->map_[i];
  if (header_bytes > kMaxHeader || header_bytes > size - 8)
    return Wrong(path, absl::StrCat("its header says it has ", header_bytes, " bytes, the file has ", size));
  std::string_view text(reinterpret_cast<const char *>(file->map_ + 8), header_bytes);
  if (NestedTooDeeply(text))
    return Wrong(path, "its header is nested too deeply");
  Json header = ParseJson(text);
  if (!header.is_object())
    return Wrong(path, "its header is not a JSON object");

  const uint8_t *data = file->map_ + 8 + header_bytes;
  uint64_t data_bytes = size - 8 - header_bytes;
  for (const auto &[name, entry] : header.items()) {
    if (name == "__metadata__") {
      if (!entry.is_object())
        return Wrong(path, "its __metadata__ is not an object");
      for (const auto &[key, value] : entry.items()) {
        if (!value.is_string())
          return Wrong(path, absl::StrCat("its __metadata__ '", key, "' is not a string"));
        file->metadata_[key] = value.get<std::string>();
      }
      continue;
    }
    absl::StatusOr<TensorView> tensor = ReadEntry(path, name, entry, data, data_bytes);
    if (!tensor.ok())
      return tensor.status();
    file->tensors_.push_back(*std::move(tensor));
  }
  // The tensors must cover the data once: no hole, no byte twice.
  std::vector<const TensorView *> order;
  for (const TensorView &tensor : file->tensors_)
    order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(), [](const TensorView *a, const TensorView *b) {
    return a->data != b->data ? a->data < b->data : a->bytes() < b->bytes();
  });
  const uint8_t *next = data;
  for (const TensorView *tensor : order) {
    if (tensor->data != next)
      return Wrong(path, absl::StrCat("tensor '", tensor->name, "' does not begin where the one before it ends"));
    next += tensor->bytes();
  }
  if (next != data + data_bytes)
    return Wrong(path, absl::StrCat("its tensors take ", next - data, " of ", data_bytes, " bytes of data"));
  return file;
}

const TensorView *SafetensorsFile::Find(std::string_view name) const {
  auto it = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                             [](const TensorView &tensor, std::string_view key) { return tensor.name < key; });
  return it != tensors_.end() && it->name == name ? &*it : nullptr;
}

absl::StatusOr<std::unique_ptr<ModelFiles>> ModelFiles::Open(const std::string &directory) {
  std::unique_ptr<ModelFiles> files(new ModelFiles);
  files->directory_ = directory;
  std::vector<std::string> names;
  std::string index_path = directory + "/model.safetensors.index.json", text;
  if (access((directory + "/model.safetensors").c_str(), F_OK) == 0) {
    names.push_back("model.safetensors");
  } else if (access(index_path.c_str(), F_OK) == 0) {
    if (absl::Status status = ReadFile(index_path, text, kMaxJsonFile); !status.ok())
      return status;
    Json index = ParseJson(text);
    if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
      return absl::InvalidArgumentError(absl::StrCat(index_path, ": must hold a JSON object with a weight_map"));
    for (const auto &[weight, shard] : index["weight_map"].items()) {
      // A shard is a file beside its index, never somewhere else.
      if (!shard.is_string() || shard.get_ref<const std::string &>().find('/') != std::string::npos)
        return absl::InvalidArgumentError(absl::StrCat(index_path, ": weight_map '", weight, "' must name a file in this folder"));
      if (std::find(names.begin(), names.end(), shard.get<std::string>()) == names.end())
        names.push_back(shard.get<std::string>());
    }
  } else {
    return absl::NotFoundError(absl::StrCat(directory, ": there is no model.safetensors and no model.safetensors.index.json; "
                                            "a model's folder holds one of them (`mirl init` makes random weights)"));
  }
  for (const std::string &name : names) {
    auto file = SafetensorsFile::Open(directory + "/" + name);
    if (!file.ok())
      return file.status();
    files->files_.push_back(*std::move(file));
  }
  return files;
}

std::pair<const TensorView *, const SafetensorsFile *> ModelFiles::Find(std::string_view name) const {
  for (const auto &file : files_)
    if (const TensorView *tensor = file->Find(name))
      return {tensor, file.get()};
  return {nullptr, nullptr};
}

absl::Status WriteSafetensors(const std::string &path, const std::vector<TensorView> &tensors,
                              const std::map<std::string, std::string> &metadata,
                              const TensorData &data) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty())
    header["__metadata__"] = metadata;
  int64_t offset = 0;
  for (const TensorView &tensor : tensors) {
    if (header.contains(tensor.name))
      return absl::InvalidArgumentError(absl::StrCat(path, ": two tensors have the name '", tensor.name, "'"));
    header[tensor.name] = {{"dtype", Info(tensor.dtype).name}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + tensor.bytes()}}};
    offset += tensor.bytes();
  }
  // A name may be any bytes; what is not UTF-8 is replaced rather than thrown at.
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' '); // readers map the data, which wants to be aligned
  uint8_t length[8];
  for (int i = 0; i < 8; ++i)
    length[i] = static_cast<uint8_t>(static_cast<uint64_t>(text.size()) >> 8 * i);
  AtomicFile file(path);
  absl::Status status = file.Write(length, sizeof(length));
  status.Update(file.Write(text));
  for (size_t i = 0; i < tensors.size() && status.ok(); ++i) {
    const uint8_t *bytes = tensors[i].data;
    if (!bytes && data) {
      auto read = data(i);
      if (!read.ok())
        return read.status();
      bytes = *read;
    }
    status = file.Write(bytes, static_cast<size_t>(tensors[i].bytes()));
  }
  return status.ok() ? file.Commit() : status;
}

absl::Status ConvertToF32(const TensorView &tensor, float *out) {
  return ConvertToF32(tensor, 0, tensor.elements(), out);
}

absl::Status ConvertToF32(const TensorView &tensor, int64_t begin, int64_t end, float *out) {
  switch (tensor.dtype) {
  case TensorDType::F32:
    if (end > begin) // an empty vector has no data to point to
      std::memcpy(out, tensor.data + begin * static_cast<int64_t>(sizeof(float)),
                  static_cast<size_t>(end - begin) * sizeof(float));
    return absl::OkStatus();
  case TensorDType::BF16:
    for (int64_t i = begin; i < end; ++i)
      *out++ = std::bit_cast<float>(static_cast<uint32_t>(ReadElement<uint16_t>(tensor.data, i)) << 16);
    return absl::OkStatus();
  case TensorDType::F16:
    for (int64_t i = begin; i < end; ++i)
      *out++ = HalfToFloat(ReadElement<uint16_t>(tensor.data, i));
    return absl::OkStatus();
  default:
    return absl::InvalidArgumentError(
        absl::StrCat("tensor '", tensor.name, "' must be F32, BF16 or F16, is ", Info(tensor.dtype).name));
  }
}

void RoundToBf16(std::span<const float> values, uint16_t *out) {
  for (float value : values) {
    auto bits = std::bit_cast<uint32_t>(value);
    bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    *out++ = static_cast<uint16_t>(nan ? bits >> 16 | 0x40u : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
  }
}

absl::Status ConvertToI32(const TensorView &tensor, int32_t *out) { return ConvertToInteger(tensor, out, "i32"); }
absl::Status ConvertToI64(const TensorView &tensor, int64_t *out) { return ConvertToInteger(tensor, out, "i64"); }

} // namespace mirl::rt
