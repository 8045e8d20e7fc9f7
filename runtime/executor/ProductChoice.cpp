#include "runtime/executor/ProductChoice.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <optional>
#include <random>

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

namespace {

constexpr int kRanges = 5;
// Launches in a measurement, and measurements of each, of which the shortest counts.
constexpr int kLaunches = 8, kRounds = 3;
// What a measurement may be off.
constexpr double kNoticeable = 0.97;
// Bytes of random numbers, which repeat: no multiple of a row, so that rows differ.
constexpr size_t kPattern = 2 * 1048573;

// Random bits of bf16 or f32 numbers: magnitudes of 2^-9 to 1, either sign.
std::vector<uint8_t> Pattern(bool f32) {
  std::mt19937 generator(1);
  size_t width = f32 ? 4 : 2;
  std::vector<uint8_t> bytes(kPattern / width * width);
  for (size_t at = 0; at < bytes.size(); at += width) {
    uint32_t random = generator(), number = (random & 0x807fffff) | (118 + random % 9) << 23;
    std::memcpy(&bytes[at],
                f32 ? reinterpret_cast<uint8_t *>(&number)
                    : reinterpret_cast<uint8_t *>(&number) + 2,
                width);
  }
  return bytes;
}

class Chooser {
public:
  Chooser(Device &device, ProductLibrary &library, const LibraryLaunch &launch)
      : device_(device), library_(library), launch_(launch) {}

  // A range's algorithms, or none, and why.
  absl::Status Choose(ProductChoice::Range &range, std::string &why);

private:
  absl::Status Fill(const LibraryLaunch::Tensor &tensor);
  absl::Status Multiply(const std::vector<uint32_t> &algorithms, int64_t extent);
  absl::Status Results(int64_t extent, std::vector<std::vector<uint8_t>> &bytes);
  // Says why not, if the library does not compute the kernel's bits.
  absl::Status Compare(const std::vector<uint32_t> &algorithms, int64_t extent, std::string &why);
  absl::StatusOr<double> Time(const std::function<absl::Status()> &queue);

  Device &device_;
  ProductLibrary &library_;
  const LibraryLaunch &launch_;
  const std::vector<uint8_t> narrow_ = Pattern(false), wide_ = Pattern(true);
  bool filled_ = false;
};

absl::Status Chooser::Fill(const LibraryLaunch::Tensor &tensor) {
  const std::vector<uint8_t> &pattern = tensor.f32 ? wide_ : narrow_;
  uint64_t done = std::min<uint64_t>(tensor.bytes, pattern.size());
  MIRL_TRY(device_.Upload(tensor.offset, pattern.data(), done));
  while (done < tensor.bytes) {
    uint64_t more = std::min(done, tensor.bytes - done);
    MIRL_TRY(device_.Copy(tensor.offset, tensor.offset + done, more, 1, 0));
    done += more;
  }
  return absl::OkStatus();
}

absl::Status Chooser::Multiply(const std::vector<uint32_t> &algorithms, int64_t extent) {
  std::vector<Product> products = launch_.products(extent);
  for (size_t i = 0; i < products.size(); ++i)
    MIRL_TRY(library_.Multiply(products[i], algorithms[i], launch_.workspace));
  return absl::OkStatus();
}

absl::Status Chooser::Results(int64_t extent, std::vector<std::vector<uint8_t>> &bytes) {
  std::vector<Product> products = launch_.products(extent);
  bytes.resize(products.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i].resize(static_cast<uint64_t>(products[i].rows * products[i].columns) *
                    (products[i].f32 ? 4 : 2));
    MIRL_TRY(device_.Download(launch_.results[i], bytes[i].data(), bytes[i].size()));
  }
  return device_.Synchronize();
}

absl::Status Chooser::Compare(const std::vector<uint32_t> &algorithms, int64_t extent,
                              std::string &why) {
  // What is read stays as it is; results may be added to.
  auto prepare = [&]() -> absl::Status {
    for (const LibraryLaunch::Tensor &tensor : launch_.tensors)
      if (!filled_ || std::find(launch_.results.begin(), launch_.results.end(), tensor.offset) !=
                          launch_.results.end())
        MIRL_TRY(Fill(tensor));
    filled_ = true;
    return absl::OkStatus();
  };
  std::vector<std::vector<uint8_t>> ours, theirs;
  MIRL_TRY(prepare());
  MIRL_TRY(launch_.kernel(extent));
  MIRL_TRY(Results(extent, ours));
  MIRL_TRY(prepare());
  if (absl::Status status = Multiply(algorithms, extent); !status.ok())
    why = std::string(status.message());
  MIRL_TRY(Results(extent, theirs));
  if (why.empty() && ours != theirs)
    why = "other bits";
  return absl::OkStatus();
}

