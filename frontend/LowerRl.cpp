#include "frontend/LowerRl.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SaveAndRestore.h"

namespace mirl::frontend {

mlir::Location locationOf(Program &program, mlir::MLIRContext *context, Span span) {
  if (!span.valid())
    return mlir::UnknownLoc::get(context);
  Place place = program.sources.place(span);
  return mlir::FileLineColLoc::get(context, program.sources.path(span.file), place.line, place.column);
}

void RlLowering::run() {
  std::vector<const Decl *> all = program.declarations();
  for (const Decl *decl : all)
    if (decl->kind == DeclKind::Capacity)
      declareCapacity(*decl);
  // In an order in which everything is declared before its use.
  for (DeclKind kind : {DeclKind::Const, DeclKind::Param, DeclKind::Data, DeclKind::Policy, DeclKind::Optimizer,
                        DeclKind::Func, DeclKind::Step, DeclKind::Entry, DeclKind::Iteration})
    for (const Decl *decl : all)
      if (decl->kind == kind && !diagnostics.full())
        declare(*decl);
  const Decl *policy = nullptr;
  for (const Decl *decl : all)
    if (decl->kind == DeclKind::Policy && !policy)
      policy = decl;
  if (policy && !context)
    diagnostics.error(policy->nameSpan, "a program with a policy declares the longest sequence (prompt and response) "
                                        "that it holds: capacity context = 1024");
}

static bool isBuiltin(llvm::StringRef name);

void RlLowering::declare(const Decl &decl) {
  b.setInsertionPointToEnd(module.getBody());
  switch (decl.kind) {
  case DeclKind::Const:
    program.constant(decl);
    return;
  case DeclKind::Param:
    if (decl.name == "iteration") {
      diagnostics.error(decl.nameSpan, "`iteration` is the number of the iteration: a param needs another name");
      return;
    }
    if (symbol(decl))
      rl::ParamOp::create(b, loc(decl.nameSpan), b.getStringAttr(decl.name),
                          b.getF64FloatAttr(program.paramDefault(decl)));
    return;
  case DeclKind::Data: return declareData(decl);
  case DeclKind::Policy: return declarePolicy(decl);
  case DeclKind::Optimizer: return declareOptimizer(decl);
  case DeclKind::Func:
    if (isBuiltin(decl.name))
      diagnostics.error(decl.nameSpan, "`" + decl.name + "` is a function of the language: choose another name");
    // Library functions are checked when they are called.
    else if (decl.file == 0)
      checkFunction(decl, decl.nameSpan);
    return;
  case DeclKind::Step: return declareStep(decl);
  case DeclKind::Entry: return declareEntry(decl);
  case DeclKind::Iteration: return declareIteration(decl);
  default: return;
  }
}

static bool isBuiltin(llvm::StringRef name) {
  return llvm::StringSwitch<bool>(name)
      .Cases({"sum", "mean", "max", "min", "count", "exp", "log", "sqrt", "abs"}, true)
      .Cases({"sigmoid", "tanh", "log_sigmoid", "square", "clamp", "stop_gradient", "logprob"}, true)
      .Cases({"entropy", "sample", "score", "rescore", "exact_answer", "regex", "program", "draw"}, true)
      .Cases({"batches", "evaluate", "metric", "minimize", "adamw"}, true)
      .Default(false);
}

bool RlLowering::symbol(const Decl &decl) {
  if (!decl.value && decl.kind <= DeclKind::Optimizer)
    return false; // its syntax was wrong
  auto [it, added] = symbols.try_emplace(decl.name, &decl);
  if (added)
    return true;
  diagnostics.error(decl.nameSpan, "`" + decl.name + "` is declared twice");
  diagnostics.note(it->second->nameSpan, "it was declared here");
  return false;
}

void RlLowering::declareCapacity(const Decl &decl) {
  if (decl.name != "context") {
    diagnostics.error(decl.nameSpan, "there is no capacity `" + decl.name + "`" + didYouMean(decl.name, {"context"}) +
                                         "; a program declares `context`, the tokens of its longest sequence");
    return;
  }
  if (!decl.value)
    return;
  if (auto value = intArgument(decl.value, "the capacity `context`", 2, 1 << 24, 0)) {
    context = *value;
    module->setAttr("mirl.context", b.getI64IntegerAttr(*value));
  }
}

void RlLowering::declareData(const Decl &decl) {
  if (!symbol(decl))
    return;
  std::optional<std::string> path = stringArgument(decl.value, "the file of a dataset");
  if (!path)
    return;
  if (path->empty()) {
    diagnostics.error(decl.value->span, "the file of a dataset has a name");
    return;
  }
  // Relative to the file that says it.
  llvm::SmallString<256> full(*path);
  if (llvm::sys::path::is_relative(full)) {
    full = llvm::sys::path::parent_path(program.sources.path(decl.file));
    llvm::sys::path::append(full, *path);
    llvm::sys::fs::make_absolute(full);
  }
  llvm::sys::path::remove_dots(full, /*remove_dot_dot=*/true);
  rl::DatasetOp::create(b, loc(decl.nameSpan), b.getStringAttr(decl.name), b.getStringAttr(full));
}

void RlLowering::declarePolicy(const Decl &decl) {
  if (!symbol(decl))
    return;
  const Expr &e = *decl.value;
  if (e.kind != ExprKind::Call || e.a->kind != ExprKind::Name) {
    diagnostics.error(e.span, "a policy is a model with weights of its own: policy pi = qwen2()");
    return;
  }
  llvm::StringRef name = e.a->text;
  const Decl *model = program.lookup(e.span.file, name);
  if (!model || model->kind != DeclKind::Model) {
    std::vector<llvm::StringRef> names = program.visible(e.span.file, DeclKind::Model);
    diagnostics.error(e.a->span, "there is no model `" + name + "`" + didYouMean(name, names) +
                                     (names.empty() ? "; a model comes from `use model \"qwen2\"` or is declared with `model`"
                                                    : "; there is " + listOf(names)));
    return;
  }
  llvm::SmallVector<const Expr *> none;
  if (!bind(e, name, {}, none))
    return;
  bool known = llvm::any_of(models, [&](auto &pair) { return pair.first == model; });
  if (!known && symbol(*model))
    models.push_back({model, &decl});
  rl::PolicyOp::create(b, loc(decl.nameSpan), b.getStringAttr(decl.name),
                       mlir::FlatSymbolRefAttr::get(b.getContext(), name),
                       b.getStringAttr(decl.frozen ? "frozen" : "trainable"));
}

void RlLowering::declareOptimizer(const Decl &decl) {
  if (!symbol(decl))
    return;
  const Expr &e = *decl.value;
  if (e.kind != ExprKind::Call || e.a->kind != ExprKind::Name || e.a->text != "adamw") {
    diagnostics.error(e.span, "an optimizer is adamw(policy, lr = …, …)");
    return;
  }
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, "adamw",
            {{"policy"}, {"lr"}, {"beta1", false}, {"beta2", false}, {"eps", false}, {"weight_decay", false}, {"clip", false}, {"reset", false}},
            args))
    return;
  Val policy = evalKind(*args[0], ValKind::Policy, "the first argument of `adamw`");
  if (policy.isError())
    return;
  if (policy.decl->frozen) {
    diagnostics.error(args[0]->span, "an optimizer updates a trainable policy, and `" + policy.decl->name + "` is frozen");
    diagnostics.note(policy.decl->nameSpan, "it is declared here");
    return;
  }
  auto beta1 = floatArgument(args[2], "beta1", 0, 0.9999999, 0.9);
  auto beta2 = floatArgument(args[3], "beta2", 0, 0.9999999, 0.999);
  auto eps = floatArgument(args[4], "eps", 0, 1, 1e-8);
  auto decay = floatArgument(args[5], "weight_decay", 0, 1e6, 0);
  auto clip = floatArgument(args[6], "clip", 0, 1e30, 0);
  llvm::StringRef reset = "never";
  if (args[7]) {
    reset = args[7]->kind == ExprKind::Name ? args[7]->text : llvm::StringRef();
    if (reset != "iteration" && reset != "never") {
      diagnostics.error(args[7]->span, "reset must be `iteration` (moments start from zero in each iteration) or `never`");
      return;
    }
  }
  if (!beta1 || !beta2 || !eps || !decay || !clip)
    return;
  auto op = rl::OptimizerOp::create(b, loc(decl.nameSpan), b.getStringAttr(decl.name),
                                    mlir::FlatSymbolRefAttr::get(b.getContext(), policy.decl->name),
                                    b.getF32FloatAttr(*beta1), b.getF32FloatAttr(*beta2), b.getF32FloatAttr(*eps),
                                    b.getF32FloatAttr(*decay), b.getF32FloatAttr(*clip), b.getStringAttr(reset));
  llvm::SaveAndRestore inRoom(room, Room::Optimizer);
  b.setInsertionPointToStart(&op.getBody().emplaceBlock());
  Val lr = eval(*args[1]);
  mlir::Value rate = lr.isError() ? mlir::Value() : at(*args[1], lr, rl::Scope::batch, "a learning rate");
  rl::YieldOp::create(b, loc(*args[1]), rate ? mlir::ValueRange(rate) : mlir::ValueRange());
}

