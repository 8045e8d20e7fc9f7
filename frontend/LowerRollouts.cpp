// The functions of the language that draw, sample, verify and score.

#include "frontend/LowerRl.h"

namespace mirl::frontend {

using rl::Scope;

Val RlLowering::callSample(const Expr &e) {
  if (!onlyIn(e, Room::Step, "a step"))
    return Val::error();
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, "sample", {{"policy"}, {"prompts"}, {"n", false}, {"temperature", false}, {"top_k", false}, {"top_p", false}, {"max_tokens"},
                          {"budget", false}, {"total_budget", false}, {"max_age", false}, {"in_flight", false}, {"cache", false},
                          {"ready", false},
                          {"repeat_ngram", false}, {"repeat_times", false}, {"repeat_window", false}}, args))
    return Val::error();
  Val policy = evalKind(*args[0], ValKind::Policy, "the first argument of `sample`");
  Val prompts = evalKind(*args[1], ValKind::Prompts, "the second argument of `sample`");
  auto n = intArgument(args[2], "n", 1, 1 << 20, 1);
  auto temperature = floatArgument(args[3], "temperature", 0, 1e6, 1.0);
  auto topK = intArgument(args[4], "top_k", 0, INT32_MAX, 0);
  auto topP = floatArgument(args[5], "top_p", 1e-6, 1, 1.0);
  int64_t longest = context ? *context - 1 : INT32_MAX;
  auto maxTokens = intArgument(args[6], context ? "max_tokens (prompt and response fit into `capacity context`)" : "max_tokens", 1, longest, 1);
  mlir::NamedAttrList more;
  if (policy.isError() || prompts.isError() || !n || !temperature || !topK || !topP || !maxTokens || !sampleOptions(e, args, more))
    return Val::error();
  auto op = rl::SampleOp::create(b, loc(e), rl::TrajectoryType::get(b.getContext()),
                                 mlir::FlatSymbolRefAttr::get(b.getContext(), policy.decl->name), prompts.value,
                                 b.getI64IntegerAttr(*n), b.getF64FloatAttr(*temperature), b.getI64IntegerAttr(*topK),
                                 b.getF64FloatAttr(*topP), b.getI64IntegerAttr(*maxTokens), mlir::Attribute(), mlir::Attribute(),
                                 mlir::IntegerAttr(), mlir::IntegerAttr(), mlir::StringAttr(), mlir::IntegerAttr(),
                                 mlir::DenseI64ArrayAttr());
  for (mlir::NamedAttribute attribute : more)
    op->setAttr(attribute.getName(), attribute.getValue());
  return Val::of(ValKind::Trajectory, op.getResult());
}

// A number of tokens: a constant, or a param that says it when the plan runs.
mlir::Attribute RlLowering::countArgument(const Expr &e, llvm::StringRef what) {
  if (e.kind == ExprKind::Name)
    if (const Decl *decl = program.lookup(e.span.file, e.text); decl && decl->kind == DeclKind::Param)
      return mlir::FlatSymbolRefAttr::get(b.getContext(), e.text);
  auto value = intArgument(&e, what, 1, INT32_MAX, 1);
  return value ? b.getI64IntegerAttr(*value) : mlir::Attribute();
}

