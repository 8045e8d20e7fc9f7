#include "Harness.h"

#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "gtest/gtest.h"

#include <array>
#include <cmath>
#include <cstring>
#include <dlfcn.h>

using namespace mlir;

namespace mirl::test {

static constexpr size_t kGuard = 256;
static constexpr unsigned char kGuardByte = 0xA5;

static int64_t extentOf(nn::Axis axis, const Extents &extents) {
  switch (axis) {
  case nn::Axis::context:
    return extents.context;
  case nn::Axis::token:
    return extents.token;
  case nn::Axis::sequence:
    return extents.sequence;
  case nn::Axis::group:
    return extents.group;
  }
  return 0;
}

static std::vector<int64_t> shapeOf(RankedTensorType type, const Extents &extents) {
  std::vector<int64_t> shape(type.getShape().begin(), type.getShape().end());
  if (std::optional<nn::AxisAttr> axis = nn::axisOf(type))
    shape[0] = extentOf(axis->getAxis(), extents) + axis->getExtra();
  return shape;
}

static size_t elementsOf(ArrayRef<int64_t> shape) {
  size_t n = 1;
  for (int64_t d : shape)
    n *= d;
  return n;
}

static uint16_t bf16Bits(double value) {
  auto bits = llvm::bit_cast<uint32_t>(static_cast<float>(value));
  if (std::isnan(value))
    return 0x7fc0;
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

static double bf16Value(uint16_t bits) { return llvm::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

double roundToBf16(double value) { return bf16Value(bf16Bits(value)); }

// One slice: guard, bytes, guard.
struct Entry::Storage {
  RankedTensorType type;
  std::vector<int64_t> shape;
  size_t bytes = 0;
  std::shared_ptr<unsigned char> memory;

  Storage() = default;
  Storage(RankedTensorType type, const Extents &extents) : type(type), shape(shapeOf(type, extents)) {
    bytes = elementsOf(shape) * type.getElementTypeBitWidth() / 8;
    // Aligned as in the arena.
    size_t total = (bytes + 2 * kGuard + 63) / 64 * 64;
    memory.reset(static_cast<unsigned char *>(std::aligned_alloc(64, total)), std::free);
    std::memset(memory.get(), kGuardByte, total);
    std::memset(data(), 0xFF, bytes); // a NaN
  }
  unsigned char *data() const { return memory.get() + kGuard; }
  bool intact() const {
    for (size_t i = 0; i < kGuard; ++i)
      if (memory.get()[i] != kGuardByte || data()[bytes + i] != kGuardByte)
        return false;
    return true;
  }
  void write(const Tensor &tensor) {
    ASSERT_EQ(tensor.data.size(), elementsOf(shape)) << "an argument has the wrong size";
    Type element = type.getElementType();
    for (size_t i = 0; i < tensor.data.size(); ++i) {
      if (element.isF32())
        reinterpret_cast<float *>(data())[i] = static_cast<float>(tensor.data[i]);
      else if (element.isBF16())
        reinterpret_cast<uint16_t *>(data())[i] = bf16Bits(tensor.data[i]);
      else if (element.isInteger(32))
        reinterpret_cast<int32_t *>(data())[i] = static_cast<int32_t>(tensor.data[i]);
      else
        reinterpret_cast<int64_t *>(data())[i] = static_cast<int64_t>(tensor.data[i]);
    }
  }
  Tensor read() const {
    Tensor tensor;
    tensor.shape = shape;
    size_t count = elementsOf(shape);
    Type element = type.getElementType();
    for (size_t i = 0; i < count; ++i) {
      if (element.isF32())
        tensor.data.push_back(reinterpret_cast<float *>(data())[i]);
      else if (element.isBF16())
        tensor.data.push_back(bf16Value(reinterpret_cast<uint16_t *>(data())[i]));
      else if (element.isInteger(32))
        tensor.data.push_back(reinterpret_cast<int32_t *>(data())[i]);
      else
        tensor.data.push_back(static_cast<double>(reinterpret_cast<int64_t *>(data())[i]));
    }
    return tensor;
  }
};

Entry::~Entry() {
  if (library_)
    dlclose(library_);
}

std::unique_ptr<Entry> Entry::compile(StringRef text, std::string *error, StringRef cpu) {
  static const bool registered = [] {
    passes::registerMirlPasses();
    return true;
  }();
  (void)registered;
  std::unique_ptr<Entry> entry(new Entry());
  DialectRegistry registry;
  registry.insert<nn::NnDialect, plan::PlanDialect, func::FuncDialect, arith::ArithDialect,
                  math::MathDialect, scf::SCFDialect, vector::VectorDialect, LLVM::LLVMDialect>();
  entry->context_ = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  std::string messages;
  ScopedDiagnosticHandler handler(entry->context_.get(), [&](Diagnostic &diagnostic) {
    llvm::raw_string_ostream(messages) << diagnostic.getLocation() << ": " << diagnostic << "\n";
  });
  auto fail = [&](const Twine &what) -> std::unique_ptr<Entry> {
    std::string all = (what + "\n" + messages).str();
    if (error)
      *error = all;
    else
      ADD_FAILURE() << all;
    return nullptr;
  };
  entry->original_ = parseSourceString<ModuleOp>(text, entry->context_.get());
  if (!entry->original_)
    return fail("the test's module does not parse");
  entry->module_ = entry->original_->clone();
  auto pipeline =
      "func.func(assign-numerics,fuse),nn-to-plan,compile-kernels{cpu=" + cpu.str() + "}";
  PassManager manager(entry->context_.get(), ModuleOp::getOperationName());
  std::string problem;
  llvm::raw_string_ostream os(problem);
  if (failed(parsePassPipeline(pipeline, manager, os)))
    return fail(problem);
  if (failed(manager.run(*entry->module_)))
    return fail("compilation failed");

  func::FuncOp function;
  for (auto candidate : entry->original_->getOps<func::FuncOp>())
    if (candidate->hasAttr(nn::attr::kKind))
      function = candidate;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    entry->argumentTypes_.push_back(cast<RankedTensorType>(function.getArgumentTypes()[i]));
    if (auto variable = function.getArgAttrOfType<FlatSymbolRefAttr>(i, nn::attr::kVariable))
      entry->argumentNames_.push_back("@" + variable.getValue().str());
    else
      entry->argumentNames_.push_back(
          function.getArgAttrOfType<StringAttr>(i, nn::attr::kName).str());
  }
  for (unsigned i = 0; i < function.getNumResults(); ++i) {
    entry->resultTypes_.push_back(cast<RankedTensorType>(function.getResultTypes()[i]));
    auto name = function.getResultAttrOfType<StringAttr>(i, nn::attr::kName);
    entry->resultNames_.push_back(name ? name.str() : "");
    auto alias = function.getResultAttrOfType<IntegerAttr>(i, nn::attr::kAlias);
    entry->resultAliases_.push_back(alias ? alias.getInt() : -1);
  }
  for (auto op : entry->module_->getOps<plan::EntryOp>())
    entry->entry_ = op;
  for (auto code : entry->module_->getOps<plan::CodeOp>()) {
    llvm::SmallString<128> path;
    if (llvm::sys::fs::createTemporaryFile("mirl-test", "so", path))
      return fail("no temporary file");
    llvm::FileRemover remover(path);
    std::error_code ec;
    {
      llvm::raw_fd_ostream file(path, ec);
      file << code.getObject();
    }
    entry->library_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!entry->library_)
      return fail(dlerror());
  }
  return entry;
}

std::map<void *, Entry::Storage> Entry::prepare(ArrayRef<Tensor> arguments,
                                                const Extents &extents) {
  std::map<void *, Storage> slices;
  auto bind = [&](Value slice, const std::string &name) {
    Storage storage(cast<plan::SliceType>(slice.getType()).getTensor(), extents);
    for (auto [i, argument] : llvm::enumerate(argumentNames_))
      if (argument == name)
        storage.write(arguments[i]);
    slices[slice.getAsOpaquePointer()] = storage;
  };
  for (Operation &op : entry_.getBody().front()) {
    if (auto buffer = dyn_cast<plan::BufferOp>(op)) {
      auto symbol = module_->lookupSymbol<plan::ConstantOp>(buffer.getVariable());
      if (!symbol) {
        bind(buffer.getSlice(), "@" + buffer.getVariable().str());
        continue;
      }
      Storage storage(cast<plan::SliceType>(buffer.getSlice().getType()).getTensor(), extents);
      auto values = cast<DenseElementsAttr>(symbol.getValue());
      size_t i = 0;
      for (const APFloat &value : values.getValues<APFloat>())
        reinterpret_cast<float *>(storage.data())[i++] = value.convertToFloat();
      slices[buffer.getSlice().getAsOpaquePointer()] = storage;
    } else if (auto input = dyn_cast<plan::InputOp>(op)) {
      bind(input.getSlice(), input.getName().str());
    } else if (auto alloc = dyn_cast<plan::AllocOp>(op)) {
      bind(alloc.getSlice(), "");
    }
  }
  return slices;
}

static int64_t evaluate(plan::WorkAttr work, const int64_t *dims) {
  int64_t extent = work.getSize();
  if (auto axis = work.getAxis())
    extent += dims[static_cast<int>(*axis) - 1];
  return work.getFactor() * ((std::max<int64_t>(0, extent) + work.getTile() - 1) / work.getTile());
}

void Entry::execute(Block &block, std::map<void *, Storage> &slices, int64_t *dims,
                    std::mt19937 *cuts) {
  auto slice = [&](Value value) -> Storage & { return slices.at(value.getAsOpaquePointer()); };
  for (Operation &op : block) {
    if (auto launch = dyn_cast<plan::LaunchOp>(op)) {
      auto kernel = reinterpret_cast<void (*)(void *const *, const int64_t *, int64_t, int64_t)>(
          dlsym(library_, launch.getKernel().str().c_str()));
      ASSERT_TRUE(kernel) << launch.getKernel().str();
      std::vector<void *> buffers;
      for (Value value : launch.getReads())
        buffers.push_back(slice(value).data());
      for (Value value : launch.getWrites())
        buffers.push_back(slice(value).data());
      int64_t work = evaluate(launch.getWork(), dims);
      if (!cuts) {
        kernel(buffers.data(), dims, 0, work);
        continue;
      }
      std::vector<std::pair<int64_t, int64_t>> pieces;
      int64_t longest = std::max<int64_t>(1, work / (1 + (*cuts)() % 7));
      for (int64_t begin = 0; begin < work;) {
        int64_t end = std::min<int64_t>(work, begin + 1 + (*cuts)() % longest);
        pieces.push_back({begin, end});
        begin = end;
      }
      std::shuffle(pieces.begin(), pieces.end(), *cuts);
      for (auto [begin, end] : pieces)
        kernel(buffers.data(), dims, begin, end);
      for (ValueRange values : {ValueRange(launch.getReads()), ValueRange(launch.getWrites())})
        for (auto [i, value] : llvm::enumerate(values))
          if (!slice(value).intact())
            ADD_FAILURE() << "kernel " << launch.getKernel().str()
                          << " writes outside the slice of buffer " << i;
    } else if (auto fill = dyn_cast<plan::FillOp>(op)) {
      std::memset(slice(fill.getSlice()).data(), 0, slice(fill.getSlice()).bytes);
    } else if (auto copy = dyn_cast<plan::CopyOp>(op)) {
      ASSERT_EQ(slice(copy.getFrom()).bytes, slice(copy.getTo()).bytes);
      std::memcpy(slice(copy.getTo()).data(), slice(copy.getFrom()).data(),
                  slice(copy.getFrom()).bytes);
    } else if (auto loop = dyn_cast<plan::LoopOp>(op)) {
      int64_t count = evaluate(loop.getCount(), dims);
      for (int64_t i = 0; i < count; ++i) {
        dims[4 + loop.getIndex()] = i;
        execute(loop.getBody().front(), slices, dims, cuts);
      }
    }
  }
}

std::vector<Tensor> Entry::run(ArrayRef<Tensor> arguments, const Extents &extents, unsigned seed) {
  std::map<void *, Storage> slices = prepare(arguments, extents);
  int64_t dims[6] = {extents.context, extents.token, extents.sequence, extents.group, 0, 0};
  std::mt19937 cuts(seed);
  execute(entry_.getBody().front(), slices, dims, &cuts);
  std::vector<Tensor> results(resultTypes_.size());
  for (Operation &op : entry_.getBody().front()) {
    for (size_t i = 0; i < results.size(); ++i) {
      if (auto output = dyn_cast<plan::OutputOp>(op)) {
        if (output.getName() == resultNames_[i])
          results[i] = slices.at(output.getSlice().getAsOpaquePointer()).read();
      } else if (auto buffer = dyn_cast<plan::BufferOp>(op)) {
        if (resultAliases_[i] >= 0 &&
            "@" + buffer.getVariable().str() == argumentNames_[resultAliases_[i]])
          results[i] = slices.at(buffer.getSlice().getAsOpaquePointer()).read();
      }
    }
  }
  return results;
}

namespace {
// A command with its addresses looked up.
struct Step {
  void (*kernel)(void *const *, const int64_t *, int64_t, int64_t) = nullptr;
  std::vector<void *> buffers;
  int64_t count = 0; // work items, trips, or bytes
  int64_t index = 0; // of a loop
  std::vector<Step> body;

