#include "test/runtime/core/CorePlan.h"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "runtime/artifact/ContentHash.h"

namespace mirl::rt::test {

namespace {

using fb::Axis;
using fb::DType;
template <typename T> using Vectors = std::vector<flatbuffers::Offset<T>>;

struct Shape {
  DType dtype = DType::f32;
  std::vector<fb::Dim> dims;
};

Shape Rows(Axis axis, int64_t columns = 0, DType dtype = DType::f32, int64_t plus = 0) {
  Shape shape{dtype, {fb::Dim(axis, plus)}};
  if (columns)
    shape.dims.emplace_back(Axis::fixed, columns);
  return shape;
}

int64_t CapacityOf(Axis axis) {
  switch (axis) {
  case Axis::context:
    return kContextRows;
  case Axis::token:
    return kTokenRows;
  case Axis::sequence:
    return kSequenceRows;
  case Axis::group:
    return kGroupRows;
  case Axis::fixed:
    break;
  }
  return 0;
}

uint64_t BytesOf(const Shape &shape) {
  uint64_t bytes = shape.dtype == DType::bf16 ? 2 : 4;
  for (const fb::Dim &dim : shape.dims)
    bytes *= static_cast<uint64_t>(dim.size() + CapacityOf(dim.axis()));
  return bytes;
}

class Builder {
public:
  flatbuffers::FlatBufferBuilder b;
  Vectors<fb::Buffer> buffers;
  Vectors<fb::Entry> entries;
  uint64_t persistent = 0, arena = 0;

  uint32_t Buffer(const std::string &name, fb::BufferKind kind, Shape shape,
                  const std::string &weight = "", const std::string &init = "",
                  const std::vector<float> &data = {}) {
    std::vector<uint8_t> bytes(data.size() * sizeof(float));
    if (!bytes.empty())
      std::memcpy(bytes.data(), data.data(), bytes.size());
    places_.push_back({persistent, BytesOf(shape)});
    buffers.push_back(fb::CreateBuffer(b, b.CreateString(name), kind, Type(shape), persistent,
                                       BytesOf(shape), b.CreateString(weight.empty() ? "" : "pi"),
                                       b.CreateString(weight), b.CreateString(init),
                                       b.CreateVector(bytes)));
    persistent += (BytesOf(shape) + 63) / 64 * 64;
    arena = std::max(arena, persistent);
    shapes_.push_back(shape);
    return static_cast<uint32_t>(buffers.size()) - 1;
  }

  void Begin() {
    top_ = persistent;
    slices_.clear();
    inputs_.clear();
    outputs_.clear();
    axes_.clear();
  }
  uint32_t Slice(const std::string &name, const Shape &shape) {
    uint64_t offset = top_;
    top_ += (BytesOf(shape) + 63) / 64 * 64;
    arena = std::max(arena, top_);
    for (const fb::Dim &dim : shape.dims)
      if (dim.axis() != Axis::fixed &&
          std::find(axes_.begin(), axes_.end(), dim.axis()) == axes_.end())
        axes_.push_back(dim.axis());
    slices_.push_back(
        fb::CreateSlice(b, b.CreateString(name), Type(shape), offset, BytesOf(shape)));
    return static_cast<uint32_t>(slices_.size()) - 1;
  }
  uint32_t On(uint32_t buffer) {
    slices_.push_back(fb::CreateSlice(b, b.CreateString("buffer"), Type(shapes_[buffer]),
                                      places_[buffer].first, places_[buffer].second));
    return static_cast<uint32_t>(slices_.size()) - 1;
  }
  uint32_t Input(const std::string &source, const Shape &shape) {
    std::string name = source.substr(source.starts_with("input:") ? 6 : 0);
    uint32_t slice = Slice(name, shape);
    inputs_.push_back(fb::CreatePort(b, b.CreateString(name), b.CreateString(source), slice));
    return slice;
  }
  uint32_t Output(const std::string &name, const Shape &shape) {
    uint32_t slice = Slice(name, shape);
    outputs_.push_back(
        fb::CreatePort(b, b.CreateString(name), b.CreateString("output:" + name), slice));
    return slice;
  }

