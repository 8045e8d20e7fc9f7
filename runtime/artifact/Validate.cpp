#include "runtime/artifact/Validate.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

namespace {

// No extent, size or factor of a sane plan is beyond this; it keeps sums of two in 64 bits.
constexpr int64_t kMaxExtent = int64_t{1} << 40;
constexpr uint64_t kMaxArena = uint64_t{1} << 47;
// Of a block on sm_90.
constexpr uint32_t kMaxThreads = 1024, kMaxBlocks = 32;

bool InEnum(auto value, auto last) {
  return static_cast<int>(value) >= 0 && static_cast<int>(value) <= static_cast<int>(last);
}

// FlatBuffers' verifier checks where the length of a vector lies, not its elements of 8 bytes.
template <typename T> bool IsAligned(const T *vector) {
  return Length(vector) == 0 || reinterpret_cast<uintptr_t>(vector->Data()) % 8 == 0;
}

// Extents at an entry's capacities; -1 = the entry declares none.
struct Capacities {
  int64_t extent[5] = {0, -1, -1, -1, -1};
  int64_t Of(fb::Axis axis) const { return extent[static_cast<int>(axis)]; }
};

// The bytes of a type at given capacities.
absl::Status TypeBytes(const fb::TensorType *type, const Capacities *capacities, uint64_t &bytes) {
  if (!type)
    return Invalid("has no type");
  if (!InEnum(type->dtype(), fb::DType::MAX))
    return Invalid("has an unknown element type ", static_cast<int>(type->dtype()));
  if (!IsAligned(type->dims()))
    return Invalid("has dimensions that are not aligned to 8 bytes");
  if (Length(type->dims()) > 16)
    return Invalid("has ", Length(type->dims()), " dimensions; at most 16 are allowed");
  bytes = ElementBytes(type->dtype());
  for (uint32_t i = 0; i < Length(type->dims()); ++i) {
    const fb::Dim &dim = *type->dims()->Get(i);
    if (!InEnum(dim.axis(), fb::Axis::MAX))
      return Invalid("has an unknown axis ", static_cast<int>(dim.axis()));
    if (dim.size() < (dim.axis() == fb::Axis::fixed ? 0 : -kMaxExtent) || dim.size() > kMaxExtent)
      return Invalid("has an extent out of range: ", dim.size());
    int64_t extent = dim.size();
    if (dim.axis() != fb::Axis::fixed) {
      if (!capacities)
        return Invalid("has an axis of run-time extent; a persistent tensor's extents are fixed");
      if (capacities->Of(dim.axis()) < 0)
        return Invalid("uses the ", fb::EnumNameAxis(dim.axis()), " axis, for which the entry has no capacity");
      extent = std::max<int64_t>(0, extent + capacities->Of(dim.axis()));
    }
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(extent), &bytes) || bytes > kMaxArena)
      return Invalid("is larger than any memory");
  }
  return absl::OkStatus();
}

bool SameType(const fb::TensorType *a, const fb::TensorType *b) {
  if (a->dtype() != b->dtype() || Length(a->dims()) != Length(b->dims()))
    return false;
  for (uint32_t i = 0; i < Length(a->dims()); ++i) {
    if (a->dims()->Get(i)->axis() != b->dims()->Get(i)->axis() ||
        a->dims()->Get(i)->size() != b->dims()->Get(i)->size())
      return false;
  }
  return true;
}

// What docs/plan.md says of a port source: its element type, and its one axis (nothing = scalar).
struct SourceType {
  fb::DType dtype;
  std::optional<std::pair<fb::Axis, int64_t>> dim;
};

