#include "tools/mirl/TrainSettings.h"

#include <cmath>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "runtime/artifact/Macros.h"
#include "runtime/weights/Files.h"
#include "tools/mirl/Commands.h"

namespace mirl::tools {

using rt::Cat;
using rt::Invalid;
using rt::View;

namespace {

// The shortest digits that give the same number again.
std::string Number(double value) { return nlohmann::json(value).dump(); }

// "name=value" pairs; a text without "name=" gets the name "".
absl::StatusOr<std::map<std::string, std::string>>
ParsePairs(const char *flag, const std::vector<std::string> &texts, bool name_optional) {
  std::map<std::string, std::string> pairs;
  for (const std::string &text : texts) {
    size_t equals = text.find('=');
    if (equals == std::string::npos ? !name_optional : equals == 0 || equals + 1 == text.size())
      return Invalid(flag, " ", text, ": write ", flag, " name=path");
    std::string name = equals == std::string::npos ? "" : text.substr(0, equals);
    if (!pairs.emplace(name, equals == std::string::npos ? text : text.substr(equals + 1)).second)
      return Invalid(flag, " ", text, ": was given before");
  }
  return pairs;
}

// What `given` says instead of what the run was started with is an error: its future would be
// another.
absl::Status Unchanged(const TrainOptions &options, const std::string &what, const std::string &was,
                       const std::string &given) {
  if (was == given)
    return absl::OkStatus();
  return Invalid("--resume: ", what, " is ", given, ", but ", options.run, " was started with ", was,
                 ": leave it out, or start another run");
}

void MakeAbsolute(std::string &path) {
  std::error_code ignored;
  if (auto absolute = std::filesystem::absolute(path, ignored); !path.empty() && !ignored)
    path = absolute.lexically_normal().string();
}

} // namespace

absl::StatusOr<TrainSettings> ReadSettings(const TrainOptions &options, const rt::Plan &plan) {
  TrainSettings settings;
  rt::TrainerOptions &trainer = settings.trainer;
  trainer.seed = options.seed.value_or(0);
  trainer.check_parity = options.check_parity;
  trainer.engine = options.engine;
  MIRL_ASSIGN(trainer.params, ParseParams(plan, options.set));
  MIRL_ASSIGN(trainer.data, ParsePairs("--data", options.data, /*name_optional=*/false));
  // `iterations` is a parameter like others, but --iterations is shorter.
  auto declared = trainer.params.find("iterations");
  if (options.iterations > 0) {
    trainer.iterations = options.iterations;
    if (declared != trainer.params.end())
      declared->second = static_cast<double>(options.iterations);
  } else if (declared != trainer.params.end()) {
    if (!(declared->second >= 1 && declared->second < 1e9))
      return Invalid("the parameter iterations must be a number from 1, is ", declared->second);
    trainer.iterations = static_cast<int64_t>(declared->second);
  }
  MIRL_ASSIGN(settings.models, ParsePairs("--model", options.model, /*name_optional=*/true));
  settings.model = View(plan.root().model_dir());
  if (auto all = settings.models.find(""); all != settings.models.end()) {
    settings.model = all->second;
    settings.models.erase(all);
  }
  for (const auto &[name, folder] : settings.models)
    if (!plan.FindPolicy(name))
      return Invalid("--model ", name, "=", folder, ": ", options.plan, " has no policy '", name,
                     "'");
  MakeAbsolute(settings.model);
  for (auto &[name, path] : settings.models)
    MakeAbsolute(path);
  for (auto &[name, path] : trainer.data)
    MakeAbsolute(path);
  return settings;
}

absl::Status TakeSettings(const TrainOptions &options, const rt::Plan &plan, const rt::RunInfo &info,
                          TrainSettings &settings) {
  if (uint64_t hash = plan.root().content_hash(); hash != info.plan_hash)
    return Invalid("--resume: ", options.run, " was started with another plan: ", info.plan,
                   " with checksum ", rt::HashText(info.plan_hash), "; ", options.plan, " has ",
                   rt::HashText(hash));
  rt::TrainerOptions &trainer = settings.trainer;
  if (options.seed)
    MIRL_TRY(Unchanged(options, "the seed", Cat(info.seed), Cat(*options.seed)));
  trainer.seed = info.seed;
  for (const std::string &text : options.set) {
    std::string name = text.substr(0, text.find('='));
    auto was = info.params.find(name);
    if (was == info.params.end())
      return Invalid(options.run, "/run.json: does not know the parameter ", name);
    double given = trainer.params[name];
    if (given != was->second && !(std::isnan(given) && std::isnan(was->second)))
      MIRL_TRY(Unchanged(options, "the parameter " + name, Number(was->second), Number(given)));
  }
  if (options.iterations > 0)
    MIRL_TRY(Unchanged(options, "the number of iterations", Cat(info.iterations),
                       Cat(options.iterations)));
  trainer.params = info.params;
  trainer.iterations = info.iterations;
  // Where files lie may change; that they are the same is checked by their contents.
  auto data = info.data;
  for (const auto &[name, path] : trainer.data)
    data[name] = path;
  trainer.data = std::move(data);
  if (options.model.empty()) {
    settings.model = info.model;
    settings.models = info.models;
  }
  return absl::OkStatus();
}

} // namespace mirl::tools