  void run(int64_t *dims) const {
    if (kernel) {
      kernel(buffers.data(), dims, 0, count);
    } else if (buffers.size() == 1) {
      std::memset(buffers[0], 0, count);
    } else if (buffers.size() == 2) {
      std::memcpy(buffers[1], buffers[0], count);
    } else {
      for (int64_t i = 0; i < count; ++i) {
        dims[4 + index] = i;
        for (const Step &step : body)
          step.run(dims);
      }
    }
  }
};
} // namespace

std::function<void()> Entry::prepared(ArrayRef<Tensor> arguments, const Extents &extents) {
  auto slices = std::make_shared<std::map<void *, Storage>>(prepare(arguments, extents));
  std::array<int64_t, 6> dims = {extents.context, extents.token, extents.sequence,
                                 extents.group,   0,             0};
  auto slice = [&](Value value) -> Storage & { return slices->at(value.getAsOpaquePointer()); };
  std::function<std::vector<Step>(Block &)> lookUp = [&](Block &block) {
    std::vector<Step> steps;
    for (Operation &op : block) {
      Step step;
      if (auto launch = dyn_cast<plan::LaunchOp>(op)) {
        step.kernel = reinterpret_cast<decltype(step.kernel)>(
            dlsym(library_, launch.getKernel().str().c_str()));
        for (ValueRange values : {ValueRange(launch.getReads()), ValueRange(launch.getWrites())})
          for (Value value : values)
            step.buffers.push_back(slice(value).data());
        step.count = evaluate(launch.getWork(), dims.data());
      } else if (auto fill = dyn_cast<plan::FillOp>(op)) {
        step.buffers = {slice(fill.getSlice()).data()};
        step.count = slice(fill.getSlice()).bytes;
      } else if (auto copy = dyn_cast<plan::CopyOp>(op)) {
        step.buffers = {slice(copy.getFrom()).data(), slice(copy.getTo()).data()};
        step.count = slice(copy.getFrom()).bytes;
      } else if (auto loop = dyn_cast<plan::LoopOp>(op)) {
        step.count = evaluate(loop.getCount(), dims.data());
        step.index = loop.getIndex();
        step.body = lookUp(loop.getBody().front());
      } else {
        continue;
      }
      steps.push_back(std::move(step));
    }
    return steps;
  };
  // `slices` is held by the call: it owns the memory.
  return [steps = lookUp(entry_.getBody().front()), dims, slices]() mutable {
    for (const Step &step : steps)
      step.run(dims.data());
  };
}

std::vector<Tensor> Entry::reference(ArrayRef<Tensor> arguments, const Extents &extents) {
  func::FuncOp function;
  for (auto candidate : original_->getOps<func::FuncOp>())
    if (candidate->hasAttr(nn::attr::kKind))
      function = candidate;
  llvm::DenseMap<Value, Tensor> values;
  for (auto [argument, tensor] : llvm::zip(function.getArguments(), arguments))
    values[argument] = tensor;
  for (Operation &op : function.front().without_terminator()) {
    auto reference = dyn_cast<nn::ReferenceOpInterface>(op);
    std::vector<Tensor> operands;
    for (Value operand : op.getOperands())
      operands.push_back(values[operand]);
    SmallVector<Tensor> results;
    if (!reference || failed(reference.evaluate(operands, results, extents))) {
      ADD_FAILURE() << "no reference definition of " << op.getName().getStringRef().str();
      return {};
    }
    for (auto [result, tensor] : llvm::zip(op.getResults(), results))
      values[result] = tensor;
  }
  std::vector<Tensor> results;
  for (Value value : function.front().getTerminator()->getOperands())
    results.push_back(values[value]);
  return results;
}

Tensor Entry::random(unsigned argument, const Extents &extents, unsigned seed, double low,
                     double high) const {
  Tensor tensor;
  tensor.shape = shapeOf(argumentTypes_[argument], extents);
  std::mt19937 generator(seed);
  std::uniform_real_distribution<double> uniform(low, high);
  Type element = argumentTypes_[argument].getElementType();
  for (size_t i = 0, n = elementsOf(tensor.shape); i < n; ++i) {
    double value = uniform(generator);
    tensor.data.push_back(element.isF32()    ? static_cast<float>(value)
                          : element.isBF16() ? roundToBf16(value)
                                             : std::floor(value));
  }
  return tensor;
}

std::vector<Tensor> Entry::randomArguments(const Extents &extents, unsigned seed) const {
  std::vector<Tensor> arguments;
  for (unsigned i = 0; i < argumentCount(); ++i)
    arguments.push_back(random(i, extents, seed + i));
  return arguments;
}

void expectNear(const Tensor &actual, const Tensor &expected, double absolute, double relative,
                StringRef what) {
  ASSERT_EQ(actual.data.size(), expected.data.size()) << what.str();
  double worst = 0;
  size_t where = 0;
  for (size_t i = 0; i < actual.data.size(); ++i) {
    double a = actual.data[i], e = expected.data[i];
    if (a == e || (std::isnan(a) && std::isnan(e)))
      continue;
    double excess = std::abs(a - e) / (absolute + relative * std::abs(e));
    if (!(excess <= worst)) {
      worst = std::isnan(excess) ? std::numeric_limits<double>::infinity() : excess;
      where = i;
    }
  }
  EXPECT_LE(worst, 1.0) << what.str() << ": element " << where << " is " << actual.data[where]
                        << ", must be " << expected.data[where];
}

bool sameBits(const Tensor &a, const Tensor &b) {
  return a.data.size() == b.data.size() &&
         std::memcmp(a.data.data(), b.data.data(), a.data.size() * sizeof(double)) == 0;
}

Tensor rows(const Tensor &tensor, int64_t from, int64_t to) {
  Tensor part;
  part.shape = tensor.shape;
  part.shape[0] = to - from;
  int64_t columns = tensor.columns();
  part.data.assign(tensor.data.begin() + from * columns, tensor.data.begin() + to * columns);
  return part;
}

void check(StringRef text, const Extents &extents, double absolute, double relative,
           std::vector<Tensor> arguments) {
  std::unique_ptr<Entry> entry = Entry::compile(text);
  ASSERT_TRUE(entry);
  if (arguments.empty())
    arguments = entry->randomArguments(extents);
  check(*entry, arguments, extents, absolute, relative);
}

void check(Entry &entry, const std::vector<Tensor> &arguments, const Extents &extents, double absolute,
           double relative) {
  std::vector<Tensor> expected = entry.reference(arguments, extents);
  std::vector<Tensor> first = entry.run(arguments, extents, 1);
  ASSERT_EQ(first.size(), expected.size());
  for (size_t i = 0; i < first.size(); ++i)
    expectNear(first[i], expected[i], absolute, relative, "result " + std::to_string(i));
  for (unsigned seed : {2u, 3u}) {
    std::vector<Tensor> again = entry.run(arguments, extents, seed);
    for (size_t i = 0; i < first.size(); ++i)
      EXPECT_TRUE(sameBits(first[i], again[i])) << "result " << i << " depends on the cut";
  }
}

void expectSameOnAllCpus(StringRef text,
                         llvm::function_ref<std::vector<Tensor>(const Entry &)> arguments,
                         const Extents &extents) {
  if (!__builtin_cpu_supports("x86-64-v4"))
    return;
  auto narrow = Entry::compile(text, nullptr, "x86-64-v3");
  auto wide = Entry::compile(text, nullptr, "x86-64-v4");
  ASSERT_TRUE(narrow && wide);
  std::vector<Tensor> all = arguments(*narrow);
  std::vector<Tensor> a = narrow->run(all, extents), b = wide->run(all, extents);
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_TRUE(sameBits(a[i], b[i])) << "result " << i << " differs between AVX2 and AVX-512";
}

} // namespace mirl::test