mlir::Type RlLowering::typeOf(llvm::StringRef word, Span span, bool records, bool scopes) {
  mlir::Type type = llvm::StringSwitch<mlir::Type>(word)
                        .Case("token", per(rl::Scope::token))
                        .Case("sequence", per(rl::Scope::sequence))
                        .Case("group", per(rl::Scope::group))
                        .Case("batch", per(rl::Scope::batch))
                        .Case("prompts", rl::PromptsType::get(b.getContext()))
                        .Case("trajectory", rl::TrajectoryType::get(b.getContext()))
                        .Default(mlir::Type());
  if (type && (llvm::isa<rl::PerType>(type) ? scopes : records))
    return type;
  std::vector<llvm::StringRef> words;
  if (scopes)
    words = {"token", "sequence", "group", "batch"};
  if (records && scopes)
    words.push_back("trajectory");
  else if (records)
    words.insert(words.end(), {"prompts", "trajectory"});
  diagnostics.error(span, "`" + word + "` is not a type here" + didYouMean(word, words) + "; it is one of " + listOf(words));
  return {};
}

static Val argumentValue(mlir::Value v) {
  if (llvm::isa<rl::PromptsType>(v.getType()))
    return Val::of(ValKind::Prompts, v);
  if (llvm::isa<rl::TrajectoryType>(v.getType()))
    return Val::of(ValKind::Trajectory, v);
  return Val::of(ValKind::Scoped, v);
}

