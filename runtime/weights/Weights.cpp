#include "runtime/weights/Weights.h"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <span>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "absl/strings/str_cat.h"
#include "runtime/device/Philox.h"
#include "runtime/weights/AtomicFile.h"
#include "runtime/weights/Buffers.h"
#include "runtime/weights/Safetensors.h"

namespace mirl::rt {

namespace {

std::string Text(const flatbuffers::String *text) { return text ? text->str() : std::string(); }

bool IsKept(const fb::Buffer &buffer) {
  return buffer.type()->dtype() == fb::DType::f32 || buffer.type()->dtype() == fb::DType::bf16;
}

// The f32 original of a bf16 weight that is trained; nullptr when there is none.
const fb::Buffer *FindMaster(const Session &session, const fb::Buffer &weight) {
  for (const fb::Buffer *buffer : *session.plan().root().buffers())
    if (buffer->kind() == fb::BufferKind::master && Text(buffer->owner()) == Text(weight.owner()) &&
        Text(buffer->weight()) == Text(weight.weight()))
      return buffer;
  return nullptr;
}

// Calls `visit` with each weight of the policy, in the plan's order.
template <typename Visit> absl::Status ForWeights(Session &session, const fb::Policy &policy, Visit visit) {
  const auto *buffers = session.plan().root().buffers();
  if (policy.weights())
    for (uint32_t index : *policy.weights()) {
      const fb::Buffer &buffer = *buffers->Get(index);
      if (!IsKept(buffer))
        return absl::UnimplementedError(absl::StrCat(session.plan().name(), ": weight ", Text(buffer.weight()),
                                                     " is kept as ", fb::EnumNameDType(buffer.type()->dtype()),
                                                     "; weights are f32 or bf16"));
      if (absl::Status status = visit(buffer); !status.ok())
        return status;
    }
  return absl::OkStatus();
}

// Calls `fill` with room for the numbers of a weight in f32: where they lie, or in host memory on their way to a device. A
// bf16 weight gets them rounded, its master as they are.
template <typename Fill> absl::Status FillWeight(Session &session, const fb::Buffer &buffer, Fill fill) {
  bool f32 = buffer.type()->dtype() == fb::DType::f32;
  if (std::span<uint8_t> bytes = session.Buffer(buffer); !bytes.empty() && f32)
    return fill(reinterpret_cast<float *>(bytes.data()));
  std::vector<float> host(static_cast<size_t>(ElementCount(*buffer.type(), {})));
  if (absl::Status status = fill(host.data()); !status.ok())
    return status;
  if (f32)
    return session.WriteBuffer(buffer, host.data());
  if (const fb::Buffer *master = FindMaster(session, buffer))
    if (absl::Status status = session.WriteBuffer(*master, host.data()); !status.ok())
      return status;
  std::vector<uint16_t> rounded(host.size());
  RoundToBf16(host, rounded.data());
  return session.WriteBuffer(buffer, rounded.data());
}

// Two independent normal numbers (Box & Muller, 1958) from four random words.
void Normals(const PhiloxBlock &block, double *out) {
  // (0, 1]: the logarithm of 0 is no number.
  double radius = std::sqrt(-2.0 * std::log((static_cast<double>(block[0]) + 1.0) * 0x1p-32));
  double angle = 2.0 * std::numbers::pi * static_cast<double>(block[1]) * 0x1p-32;
  out[0] = radius * std::cos(angle);
  out[1] = radius * std::sin(angle);
}

} // namespace

absl::Status LoadWeights(Session &session, const fb::Policy &policy, const std::string &directory, std::string *note) {
  struct stat info;
  if (stat(directory.c_str(), &info) != 0 || !S_ISDIR(info.st_mode))
    return absl::NotFoundError(absl::StrCat(directory, ": there is no such folder; --model names a model's folder"));
  auto files = ModelFiles::Open(directory);
  if (!files.ok())
    return files.status();
  struct Found {
    const fb::Buffer *buffer;
    const TensorView *tensor;
  };
  std::vector<Found> found;
  std::vector<std::string> missing;
  absl::Status status = ForWeights(session, policy, [&](const fb::Buffer &buffer) -> absl::Status {
    std::string name = Text(buffer.weight());
    auto [tensor, file] = (*files)->Find(name);
    if (!tensor) {
      missing.push_back(name);
      return absl::OkStatus();
    }
    std::vector<int64_t> wanted = Describe(buffer).shape;
    if (tensor->shape != wanted)
      return absl::InvalidArgumentError(absl::StrCat(file->path(), ": weight ", name, " must have the shape ", ShapeString(wanted),
                                                     " (policy ", Text(policy.name()), "), has ", ShapeString(tensor->shape)));
    if (tensor->dtype != TensorDType::F32 && tensor->dtype != TensorDType::BF16 && tensor->dtype != TensorDType::F16)
      return absl::InvalidArgumentError(absl::StrCat(file->path(), ": weight ", name, " must be F32, BF16 or F16, is ", std::string(DTypeName(tensor->dtype))));
    found.push_back({&buffer, tensor});
    return absl::OkStatus();
  });
  if (!status.ok())
    return status;
  if (!missing.empty()) {
    std::string list;
    for (size_t i = 0; i < missing.size() && i < 5; ++i)
      absl::StrAppend(&list, i ? ", " : "", missing[i]);
    if (missing.size() > 5)
      absl::StrAppend(&list, " and ", missing.size() - 5, " more");
    return absl::NotFoundError(absl::StrCat(directory, ": policy ", Text(policy.name()), " needs weights that are not there: ", list));
  }
  // Of how many weights the numbers change, and of how many only the type.
  size_t rounded = 0, extended = 0;
  for (const Found &one : found) {
    bool f32 = one.buffer->type()->dtype() == fb::DType::f32;
    rounded += !f32 && one.tensor->dtype != TensorDType::BF16;
    extended += f32 && one.tensor->dtype != TensorDType::F32;
  }
  if (note && rounded)
    *note = absl::StrCat(directory, ": ", rounded, " of the ", found.size(), " weights of policy ", Text(policy.name()),
                         " are rounded to BF16, which the plan computes in");
  else if (note && extended)
    *note = absl::StrCat(directory, ": ", extended, " of the ", found.size(), " weights of policy ", Text(policy.name()),
                         " become F32, which the plan computes in");
  for (const Found &one : found)
    if (status = FillWeight(session, *one.buffer, [&](float *to) { return ConvertToF32(*one.tensor, to); }); !status.ok())
      return status;
  return absl::OkStatus();
}

absl::Status InitWeights(Session &session, const fb::Policy &policy, uint64_t seed) {
  auto fill = [&](const fb::Buffer &buffer, float *out) -> absl::Status {
    int64_t count = ElementCount(*buffer.type(), {});
    std::string init = Text(buffer.init()), name = Text(buffer.weight());
    if (init == "zeros" || init == "ones") {
      std::fill_n(out, count, init == "ones" ? 1.0f : 0.0f);
      return absl::OkStatus();
    }
    constexpr std::string_view kNormal = "normal:";
    char *end = nullptr;
    double deviation = init.compare(0, kNormal.size(), kNormal.data()) == 0 ? std::strtod(init.c_str() + kNormal.size(), &end) : NAN;
    if (!end || end == init.c_str() + kNormal.size() || *end != 0 || !(deviation >= 0))
      return absl::InvalidArgumentError(absl::StrCat(session.plan().name(), ": weight ", name,
                                                     ": the initial value must be zeros, ones or normal:<deviation>, is '", init, "'"));
    // The name's hash takes half of the counter, so that weights draw from streams of their own.
    uint64_t stream = XXH3_64bits(name.data(), name.size());
    for (int64_t i = 0; i < count; i += 2) {
      auto pair = static_cast<uint64_t>(i) / 2;
      double normals[2];
      Normals(Philox4x32({static_cast<uint32_t>(pair), static_cast<uint32_t>(pair >> 32), static_cast<uint32_t>(stream),
                          static_cast<uint32_t>(stream >> 32)},
                         seed),
              normals);
      for (int64_t j = i; j < std::min(i + 2, count); ++j)
        out[j] = static_cast<float>(deviation * normals[j - i]);
    }
    return absl::OkStatus();
  };
  return ForWeights(session, policy, [&](const fb::Buffer &buffer) {
    return FillWeight(session, buffer, [&](float *out) { return fill(buffer, out); });
  });
}

absl::Status SaveModel(Session &session, const fb::Policy &policy, const std::string &directory,
                       const std::string &tokenizer_directory) {
  if (absl::Status status = MakeDirectories(directory); !status.ok())
    return status;
  std::vector<NamedBuffer> weights;
  absl::Status status = ForWeights(session, policy, [&](const fb::Buffer &buffer) {
    weights.push_back({Text(buffer.weight()), &buffer});
    return absl::OkStatus();
  });
  if (!status.ok())
    return status;
  status.Update(WriteBuffers(session, directory + "/model.safetensors", weights, {{"format", "pt"}}));
  std::string config = Text(session.plan().root().model_config());
  if (!config.empty())
    status.Update(WriteFileAtomically(directory + "/config.json", config));
  for (const char *name : {"tokenizer.json", "tokenizer_config.json", "generation_config.json"}) {
    struct stat info;
    std::string source = tokenizer_directory + "/" + name, text;
    if (tokenizer_directory.empty() || stat(source.c_str(), &info) != 0)
      continue;
    status.Update(ReadFile(source, text));
    if (status.ok())
      status.Update(WriteFileAtomically(directory + "/" + name, text));
  }
  return status;
}

} // namespace mirl::rt
