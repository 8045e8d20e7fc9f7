#include "runtime/checkpoint/Checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/str_join.h"
#include "runtime/artifact/Macros.h"
#include "runtime/weights/AtomicFile.h"
#include "runtime/weights/Buffers.h"
#include "runtime/weights/Files.h"
#include "runtime/weights/Json.h"

namespace mirl::rt {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int kFormat = 1; // of a checkpoint's folder
constexpr const char *kBuffers = "buffers.safetensors", *kTrainer = "trainer.safetensors",
                     *kState = "state.json", *kManifest = "manifest.json", *kDamaged = ".damaged";
constexpr std::string_view kNoHash = "0000000000000000";

// Caches and their tables are made again, gradients begin at zero with every step, and constants are
// the plan's.
bool IsState(const fb::Buffer &buffer) {
  return buffer.kind() != fb::BufferKind::kv_cache && buffer.kind() != fb::BufferKind::kv_table &&
         buffer.kind() != fb::BufferKind::gradient && buffer.kind() != fb::BufferKind::constant;
}

std::vector<NamedBuffer> StateBuffers(const Plan &plan) {
  std::vector<NamedBuffer> result;
  for (uint32_t i = 0; i < Length(plan.root().buffers()); ++i) {
    const fb::Buffer &buffer = *plan.root().buffers()->Get(i);
    if (IsState(buffer))
      result.push_back({std::string(View(buffer.name())), &buffer});
  }
  return result;
}

// A manifest names its own hash, which is taken with zeros in its place.
absl::Status CheckManifest(std::string text, Json &manifest) {
  manifest = ParseJson(text);
  std::string hash;
  if (auto found = manifest.is_object() ? manifest.find("hash") : manifest.end();
      found != manifest.end() && found->is_string())
    hash = found->get<std::string>();
  size_t at = hash.size() == kNoHash.size() ? text.rfind(hash) : std::string::npos;
  if (at == std::string::npos)
    return Invalid(kManifest, " is damaged: it is not a whole manifest");
  text.replace(at, kNoHash.size(), kNoHash);
  if (HashText(HashBytes(text)) != hash)
    return Invalid(kManifest, " is damaged: its contents do not match its checksum");
  return absl::OkStatus();
}

absl::Status Write(Session &session, const RunState &state, const std::string &folder) {
  std::vector<std::string> files = {kBuffers, kState};
  MIRL_TRY(WriteBuffers(session, Cat(folder, "/", kBuffers), StateBuffers(session.plan())));
  if (!state.trainer.tensors.empty()) {
    std::vector<TensorView> tensors;
    for (const auto &[name, tensor] : state.trainer.tensors)
      tensors.push_back({name, tensor.dtype, tensor.shape, tensor.bytes.data()});
    MIRL_TRY(WriteSafetensors(Cat(folder, "/", kTrainer), tensors));
    files.emplace_back(kTrainer);
  }
  Json json = {{"iteration", state.iteration},
               {"plan_hash", HashText(session.plan().root().content_hash())},
               {"seed", state.seed},
               {"trainer", state.trainer.json}};
  MIRL_TRY(WriteFileAtomically(
      Cat(folder, "/", kState),
      json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"));

  nlohmann::ordered_json manifest = {{"format", kFormat}, {"iteration", state.iteration}};
  for (const std::string &file : files) {
    MIRL_ASSIGN(FileContents contents, HashFile(Cat(folder, "/", file)));
    manifest["files"][file] = {{"bytes", contents.bytes}, {"xxh3", HashText(contents.hash)}};
  }
  manifest["hash"] = kNoHash;
  std::string text = manifest.dump(2) + "\n";
  std::string hash = HashText(HashBytes(text));
  text.replace(text.rfind(kNoHash), kNoHash.size(), hash);
  return WriteFileAtomically(Cat(folder, "/", kManifest), text);
}

} // namespace

absl::StatusOr<uint64_t> StateHash(Session &session, const StateDict &state) {
  uint64_t hash = HashBytes(state.json.dump(-1, ' ', false, Json::error_handler_t::replace));
  for (const auto &[name, tensor] : state.tensors)
    hash = HashBytes(tensor.bytes.data(), tensor.bytes.size(), HashBytes(name, hash));
  std::vector<uint8_t> bytes;
  for (const auto &[name, buffer] : StateBuffers(session.plan())) {
    MIRL_TRY(ReadBytes(session, *buffer, bytes));
    hash = HashBytes(bytes.data(), bytes.size(), HashBytes(name, hash));
  }
  return hash;
}

std::string Checkpoints::Path(int64_t iteration) const { return Cat(folder_, "/", iteration); }

std::vector<int64_t> Checkpoints::List() const {
  std::vector<int64_t> iterations;
  std::error_code ignored;
  for (const auto &entry : fs::directory_iterator(folder_, ignored)) {
    std::string name = entry.path().filename();
    if (name.size() <= 18 && name.find_first_not_of("0123456789") == std::string::npos)
      iterations.push_back(std::stoll(name));
  }
  std::sort(iterations.begin(), iterations.end());
  return iterations;
}

absl::Status Checkpoints::Save(Session &session, const RunState &state) const {
  MIRL_TRY(MakeDirectories(folder_));
  MIRL_TRY(WriteFolderAtomically(
      Path(state.iteration),
      [&](const std::string &folder) { return Write(session, state, folder); }));
  std::error_code ignored;
  std::vector<fs::path> damaged;
  for (const auto &entry : fs::directory_iterator(folder_, ignored))
    if (entry.path().extension() == kDamaged)
      damaged.push_back(entry.path());
  for (const fs::path &path : damaged)
    RemoveFolder(path);
  std::vector<int64_t> all = List();
  for (size_t i = 0; i + static_cast<size_t>(keep_) < all.size(); ++i)
    RemoveFolder(Path(all[i]));
  return absl::OkStatus();
}

absl::StatusOr<RunState> Checkpoints::Read(Session &session, const std::string &path) const {
  std::string text;
  MIRL_TRY(ReadFile(Cat(path, "/", kManifest), text));
  Json manifest;
  MIRL_TRY(CheckManifest(text, manifest));
  RunState state;
  const Plan &plan = session.plan();
  try { // The library throws at what is missing or of a wrong type.
    if (int format = manifest.at("format").get<int>(); format != kFormat)
      return Invalid("it has format ", format, "; this mirl reads ", kFormat);
    for (const auto &[file, expected] : manifest.at("files").items()) {
      MIRL_ASSIGN(FileContents contents, HashFile(Cat(path, "/", file)));
      if (auto bytes = expected.at("bytes").get<int64_t>(); contents.bytes != bytes)
        return Invalid(file, " has ", contents.bytes, " bytes, ", bytes, " were written");
      if (HashText(contents.hash) != expected.at("xxh3").get<std::string>())
        return Invalid(file, " is damaged: its contents do not match their checksum");
    }
    MIRL_TRY(ReadFile(Cat(path, "/", kState), text));
    Json json = Json::parse(text);
    json.at("iteration").get_to(state.iteration);
    json.at("seed").get_to(state.seed);
    if (std::string hash = json.at("plan_hash").get<std::string>(),
        own = HashText(plan.root().content_hash());
        hash != own)
      return Invalid("it belongs to plan ", hash, ", not to ", own);
    state.trainer.json = json.at("trainer");
    if (manifest.at("files").contains(kTrainer)) {
      MIRL_ASSIGN(auto file, SafetensorsFile::Open(Cat(path, "/", kTrainer)));
      for (const TensorView &tensor : file->tensors())
        state.trainer.tensors[tensor.name] = {
            tensor.dtype, tensor.shape, {tensor.data, tensor.data + tensor.bytes()}};
    }
  } catch (const Json::exception &error) {
    return Invalid("it is not a checkpoint of this mirl: ", error.what());
  }
  if (Path(state.iteration) != path)
    return Invalid("it is the one of iteration ", state.iteration);
  // All of them fit before one is copied.
  MIRL_ASSIGN(auto file, SafetensorsFile::Open(Cat(path, "/", kBuffers)));
  std::vector<std::pair<const fb::Buffer *, const TensorView *>> copies;
  for (const auto &[name, buffer] : StateBuffers(plan)) {
    TensorView to = Describe(*buffer);
    const TensorView *from = file->Find(name);
    if (!from || from->dtype != to.dtype || from->shape != to.shape)
      return Invalid(kBuffers, ": buffer ", name, " is ",
                     from ? Cat(DTypeName(from->dtype), ShapeString(from->shape)) : "missing",
                     ", the plan's is ", DTypeName(to.dtype), ShapeString(to.shape));
    copies.emplace_back(buffer, from);
  }
  for (const auto &[to, from] : copies)
    MIRL_TRY(session.WriteBuffer(*to, from->data));
  return state;
}

absl::StatusOr<Checkpoints::Loaded> Checkpoints::LoadNewest(Session &session) const {
  RemoveLeftovers(folder_);
  Loaded loaded;
  std::vector<int64_t> iterations = List();
  size_t newer = iterations.size(); // the first of those that were skipped
  while (newer > 0 && !loaded.state) {
    std::string path = Path(iterations[newer - 1]);
    auto state = Read(session, path);
    if (state.ok()) {
      loaded.state = *std::move(state);
      loaded.path = path;
    } else {
      loaded.skipped.push_back(Cat(path, ": ", state.status().message()));
      --newer;
    }
  }
  if (!loaded.state && !loaded.skipped.empty())
    return absl::DataLossError(
        Cat("there is no good checkpoint: ", absl::StrJoin(loaded.skipped, "; ")));
  std::error_code ignored;
  for (; newer < iterations.size(); ++newer) {
    std::string path = Path(iterations[newer]);
    fs::remove_all(path + kDamaged, ignored);
    fs::rename(path, path + kDamaged, ignored);
  }
  return loaded;
}

} // namespace mirl::rt