bool RlLowering::bindName(llvm::StringRef name, Span span, Val value) {
  for (const auto &scope : scopes) {
    auto known = scope.find(name);
    if (known == scope.end())
      continue;
    diagnostics.error(span, "`" + name + "` has a value already");
    diagnostics.note(known->second.span, "it was given here");
    return false;
  }
  scopes.back()[name] = {value, span};
  return true;
}

void RlLowering::declareStep(const Decl &decl) {
  if (!symbol(decl))
    return;
  if (decl.parameters.size() != 1) {
    diagnostics.error(decl.nameSpan, "a step takes one argument, prompts or a trajectory; `" + decl.name + "` has " +
                                         llvm::Twine(decl.parameters.size()));
    return;
  }
  const Parameter &parameter = decl.parameters[0];
  mlir::Type type = typeOf(parameter.type, parameter.typeSpan, /*records=*/true, /*scopes=*/false);
  if (!type)
    return;
  bool gives = !decl.results.empty();
  if (gives && (decl.results.size() != 1 || decl.results[0].type != "trajectory")) {
    diagnostics.error(decl.results[0].span, "a step returns a trajectory or nothing");
    return;
  }
  if (!gives && llvm::isa<rl::PromptsType>(type)) {
    diagnostics.error(decl.nameSpan, "a step of prompts samples, and returns the trajectory: `-> trajectory`");
    return;
  }
  auto op = rl::StepOp::create(b, loc(decl.nameSpan), b.getStringAttr(decl.name), b.getStringAttr(parameter.name),
                               mlir::StringAttr());
  mlir::Block &block = op.getBody().emplaceBlock();
  block.addArgument(type, loc(parameter.span));
  b.setInsertionPointToStart(&block);
  llvm::SaveAndRestore inRoom(room, Room::Step);
  llvm::SaveAndRestore fresh(scopes, Scopes(1));
  bindName(parameter.name, parameter.span, argumentValue(block.getArgument(0)));
  returned.clear();
  hasReturned = false;
  unsigned errors = diagnostics.errors();
  runBody(decl.body);
  mlir::SmallVector<mlir::Value> yields;
  if (diagnostics.errors() == errors) {
    if (gives && returned.size() == 1 && decide(returned[0], ValKind::Trajectory, returnedSpans[0]) &&
        returned[0].kind == ValKind::Trajectory)
      yields.push_back(returned[0].value);
    else if (diagnostics.errors() != errors)
      ;
    else if (gives && !hasReturned)
      diagnostics.error(decl.body.close, "the step `" + decl.name + "` must return a trajectory before it ends");
    else if (gives)
      diagnostics.error(returnedSpans.empty() ? decl.body.close : returnedSpans[0],
                        "the step `" + decl.name + "` must return one trajectory, found " +
                            (returned.empty() ? "nothing" : returned.size() > 1 ? "several values" : returned[0].describe()));
    else if (!returned.empty())
      diagnostics.error(returnedSpans[0], "the step `" + decl.name + "` is declared without a result: add `-> trajectory`, or return nothing");
  }
  rl::YieldOp::create(b, loc(decl.body.close), yields);
}

