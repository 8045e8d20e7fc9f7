#include "runtime/executor/Ranges.h"

#ifdef MIRL_NVTX
#include <nvtx3/nvToolsExt.h>
#endif

namespace mirl::rt {

#ifdef MIRL_NVTX

namespace {

nvtxDomainHandle_t Domain() {
  static const nvtxDomainHandle_t domain = nvtxDomainCreateA("mirl");
  return domain;
}

} // namespace

absl::Status CheckRanges() { return absl::OkStatus(); }

NamedRange::NamedRange(const char *name) : open_(name) {
  if (!open_)
    return;
  nvtxEventAttributes_t attributes = {};
  attributes.version = NVTX_VERSION;
  attributes.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  attributes.messageType = NVTX_MESSAGE_TYPE_ASCII;
  attributes.message.ascii = name;
  nvtxDomainRangePushEx(Domain(), &attributes);
}

NamedRange::~NamedRange() {
  if (open_)
    nvtxDomainRangePop(Domain());
}

#else

absl::Status CheckRanges() {
  return absl::UnimplementedError("this mirl was built without NVTX: install its headers (pip install nvidia-nvtx), then configure and "
                                  "build it again");
}

NamedRange::NamedRange(const char *name) : open_(name) {}
NamedRange::~NamedRange() = default;

#endif

} // namespace mirl::rt
