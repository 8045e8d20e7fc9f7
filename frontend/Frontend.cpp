#include "frontend/Compile.h"

#include "frontend/LowerModel.h"
#include "frontend/LowerRl.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

namespace mirl::frontend {

// What the dialects' verifiers say, in the same form as our own errors.
static mlir::LogicalResult report(Program &program, mlir::Diagnostic &diagnostic) {
  if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error)
    return mlir::success();
  auto spanOf = [&](mlir::Location location) {
    Span span;
    if (auto place = location->findInstanceOf<mlir::FileLineColLoc>())
      for (unsigned file = 0; file < program.sources.size(); ++file)
        if (program.sources.path(file) == place.getFilename().getValue())
          span = program.sources.at(file, {place.getLine(), place.getColumn()});
    return span;
  };
  program.diagnostics.error(spanOf(diagnostic.getLocation()), diagnostic.str());
  for (mlir::Diagnostic &note : diagnostic.getNotes())
    if (Span span = spanOf(note.getLocation()); span.valid())
      program.diagnostics.note(span, note.str());
  return mlir::success();
}

mlir::OwningOpRef<mlir::ModuleOp> compile(mlir::MLIRContext &context, const FrontendOptions &options,
                                          const std::string *text, llvm::raw_ostream &errors) {
  context.loadDialect<rl::RlDialect, nn::NnDialect, mlir::func::FuncDialect>();
  Program program(options, errors);
  // Lowering goes on after syntax errors only to look at names where the syntax is whole.
  if (!program.load(text))
    return {};
  mlir::OpBuilder builder(&context);
  Span start{0, 0, 0};
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(locationOf(program, &context, start));
  (*module)->setAttr("mirl.source_file", builder.getStringAttr(options.file));
  // A plan is run from anywhere.
  llvm::SmallString<256> modelDir(options.modelDir);
  if (!modelDir.empty() && !llvm::sys::fs::make_absolute(modelDir))
    llvm::sys::path::remove_dots(modelDir, /*remove_dot_dot=*/true);
  (*module)->setAttr("mirl.model_dir", builder.getStringAttr(modelDir));
  RlLowering lowering(program, *module);
  lowering.run();
  (*module)->setAttr("mirl.model_config", builder.getStringAttr(""));
  if (!lowering.models.empty() && !program.diagnostics.full()) {
    Config config;
    Span asker = lowering.models.front().second->nameSpan;
    if (config.load(options.modelDir, program.sources, program.diagnostics, asker)) {
      (*module)->setAttr("mirl.model_config", builder.getStringAttr(config.text));
      for (auto [model, policy] : lowering.models) {
        Diagnostics::Context note(program.diagnostics, policy->nameSpan,
                                  ("the model `" + model->name + "` is used by the policy `" + policy->name + "`").str());
        ModelLowering(program, config, *module, lowering.context.value_or(2)).run(*model);
      }
    }
  }
  if (program.diagnostics.errors() != 0)
    return {};
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &d) { return report(program, d); });
  if (mlir::failed(mlir::verify(*module))) {
    if (program.diagnostics.errors() == 0)
      program.diagnostics.plainError(options.file, "the program does not verify");
    return {};
  }
  return module;
}

mlir::OwningOpRef<mlir::ModuleOp> compileFile(mlir::MLIRContext &context, const FrontendOptions &options) {
  return compile(context, options, nullptr, llvm::errs());
}

} // namespace mirl::frontend
