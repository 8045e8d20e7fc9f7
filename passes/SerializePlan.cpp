// Writing the plan: a verified module becomes the bytes of runtime/artifact/plan.fbs.
//
// One function a table, in the schema's order. Nothing is decided here: what the module does not say is not in the
// plan. Scalars are always stored (ForceDefaults), since the loader finds content_hash before it trusts anything.

#include "passes/Passes.h"
#include "passes/cuda/SimtKernelBuilder.h"

#include "runtime/artifact/ContentHash.h"
#include "runtime/artifact/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
namespace fb = mirl::fb;

namespace mirl::passes {
namespace {

template <typename T>
using Vector = flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<T>>>;

class Writer {
public:
  explicit Writer(ModuleOp module) : module_(module) { b_.ForceDefaults(true); }

  LogicalResult run(raw_ostream &os);

private:
  flatbuffers::Offset<flatbuffers::String> text(StringRef s) { return b_.CreateString(s.data(), s.size()); }
  flatbuffers::Offset<flatbuffers::String> moduleText(StringRef name) {
    auto attr = module_->getAttrOfType<StringAttr>(name);
    return text(attr ? attr.getValue() : "");
  }
  flatbuffers::Offset<fb::Source> source(Location loc);
  flatbuffers::Offset<fb::TensorType> type(RankedTensorType type);
  fb::Affine affine(plan::AffineAttr a) {
    return {a.getConstant(), a.getPerContext(), a.getPerToken(), a.getPerSequence(), a.getPerGroup()};
  }
  fb::Work work(plan::WorkAttr w) {
    return {static_cast<fb::Axis>(w.getAxisNumber()), w.getSize(), w.getTile(), w.getFactor()};
  }
  FailureOr<flatbuffers::Offset<fb::Buffer>> buffer(Operation *op);
  flatbuffers::Offset<fb::Kernel> kernel(StringRef name, StringRef origin);
  flatbuffers::Offset<fb::Entry> entry(plan::EntryOp op);
  flatbuffers::Offset<fb::Command> command(Operation &op, llvm::DenseMap<Value, uint32_t> &slices);
  Vector<fb::TensorMap> maps(plan::LaunchOp launch);
  flatbuffers::Offset<fb::LibraryCall> library(plan::LaunchOp launch, llvm::DenseMap<Value, uint32_t> &slices);
  Vector<fb::Instruction> instructions(Block &block);
  // Indices of the buffers that `keep` accepts.
  flatbuffers::Offset<flatbuffers::Vector<uint32_t>> select(llvm::function_ref<bool(nn::VariableOp)> keep) {
    std::vector<uint32_t> indices;
    for (auto [i, op] : llvm::enumerate(buffers_))
      if (auto variable = dyn_cast<nn::VariableOp>(op); variable && keep(variable))
        indices.push_back(i);
    return b_.CreateVector(indices);
  }

