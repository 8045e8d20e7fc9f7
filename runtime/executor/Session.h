// A loaded plan with its memory and its device: the thing that runs entries.
//
// One thread drives a Session; kernels run on the CPU's pool of threads or on the GPU, as the plan's target says. The arena is allocated (and zeroed) once,
// with constants copied in; nothing is allocated while an entry runs.

#ifndef MIRL_RUNTIME_EXECUTOR_SESSION_H
#define MIRL_RUNTIME_EXECUTOR_SESSION_H

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/artifact/Plan.h"
#include "runtime/device/Device.h"
#include "runtime/executor/RowRun.h"

namespace mirl::rt {

namespace cuda {
struct Driver;
struct CublasLt;
}

// Extents of the four axes in one call.
struct Extents {
  int64_t context = 0, token = 0, sequence = 0, group = 0;
};

struct SessionOptions {
  int threads = 0;      // 0: all the cores this process may use
  bool profile = false; // measure every launch (costs two clock reads each)
  // NVTX ranges for entries and commands (Ranges.h), for NVIDIA's tools. Commands are then launched one by one.
  bool ranges = false;
  // Before an entry runs, its transient memory is filled with 0xff (NaN, -1): a command that reads what no command of the entry
  // wrote gives other results then. For tests.
  bool poison = false;
  // Persistent buffers in host memory, whatever the plan's target, and no entries: for looking at and filling weights.
  bool buffers_only = false;
  const cuda::Driver *cuda_driver = nullptr; // null: the machine's
  const cuda::CublasLt *cublaslt = nullptr;  // null: the machine's, if the plan asks for it
  // For tests: makes the device, in place of the one that the plan is for.
  std::function<std::unique_ptr<Device>(std::shared_ptr<const Plan>)> device;
  // How long the choice between kernels and a library may take at most (ProductChoice.h): none is begun later.
  double choice_seconds = 30;
  // On a device that records (Device.h): commands in the recordings that are kept; 0 launches one by one.
  // Decoding has a recording for each number of sequences: 512 of 200 commands fit.
  int64_t recorded_commands = 1 << 17;
  // Is told what does not work but could be done without. Null: nobody.
  std::function<void(const std::string &)> warn;
  // Is told what was chosen where a plan leaves a choice. Null: nobody.
  std::function<void(const std::string &)> note;
};

// What the launches of one kernel for one op cost so far, over all runs of an entry.
struct ProfileRow {
  std::string entry, op, kernel;
  int64_t calls = 0;
  double seconds = 0, flops = 0, bytes = 0;
};

// A command that ran, or a whole entry with its transfers (then `op` is empty). Times are in seconds since Trace was called.
// The texts are the plan's.
struct TraceEvent {
  std::string_view entry, op, kernel;  // kernel: empty for fills and copies
  const fb::Source *source = nullptr;  // where in the program; null: unknown
  double start = 0, seconds = 0, flops = 0, bytes = 0;
};
using TraceSink = std::function<void(const TraceEvent &)>;

// A table, the longest first: time, share, calls, GFLOP/s, GB/s, what.
std::string FormatProfile(const std::vector<ProfileRow> &rows);

// "context", "token", …
std::string_view AxisName(fb::Axis axis);
int64_t AxisExtent(fb::Axis axis, const Extents &extents);

// A launch's operations or bytes for these extents; 0 without a formula.
double Evaluate(const fb::Affine *affine, const Extents &extents);

// Number of elements of a type at given extents; the same in bytes.
int64_t ElementCount(const fb::TensorType &type, const Extents &extents);
int64_t ByteSize(const fb::TensorType &type, const Extents &extents);

class Session {
public:
  static absl::StatusOr<std::unique_ptr<Session>> Create(std::shared_ptr<const Plan> plan,
                                                         const SessionOptions &options);
  ~Session();

  const Plan &plan() const;
  int threads() const; // 0 on a GPU
  // What is in use of the GPU's memory, the plan's arena among it; nothing on a CPU.
  absl::StatusOr<std::optional<DeviceMemory>> Memory() const;

