#include "test/runtime/train/ToyPlan.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <gtest/gtest.h>

#include "runtime/artifact/ContentHash.h"
#include "runtime/device/Philox.h"

namespace mirl::rt::test {

namespace {

using fb::Axis;
using fb::DType;
using Offset = flatbuffers::Offset<void>;

struct Shape {
  DType dtype = DType::f32;
  std::vector<fb::Dim> dims;
};

Shape Row(DType dtype, Axis axis, int64_t plus = 0) { return {dtype, {fb::Dim(axis, plus)}}; }
Shape Scalar(DType dtype = DType::f32) { return {dtype, {}}; }

// A slice of an entry: on a buffer, or (buffer < 0) of its own.
struct Slot {
  std::string name;
  Shape shape;
  int buffer = -1;
  std::string in, out; // sources
};

struct Entry {
  std::string name;
  fb::EntryKind kind;
  std::vector<std::pair<Axis, int64_t>> capacities;
  uint32_t kernel;
  std::vector<Slot> slots; // the kernel's arguments, in order
};

class Writer {
public:
  int Buffer(const std::string &name, fb::BufferKind kind, std::vector<int64_t> dims,
             const std::string &owner, const std::string &weight = "",
             const std::string &init = "zeros", DType dtype = DType::f32) {
    Shape shape;
    shape.dtype = dtype;
    uint64_t bytes = 4;
    for (int64_t dim : dims) {
      shape.dims.emplace_back(Axis::fixed, dim);
      bytes *= static_cast<uint64_t>(dim);
    }
    offsets_.push_back(Take(bytes));
    shapes_.push_back(shape);
    persistent_ = top_;
    buffers_.push_back(fb::CreateBuffer(b_, b_.CreateString(name), kind, Type(shape),
                                        offsets_.back(), bytes, b_.CreateString(owner),
                                        b_.CreateString(weight), b_.CreateString(init)));
    return static_cast<int>(buffers_.size()) - 1;
  }

  void Add(const Entry &entry) {
    uint64_t start = top_ = persistent_;
    std::vector<flatbuffers::Offset<fb::Slice>> slices;
    std::vector<flatbuffers::Offset<fb::Port>> inputs, outputs;
    std::vector<uint32_t> args;
    for (const Slot &slot : entry.slots) {
      uint64_t bytes = 4;
      if (slot.shape.dtype == DType::i64)
        bytes = 8;
      for (const fb::Dim &dim : slot.shape.dims) {
        int64_t extent = dim.size();
        for (auto [axis, capacity] : entry.capacities)
          extent += axis == dim.axis() ? capacity : 0;
        bytes *= static_cast<uint64_t>(extent);
      }
      uint64_t offset = slot.buffer >= 0 ? offsets_[static_cast<size_t>(slot.buffer)] : Take(bytes);
      auto index = static_cast<uint32_t>(slices.size());
      Shape shape =
          slot.buffer >= 0 && slot.shape.dims.empty() && slot.in.empty() && slot.out.empty()
              ? shapes_[static_cast<size_t>(slot.buffer)]
              : slot.shape;
      if (slot.buffer >= 0) {
        bytes = 4;
        for (const fb::Dim &dim : shape.dims)
          bytes *= static_cast<uint64_t>(dim.size());
      }
      slices.push_back(fb::CreateSlice(b_, b_.CreateString(slot.name), Type(shape), offset, bytes));
      if (!slot.in.empty())
        inputs.push_back(
            fb::CreatePort(b_, b_.CreateString(slot.name), b_.CreateString(slot.in), index));
      if (!slot.out.empty())
        outputs.push_back(
            fb::CreatePort(b_, b_.CreateString(slot.name), b_.CreateString(slot.out), index));
      args.push_back(index);
    }
    fb::Work work(Axis::fixed, 1, 1, 1);
    auto launch =
        fb::CreateLaunch(b_, entry.kernel, b_.CreateVector(args), &work, 1, b_.CreateString("toy"));
    std::vector<flatbuffers::Offset<fb::Command>> commands = {
        fb::CreateCommand(b_, fb::Action::Launch, launch.Union())};
    std::vector<fb::Capacity> capacities;
    for (auto [axis, extent] : entry.capacities)
      capacities.emplace_back(axis, extent);
    entries_.push_back(fb::CreateEntry(
        b_, b_.CreateString(entry.name), entry.kind, b_.CreateVectorOfStructs(capacities),
        b_.CreateVector(slices), b_.CreateVector(inputs), b_.CreateVector(outputs),
        b_.CreateVector(commands), top_ - start));
    arena_ = std::max(arena_, top_);
  }

  flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::Instruction>>>
  Program(const std::vector<Instr> &list) {
    std::vector<flatbuffers::Offset<fb::Instruction>> out;
    for (const Instr &instruction : list) {
      auto body = Program(instruction.body);
      std::vector<flatbuffers::Offset<fb::Attribute>> attributes;
      for (const auto &[key, text] : instruction.texts)
        attributes.push_back(fb::CreateAttribute(b_, b_.CreateString(key), b_.CreateString(text)));
      for (const auto &[key, number] : instruction.numbers)
        attributes.push_back(
            fb::CreateAttribute(b_, b_.CreateString(key), b_.CreateString(""), number));
      out.push_back(fb::CreateInstruction(
          b_, b_.CreateString(instruction.op), b_.CreateVectorOfStrings(instruction.results),
          b_.CreateVectorOfStrings(instruction.operands), b_.CreateVector(attributes), body));
    }
    return b_.CreateVector(out);
  }

  flatbuffers::FlatBufferBuilder b_;
  std::vector<flatbuffers::Offset<fb::Buffer>> buffers_;
  std::vector<flatbuffers::Offset<fb::Entry>> entries_;
  uint64_t persistent_ = 0, arena_ = 0;

private:
  flatbuffers::Offset<fb::TensorType> Type(const Shape &shape) {
    return fb::CreateTensorType(b_, shape.dtype, b_.CreateVectorOfStructs(shape.dims));
  }
  uint64_t Take(uint64_t bytes) {
    uint64_t at = top_;
    top_ = (top_ + bytes + 63) / 64 * 64;
    return at;
  }
  std::vector<uint64_t> offsets_;
  std::vector<Shape> shapes_;
  uint64_t top_ = 0;
};

} // namespace

std::vector<uint8_t> ToyPlanBytes(const ToyOptions &options) {
  Writer w;
  auto &b = w.b_;
  b.ForceDefaults(true); // The checksum needs a place.
  int weight = w.Buffer("pi/w", fb::BufferKind::weight, {kVocabulary}, "pi", "w", "zeros");
  int64_t blocks = options.kv_blocks ? options.kv_blocks : options.slots * (kContext / 16);
  int keys = w.Buffer("pi/kv.0.k", fb::BufferKind::kv_cache,
                      {blocks, 1, 1, 16}, "pi");
  int values =
      w.Buffer("pi/kv.0.v", fb::BufferKind::kv_cache, {blocks, 1, 16, 1}, "pi");
  int table = w.Buffer("pi/kv.table", fb::BufferKind::kv_table, {options.slots, kContext / 16}, "pi", "", "zeros",
                       DType::i32);
  int gradient = w.Buffer("pi/w.grad", fb::BufferKind::gradient, {kVocabulary}, "pi", "w");
  int loss = w.Buffer("train/loss", fb::BufferKind::state, {}, "train");
  int micro = w.Buffer("train/micro", fb::BufferKind::state, {}, "train");
  int state = w.Buffer("opt/step", fb::BufferKind::state, {}, "opt");

  auto sampler = [&](const std::string &name, fb::EntryKind kind,
                     std::vector<std::pair<Axis, int64_t>> capacities) {
    w.Add({name,
           kind,
           std::move(capacities),
           0,
           {{"ids", Row(DType::i32, Axis::context), -1, "ids", ""},
            {"positions", Row(DType::i32, Axis::context), -1, "positions", ""},
            {"slots", Row(DType::i32, Axis::context), -1, "slots", ""},
            {"rows", Row(DType::i32, Axis::token), -1, "rows", ""},
            {"sequence_ids", Row(DType::i64, Axis::token), -1, "sequence_ids", ""},
            {"steps", Row(DType::i32, Axis::token), -1, "steps", ""},
            {"seed", Scalar(DType::i64), -1, "seed", ""},
            {"temperature", Scalar(), -1, "temperature", ""},
            {"w", {}, weight, "", ""},
            {"keys", {}, keys, "", ""},
            {"values", {}, values, "", ""},
            {"table", {}, table, "", ""},
            {"token", Row(DType::i32, Axis::token), -1, "", "token"},
            {"logprob", Row(DType::f32, Axis::token), -1, "", "logprob"}}});
  };
  sampler("pi.prefill", fb::EntryKind::prefill,
          {{Axis::context, options.prefill_context},
           {Axis::token, options.prefill_tokens},
           {Axis::sequence, options.prefill_sequences}});
  sampler("pi.decode", fb::EntryKind::decode,
          {{Axis::context, options.slots}, {Axis::token, options.slots}});
  std::vector<std::string> few, prefill_few;
  for (int64_t rows : options.decode_few) {
    few.push_back("pi.decode." + std::to_string(rows));
    sampler(few.back(), options.decode_few_kind == "decode" ? fb::EntryKind::decode : fb::EntryKind::prefill,
            {{Axis::context, rows}, {Axis::token, rows}});
  }
  for (auto [rows, tokens] : options.prefill_few) {
    prefill_few.push_back("pi.prefill." + std::to_string(rows));
    sampler(prefill_few.back(), fb::EntryKind::prefill, {{Axis::context, rows}, {Axis::token, tokens}, {Axis::sequence, tokens}});
  }
  int64_t n = options.batch_sequences;
  w.Add({"train.batch",
         fb::EntryKind::batch,
         {{Axis::context, n * kContext},
          {Axis::token, n * kContext},
          {Axis::sequence, n},
          {Axis::group, n}},
         1,
         {{"group_offsets", Row(DType::i32, Axis::group, 1), -1, "group_offsets", ""},
          {"reward", Row(DType::f32, Axis::sequence), -1, "field:reward", ""},
          {"advantage", Row(DType::f32, Axis::sequence), -1, "", "value:advantage"},
          {"count", Scalar(), -1, "", "value:count"},
          {"loss", {}, loss, "", ""},
          {"gradient", {}, gradient, "", ""},
          {"micro", {}, micro, "", ""}}});
  int64_t m = options.micro_sequences;
  w.Add({"train.micro",
         fb::EntryKind::micro,
         {{Axis::context, options.micro_context},
          {Axis::token, options.micro_context},
          {Axis::sequence, m},
          {Axis::group, m}},
         2,
         {{"ids", Row(DType::i32, Axis::context), -1, "ids", ""},
          {"sequence_offsets", Row(DType::i32, Axis::sequence, 1), -1, "sequence_offsets", ""},
          {"rows", Row(DType::i32, Axis::token), -1, "rows", ""},
          {"targets", Row(DType::i32, Axis::token), -1, "targets", ""},
          {"token_offsets", Row(DType::i32, Axis::sequence, 1), -1, "token_offsets", ""},
          {"old", Row(DType::f32, Axis::token), -1, "field:logprob", ""},
          {"advantage", Row(DType::f32, Axis::sequence), -1, "value:advantage", ""},
          {"count", Scalar(), -1, "value:count", ""},
          {"scale", Scalar(), -1, "param:scale", ""},
          {"w", {}, weight, "", ""},
          {"loss", Scalar(), loss, "", "loss"},
          {"gradient", {}, gradient, "", ""},
          {"logprob", Row(DType::f32, Axis::token), -1, "", options.micro_logprob ? "logprob" : ""},
          {"micro", Scalar(), micro, "", "metric:micro_count"}}});
  w.Add({"train.apply",
         fb::EntryKind::apply,
         {},
         3,
         {{"iteration", Scalar(), -1, "iteration", ""},
          {"iterations", Scalar(), -1, "iterations", ""},
          {"gradient", {}, gradient, "", ""},
          {"w", {}, weight, "", ""},
          {"state", {}, state, "", ""},
          {"updates", Scalar(), -1, "", "metric:updates"}}});
  w.Add({"rollout.reward",
         fb::EntryKind::reward,
         {{Axis::sequence, 8}, {Axis::group, 8}},
         4,
         {{"correct", Row(DType::f32, Axis::sequence), -1, "field:correct", ""},
          {"finished", Row(DType::f32, Axis::sequence), -1, "field:finished", ""},
          {"reward", Row(DType::f32, Axis::sequence), -1, "", "field:reward"}}});

  std::vector<flatbuffers::Offset<fb::Kernel>> kernels;
  for (const char *symbol : {"toy_sample", "toy_batch", "toy_micro", "toy_apply", "toy_reward"})
    kernels.push_back(fb::CreateKernel(b, b.CreateString(symbol), b.CreateString("toy")));
  std::string code = ReadText(MIRL_TOY_KERNELS);
  auto code_vector = b.CreateVector(reinterpret_cast<const uint8_t *>(code.data()), code.size());

  auto index = [](std::vector<int> list) {
    return std::vector<uint32_t>(list.begin(), list.end());
  };
  auto policy =
      fb::CreatePolicy(b, b.CreateString("pi"), b.CreateString("toy"), fb::PolicyRole::trainable,
                       b.CreateVector(index({weight})), b.CreateString("pi.prefill"),
                       b.CreateString("pi.decode"), b.CreateString(""), kVocabulary, kContext,
                       options.slots, b.CreateVector(index({keys, values})), blocks,
                       b.CreateVector(index({table})), b.CreateVectorOfStrings(few), b.CreateVectorOfStrings(prefill_few));
  auto optimizer =
      fb::CreateOptimizer(b, b.CreateString("opt"), b.CreateString("pi"),
                          b.CreateString(options.reset), b.CreateVector(index({state})));
  auto step =
      fb::CreateStep(b, b.CreateString("train"), b.CreateString("y"), b.CreateString("train.batch"),
                     b.CreateString("train.micro"), b.CreateString("train.apply"),
                     b.CreateString(options.packing), b.CreateString("opt"));
  auto param = fb::CreateParam(b, b.CreateString("scale"), 2.0);
  std::vector<flatbuffers::Offset<fb::Dataset>> datasets;
  for (const auto &[name, path] : options.datasets)
    datasets.push_back(fb::CreateDataset(b, b.CreateString(name), b.CreateString(path)));
  auto program = w.Program(options.program);
  std::string config = options.eos.empty() ? "{}" : "{\"eos_token_id\": " + options.eos + "}";
  auto plan = fb::CreatePlan(
      b, kPlanVersion, b.CreateString("test"), b.CreateString("cpu"), b.CreateVectorOfStrings({}),
      b.CreateString("toy.mirl"), 0, w.arena_, w.persistent_, b.CreateVector(w.buffers_),
      b.CreateVector(kernels), code_vector, b.CreateVector(w.entries_), b.CreateVector(&policy, 1),
      b.CreateVector(&optimizer, 1), b.CreateVector(&step, 1), b.CreateVector(&param, 1), program,
      b.CreateVector(datasets), b.CreateString(options.model_dir), b.CreateString(config));
  b.Finish(plan, fb::PlanIdentifier());
  std::vector<uint8_t> bytes(b.GetBufferPointer(), b.GetBufferPointer() + b.GetSize());
  EXPECT_TRUE(StoreContentHash(bytes.data(), bytes.size()));
  return bytes;
}

std::shared_ptr<const Plan> ToyPlan(const ToyOptions &options) {
  auto plan = Plan::Parse(ToyPlanBytes(options), "toy.plan");
  if (!plan.ok()) {
    ADD_FAILURE() << plan.status();
    std::abort();
  }
  return *std::move(plan);
}

std::unique_ptr<Session> ToySession(const ToyOptions &options) {
  SessionOptions session_options;
  session_options.threads = 1;
  auto session = Session::Create(ToyPlan(options), session_options);
  if (!session.ok()) {
    ADD_FAILURE() << session.status();
    std::abort();
  }
  return *std::move(session);
}

std::unique_ptr<Tokenizer> ToyTokenizer() {
  auto tokenizer = Tokenizer::Parse(
      R"_({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(?s:.)"}, "behavior": "Isolated", "invert": false},
          "decoder": {"type": "Fuse"},
          "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4, "f": 5, "g": 6, ".": 7}}})_",
      "toy/tokenizer.json");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

