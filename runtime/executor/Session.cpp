#include "runtime/executor/Session.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "runtime/artifact/Macros.h"
#include "runtime/artifact/Validate.h"
#include "runtime/device/cpu/CpuDevice.h"
#include "runtime/device/cuda/CudaDevice.h"
#include "runtime/executor/LibraryCalls.h"
#include "runtime/executor/Ranges.h"
#include "runtime/executor/Recordings.h"
#include "runtime/executor/RunSteps.h"
#include "runtime/executor/Staging.h"

namespace mirl::rt {

namespace {

bool Overlap(const fb::Slice &a, const fb::Slice &b) {
  return a.offset() < b.offset() + b.bytes() && b.offset() < a.offset() + a.bytes();
}

// Of an output of numbers that a decode entry may hand to the next call.
uint64_t MostCarriedBytes(const fb::Plan &plan) {
  uint64_t most = 0;
  for (uint32_t i = 0; i < Length(plan.entries()); ++i) {
    const fb::Entry &entry = *plan.entries()->Get(i);
    for (uint32_t p = 0; p < Length(entry.outputs()) && entry.kind() == fb::EntryKind::decode; ++p)
      if (const fb::Slice &slice = *entry.slices()->Get(entry.outputs()->Get(p)->slice()); Length(slice.type()->dims()) == 1)
        most = std::max(most, slice.bytes());
  }
  return most;
}

} // namespace

struct Session::Impl {
  std::shared_ptr<const mirl::rt::Plan> plan;
  std::unique_ptr<Device> device;
  LibraryCalls calls;
  bool profile = false, poison = false, ranges = false;
  uint8_t *arena = nullptr;
  std::unordered_map<const fb::Entry *, std::vector<RunStep>> entries;
  std::deque<ProfileRow> rows;
  Staging staging; // on a device with memory of its own
  Recordings recordings{0};
  bool record = false;
  std::function<void(const std::string &)> warn;
  TraceSink trace;
  std::chrono::steady_clock::time_point trace_begin;
  std::vector<const RunStep *> traced; // of this Run; step i ran between marks 2i + 1 and 2i + 2
  absl::Status pending; // what went wrong in work that was queued before a call
  bool recording_now = false;
  const fb::Entry *under_way[2] = {}; // of calls that were begun, by turn
  uint64_t aside = 0, aside_bytes = 0; // behind the arena: what is carried to where it lies already

  static absl::Status Named(const absl::Status &status, std::string_view where) {
    return absl::Status(status.code(), Cat(where, ": ", status.message()));
  }

  // An error of a command, with its op and where the program says so.
  static absl::Status At(const RunStep &step, const absl::Status &status) {
    if (!step.launch)
      return Named(status, step.kind == fb::Action::Fill ? "fill" : "copy");
    const fb::Source *source = step.launch->source();
    std::string where;
    if (source && source->line())
      where = Cat(View(source->file()), ":", source->line(), ":", source->column(), ": ");
    return Named(status, Cat(where, View(step.launch->op())));
  }

  // What a kernel did wrong shows here at the latest, and not of which op it was.
  static absl::Status Late(const fb::Entry &entry, const absl::Status &status) {
    return Named(status, Cat("entry ", View(entry.name()), " (--profile tells the op)"));
  }