  // The bytes of a persistent buffer where they lie in host memory; empty on another device. Code that
  // must run on every device uses the five functions below.
  std::span<uint8_t> Buffer(const fb::Buffer &buffer);

  int64_t BufferBytes(const fb::Buffer &buffer) const;
  // Copies all bytes of a buffer out of the device or into it. `data` has BufferBytes bytes.
  absl::Status ReadBuffer(const fb::Buffer &buffer, void *data);
  absl::Status WriteBuffer(const fb::Buffer &buffer, const void *data);
  // These three are queued before the next call, Run or Begin, which reports their errors.
  void ZeroBuffer(const fb::Buffer &buffer);
  // `bytes` bytes from offset `at` on; `data` must stay as it is until the next call is done.
  void PatchBuffer(const fb::Buffer &buffer, int64_t at, const void *data, int64_t bytes);
  // Within one buffer: `pieces` pieces of `bytes` bytes from offset `from` on to offset `to` on, each `stride`
  // bytes behind the one before. Pieces must not overlap.
  void CopyBuffer(const fb::Buffer &buffer, int64_t from, int64_t to, int64_t bytes, int64_t pieces = 1,
                  int64_t stride = 0);

  // Where an input's bytes must be written before Run, and an output's read after it. Inputs of
  // different ports never overlap; all of an entry's inputs may be written before Run. Transient
  // outputs are valid until the next Run. Always host memory, at the same place as long as the session lives: a
  // device with memory of its own gets an input's bytes, as many as the call's extents say, when Run begins. Run has
  // turn 0; for turn 1 see Begin.
  uint8_t *PortData(const fb::Entry &entry, const fb::Port &port, int turn = 0);

  // The port with this source, or nullptr.
  static const fb::Port *FindInput(const fb::Entry &entry, std::string_view source);
  static const fb::Port *FindOutput(const fb::Entry &entry, std::string_view source);

  // Runs all commands of an entry. On a device that records, a call that comes again with the same extents is recorded, and
  // replayed from then on, unless it is profiled or traced. Where that fails the commands are launched one by one, which
  // names the op that is to blame; if they run, there is a warning, and nothing is recorded any more. Refuses extents beyond the entry's capacities, naming the axis
  // and both numbers.
  absl::Status Run(const fb::Entry &entry, const Extents &extents);

  // Run in two parts, so that a call is queued while the one before it still runs. Two may be under way, of turns 0 and 1,
  // whose inputs and outputs lie in two places (PortData). End waits for the call of this turn, and reports what went wrong
  // in it; its outputs are valid until the next Begin of this turn. What Begin refuses is not under way, and the other call
  // is as it was. Of a call's recording only the commands are a part.
  //
  // `carried`: an input's rows that are taken from an output of the call begun before, which CanCarry; nothing of this
  // input is sent to the device. What PatchBuffer and the like have queued comes before.
  struct Carried {
    const fb::Entry *entry; // of the call before
    const fb::Port *output, *input;
    std::span<const RowRun> runs;
  };
  absl::Status Begin(const fb::Entry &entry, const Extents &extents, int turn, const Carried *carried = nullptr);
  absl::Status End(int turn);
  // Whether there are Begin and End now: on a device that runs while the host does something else, where nothing is
  // measured (profile, ranges, Trace) or poisoned.
  bool RunsAhead() const;
  // Whether rows of this output can become rows of that input: they are numbers of one kind, and the two places do not
  // overlap, or the output is one of a decode entry.
  bool CanCarry(const fb::Entry &from, const fb::Port &output, const fb::Entry &to, const fb::Port &input) const;
  // Waits for all that is under way, whatever comes of it.
  void Drain();

  // From now on `sink` gets all that runs, when its Run is done: commands in order, then the entry. Null: no more. On a GPU
  // the times are the device's, and commands are not waited for.
  void Trace(TraceSink sink);

  // Empty unless SessionOptions.profile. Ordered by time, longest first.
  std::vector<ProfileRow> Profile() const;

private:
  Session();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_EXECUTOR_SESSION_H