std::optional<SourceType> KnownSource(std::string_view source) {
  using fb::Axis;
  using fb::DType;
  auto row = [](DType dtype, Axis axis, int64_t plus = 0) {
    return SourceType{dtype, std::pair{axis, plus}};
  };
  if (source == "ids" || source == "positions" || source == "slots")
    return row(DType::i32, Axis::context);
  if (source == "sequence_offsets" || source == "token_offsets")
    return row(DType::i32, Axis::sequence, 1);
  if (source == "group_offsets")
    return row(DType::i32, Axis::group, 1);
  if (source == "rows" || source == "targets" || source == "steps" || source == "token")
    return row(DType::i32, Axis::token);
  if (source == "sequence_ids")
    return row(DType::i64, Axis::token);
  if (source == "logprob" || source == "entropy" || source == "field:logprob" || source == "field:version" || source == "field:age")
    return row(DType::f32, Axis::token);
  if (source == "field:reward" || source == "field:length" || source == "field:finished" || source == "field:ending")
    return row(DType::f32, Axis::sequence);
  if (source == "seed")
    return SourceType{DType::i64, std::nullopt};
  if (source == "top_k")
    return SourceType{DType::i32, std::nullopt};
  if (source == "temperature" || source == "top_p" || source == "iteration" ||
      source == "iterations" || source == "loss" || source.starts_with("param:") ||
      source.starts_with("metric:"))
    return SourceType{DType::f32, std::nullopt};
  return std::nullopt;
}

class Validator {
public:
  explicit Validator(const fb::Plan &plan) : plan_(plan) {}

  absl::Status Run() {
    bool cuda = View(plan_.target()) == "cuda";
    if (!cuda && View(plan_.target()) != "cpu")
      return Invalid("its target is '", View(plan_.target()), "'; this runtime runs 'cpu' and 'cuda'");
    if (cuda && (Length(plan_.isa()) != 1 || View(plan_.isa()->Get(0)) != "sm_90a"))
      return Invalid("it is for a GPU that this runtime does not know; it knows sm_90a");
    if (plan_.arena_bytes() > kMaxArena || plan_.persistent_bytes() > plan_.arena_bytes())
      return Invalid("its arena of ", plan_.arena_bytes(), " bytes with ", plan_.persistent_bytes(),
                 " persistent ones makes no sense");
    MIRL_TRY(Buffers());
    for (uint32_t i = 0; i < Length(plan_.kernels()); ++i) {
      std::string_view symbol = View(plan_.kernels()->Get(i)->symbol());
      if (symbol.empty() || symbol.find('\0') != symbol.npos)
        return Invalid("kernel ", i, " has no symbol");
      const fb::Kernel &kernel = *plan_.kernels()->Get(i);
      if (cuda && (kernel.threads() == 0 || kernel.threads() > kMaxThreads || kernel.items_per_block() == 0 ||
                   kernel.items_per_block() > kernel.threads() || kernel.shared_bytes() > kMaxShared))
        return Invalid("kernel ", symbol, " has blocks of ", kernel.threads(), " threads, ", kernel.items_per_block(),
                       " work items and ", kernel.shared_bytes(), " bytes of shared memory; at most ", kMaxThreads,
                       " threads and ", kMaxShared, " bytes are possible, and there must be a thread for every item");
    }
    for (uint32_t i = 0; i < Length(plan_.kernels()); ++i) {
      const fb::Kernel &kernel = *plan_.kernels()->Get(i);
      if (kernel.buffer_array() && !cuda)
        return Invalid("kernel ", View(kernel.symbol()), " gets an array of buffers as a GPU's kernel does; the plan is for a CPU");
      if (kernel.maps() > (cuda ? kMaxMaps : 0) || kernel.blocks_per_multiprocessor() > kMaxBlocks)
        return Invalid("kernel ", View(kernel.symbol()), " has ", kernel.maps(), " tensor maps and ",
                       kernel.blocks_per_multiprocessor(), " blocks on a multiprocessor; at most ", kMaxMaps,
                       " maps (on a GPU alone) and ", kMaxBlocks, " blocks are possible");
    }
    for (uint32_t i = 0; i < Length(plan_.entries()); ++i) {
      const fb::Entry &entry = *plan_.entries()->Get(i);
      std::string_view name = View(entry.name());
      if (name.empty() || !entries_.insert(name).second)
        return Invalid("entry ", i, " has no name of its own: '", name, "'");
      if (absl::Status status = Entry(entry); !status.ok())
        return Invalid("entry ", name, ": ", status.message());
    }
    MIRL_TRY(Policies());
    MIRL_TRY(OptimizersAndSteps());
    MIRL_TRY(UniqueNames(plan_.params(), "parameter"));
    MIRL_TRY(UniqueNames(plan_.datasets(), "dataset"));
    return ValidateProgram(plan_);
  }

private:
  template <typename T> absl::Status UniqueNames(const T *vector, const char *what) {
    std::set<std::string_view> names;
    for (uint32_t i = 0; i < Length(vector); ++i) {
      std::string_view name = View(vector->Get(i)->name());
      if (name.empty() || !names.insert(name).second)
        return Invalid(what, " ", i, " has no name of its own: '", name, "'");
    }
    return absl::OkStatus();
  }