  std::vector<RunStep> Prepare(const fb::Entry &entry,
                               const flatbuffers::Vector<flatbuffers::Offset<fb::Command>> *commands,
                               std::map<std::pair<std::string, std::string>, ProfileRow *> &rows_of) {
    auto slice = [&](uint32_t index) { return entry.slices()->Get(index); };
    auto address = [&](uint32_t index) -> void * { return arena + slice(index)->offset(); };
    std::vector<RunStep> steps(Length(commands));
    for (uint32_t i = 0; i < steps.size(); ++i) {
      const fb::Command &command = *commands->Get(i);
      RunStep &step = steps[i];
      step.kind = command.action_type();
      std::string op, kernel;
      switch (step.kind) {
      case fb::Action::Launch: {
        step.launch = command.action_as_Launch();
        step.work = step.launch->work();
        for (uint32_t a = 0; a < Length(step.launch->args()); ++a)
          step.pointers.push_back(address(step.launch->args()->Get(a)));
        for (uint32_t m = 0; m < Length(step.launch->maps()); ++m)
          step.maps.push_back(MapWithoutExtents(*step.launch->maps()->Get(m), *slice(step.launch->args()->Get(step.launch->maps()->Get(m)->arg()))));
        op = View(step.launch->op());
        kernel = View(plan->root().kernels()->Get(step.launch->kernel())->symbol());
        if (step.launch->library()) {
          step.library.emplace(entry, *step.launch, step.pointers, arena);
          step.library_row = RowOf(entry, op, "cublaslt", rows_of);
        }
        break;
      }
      case fb::Action::Fill:
        step.type = slice(command.action_as_Fill()->slice())->type();
        step.to = slice(command.action_as_Fill()->slice())->offset();
        op = "fill";
        break;
      case fb::Action::Copy:
        step.type = slice(command.action_as_Copy()->from())->type();
        step.to = slice(command.action_as_Copy()->to())->offset();
        step.from = slice(command.action_as_Copy()->from())->offset();
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
      step.row = RowOf(entry, op, kernel, rows_of);
    }
    JoinFills(steps);
    return steps;
  }

  ProfileRow *RowOf(const fb::Entry &entry, const std::string &op, const std::string &kernel,
                    std::map<std::pair<std::string, std::string>, ProfileRow *> &rows_of) {
    ProfileRow *&row = rows_of[{op, kernel}];
    if (!row) {
      rows.push_back(ProfileRow{std::string(View(entry.name())), op, kernel});
      row = &rows.back();
    }
    return row;
  }

  // The library's algorithms for a step in this call; null: it is none of its products.
  const std::vector<uint32_t> *AlgorithmsOf(const RunStep &step, const Extents &extents) const {
    return step.library ? calls.Algorithms(*step.library, extents) : nullptr;
  }

  ProfileRow *RowIn(const RunStep &step, const Extents &extents) const {
    return AlgorithmsOf(step, extents) ? step.library_row : step.row;
  }

  // Chooses what computes each step that a library may compute.
  absl::Status Choose(std::vector<RunStep> &steps, std::chrono::steady_clock::time_point deadline,
                      const std::function<void(const std::string &)> &note) {
    for (RunStep &step : steps) {
      MIRL_TRY(Choose(step.body, deadline, note));
      if (!step.library)
        continue;
      auto kernel = [&](const Extents &extents) {
        int64_t dims[6] = {extents.context, extents.token, extents.sequence, extents.group, 0, 0};
        return LaunchKernel(step, extents, dims);
      };
      MIRL_TRY(calls.Choose(*device, *step.library, step.row->kernel, kernel, deadline, note));
    }
    return absl::OkStatus();
  }

  absl::Status Execute(const std::vector<RunStep> &steps, const Extents &extents, int64_t *dims) {
    for (const RunStep &step : steps) {
      if (step.kind == fb::Action::Loop) {
        int64_t trips = Items(*step.work, extents);
        int64_t saved = dims[4 + step.index];
        for (int64_t trip = 0; trip < trips; ++trip) {
          dims[4 + step.index] = trip;
          MIRL_TRY(Execute(step.body, extents, dims));
        }
        dims[4 + step.index] = saved;
        continue;
      }
      NamedRange range(ranges ? step.row->op.c_str() : nullptr);
      auto start = profile ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
      if (trace)
        MIRL_TRY(device->Mark(2 * traced.size() + 1));
      absl::Status status = Do(step, extents, dims);
      if (trace && status.ok()) {
        traced.push_back(&step);
        status = device->Mark(2 * traced.size());
      }
      // A command's time, and its errors, are known once it has run.
      if (profile && status.ok())
        status = device->Synchronize();
      if (!status.ok())
        return At(step, status);
      if (!profile)
        continue;
      ProfileRow &row = *RowIn(step, extents);
      row.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      ++row.calls;
      auto [flops, bytes] = CostOf(step, extents);
      row.flops += flops;
      row.bytes += bytes;
    }
    return absl::OkStatus();
  }

  // Queues a call: its inputs, its commands, its outputs. Or its commands alone.
  absl::Status Queue(const fb::Entry &entry, const std::vector<RunStep> &steps, const Extents &extents, bool transfers) {
    int64_t dims[6] = {extents.context, extents.token, extents.sequence, extents.group, 0, 0};
    device->BeginCall();
    if (device->on_host() || !transfers)
      return Execute(steps, extents, dims);
    MIRL_TRY(staging.Transfer(entry, extents, /*inputs=*/true, *device));
    MIRL_TRY(Execute(steps, extents, dims));
    return staging.Transfer(entry, extents, /*inputs=*/false, *device);
  }

  // Replays a call's recording, which is made if it is worth it. False: the call is still to be queued. An error says so too,
  // and why there is no recording.
  absl::StatusOr<bool> Replay(const fb::Entry &entry, const std::vector<RunStep> &steps, const Extents &extents,
                              bool transfers) {
    CallKey key{&entry, extents.context, extents.token, extents.sequence, extents.group, transfers};
    std::optional<uint64_t> recording = recordings.Find(key);
    if (!recording) {
      int64_t commands = CountCommands(steps, extents);
      if (!recordings.Wants(key, commands))
        return false;
      for (uint64_t gone : recordings.MakeRoom(commands))
        device->Forget(gone);
      MIRL_TRY(device->BeginRecording());
      recording_now = true;
      absl::Status queued = Queue(entry, steps, extents, transfers);
      recording_now = false;
      absl::StatusOr<uint64_t> made = device->EndRecording();
      if (!queued.ok() && made.ok())
        device->Forget(*made);
      MIRL_TRY(queued);
      MIRL_TRY(made.status());
      recording = *made;
      recordings.Add(key, *recording, commands);
    }
    MIRL_TRY(device->Replay(*recording));
    return true;
  }

  // Queues a call as a recording, if there is one or it is to get one, else command by command.
  absl::Status Submit(const fb::Entry &entry, const std::vector<RunStep> &steps, const Extents &extents, bool transfers) {
    absl::StatusOr<bool> replayed = false;
    if (record && !trace)
      replayed = Replay(entry, steps, extents, transfers);
    absl::Status overlapped; // why kernels do not overlap any more
    if (!replayed.ok() && device->StopOverlapping()) {
      overlapped = replayed.status();
      ForgetRecordings();
      replayed = Replay(entry, steps, extents, transfers);
    }
    if (!replayed.ok()) {
      // It may have been memory that was missing.
      record = false;
      ForgetRecordings();
    }
    if (!replayed.ok() || !*replayed)
      MIRL_TRY(Queue(entry, steps, extents, transfers));
    auto tell = [&](const absl::Status &why, std::string_view now) {
      if (!why.ok() && warn)
        warn(Cat("entry ", View(entry.name()), ": ", why.message(), "; from now on ", now));
    };
    if (replayed.ok())
      tell(overlapped, "the kernels of a CUDA graph do not overlap");
    tell(replayed.status(), "kernels are launched one by one");
    return absl::OkStatus();
  }

  // Queues the copies of rows of one port to rows of another one, of numbers of the same kind.
  absl::Status Carry(const fb::Slice &source, const fb::Slice &target, std::span<const RowRun> runs) {
    auto bytes = static_cast<uint64_t>(ElementBytes(target.type()->dtype()));
    uint64_t from = source.offset();
    if (Overlap(source, target)) {
      MIRL_TRY(device->Copy(from, aside, static_cast<uint64_t>(runs.back().from + runs.back().count) * bytes, 1, 0));
      from = aside;
    }
    for (const RowRun &run : runs)
      MIRL_TRY(device->Copy(from + static_cast<uint64_t>(run.from) * bytes, target.offset() + static_cast<uint64_t>(run.to) * bytes,
                            static_cast<uint64_t>(run.count) * bytes, 1, 0));
    return absl::OkStatus();
  }

  // The commands of an entry that may be called with these extents now.
  absl::StatusOr<const std::vector<RunStep> *> Admit(const fb::Entry &entry, const Extents &extents) const {
    for (uint32_t i = 0; i < Length(entry.capacities()); ++i) {
      const fb::Capacity &capacity = *entry.capacities()->Get(i);
      int64_t extent = AxisExtent(capacity.axis(), extents);
      if (extent < 0 || extent > capacity.extent()) {
        return absl::OutOfRangeError(Cat(
            "entry ", View(entry.name()), ": the ", AxisName(capacity.axis()), " axis has ", extent,
            " rows; the plan was compiled for at most ", capacity.extent()));
      }
    }
    auto found = entries.find(&entry);
    if (found == entries.end())
      return absl::InvalidArgumentError("the entry belongs to another plan, or the session has buffers only");
    MIRL_TRY(pending);
    return &found->second;
  }

  void ForgetRecordings() {
    for (uint64_t gone : recordings.Clear())
      device->Forget(gone);
  }

  // Tells the sink of the Run that began at `start`, the time of mark 0, and is done.
  absl::Status Report(const fb::Entry &entry, const Extents &extents, std::chrono::steady_clock::time_point start) {
    TraceEvent whole;
    whole.entry = View(entry.name());
    whole.source = entry.source();
    whole.start = std::chrono::duration<double>(start - trace_begin).count();
    for (size_t i = 0; i < traced.size(); ++i) {
      const RunStep &step = *traced[i];
      TraceEvent event;
      event.entry = whole.entry;
      event.op = step.row->op;
      event.kernel = RowIn(step, extents)->kernel;
      event.source = step.launch ? step.launch->source() : nullptr;
      MIRL_ASSIGN(double from, device->Elapsed(2 * i + 1));
      MIRL_ASSIGN(double to, device->Elapsed(2 * i + 2));
      event.start = whole.start + from;
      event.seconds = to - from;
      std::tie(event.flops, event.bytes) = CostOf(step, extents);
      whole.flops += event.flops;
      whole.bytes += event.bytes;
      trace(event);
    }
    MIRL_ASSIGN(whole.seconds, device->Elapsed(2 * traced.size() + 1));
    trace(whole);
    return absl::OkStatus();
  }

  absl::Status LaunchKernel(const RunStep &step, const Extents &extents, const int64_t *dims) {
    TensorMap maps[kMaxMaps];
    for (size_t m = 0; m < step.maps.size(); ++m) {
      maps[m] = step.maps[m];
      const auto *map_dims = step.launch->maps()->Get(static_cast<uint32_t>(m))->dims();
      for (uint32_t d = 0; d < maps[m].rank; ++d) {
        const fb::Dim &dim = *map_dims->Get(d);
        maps[m].dims[d] = static_cast<uint64_t>(std::max<int64_t>(0, AxisExtent(dim.axis(), extents) + dim.size()));
      }
    }
    auto launch = [&] {
      return device->Launch(step.launch->kernel(), step.pointers.data(), static_cast<uint32_t>(step.pointers.size()), dims,
                            Items(*step.work, extents), step.launch->grain(), {maps, step.maps.size()});
    };
    absl::Status status = launch();
    // A recording is made again as a whole (Submit).
    if (status.ok() || recording_now || !device->StopOverlapping())
      return status;
    absl::Status again = launch();
    if (again.ok() && warn)
      warn(Cat(status.message(), "; from now on kernels do not overlap"));
    return again;
  }

  absl::Status Do(const RunStep &step, const Extents &extents, const int64_t *dims) {
    switch (step.kind) {
    case fb::Action::Launch:
      if (const std::vector<uint32_t> *algorithms = AlgorithmsOf(step, extents))
        return calls.Multiply(*step.library, extents, *algorithms);
      return LaunchKernel(step, extents, dims);
    case fb::Action::Fill:
      return device->Fill(step.to, BytesOf(step, extents), 0);
    case fb::Action::Copy:
      return device->Copy(step.from, step.to, BytesOf(step, extents), 1, 0);
    default:
      return absl::OkStatus();
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
  impl.poison = options.poison;
  impl.ranges = options.ranges;
  if (options.ranges)
    MIRL_TRY(CheckRanges());
  impl.recordings = Recordings(options.recorded_commands);
  impl.warn = options.warn;
  const fb::Plan &root = impl.plan->root();

  auto refused = [&](const absl::Status &status) { return Impl::Named(status, impl.plan->name()); };
  if (options.device) {
    impl.device = options.device(impl.plan);
  } else if (View(root.target()) == "cuda" && !options.buffers_only) {
    auto device = CudaDevice::Create(impl.plan, options.cuda_driver, options.cublaslt);
    if (!device.ok())
      return refused(device.status());
    impl.device = *std::move(device);
  } else {
    impl.device = std::make_unique<CpuDevice>(impl.plan, options.threads);
  }
  uint64_t bytes = options.buffers_only ? root.persistent_bytes() : root.arena_bytes();
  if (impl.device->runs_behind() && !options.buffers_only && (impl.aside_bytes = MostCarriedBytes(root)) > 0) {
    impl.aside = (bytes + 255) / 256 * 256;
    bytes = impl.aside + impl.aside_bytes;
  }
  if (absl::Status status = impl.device->Allocate(bytes); !status.ok())
    return refused(status);
  impl.arena = impl.device->arena();
  if (!impl.device->on_host())
    if (absl::Status status = impl.staging.Allocate(root, *impl.device); !status.ok())
      return refused(status);
  impl.record = options.recorded_commands > 0 && !options.profile && !options.ranges && impl.device->records();
  if (std::string why = impl.record ? impl.device->WhyNoOverlap() : ""; !why.empty() && impl.warn)
    impl.warn(Cat(impl.plan->name(), ": ", why));
  auto deadline = std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                                         std::chrono::duration<double>(options.choice_seconds));
  for (uint32_t i = 0; i < Length(root.entries()) && !options.buffers_only; ++i) {
    const fb::Entry &entry = *root.entries()->Get(i);
    std::map<std::pair<std::string, std::string>, ProfileRow *> rows_of;
    std::vector<RunStep> &steps = impl.entries[&entry] = impl.Prepare(entry, entry.commands(), rows_of);
    // While nothing is in the arena yet.
    if (absl::Status status = impl.Choose(steps, deadline, options.note); !status.ok())
      return refused(status);
  }
  if (impl.calls.any())
    MIRL_TRY(impl.device->Fill(0, bytes, 0));
  for (uint32_t i = 0; i < Length(root.buffers()); ++i) {
    const fb::Buffer &buffer = *root.buffers()->Get(i);
    if (Length(buffer.data()))
      MIRL_TRY(impl.device->Upload(buffer.offset(), buffer.data()->data(), buffer.data()->size()));
  }
  MIRL_TRY(impl.device->Synchronize());
  return session;
}

const Plan &Session::plan() const { return *impl_->plan; }
int Session::threads() const { return impl_->device->threads(); }
absl::StatusOr<std::optional<DeviceMemory>> Session::Memory() const { return impl_->device->Memory(); }

std::span<uint8_t> Session::Buffer(const fb::Buffer &buffer) {
  if (!impl_->device->on_host())
    return {};
  return {impl_->arena + buffer.offset(), static_cast<size_t>(BufferBytes(buffer))};
}

int64_t Session::BufferBytes(const fb::Buffer &buffer) const { return ByteSize(*buffer.type(), {}); }

absl::Status Session::ReadBuffer(const fb::Buffer &buffer, void *data) {
  absl::Status status = impl_->device->Download(buffer.offset(), data, static_cast<uint64_t>(BufferBytes(buffer)));
  status.Update(impl_->device->Synchronize());
  return status.ok() ? status : Impl::Named(status, Cat("reading ", View(buffer.name())));
}

absl::Status Session::WriteBuffer(const fb::Buffer &buffer, const void *data) {
  absl::Status status = impl_->device->Upload(buffer.offset(), data, static_cast<uint64_t>(BufferBytes(buffer)));
  status.Update(impl_->device->Synchronize());
  return status.ok() ? status : Impl::Named(status, Cat("writing ", View(buffer.name())));
}

void Session::ZeroBuffer(const fb::Buffer &buffer) {
  absl::Status status = impl_->device->Fill(buffer.offset(), static_cast<uint64_t>(BufferBytes(buffer)), 0);
  if (!status.ok())
    impl_->pending.Update(Impl::Named(status, Cat("zeroing ", View(buffer.name()))));
}

void Session::PatchBuffer(const fb::Buffer &buffer, int64_t at, const void *data, int64_t bytes) {
  absl::Status status = impl_->device->Upload(buffer.offset() + static_cast<uint64_t>(at), data,
                                              static_cast<uint64_t>(bytes));
  if (!status.ok())
    impl_->pending.Update(Impl::Named(status, Cat("patching ", View(buffer.name()))));
}

void Session::CopyBuffer(const fb::Buffer &buffer, int64_t from, int64_t to, int64_t bytes, int64_t pieces,
                         int64_t stride) {
  auto at = [&](int64_t offset) { return buffer.offset() + static_cast<uint64_t>(offset); };
  absl::Status status = impl_->device->Copy(at(from), at(to), static_cast<uint64_t>(bytes), static_cast<uint64_t>(pieces),
                                            static_cast<uint64_t>(stride));
  if (!status.ok())
    impl_->pending.Update(Impl::Named(status, Cat("copying within ", View(buffer.name()))));
}

uint8_t *Session::PortData(const fb::Entry &entry, const fb::Port &port, int turn) {
  const fb::Slice *slice = entry.slices()->Get(port.slice());
  if (!impl_->device->on_host())
    return impl_->staging.At(slice, impl_->device->runs_behind() ? turn : 0);
  return impl_->arena + slice->offset();
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
  MIRL_ASSIGN(const std::vector<RunStep> *steps, impl_->Admit(entry, extents));
  if (impl_->under_way[0] || impl_->under_way[1])
    return absl::FailedPreconditionError(Cat("entry ", View(entry.name()), ": a call is still under way"));
  if (impl_->poison)
    MIRL_TRY(Poison(impl_->plan->root(), entry, extents, *impl_->device));
  NamedRange range(impl_->ranges ? entry.name()->c_str() : nullptr);
  std::chrono::steady_clock::time_point start;
  if (impl_->trace) {
    impl_->traced.clear();
    start = std::chrono::steady_clock::now();
    MIRL_TRY(impl_->device->Mark(0));
  }
  MIRL_TRY(impl_->Submit(entry, *steps, extents, /*transfers=*/true));
  if (impl_->trace)
    MIRL_TRY(impl_->device->Mark(2 * impl_->traced.size() + 1));
  if (absl::Status status = impl_->device->Synchronize(); !status.ok())
    return Impl::Late(entry, status);
  return impl_->trace ? impl_->Report(entry, extents, start) : absl::OkStatus();
}

bool Session::RunsAhead() const {
  return impl_->device->runs_behind() && !impl_->trace && !impl_->profile && !impl_->poison && !impl_->ranges;
}

bool Session::CanCarry(const fb::Entry &from, const fb::Port &output, const fb::Entry &to, const fb::Port &input) const {
  const fb::Slice &source = *from.slices()->Get(output.slice()), &target = *to.slices()->Get(input.slice());
  return Length(source.type()->dims()) == 1 && Length(target.type()->dims()) == 1 &&
         source.type()->dtype() == target.type()->dtype() &&
         (!Overlap(source, target) || source.bytes() <= impl_->aside_bytes);
}

absl::Status Session::Begin(const fb::Entry &entry, const Extents &extents, int turn, const Carried *carried) {
  MIRL_ASSIGN(const std::vector<RunStep> *steps, impl_->Admit(entry, extents));
  if (!RunsAhead() || impl_->under_way[turn])
    return absl::FailedPreconditionError(Cat("entry ", View(entry.name()), " cannot be begun now"));
  const fb::Slice *target = nullptr;
  if (carried) {
    // Before the other inputs, which may lie where the output does.
    target = entry.slices()->Get(carried->input->slice());
    const fb::Slice &source = *carried->entry->slices()->Get(carried->output->slice());
    if (absl::Status status = impl_->Carry(source, *target, carried->runs); !status.ok())
      return Impl::Named(status, Cat("entry ", View(entry.name()), ", input ", View(carried->input->name())));
  }
  MIRL_TRY(impl_->staging.Transfer(entry, extents, /*inputs=*/true, *impl_->device, turn, target));
  MIRL_TRY(impl_->Submit(entry, *steps, extents, /*transfers=*/false));
  MIRL_TRY(impl_->staging.Transfer(entry, extents, /*inputs=*/false, *impl_->device, turn));
  if (absl::Status status = impl_->device->Note(turn); !status.ok())
    return Impl::Late(entry, status);
  impl_->under_way[turn] = &entry;
  return absl::OkStatus();
}

absl::Status Session::End(int turn) {
  const fb::Entry *entry = std::exchange(impl_->under_way[turn], nullptr);
  if (!entry)
    return absl::FailedPreconditionError("no call of this turn is under way");
  absl::Status status = impl_->device->Await(turn);
  return status.ok() ? status : Impl::Late(*entry, status);
}

void Session::Drain() {
  impl_->under_way[0] = impl_->under_way[1] = nullptr;
  impl_->device->Synchronize().IgnoreError();
}

void Session::Trace(TraceSink sink) {
  impl_->trace = std::move(sink);
  impl_->trace_begin = std::chrono::steady_clock::now();
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
