#include "runtime/checkpoint/RunDirectory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <nlohmann/json.hpp>

#include "runtime/artifact/Macros.h"
#include "runtime/weights/AtomicFile.h"
#include "runtime/weights/Files.h"
#include "runtime/weights/Weights.h"
#include "runtime/weights/Json.h"

namespace mirl::rt {

namespace {

// JSON has no infinities and no NaN; they are written as texts, so that a resumed run has them.
nlohmann::ordered_json ParamsToJson(const std::map<std::string, double> &params) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto &[name, value] : params) {
    if (std::isfinite(value))
      json[name] = value;
    else
      json[name] = std::to_string(value);
  }
  return json;
}

std::map<std::string, double> ParamsFromJson(const nlohmann::json &json) {
  std::map<std::string, double> params;
  for (const auto &[name, value] : json.items())
    params[name] = value.is_string() ? std::strtod(value.get<std::string>().c_str(), nullptr)
                                     : value.get<double>();
  return params;
}

// Reads run.json; throws nlohmann::json::exception when it is not as WriteInfo writes it.
RunInfo InfoFromJson(const nlohmann::json &json) {
  RunInfo info;
  json.at("plan").get_to(info.plan);
  info.plan_hash = std::strtoull(json.at("plan_hash").get<std::string>().c_str(), nullptr, 16);
  json.at("compiler").get_to(info.compiler);
  json.at("source_file").get_to(info.source_file);
  json.at("model").get_to(info.model);
  json.at("models").get_to(info.models);
  json.at("seed").get_to(info.seed);
  json.at("iterations").get_to(info.iterations);
  json.at("iterations_done").get_to(info.iterations_done);
  json.at("threads").get_to(info.threads);
  info.params = ParamsFromJson(json.at("params"));
  json.at("data").get_to(info.data);
  json.at("tokenizer_hash").get_to(info.tokenizer_hash);
  info.schedule = json.value("schedule", "");
  json.at("initial_state").get_to(info.initial_state);
  json.at("started").get_to(info.started);
  if (!json.at("finished").is_null())
    json.at("finished").get_to(info.finished);
  for (const nlohmann::json &start : json.at("starts"))
    info.starts.push_back({start.at("time").get<std::string>(),
                           start.at("iteration").get<int64_t>(), start.at("threads").get<int>()});
  return info;
}

} // namespace

std::string UtcNow() {
  std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

absl::Status RunDirectory::CheckFree(const std::string &path) {
  struct stat info;
  if (stat(path.c_str(), &info) == 0 && !S_ISDIR(info.st_mode))
    return Invalid(path, ": is not a folder; --run names the folder that the run is written to");
  for (const char *name : {"run.json", "metrics.jsonl", "checkpoints", "trajectories.sqlite", "final"}) {
    if (stat(Cat(path, "/", name).c_str(), &info) == 0)
      return absl::AlreadyExistsError(
          Cat(path, ": holds an earlier run (", name,
              "): continue it with --resume, choose another folder with --run, or remove this "
              "one"));
  }
  return absl::OkStatus();
}

absl::StatusOr<RunDirectory> RunDirectory::Create(const std::string &path) {
  MIRL_TRY(CheckFree(path));
  MIRL_TRY(MakeDirectories(path));
  RunDirectory directory(path);
  MIRL_TRY(directory.Lock());
  MIRL_TRY(CheckFree(path)); // Another process may have begun one before the lock was ours.
  // Of a start that was killed before it had begun a run. Other files of that folder are not ours.
  RemoveLeftovers(path, "run.json");
  return directory;
}

absl::StatusOr<RunDirectory> RunDirectory::Resume(const std::string &path, RunInfo &info) {
  std::string name = path + "/run.json";
  struct stat ignored;
  if (stat(name.c_str(), &ignored) != 0)
    return absl::NotFoundError(Cat(path, ": holds no run to resume (there is no run.json): start "
                                         "one without --resume, or name its folder with --run"));
  RunDirectory directory(path);
  MIRL_TRY(directory.Lock());
  std::string text;
  MIRL_TRY(ReadFile(name, text, kMaxJsonFile));
  nlohmann::json json = ParseJson(text);
  if (json.is_discarded())
    return Invalid(name, ": is damaged: it is not JSON; the run cannot be resumed");
  try {
    info = InfoFromJson(json);
  } catch (const nlohmann::json::exception &error) {
    return Invalid(name, ": does not say what a resume needs (", error.what(),
                   "): it is damaged, or of another version of mirl");
  }
  RemoveLeftovers(path);
  return directory;
}

absl::Status RunDirectory::Lock() {
  int fd = open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return absl::InternalError(Cat(path_, ": cannot open: ", strerror(errno)));
  lock_ = std::shared_ptr<void>(nullptr, [fd](void *) { close(fd); });
  // The kernel drops it when this process ends, however it ends. File systems without locks are
  // used without.
  if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    auto holder = LockHolder(path_);
    return absl::UnavailableError(Cat(path_, ": another process",
                                      holder ? Cat(" (", *holder, ")") : std::string(),
                                      " works on this run; wait for its end or stop it"));
  }
  return absl::OkStatus();
}

absl::Status RunDirectory::WriteInfo(const RunInfo &info) const {
  nlohmann::ordered_json json;
  json["plan"] = info.plan;
  json["plan_hash"] = HashText(info.plan_hash);
  json["compiler"] = info.compiler;
  json["source_file"] = info.source_file;
  json["model"] = info.model;
  json["models"] = info.models;
  json["seed"] = info.seed;
  json["iterations"] = info.iterations;
  json["iterations_done"] = info.iterations_done;
  json["threads"] = info.threads;
  json["params"] = ParamsToJson(info.params);
  json["data"] = info.data;
  json["tokenizer_hash"] = info.tokenizer_hash;
  json["schedule"] = info.schedule;
  json["initial_state"] = info.initial_state;
  json["started"] = info.started;
  json["finished"] = nullptr;
  if (!info.finished.empty())
    json["finished"] = info.finished;
  json["starts"] = nlohmann::ordered_json::array();
  for (const RunStart &start : info.starts)
    json["starts"].push_back(
        {{"time", start.time}, {"iteration", start.iteration}, {"threads", start.threads}});
  return WriteFileAtomically(path_ + "/run.json",
                             json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
                                 "\n");
}

absl::Status RunDirectory::SaveFinal(Session &session,
                                     const std::string &tokenizer_directory) const {
  const auto *policies = session.plan().root().policies();
  bool first = true;
  for (uint32_t i = 0; i < Length(policies); ++i) {
    const fb::Policy &policy = *policies->Get(i);
    if (policy.role() != fb::PolicyRole::trainable)
      continue;
    std::string name = first ? "final" : Cat("final-", View(policy.name()));
    first = false;
    MIRL_TRY(WriteFolderAtomically(Cat(path_, "/", name), [&](const std::string &folder) {
      return SaveModel(session, policy, folder, tokenizer_directory);
    }));
  }
  return absl::OkStatus();
}

} // namespace mirl::rt
