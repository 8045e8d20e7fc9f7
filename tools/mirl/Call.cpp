// mirl call: runs one entry of a plan on tensors from a file.
//
// Nothing a file says is believed: offsets ascend, indices are in range, and extents agree with
// each other and with the entry's capacities, before anything is written into the arena. Indices
// are checked against the axes and against the policies whose weights the entry uses. What cannot
// be checked is an integer tensor of a plain entry's own (`input:NAME`), whose meaning the plan
// does not tell; the language makes none.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/artifact/Macros.h"
#include "runtime/weights/Buffers.h"
#include "runtime/weights/Safetensors.h"
#include "runtime/weights/Weights.h"
#include "tools/mirl/Commands.h"
#include "tools/mirl/Setup.h"

namespace mirl::tools {

using rt::Cat;
using rt::Invalid;
using rt::Length;
using rt::View;

namespace {

struct Options {
  std::string plan, entry, in, out, model;
  std::vector<std::string> set;
  int threads = 0;
  bool nvtx = false;
};

// What a run would give and a call may leave out.
const std::map<std::string, double, std::less<>> kDefaults = {{"iteration", 0}, {"iterations", 1},
                                                              {"seed", 0},      {"temperature", 1},
                                                              {"top_k", 0},     {"top_p", 1}};

// Tensors that say how rows belong together. Offsets are those of docs/plan.md; ids are the same
// thing said per row: the sequence of each token, the group of each sequence.
struct Packing {
  std::string_view offsets, ids;
  fb::Axis segments, rows;
};
constexpr std::array kPackings = {
    Packing{"sequence_offsets", "", fb::Axis::sequence, fb::Axis::context},
    Packing{"token_offsets", "sequence_ids", fb::Axis::sequence, fb::Axis::token},
    Packing{"group_offsets", "group_ids", fb::Axis::group, fb::Axis::sequence},
};

std::optional<double> Number(const std::string &text) {
  char *end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == 0 ? std::optional(value) : std::nullopt;
}

class Call {
public:
  Call(const Options &options, rt::Session &session, const fb::Entry &entry)
      : options_(options), session_(session), plan_(session.plan()), entry_(entry) {
    FindPolicies();
  }

  absl::Status Run(const rt::SafetensorsFile *file) {
    where_ = file ? options_.in : "no --in was given";
    MIRL_TRY(Settings());
    MIRL_TRY(Packings(file));
    MIRL_TRY(Match(file));
    MIRL_TRY(Shapes());
    MIRL_TRY(Capacities());
    for (uint32_t i = 0; i < Length(entry_.inputs()); ++i)
      MIRL_TRY(Fill(*entry_.inputs()->Get(i)));
    MIRL_TRY(Weights());
    MIRL_TRY(session_.Run(entry_, extents_));
    return Write();
  }

private:
  struct Extent {
    int64_t size = -1; // -1: not known
    std::string from;  // the tensor that told it
  };

  template <typename... Parts> absl::Status Wrong(const Parts &...parts) const {
    return Invalid(where_, ": ", parts...);
  }

  Extent &Of(fb::Axis axis) { return known_[static_cast<size_t>(axis)]; }

  const fb::TensorType &Type(const fb::Port &port) const {
    return *entry_.slices()->Get(port.slice())->type();
  }

  // "f32 [token = 22]"
  std::string Required(const fb::TensorType &type) {
    std::string text = Cat(fb::EnumNameDType(type.dtype()), " [");
    for (uint32_t i = 0; i < Length(type.dims()); ++i) {
      const fb::Dim &dim = *type.dims()->Get(i);
      absl::StrAppend(&text, i ? ", " : "");
      if (dim.axis() == fb::Axis::fixed) {
        absl::StrAppend(&text, dim.size());
        continue;
      }
      absl::StrAppend(&text, fb::EnumNameAxis(dim.axis()));
      if (dim.size() != 0)
        absl::StrAppend(&text, dim.size() < 0 ? " - " : " + ", std::abs(dim.size()));
      if (int64_t size = Of(dim.axis()).size; size >= 0)
        absl::StrAppend(&text, " = ", std::max<int64_t>(0, size + dim.size()));
    }
    return text + "]";
  }

