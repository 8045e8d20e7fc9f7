// The part of the Trainer that a checkpoint carries.

#include "runtime/artifact/Macros.h"
#include "runtime/rollout/BatchState.h"
#include "runtime/train/Trainer.h"
#include "runtime/weights/Files.h"

namespace mirl::rt {

namespace {

// The groups that the i-th `sample` of the program has begun.
std::string WaitingKey(size_t i) { return Cat("unfinished/", i); }
// What of a policy's KV cache they keep.
std::string KeptKey(std::string_view policy) { return Cat("kept/", policy); }

} // namespace

absl::StatusOr<StateDict> Trainer::Export() const {
  StateDict state;
  nlohmann::json &json = state.json;
  json["versions"] = nlohmann::json::object();
  for (const auto &[policy, version] : versions_)
    json["versions"][policy] = version;
  json["data"] = nlohmann::json::object();
  for (const auto &[name, source] : sources_)
    json["data"][name] = {{"drawn", source.cursor->drawn()},
                          {"records", source.data->size()},
                          {"hash", HashText(source.data->hash())}};
  for (size_t i = 0; i < samplings_.size(); ++i)
    if (samplings_[i].budgets.partial)
      ExportBatch(samplings_[i].waiting, WaitingKey(i), state);
  for (const auto &[policy, roller] : rollers_)
    if (Keeps(policy))
      MIRL_TRY(roller->ExportKept(KeptKey(policy), state));
  json["parity"] = {{"tokens", parity_tokens_}, {"mismatches", parity_mismatches_}};
  return state;
}

absl::Status Trainer::Import(const StateDict &state) {
  // Everything is read before anything changes. The library throws at a wrong type.
  Counts versions;
  std::vector<std::pair<Source *, int64_t>> cursors;
  int64_t parity_tokens = 0, parity_mismatches = 0;
  std::vector<Batch> waiting(samplings_.size());
  for (size_t i = 0; i < samplings_.size(); ++i)
    if (samplings_[i].budgets.partial) {
      MIRL_ASSIGN(waiting[i], ImportBatch(state, WaitingKey(i), session_.plan()));
    }
  try {
    for (const auto &[policy, version] : state.json.at("versions").items())
      versions[policy] = version.get<int64_t>();
    const nlohmann::json &data = state.json.at("data");
    for (auto &[name, source] : sources_) {
      auto saved = data.find(name);
      if (saved == data.end())
        return Invalid("the state to resume from does not know the data set '", name, "'");
      if (saved->at("hash") != HashText(source.data->hash()))
        return Invalid(source.data->path(), ": data set '", name, "' changed: the run used ",
                       saved->at("records").get<int64_t>(), " records with checksum ",
                       saved->at("hash").get<std::string>(), ", the file has ",
                       source.data->size(), " with ", HashText(source.data->hash()));
      int64_t drawn = saved->at("drawn").get<int64_t>();
      if (drawn < 0)
        return Invalid("the state to resume from has drawn ", drawn, " records of '", name, "'");
      cursors.emplace_back(&source, drawn);
    }
    parity_tokens = state.json.at("parity").at("tokens").get<int64_t>();
    parity_mismatches = state.json.at("parity").at("mismatches").get<int64_t>();
  } catch (const nlohmann::json::exception &error) {
    return Invalid("the state to resume from is not a trainer's: ", error.what());
  }
  for (auto &[policy, roller] : rollers_) {
    absl::Status status = roller->ImportKept(KeptKey(policy), state);
    if (status.ok())
      continue;
    for (auto &[other, its] : rollers_) // What waits is computed again.
      MIRL_TRY(its->ImportKept("", {}));
    return status;
  }
  versions_ = std::move(versions);
  for (size_t i = 0; i < samplings_.size(); ++i)
    samplings_[i].waiting = std::move(waiting[i]);
  for (auto &[source, drawn] : cursors)
    source->cursor->Seek(drawn);
  parity_tokens_ = parity_tokens;
  parity_mismatches_ = parity_mismatches;
  return absl::OkStatus();
}

Trainer::Counts Trainer::cursors() const {
  Counts drawn;
  for (const auto &[name, source] : sources_)
    drawn[name] = source.cursor->drawn();
  return drawn;
}

} // namespace mirl::rt
