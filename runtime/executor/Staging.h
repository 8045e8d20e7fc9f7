// The host's copies of the ports of all entries, on a device with memory of its own, and their
// transfers.
//
// Ports of an entry that lie near each other on the device lie at the same distances in host
// memory, so that they go in one transfer, with what is between them: at the beginning of a call
// that is dead, at its end nobody looks at it.
//
// Where calls are queued while another one runs there are two copies of all, which take turns.

#ifndef MIRL_RUNTIME_EXECUTOR_STAGING_H
#define MIRL_RUNTIME_EXECUTOR_STAGING_H

#include <unordered_map>
#include <vector>

#include "runtime/device/Device.h"
#include "runtime/executor/Session.h"

namespace mirl::rt {

class Staging {
public:
  absl::Status Allocate(const fb::Plan &plan, Device &device);
  uint8_t *At(const fb::Slice *slice, int turn) const { return places_.at(slice) + turn * turn_bytes_; }
  // Queues the transfers of an entry's inputs to the device, or of its outputs from it, as many
  // bytes as the extents say. What is in `left_out` stays as it is. Errors name the entry and the ports.
  absl::Status Transfer(const fb::Entry &entry, const Extents &extents, bool inputs, Device &device,
                        int turn = 0, const fb::Slice *left_out = nullptr) const;

private:
  struct Piece {
    const fb::Port *port;
    const fb::Slice *slice;
    uint8_t *host;
  };
  struct Ports {
    std::vector<Piece> inputs, outputs; // by their place on the device
  };

  uint64_t persistent_ = 0; // bytes, before which nothing is dead
  int64_t turn_bytes_ = 0;  // from one copy to the other
  std::unordered_map<const fb::Slice *, uint8_t *> places_;
  std::unordered_map<const fb::Entry *, Ports> ports_;
};

} // namespace mirl::rt

#endif // MIRL_RUNTIME_EXECUTOR_STAGING_H