// What `sample` may say of budgets and repetitions: its arguments from the eighth on.
bool RlLowering::sampleOptions(const Expr &e, llvm::ArrayRef<const Expr *> args, mlir::NamedAttrList &more) {
  const Expr *budget = args[7], *total = args[8], *age = args[9], *flight = args[10], *cache = args[11], *ready = args[12];
  for (auto [name, value] : {std::pair("budget", budget), std::pair("total_budget", total)}) {
    if (!value)
      continue;
    mlir::Attribute count = countArgument(*value, std::string(name) + " (tokens in an iteration)");
    if (!count)
      return false;
    more.set(name, count);
  }
  if (ready && (budget || total)) {
    error(ready->span, "ready says how many groups end an iteration, a budget how many tokens: it must be one of them");
    return false;
  }
  bool partial = budget || total || ready;
  if (partial && !age) {
    error(e.span, llvm::Twine(ready ? "ready" : "a budget") +
                      " needs max_age: the oldest that a token may be when it is trained on, in updates of the policy");
    return false;
  }
  for (const Expr *alone : {age, flight, cache})
    if (alone && !partial) {
      error(alone->span, "max_age, in_flight and cache belong to a budget or `ready`: sample(…, budget = 1024, max_age = 4)");
      return false;
    }
  if (cache) {
    llvm::StringRef choice = cache->kind == ExprKind::Name ? cache->text : llvm::StringRef();
    if (choice != "keep" && choice != "recompute") {
      error(cache->span, "cache must be `recompute` (what waits is computed again with the weights of the next iteration) "
                         "or `keep` (it goes on with the keys and values that it has)");
      return false;
    }
    more.set("cache", b.getStringAttr(choice));
  }
  for (auto [name, value] : {std::pair("max_age", age), std::pair("in_flight", flight), std::pair("ready", ready)}) {
    if (!value)
      continue;
    llvm::StringRef what = value == ready ? "ready (groups that end an iteration)" : name;
    auto number = intArgument(value, what, 1, name == llvm::StringRef("in_flight") ? 64 : 1 << 24, 1);
    if (!number)
      return false;
    more.set(name, b.getI64IntegerAttr(*number));
  }
  auto ngram = intArgument(args[13], "repeat_ngram (tokens)", 1, 1 << 20, 0);
  auto times = intArgument(args[14], "repeat_times", 2, 1 << 20, 4);
  if (!ngram || !times)
    return false;
  auto window = intArgument(args[15], "repeat_window (tokens)", 1, 1 << 24, 2 * *ngram * *times);
  if (!window)
    return false;
  if (!args[13] && (args[14] || args[15])) {
    error((args[14] ? args[14] : args[15])->span, "repetitions are looked for when repeat_ngram says of how many tokens");
    return false;
  }
  if (args[13] && *window / *ngram < *times) {
    error(args[15] ? args[15]->span : args[13]->span,
          "repeat_window must hold repeat_times n-grams: " + llvm::Twine(*times) + " of " + llvm::Twine(*ngram) +
              " tokens; it is " + llvm::Twine(*window));
    return false;
  }
  if (args[13])
    more.set("repeat", b.getDenseI64ArrayAttr({*ngram, *times, *window}));
  return true;
}

Val RlLowering::callRescore(const Expr &e) {
  if (!onlyIn(e, Room::Step, "a step"))
    return Val::error();
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, "rescore", {{"policy"}, {"trajectory"}}, args))
    return Val::error();
  Val policy = evalKind(*args[0], ValKind::Policy, "the first argument of `rescore`");
  Val y = evalTrajectory(*args[1], "the second argument of `rescore`");
  if (policy.isError() || y.isError())
    return Val::error();
  auto op = rl::RescoreOp::create(b, loc(e), rl::TrajectoryType::get(b.getContext()),
                                  mlir::FlatSymbolRefAttr::get(b.getContext(), policy.decl->name), y.value);
  return Val::of(ValKind::Trajectory, op.getResult());
}

Val RlLowering::callScore(const Expr &e) {
  if (!onlyIn(e, Room::Step, "a step"))
    return Val::error();
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, "score", {{"trajectory"}, {"reward"}}, args))
    return Val::error();
  Val y = evalTrajectory(*args[0], "the first argument of `score`");
  mlir::Value reward = at(*args[1], eval(*args[1]), Scope::sequence, "a reward");
  if (y.isError() || !reward)
    return Val::error();
  auto op = rl::ScoreOp::create(b, loc(e), rl::TrajectoryType::get(b.getContext()), y.value, reward);
  return Val::of(ValKind::Trajectory, op.getResult());
}

mlir::DictionaryAttr RlLowering::verifierSettings(const Expr &e, bool withTrajectory, const Expr *&trajectory) {
  llvm::StringRef kind = e.a->text;
  llvm::SmallVector<Formal> formals;
  if (withTrajectory)
    formals.push_back({"trajectory"});
  if (kind == "exact_answer")
    formals.append({{"pattern", false}, {"field", false}});
  else if (kind == "regex")
    formals.append({{"pattern"}});
  else
    formals.append({{"command"}, {"timeout", false}, {"workers", false}});
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, kind, formals, args))
    return {};
  size_t first = withTrajectory ? 1 : 0;
  trajectory = withTrajectory ? args[0] : nullptr;
  mlir::NamedAttrList settings;
  for (size_t i = first; i < formals.size(); ++i) {
    llvm::StringRef name = formals[i].name;
    if (name == "timeout") {
      auto seconds = floatArgument(args[i], "timeout (in seconds)", 1e-3, 86400, 10);
      if (!seconds)
        return {};
      settings.append(name, b.getF64FloatAttr(*seconds));
    } else if (name == "workers") {
      auto workers = intArgument(args[i], "workers (processes of the program)", 1, 4096, 1);
      if (!workers)
        return {};
      if (args[i])
        settings.append(name, b.getI64IntegerAttr(*workers));
    } else if (args[i]) {
      auto text = stringArgument(args[i], ("`" + name + "`").str());
      if (!text)
        return {};
      settings.append(name, b.getStringAttr(*text));
    } else if (name == "field") {
      settings.append(name, b.getStringAttr("answer"));
    }
  }
  return settings.getDictionary(b.getContext());
}