  // An axis has one extent, whichever tensor tells it first.
  absl::Status Learn(fb::Axis axis, int64_t size, const std::string &from) {
    Extent &extent = Of(axis);
    if (extent.size >= 0 && extent.size != size)
      return Wrong("tensor '", from, "' makes the ", fb::EnumNameAxis(axis), " axis ", size,
                   " long, but tensor '", extent.from, "' makes it ", extent.size);
    if (extent.size < 0)
      extent = {size, from};
    return absl::OkStatus();
  }

  // The policies whose weights or caches this entry uses: they bound tokens, slots and positions.
  void FindPolicies() {
    for (uint32_t p = 0; p < Length(plan_.root().policies()); ++p) {
      const fb::Policy &policy = *plan_.root().policies()->Get(p);
      bool weights = Uses(policy.weights()), caches = Uses(policy.kv_buffers());
      if (weights)
        weights_.push_back(&policy);
      if (!weights && !caches)
        continue;
      vocabulary_ = std::min(vocabulary_, policy.vocab_size());
      context_ = std::min(context_, policy.max_context());
      if (caches)
        slots_ = std::min({slots_, policy.kv_slots(), OrderBlocks(policy)});
    }
  }

  // Gives slot s the pool's blocks s·w … s·w + w − 1, w those of the longest sequence. Returns for how many slots the
  // pool has blocks.
  int64_t OrderBlocks(const fb::Policy &policy) {
    const fb::Buffer &table = *plan_.root().buffers()->Get(policy.kv_table()->Get(0));
    int64_t width = table.type()->dims()->Get(1)->size(), slots = std::min(policy.kv_slots(), policy.kv_blocks() / width);
    blocks_.resize(static_cast<size_t>(slots * width));
    std::iota(blocks_.begin(), blocks_.end(), 0);
    session_.PatchBuffer(table, 0, blocks_.data(), slots * width * static_cast<int64_t>(sizeof(int32_t)));
    return slots;
  }

  bool Uses(const flatbuffers::Vector<uint32_t> *buffers) const {
    for (uint32_t b = 0; b < Length(buffers); ++b) {
      const fb::Buffer &buffer = *plan_.root().buffers()->Get(buffers->Get(b));
      for (uint32_t s = 0; s < Length(entry_.slices()); ++s)
        if (uint64_t at = entry_.slices()->Get(s)->offset();
            at >= buffer.offset() && at - buffer.offset() < buffer.bytes())
          return true;
    }
    return false;
  }

  // --set: parameters of the plan, and the scalars that a run would give.
  absl::Status Settings() {
    std::vector<std::string> params;
    for (const std::string &text : options_.set) {
      std::string name = text.substr(0, text.find('='));
      bool declared = false;
      for (uint32_t i = 0; i < Length(plan_.root().params()); ++i)
        declared = declared || View(plan_.root().params()->Get(i)->name()) == name;
      set_.insert(name);
      if (declared || !kDefaults.contains(name) || text.size() == name.size()) {
        params.push_back(text);
        continue;
      }
      std::optional<double> value = Number(text.substr(name.size() + 1));
      if (!value)
        return Invalid("--set ", text, ": '", text.substr(name.size() + 1), "' is not a number");
      scalars_[name] = *value;
    }
    MIRL_ASSIGN(params_, ParseParams(plan_, params));
    return absl::OkStatus();
  }

