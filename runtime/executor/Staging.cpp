#include "runtime/executor/Staging.h"

#include <algorithm>

#include "runtime/artifact/Macros.h"

namespace mirl::rt {

namespace {

// Bytes between two ports that cost less than a transfer more.
constexpr uint64_t kNear = 8 << 10;

} // namespace

absl::Status Staging::Allocate(const fb::Plan &plan, Device &device) {
  persistent_ = plan.persistent_bytes();
  uint64_t bytes = 0;
  std::unordered_map<const fb::Slice *, uint64_t> offsets;
  for (uint32_t i = 0; i < Length(plan.entries()); ++i) {
    const fb::Entry &entry = *plan.entries()->Get(i);
    Ports &all = ports_[&entry];
    for (bool inputs : {true, false}) {
      const auto *ports = inputs ? entry.inputs() : entry.outputs();
      std::vector<Piece> &pieces = inputs ? all.inputs : all.outputs;
      for (uint32_t p = 0; p < Length(ports); ++p)
        pieces.push_back({ports->Get(p), entry.slices()->Get(ports->Get(p)->slice()), nullptr});
      std::stable_sort(pieces.begin(), pieces.end(), [](const Piece &a, const Piece &b) {
        return a.slice->offset() < b.slice->offset();
      });
      const fb::Slice *last = nullptr;
      for (const Piece &piece : pieces) {
        auto [place, fresh] = offsets.emplace(piece.slice, 0);
        if (!fresh)
          continue;
        uint64_t end = last ? last->offset() + last->bytes() : 0, at = piece.slice->offset();
        bool near = last && at >= end && at - end <= kNear && last->offset() >= persistent_;
        place->second = near ? offsets[last] + (at - last->offset()) : (bytes + 63) / 64 * 64;
        bytes = place->second + piece.slice->bytes();
        last = piece.slice;
      }
    }
  }
  if (offsets.empty())
    return absl::OkStatus();
  bytes = std::max<uint64_t>(64, (bytes + 63) / 64 * 64);
  turn_bytes_ = static_cast<int64_t>(bytes);
  MIRL_ASSIGN(uint8_t * memory, device.AllocateStaging(device.runs_behind() ? 2 * bytes : bytes));
  for (auto [slice, offset] : offsets)
    places_[slice] = memory + offset;
  for (auto &[entry, all] : ports_)
    for (std::vector<Piece> *pieces : {&all.inputs, &all.outputs})
      for (Piece &piece : *pieces)
        piece.host = places_[piece.slice];
  return absl::OkStatus();
}

absl::Status Staging::Transfer(const fb::Entry &entry, const Extents &extents, bool inputs,
                               Device &device, int turn, const fb::Slice *left_out) const {
  const Ports &all = ports_.at(&entry);
  const std::vector<Piece> &pieces = inputs ? all.inputs : all.outputs;
  for (size_t first = 0, next = 0; first < pieces.size(); first = next) {
    const Piece &begin = pieces[first];
    if (begin.slice == left_out) {
      next = first + 1;
      continue;
    }
    uint64_t offset = begin.slice->offset();
    auto bytes = static_cast<uint64_t>(ByteSize(*begin.slice->type(), extents));
    for (next = first + 1; next < pieces.size(); ++next) {
      const Piece &piece = pieces[next];
      uint64_t distance = piece.slice->offset() - offset;
      if (piece.slice == left_out || offset < persistent_ || piece.host != begin.host + distance || distance < bytes ||
          distance - bytes > kNear)
        break;
      bytes = distance + static_cast<uint64_t>(ByteSize(*piece.slice->type(), extents));
    }
    uint8_t *host = begin.host + turn * turn_bytes_;
    absl::Status status = inputs ? device.Upload(offset, host, bytes) : device.Download(offset, host, bytes);
    if (!status.ok()) {
      std::string names(View(begin.port->name()));
      if (next > first + 1)
        names = Cat(names, " to ", View(pieces[next - 1].port->name()));
      return absl::Status(status.code(),
                          Cat("entry ", View(entry.name()), ", ", inputs ? "input " : "output ",
                              names, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

} // namespace mirl::rt