Expected Reference(const std::vector<int32_t> &prompt, uint64_t seed, int64_t sequence_id,
                   int64_t max_tokens, float temperature, const float *w) {
  Expected result;
  std::vector<int32_t> stream = prompt;
  while (static_cast<int64_t>(result.tokens.size()) < max_tokens && stream.size() < kContext) {
    int64_t hash = 0, total = 0, masses[kVocabulary];
    for (size_t j = 0; j < stream.size(); ++j)
      hash +=
          (stream[j] + 1) * static_cast<int64_t>(j + 1) + stream[j] * static_cast<int64_t>(j) * 3;
    for (int v = 0; v < kVocabulary; ++v)
      total += masses[v] = 1 + (hash * 31 + v * 17 + (w ? static_cast<int64_t>(w[v]) : 0)) % 97;
    int32_t token = 0;
    if (temperature == 0) {
      for (int32_t v = 1; v < kVocabulary; ++v)
        if (masses[v] > masses[token])
          token = v;
    } else {
      PhiloxBlock block =
          Philox4x32({static_cast<uint32_t>(result.tokens.size()), 0,
                      static_cast<uint32_t>(sequence_id), static_cast<uint32_t>(sequence_id >> 32)},
                     seed);
      float u = PhiloxUniform(block[0]);
      int64_t sum = masses[0];
      while (token + 1 < kVocabulary && !(static_cast<float>(sum) > u * static_cast<float>(total)))
        sum += masses[++token];
    }
    result.tokens.push_back(token);
    result.logprob.push_back(static_cast<float>(masses[token]) / static_cast<float>(total));
    stream.push_back(token);
    if (token == kEos) {
      result.finished = true;
      break;
    }
  }
  return result;
}

Prompt MakePrompt(std::vector<int32_t> ids, std::string where) {
  auto record = std::make_shared<Record>();
  record->where = std::move(where);
  return {record, std::make_shared<const std::vector<int32_t>>(std::move(ids))};
}

std::shared_ptr<Trajectory> MakeTrajectory(std::vector<int32_t> prompt,
                                           std::vector<int32_t> response,
                                           std::vector<float> logprob, float reward) {
  auto trajectory = std::make_shared<Trajectory>();
  trajectory->prompt = MakePrompt(std::move(prompt));
  logprob.resize(response.size());
  trajectory->response = std::move(response);
  trajectory->logprob = std::move(logprob);
  trajectory->reward = reward;
  return trajectory;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "mirl-test-XXXXXX").string();
  path_ = mkdtemp(name.data());
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::Write(const std::string &name, const std::string &text) const {
  std::string path = path_ + "/" + name;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

std::string ReadText(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace mirl::rt::test