  // Reads the tensors that say how rows belong together, whether this entry asks for them or not:
  // one file serves several entries.
  absl::Status Packings(const rt::SafetensorsFile *file) {
    if (!file)
      return absl::OkStatus();
    for (const Packing &packing : kPackings) {
      std::string offsets_name(packing.offsets), ids_name(packing.ids);
      if (const fb::Port *port = rt::Session::FindInput(entry_, packing.offsets))
        offsets_name = View(port->name());
      const rt::TensorView *offsets = file->Find(offsets_name), *ids = nullptr;
      // Sampling has a `sequence_ids` of another meaning: what keys its generator.
      if (!ids_name.empty() && !rt::Session::FindInput(entry_, ids_name))
        ids = file->Find(ids_name);
      if (offsets && ids)
        return Wrong("tensors '", offsets_name, "' and '", ids_name, "' say the same; give one");
      const rt::TensorView *given = offsets ? offsets : ids;
      if (!given)
        continue;
      used_.insert(given->name);
      const std::string axis(fb::EnumNameAxis(offsets ? packing.segments : packing.rows));
      if (given->shape.size() != 1 || (offsets && given->shape[0] < 1))
        return Wrong("tensor '", given->name, "' must be i32 [", axis, offsets ? " + 1" : "",
                     "], has the shape ", rt::ShapeString(given->shape));
      std::vector<int32_t> values(static_cast<size_t>(given->elements()));
      if (absl::Status status = rt::ConvertToI32(*given, values.data()); !status.ok())
        return Wrong(std::string(status.message()));
      for (size_t i = 0; i < values.size(); ++i) {
        int64_t before = i ? values[i - 1] : 0, now = values[i];
        bool right = offsets ? (i ? now >= before : now == 0)
                             : (i ? now - before <= 1 && now >= before : now == 0);
        if (!right)
          return Wrong("tensor '", given->name, "' must ascend from 0",
                       offsets ? "" : " in steps of 0 or 1", ": element ", i, " is ", now,
                       i ? Cat(" after ", before) : "");
      }
      if (offsets) {
        MIRL_TRY(Learn(packing.segments, given->shape[0] - 1, given->name));
        MIRL_TRY(Learn(packing.rows, values.back(), given->name));
        packed_[std::string(packing.offsets)] = std::move(values);
        continue;
      }
      std::vector<int32_t> begins = {0};
      for (size_t i = 1; i < values.size(); ++i)
        if (values[i] != values[i - 1])
          begins.push_back(static_cast<int32_t>(i));
      if (values.empty())
        begins.clear();
      MIRL_TRY(Learn(packing.segments, static_cast<int64_t>(begins.size()), given->name));
      MIRL_TRY(Learn(packing.rows, given->shape[0], given->name));
      begins.push_back(static_cast<int32_t>(values.size()));
      packed_[std::string(packing.offsets)] = std::move(begins);
    }
    return absl::OkStatus();
  }

  // The name that a port's tensor may have beside the port's own: "reward" for "field:reward".
  std::string OtherName(const fb::Port &port) const {
    std::string_view source = View(port.source());
    std::string name(source.substr(source.find(':') + 1));
    for (uint32_t i = 0; i < Length(entry_.inputs()); ++i)
      if (entry_.inputs()->Get(i) != &port && View(entry_.inputs()->Get(i)->name()) == name)
        return std::string(View(port.name()));
    return name;
  }

  // Finds every port's tensor; then says at once what is missing, and what nobody asked for.
  absl::Status Match(const rt::SafetensorsFile *file) {
    std::vector<std::string> missing, names;
    for (uint32_t i = 0; i < Length(entry_.inputs()); ++i) {
      const fb::Port &port = *entry_.inputs()->Get(i);
      std::string name(View(port.name())), other = OtherName(port);
      std::string_view source = View(port.source());
      names.push_back(name);
      if (packed_.contains(source))
        continue;
      bool packing = std::any_of(kPackings.begin(), kPackings.end(),
                                 [&](const Packing &one) { return one.offsets == source; });
      // What is not checked as a packing is not taken for one.
      const rt::TensorView *tensor = file && !packing ? file->Find(name) : nullptr;
      if (!tensor && file && !packing)
        tensor = file->Find(other);
      bool param = source.starts_with("param:"), scalar = kDefaults.contains(source);
      if (tensor && set_.contains(param ? std::string(source.substr(6)) : std::string(source)))
        return Wrong("tensor '", tensor->name, "' is given with --set as well; give it once");
      if (tensor) {
        used_.insert(tensor->name);
        tensors_[&port] = tensor;
        continue;
      }
      if (scalar || (param && params_.contains(std::string(source.substr(6)))))
        continue;
      missing.push_back(name);
      missing_.push_back(&port);
    }
    for (const rt::TensorView &tensor : file ? file->tensors() : std::vector<rt::TensorView>())
      if (!used_.contains(tensor.name))
        return Wrong("entry ", View(entry_.name()), " has no input '", tensor.name, "'; it has ",
                     names.empty() ? "none" : Join(names));
    // What is missing is said with the extents that the others tell; their errors come first.
    if (missing_.empty())
      return absl::OkStatus();
    MIRL_TRY(Shapes());
    std::vector<std::string> wanted;
    for (const fb::Port *port : missing_) {
      std::string text = Cat("'", View(port->name()), "' ", Required(Type(*port)));
      for (const Packing &packing : kPackings)
        if (View(port->source()) == packing.offsets && !packing.ids.empty())
          absl::StrAppend(&text, " (or '", std::string(packing.ids), "' i32 [",
                          fb::EnumNameAxis(packing.rows), "])");
      wanted.push_back(text);
    }
    return Wrong("entry ", View(entry_.name()),
                 " needs tensors that are not there: ", Join(wanted));
  }