  flatbuffers::Offset<fb::Command> Launch(uint32_t kernel, const std::vector<uint32_t> &slices,
                                          fb::Work work, const Vectors<fb::TensorMap> &maps = {},
                                          flatbuffers::Offset<fb::LibraryCall> library = 0) {
    fb::Affine flops(1, 0, 2, 0, 0), bytes(0, 0, 4, 0, 0);
    auto launch = fb::CreateLaunch(b, kernel, b.CreateVector(slices), &work, 1,
                                   b.CreateString("core"), 0, &flops, &bytes, b.CreateVector(maps), library);
    return fb::CreateCommand(b, fb::Action::Launch, launch.Union());
  }
  flatbuffers::Offset<fb::Command> Loop(uint32_t index, fb::Work count,
                                        const Vectors<fb::Command> &body) {
    auto loop = fb::CreateLoop(b, &count, index, b.CreateVector(body));
    return fb::CreateCommand(b, fb::Action::Loop, loop.Union());
  }
  void End(const std::string &name, const Vectors<fb::Command> &commands) {
    std::vector<fb::Capacity> capacities;
    for (Axis axis : axes_)
      capacities.emplace_back(axis, CapacityOf(axis));
    entries.push_back(fb::CreateEntry(
        b, b.CreateString(name), fb::EntryKind::plain, b.CreateVectorOfStructs(capacities),
        b.CreateVector(slices_), b.CreateVector(inputs_), b.CreateVector(outputs_),
        b.CreateVector(commands), top_ - persistent, b.CreateVectorOfStrings({"rows, sum"})));
  }

private:
  flatbuffers::Offset<fb::TensorType> Type(const Shape &shape) {
    return fb::CreateTensorType(b, shape.dtype, b.CreateVectorOfStructs(shape.dims));
  }
  std::vector<std::pair<uint64_t, uint64_t>> places_;
  std::vector<Shape> shapes_;
  uint64_t top_ = 0;
  Vectors<fb::Slice> slices_;
  Vectors<fb::Port> inputs_, outputs_;
  std::vector<Axis> axes_;
};

Shape Fixed(std::vector<int64_t> sizes, DType dtype = DType::f32) {
  Shape shape{dtype, {}};
  for (int64_t size : sizes)
    shape.dims.emplace_back(Axis::fixed, size);
  return shape;
}

} // namespace

std::vector<uint8_t> CorePlanBytes(const CoreOptions &options) {
  Builder w;
  auto &b = w.b;
  b.ForceDefaults(true); // The checksum needs a place, and tests one to put faults in.
  struct Weight {
    std::string name, init;
    std::vector<int64_t> sizes;
  };
  std::vector<Weight> list = {{"embed", options.embed_init, {16, 4}},
                              {"norm", "ones", {4}},
                              {"bias", "zeros", {4}},
                              {"odd", "normal:2", {3}}};
  if (options.reversed)
    std::reverse(list.begin(), list.end());
  std::vector<uint32_t> weights;
  uint32_t embed = 0;
  for (const Weight &weight : list) {
    DType dtype = options.bf16 && weight.name != "embed" ? DType::bf16 : DType::f32;
    weights.push_back(w.Buffer("pi/" + weight.name, fb::BufferKind::weight, Fixed(weight.sizes, dtype),
                               weight.name, weight.init));
    if (dtype == DType::bf16 && weight.name != "bias")
      w.Buffer("pi/" + weight.name + ".master", fb::BufferKind::master, Fixed(weight.sizes), weight.name, weight.init);
    if (weight.name == "embed")
      embed = weights.back();
  }
  uint32_t two = w.Buffer("two", fb::BufferKind::constant, Fixed({}), "", "", {2.0f});
  const fb::Work once(Axis::fixed, 1, 1, 1);

  w.Begin();
  {
    uint32_t x = w.Input("input:x", Rows(Axis::token, 8));
    uint32_t scale = w.Slice("scale", Fixed({}));
    uint32_t y = w.Output("y", Rows(Axis::token, 8));
    auto copy = fb::CreateCopy(b, w.On(two), scale);
    Vectors<fb::TensorMap> maps;
    if (options.cuda) {
      std::vector<fb::Dim> dims = {{Axis::fixed, 8}, {Axis::token, 0}};
      maps.push_back(fb::CreateTensorMap(b, 0, b.CreateVectorOfStructs(dims), b.CreateVector(std::vector<uint64_t>{32}),
                                         b.CreateVector(std::vector<uint32_t>{8, 64}), 32));
    }
    Vectors<fb::Command> commands = {fb::CreateCommand(b, fb::Action::Copy, copy.Union())};
    for (int i = 0; i < options.launches; ++i)
      commands.push_back(w.Launch(0, {x, scale, y}, fb::Work(Axis::token, 0, 4, 1), maps));
    w.End("rows", commands);
  }
  w.Begin();
  {
    uint32_t trace = w.Output("trace", Fixed({64}, DType::i32));
    uint32_t count = w.Output("count", Fixed({1}, DType::i32));
    auto fill = [&](uint32_t slice) {
      return fb::CreateCommand(b, fb::Action::Fill, fb::CreateFill(b, slice).Union());
    };
    auto inner = w.Loop(1, fb::Work(Axis::fixed, 5, 2, 1), {w.Launch(1, {trace, count}, once)});
    w.End("loops", {fill(trace), fill(count), w.Loop(0, fb::Work(Axis::fixed, 2, 1, 1), {inner}),
                    w.Launch(1, {trace, count}, once)});
  }
  w.Begin();
  {
    uint32_t ids = w.Input("ids", Rows(Axis::context, 0, DType::i32));
    uint32_t y = w.Output("y", Rows(Axis::context, 4));
    w.End("lookup", {w.Launch(2, {ids, w.On(embed), y}, fb::Work(Axis::context, 0, 1, 1))});
  }
  w.Begin();
  {
    std::vector<uint32_t> slices = {
        w.Input("input:x", Rows(Axis::token)),
        w.Input("token_offsets", Rows(Axis::sequence, 0, DType::i32, 1)),
        w.Input("group_offsets", Rows(Axis::group, 0, DType::i32, 1)),
        w.Input("field:reward", Rows(Axis::sequence)),
        w.Input("param:tau", Fixed({})),
        w.Input("iteration", Fixed({})),
        w.Output("sums", Rows(Axis::sequence)),
        w.Output("best", Rows(Axis::group))};
    slices.resize(std::max(slices.size(), options.sums_buffers), slices[0]);
    w.End("sums", {w.Launch(3, slices, once)});
  }
  if (options.library) {
    w.Begin();
    uint32_t left = w.Input("input:left", Rows(Axis::context, 64, DType::bf16));
    uint32_t right = w.Slice("right", Fixed({8, 64}, DType::bf16));
    uint32_t result = w.Output("result", Rows(Axis::context, 8, DType::bf16));
    uint32_t workspace = w.Slice("workspace", Fixed({256}, DType::u8));
    fb::Dim rows(Axis::context, 0), columns(Axis::fixed, 8), depth(Axis::fixed, 64);
    auto product = fb::CreateProduct(b, 0, 1, 2, -1, -1, &rows, &columns, &depth, false, false, false);
    auto call = fb::CreateLibraryCall(b, fb::Library::cublaslt, b.CreateVector(&product, 1), workspace, options.any_bits);
    w.End("product", {w.Launch(3, {left, right, result}, fb::Work(Axis::context, 0, 4, 1), {}, call)});
  }
  w.Begin();
  {
    uint32_t first = w.Output("a", Fixed({16}));
    w.Output("b", Fixed({16}));
    uint32_t c = w.Output("c", Fixed({16})), d = w.Output("d", Fixed({3})), e = w.Output("e", Fixed({16}));
    Vectors<fb::Command> fills;
    for (uint32_t slice : {e, c, first, d})
      fills.push_back(fb::CreateCommand(b, fb::Action::Fill, fb::CreateFill(b, slice).Union()));
    w.End("fills", fills);
  }

  Vectors<fb::Kernel> kernels;
  for (std::string symbol : {"core_rows", "core_trace", "core_lookup", "core_sums"}) {
    bool tiles = options.cuda && symbol == "core_rows";
    kernels.push_back(fb::CreateKernel(b, b.CreateString(symbol), b.CreateString("core"), options.cuda ? 128 : 0,
                                       options.cuda ? 1 : 0, 0, tiles ? 1 : 0, tiles ? 1 : 0,
                                       options.array && symbol == "core_sums"));
  }
  std::string code = ReadText(MIRL_CORE_KERNELS);
  auto code_vector = b.CreateVector(reinterpret_cast<const uint8_t *>(code.data()), code.size());
  auto text = [&](const std::string &value) { return b.CreateString(value); };
  auto policy = fb::CreatePolicy(b, text("pi"), text("core"), fb::PolicyRole::trainable,
                                 b.CreateVector(weights), text(""), text(""), text(""), 16, 32, 0,
                                 b.CreateVector(std::vector<uint32_t>()));
  auto param = fb::CreateParam(b, text("tau"), 0.5);
  auto dataset = fb::CreateDataset(b, text("prompts"), text("/data/prompts.jsonl"));
  auto names = [&](std::vector<std::string> list) { return b.CreateVectorOfStrings(list); };
  auto count = fb::CreateAttribute(b, text("count"), text(""), 4);
  auto which = fb::CreateAttribute(b, text("dataset"), text("prompts"), 0);
  Vectors<fb::Attribute> attributes = {count, which};
  auto draw =
      fb::CreateInstruction(b, text("draw"), names({"x"}), names({}), b.CreateVector(attributes));
  Vectors<fb::Instruction> body = {draw};
  auto twice = fb::CreateAttribute(b, text("count"), text(""), 2);
  auto repeat = fb::CreateInstruction(b, text("repeat"), names({}), names({}),
                                      b.CreateVector(&twice, 1), b.CreateVector(body));
  auto plan = fb::CreatePlan(
      b, kPlanVersion, text("test"), text(options.cuda ? "cuda" : "cpu"),
      b.CreateVectorOfStrings(options.cuda ? std::vector<std::string>{"sm_90a"} : options.isa),
      text("core.mirl"), 0, w.arena, w.persistent, b.CreateVector(w.buffers),
      b.CreateVector(kernels), code_vector, b.CreateVector(w.entries), b.CreateVector(&policy, 1),
      0, 0, b.CreateVector(&param, 1), b.CreateVector(&repeat, 1), b.CreateVector(&dataset, 1),
      text(options.model_dir), text(options.config));
  b.Finish(plan, fb::PlanIdentifier());
  std::vector<uint8_t> bytes(b.GetBufferPointer(), b.GetBufferPointer() + b.GetSize());
  EXPECT_TRUE(StoreContentHash(bytes.data(), bytes.size()));
  return bytes;
}

std::shared_ptr<const Plan> CorePlan(const CoreOptions &options) {
  auto plan = Plan::Parse(CorePlanBytes(options), "core.plan");
  if (!plan.ok()) {
    ADD_FAILURE() << plan.status();
    std::abort();
  }
  return *std::move(plan);
}

std::unique_ptr<Session> CoreSession(const CoreOptions &options, int threads) {
  SessionOptions session_options;
  session_options.threads = threads;
  auto session = Session::Create(CorePlan(options), session_options);
  if (!session.ok()) {
    ADD_FAILURE() << session.status();
    std::abort();
  }
  return *std::move(session);
}

std::vector<float> WeightOf(Session &session, const std::string &weight) {
  for (uint32_t index : *CorePolicy(session).weights()) {
    const fb::Buffer &buffer = *session.plan().root().buffers()->Get(index);
    if (buffer.weight()->str() != weight)
      continue;
    auto bytes = session.Buffer(buffer);
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  ADD_FAILURE() << "no weight " << weight;
  return {};
}

Range CodeRange(const std::vector<uint8_t> &plan) {
  const auto *code = fb::GetPlan(plan.data())->code();
  auto begin = static_cast<size_t>(code->data() - plan.data());
  return {begin, begin + code->size()};
}

Folder::Folder() {
  std::string name = (std::filesystem::temp_directory_path() / "mirl-core-XXXXXX").string();
  path_ = mkdtemp(name.data());
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string Folder::Write(const std::string &name, const std::string &text) const {
  std::filesystem::create_directories(std::filesystem::path(*this / name).parent_path());
  std::ofstream(*this / name, std::ios::binary) << text;
  return *this / name;
}

std::vector<std::string> Folder::Names() const {
  std::vector<std::string> names;
  for (const auto &entry : std::filesystem::directory_iterator(path_))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string ReadText(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

FullDisk::FullDisk(uint64_t bytes) {
  std::signal(SIGXFSZ, SIG_IGN); // The write fails instead.
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  before_ = limit.rlim_cur;
  limit.rlim_cur = bytes;
  EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

FullDisk::~FullDisk() {
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  limit.rlim_cur = before_;
  EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

} // namespace mirl::rt::test