  static bool KnownInit(std::string_view init) {
    if (init.empty() || init == "zeros" || init == "ones")
      return true;
    if (!init.starts_with("normal:"))
      return false;
    std::string number(init.substr(7));
    char *end = nullptr;
    double deviation = std::strtod(number.c_str(), &end);
    return !number.empty() && *end == 0 && std::isfinite(deviation) && deviation >= 0;
  }

  absl::Status Buffers() {
    MIRL_TRY(UniqueNames(plan_.buffers(), "buffer"));
    std::vector<const fb::Buffer *> by_offset;
    for (uint32_t i = 0; i < Length(plan_.buffers()); ++i) {
      const fb::Buffer &buffer = *plan_.buffers()->Get(i);
      std::string_view name = View(buffer.name());
      uint64_t bytes = 0;
      if (absl::Status status = TypeBytes(buffer.type(), nullptr, bytes); !status.ok())
        return Invalid("buffer ", name, " ", status.message());
      if (!InEnum(buffer.kind(), fb::BufferKind::MAX))
        return Invalid("buffer ", name, " is of an unknown kind ", static_cast<int>(buffer.kind()));
      if (bytes > buffer.bytes() || buffer.offset() % kAlignment != 0 ||
          buffer.offset() > plan_.persistent_bytes() ||
          buffer.bytes() > plan_.persistent_bytes() - buffer.offset())
        return Invalid("buffer ", name, " of ", bytes, " bytes lies at [", buffer.offset(), ", +",
                   buffer.bytes(), "), outside of the ", plan_.persistent_bytes(),
                   " persistent bytes, unaligned or too small");
      if (buffer.kind() == fb::BufferKind::constant ? Length(buffer.data()) != bytes
                                                    : Length(buffer.data()) != 0)
        return Invalid("buffer ", name, " has ", Length(buffer.data()), " bytes of data",
                   buffer.kind() == fb::BufferKind::constant ? Cat("; it needs ", bytes) : "");
      if (buffer.kind() == fb::BufferKind::weight && View(buffer.weight()).empty())
        return Invalid("buffer ", name, " is a weight without a Hugging Face name");
      if (!KnownInit(View(buffer.init())))
        return Invalid("buffer ", name, " has an unknown init '", View(buffer.init()), "'");
      if (buffer.bytes())
        by_offset.push_back(&buffer);
    }
    std::sort(by_offset.begin(), by_offset.end(),
              [](const fb::Buffer *a, const fb::Buffer *b) { return a->offset() < b->offset(); });
    for (size_t i = 1; i < by_offset.size(); ++i) {
      if (by_offset[i - 1]->offset() + by_offset[i - 1]->bytes() > by_offset[i]->offset())
        return Invalid("buffers ", View(by_offset[i - 1]->name()), " and ", View(by_offset[i]->name()),
                   " overlap");
    }
    return absl::OkStatus();
  }