  ModuleOp module_;
  flatbuffers::FlatBufferBuilder b_;
  std::vector<Operation *> buffers_;
  llvm::StringMap<uint32_t> kernels_;
  std::vector<std::pair<StringRef, StringRef>> kernelList_; // symbol, origin
};

// The first place in a file that a location, however wrapped, speaks of.
FileLineColLoc fileLocation(Location loc) {
  FileLineColLoc found;
  loc->walk([&](Location inner) {
    if (auto file = dyn_cast<FileLineColLoc>(inner)) {
      found = file;
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return found;
}

flatbuffers::Offset<fb::Source> Writer::source(Location loc) {
  if (FileLineColLoc file = fileLocation(loc))
    return fb::CreateSource(b_, text(file.getFilename()), file.getLine(), file.getColumn());
  return fb::CreateSource(b_, text(""), 0, 0);
}

fb::DType elementType(Type type) {
  if (type.isF32())
    return fb::DType::f32;
  if (type.isBF16())
    return fb::DType::bf16;
  if (type.isInteger(32))
    return fb::DType::i32;
  return type.isInteger(64) ? fb::DType::i64 : fb::DType::u8;
}

flatbuffers::Offset<fb::TensorType> Writer::type(RankedTensorType type) {
  std::vector<fb::Dim> dims;
  auto axis = nn::axisOf(type);
  for (int64_t size : type.getShape())
    dims.push_back(ShapedType::isDynamic(size) ? fb::Dim(static_cast<fb::Axis>(axis->getAxis()), axis->getExtra())
                                               : fb::Dim(fb::Axis::fixed, size));
  return fb::CreateTensorType(b_, elementType(type.getElementType()), b_.CreateVectorOfStructs(dims));
}

fb::BufferKind bufferKind(StringRef kind) {
  return llvm::StringSwitch<fb::BufferKind>(kind)
      .Case("weight", fb::BufferKind::weight)
      .Case("master", fb::BufferKind::master)
      .Case("gradient", fb::BufferKind::gradient)
      .Case("moment1", fb::BufferKind::moment1)
      .Case("moment2", fb::BufferKind::moment2)
      .Case("kv_cache", fb::BufferKind::kv_cache)
      .Case("kv_table", fb::BufferKind::kv_table)
      .Default(fb::BufferKind::state);
}

FailureOr<flatbuffers::Offset<fb::Buffer>> Writer::buffer(Operation *op) {
  auto offset = op->getAttrOfType<IntegerAttr>("plan.offset");
  if (!offset)
    return op->emitOpError("has no offset: run assign-memory"), failure();
  if (auto variable = dyn_cast<nn::VariableOp>(op)) {
    auto tensor = cast<RankedTensorType>(variable.getType());
    return fb::CreateBuffer(b_, text(variable.getSymName()), bufferKind(variable.getKind()), type(tensor), offset.getInt(),
                            *plan::bytesAtCapacity(tensor, {}), text(variable.getOwner()), text(variable.getWeight()),
                            text(variable.getInit()), b_.CreateVector(std::vector<uint8_t>()));
  }
  auto constant = cast<plan::ConstantOp>(op);
  auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
  if (!dense)
    return op->emitOpError("must hold dense elements to be written"), failure();
  auto tensor = cast<RankedTensorType>(dense.getType());
  std::vector<uint8_t> bytes;
  int64_t size = *plan::bytesAtCapacity(tensor, {});
  ArrayRef<char> raw = dense.getRawData();
  for (int64_t copies = dense.isSplat() ? tensor.getNumElements() : 1; copies > 0; --copies)
    bytes.insert(bytes.end(), raw.begin(), raw.end());
  if (static_cast<int64_t>(bytes.size()) != size)
    return op->emitOpError("has elements of a width that cannot be written"), failure();
  return fb::CreateBuffer(b_, text(constant.getSymName()), fb::BufferKind::constant, type(tensor), offset.getInt(), size, text(""),
                          text(""), text(""), b_.CreateVector(bytes));
}

flatbuffers::Offset<fb::Command> Writer::command(Operation &op, llvm::DenseMap<Value, uint32_t> &slices) {
  if (auto launch = dyn_cast<plan::LaunchOp>(op)) {
    auto [it, isNew] = kernels_.try_emplace(launch.getKernel(), kernelList_.size());
    if (isNew)
      kernelList_.push_back({launch.getKernel(), launch.getOp()});
    std::vector<uint32_t> arguments;
    for (ValueRange values : {ValueRange(launch.getReads()), ValueRange(launch.getWrites())})
      for (Value slice : values)
        arguments.push_back(slices.lookup(slice));
    fb::Work count = work(launch.getWork());
    fb::Affine flops = affine(launch.getFlops()), bytes = affine(launch.getBytes());
    auto action = fb::CreateLaunch(b_, it->second, b_.CreateVector(arguments), &count, launch.getGrain(), text(launch.getOp()),
                                   source(op.getLoc()), &flops, &bytes, maps(launch), library(launch, slices));
    return fb::CreateCommand(b_, fb::Action::Launch, action.Union());
  }
  if (auto fill = dyn_cast<plan::FillOp>(op))
    return fb::CreateCommand(b_, fb::Action::Fill, fb::CreateFill(b_, slices.lookup(fill.getSlice())).Union());
  if (auto copy = dyn_cast<plan::CopyOp>(op))
    return fb::CreateCommand(b_, fb::Action::Copy,
                             fb::CreateCopy(b_, slices.lookup(copy.getFrom()), slices.lookup(copy.getTo())).Union());
  auto loop = cast<plan::LoopOp>(op);
  std::vector<flatbuffers::Offset<fb::Command>> body;
  for (Operation &inner : loop.getBody().front())
    body.push_back(command(inner, slices));
  fb::Work count = work(loop.getCount());
  auto action = fb::CreateLoop(b_, &count, loop.getIndex(), b_.CreateVector(body));
  return fb::CreateCommand(b_, fb::Action::Loop, action.Union());
}

flatbuffers::Offset<fb::Entry> Writer::entry(plan::EntryOp op) {
  llvm::DenseMap<Value, uint32_t> slices;
  std::vector<flatbuffers::Offset<fb::Slice>> sliceList;
  std::vector<flatbuffers::Offset<fb::Port>> inputs, outputs;
  std::vector<flatbuffers::Offset<fb::Command>> commands;
  auto addSlice = [&](Operation &def, StringRef name) {
    auto tensor = cast<plan::SliceType>(def.getResult(0).getType()).getTensor();
    slices[def.getResult(0)] = sliceList.size();
    sliceList.push_back(fb::CreateSlice(b_, text(name), type(tensor), def.getAttrOfType<IntegerAttr>("offset").getInt(),
                                        *plan::bytesAtCapacity(tensor, op.getCapacities())));
  };
  for (Operation &inner : op.getBody().front()) {
    if (auto buffer = dyn_cast<plan::BufferOp>(inner)) {
      addSlice(inner, buffer.getVariable());
    } else if (auto alloc = dyn_cast<plan::AllocOp>(inner)) {
      addSlice(inner, alloc.getName());
    } else if (auto input = dyn_cast<plan::InputOp>(inner)) {
      addSlice(inner, input.getName());
      inputs.push_back(fb::CreatePort(b_, text(input.getName()), text(input.getSource()), slices[input.getSlice()]));
    } else if (auto output = dyn_cast<plan::OutputOp>(inner)) {
      outputs.push_back(fb::CreatePort(b_, text(output.getName()), text(output.getSource()), slices.lookup(output.getSlice())));
    } else {
      commands.push_back(command(inner, slices));
    }
  }
  auto kind = llvm::StringSwitch<fb::EntryKind>(op.getKind())
                  .Case("batch", fb::EntryKind::batch)
                  .Case("micro", fb::EntryKind::micro)
                  .Case("apply", fb::EntryKind::apply)
                  .Case("score", fb::EntryKind::score)
                  .Case("prefill", fb::EntryKind::prefill)
                  .Case("decode", fb::EntryKind::decode)
                  .Case("reward", fb::EntryKind::reward)
                  .Default(fb::EntryKind::plain);
  std::vector<fb::Capacity> capacities;
  for (NamedAttribute capacity : op.getCapacities())
    capacities.emplace_back(static_cast<fb::Axis>(*nn::symbolizeAxis(capacity.getName())),
                            cast<IntegerAttr>(capacity.getValue()).getInt());
  std::vector<flatbuffers::Offset<flatbuffers::String>> fused;
  if (op.getFused())
    for (Attribute line : op.getFusedAttr())
      fused.push_back(text(cast<StringAttr>(line).getValue()));
  return fb::CreateEntry(b_, text(op.getSymName()), kind, b_.CreateVectorOfStructs(capacities), b_.CreateVector(sliceList),
                         b_.CreateVector(inputs), b_.CreateVector(outputs), b_.CreateVector(commands),
                         op.getPeakBytes().value_or(0), b_.CreateVector(fused), source(op.getLoc()));
}

// How a GPU's kernel is launched stands in its attributes.
flatbuffers::Offset<fb::Kernel> Writer::kernel(StringRef name, StringRef origin) {
  auto kernels = module_.lookupSymbol<ModuleOp>("kernels");
  Operation *function = kernels ? kernels.lookupSymbol(name) : nullptr;
  auto number = [&](StringRef attribute) -> uint32_t {
    auto value = function ? function->getAttrOfType<IntegerAttr>(attribute) : IntegerAttr();
    return value ? static_cast<uint32_t>(value.getInt()) : 0;
  };
  return fb::CreateKernel(b_, text(name), text(origin), number(cuda::kThreadsAttr), number(cuda::kItemsAttr),
                          number(cuda::kSharedAttr), number(cuda::kBlocksAttr), number(cuda::kMapsAttr), number(cuda::kArrayAttr) != 0);
}

Vector<fb::TensorMap> Writer::maps(plan::LaunchOp launch) {
  std::vector<flatbuffers::Offset<fb::TensorMap>> list;
  if (launch.getMaps())
    for (auto map : launch.getMapsAttr().getAsRange<plan::TensorMapAttr>()) {
      std::vector<fb::Dim> dims;
      for (auto [axis, size] : llvm::zip_equal(map.getAxes().asArrayRef(), map.getSizes().asArrayRef()))
        dims.emplace_back(static_cast<fb::Axis>(axis), size);
      ArrayRef<int64_t> strides = map.getStrides().asArrayRef(), box = map.getBox().asArrayRef();
      list.push_back(fb::CreateTensorMap(b_, map.getArgument(), b_.CreateVectorOfStructs(dims),
                                         b_.CreateVector(std::vector<uint64_t>(strides.begin(), strides.end())),
                                         b_.CreateVector(std::vector<uint32_t>(box.begin(), box.end())), map.getSwizzle()));
    }
  return b_.CreateVector(list);
}

flatbuffers::Offset<fb::LibraryCall> Writer::library(plan::LaunchOp launch, llvm::DenseMap<Value, uint32_t> &slices) {
  if (!launch.getProducts())
    return 0;
  std::vector<flatbuffers::Offset<fb::Product>> list;
  for (auto p : launch.getProductsAttr().getAsRange<plan::ProductAttr>()) {
    auto dim = [&](int64_t at) { return fb::Dim(static_cast<fb::Axis>(p.getAxes()[at]), p.getSizes()[at]); };
    fb::Dim rows = dim(0), columns = dim(1), depth = dim(2);
    list.push_back(fb::CreateProduct(b_, p.getLeft(), p.getRight(), p.getResult(), p.getBias(), p.getResidual(), &rows, &columns,
                                     &depth, p.getLeftTransposed(), p.getRightTransposed(), p.getAccumulate()));
  }
  return fb::CreateLibraryCall(b_, fb::Library::cublaslt, b_.CreateVector(list), slices.lookup(launch.getWorkspace()),
                               launch.getAnyBits());
}

Vector<fb::Instruction> Writer::instructions(Block &block) {
  std::vector<flatbuffers::Offset<fb::Instruction>> list;
  auto names = [&](ArrayAttr array) {
    std::vector<flatbuffers::Offset<flatbuffers::String>> texts;
    for (Attribute name : array)
      texts.push_back(text(cast<StringAttr>(name).getValue()));
    return b_.CreateVector(texts);
  };
  for (auto host : block.getOps<plan::HostOp>()) {
    std::vector<flatbuffers::Offset<fb::Attribute>> settings;
    for (NamedAttribute setting : host.getSettings()) {
      auto string = dyn_cast<StringAttr>(setting.getValue());
      auto number = dyn_cast<FloatAttr>(setting.getValue());
      settings.push_back(fb::CreateAttribute(b_, text(setting.getName()), text(string ? string.getValue() : ""),
                                             number ? number.getValueAsDouble() : 0.0));
    }
    auto body = host.getBody().empty()
                    ? b_.CreateVector(std::vector<flatbuffers::Offset<fb::Instruction>>())
                    : instructions(host.getBody().front());
    list.push_back(fb::CreateInstruction(b_, text(host.getInstruction()), names(host.getResultNames()), names(host.getOperandNames()),
                                         b_.CreateVector(settings), body, source(host.getLoc())));
  }
  return b_.CreateVector(list);
}

LogicalResult Writer::run(raw_ostream &os) {
  std::vector<flatbuffers::Offset<fb::Buffer>> buffers;
  std::vector<flatbuffers::Offset<fb::Entry>> entries;
  std::vector<flatbuffers::Offset<fb::Policy>> policies;
  std::vector<flatbuffers::Offset<fb::Optimizer>> optimizers;
  std::vector<flatbuffers::Offset<fb::Step>> steps;
  std::vector<flatbuffers::Offset<fb::Param>> params;
  std::vector<flatbuffers::Offset<fb::Dataset>> datasets;
  Vector<fb::Instruction> program = b_.CreateVector(std::vector<flatbuffers::Offset<fb::Instruction>>());
  plan::CodeOp code;
  for (Operation &op : *module_.getBody())
    if (isa<nn::VariableOp, plan::ConstantOp>(op)) {
      auto written = buffer(&op);
      if (failed(written))
        return failure();
      buffers_.push_back(&op);
      buffers.push_back(*written);
    }
  auto symbol = [](std::optional<StringRef> name) { return name.value_or(""); };
  for (Operation &op : *module_.getBody()) {
    if (auto e = dyn_cast<plan::EntryOp>(op))
      entries.push_back(entry(e));
    else if (auto p = dyn_cast<plan::PolicyOp>(op)) {
      auto few = [&](std::optional<ArrayAttr> entries) {
        std::vector<flatbuffers::Offset<flatbuffers::String>> names;
        for (Attribute entry : entries.value_or(ArrayAttr::get(p.getContext(), {})))
          names.push_back(text(cast<FlatSymbolRefAttr>(entry).getValue()));
        return names.empty() ? 0 : b_.CreateVector(names);
      };
      policies.push_back(fb::CreatePolicy(
          b_, text(p.getSymName()), text(p.getModel()), p.getRole() == "frozen" ? fb::PolicyRole::frozen : fb::PolicyRole::trainable,
          select([&](nn::VariableOp v) { return v.getKind() == "weight" && v.getOwner() == p.getSymName(); }),
          text(symbol(p.getPrefill())), text(symbol(p.getDecode())), text(symbol(p.getScore())), p.getVocabSize(), p.getMaxContext(),
          p.getKvSlots(), select([&](nn::VariableOp v) { return v.getKind() == "kv_cache" && v.getOwner() == p.getSymName(); }),
          p.getKvBlocks(), select([&](nn::VariableOp v) { return v.getKind() == "kv_table" && v.getOwner() == p.getSymName(); }),
          few(p.getDecodeFew()), few(p.getPrefillFew())));
    } else if (auto o = dyn_cast<plan::OptimizerOp>(op))
      optimizers.push_back(fb::CreateOptimizer(
          b_, text(o.getSymName()), text(o.getPolicy()), text(o.getReset()), select([&](nn::VariableOp v) {
            return v.getOwner() == o.getSymName() && llvm::is_contained({"moment1", "moment2", "state"}, v.getKind());
          })));
    else if (auto s = dyn_cast<plan::StepOp>(op))
      steps.push_back(fb::CreateStep(b_, text(s.getSymName()), text(s.getTrajectory()), text(s.getBatch()), text(s.getMicro()),
                                     text(s.getApply()), text(s.getPacking()), text(s.getOptimizer()), source(op.getLoc())));
    else if (auto p = dyn_cast<plan::ParamOp>(op))
      params.push_back(fb::CreateParam(b_, text(p.getSymName()), p.getValue().convertToDouble(), source(op.getLoc())));
    else if (auto d = dyn_cast<plan::DatasetOp>(op))
      datasets.push_back(fb::CreateDataset(b_, text(d.getSymName()), text(d.getPath()), source(op.getLoc())));
    else if (auto p = dyn_cast<plan::ProgramOp>(op))
      program = instructions(p.getBody().front());
    else if (auto c = dyn_cast<plan::CodeOp>(op))
      code = c;
  }
  if (!code)
    return module_.emitOpError("has no machine code: run compile-kernels"), failure();
  std::vector<flatbuffers::Offset<fb::Kernel>> kernels;
  for (auto [name, origin] : kernelList_)
    kernels.push_back(kernel(name, origin));
  std::vector<flatbuffers::Offset<flatbuffers::String>> isa;
  for (Attribute feature : code.getIsa())
    isa.push_back(text(cast<StringAttr>(feature).getValue()));
  auto number = [&](StringRef name) { return module_->getAttrOfType<IntegerAttr>(name).getInt(); };
  StringRef object = code.getObject();
  auto device = module_->getAttrOfType<StringAttr>("plan.target");
  b_.Finish(fb::CreatePlan(b_, rt::kPlanVersion, text("mirl 0.1.0"), text(device ? device.getValue() : "cpu"), b_.CreateVector(isa), moduleText("mirl.source_file"),
                           /*content_hash=*/0, number("plan.arena_bytes"), number("plan.persistent_bytes"), b_.CreateVector(buffers),
                           b_.CreateVector(kernels), b_.CreateVector(reinterpret_cast<const uint8_t *>(object.data()), object.size()),
                           b_.CreateVector(entries), b_.CreateVector(policies), b_.CreateVector(optimizers), b_.CreateVector(steps),
                           b_.CreateVector(params), program, b_.CreateVector(datasets), moduleText("mirl.model_dir"),
                           moduleText("mirl.model_config")),
            fb::PlanIdentifier());
  if (!rt::StoreContentHash(b_.GetBufferPointer(), b_.GetSize()))
    return module_.emitOpError("could not be written: the plan has no place for its hash"), failure();
  os.write(reinterpret_cast<const char *>(b_.GetBufferPointer()), b_.GetSize());
  return success();
}

} // namespace

LogicalResult serializePlan(ModuleOp module, raw_ostream &os) { return Writer(module).run(os); }

} // namespace mirl::passes