  static std::string Join(const std::vector<std::string> &list) {
    std::string text;
    for (const std::string &one : list)
      absl::StrAppend(&text, text.empty() ? "" : ", ", one);
    return text;
  }

  absl::Status Shapes() {
    for (uint32_t i = 0; i < Length(entry_.inputs()); ++i) {
      const fb::Port &port = *entry_.inputs()->Get(i);
      auto found = tensors_.find(&port);
      if (found == tensors_.end())
        continue;
      const rt::TensorView &tensor = *found->second;
      const fb::TensorType &type = Type(port);
      bool right =
          tensor.shape.size() == Length(type.dims()) && Accepts(type.dtype(), tensor.dtype);
      for (uint32_t d = 0; right && d < Length(type.dims()); ++d) {
        const fb::Dim &dim = *type.dims()->Get(d);
        Extent &extent = Of(dim.axis());
        int64_t size = tensor.shape[d];
        if (dim.axis() == fb::Axis::fixed)
          right = size == dim.size();
        else if (extent.size >= 0)
          right = size == std::max<int64_t>(0, extent.size + dim.size());
        else if (right = size >= dim.size(); right)
          extent = {size - dim.size(), tensor.name};
      }
      if (!right)
        return Wrong("tensor '", tensor.name, "' must be ", Required(type), Because(type), ", is ",
                     std::string(rt::DTypeName(tensor.dtype)), " ", rt::ShapeString(tensor.shape));
    }
    return absl::OkStatus();
  }

  // Who told the extents of a type.
  std::string Because(const fb::TensorType &type) {
    std::string text;
    for (uint32_t i = 0; i < Length(type.dims()); ++i)
      if (const Extent &extent = Of(type.dims()->Get(i)->axis()); extent.size >= 0)
        absl::StrAppend(&text, text.empty() ? " (by '" : ", '", extent.from, "'");
    return text.empty() ? text : text + ")";
  }

  static bool Accepts(fb::DType wanted, rt::TensorDType found) {
    using rt::TensorDType;
    switch (wanted) {
    case fb::DType::f32:
      return found == TensorDType::F32 || found == TensorDType::BF16 || found == TensorDType::F16;
    case fb::DType::bf16:
      return found == TensorDType::BF16;
    case fb::DType::i32:
    case fb::DType::i64:
      return found == TensorDType::I32 || found == TensorDType::I64 || found == TensorDType::U8;
    case fb::DType::u8:
      return found == TensorDType::U8;
    }
    return false;
  }

  // Every axis that a slice has must be known and fit, before a byte is copied.
  absl::Status Capacities() {
    for (uint32_t s = 0; s < Length(entry_.slices()); ++s) {
      const fb::TensorType &type = *entry_.slices()->Get(s)->type();
      for (uint32_t d = 0; d < Length(type.dims()); ++d) {
        fb::Axis axis = type.dims()->Get(d)->axis();
        if (axis == fb::Axis::fixed || Of(axis).size >= 0)
          continue;
        std::string ways;
        for (const Packing &packing : kPackings)
          if (packing.segments == axis)
            absl::StrAppend(&ways, ways.empty() ? " '" : " or '", std::string(packing.offsets),
                            "' i32 [", fb::EnumNameAxis(axis), " + 1]");
        return Wrong("entry ", View(entry_.name()), " has the ", fb::EnumNameAxis(axis),
                     " axis, and no tensor tells its extent",
                     ways.empty() ? "" : Cat("; it needs a tensor", ways));
      }
    }
    for (uint32_t i = 0; i < Length(entry_.capacities()); ++i) {
      const fb::Capacity &capacity = *entry_.capacities()->Get(i);
      if (const Extent &extent = Of(capacity.axis()); extent.size > capacity.extent())
        return Wrong("tensor '", extent.from, "' makes the ", fb::EnumNameAxis(capacity.axis()),
                     " axis ", extent.size, " long; entry ", View(entry_.name()),
                     " was compiled for at most ", capacity.extent());
    }
    auto extent = [&](fb::Axis axis) { return std::max<int64_t>(0, Of(axis).size); };
    extents_ = {extent(fb::Axis::context), extent(fb::Axis::token), extent(fb::Axis::sequence),
                extent(fb::Axis::group)};
    return absl::OkStatus();
  }

