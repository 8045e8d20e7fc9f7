#include "runtime/weights/Weights.h"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <numbers>
#include <span>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "absl/strings/str_cat.h"
#include "runtime/device/Philox.h"
#include "runtime/device/cpu/ThreadPool.h"
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

// Puts numbers into weights, with the session's threads, or, on a GPU, with all cores.
class Filler {
public:
  explicit Filler(Session &session) : session_(session), pool_(session.threads()) {}

  // `fill(begin, end, out)` writes the elements from `begin` to `end` of the weight in f32, to where they lie or to host memory
  // on their way to a device. A bf16 weight gets them rounded, its master as they are.
  template <typename Fill> absl::Status operator()(const fb::Buffer &buffer, Fill fill) {
    bool f32 = buffer.type()->dtype() == fb::DType::f32;
    int64_t count = ElementCount(*buffer.type(), {});
    auto numbers = [&](float *out) {
      pool_.ParallelFor(count, kGrain, [&](int64_t begin, int64_t end) { fill(begin, end, out + begin); });
    };
    if (std::span<uint8_t> bytes = session_.Buffer(buffer); !bytes.empty() && f32) {
      numbers(reinterpret_cast<float *>(bytes.data()));
      return absl::OkStatus();
    }
    float *host = Room(numbers_, count);
    numbers(host);
    if (f32)
      return session_.WriteBuffer(buffer, host);
    if (const fb::Buffer *master = FindMaster(session_, buffer))
      if (absl::Status status = session_.WriteBuffer(*master, host); !status.ok())
        return status;
    uint16_t *rounded = Room(rounded_, count);
    pool_.ParallelFor(count, kGrain, [&](int64_t begin, int64_t end) {
      RoundToBf16({host + begin, static_cast<size_t>(end - begin)}, rounded + begin);
    });
    return session_.WriteBuffer(buffer, rounded);
  }

private:
  static constexpr int64_t kGrain = 1 << 14;

  // Kept from weight to weight: fresh memory costs the kernel a fault a page.
  template <typename T> struct Memory {
    std::unique_ptr<T[]> data;
    int64_t count = 0;
  };
  template <typename T> static T *Room(Memory<T> &memory, int64_t count) {
    if (memory.count < count)
      memory = {std::make_unique_for_overwrite<T[]>(static_cast<size_t>(count)), count};
    return memory.data.get();
  }

  Session &session_;
  ThreadPool pool_;
  Memory<float> numbers_;
  Memory<uint16_t> rounded_;
};

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
  Filler fill(session);
  for (const Found &one : found) {
    bool same = one.buffer->type()->dtype() == fb::DType::bf16 && one.tensor->dtype == TensorDType::BF16;
    if (same && !FindMaster(session, *one.buffer))
      status = session.WriteBuffer(*one.buffer, one.tensor->data);
    else
      status = fill(*one.buffer, [&](int64_t begin, int64_t end, float *out) {
        ConvertToF32(*one.tensor, begin, end, out).IgnoreError(); // its type was looked at
      });
    if (!status.ok())
      return status;
  }
  return absl::OkStatus();
}

absl::Status InitWeights(Session &session, const fb::Policy &policy, uint64_t seed) {
  Filler fill(session);
  return ForWeights(session, policy, [&](const fb::Buffer &buffer) -> absl::Status {
    std::string init = Text(buffer.init()), name = Text(buffer.weight());
    if (init == "zeros" || init == "ones")
      return fill(buffer, [&](int64_t begin, int64_t end, float *out) {
        std::fill_n(out, end - begin, init == "ones" ? 1.0f : 0.0f);
      });
    constexpr std::string_view kNormal = "normal:";
    char *end = nullptr;
    double deviation = init.compare(0, kNormal.size(), kNormal.data()) == 0 ? std::strtod(init.c_str() + kNormal.size(), &end) : NAN;
    if (!end || end == init.c_str() + kNormal.size() || *end != 0 || !(deviation >= 0))
      return absl::InvalidArgumentError(absl::StrCat(session.plan().name(), ": weight ", name,
                                                     ": the initial value must be zeros, ones or normal:<deviation>, is '", init, "'"));
    // The name's hash takes half of the counter, so that weights draw from streams of their own.
    uint64_t stream = XXH3_64bits(name.data(), name.size());
    return fill(buffer, [&](int64_t begin, int64_t end, float *out) {
      double normals[2] = {};
      for (int64_t i = begin; i < end; ++i) {
        auto pair = static_cast<uint64_t>(i) / 2;
        if (i % 2 == 0 || i == begin)
          Normals(Philox4x32({static_cast<uint32_t>(pair), static_cast<uint32_t>(pair >> 32), static_cast<uint32_t>(stream),
                              static_cast<uint32_t>(stream >> 32)},
                             seed),
                  normals);
        *out++ = static_cast<float>(deviation * normals[i % 2]);
      }
    });
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
