// mirl: runs what mirlc compiled.

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/mirl/Commands.h"

namespace mirl::tools {

int Finish(const absl::Status &status) {
  if (status.ok())
    return kOk;
  std::fflush(stdout);
  std::fprintf(stderr, "mirl: error: %s\n", std::string(status.message()).c_str());
  return kBadInput;
}

void Warn(const std::string &text) {
  std::fflush(stdout);
  std::fprintf(stderr, "mirl: warning: %s\n", text.c_str());
}

void Note(const std::string &text) {
  std::fflush(stdout);
  std::fprintf(stderr, "mirl: note: %s\n", text.c_str());
}

absl::StatusOr<std::map<std::string, double>> ParseParams(const rt::Plan &plan,
                                                          const std::vector<std::string> &set) {
  std::map<std::string, double> params;
  std::vector<std::string> names;
  if (const auto *declared = plan.root().params()) {
    for (const fb::Param *param : *declared) {
      params[param->name()->str()] = param->value();
      names.push_back(param->name()->str());
    }
  }
  for (const std::string &text : set) {
    size_t equals = text.find('=');
    std::string key = text.substr(0, equals);
    if (equals == std::string::npos || key.empty())
      return absl::InvalidArgumentError(absl::StrCat("--set ", text, ": write --set name=value"));
    if (!params.count(key)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--set ", text, ": ", plan.name(), " has no run-time parameter '", key,
                       "'; it has ", names.empty() ? "none" : absl::StrJoin(names, ", ")));
    }
    char *end = nullptr;
    double value = std::strtod(text.c_str() + equals + 1, &end);
    if (end == text.c_str() + equals + 1 || *end != 0)
      return absl::InvalidArgumentError(
          absl::StrCat("--set ", text, ": '", text.substr(equals + 1), "' is not a number"));
    params[key] = value;
  }
  return params;
}

} // namespace mirl::tools

// `code`, or kBadInput when the results did not all reach standard output (a full disk).
static int Flushed(int code) {
  errno = 0;
  std::cout.flush();
  bool good = std::fflush(stdout) == 0 && !std::ferror(stdout) && std::cout.good();
  if (good || code != mirl::tools::kOk)
    return code;
  std::fprintf(stderr, "mirl: error: cannot write to standard output%s%s\n", errno ? ": " : "",
               errno ? strerror(errno) : "");
  return mirl::tools::kBadInput;
}

int main(int argc, char **argv) {
  using namespace mirl::tools;
  int exit_code = kOk;
  CLI::App app("Runs plans made by mirlc: training, evaluation, rollouts, single entries.", "mirl");
  app.set_version_flag("--version", "mirl " MIRL_VERSION);
  app.require_subcommand(1);
  app.footer("Example:\n"
             "  mirlc mirror_descent.mirl --model model -o step.plan\n"
             "  mirl inspect step.plan\n"
             "  mirl train step.plan --run run\n"
             "`mirl COMMAND --help` shows an example of each.\n"
             "Exit codes: 0 done, 1 bad input, 2 wrong usage.");
  AddTrainCommand(app, exit_code);
  AddEvalCommand(app, exit_code);
  AddRolloutCommand(app, exit_code);
  AddGenerateCommand(app, exit_code);
  AddInitCommand(app, exit_code);
  AddCallCommand(app, exit_code);
  AddInspectCommand(app, exit_code);
  for (CLI::App *command : app.get_subcommands({}))
    command->set_version_flag("--version", "mirl " MIRL_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &success) {
    return Flushed(app.exit(success)); // --help, --version
  } catch (const CLI::ParseError &error) {
    std::fprintf(stderr, "mirl: error: %s\n", error.what());
    const CLI::App *at = &app;
    if (!app.get_subcommands().empty())
      at = app.get_subcommands().front();
    std::fprintf(stderr, "Run `mirl %s--help` for usage and an example.\n",
                 at == &app ? "" : (at->get_name() + " ").c_str());
    return kUsage;
  }
  return Flushed(exit_code);
}
