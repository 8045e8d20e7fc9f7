// Source texts, places in them, and the errors that are printed about them.

#ifndef MIRL_FRONTEND_SOURCE_H
#define MIRL_FRONTEND_SOURCE_H

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/raw_ostream.h"

namespace mirl::frontend {

// Bytes [begin, end) of a file. `file` is an index into Sources.
struct Span {
  unsigned file = ~0u;
  unsigned begin = 0;
  unsigned end = 0;

  bool valid() const { return file != ~0u; }
  // From the beginning of this one to the end of the other.
  Span to(Span other) const { return {file, begin, other.end > end ? other.end : end}; }
};

struct Place {
  unsigned line = 1;   // from 1
  unsigned column = 1; // in bytes, from 1
};

// The files of one compilation. Their texts stay where they are until the end.
class Sources {
public:
  // `usedAt` is the `use` that asked for the file (invalid for the program itself).
  unsigned add(std::string path, std::string text, Span usedAt);

  llvm::StringRef path(unsigned file) const { return files[file].path; }
  llvm::StringRef text(unsigned file) const { return files[file].text; }
  Span usedAt(unsigned file) const { return files[file].usedAt; }
  unsigned size() const { return files.size(); }
  Place place(Span span) const;
  // The text of the line that holds a byte.
  llvm::StringRef line(unsigned file, unsigned line) const;
  // The span of one byte, for diagnostics that come with line and column.
  Span at(unsigned file, Place place) const;

private:
  struct File {
    std::string path;
    std::string text;
    Span usedAt;
    std::vector<unsigned> lines; // first byte of each line
  };
  std::deque<File> files;
};

// Prints errors as `file:line:col: error: …`, the line, and a caret under the span. Stops after
// kMaxErrors: whoever loops over input looks at `full`.
class Diagnostics {
public:
  static constexpr unsigned kMaxErrors = 20;

  Diagnostics(const Sources &sources, llvm::raw_ostream &out) : sources(sources), out(out) {}

  void error(Span span, const llvm::Twine &message);
  void note(Span span, const llvm::Twine &message);
  // An error that has no place in a source file: `who` is a file or a command-line option.
  void plainError(const llvm::Twine &who, const llvm::Twine &message);

  unsigned errors() const { return count; }
  bool full() const { return count >= kMaxErrors; }

  // While it lives, each error is followed by this note.
  class Context {
  public:
    Context(Diagnostics &diagnostics, Span span, std::string message) : owner(diagnostics) {
      owner.contexts.push_back({span, std::move(message)});
    }
    ~Context() { owner.contexts.pop_back(); }
    Context(const Context &) = delete;
    Context &operator=(const Context &) = delete;

  private:
    Diagnostics &owner;
  };

private:
  friend class Context;
  bool admit();
  void print(Span span, llvm::StringRef severity, const llvm::Twine &message);

  const Sources &sources;
  llvm::raw_ostream &out;
  unsigned count = 0;
  bool silenced = false; // the notes of an error that was not printed
  std::vector<std::pair<Span, std::string>> contexts;
};

// " (did you mean `x`?)" for the nearest of the candidates, or nothing when none is near.
std::string didYouMean(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> candidates);
// "a, b and c"
std::string listOf(llvm::ArrayRef<llvm::StringRef> names);

} // namespace mirl::frontend

#endif // MIRL_FRONTEND_SOURCE_H