void RlLowering::declareEntry(const Decl &decl) {
  if (!symbol(decl))
    return;
  unsigned errors = diagnostics.errors();
  mlir::SmallVector<mlir::Type> types, resultTypes;
  mlir::SmallVector<llvm::StringRef> names, results;
  for (const Parameter &p : decl.parameters) {
    types.push_back(typeOf(p.type, p.typeSpan, false, true));
    if (llvm::is_contained(names, p.name))
      diagnostics.error(p.span, "there is a parameter `" + p.name + "` already");
    names.push_back(p.name);
    if (p.value)
      diagnostics.error(p.value->span, "the caller of an entry gives every tensor: `" + p.name + "` cannot have a default");
  }
  for (const Parameter &p : decl.results) {
    if (p.name.empty())
      diagnostics.error(p.span, "the results of an entry have names: -> (loss: batch)");
    else if (llvm::is_contained(results, p.name))
      diagnostics.error(p.span, "there is a result `" + p.name + "` already");
    results.push_back(p.name);
    resultTypes.push_back(typeOf(p.type, p.typeSpan, false, true));
  }
  if (results.empty())
    diagnostics.error(decl.nameSpan, "an entry has results: entry " + decl.name + "(…) -> (loss: batch) { … }");
  mlir::SmallVector<int64_t> gradients;
  for (const auto &[name, span] : decl.gradients) {
    auto it = llvm::find(names, name);
    if (it == names.end())
      diagnostics.error(span, "`" + name + "` is not a parameter of `" + decl.name + "`" +
                                  didYouMean(name, std::vector<llvm::StringRef>(names.begin(), names.end())));
    else if (llvm::is_contained(gradients, it - names.begin()))
      diagnostics.error(span, "the gradient of `" + name + "` is asked for twice");
    else
      gradients.push_back(it - names.begin());
  }
  if (!gradients.empty() && !resultTypes.empty() && resultTypes[0] && resultTypes[0] != per(rl::Scope::batch))
    diagnostics.error(decl.results[0].typeSpan, "gradients are those of the first result, which must be per batch; it is per " + decl.results[0].type);
  if (diagnostics.errors() != errors)
    return;
  auto op = rl::EntryOp::create(b, loc(decl.nameSpan), b.getStringAttr(decl.name), b.getStrArrayAttr(names),
                                b.getStrArrayAttr(results), b.getDenseI64ArrayAttr(gradients));
  mlir::Block &block = op.getBody().emplaceBlock();
  llvm::SaveAndRestore inRoom(room, Room::Entry);
  llvm::SaveAndRestore fresh(scopes, Scopes(1));
  for (auto [type, p] : llvm::zip(types, decl.parameters))
    bindName(p.name, p.span, argumentValue(block.addArgument(type, loc(p.span))));
  b.setInsertionPointToStart(&block);
  returned.clear();
  returnedSpans.clear();
  hasReturned = false;
  runBody(decl.body);
  mlir::SmallVector<mlir::Value> yields;
  if (diagnostics.errors() == errors) {
    if (returned.size() != results.size()) {
      diagnostics.error(hasReturned && !returnedSpans.empty() ? returnedSpans[0] : decl.body.close,
                        "the entry `" + decl.name + "` must return " + llvm::Twine(results.size()) +
                            (results.size() == 1 ? " value (" : " values (") +
                            listOf(std::vector<llvm::StringRef>(results.begin(), results.end())) + "), found " +
                            llvm::Twine(returned.size()));
    } else {
      for (size_t i = 0; i < results.size(); ++i) {
        Expr where;
        where.span = returnedSpans[i];
        rl::Scope scope = llvm::cast<rl::PerType>(resultTypes[i]).getScope();
        if (mlir::Value v = at(where, returned[i], scope, "the result `" + results[i] + "`"))
          yields.push_back(v);
      }
    }
  }
  rl::YieldOp::create(b, loc(decl.body.close), yields);
}

