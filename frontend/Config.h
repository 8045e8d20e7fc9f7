// A model's config.json.

#ifndef MIRL_FRONTEND_CONFIG_H
#define MIRL_FRONTEND_CONFIG_H

#include <optional>

#include "frontend/Source.h"
#include "frontend/Value.h"
#include "llvm/Support/JSON.h"

namespace mirl::frontend {

class Config {
public:
  // Reads DIR/config.json; false after an error, which is about the file, or `asker` when there is none.
  bool load(const std::string &directory, Sources &sources, Diagnostics &diagnostics, Span asker);

  // The number, boolean or string at a key, or at a path of keys separated by `.`; nullopt when the
  // key is missing or null. `found` gets the JSON kind when it is none of these.
  std::optional<Val> get(llvm::StringRef key, std::string &found) const;
  std::vector<llvm::StringRef> keys() const;

  std::string path;
  std::string text;

private:
  llvm::json::Value root = nullptr;
};

} // namespace mirl::frontend

#endif // MIRL_FRONTEND_CONFIG_H
