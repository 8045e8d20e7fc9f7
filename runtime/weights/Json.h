// Reading JSON that somebody else wrote.

#ifndef MIRL_RUNTIME_WEIGHTS_JSON_H
#define MIRL_RUNTIME_WEIGHTS_JSON_H

#include <cstdint>
#include <string_view>

#include <nlohmann/json.hpp>

namespace mirl::rt {

inline constexpr int kMaxJsonDepth = 100;
// What a tokenizer.json, an index of weights or a run's own files may have. The largest known are a
// third of it.
inline constexpr int64_t kMaxJsonFile = int64_t{64} << 20;
// One line of JSON lines.
inline constexpr int64_t kMaxJsonLine = int64_t{16} << 20;

// Whether brackets outside of strings nest deeper than kMaxJsonDepth. One pass, no memory.
bool NestedTooDeeply(std::string_view text);

// The value; discarded (is_discarded) when the text is not JSON, or nested too deeply: a parser takes
// a hundred bytes for each bracket of a file of nothing else.
template <typename Json = nlohmann::json> Json ParseJson(std::string_view text) {
  if (NestedTooDeeply(text))
    return Json(Json::value_t::discarded);
  return Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

} // namespace mirl::rt

#endif // MIRL_RUNTIME_WEIGHTS_JSON_H