  absl::Status Entry(const fb::Entry &entry) {
    if (!InEnum(entry.kind(), fb::EntryKind::MAX))
      return Invalid("unknown kind ", static_cast<int>(entry.kind()));
    Capacities capacities;
    if (!IsAligned(entry.capacities()))
      return Invalid("its capacities are not aligned to 8 bytes");
    for (uint32_t i = 0; i < Length(entry.capacities()); ++i) {
      const fb::Capacity &capacity = *entry.capacities()->Get(i);
      if (!InEnum(capacity.axis(), fb::Axis::MAX) || capacity.axis() == fb::Axis::fixed ||
          capacities.Of(capacity.axis()) >= 0 || capacity.extent() < 0 || capacity.extent() > kMaxExtent)
        return Invalid("capacity ", i, " (axis ", static_cast<int>(capacity.axis()), ", extent ",
                   capacity.extent(), ") is unknown, repeated or out of range");
      capacities.extent[static_cast<int>(capacity.axis())] = capacity.extent();
    }
    for (uint32_t i = 0; i < Length(entry.slices()); ++i) {
      const fb::Slice &slice = *entry.slices()->Get(i);
      uint64_t bytes = 0;
      if (absl::Status status = TypeBytes(slice.type(), &capacities, bytes); !status.ok())
        return Invalid("slice ", i, " (", View(slice.name()), ") ", status.message());
      if (bytes > slice.bytes() || slice.offset() % ElementBytes(slice.type()->dtype()) != 0 ||
          slice.offset() > plan_.arena_bytes() || slice.bytes() > plan_.arena_bytes() - slice.offset())
        return Invalid("slice ", i, " (", View(slice.name()), ") of ", bytes, " bytes lies at [",
                   slice.offset(), ", +", slice.bytes(), "), outside of the arena of ",
                   plan_.arena_bytes(), " bytes, unaligned or too small");
    }
    MIRL_TRY(Ports(entry, entry.inputs(), "input"));
    MIRL_TRY(Ports(entry, entry.outputs(), "output"));
    std::vector<const fb::Slice *> inputs;
    for (uint32_t i = 0; i < Length(entry.inputs()); ++i)
      if (const fb::Slice *slice = entry.slices()->Get(entry.inputs()->Get(i)->slice()); slice->bytes())
        inputs.push_back(slice);
    std::sort(inputs.begin(), inputs.end(),
              [](const fb::Slice *a, const fb::Slice *b) { return a->offset() < b->offset(); });
    for (size_t i = 1; i < inputs.size(); ++i)
      if (inputs[i - 1]->offset() + inputs[i - 1]->bytes() > inputs[i]->offset())
        return Invalid("inputs ", View(inputs[i - 1]->name()), " and ", View(inputs[i]->name()), " overlap");
    return Commands(entry, entry.commands(), capacities, 0);
  }

  absl::Status Ports(const fb::Entry &entry,
                     const flatbuffers::Vector<flatbuffers::Offset<fb::Port>> *ports, const char *what) {
    std::set<std::string_view> names;
    for (uint32_t i = 0; i < Length(ports); ++i) {
      const fb::Port &port = *ports->Get(i);
      std::string_view name = View(port.name()), source = View(port.source());
      if (name.empty() || !names.insert(name).second)
        return Invalid(what, " ", i, " has no name of its own: '", name, "'");
      if (port.slice() >= Length(entry.slices()))
        return Invalid(what, " ", name, " is slice ", port.slice(), " of ", Length(entry.slices()));
      const fb::TensorType &type = *entry.slices()->Get(port.slice())->type();
      size_t colon = source.find(':');
      static const std::set<std::string_view> kPrefixes = {"field",  "value", "param",
                                                           "metric", "input", "output"};
      auto known = KnownSource(source);
      if (!known && (colon == source.npos || !kPrefixes.count(source.substr(0, colon))))
        return Invalid(what, " ", name, " has an unknown source '", source, "'");
      // The runtime writes what the source says, so the type must have room for just that.
      bool right = true;
      if (known) {
        right = type.dtype() == known->dtype && Length(type.dims()) == (known->dim ? 1u : 0u) &&
                (!known->dim || (type.dims()->Get(0)->axis() == known->dim->first &&
                                 type.dims()->Get(0)->size() == known->dim->second));
      } else if (source.starts_with("field:") || source.starts_with("value:")) {
        right = type.dtype() == fb::DType::f32 && Length(type.dims()) <= 1 &&
                (Length(type.dims()) == 0 || (type.dims()->Get(0)->axis() != fb::Axis::fixed &&
                                            type.dims()->Get(0)->size() == 0));
        if (source.starts_with("field:"))
          right = right && Length(type.dims()) == 1;
      }
      if (!right)
        return Invalid(what, " ", name, " does not have the type of its source '", source, "'");
    }
    return absl::OkStatus();
  }