// Seconds of what is queued.
absl::StatusOr<double> Chooser::Time(const std::function<absl::Status()> &queue) {
  std::optional<uint64_t> recording;
  auto all = [&]() -> absl::Status {
    for (int i = 0; i < kLaunches; ++i)
      MIRL_TRY(queue());
    return absl::OkStatus();
  };
  if (device_.records()) {
    MIRL_TRY(device_.BeginRecording());
    absl::Status queued = all();
    absl::StatusOr<uint64_t> made = device_.EndRecording();
    if (made.ok())
      recording = *made;
    if (!queued.ok() || !made.ok()) {
      if (recording)
        device_.Forget(*recording);
      return queued.ok() ? made.status() : queued;
    }
  }
  auto measure = [&]() -> absl::StatusOr<double> {
    double least = 0;
    // The first round warms up.
    for (int round = 0; round <= kRounds; ++round) {
      MIRL_TRY(device_.Mark(0));
      MIRL_TRY(recording ? device_.Replay(*recording) : all());
      MIRL_TRY(device_.Mark(1));
      MIRL_TRY(device_.Synchronize());
      MIRL_ASSIGN(double seconds, device_.Elapsed(1));
      if (round == 1 || (round > 1 && seconds < least))
        least = seconds;
    }
    return least / kLaunches;
  };
  absl::StatusOr<double> measured = measure();
  if (recording)
    device_.Forget(*recording);
  return measured;
}

absl::Status Chooser::Choose(ProductChoice::Range &range, std::string &why) {
  std::vector<uint32_t> algorithms;
  for (const Product &product : launch_.products(range.most)) {
    absl::StatusOr<uint32_t> algorithm =
        library_.Choose(product, launch_.workspace, /*split=*/launch_.any_bits);
    if (!algorithm.ok()) {
      why = std::string(algorithm.status().message());
      return absl::OkStatus();
    }
    algorithms.push_back(*algorithm);
  }
  if (launch_.any_bits) {
    // Once, so that what the library loads the first time is there when it is recorded.
    if (absl::Status status = Multiply(algorithms, range.most); !status.ok()) {
      why = std::string(status.message());
      return device_.Synchronize();
    }
    range.algorithms = std::move(algorithms);
    why = "the library, with bits of its own";
    return device_.Synchronize();
  }
  int64_t between = (range.least + (range.most - range.least) * 5 / 8) | 1;
  for (int64_t extent : {range.most, range.least, std::min(between, range.most)}) {
    std::vector<Product> products = launch_.products(extent);
    for (size_t i = 0; i < products.size(); ++i)
      if (!library_.Serves(products[i], algorithms[i], launch_.workspace)) {
        why = Cat("its algorithm does not serve ", extent);
        return absl::OkStatus();
      }
    MIRL_TRY(Compare(algorithms, extent, why));
    if (!why.empty())
      return absl::OkStatus();
  }
  absl::StatusOr<double> ours = Time([&] { return launch_.kernel(range.most); });
  absl::StatusOr<double> theirs =
      ours.ok() ? Time([&] { return Multiply(algorithms, range.most); }) : ours.status();
  if (!theirs.ok()) {
    why = std::string(theirs.status().message());
    return device_.Synchronize();
  }
  bool faster = *theirs < kNoticeable * *ours;
  char text[96];
  std::snprintf(text, sizeof(text), "%s, same bits, %.1f us to our %.1f",
                faster ? "the library" : "not faster", *theirs * 1e6, *ours * 1e6);
  why = text;
  if (faster)
    range.algorithms = std::move(algorithms);
  return absl::OkStatus();
}

} // namespace

const std::vector<uint32_t> *ProductChoice::For(int64_t extent) const {
  for (const Range &range : ranges)
    if (extent >= range.least && extent <= range.most)
      return range.algorithms.empty() ? nullptr : &range.algorithms;
  return nullptr;
}

absl::StatusOr<ProductChoice> ChooseProducts(Device &device, ProductLibrary &library,
                                             const LibraryLaunch &launch,
                                             std::chrono::steady_clock::time_point deadline,
                                             std::string *report) {
  Chooser chooser(device, library, launch);
  ProductChoice choice;
  *report = launch.name;
  int64_t most = launch.capacity;
  for (int i = 0; i < kRanges && most > 0; ++i, most /= 2) {
    ProductChoice::Range range{most / 2 + 1, most, {}};
    std::string why;
    if (!launch.any_bits && std::chrono::steady_clock::now() > deadline)
      why = "not tried, the time for it was over";
    else
      MIRL_TRY(chooser.Choose(range, why));
    *report += Cat(i ? "; " : ": ", range.least, " to ", range.most, ": ", why);
    choice.ranges.push_back(std::move(range));
  }
  return choice;
}

} // namespace mirl::rt
