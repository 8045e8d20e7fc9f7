#include "runtime/checkpoint/RunDirectory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "runtime/artifact/Macros.h"
#include "runtime/weights/AtomicFile.h"
#include "runtime/weights/Weights.h"

namespace mirl::rt {

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
  for (const char *name : {"run.json", "metrics.jsonl", "final"}) {
    if (stat(Cat(path, "/", name).c_str(), &info) == 0)
      return absl::AlreadyExistsError(
          Cat(path, ": holds an earlier run (", name,
              "): choose another folder with --run, or remove this one"));
  }
  return absl::OkStatus();
}

absl::StatusOr<RunDirectory> RunDirectory::Create(const std::string &path) {
  MIRL_TRY(CheckFree(path));
  MIRL_TRY(MakeDirectories(path));
  return RunDirectory(path);
}

absl::Status RunDirectory::WriteInfo(const RunInfo &info) const {
  nlohmann::ordered_json json;
  json["plan"] = info.plan;
  json["plan_hash"] = absl::StrFormat("%016x", info.plan_hash);
  json["compiler"] = info.compiler;
  json["source_file"] = info.source_file;
  json["model"] = info.model;
  json["seed"] = info.seed;
  json["iterations"] = info.iterations;
  json["iterations_done"] = info.iterations_done;
  json["threads"] = info.threads;
  json["params"] = info.params;
  json["data"] = info.data;
  json["started"] = info.started;
  json["finished"] = nullptr;
  if (!info.finished.empty())
    json["finished"] = info.finished;
  return WriteFileAtomically(path_ + "/run.json",
                             json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
                                 "\n");
}

absl::Status RunDirectory::SaveFolder(
    const std::string &name,
    const std::function<absl::Status(const std::string &folder)> &write) const {
  std::string target = Cat(path_, "/", name), temporary = Cat(target, ".tmp.", getpid());
  std::error_code ignored;
  std::filesystem::remove_all(temporary, ignored);
  absl::Status status = write(temporary);
  if (status.ok() && std::rename(temporary.c_str(), target.c_str()) != 0)
    status = absl::InternalError(
        Cat(target, ": cannot rename ", temporary, " to it: ", strerror(errno)));
  if (!status.ok())
    std::filesystem::remove_all(temporary, ignored);
  return status;
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
    MIRL_TRY(SaveFolder(name, [&](const std::string &folder) {
      return SaveModel(session, policy, folder, tokenizer_directory);
    }));
  }
  return absl::OkStatus();
}

} // namespace mirl::rt