void RlLowering::declareIteration(const Decl &decl) {
  if (symbols.count("iteration") && symbols["iteration"]->kind == DeclKind::Iteration) {
    diagnostics.error(decl.nameSpan, "a program has one `iteration`");
    diagnostics.note(symbols["iteration"]->nameSpan, "it was declared here");
    return;
  }
  symbols["iteration"] = &decl;
  auto op = rl::IterationOp::create(b, loc(decl.nameSpan));
  b.setInsertionPointToStart(&op.getBody().emplaceBlock());
  llvm::SaveAndRestore inRoom(room, Room::Iteration);
  llvm::SaveAndRestore fresh(scopes, Scopes(1));
  hasReturned = false;
  runBody(decl.body);
  rl::YieldOp::create(b, loc(decl.body.close), mlir::ValueRange());
}

bool RlLowering::checkFunction(const Decl &decl, Span caller) {
  auto known = checked.find(&decl);
  if (known != checked.end()) {
    if (known->second == Check::Running) {
      diagnostics.error(caller, "the function `" + decl.name + "` calls itself: functions are inlined, so recursion has no end");
      known->second = Check::Bad;
    }
    return known->second == Check::Good;
  }
  checked[&decl] = Check::Running;
  unsigned errors = diagnostics.errors();
  // Into a block that is thrown away.
  mlir::Block scratch;
  mlir::OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&scratch);
  {
    llvm::SaveAndRestore inRoom(room, Room::Function);
    llvm::SaveAndRestore fresh(scopes, Scopes(1));
    llvm::SaveAndRestore savedReturns(returned, std::vector<Val>());
    llvm::SaveAndRestore savedSpans(returnedSpans, std::vector<Span>());
    llvm::SaveAndRestore savedFlag(hasReturned, false);
    bool defaults = false;
    for (const Parameter &p : decl.parameters) {
      mlir::Type type = typeOf(p.type, p.typeSpan, /*records=*/true, /*scopes=*/true);
      Val v = type ? argumentValue(scratch.addArgument(type, loc(p.span))) : Val::error();
      if (p.value) {
        defaults = true;
        Val given = eval(*p.value);
        auto perType = llvm::dyn_cast_or_null<rl::PerType>(type);
        if (!given.isError() && perType)
          at(*p.value, given, perType.getScope(), "the parameter `" + p.name + "`");
        else if (type && !perType)
          diagnostics.error(p.value->span, "a trajectory has no default");
      } else if (defaults) {
        diagnostics.error(p.span, "a parameter without a default stands before those that have one");
      }
      bindName(p.name, p.span, v);
    }
    mlir::Type result;
    if (decl.results.size() != 1 || !decl.results[0].name.empty())
      diagnostics.error(decl.nameSpan, "a function has one result: func " + decl.name + "(…) -> batch { … }");
    else
      result = typeOf(decl.results[0].type, decl.results[0].typeSpan, false, true);
    unsigned before = diagnostics.errors();
    runBody(decl.body);
    if (result && diagnostics.errors() == before) {
      if (returned.size() != 1) {
        diagnostics.error(decl.body.close, "the function `" + decl.name + "` must return one value per " +
                                               decl.results[0].type + " before it ends");
      } else {
        Expr where;
        where.span = returnedSpans[0];
        at(where, returned[0], llvm::cast<rl::PerType>(result).getScope(), "the result of `" + decl.name + "`");
      }
    }
  }
  bool good = diagnostics.errors() == errors && checked[&decl] != Check::Bad;
  checked[&decl] = good ? Check::Good : Check::Bad;
  return good;
}

// --- statements --------------------------------------------------------------------------------

