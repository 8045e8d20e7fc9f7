#include "frontend/Source.h"

#include <algorithm>

namespace mirl::frontend {

unsigned Sources::add(std::string path, std::string text, Span usedAt) {
  File &file = files.emplace_back();
  file.path = std::move(path);
  file.text = std::move(text);
  file.usedAt = usedAt;
  file.lines.push_back(0);
  for (size_t i = 0, e = file.text.size(); i != e; ++i)
    if (file.text[i] == '\n')
      file.lines.push_back(i + 1);
  return files.size() - 1;
}

Place Sources::place(Span span) const {
  const std::vector<unsigned> &lines = files[span.file].lines;
  auto after = std::upper_bound(lines.begin(), lines.end(), span.begin);
  unsigned line = after - lines.begin();
  return {line, span.begin - lines[line - 1] + 1};
}

llvm::StringRef Sources::line(unsigned file, unsigned line) const {
  const File &f = files[file];
  if (line == 0 || line > f.lines.size())
    return {};
  size_t begin = f.lines[line - 1];
  size_t end = line < f.lines.size() ? f.lines[line] - 1 : f.text.size();
  return llvm::StringRef(f.text).slice(begin, end).rtrim('\r');
}

Span Sources::at(unsigned file, Place place) const {
  const File &f = files[file];
  if (place.line == 0 || place.line > f.lines.size())
    return {file, 0, 0};
  unsigned size = f.text.size();
  unsigned begin = std::min(f.lines[place.line - 1] + place.column - 1, size);
  return {file, begin, std::min(begin + 1, size)};
}

bool Diagnostics::admit() {
  silenced = full();
  if (!silenced)
    ++count;
  return !silenced;
}

void Diagnostics::error(Span span, const llvm::Twine &message) {
  if (!admit())
    return;
  print(span, "error", message);
  for (size_t i = contexts.size(); i-- > 0;)
    print(contexts[i].first, "note", contexts[i].second);
  // How the program came to a library file.
  unsigned hops = 0;
  for (unsigned file = span.file; file != ~0u && sources.usedAt(file).valid() && hops < 8; ++hops) {
    Span use = sources.usedAt(file);
    print(use, "note", "the file with the error is used here");
    file = use.file;
  }
  if (full())
    out << "too many errors: stopping after " << kMaxErrors << "\n";
}

void Diagnostics::note(Span span, const llvm::Twine &message) {
  if (!silenced)
    print(span, "note", message);
}

void Diagnostics::plainError(const llvm::Twine &who, const llvm::Twine &message) {
  if (!admit())
    return;
  out << who << ": error: " << message << "\n";
  for (size_t i = contexts.size(); i-- > 0;)
    print(contexts[i].first, "note", contexts[i].second);
}

// Bytes that are safe to print: control bytes and broken UTF-8 become '?', tabs stay.
static std::string printable(llvm::StringRef text) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    unsigned char c = text[i];
    size_t length = c < 0x80 ? 1 : (c >> 5) == 6 ? 2 : (c >> 4) == 14 ? 3 : (c >> 3) == 30 ? 4 : 0;
    bool good = length != 0 && i + length <= text.size();
    for (size_t k = 1; good && k < length; ++k)
      good = (static_cast<unsigned char>(text[i + k]) & 0xC0) == 0x80;
    if (!good || (c < 0x20 && c != '\t') || c == 0x7F) {
      result += '?';
      ++i;
      continue;
    }
    result += text.substr(i, length);
    i += length;
  }
  return result;
}

static unsigned characters(llvm::StringRef printableText) {
  return llvm::count_if(printableText, [](unsigned char c) { return (c & 0xC0) != 0x80; });
}

void Diagnostics::print(Span span, llvm::StringRef severity, const llvm::Twine &message) {
  if (!span.valid()) {
    out << severity << ": " << message << "\n";
    return;
  }
  Place place = sources.place(span);
  out << sources.path(span.file) << ":" << place.line << ":" << place.column << ": " << severity
      << ": " << message << "\n";
  llvm::StringRef line = sources.line(span.file, place.line);
  size_t column = std::min<size_t>(place.column - 1, line.size());
  // A window of a very long line.
  constexpr size_t kWindow = 160;
  size_t from = line.size() <= kWindow || column < kWindow / 2 ? 0 : column - kWindow / 2;
  while (from > 0 && (static_cast<unsigned char>(line[from]) & 0xC0) == 0x80)
    --from;
  llvm::StringRef shown = line.substr(from, kWindow);
  out << "  " << printable(shown) << "\n  ";
  std::string before = printable(shown.take_front(column - from));
  for (unsigned char c : before)
    if ((c & 0xC0) != 0x80)
      out << (c == '\t' ? '\t' : ' ');
  size_t width = span.end > span.begin ? span.end - span.begin : 1;
  llvm::StringRef marked = shown.substr(column - from, width);
  unsigned marks = std::max(1u, characters(printable(marked)));
  out << '^' << std::string(marks - 1, '~') << "\n";
}

std::string didYouMean(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> candidates) {
  llvm::StringRef best;
  if (name.size() < 3 || name.size() > 64)
    return "";
  unsigned limit = name.size() < 4 ? 1 : std::max<size_t>(2, std::min<size_t>(name.size() / 3, 4));
  unsigned distance = limit + 1;
  for (llvm::StringRef candidate : candidates) {
    unsigned d = name.edit_distance(candidate, /*AllowReplacements=*/true, limit);
    if (d < distance && candidate != name) {
      distance = d;
      best = candidate;
    }
  }
  return best.empty() ? "" : (" (did you mean `" + best + "`?)").str();
}

std::string listOf(llvm::ArrayRef<llvm::StringRef> names) {
  std::string result;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i != 0)
      result += i + 1 == names.size() ? " and " : ", ";
    result += names[i];
  }
  return result;
}

} // namespace mirl::frontend
