#include "runtime/executor/Session.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <map>
#include <unordered_map>

#include "runtime/artifact/Macros.h"
#include "runtime/device/cpu/ThreadPool.h"

namespace mirl::rt {

namespace {

int64_t ElementBytes(fb::DType dtype) {
  switch (dtype) {
  case fb::DType::f32:
  case fb::DType::i32:
    return 4;
  case fb::DType::bf16:
    return 2;
  case fb::DType::i64:
    return 8;
  case fb::DType::u8:
    return 1;
  }
  return 0;
}

int64_t Items(const fb::Work &work, const Extents &extents) {
  int64_t extent = std::max<int64_t>(0, AxisExtent(work.axis(), extents) + work.size());
  return work.factor() * ((extent + work.tile() - 1) / work.tile());
}

double Evaluate(const fb::Affine *affine, const Extents &e) {
  if (!affine)
    return 0;
  return affine->constant() + affine->context() * static_cast<double>(e.context) +
         affine->token() * static_cast<double>(e.token) +
         affine->sequence() * static_cast<double>(e.sequence) +
         affine->group() * static_cast<double>(e.group);
}

// A command with its addresses resolved.
struct Step {
  fb::Action kind = fb::Action::NONE;
  KernelFunction kernel = nullptr;
  const fb::Work *work = nullptr; // launch: items; loop: trips
  const fb::Launch *launch = nullptr;
  std::vector<void *> pointers; // launch: arguments; fill: {to}; copy: {to, from}
  const fb::TensorType *type = nullptr;
  uint32_t index = 0;
  std::vector<Step> body;
  ProfileRow *row = nullptr;
};

constexpr size_t kHugePage = size_t{2} << 20;

} // namespace

std::string_view AxisName(fb::Axis axis) { return fb::EnumNameAxis(axis); }

int64_t AxisExtent(fb::Axis axis, const Extents &extents) {
  switch (axis) {
  case fb::Axis::fixed:
    return 0;
  case fb::Axis::context:
    return extents.context;
  case fb::Axis::token:
    return extents.token;
  case fb::Axis::sequence:
    return extents.sequence;
  case fb::Axis::group:
    return extents.group;
  }
  return 0;
}

int64_t ElementCount(const fb::TensorType &type, const Extents &extents) {
  int64_t count = 1;
  for (uint32_t i = 0; i < Length(type.dims()); ++i) {
    const fb::Dim &dim = *type.dims()->Get(i);
    count *= std::max<int64_t>(0, AxisExtent(dim.axis(), extents) + dim.size());
  }
  return count;
}

int64_t ByteSize(const fb::TensorType &type, const Extents &extents) {
  return ElementCount(type, extents) * ElementBytes(type.dtype());
}

struct Session::Impl {
  std::shared_ptr<const mirl::rt::Plan> plan;
  std::unique_ptr<ThreadPool> pool;
  bool profile = false;
  void *map = nullptr;
  size_t map_bytes = 0;
  uint8_t *arena = nullptr;
  std::unordered_map<const fb::Entry *, std::vector<Step>> entries;
  std::deque<ProfileRow> rows;

  ~Impl() {
    if (map)
      munmap(map, map_bytes);
  }

  std::vector<Step> Prepare(const fb::Entry &entry,
                            const flatbuffers::Vector<flatbuffers::Offset<fb::Command>> *commands,
                            std::map<std::pair<std::string, std::string>, ProfileRow *> &rows_of) {
    auto slice = [&](uint32_t index) { return entry.slices()->Get(index); };
    auto address = [&](uint32_t index) -> void * { return arena + slice(index)->offset(); };
    std::vector<Step> steps(Length(commands));
    for (uint32_t i = 0; i < steps.size(); ++i) {
      const fb::Command &command = *commands->Get(i);
      Step &step = steps[i];
      step.kind = command.action_type();
      std::string op, kernel;
      switch (step.kind) {
      case fb::Action::Launch: {
        step.launch = command.action_as_Launch();
        step.kernel = plan->kernel(step.launch->kernel());
        step.work = step.launch->work();
        for (uint32_t a = 0; a < Length(step.launch->args()); ++a)
          step.pointers.push_back(address(step.launch->args()->Get(a)));
        op = View(step.launch->op());
        kernel = View(plan->root().kernels()->Get(step.launch->kernel())->symbol());
        break;
      }
      case fb::Action::Fill:
        step.type = slice(command.action_as_Fill()->slice())->type();
        step.pointers = {address(command.action_as_Fill()->slice())};
        op = "fill";
        break;
      case fb::Action::Copy:
        step.type = slice(command.action_as_Copy()->from())->type();
        step.pointers = {address(command.action_as_Copy()->to()), address(command.action_as_Copy()->from())};
        op = "copy";
        break;
      case fb::Action::Loop:
        step.work = command.action_as_Loop()->count();
        step.index = command.action_as_Loop()->index();
        step.body = Prepare(entry, command.action_as_Loop()->body(), rows_of);
        continue;
      default:
        continue;
      }
      ProfileRow *&row = rows_of[{op, kernel}];
      if (!row) {
        rows.push_back(ProfileRow{std::string(View(entry.name())), op, kernel});
        row = &rows.back();
      }
      step.row = row;
    }
    return steps;
  }