  // What cuTensorMapEncodeTiled asks for, and that no copy leaves the slice at the entry's capacities.
  absl::Status CheckMap(const fb::TensorMap &map, const fb::Entry &entry, const fb::Launch &launch,
                        const Capacities &capacities) {
    if (map.arg() >= Length(launch.args()))
      return Invalid("is of argument ", map.arg(), " of ", Length(launch.args()));
    const fb::Slice &slice = *entry.slices()->Get(launch.args()->Get(map.arg()));
    fb::DType dtype = slice.type()->dtype();
    if (dtype != fb::DType::bf16 && dtype != fb::DType::f32)
      return Invalid("is of ", fb::EnumNameDType(dtype), "; bf16 and f32 are possible");
    uint64_t element = ElementBytes(dtype);
    if (!IsAligned(map.dims()) || !IsAligned(map.strides()))
      return Invalid("has dimensions or strides that are not aligned to 8 bytes");
    uint32_t rank = Length(map.dims()), swizzle = map.swizzle();
    if (rank < 2 || rank > 5 || Length(map.box()) != rank || Length(map.strides()) != rank - 1)
      return Invalid("has ", rank, " dimensions, ", Length(map.strides()), " strides and a box of ", Length(map.box()),
                     "; 2 to 5 dimensions are possible");
    if (swizzle != 0 && swizzle != 32 && swizzle != 64 && swizzle != 128)
      return Invalid("has a swizzle of ", swizzle, " bytes; 0, 32, 64 and 128 are possible");
    uint64_t span = element;
    bool empty = false;
    for (uint32_t d = 0; d < rank; ++d) {
      const fb::Dim &dim = *map.dims()->Get(d);
      if (!InEnum(dim.axis(), fb::Axis::MAX) || capacities.Of(dim.axis()) < 0 || dim.size() > kMaxExtent ||
          dim.size() < (dim.axis() == fb::Axis::fixed ? 1 : -kMaxExtent))
        return Invalid("has an unknown axis or an extent out of range in dimension ", d, ": ", dim.size());
      int64_t extent = std::max<int64_t>(0, dim.size() + capacities.Of(dim.axis()));
      uint64_t stride = d ? map.strides()->Get(d - 1) : element, bytes = 0;
      empty |= extent == 0;
      if (extent > UINT32_MAX || map.box()->Get(d) < 1 || map.box()->Get(d) > 256)
        return Invalid("has a box of ", map.box()->Get(d), " of ", extent, " elements in dimension ", d,
                       "; a box has 1 to 256 elements, a dimension less than 2^32");
      if (d && (stride % 16 || stride == 0 || stride >> 40))
        return Invalid("has a stride of ", stride, " bytes; it must be a multiple of 16 below 2^40");
      if (extent && (__builtin_mul_overflow(stride, static_cast<uint64_t>(extent - 1), &bytes) ||
                     __builtin_add_overflow(span, bytes, &span)))
        return Invalid("is larger than any memory");
    }
    uint64_t inner = map.box()->Get(0) * element;
    if (inner % 16 || (swizzle && inner > swizzle))
      return Invalid("has a box of ", inner, " bytes inside; it must be a multiple of 16, and at most the swizzle");
    if (slice.offset() % 16 || (!empty && span > slice.bytes()))
      return Invalid("spans ", span, " bytes from ", slice.offset(), " on, of a slice of ", slice.bytes(),
                     ", which must begin at a multiple of 16");
    return absl::OkStatus();
  }

  absl::Status CheckMaps(const fb::Entry &entry, const fb::Launch &launch, const Capacities &capacities) {
    uint32_t wanted = plan_.kernels()->Get(launch.kernel())->maps();
    if (Length(launch.maps()) != wanted)
      return Invalid("has ", Length(launch.maps()), " tensor maps; its kernel takes ", wanted);
    for (uint32_t i = 0; i < wanted; ++i)
      if (absl::Status status = CheckMap(*launch.maps()->Get(i), entry, launch, capacities); !status.ok())
        return Invalid("tensor map ", i, " ", status.message());
    return absl::OkStatus();
  }

