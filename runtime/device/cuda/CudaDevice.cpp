#include "runtime/device/cuda/CudaDevice.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/artifact/Format.h"
#include "runtime/artifact/Macros.h"
#include "runtime/device/cuda/CublasLtProducts.h"

namespace mirl::rt {

namespace {

// A serving loop has few sizes; more than so many maps are forgotten and made again.
constexpr size_t kMostMaps = 65536;

} // namespace

absl::StatusOr<std::unique_ptr<CudaDevice>> CudaDevice::Create(std::shared_ptr<const Plan> plan, const cuda::Driver *driver,
                                                               const cuda::CublasLt *cublaslt) {
  if (!driver) {
    MIRL_ASSIGN(driver, cuda::Driver::Get());
  }
  std::unique_ptr<CudaDevice> device(new CudaDevice(std::move(plan), driver));
  device->cublaslt_ = cublaslt;
  MIRL_TRY(device->Open());
  MIRL_TRY(device->LoadKernels());
  return device;
}

absl::Status CudaDevice::Open() {
  int count = 0;
  MIRL_TRY(driver_->Check(driver_->DeviceGetCount(&count), "looking for NVIDIA GPUs"));
  if (count == 0)
    return absl::FailedPreconditionError("this machine has no NVIDIA GPU that CUDA_VISIBLE_DEVICES allows");
  MIRL_TRY(driver_->Check(driver_->DeviceGet(&device_, 0), "opening the first NVIDIA GPU"));
  char name[128] = "";
  int major = 0, minor = 0;
  MIRL_TRY(driver_->Check(driver_->DeviceGetName(name, sizeof(name), device_), "asking for the GPU's name"));
  name_ = name;
  driver_->DriverGetVersion(&version_);
  overlaps_ = version_ >= cuda::kOverlappingGraphs;
  MIRL_TRY(driver_->Check(driver_->DeviceGetAttribute(&major, cuda::kComputeMajor, device_), name_));
  MIRL_TRY(driver_->Check(driver_->DeviceGetAttribute(&minor, cuda::kComputeMinor, device_), name_));
  MIRL_TRY(driver_->Check(driver_->DeviceGetAttribute(&multiprocessors_, cuda::kMultiprocessors, device_), name_));
  // Code for an architecture with an `a` runs on that one alone.
  std::string here = Cat("sm_", major, minor, "a");
  std::string_view wanted = View(plan_->root().isa()->Get(0));
  if (here != wanted)
    return absl::FailedPreconditionError(Cat("the plan is for ", wanted, "; the GPU is a ", name_, ", sm_", major, minor,
                                             ": compile with --target cuda:sm_90a for an H100 or H200, or with --target cpu"));
  MIRL_TRY(driver_->Check(driver_->PrimaryContextRetain(&context_, device_), Cat("starting ", name_)));
  MIRL_TRY(driver_->Check(driver_->ContextSetCurrent(context_), Cat("starting ", name_)));
  MIRL_TRY(driver_->Check(driver_->StreamCreate(&stream_, cuda::kNonBlockingStream), Cat("starting ", name_)));
  for (cuda::Event &note : notes_)
    MIRL_TRY(driver_->Check(driver_->EventCreate(&note, cuda::kEventWithoutTime), Cat("starting ", name_)));
  return absl::OkStatus();
}

absl::Status CudaDevice::LoadKernels() {
  const auto *kernels = plan_->root().kernels();
  if (Length(kernels) == 0)
    return absl::OkStatus();
  // PTX, which the driver also takes, ends with a zero.
  std::vector<char> code(plan_->root().code()->begin(), plan_->root().code()->end());
  code.push_back(0);
  MIRL_TRY(driver_->Check(driver_->ModuleLoad(&module_, code.data()),
                          Cat("loading the kernels onto ", name_, " (driver for CUDA ", cuda::VersionText(version_), ")")));
  for (const fb::Kernel *kernel : *kernels) {
    cuda::Function function = nullptr;
    MIRL_TRY(driver_->Check(driver_->ModuleGetFunction(&function, module_, kernel->symbol()->c_str()),
                            Cat("looking for kernel ", View(kernel->symbol()))));
    if (kernel->shared_bytes())
      MIRL_TRY(driver_->Check(driver_->FunctionSetAttribute(function, cuda::kMaxDynamicShared,
                                                            static_cast<int>(kernel->shared_bytes())),
                              Cat("kernel ", View(kernel->symbol()), ": giving a block ", kernel->shared_bytes(),
                                  " bytes of shared memory")));
    functions_.push_back(function);
  }
  return absl::OkStatus();
}

CudaDevice::~CudaDevice() {
  if (!context_)
    return;
  // Errors are of no use any more: what is wrong was said when it happened.
  driver_->ContextSetCurrent(context_);
  if (stream_) {
    driver_->StreamSynchronize(stream_);
    driver_->StreamDestroy(stream_);
  }
  for (auto [number, graph] : graphs_)
    driver_->GraphExecDestroy(graph);
  for (cuda::Event mark : marks_)
    driver_->EventDestroy(mark);
  for (cuda::Event note : notes_)
    if (note)
      driver_->EventDestroy(note);
  for (void *memory : staging_)
    driver_->HostFree(memory);
  if (arena_)
    driver_->MemoryFree(arena_);
  if (module_)
    driver_->ModuleUnload(module_);
  driver_->PrimaryContextRelease(device_);
}

absl::Status CudaDevice::Allocate(uint64_t bytes) {
  size_t free = 0, total = 0;
  MIRL_TRY(driver_->Check(driver_->MemoryInfo(&free, &total), Cat("asking for the memory of ", name_)));
  if (bytes > free)
    return absl::ResourceExhaustedError(Cat("needs ", bytes, " bytes of memory; ", name_, " has ", free, " of its ", total,
                                            " bytes free: compile with a smaller --memory-budget, --micro-tokens or --slots"));
  // A plan without memory still has an arena.
  uint64_t wanted = bytes ? bytes : 64;
  MIRL_TRY(driver_->Check(driver_->MemoryAllocate(&arena_, wanted),
                          Cat("allocating ", wanted, " bytes of memory on ", name_, ", where ", free, " were free")));
  return driver_->Check(driver_->Set(arena_, 0, wanted, stream_), "zeroing the memory");
}

absl::StatusOr<std::optional<DeviceMemory>> CudaDevice::Memory() const {
  size_t free = 0, total = 0;
  MIRL_TRY(driver_->Check(driver_->MemoryInfo(&free, &total), Cat("asking for the memory of ", name_)));
  return DeviceMemory{name_, total - free, total};
}

absl::StatusOr<uint8_t *> CudaDevice::AllocateStaging(uint64_t bytes) {
  void *memory = nullptr;
  MIRL_TRY(driver_->Check(driver_->HostAllocate(&memory, bytes, 0), Cat("pinning ", bytes, " bytes of host memory")));
  staging_.push_back(memory);
  std::memset(memory, 0, bytes);
  return static_cast<uint8_t *>(memory);
}

absl::Status CudaDevice::Upload(uint64_t offset, const void *data, uint64_t bytes) {
  if (bytes == 0)
    return absl::OkStatus();
  behind_kernel_ = false;
  return driver_->Check(driver_->CopyToDevice(arena_ + offset, data, bytes, stream_), "copying to the GPU");
}

absl::Status CudaDevice::Download(uint64_t offset, void *data, uint64_t bytes) {
  if (bytes == 0)
    return absl::OkStatus();
  behind_kernel_ = false;
  return driver_->Check(driver_->CopyToHost(data, arena_ + offset, bytes, stream_), "copying from the GPU");
}

absl::Status CudaDevice::Fill(uint64_t offset, uint64_t bytes, uint8_t value) {
  if (bytes == 0)
    return absl::OkStatus();
  behind_kernel_ = false;
  return driver_->Check(driver_->Set(arena_ + offset, value, bytes, stream_), "filling memory of the GPU");
}

absl::Status CudaDevice::Copy(uint64_t from, uint64_t to, uint64_t bytes, uint64_t pieces, uint64_t stride) {
  if (bytes == 0 || pieces == 0 || from == to)
    return absl::OkStatus();
  behind_kernel_ = false;
  if (pieces == 1) {
    if (from < to + bytes && to < from + bytes)
      return absl::UnimplementedError("copying between overlapping places on the GPU");
    return driver_->Check(driver_->CopyOnDevice(arena_ + to, arena_ + from, bytes, stream_), "copying on the GPU");
  }
  cuda::Copy2D copy;
  copy.source_kind = copy.target_kind = cuda::kDeviceMemory;
  copy.source_device = arena_ + from;
  copy.target_device = arena_ + to;
  copy.source_pitch = copy.target_pitch = stride;
  copy.width = bytes;
  copy.height = pieces;
  return driver_->Check(driver_->CopyPieces(&copy, stream_), "copying on the GPU");
}

absl::StatusOr<const cuda::EncodedMap *> CudaDevice::Encode(const TensorMap &map, uint64_t address) {
  TensorMap wanted = map;
  // An empty dimension cannot be encoded; a kernel copies nothing from it.
  for (uint32_t d = 0; d < wanted.rank; ++d)
    wanted.dims[d] = std::max<uint64_t>(wanted.dims[d], 1);
  uint64_t key = address;
  for (uint32_t d = 0; d < wanted.rank; ++d)
    key = (key ^ (wanted.dims[d] * 31 + wanted.box[d])) * 0x9e3779b97f4a7c15u;
  auto [first, last] = maps_.equal_range(key);
  for (; first != last; ++first)
    if (first->second.address == address && first->second.map == wanted)
      return &first->second.encoded;
  KnownMap known{wanted, address, {}};
  const uint32_t steps[5] = {1, 1, 1, 1, 1};
  int swizzle = wanted.swizzle == 128 ? 3 : wanted.swizzle == 64 ? 2 : wanted.swizzle == 32 ? 1 : 0;
  MIRL_TRY(driver_->Check(driver_->EncodeMap(&known.encoded, wanted.f32 ? cuda::kMapF32 : cuda::kMapBF16, wanted.rank,
                                             reinterpret_cast<void *>(address), wanted.dims.data(), wanted.strides.data(),
                                             wanted.box.data(), steps, cuda::kMapPlain, swizzle, cuda::kMapPromote256,
                                             cuda::kMapPlain),
                          "encoding a tensor map"));
  return &maps_.emplace(key, known)->second.encoded;
}

absl::Status CudaDevice::Launch(uint32_t kernel, void *const *buffers, uint32_t count, const int64_t *dims, int64_t items,
                                int64_t, std::span<const TensorMap> maps) {
  if (items <= 0)
    return absl::OkStatus();
  const fb::Kernel &info = *plan_->root().kernels()->Get(kernel);
  // Forgotten before the first is looked up: the driver reads them where they are.
  if (maps_.size() + maps.size() > kMostMaps)
    maps_.clear();
  // The tensor maps, the addresses, the six dims, the number of items. The driver copies them before it returns.
  void *arguments[kMaxMaps + kMaxBuffers + 7];
  size_t filled = 0;
  for (const TensorMap &map : maps) {
    MIRL_ASSIGN(const cuda::EncodedMap *known, Encode(map, reinterpret_cast<uint64_t>(buffers[map.argument])));
    arguments[filled++] = const_cast<cuda::EncodedMap *>(known);
  }
  for (uint32_t i = 0; i < (info.buffer_array() ? 1 : count); ++i)
    arguments[filled++] = const_cast<void **>(&buffers[i]);
  for (uint32_t i = 0; i < 6; ++i)
    arguments[filled++] = const_cast<int64_t *>(&dims[i]);
  arguments[filled++] = &items;
  int64_t blocks = (items + info.items_per_block() - 1) / info.items_per_block();
  if (info.blocks_per_multiprocessor())
    blocks = std::min<int64_t>(blocks, int64_t{multiprocessors_} * info.blocks_per_multiprocessor());
  if (blocks > INT32_MAX)
    return Invalid("kernel ", View(info.symbol()), " has ", items, " work items, more than a grid holds");
  cuda::LaunchConfig config;
  config.grid_x = static_cast<unsigned>(blocks);
  config.block_x = info.threads();
  config.shared = info.shared_bytes();
  config.stream = stream_;
  cuda::LaunchAttribute overlap;
  overlap.id = cuda::kOverlapEarlier;
  overlap.number = 1;
  // Behind anything but a kernel it waits for all of it: what is not a kernel never says that the next may start.
  if (overlaps_ && behind_kernel_) {
    config.attributes = &overlap;
    config.attribute_count = 1;
  }
  behind_kernel_ = true;
  return driver_->Check(driver_->Launch(&config, functions_[kernel], arguments, nullptr),
                        Cat("launching kernel ", View(info.symbol())));
}

absl::Status CudaDevice::Synchronize() {
  behind_kernel_ = false;
  return driver_->Check(driver_->StreamSynchronize(stream_), Cat("running on ", name_));
}

absl::Status CudaDevice::Note(int number) {
  return driver_->Check(driver_->EventRecord(notes_[number], stream_), Cat("running on ", name_));
}

absl::Status CudaDevice::Await(int number) {
  return driver_->Check(driver_->EventSynchronize(notes_[number]), Cat("running on ", name_));
}

absl::StatusOr<std::unique_ptr<ProductLibrary>> CudaDevice::OpenProducts() {
  const cuda::CublasLt *library = cublaslt_;
  if (!library) {
    MIRL_ASSIGN(library, cuda::CublasLt::Get());
  }
  return CublasLtProducts::Create(*library, stream_);
}

absl::Status CudaDevice::BeginRecording() {
  return driver_->Check(driver_->BeginCapture(stream_, cuda::kCaptureThread), "recording a CUDA graph");
}

absl::StatusOr<uint64_t> CudaDevice::EndRecording() {
  cuda::Graph graph = nullptr;
  MIRL_TRY(driver_->Check(driver_->EndCapture(stream_, &graph), "recording a CUDA graph"));
  cuda::GraphExec ready = nullptr;
  absl::Status status = driver_->Check(driver_->GraphInstantiate(&ready, graph, 0), "making a CUDA graph ready");
  driver_->GraphDestroy(graph);
  MIRL_TRY(status);
  graphs_[next_graph_] = ready;
  return next_graph_++;
}

absl::Status CudaDevice::Replay(uint64_t recording) {
  return driver_->Check(driver_->GraphLaunch(graphs_.at(recording), stream_), "launching a CUDA graph");
}

bool CudaDevice::StopOverlapping() { return std::exchange(overlaps_, false); }

std::string CudaDevice::WhyNoOverlap() const {
  if (version_ >= cuda::kOverlappingGraphs)
    return {};
  return Cat("the NVIDIA driver is for CUDA ", cuda::VersionText(version_), ": the kernels of a CUDA graph overlap with ",
             cuda::VersionText(cuda::kOverlappingGraphs), " or later, and do not now");
}

void CudaDevice::Forget(uint64_t recording) {
  auto found = graphs_.find(recording);
  if (found == graphs_.end())
    return;
  driver_->GraphExecDestroy(found->second);
  graphs_.erase(found);
}

absl::Status CudaDevice::Mark(size_t mark) {
  while (marks_.size() <= mark) {
    cuda::Event event = nullptr;
    MIRL_TRY(driver_->Check(driver_->EventCreate(&event, 0), "measuring time on the GPU"));
    marks_.push_back(event);
  }
  behind_kernel_ = false;
  return driver_->Check(driver_->EventRecord(marks_[mark], stream_), "measuring time on the GPU");
}

absl::StatusOr<double> CudaDevice::Elapsed(size_t mark) {
  float milliseconds = 0;
  MIRL_TRY(driver_->Check(driver_->EventElapsed(&milliseconds, marks_[0], marks_[mark]), "measuring time on the GPU"));
  return static_cast<double>(milliseconds) * 1e-3;
}

} // namespace mirl::rt