  void Execute(const std::vector<Step> &steps, const Extents &extents, int64_t *dims) {
    for (const Step &step : steps) {
      if (step.kind == fb::Action::Loop) {
        int64_t trips = Items(*step.work, extents);
        int64_t saved = dims[4 + step.index];
        for (int64_t trip = 0; trip < trips; ++trip) {
          dims[4 + step.index] = trip;
          Execute(step.body, extents, dims);
        }
        dims[4 + step.index] = saved;
        continue;
      }
      if (!profile) {
        Do(step, extents, dims);
        continue;
      }
      auto start = std::chrono::steady_clock::now();
      Do(step, extents, dims);
      step.row->seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      ++step.row->calls;
      if (step.launch) {
        step.row->flops += Evaluate(step.launch->flops(), extents);
        step.row->bytes += Evaluate(step.launch->bytes(), extents);
      } else {
        step.row->bytes += static_cast<double>(ByteSize(*step.type, extents)) *
                           (step.kind == fb::Action::Copy ? 2 : 1);
      }
    }
  }

  void Do(const Step &step, const Extents &extents, const int64_t *dims) {
    switch (step.kind) {
    case fb::Action::Launch:
      pool->ParallelFor(Items(*step.work, extents), step.launch->grain(),
                        [&](int64_t begin, int64_t end) {
                          step.kernel(step.pointers.data(), dims, begin, end);
                        });
      break;
    case fb::Action::Fill:
      pool->ParallelFor(ByteSize(*step.type, extents), int64_t{1} << 18, [&](int64_t begin, int64_t end) {
        std::memset(static_cast<uint8_t *>(step.pointers[0]) + begin, 0, static_cast<size_t>(end - begin));
      });
      break;
    case fb::Action::Copy: {
      auto *to = static_cast<uint8_t *>(step.pointers[0]);
      auto *from = static_cast<const uint8_t *>(step.pointers[1]);
      int64_t bytes = ByteSize(*step.type, extents);
      // Pieces of slices that overlap must not be copied out of order.
      int64_t grain = to + bytes <= from || from + bytes <= to ? int64_t{1} << 18 : bytes;
      pool->ParallelFor(bytes, grain, [&](int64_t begin, int64_t end) {
        std::memmove(to + begin, from + begin, static_cast<size_t>(end - begin));
      });
      break;
    }
    default:
      break;
    }
  }
};

Session::Session() : impl_(std::make_unique<Impl>()) {}
Session::~Session() = default;

absl::StatusOr<std::unique_ptr<Session>> Session::Create(std::shared_ptr<const mirl::rt::Plan> plan,
                                                         const SessionOptions &options) {
  std::unique_ptr<Session> session(new Session);
  Impl &impl = *session->impl_;
  impl.plan = std::move(plan);
  impl.profile = options.profile;
  const fb::Plan &root = impl.plan->root();

  // The mapping is a huge page longer than the arena, so that the arena can start on one.
  impl.map_bytes = root.arena_bytes() + kHugePage;
  void *map = mmap(nullptr, impl.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) {
    return absl::ResourceExhaustedError(Cat(impl.plan->name(), ": cannot allocate its memory of ",
                                                     root.arena_bytes(), " bytes: ", strerror(errno)));
  }
  impl.map = map;
  auto address = (reinterpret_cast<uintptr_t>(map) + kHugePage - 1) / kHugePage * kHugePage;
  impl.arena = reinterpret_cast<uint8_t *>(address);
  if (root.arena_bytes() >= kHugePage)
    madvise(impl.arena, root.arena_bytes(), MADV_HUGEPAGE); // A refusal costs speed only.
  for (uint32_t i = 0; i < Length(root.buffers()); ++i) {
    const fb::Buffer &buffer = *root.buffers()->Get(i);
    if (Length(buffer.data()))
      std::memcpy(impl.arena + buffer.offset(), buffer.data()->data(), buffer.data()->size());
  }
  for (uint32_t i = 0; i < Length(root.entries()); ++i) {
    const fb::Entry &entry = *root.entries()->Get(i);
    std::map<std::pair<std::string, std::string>, ProfileRow *> rows_of;
    impl.entries[&entry] = impl.Prepare(entry, entry.commands(), rows_of);
  }
  impl.pool = std::make_unique<ThreadPool>(options.threads);
  return session;
}

const Plan &Session::plan() const { return *impl_->plan; }
int Session::threads() const { return impl_->pool->threads(); }

std::span<uint8_t> Session::Buffer(const fb::Buffer &buffer) {
  return {impl_->arena + buffer.offset(), static_cast<size_t>(ByteSize(*buffer.type(), {}))};
}

int64_t Session::BufferBytes(const fb::Buffer &buffer) const { return ByteSize(*buffer.type(), {}); }

absl::Status Session::ReadBuffer(const fb::Buffer &buffer, void *data) {
  std::memcpy(data, impl_->arena + buffer.offset(), static_cast<size_t>(BufferBytes(buffer)));
  return absl::OkStatus();
}

absl::Status Session::WriteBuffer(const fb::Buffer &buffer, const void *data) {
  std::memcpy(impl_->arena + buffer.offset(), data, static_cast<size_t>(BufferBytes(buffer)));
  return absl::OkStatus();
}

void Session::ZeroBuffer(const fb::Buffer &buffer) {
  std::memset(impl_->arena + buffer.offset(), 0, static_cast<size_t>(BufferBytes(buffer)));
}

void Session::CopyBuffer(const fb::Buffer &buffer, int64_t from, int64_t to, int64_t bytes, int64_t pieces,
                         int64_t stride) {
  uint8_t *base = impl_->arena + buffer.offset();
  for (int64_t piece = 0; piece < pieces; ++piece)
    std::memcpy(base + to + piece * stride, base + from + piece * stride, static_cast<size_t>(bytes));
}

uint8_t *Session::PortData(const fb::Entry &entry, const fb::Port &port) {
  return impl_->arena + entry.slices()->Get(port.slice())->offset();
}

const fb::Port *Session::FindInput(const fb::Entry &entry, std::string_view source) {
  for (uint32_t i = 0; i < Length(entry.inputs()); ++i)
    if (View(entry.inputs()->Get(i)->source()) == source)
      return entry.inputs()->Get(i);
  return nullptr;
}

const fb::Port *Session::FindOutput(const fb::Entry &entry, std::string_view source) {
  for (uint32_t i = 0; i < Length(entry.outputs()); ++i)
    if (View(entry.outputs()->Get(i)->source()) == source)
      return entry.outputs()->Get(i);
  return nullptr;
}

absl::Status Session::Run(const fb::Entry &entry, const Extents &extents) {
  for (uint32_t i = 0; i < Length(entry.capacities()); ++i) {
    const fb::Capacity &capacity = *entry.capacities()->Get(i);
    int64_t extent = AxisExtent(capacity.axis(), extents);
    if (extent < 0 || extent > capacity.extent()) {
      return absl::OutOfRangeError(Cat(
          "entry ", View(entry.name()), ": the ", AxisName(capacity.axis()), " axis has ", extent,
          " rows; the plan was compiled for at most ", capacity.extent()));
    }
  }
  auto found = impl_->entries.find(&entry);
  if (found == impl_->entries.end())
    return absl::InvalidArgumentError("the entry belongs to another plan");
  int64_t dims[6] = {extents.context, extents.token, extents.sequence, extents.group, 0, 0};
  impl_->Execute(found->second, extents, dims);
  return absl::OkStatus();
}

std::vector<ProfileRow> Session::Profile() const {
  std::vector<ProfileRow> rows;
  if (impl_->profile)
    rows.assign(impl_->rows.begin(), impl_->rows.end());
  std::erase_if(rows, [](const ProfileRow &row) { return row.calls == 0; });
  std::stable_sort(rows.begin(), rows.end(),
                   [](const ProfileRow &a, const ProfileRow &b) { return a.seconds > b.seconds; });
  return rows;
}

} // namespace mirl::rt