  absl::Status CheckWork(const fb::Work *work, const Capacities &capacities) {
    if (!work)
      return Invalid("has no work");
    if (!InEnum(work->axis(), fb::Axis::MAX) || capacities.Of(work->axis()) < 0)
      return Invalid("works on an axis (", static_cast<int>(work->axis()), ") for which the entry has no capacity");
    int64_t items = 0;
    if (work->tile() < 1 || work->tile() > kMaxExtent || work->factor() < 0 ||
        work->factor() > kMaxExtent || work->size() < -kMaxExtent || work->size() > kMaxExtent ||
        __builtin_mul_overflow(
            work->factor(),
            (std::max<int64_t>(0, capacities.Of(work->axis()) + work->size()) + work->tile() - 1) / work->tile(),
            &items) ||
        items > kMaxExtent)
      return Invalid("has work out of range: ", work->factor(), " * ceil((extent + ", work->size(), ") / ",
                 work->tile(), ")");
    return absl::OkStatus();
  }

  absl::Status Commands(const fb::Entry &entry,
                        const flatbuffers::Vector<flatbuffers::Offset<fb::Command>> *commands,
                        const Capacities &capacities, unsigned used_indices) {
    auto slice_type = [&](uint32_t index) -> const fb::TensorType * {
      return index < Length(entry.slices()) ? entry.slices()->Get(index)->type() : nullptr;
    };
    for (uint32_t i = 0; i < Length(commands); ++i) {
      const fb::Command &command = *commands->Get(i);
      if (!command.action())
        return Invalid("command ", i, " does nothing");
      switch (command.action_type()) {
      case fb::Action::Launch: {
        const fb::Launch &launch = *command.action_as_Launch();
        if (launch.kernel() >= Length(plan_.kernels()))
          return Invalid("command ", i, " launches kernel ", launch.kernel(), " of ", Length(plan_.kernels()));
        for (uint32_t a = 0; a < Length(launch.args()); ++a)
          if (launch.args()->Get(a) >= Length(entry.slices()))
            return Invalid("command ", i, " uses slice ", launch.args()->Get(a), " of ", Length(entry.slices()));
        const fb::Kernel &kernel = *plan_.kernels()->Get(launch.kernel());
        if (size_t most = kernel.buffer_array() ? kMaxBuffersInArray : kMaxBuffers;
            View(plan_.target()) == "cuda" && Length(launch.args()) > most)
          return Invalid("command ", i, " (", View(launch.op()), ") has ", Length(launch.args()), " buffers; kernel ",
                         View(kernel.symbol()), " takes at most ", most);
        if (absl::Status status = CheckWork(launch.work(), capacities); !status.ok())
          return Invalid("command ", i, " (", View(launch.op()), ") ", status.message());
        if (absl::Status status = CheckMaps(entry, launch, capacities); !status.ok())
          return Invalid("command ", i, " (", View(launch.op()), ") ", status.message());
        if (launch.library()) {
          absl::Status status = View(plan_.target()) != "cuda"
                                    ? Invalid("asks for a library, which only a GPU has")
                                    : ValidateLibraryCall(entry, launch, [&](fb::Axis axis) { return capacities.Of(axis); });
          if (!status.ok())
            return Invalid("command ", i, " (", View(launch.op()), ") ", status.message());
        }
        if (launch.grain() < 0)
          return Invalid("command ", i, " (", View(launch.op()), ") has a negative grain");
        break;
      }
      case fb::Action::Fill:
        if (!slice_type(command.action_as_Fill()->slice()))
          return Invalid("command ", i, " fills slice ", command.action_as_Fill()->slice(), " of ",
                     Length(entry.slices()));
        break;
      case fb::Action::Copy: {
        const fb::Copy &copy = *command.action_as_Copy();
        const fb::TensorType *from = slice_type(copy.from()), *to = slice_type(copy.to());
        if (!from || !to || !SameType(from, to))
          return Invalid("command ", i, " copies slice ", copy.from(), " to ", copy.to(), " of ",
                     Length(entry.slices()), ", or they differ in type");
        break;
      }
      case fb::Action::Loop: {
        const fb::Loop &loop = *command.action_as_Loop();
        if (loop.index() > 1 || (used_indices >> loop.index() & 1))
          return Invalid("command ", i, " is a loop with variable ", loop.index(),
                     "; loops nest at most two deep, with the variables 0 and 1");
        if (absl::Status status = CheckWork(loop.count(), capacities); !status.ok())
          return Invalid("command ", i, " (loop) ", status.message());
        MIRL_TRY(Commands(entry, loop.body(), capacities, used_indices | 1u << loop.index()));
        break;
      }
      default:
        return Invalid("command ", i, " is of an unknown kind ", static_cast<int>(command.action_type()));
      }
    }
    return absl::OkStatus();
  }

