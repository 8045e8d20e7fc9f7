#include "runtime/artifact/Plan.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/artifact/Macros.h"
#include "runtime/artifact/ContentHash.h"
#include "runtime/artifact/Validate.h"

namespace mirl::rt {

namespace {

absl::Status Bad(std::string_view name, std::string_view what) {
  return absl::InvalidArgumentError(Cat(name, ": ", what));
}

bool HasIdentifier(const uint8_t *bytes, size_t size) {
  return size >= 8 && std::memcmp(bytes + 4, fb::PlanIdentifier(), 4) == 0;
}

// Whether all that the loader maps of an ELF shared object is there: it would fault on what lies beyond the end.
bool HasItsSegments(const uint8_t *code, size_t size) {
  Elf64_Ehdr header;
  if (size < sizeof(header))
    return false;
  std::memcpy(&header, code, sizeof(header));
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > size ||
      (size - header.e_phoff) / sizeof(Elf64_Phdr) < header.e_phnum)
    return false;
  for (size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, code + header.e_phoff + i * sizeof(segment), sizeof(segment));
    if (segment.p_type == PT_LOAD && (segment.p_offset > size || segment.p_filesz > size - segment.p_offset))
      return false;
  }
  return true;
}

constexpr const char *kNotAPlan = "is not a plan (a file that mirlc writes)";

} // namespace

absl::StatusOr<std::shared_ptr<const Plan>> Plan::Load(const std::string &path) {
  struct File {
    int fd;
    ~File() {
      if (fd >= 0)
        close(fd);
    }
  } file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat info;
  if (file.fd < 0 || fstat(file.fd, &info) != 0)
    return absl::NotFoundError(Cat(path, ": cannot read the plan: ", strerror(errno)));
  if (!S_ISREG(info.st_mode))
    return Bad(path, kNotAPlan);
  size_t size = static_cast<size_t>(info.st_size), done = 0;
  // Look at the first bytes before reading what may be gigabytes of something else.
  uint8_t head[8];
  if (pread(file.fd, head, sizeof(head), 0) != sizeof(head) || !HasIdentifier(head, sizeof(head)))
    return Bad(path, kNotAPlan);
  if (size >= FLATBUFFERS_MAX_BUFFER_SIZE)
    return Bad(path, Cat("is ", size, " bytes long; a plan is shorter than 2 GiB"));
  std::vector<uint8_t> bytes(size);
  while (done < size) {
    ssize_t n = read(file.fd, bytes.data() + done, size - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return Bad(path, Cat("cannot read the plan: ", n < 0 ? strerror(errno) : "it became shorter"));
    done += static_cast<size_t>(n);
  }
  return Parse(std::move(bytes), path);
}

absl::StatusOr<std::shared_ptr<const Plan>> Plan::Parse(std::vector<uint8_t> bytes,
                                                        std::string_view name) {
  std::shared_ptr<Plan> plan(new Plan);
  plan->name_ = std::string(name);
  plan->bytes_ = std::move(bytes);
  const uint8_t *data = plan->bytes_.data();
  size_t size = plan->bytes_.size();
  if (!HasIdentifier(data, size) || size >= FLATBUFFERS_MAX_BUFFER_SIZE)
    return Bad(name, kNotAPlan);

  // The version first: another version's tables may mean something else.
  auto version_at = RootFieldOffset(data, size, fb::Plan::VT_VERSION, 4);
  if (!version_at)
    return Bad(name, "is damaged: it has no version");
  uint32_t version;
  std::memcpy(&version, data + *version_at, 4);
  if (version != kPlanVersion)
    return Bad(name, Cat("is a plan of version ", version, "; this runtime reads version ",
                                  kPlanVersion, ": compile it again with the mirlc beside this mirl"));

  auto hash = ContentHash(data, size);
  uint64_t stored = 0;
  if (hash)
    std::memcpy(&stored, data + *RootFieldOffset(data, size, fb::Plan::VT_CONTENT_HASH, 8), 8);
  if (!hash || stored != *hash)
    return Bad(name, "is damaged: its contents do not match its checksum");

  flatbuffers::Verifier verifier(data, size, /*max_depth=*/64, /*max_tables=*/20'000'000);
  if (!fb::VerifyPlanBuffer(verifier))
    return Bad(name, "is damaged: it is not a well-formed plan");
  plan->root_ = fb::GetPlan(data);

  if (absl::Status status = ValidatePlan(*plan->root_); !status.ok())
    return Bad(name, Cat("is not a valid plan: ", status.message()));
  if (absl::Status status = CheckIsa(*plan->root_); !status.ok())
    return Bad(name, std::string(status.message()));

  const auto *kernels = plan->root_->kernels();
  if (!kernels || kernels->size() == 0)
    return plan;
  const auto *code = plan->root_->code();
  // A cubin is the GPU driver's to load and to judge.
  if (View(plan->root_->target()) == "cuda")
    return Length(code) ? absl::StatusOr<std::shared_ptr<const Plan>>(plan)
                        : Bad(name, "is not a valid plan: it has kernels, but no code for them");
  if (!code || code->size() < 64 || std::memcmp(code->data(), "\177ELF", 4) != 0)
    return Bad(name, "is not a valid plan: its code is not an ELF shared object");
  if (!HasItsSegments(code->data(), code->size()))
    return Bad(name, "is not a valid plan: its code is an ELF shared object that is not whole");
  plan->library_fd_ = memfd_create("mirl-kernels", MFD_CLOEXEC);
  if (plan->library_fd_ < 0)
    return Bad(name, Cat("cannot load the kernels: memfd_create: ", strerror(errno)));
  for (size_t done = 0; done < code->size();) {
    ssize_t n = write(plan->library_fd_, code->data() + done, code->size() - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return Bad(name, Cat("cannot load the kernels: ", strerror(errno)));
    done += static_cast<size_t>(n);
  }
  // The loader knows libraries by their path, so the descriptor stays open as long as the library:
  // another plan must not get the same number.
  std::string path = Cat("/proc/self/fd/", plan->library_fd_);
  plan->library_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!plan->library_)
    return Bad(name, Cat("cannot load the kernels: ", dlerror()));
  plan->kernels_.reserve(kernels->size());
  for (const fb::Kernel *kernel : *kernels) {
    void *address = dlsym(plan->library_, kernel->symbol()->c_str());
    if (!address)
      return Bad(name, Cat("is not a valid plan: its code has no kernel ", View(kernel->symbol())));
    plan->kernels_.push_back(reinterpret_cast<KernelFunction>(address));
  }
  return plan;
}

Plan::~Plan() {
  if (library_)
    dlclose(library_);
  if (library_fd_ >= 0)
    close(library_fd_);
}

const fb::Entry *Plan::FindEntry(std::string_view name) const { return FindNamed(root_->entries(), name); }
const fb::Policy *Plan::FindPolicy(std::string_view name) const { return FindNamed(root_->policies(), name); }
const fb::Optimizer *Plan::FindOptimizer(std::string_view name) const { return FindNamed(root_->optimizers(), name); }
const fb::Step *Plan::FindStep(std::string_view name) const { return FindNamed(root_->steps(), name); }

} // namespace mirl::rt
