#include "frontend/Program.h"

#include <cmath>
#include <cstdlib>

#include "frontend/Evaluator.h"
#include "frontend/Parser.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

namespace mirl::frontend {

static constexpr uint64_t kMaxFileSize = 16u << 20;

std::string libraryDirectory(const FrontendOptions &options) {
  if (!options.libraryDir.empty())
    return options.libraryDir;
  if (const char *fromEnvironment = std::getenv("MIRL_LIBRARY"); fromEnvironment && *fromEnvironment)
    return fromEnvironment;
  if (llvm::sys::fs::is_directory(MIRL_SOURCE_LIBRARY))
    return MIRL_SOURCE_LIBRARY;
  return MIRL_INSTALLED_LIBRARY;
}

static std::string canonicalPath(llvm::StringRef path) {
  llvm::SmallString<256> real;
  return llvm::sys::fs::real_path(path, real) ? path.str() : real.str().str();
}

std::optional<unsigned> Program::loadFile(const std::string &path, Span usedAt) {
  std::string canonical = canonicalPath(path);
  auto known = byPath.find(canonical);
  if (known != byPath.end())
    return known->second;
  auto fail = [&](const llvm::Twine &message) {
    if (usedAt.valid())
      diagnostics.error(usedAt, path + ": " + message);
    else
      diagnostics.plainError(path, message);
    return std::nullopt;
  };
  llvm::sys::fs::file_status status;
  if (std::error_code error = llvm::sys::fs::status(path, status))
    return fail("cannot be read: " + error.message());
  if (status.type() == llvm::sys::fs::file_type::directory_file)
    return fail("is a directory; a .mirl file is needed");
  if (status.type() != llvm::sys::fs::file_type::regular_file)
    return fail("is not a regular file");
  if (status.getSize() > kMaxFileSize)
    return fail("is " + llvm::Twine(status.getSize() >> 20) + " MiB; a .mirl file is at most 16 MiB");
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return fail("cannot be read: " + buffer.getError().message());
  return loadText(path, (*buffer)->getBuffer().str(), usedAt);
}

unsigned Program::loadText(const std::string &path, std::string text, Span usedAt) {
  unsigned index = sources.add(path, std::move(text), usedAt);
  byPath[canonicalPath(path)] = index;
  files.emplace_back();
  files[index].tree = parse(sources, index, diagnostics);
  File &file = files[index];
  for (const Decl &decl : file.tree->declarations) {
    if (decl.kind == DeclKind::Use) {
      std::optional<std::string> found = find(decl);
      if (!found)
        continue;
      if (std::optional<unsigned> used = loadFile(*found, decl.span))
        file.uses.push_back(*used);
      continue;
    }
    auto [it, added] = file.names.try_emplace(decl.name, &decl);
    if (!added) {
      diagnostics.error(decl.nameSpan, decl.kind == DeclKind::Iteration && it->second->kind == DeclKind::Iteration
                                           ? llvm::Twine("a program has one `iteration`")
                                           : "`" + decl.name + "` is declared twice");
      diagnostics.note(it->second->nameSpan, "it was declared here");
    }
  }
  return index;
}

std::optional<std::string> Program::find(const Decl &use) {
  bool model = use.type == "model";
  llvm::StringRef name = use.value->text;
  std::vector<std::string> tried;
  auto place = [&](llvm::StringRef directory) {
    llvm::SmallString<256> path(directory);
    llvm::sys::path::append(path, name);
    if (!name.ends_with(".mirl"))
      path += ".mirl";
    tried.push_back(path.str().str());
    // A program named after a library uses the library, not itself.
    return llvm::sys::fs::exists(path) && canonicalPath(tried.back()) != canonicalPath(sources.path(use.file));
  };
  llvm::StringRef own = llvm::sys::path::parent_path(sources.path(use.file));
  llvm::SmallString<256> library(libraryDirectory(options));
  llvm::sys::path::append(library, model ? "models" : "lib");
  if (!name.empty() && (place(own) || place(library)))
    return tried.back();
  std::vector<std::string> names;
  std::error_code error;
  for (llvm::sys::fs::directory_iterator it(library, error), end; it != end && !error; it.increment(error))
    if (llvm::sys::path::extension(it->path()) == ".mirl")
      names.push_back(llvm::sys::path::stem(it->path()).str());
  llvm::sort(names);
  std::vector<llvm::StringRef> refs(names.begin(), names.end());
  diagnostics.error(use.value->span, llvm::Twine("there is no ") + (model ? "model" : "library") + " `" + name + "`" +
                                         didYouMean(name, refs));
  for (const std::string &path : tried)
    diagnostics.note(use.value->span, "looked for " + path);
  return std::nullopt;
}

void Program::collect(unsigned file, std::vector<unsigned> &order) const {
  if (llvm::is_contained(order, file))
    return;
  order.push_back(file);
  for (unsigned used : files[file].uses)
    collect(used, order);
}

const Decl *Program::lookup(unsigned file, llvm::StringRef name) const {
  std::vector<unsigned> order;
  collect(file, order);
  for (unsigned f : order)
    if (auto it = files[f].names.find(name); it != files[f].names.end())
      return it->second;
  return nullptr;
}

std::vector<llvm::StringRef> Program::visible(unsigned file, llvm::ArrayRef<DeclKind> kinds) const {
  std::vector<unsigned> order;
  collect(file, order);
  std::vector<llvm::StringRef> result;
  for (unsigned f : order)
    for (const Decl &decl : files[f].tree->declarations)
      if (!decl.name.empty() && (kinds.empty() || llvm::is_contained(kinds, decl.kind)))
        result.push_back(decl.name);
  return result;
}

std::vector<const Decl *> Program::declarations() const {
  std::vector<const Decl *> result;
  for (const File &file : files)
    for (const Decl &decl : file.tree->declarations)
      if (decl.kind != DeclKind::Use)
        result.push_back(&decl);
  return result;
}

bool Program::load(const std::string *text) {
  if (text)
    loadText(options.file, *text, Span());
  else
    loadFile(options.file, Span());
  if (diagnostics.errors() == 0)
    applySets();
  return diagnostics.errors() == 0;
}

void Program::applySets() {
  for (const auto &[name, value] : options.sets) {
    std::string spec = "--set " + name + "=" + value;
    const Decl *decl = nullptr;
    std::vector<llvm::StringRef> names;
    for (const Decl *d : declarations()) {
      if (d->kind != DeclKind::Const && d->kind != DeclKind::Param)
        continue;
      names.push_back(d->name);
      if (d->name == name && !decl)
        decl = d;
    }
    if (!decl) {
      diagnostics.plainError(spec, "the program has no const or param `" + name + "`" + didYouMean(name, names) +
                                       (names.empty() ? "; it has none at all" : "; it has " + listOf(names)));
      continue;
    }
    parseSet(*decl, spec, value);
  }
}

bool Program::parseSet(const Decl &decl, llvm::StringRef spec, llvm::StringRef value) {
  auto fail = [&](llvm::StringRef wanted) {
    diagnostics.plainError(spec, "`" + decl.name + "` is " + wanted + ", found `" + value + "`");
    diagnostics.note(decl.nameSpan, "it is declared here");
    return false;
  };
  Val v;
  if (decl.type == "string") {
    v = Val::ofString(value);
  } else if (decl.type == "bool") {
    if (value != "true" && value != "false")
      return fail("a boolean, true or false");
    v = Val::ofBool(value == "true");
  } else if (decl.type == "int") {
    int64_t i = 0;
    if (value.getAsInteger(10, i))
      return fail("a whole number");
    v = Val::ofInt(i);
  } else {
    double d = 0;
    if (value.getAsDouble(d) || !std::isfinite(d))
      return fail("a number");
    v = Val::ofFloat(d);
  }
  overrides[&decl] = v;
  return true;
}

Val Program::constant(const Decl &decl) {
  auto known = constants.find(&decl);
  if (known != constants.end())
    return known->second;
  if (auto it = overrides.find(&decl); it != overrides.end())
    return constants[&decl] = it->second;
  if (evaluating[&decl]) {
    diagnostics.error(decl.nameSpan, "the const `" + decl.name + "` is defined by itself");
    return constants[&decl] = Val::error();
  }
  if (!decl.value)
    return constants[&decl] = Val::error();
  evaluating[&decl] = true;
  ConstantEvaluator evaluator(*this);
  Val v = evaluator.eval(*decl.value);
  evaluating[&decl] = false;
  if (auto failed = constants.find(&decl); failed != constants.end())
    return failed->second;
  if (!v.isError()) {
    bool isParam = decl.kind == DeclKind::Param;
    bool known = isParam ? decl.type == "f32"
                         : decl.type == "int" || decl.type == "float" || decl.type == "bool" || decl.type == "string";
    if (!known) {
      diagnostics.error(decl.typeSpan, isParam ? "the type of a param is f32; found `" + decl.type + "`"
                                               : "the type of a const is int, float, bool or string; found `" +
                                                     decl.type + "`");
      v = Val::error();
    } else if ((decl.type == "int" && v.kind != ValKind::Int) ||
               ((decl.type == "float" || isParam) && !v.isNumber()) ||
               (decl.type == "bool" && v.kind != ValKind::Bool) ||
               (decl.type == "string" && v.kind != ValKind::String)) {
      diagnostics.error(decl.value->span, "`" + decl.name + "` is declared as " + decl.type + ", found " + v.describe());
      v = Val::error();
    } else if (decl.type == "float" || isParam) {
      v = Val::ofFloat(v.asDouble());
    }
  }
  return constants[&decl] = v;
}

double Program::paramDefault(const Decl &decl) {
  Val v = constant(decl);
  return v.isError() ? 0 : v.asDouble();
}

} // namespace mirl::frontend
