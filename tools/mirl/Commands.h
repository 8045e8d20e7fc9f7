// The commands of `mirl`. Each lives in its own file (Train.cpp, Call.cpp, …), which defines its
// AddXxxCommand below.
//
// AddXxxCommand adds one subcommand to the app, with a footer that shows an example, and a callback
// that does the work and sets `exit_code`: kOk or kBadInput. Usage errors (kUsage) are CLI11's.
//
//   void AddEvalCommand(CLI::App &app, int &exit_code) {
//     auto options = std::make_shared<Options>();
//     CLI::App *command = app.add_subcommand("eval", "Measure a model on held-out prompts");
//     command->footer("Example:\n  mirl eval step.plan --model run/final --data held_out.jsonl --json");
//     command->add_option("plan", options->plan, "the plan")->required();
//     command->callback([options, &exit_code] { exit_code = Finish(Eval(*options)); });
//   }
//
// Results go to stdout, progress and diagnostics to stderr.

#ifndef MIRL_TOOLS_MIRL_COMMANDS_H
#define MIRL_TOOLS_MIRL_COMMANDS_H

#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/artifact/Plan.h"

namespace mirl::tools {

inline constexpr int kOk = 0, kBadInput = 1, kUsage = 2;

// Prints `mirl: error: <message>` to stderr unless ok. Returns the exit code.
int Finish(const absl::Status &status);

// Prints `mirl: warning: <text>` to stderr.
void Warn(const std::string &text);
// Prints `mirl: note: <text>` to stderr.
void Note(const std::string &text);

// `--set name=value` on top of the plan's parameters. An unknown name is an error that lists the
// known ones.
absl::StatusOr<std::map<std::string, double>> ParseParams(const rt::Plan &plan,
                                                          const std::vector<std::string> &set);

void AddCallCommand(CLI::App &app, int &exit_code);
void AddInspectCommand(CLI::App &app, int &exit_code);
void AddTrainCommand(CLI::App &app, int &exit_code);
void AddEvalCommand(CLI::App &app, int &exit_code);
void AddRolloutCommand(CLI::App &app, int &exit_code);
void AddGenerateCommand(CLI::App &app, int &exit_code);
void AddInitCommand(CLI::App &app, int &exit_code);

} // namespace mirl::tools

#endif // MIRL_TOOLS_MIRL_COMMANDS_H
