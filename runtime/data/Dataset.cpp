#include "runtime/data/Dataset.h"

#include <algorithm>

#include "runtime/artifact/Macros.h"
#include "runtime/weights/AtomicFile.h"
#include "runtime/weights/Files.h"
#include "runtime/weights/Json.h"

namespace mirl::rt {

using Json = nlohmann::json;

absl::StatusOr<std::unique_ptr<Dataset>> Dataset::Open(const std::string &path) {
  std::unique_ptr<Dataset> data(new Dataset);
  data->path_ = path;
  MIRL_TRY(ReadFile(path, data->text_));
  data->hash_ = HashBytes(data->text_);
  const std::string &text = data->text_;
  int64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    ++number;
    if (text.find_first_not_of(" \t\r", begin) < end) {
      data->lines_.push_back({begin, end, number});
      if (auto record = data->Parse(data->size() - 1); !record.ok())
        return record.status();
    }
    begin = end + 1;
  }
  if (data->lines_.empty())
    return Invalid(path, ": has no records: a data set needs at least one line of JSON");
  return data;
}

absl::StatusOr<Record> Dataset::Parse(int64_t index) const {
  const Line &line = lines_[static_cast<size_t>(index)];
  Record record;
  record.index = index;
  record.where = Cat(path_, ":", line.number);
  if (int64_t bytes = static_cast<int64_t>(line.end - line.begin); bytes > kMaxJsonLine)
    return Invalid(record.where, ": has ", bytes >> 20, " MiB; a record has at most ",
                   kMaxJsonLine >> 20, " MiB");
  record.fields = ParseJson(std::string_view(text_).substr(line.begin, line.end - line.begin));
  auto shown = [&] {
    return text_.substr(line.begin, std::min<size_t>(line.end - line.begin, 60));
  };
  if (record.fields.is_discarded())
    return Invalid(record.where, ": is not JSON: ", shown());
  if (!record.fields.is_object())
    return Invalid(record.where, ": a record must be an object, found ", shown());
  auto prompt = record.fields.find("prompt");
  if (prompt == record.fields.end())
    return Invalid(record.where, ": a record must have a \"prompt\", found ", shown());
  if (!prompt->is_string())
    return Invalid(record.where, ": \"prompt\" must be a string, found ", prompt->type_name());
  record.prompt = prompt->get<std::string>();
  if (auto response = record.fields.find("response");
      response != record.fields.end() && !response->is_null()) {
    if (!response->is_string())
      return Invalid(record.where, ": \"response\" must be a string, found ",
                     response->type_name());
    record.response = response->get<std::string>();
  }
  return record;
}

Record Dataset::Get(int64_t index) const {
  auto record = Parse(index); // Checked by Open.
  return record.ok() ? *std::move(record) : Record();
}

} // namespace mirl::rt
