// The files of a program, what they declare, and its compile-time constants.

#ifndef MIRL_FRONTEND_PROGRAM_H
#define MIRL_FRONTEND_PROGRAM_H

#include <map>

#include "frontend/Frontend.h"
#include "frontend/Value.h"
#include "llvm/ADT/StringMap.h"

namespace mirl::frontend {

class Program {
public:
  Program(const FrontendOptions &options, llvm::raw_ostream &out)
      : options(options), diagnostics(sources, out) {}

  // Reads and parses the program and everything it uses, and applies --set. The result is whether
  // no error was found. With `text` the file itself is not read.
  bool load(const std::string *text);

  // The declaration that a name means in a file: its own, else one of the files it uses.
  const Decl *lookup(unsigned file, llvm::StringRef name) const;
  // The names of that kind (all kinds by default) that a file sees, for suggestions.
  std::vector<llvm::StringRef> visible(unsigned file, llvm::ArrayRef<DeclKind> kinds = {}) const;
  // All declarations, the program's own files first.
  std::vector<const Decl *> declarations() const;

  // The value of a `const`, of its type; a constant that is defined by itself is an error.
  Val constant(const Decl &decl);
  // The default of a `param`, after --set.
  double paramDefault(const Decl &decl);

  const FrontendOptions &options;
  Sources sources;
  Diagnostics diagnostics;

private:
  struct File {
    std::unique_ptr<Tree> tree;
    llvm::StringMap<const Decl *> names;
    std::vector<unsigned> uses;
  };

  // The file's index, or nullopt after an error.
  std::optional<unsigned> loadFile(const std::string &path, Span usedAt);
  unsigned loadText(const std::string &path, std::string text, Span usedAt);
  std::optional<std::string> find(const Decl &use);
  void collect(unsigned file, std::vector<unsigned> &order) const;
  void applySets();
  bool parseSet(const Decl &decl, llvm::StringRef spec, llvm::StringRef value);

  std::deque<File> files;
  llvm::StringMap<unsigned> byPath;
  std::map<const Decl *, Val> constants;
  std::map<const Decl *, Val> overrides;
  std::map<const Decl *, bool> evaluating;
};

// The directory with lib/ and models/: the option, else MIRL_LIBRARY, else the compiled-in places.
std::string libraryDirectory(const FrontendOptions &options);

} // namespace mirl::frontend

#endif // MIRL_FRONTEND_PROGRAM_H