  // The last value that an index may have.
  int64_t Last(std::string_view source) const {
    if (source == "ids" || source == "targets")
      return vocabulary_ - 1;
    if (source == "rows")
      return extents_.context - 1;
    if (source == "slots")
      return slots_ - 1;
    if (source == "positions")
      return context_ - 1;
    return std::numeric_limits<int64_t>::max();
  }

  absl::Status Fill(const fb::Port &port) {
    uint8_t *to = session_.PortData(entry_, port);
    std::string_view source = View(port.source());
    const fb::TensorType &type = Type(port);
    if (auto packed = packed_.find(source); packed != packed_.end()) {
      std::memcpy(to, packed->second.data(), packed->second.size() * sizeof(int32_t));
      return absl::OkStatus();
    }
    auto given = tensors_.find(&port);
    if (given == tensors_.end())
      return FillScalar(source, type.dtype(), to);
    const rt::TensorView &tensor = *given->second;
    absl::Status status;
    if (type.dtype() == fb::DType::f32)
      status = rt::ConvertToF32(tensor, reinterpret_cast<float *>(to));
    else if (type.dtype() == fb::DType::i32)
      status = rt::ConvertToI32(tensor, reinterpret_cast<int32_t *>(to));
    else if (type.dtype() == fb::DType::i64)
      status = rt::ConvertToI64(tensor, reinterpret_cast<int64_t *>(to));
    else
      std::memcpy(to, tensor.data, static_cast<size_t>(tensor.bytes()));
    if (!status.ok())
      return Wrong(std::string(status.message()));
    static const std::set<std::string_view> kIndices = {"ids",   "targets", "rows",     "slots",
                                                        "steps", "top_k",   "positions"};
    if (type.dtype() != fb::DType::i32 || !kIndices.contains(source))
      return absl::OkStatus();
    const auto *values = reinterpret_cast<const int32_t *>(to);
    int64_t last = Last(source);
    for (int64_t i = 0; i < tensor.elements(); ++i)
      if (values[i] < 0 || values[i] > last)
        return Wrong("tensor '", tensor.name, "': element ", i, " is ", values[i], "; it must be ",
                     last == std::numeric_limits<int64_t>::max() ? std::string("at least 0")
                                                                 : Cat("in 0 … ", last));
    return absl::OkStatus();
  }

  absl::Status FillScalar(std::string_view source, fb::DType dtype, uint8_t *to) const {
    double value = 0;
    if (source.starts_with("param:"))
      value = params_.at(std::string(source.substr(6)));
    else if (auto set = scalars_.find(source); set != scalars_.end())
      value = set->second;
    else
      value = kDefaults.find(source)->second;
    auto put = [&](auto number) { std::memcpy(to, &number, sizeof(number)); };
    if (dtype == fb::DType::f32) {
      put(static_cast<float>(value));
      return absl::OkStatus();
    }
    double bound = dtype == fb::DType::i32 ? 0x1p31 : 0x1p63;
    if (!(value >= (source == "top_k" ? 0 : -bound) && value < bound))
      return Invalid("--set ", source, "=", value, ": it is out of range");
    if (dtype == fb::DType::i32)
      put(static_cast<int32_t>(value));
    else
      put(static_cast<int64_t>(value));
    return absl::OkStatus();
  }

  absl::Status Weights() {
    std::string folder =
        options_.model.empty() ? std::string(View(plan_.root().model_dir())) : options_.model;
    for (const fb::Policy *policy : weights_) {
      if (folder.empty())
        return Invalid("entry ", View(entry_.name()), " needs the weights of policy ",
                       View(policy->name()), "; name a model's folder with --model");
      MIRL_TRY(LoadPolicy(session_, *policy, folder));
    }
    return absl::OkStatus();
  }

