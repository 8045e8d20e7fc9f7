#include "test/unit/Unit.h"

#include "dialects/nn/reference/Interpreter.h"
#include "gtest/gtest.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Passes.h"

#include <cctype>
#include <cmath>
#include <random>

using namespace mlir;

namespace mirl::test {

// --- tensors -----------------------------------------------------------------------------------------

static size_t elementsOf(const std::vector<int64_t> &shape) {
  size_t n = 1;
  for (int64_t size : shape)
    n *= static_cast<size_t>(size);
  return n;
}

Tensor number(double value) { return {{}, {value}}; }
Tensor row(std::vector<double> values) { return {{static_cast<int64_t>(values.size())}, values}; }
Tensor tensor(std::vector<int64_t> shape, std::vector<double> values) {
  EXPECT_EQ(elementsOf(shape), values.size());
  return {std::move(shape), std::move(values)};
}
Tensor filled(std::vector<int64_t> shape, double value) {
  size_t n = elementsOf(shape);
  return {std::move(shape), std::vector<double>(n, value)};
}

Tensor random(std::vector<int64_t> shape, unsigned seed, double low, double high) {
  std::mt19937 generator(seed);
  Tensor out = filled(std::move(shape), 0);
  for (double &value : out.data) // not std::uniform_real_distribution, whose numbers depend on the library
    value = low + (high - low) * (generator() * 0x1p-32);
  return out;
}

std::vector<int64_t> shapeOf(RankedTensorType type, const Extents &extents) {
  std::vector<int64_t> shape(type.getShape().begin(), type.getShape().end());
  if (std::optional<nn::AxisAttr> axis = nn::axisOf(type)) {
    const int64_t sizes[] = {extents.context, extents.token, extents.sequence, extents.group};
    shape[0] = sizes[static_cast<int>(axis->getAxis()) - 1] + axis->getExtra();
  }
  return shape;
}

void expectNear(const Tensor &actual, const Tensor &expected, double tolerance, const std::string &what) {
  ASSERT_EQ(actual.shape, expected.shape) << what;
  ASSERT_EQ(actual.data.size(), expected.data.size()) << what;
  for (size_t i = 0; i < actual.data.size(); ++i) {
    double a = actual.data[i], e = expected.data[i];
    if (a != e)
      ASSERT_LE(std::abs(a - e), tolerance * std::max(1.0, std::abs(e)))
          << what << ": element " << i << " is " << a << ", must be " << e;
  }
}

// --- modules -----------------------------------------------------------------------------------------

MLIRContext &context() {
  static MLIRContext *shared = [] {
    passes::registerMirlPasses();
    registerCanonicalizerPass();
    registerCSEPass();
    DialectRegistry registry;
    passes::registerAll(registry);
    auto *made = new MLIRContext(registry, MLIRContext::Threading::DISABLED);
    made->loadAllAvailableDialects();
    return made;
  }();
  return *shared;
}

static const std::string &aliases() {
  static const std::string text = [] {
    auto rows = [](const char *name, const std::string &inner, const char *axis) {
      return std::string("!") + name + " = tensor<?x" + inner + ", #nn.axis<" + axis + ">>\n";
    };
    std::string all = "!f = tensor<f32>\n";
    all += rows("t", "f32", "token") + rows("s", "f32", "sequence") + rows("g", "f32", "group") + rows("c", "f32", "context");
    all += rows("ti", "i32", "token") + rows("ci", "i32", "context") + rows("so", "i32", "sequence, 1") + rows("go", "i32", "group, 1");
    for (int i = 1; i <= 16; ++i) {
      std::string n = std::to_string(i);
      all += rows(("t" + n).c_str(), n + "xf32", "token") + rows(("c" + n).c_str(), n + "xf32", "context");
    }
    return all;
  }();
  return text;
}

OwningOpRef<ModuleOp> parse(const std::string &text) {
  std::string messages;
  ScopedDiagnosticHandler handler(&context(), [&](Diagnostic &diagnostic) {
    llvm::raw_string_ostream(messages) << diagnostic << "\n";
  });
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(aliases() + text, &context());
  if (!module)
    ADD_FAILURE() << "the test's module is not valid: " << messages << text;
  return module;
}

bool run(Operation *op, const std::string &pipeline, std::string *errors) {
  std::string messages;
  ScopedDiagnosticHandler handler(&context(), [&](Diagnostic &diagnostic) {
    llvm::raw_string_ostream(messages) << diagnostic << "\n";
  });
  PassManager manager(op->getName());
  llvm::raw_string_ostream stream(messages);
  if (succeeded(parsePassPipeline(pipeline, manager, stream)) && succeeded(manager.run(op)))
    return true;
  if (errors)
    *errors = messages;
  else
    ADD_FAILURE() << pipeline << " failed: " << messages;
  return false;
}

func::FuncOp functionOf(ModuleOp module, StringRef name) {
  for (auto function : module.getOps<func::FuncOp>())
    if (name.empty() || function.getSymName() == name)
      return function;
  ADD_FAILURE() << "no function " << name.str();
  return {};
}

std::vector<Tensor> interpret(func::FuncOp function, const std::vector<Tensor> &arguments, const Extents &extents) {
  std::string messages;
  ScopedDiagnosticHandler handler(&context(), [&](Diagnostic &diagnostic) {
    llvm::raw_string_ostream(messages) << diagnostic << "\n";
  });
  FailureOr<SmallVector<Tensor>> results = nn::reference::interpret(function, arguments, extents);
  if (failed(results)) {
    ADD_FAILURE() << "cannot be interpreted: " << messages;
    return {};
  }
  // What every definition owes: results of the shape that their types say.
  for (auto [result, type] : llvm::zip(*results, function.getResultTypes()))
    EXPECT_EQ(result.shape, shapeOf(cast<RankedTensorType>(type), extents));
  return {results->begin(), results->end()};
}

// --- differences ---------------------------------------------------------------------------------------

double difference(const std::function<double(double)> &f, double x) {
  double near = f(x + kStep) - f(x - kStep), far = f(x + 2 * kStep) - f(x - 2 * kStep);
  return (8 * near - far) / (12 * kStep);
}

// --- programs ------------------------------------------------------------------------------------------

Program &Program::add(const std::string &name, const std::string &type, Tensor value, Ask ask) {
  arguments_.push_back({name, type, ask});
  values_.push_back(std::move(value));
  return *this;
}
Program &Program::in(const std::string &name, const std::string &type, Tensor value) {
  return add(name, type, std::move(value), Ask::None);
}
Program &Program::wrt(const std::string &name, const std::string &type, Tensor value) {
  return add(name, type, std::move(value), Ask::Output);
}
Program &Program::weight(const std::string &name, const std::string &type, Tensor value) {
  Tensor start = random(value.shape, 90 + static_cast<unsigned>(arguments_.size()));
  add(name, type, std::move(value), Ask::Accumulator);
  return add(name + "_grad", type, std::move(start), Ask::None);
}
Program &Program::ops(const std::string &lines) {
  ops_ += lines + "\n";
  return *this;
}

std::string Program::text(const std::string &results, bool loss) const {
  std::string arguments, names, types;
  for (size_t i = 0; i < arguments_.size(); ++i) {
    const Argument &argument = arguments_[i];
    arguments += (i ? ", %" : "%") + argument.name + ": " + argument.type;
    if (loss && argument.ask == Ask::Output)
      arguments += " {nn.gradient_output = \"grad." + argument.name + "\"}";
    if (loss && argument.ask == Ask::Accumulator)
      arguments += " {nn.gradient = " + std::to_string(i + 1) + " : i64}";
  }
  SmallVector<StringRef> all;
  StringRef(results).split(all, ',');
  for (StringRef result : all) {
    auto [name, type] = result.split(':');
    names += (names.empty() ? "" : ", ") + name.trim().str();
    types += (types.empty() ? "" : ", ") + type.trim().str();
  }
  return "func.func @test(" + arguments + ") -> (" + types + ")" +
         (loss ? " attributes {nn.differentiate = {loss = 0 : i64}}" : "") + " {\n" + ops_ + "return " + names + " : " +
         types + "\n}\n";
}

std::vector<Tensor> Program::run(const std::string &results) const {
  OwningOpRef<ModuleOp> module = parse(text(results, false));
  return module ? interpret(functionOf(*module), values_, extents_) : std::vector<Tensor>();
}

std::vector<Tensor> Program::gradients(const std::string &loss) const {
  OwningOpRef<ModuleOp> module = parse(text("%" + loss + " : !f", true));
  if (!module || !test::run(*module, "func.func(differentiate)"))
    return {};
  func::FuncOp function = functionOf(*module);
  std::vector<Tensor> results = interpret(function, values_, extents_), gradients;
  for (size_t i = 1; i < results.size(); ++i) {
    if (auto alias = function.getResultAttrOfType<IntegerAttr>(i, nn::attr::kAlias)) {
      const Tensor &start = values_[alias.getInt()];
      for (size_t k = 0; k < start.data.size(); ++k)
        results[i].data[k] -= start.data[k];
    }
    gradients.push_back(results[i]);
  }
  return gradients;
}

std::vector<Tensor> Program::differences(const std::string &loss) const {
  OwningOpRef<ModuleOp> module = parse(text("%" + loss + " : !f", false));
  if (!module)
    return {};
  func::FuncOp function = functionOf(*module);
  std::vector<Tensor> values = values_, gradients;
  for (size_t i = 0; i < arguments_.size(); ++i) {
    if (arguments_[i].ask == Ask::None)
      continue;
    Tensor gradient = values[i];
    for (size_t k = 0; k < gradient.data.size(); ++k)
      gradient.data[k] = difference(
          [&](double x) {
            double before = std::exchange(values[i].data[k], x);
            std::vector<Tensor> results = interpret(function, values, extents_);
            values[i].data[k] = before;
            return results.empty() ? NAN : results[0].data[0];
          },
          values[i].data[k]);
    gradients.push_back(std::move(gradient));
  }
  return gradients;
}

void Program::checkGradients(const std::string &loss) const {
  std::vector<Tensor> built = gradients(loss), expected = differences(loss);
  ASSERT_EQ(built.size(), expected.size());
  size_t next = 0;
  bool flows = false;
  for (const Argument &argument : arguments_)
    if (argument.ask != Ask::None) {
      for (double value : expected[next].data)
        flows |= value != 0;
      expectNear(built[next], expected[next], kDerivativeTolerance, "the gradient of %" + argument.name);
      ++next;
    }
  EXPECT_TRUE(flows) << "the test tests nothing: all gradients are 0";
}

// --- completeness --------------------------------------------------------------------------------------

void expectTestOfEveryOp(const std::string &suite, const std::function<bool(RegisteredOperationName)> &wanted) {
  std::vector<std::string> tests;
  const testing::UnitTest &unit = *testing::UnitTest::GetInstance();
  for (int i = 0; i < unit.total_test_suite_count(); ++i)
    if (suite == unit.GetTestSuite(i)->name())
      for (int k = 0; k < unit.GetTestSuite(i)->total_test_count(); ++k)
        tests.push_back(unit.GetTestSuite(i)->GetTestInfo(k)->name());
  unsigned ops = 0;
  for (RegisteredOperationName op : context().getRegisteredOperations()) {
    if (op.getDialectNamespace() != "nn" || !wanted(op))
      continue;
    ++ops;
    std::string name;
    bool start = true;
    for (char c : op.stripDialect()) {
      if (c != '_')
        name += start ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
      start = c == '_';
    }
    EXPECT_TRUE(llvm::is_contained(tests, name)) << op.getStringRef().str() << " has no test " << suite << "." << name;
  }
  EXPECT_GT(ops, 0u);
}

} // namespace mirl::test