  // `name` is an entry of this kind; "" is allowed when optional.
  absl::Status NamesEntry(const flatbuffers::String *name, fb::EntryKind kind, bool optional) {
    if (View(name).empty() && optional)
      return absl::OkStatus();
    const fb::Entry *entry = FindNamed(plan_.entries(), View(name));
    if (!entry || entry->kind() != kind)
      return Invalid("'", View(name), "' is not an entry of kind ", fb::EnumNameEntryKind(kind));
    return absl::OkStatus();
  }

  absl::Status BufferIndices(const flatbuffers::Vector<uint32_t> *indices,
                             std::optional<fb::BufferKind> kind) {
    for (uint32_t i = 0; i < Length(indices); ++i) {
      if (indices->Get(i) >= Length(plan_.buffers()))
        return Invalid("names buffer ", indices->Get(i), " of ", Length(plan_.buffers()));
      const fb::Buffer &buffer = *plan_.buffers()->Get(indices->Get(i));
      if (kind && buffer.kind() != *kind)
        return Invalid("names buffer ", View(buffer.name()), ", which is not a ", fb::EnumNameBufferKind(*kind));
    }
    return absl::OkStatus();
  }

  absl::Status Policies() {
    MIRL_TRY(UniqueNames(plan_.policies(), "policy"));
    for (uint32_t i = 0; i < Length(plan_.policies()); ++i) {
      const fb::Policy &policy = *plan_.policies()->Get(i);
      if (absl::Status status = Policy(policy); !status.ok())
        return Invalid("policy ", View(policy.name()), ": ", status.message());
    }
    return absl::OkStatus();
  }

  absl::Status Policy(const fb::Policy &policy) {
    if (!InEnum(policy.role(), fb::PolicyRole::MAX))
      return Invalid("unknown role ", static_cast<int>(policy.role()));
    MIRL_TRY(BufferIndices(policy.weights(), fb::BufferKind::weight));
    MIRL_TRY(BufferIndices(policy.kv_buffers(), fb::BufferKind::kv_cache));
    MIRL_TRY(NamesEntry(policy.prefill(), fb::EntryKind::prefill, true));
    MIRL_TRY(NamesEntry(policy.decode(), fb::EntryKind::decode, true));
    for (uint32_t i = 0; i < Length(policy.decode_few()); ++i)
      MIRL_TRY(NamesEntry(policy.decode_few()->Get(i), fb::EntryKind::decode, false));
    for (uint32_t i = 0; i < Length(policy.prefill_few()); ++i)
      MIRL_TRY(NamesEntry(policy.prefill_few()->Get(i), fb::EntryKind::prefill, false));
    MIRL_TRY(NamesEntry(policy.score(), fb::EntryKind::score, true));
    if (policy.vocab_size() < 0 || policy.vocab_size() > kMaxExtent || policy.max_context() < 0 ||
        policy.max_context() > kMaxExtent || policy.kv_slots() < 0 || policy.kv_slots() > kMaxExtent)
      return Invalid("vocabulary ", policy.vocab_size(), ", context ", policy.max_context(), " or slots ",
                 policy.kv_slots(), " out of range");
    return KvCache(policy);
  }