  absl::Status Write() {
    std::vector<rt::TensorView> tensors;
    for (uint32_t i = 0; i < Length(entry_.outputs()); ++i) {
      const fb::Port &port = *entry_.outputs()->Get(i);
      const fb::TensorType &type = Type(port);
      rt::TensorView tensor;
      tensor.name = View(port.name());
      tensor.dtype = rt::DTypeOf(type.dtype());
      for (uint32_t d = 0; d < Length(type.dims()); ++d) {
        const fb::Dim &dim = *type.dims()->Get(d);
        tensor.shape.push_back(
            std::max<int64_t>(0, rt::AxisExtent(dim.axis(), extents_) + dim.size()));
      }
      tensor.data = session_.PortData(entry_, port);
      tensors.push_back(std::move(tensor));
    }
    return rt::WriteSafetensors(options_.out, tensors);
  }

  const Options &options_;
  rt::Session &session_;
  const rt::Plan &plan_;
  const fb::Entry &entry_;
  std::string where_;
  std::vector<const fb::Policy *> weights_;
  std::vector<int32_t> blocks_; // of OrderBlocks, until the run
  int64_t vocabulary_ = int64_t{1} << 31, context_ = int64_t{1} << 31, slots_ = int64_t{1} << 31;
  std::map<std::string, double> params_;
  std::map<std::string, double, std::less<>> scalars_;
  std::set<std::string> set_, used_; // names given by --set; tensors that were asked for
  std::map<std::string, std::vector<int32_t>, std::less<>> packed_;
  std::map<const fb::Port *, const rt::TensorView *> tensors_;
  std::vector<const fb::Port *> missing_;
  std::array<Extent, 5> known_;
  rt::Extents extents_;
};

absl::Status CallEntry(const Options &options) {
  MIRL_ASSIGN(std::shared_ptr<const rt::Plan> plan, rt::Plan::Load(options.plan));
  const fb::Entry *entry = plan->FindEntry(options.entry);
  if (!entry) {
    std::string names;
    for (uint32_t i = 0; i < Length(plan->root().entries()); ++i)
      absl::StrAppend(&names, i ? ", " : "",
                      std::string(View(plan->root().entries()->Get(i)->name())));
    return Invalid(options.plan, ": has no entry '", options.entry, "'; it has ",
                   names.empty() ? "none" : names);
  }
  std::unique_ptr<rt::SafetensorsFile> file;
  if (!options.in.empty()) {
    MIRL_ASSIGN(file, rt::SafetensorsFile::Open(options.in));
  }
  MIRL_ASSIGN(std::unique_ptr<rt::Session> session, rt::Session::Create(plan, SessionOptionsOf(options.threads, options.nvtx)));
  return Call(options, *session, *entry).Run(file.get());
}

} // namespace

void AddCallCommand(CLI::App &app, int &exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App *command = app.add_subcommand("call", "Run one entry of a plan on given tensors");
  command->footer(
      "Tensors are found by the names of the entry's inputs (`mirl inspect` lists them). How rows "
      "belong\n"
      "together is said by token_offsets (i32 [sequences + 1]) or sequence_ids (i32 [tokens]: 0 0 "
      "0 1 1 …), and\n"
      "by group_offsets (i32 [groups + 1]) or group_ids (i32 [sequences]).\n"
      "Example:\n  mirl call losses.plan md --in a.safetensors --out b.safetensors --set tau=0.1");
  command->add_option("plan", options->plan, "a plan")->required();
  command->add_option("entry", options->entry, "the name of one of its entries")->required();
  command->add_option("--in", options->in, "a safetensors file with the entry's inputs");
  command->add_option("--out", options->out, "the safetensors file to write its outputs to")
      ->required();
  command
      ->add_option(
          "--set", options->set,
          "name=value, repeated: a run-time parameter; or iteration (0), iterations (1), seed (0), "
          "temperature (1), top_k (0), top_p (1)")
      ->allow_extra_args(false);
  command->add_option("--model", options->model,
                      "the weights' folder, for entries that need a policy (default: the one the "
                      "plan was compiled for)");
  command->add_option("--threads", options->threads, "0: all cores")->check(CLI::NonNegativeNumber);
  AddNvtxFlag(*command, options->nvtx);
  command->callback([options, &exit_code] { exit_code = Finish(CallEntry(*options)); });
}

} // namespace mirl::tools