void RlLowering::runBody(const Body &body) {
  scopes.emplace_back();
  for (const Stmt *s : body.statements) {
    if (diagnostics.full())
      break;
    if (hasReturned) {
      diagnostics.error(s->span, "this is never reached: `return` stands before it");
      break;
    }
    runStatement(*s);
  }
  scopes.pop_back();
}

void RlLowering::runStatement(const Stmt &s) {
  switch (s.kind) {
  case StmtKind::Let: {
    Val v = eval(*s.value);
    if (v.kind == ValKind::None)
      v = error(s.value->span, quote(*s.value) + " gives no value");
    bindName(s.name, s.nameSpan, v);
    return;
  }
  case StmtKind::Assign:
    diagnostics.error(s.nameSpan, "a value cannot be changed: give the new one a name of its own with `let`");
    return;
  case StmtKind::Return: return runReturn(s);
  case StmtKind::Expression: {
    Val v = eval(*s.value);
    if (!v.isError() && v.kind != ValKind::None && !(v.kind == ValKind::Trajectory && room == Room::Iteration))
      diagnostics.error(s.span, "nothing is done with this value: name it with `let`, or `return` it");
    return;
  }
  case StmtKind::For:
  case StmtKind::Repeat: return runLoop(s);
  case StmtKind::If:
    diagnostics.error(s.span, "here a choice is an expression: let x = if condition then a else b");
    return;
  case StmtKind::Weight:
    diagnostics.error(s.span, "weights are declared in a `model`");
    return;
  }
}

void RlLowering::runReturn(const Stmt &s) {
  if (room == Room::Iteration) {
    diagnostics.error(s.span, "the iteration returns nothing");
    return;
  }
  hasReturned = true;
  returned.clear();
  returnedSpans.clear();
  for (const Expr *e : s.values) {
    returned.push_back(eval(*e));
    returnedSpans.push_back(e->span);
  }
}

void RlLowering::runLoop(const Stmt &s) {
  if (room != Room::Iteration) {
    diagnostics.error(s.span, "loops stand in `iteration` and in models; sums over tokens, sequences and groups are written sum(x, over = …)");
    return;
  }
  mlir::OpBuilder::InsertionGuard guard(b);
  if (s.kind == StmtKind::Repeat) {
    auto count = intArgument(s.value, "the count of `repeat`", 1, 1 << 20, 1);
    if (!count)
      return;
    auto op = rl::RepeatOp::create(b, loc(s.span), b.getI64IntegerAttr(*count));
    b.setInsertionPointToStart(&op.getBody().emplaceBlock());
    runBody(s.body);
    rl::YieldOp::create(b, loc(s.body.close), mlir::ValueRange());
    return;
  }
  const Expr &e = *s.value;
  if (s.to || e.kind != ExprKind::Call || e.a->kind != ExprKind::Name || e.a->text != "batches") {
    diagnostics.error(e.span, "a loop of the iteration is `for b in batches(y, sequences) { … }` or `repeat n { … }`");
    return;
  }
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, "batches", {{"trajectory"}, {"sequences"}, {"shuffle", false}}, args))
    return;
  Val trajectory = evalTrajectory(*args[0], "the first argument of `batches`");
  auto sequences = intArgument(args[1], "the sequences of a batch", 1, 1 << 24, 1);
  bool shuffle = true;
  if (args[2]) {
    ConstantEvaluator constants(program);
    Val v = constants.eval(*args[2]);
    if (!v.isError() && v.kind != ValKind::Bool)
      diagnostics.error(args[2]->span, "shuffle must be true or false, found " + v.describe());
    if (v.kind != ValKind::Bool)
      return;
    shuffle = v.integer;
  }
  if (trajectory.isError() || !sequences)
    return;
  auto op = rl::BatchesOp::create(b, loc(s.span), trajectory.value, b.getI64IntegerAttr(*sequences), b.getBoolAttr(shuffle));
  mlir::Block &block = op.getBody().emplaceBlock();
  block.addArgument(rl::TrajectoryType::get(b.getContext()), loc(s.nameSpan));
  b.setInsertionPointToStart(&block);
  scopes.emplace_back();
  bindName(s.name, s.nameSpan, argumentValue(block.getArgument(0)));
  runBody(s.body);
  scopes.pop_back();
  rl::YieldOp::create(b, loc(s.body.close), mlir::ValueRange());
}

} // namespace mirl::frontend