  absl::Status KvCache(const fb::Policy &policy) {
    MIRL_TRY(BufferIndices(policy.kv_table(), fb::BufferKind::kv_table));
    int64_t width = (policy.max_context() + 15) / 16;
    if (policy.kv_blocks() < 0 || policy.kv_blocks() > kMaxExtent)
      return Invalid(policy.kv_blocks(), " KV blocks are out of range");
    for (uint32_t i = 0; i < Length(policy.kv_buffers()); ++i) {
      const fb::Buffer &buffer = *plan_.buffers()->Get(policy.kv_buffers()->Get(i));
      if (Length(buffer.type()->dims()) == 0 || buffer.type()->dims()->Get(0)->size() != policy.kv_blocks())
        return Invalid("KV buffer ", View(buffer.name()), " does not have ", policy.kv_blocks(), " blocks");
    }
    for (uint32_t i = 0; i < Length(policy.kv_table()); ++i) {
      const fb::TensorType &type = *plan_.buffers()->Get(policy.kv_table()->Get(i))->type();
      if (type.dtype() != fb::DType::i32 || Length(type.dims()) != 2 ||
          type.dims()->Get(0)->size() != policy.kv_slots() || type.dims()->Get(1)->size() != width)
        return Invalid("the table of KV blocks must be i32[", policy.kv_slots(), ", ", width,
                       "]: slots, and blocks of a sequence of the longest length");
    }
    if (Length(policy.kv_buffers()) == 0)
      return absl::OkStatus();
    if (Length(policy.kv_table()) != 1)
      return Invalid("a KV cache needs one table of blocks, there are ", Length(policy.kv_table()));
    if (policy.kv_blocks() < width)
      return Invalid("the KV pool has ", policy.kv_blocks(), " blocks of 16 positions; one sequence of the longest "
                     "length, ", policy.max_context(), " tokens, needs ", width);
    return absl::OkStatus();
  }

  absl::Status OptimizersAndSteps() {
    MIRL_TRY(UniqueNames(plan_.optimizers(), "optimizer"));
    for (uint32_t i = 0; i < Length(plan_.optimizers()); ++i) {
      const fb::Optimizer &optimizer = *plan_.optimizers()->Get(i);
      if (!FindNamed(plan_.policies(), View(optimizer.policy())))
        return Invalid("optimizer ", View(optimizer.name()), ": there is no policy '", View(optimizer.policy()), "'");
      if (View(optimizer.reset()) != "iteration" && View(optimizer.reset()) != "never")
        return Invalid("optimizer ", View(optimizer.name()), ": unknown reset '", View(optimizer.reset()), "'");
      if (absl::Status status = BufferIndices(optimizer.state(), std::nullopt); !status.ok())
        return Invalid("optimizer ", View(optimizer.name()), " ", status.message());
    }
    MIRL_TRY(UniqueNames(plan_.steps(), "step"));
    for (uint32_t i = 0; i < Length(plan_.steps()); ++i) {
      const fb::Step &step = *plan_.steps()->Get(i);
      absl::Status status = NamesEntry(step.batch(), fb::EntryKind::batch, true);
      status.Update(NamesEntry(step.micro(), fb::EntryKind::micro, false));
      status.Update(NamesEntry(step.apply(), fb::EntryKind::apply, true));
      if (View(step.packing()) != "sequence" && View(step.packing()) != "group")
        status.Update(Invalid("unknown packing '", View(step.packing()), "'"));
      if (!View(step.optimizer()).empty() && !FindNamed(plan_.optimizers(), View(step.optimizer())))
        status.Update(Invalid("there is no optimizer '", View(step.optimizer()), "'"));
      if (!status.ok())
        return Invalid("step ", View(step.name()), ": ", status.message());
    }
    return absl::OkStatus();
  }

  const fb::Plan &plan_;
  std::set<std::string_view> entries_;
};

} // namespace

absl::Status ValidatePlan(const fb::Plan &plan) { return Validator(plan).Run(); }

} // namespace mirl::rt
