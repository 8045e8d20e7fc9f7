// A file of JSON lines. A record is an object with a string "prompt"; "response" makes it an
// example. All other fields are kept for verifiers.

#ifndef MIRL_RUNTIME_DATA_DATASET_H
#define MIRL_RUNTIME_DATA_DATASET_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"

namespace mirl::rt {

struct Record {
  int64_t index = 0; // in the file, from 0
  std::string where; // "file:line"
  std::string prompt;
  std::optional<std::string> response;
  nlohmann::json fields; // the whole object
};

class Dataset {
public:
  // Reads the file and checks every line; errors name file:line. Only the text and the places of
  // its lines stay in memory, so a data set costs about the size of its file. Empty lines are
  // skipped.
  static absl::StatusOr<std::unique_ptr<Dataset>> Open(const std::string &path);

  int64_t size() const { return static_cast<int64_t>(lines_.size()); }
  const std::string &path() const { return path_; }
  // XXH3-64 of the file: whether a resumed run has the records that it began with.
  uint64_t hash() const { return hash_; }
  Record Get(int64_t index) const;

private:
  Dataset() = default;
  absl::StatusOr<Record> Parse(int64_t index) const;
  struct Line {
    size_t begin, end;
    int64_t number;
  };
  std::string path_, text_;
  std::vector<Line> lines_;
  uint64_t hash_ = 0;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_DATA_DATASET_H
