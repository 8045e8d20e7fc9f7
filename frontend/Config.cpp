#include "frontend/Config.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

namespace mirl::frontend {

// LLVM's JSON parser recurses without a limit: the depth is looked at first.
static std::optional<unsigned> tooDeepAt(llvm::StringRef text) {
  constexpr unsigned kMaxDepth = 100;
  unsigned depth = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inString) {
      if (c == '\\')
        ++i;
      inString = c != '"';
    } else if (c == '"') {
      inString = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth)
        return i;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return std::nullopt;
}

bool Config::load(const std::string &directory, Sources &sources, Diagnostics &diagnostics, Span asker) {
  if (directory.empty()) {
    diagnostics.error(asker, "a policy needs a model's config.json: give the model's directory with --model DIR");
    return false;
  }
  llvm::SmallString<256> file(directory);
  llvm::sys::path::append(file, "config.json");
  path = file.str().str();
  llvm::sys::fs::file_status status;
  std::error_code error = llvm::sys::fs::status(path, status);
  if (!error && status.type() != llvm::sys::fs::file_type::regular_file)
    error = std::make_error_code(std::errc::invalid_argument);
  if (error) {
    diagnostics.error(asker, path + " cannot be read: " + error.message());
    return false;
  }
  if (status.getSize() > (16u << 20)) {
    diagnostics.plainError(path, "is larger than 16 MiB; this is no config.json");
    return false;
  }
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) {
    diagnostics.error(asker, path + " cannot be read: " + buffer.getError().message());
    return false;
  }
  text = (*buffer)->getBuffer().str();
  unsigned index = sources.add(path, text, Span());
  if (auto at = tooDeepAt(text)) {
    diagnostics.error({index, *at, *at + 1}, "nested too deeply: at most 100 levels");
    return false;
  }
  llvm::Expected<llvm::json::Value> parsed = llvm::json::parse(text);
  if (!parsed) {
    // "[line:column, byte=n]: message"
    std::string message = llvm::toString(parsed.takeError());
    llvm::StringRef rest = message;
    Place place;
    unsigned long long line = 0, column = 0;
    if (rest.consume_front("[") && !rest.consumeInteger(10, line) && rest.consume_front(":") &&
        !rest.consumeInteger(10, column)) {
      place.line = line;
      place.column = column + 1;
      rest = rest.split("]: ").second;
    }
    diagnostics.error(sources.at(index, place), "this is not JSON: " + (rest.empty() ? llvm::StringRef(message) : rest));
    return false;
  }
  root = std::move(*parsed);
  if (!root.getAsObject()) {
    diagnostics.error({index, 0, 1}, "a config.json holds an object: { \"hidden_size\": 96, … }");
    return false;
  }
  return true;
}

std::optional<Val> Config::get(llvm::StringRef key, std::string &found) const {
  const llvm::json::Object *object = root.getAsObject();
  const llvm::json::Value *value = object ? object->get(key) : nullptr;
  // A path into nested objects.
  llvm::StringRef rest = key;
  while (!value && object && rest.contains('.')) {
    auto [head, tail] = rest.split('.');
    const llvm::json::Value *inner = object->get(head);
    object = inner ? inner->getAsObject() : nullptr;
    value = object ? object->get(tail) : nullptr;
    rest = tail;
  }
  if (!value || value->kind() == llvm::json::Value::Null)
    return std::nullopt;
  if (auto boolean = value->getAsBoolean())
    return Val::ofBool(*boolean);
  // 1e-06 and 10000.0 are floats although 10000.0 is whole: either is a number to the model.
  if (auto integer = value->getAsInteger())
    return Val::ofInt(*integer);
  if (auto number = value->getAsNumber())
    return Val::ofFloat(*number);
  if (auto string = value->getAsString())
    return Val::ofString(*string);
  found = value->kind() == llvm::json::Value::Array ? "an array" : "an object";
  return std::nullopt;
}

std::vector<llvm::StringRef> Config::keys() const {
  std::vector<llvm::StringRef> result;
  if (const llvm::json::Object *object = root.getAsObject())
    for (const auto &entry : *object)
      result.push_back(entry.first);
  llvm::sort(result);
  return result;
}

} // namespace mirl::frontend