Val RlLowering::callVerifier(const Expr &e) {
  if (!onlyIn(e, Room::Step, "a step (and in `evaluate`, without the trajectory)"))
    return Val::error();
  const Expr *trajectory = nullptr;
  mlir::DictionaryAttr settings = verifierSettings(e, /*withTrajectory=*/true, trajectory);
  if (!settings)
    return Val::error();
  Val y = evalTrajectory(*trajectory, "the first argument of `" + e.a->text + "`");
  if (y.isError())
    return y;
  return scoped(rl::VerifyOp::create(b, loc(e), per(Scope::sequence), b.getStringAttr(e.a->text), y.value, settings));
}

Val RlLowering::callDraw(const Expr &e) {
  if (!onlyIn(e, Room::Iteration, "`iteration`"))
    return Val::error();
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, "draw", {{"data"}, {"count"}}, args))
    return Val::error();
  Val data = evalKind(*args[0], ValKind::Dataset, "the first argument of `draw`");
  auto count = intArgument(args[1], "the number of records", 1, 1 << 24, 1);
  if (data.isError() || !count)
    return Val::error();
  auto op = rl::DrawOp::create(b, loc(e), rl::PromptsType::get(b.getContext()),
                               mlir::FlatSymbolRefAttr::get(b.getContext(), data.decl->name), b.getI64IntegerAttr(*count));
  return Val::of(ValKind::Drawn, op.getResult());
}

Val RlLowering::callEvaluate(const Expr &e) {
  if (!onlyIn(e, Room::Iteration, "`iteration`"))
    return Val::error();
  llvm::SmallVector<const Expr *> args;
  if (!bind(e, "evaluate", {{"policy"}, {"data"}, {"verifier"}, {"max_tokens"}, {"temperature", false}, {"every", false}, {"name", false}}, args))
    return Val::error();
  Val policy = evalKind(*args[0], ValKind::Policy, "the first argument of `evaluate`");
  Val data = evalKind(*args[1], ValKind::Dataset, "the second argument of `evaluate`");
  const Expr &call = *args[2];
  bool verifier = call.kind == ExprKind::Call && call.a->kind == ExprKind::Name &&
                  (call.a->text == "exact_answer" || call.a->text == "regex" || call.a->text == "program");
  if (!verifier)
    return error(call.span, "the verifier of `evaluate` is exact_answer(…), regex(…) or program(…), without a trajectory");
  const Expr *none = nullptr;
  mlir::DictionaryAttr settings = verifierSettings(call, /*withTrajectory=*/false, none);
  int64_t longest = context ? *context - 1 : INT32_MAX;
  auto maxTokens = intArgument(args[3], "max_tokens", 1, longest, 1);
  auto temperature = floatArgument(args[4], "temperature", 0, 1e6, 1.0);
  auto every = intArgument(args[5], "every", 1, 1 << 24, 1);
  std::optional<std::string> name = data.isError() ? "" : data.decl->name.str();
  if (args[6])
    name = stringArgument(args[6], "the name of an evaluation");
  if (policy.isError() || data.isError() || !settings || !maxTokens || !temperature || !every || !name)
    return Val::error();
  mlir::NamedAttrList all(settings);
  all.set("kind", b.getStringAttr(call.a->text));
  rl::EvaluateOp::create(b, loc(e), mlir::FlatSymbolRefAttr::get(b.getContext(), policy.decl->name),
                         mlir::FlatSymbolRefAttr::get(b.getContext(), data.decl->name), b.getStringAttr(*name),
                         b.getF64FloatAttr(*temperature), b.getI64IntegerAttr(*maxTokens), b.getI64IntegerAttr(*every),
                         all.getDictionary(b.getContext()));
  return Val::none();
}

} // namespace mirl::frontend
