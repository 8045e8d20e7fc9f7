// Copies that run beside the threads: cp.async (16 bytes of a thread) and the tensor memory
// accelerator's cp.async.bulk.tensor. And cp.async.bulk.prefetch, which only checks.
//
// They are as late as they may be: a thread's pieces arrive when it waits for them, the
// accelerator's boxes when nothing else can run, what it stores when it is waited for. Until then
// their places in shared memory may not be touched.

#include <cstring>

#include "test/emulator/Block.h"
#include "test/emulator/Lanes.h"
#include "test/emulator/TensorMap.h"

namespace mirl::emulator {

namespace {

// An address among the places: its register, width and offset.
constexpr uint32_t kAddressWords = 3;
void PushAddress(Decoder &d, const Operand &operand, Space space) {
  Decoder::Place place = d.AddressPlace(operand, space);
  if (place.offset != static_cast<int32_t>(place.offset))
    d.Fail("'" + std::string(d.opcode()) + "' takes offsets of 32 bits, not " +
           std::to_string(place.offset));
  for (uint32_t word : {place.base, uint32_t{place.wide}, static_cast<uint32_t>(place.offset)})
    d.kernel.places.push_back(word);
}
uint64_t AddressOf(const Warp &w, const uint32_t *words, uint32_t lane) {
  uint64_t base = words[0] == kNoPlace ? 0
                  : words[1]           ? w.At<uint64_t>(words[0])[lane]
                                       : w.At<uint32_t>(words[0])[lane];
  return base + static_cast<uint64_t>(static_cast<int32_t>(words[2]));
}

// The bytes will be written to: nobody may be about to use them.
void Claim(Warp &w, const Instruction &i, uint32_t lane, uint64_t address, uint32_t bytes) {
  Block &block = w.block;
  if (!block.InShared(address, bytes))
    w.Fail(kIllegalAddress, i, lane,
           "copies " + std::to_string(bytes) + " bytes to " + std::to_string(address) +
               ", outside the block's shared memory, which ends at " +
               std::to_string(block.shared_end()));
  uint32_t begin = static_cast<uint32_t>(address);
  uint8_t *shadow = block.Shadows(begin);
  for (uint32_t b = 0; b < bytes; ++b)
    if (shadow[b] >= kArriving)
      w.Fail(kLaunchFailed, i, lane,
             "copies to shared memory at " + std::to_string(begin + b) +
                 (shadow[b] == kArriving ? ", where another copy is under way"
                                         : ", where an mbarrier is"));
  block.CheckOverwrite(w, i, lane, begin, bytes);
  std::memset(shadow, kArriving, bytes);
}

// cp.async: list: target, source, bytes, the place of the bytes to read (or kNoPlace: all).
void RunPiece(Warp &w, const Instruction &i) {
  const uint32_t *words = &w.kernel.places[i.list];
  ForActive(w, [&](uint32_t lane) {
    uint64_t target = AddressOf(w, words, lane), source = AddressOf(w, words + kAddressWords, lane);
    uint32_t bytes = words[2 * kAddressWords], given = words[2 * kAddressWords + 1];
    uint32_t read = given == kNoPlace ? bytes : w.At<uint32_t>(given)[lane];
    if (read > bytes)
      w.Fail(kLaunchFailed, i, lane,
             "reads " + std::to_string(read) + " bytes of " + std::to_string(bytes));
    if (target % bytes || source % bytes)
      w.Fail(kMisalignedAddress, i, lane,
             "an address is no multiple of " + std::to_string(bytes) + " bytes");
    if (read && !w.block.Allowed(source, read))
      w.Fail(kIllegalAddress, i, lane,
             "reads " + std::to_string(read) + " bytes of global memory at " +
                 std::to_string(source) + ", where nothing is allocated");
    if (read)
      w.CheckOrder(i, lane, source, read, /*writes=*/false);
    Claim(w, i, lane, target, bytes);
    w.pieces[lane].push_back(
        {static_cast<uint32_t>(target), read, bytes - read, source, w.piece_groups[lane]});
  });
}

void RunCommitPieces(Warp &w, const Instruction &) {
  ForActive(w, [&](uint32_t lane) { ++w.piece_groups[lane]; });
}

// All but the last `offset` groups arrive; −1: also what is in no group.
void RunWaitPieces(Warp &w, const Instruction &i) {
  ForActive(w, [&](uint32_t lane) {
    auto &pieces = w.pieces[lane];
    size_t kept = 0;
    for (const PendingPiece &piece : pieces) {
      if (i.offset >= 0 && int64_t{piece.group} >= int64_t{w.piece_groups[lane]} - i.offset) {
        pieces[kept++] = piece;
        continue;
      }
      uint8_t *target = w.block.Shared(piece.target);
      std::memcpy(target, reinterpret_cast<const void *>(piece.source), piece.bytes);
      std::memset(target + piece.bytes, 0, piece.zeros);
      std::memset(w.block.Shadows(piece.target), kWritten, piece.bytes + piece.zeros);
    }
    pieces.resize(kept);
  });
}

// cp.async.bulk.prefetch: list: source, the place of the bytes. Nothing but time depends on it.
void RunPrefetch(Warp &w, const Instruction &i) {
  const uint32_t *words = &w.kernel.places[i.list];
  ForActive(w, [&](uint32_t lane) {
    uint64_t source = AddressOf(w, words, lane);
    uint32_t bytes = w.At<uint32_t>(words[kAddressWords])[lane];
    if (source % 16 || bytes % 16)
      w.Fail(kMisalignedAddress, i, lane, "the address or the number of bytes, " + std::to_string(bytes) + ", is no multiple of 16");
    if (!w.block.Allowed(source, bytes))
      w.Fail(kIllegalAddress, i, lane,
             "prefetches " + std::to_string(bytes) + " bytes of global memory at " + std::to_string(source) +
                 ", where nothing is allocated");
  });
}

struct Box {
  TensorMap map;
  int32_t corner[5] = {};
  uint32_t bytes = 0;
};

// list: the addresses of the map, shared memory and mbarrier (loads), then the coordinates.
Box FindBox(Warp &w, const Instruction &i, uint32_t lane, const uint32_t *coordinates) {
  uint64_t address = AddressOf(w, &w.kernel.places[i.list], lane);
  if (address % 64 || !w.block.Allowed(address, 128))
    w.Fail(kIllegalAddress, i, lane, "there is no tensor map at " + std::to_string(address));
  Box box;
  std::memcpy(&box.map, reinterpret_cast<const void *>(address), sizeof box.map);
  if (box.map.mark != kTensorMapMark)
    w.Fail(kLaunchFailed, i, lane, "what lies at " + std::to_string(address) + " is no tensor map");
  if (box.map.rank != i.option)
    w.Fail(kLaunchFailed, i, lane,
           "the tensor map has " + std::to_string(box.map.rank) + " dimensions");
  box.bytes = box.map.element;
  for (uint32_t d = 0; d < box.map.rank; ++d) {
    box.corner[d] = static_cast<int32_t>(w.At<uint32_t>(coordinates[d])[lane]);
    box.bytes *= box.map.box[d];
  }
  return box;
}

// Calls visit(offset in the box, global address or 0 where the tensor ends, bytes) for every
// element of the box.
template <typename Visit> void ForElements(const Box &box, Visit visit) {
  const TensorMap &map = box.map;
  uint32_t row_bytes = map.box[0] * map.element, rows = box.bytes / row_bytes;
  for (uint32_t row = 0; row < rows; ++row) {
    uint64_t address = map.address;
    bool inside = true;
    uint32_t rest = row;
    for (uint32_t d = 1; d < map.rank; ++d) {
      int64_t at = int64_t{box.corner[d]} + rest % map.box[d];
      rest /= map.box[d];
      inside &= at >= 0 && at < static_cast<int64_t>(map.dims[d]);
      address += static_cast<uint64_t>(at) * map.strides[d - 1];
    }
    for (uint32_t e = 0; e < map.box[0]; ++e) {
      int64_t at = int64_t{box.corner[0]} + e;
      bool here = inside && at >= 0 && at < static_cast<int64_t>(map.dims[0]);
      visit(row * row_bytes + e * map.element,
            here ? address + static_cast<uint64_t>(at) * map.element : 0);
    }
  }
}

void CheckBox(Warp &w, const Instruction &i, uint32_t lane, const Box &box, uint64_t shared,
              bool writes) {
  if (shared % 128)
    w.Fail(kMisalignedAddress, i, lane,
           "a box at " + std::to_string(shared) + " in shared memory, no multiple of 128 bytes");
  if (!w.block.InShared(shared, box.bytes))
    w.Fail(kIllegalAddress, i, lane,
           "a box of " + std::to_string(box.bytes) + " bytes at " + std::to_string(shared) +
               ", outside the block's shared memory, which ends at " +
               std::to_string(w.block.shared_end()));
  ForElements(box, [&](uint32_t, uint64_t address) {
    if (address && !w.block.Allowed(address, box.map.element))
      w.Fail(kIllegalAddress, i, lane,
             "the tensor map leads to global memory at " + std::to_string(address) +
                 ", where nothing is allocated");
    if (address)
      w.CheckOrder(i, lane, address, box.map.element, writes);
  });
}

void RunLoadBox(Warp &w, const Instruction &i) {
  const uint32_t *words = &w.kernel.places[i.list];
  ForActive(w, [&](uint32_t lane) {
    Box box = FindBox(w, i, lane, words + 3 * kAddressWords);
    uint64_t shared = AddressOf(w, words + kAddressWords, lane),
             barrier = AddressOf(w, words + 2 * kAddressWords, lane);
    w.block.FindMbarrier(w, i, lane, barrier);
    CheckBox(w, i, lane, box, shared, /*writes=*/false);
    Claim(w, i, lane, shared, box.bytes);
    Warp *warp = &w;
    const Instruction *instruction = &i;
    auto copy = [warp, instruction, lane, box, shared, barrier] {
      Block &block = warp->block;
      uint32_t begin = static_cast<uint32_t>(shared);
      ForElements(box, [&](uint32_t offset, uint64_t address) {
        uint8_t *target = block.Shared(Swizzled(begin + offset, box.map.swizzle));
        if (address)
          std::memcpy(target, reinterpret_cast<const void *>(address), box.map.element);
        else
          std::memset(target, 0, box.map.element);
      });
      std::memset(block.Shadows(begin), kWritten, box.bytes);
      block.Expect(*warp, *instruction, lane, barrier, -int64_t{box.bytes});
      block.Settle(block.FindMbarrier(*warp, *instruction, lane, barrier));
    };
    w.block.Defer({warp, instruction, lane, copy});
  });
}

// What a box does to a number in global memory.
void Replace(const Box &box, uint64_t address, const uint8_t *number) {
  std::memcpy(reinterpret_cast<void *>(address), number, box.map.element);
}
// As add.rn.f32, subnormals too (`tiny_products` of test/gpu on a device).
void Add(const Box &, uint64_t address, const uint8_t *number) {
  float sum, term;
  std::memcpy(&sum, reinterpret_cast<const void *>(address), sizeof sum);
  std::memcpy(&term, number, sizeof term);
  sum = Proper(sum + term);
  std::memcpy(reinterpret_cast<void *>(address), &sum, sizeof sum);
}

template <void Change(const Box &, uint64_t, const uint8_t *)>
void RunStoreBox(Warp &w, const Instruction &i) {
  const uint32_t *words = &w.kernel.places[i.list];
  ForActive(w, [&](uint32_t lane) {
    Box box = FindBox(w, i, lane, words + 2 * kAddressWords);
    if (Change == Add && !box.map.f32)
      w.Fail(kLaunchFailed, i, lane, "the tensor map is not of f32, the type that boxes are added in here");
    uint64_t shared = AddressOf(w, words + kAddressWords, lane);
    CheckBox(w, i, lane, box, shared, /*writes=*/true);
    uint32_t begin = static_cast<uint32_t>(shared);
    const uint8_t *shadow = w.block.Shadows(begin);
    ForElements(box, [&](uint32_t offset, uint64_t address) {
      uint32_t at = Swizzled(begin + offset, box.map.swizzle) - begin;
      if (address && shadow[at] != kWritten)
        w.Fail(kLaunchFailed, i, lane,
               "copies shared memory at " + std::to_string(begin + at) +
                   " away, which the block has not written");
    });
    w.block.readings.push_back({begin, begin + box.bytes, &w, lane, i.line, w.store_groups[lane],
                                "a copy to global memory"});
    Block *block = &w.block;
    w.stores[lane].push_back({w.store_groups[lane], [block, box, begin] {
                                ForElements(box, [&](uint32_t offset, uint64_t address) {
                                  if (address)
                                    Change(box, address,
                                           block->Shared(Swizzled(begin + offset, box.map.swizzle)));
                                });
                              }});
  });
}

void RunCommitStores(Warp &w, const Instruction &) {
  ForActive(w, [&](uint32_t lane) { ++w.store_groups[lane]; });
}

void RunWaitStores(Warp &w, const Instruction &i) {
  ForActive(w, [&](uint32_t lane) { w.FinishStores(lane, static_cast<uint32_t>(i.offset)); });
}

void DecodeTensorCopy(Decoder &d, bool reduces) {
  uint32_t rank = d.Take("1d")   ? 1
                  : d.Take("2d") ? 2
                  : d.Take("3d") ? 3
                  : d.Take("4d") ? 4
                  : d.Take("5d") ? 5
                                 : 0;
  bool load = !reduces && d.Take("mbarrier::complete_tx::bytes");
  if (!rank || (!load && !d.Take("bulk_group")) || (reduces && !d.Take("add")))
    d.Unknown();
  d.Ignore({"tile", "global", "shared::cta", "shared::cluster"});
  const Operand &tensor = d.operand(load ? 1 : 0), &shared = d.operand(load ? 0 : 1);
  if (tensor.parts.size() != rank)
    d.Fail("the tensor has " + std::to_string(rank) + " coordinates here");
  d.out.run = load ? RunLoadBox : reduces ? RunStoreBox<Add> : RunStoreBox<Replace>;
  d.out.option = rank;
  // The list begins behind what the operands of the addresses add to it.
  d.out.list = static_cast<uint32_t>(d.kernel.places.size());
  PushAddress(d, tensor, Space::kGlobal);
  PushAddress(d, shared, Space::kShared);
  if (load)
    PushAddress(d, d.operand(2), Space::kShared);
  for (const Operand &coordinate : tensor.parts) {
    uint32_t place = d.Source(coordinate, Type::kB32);
    d.kernel.places.push_back(place);
  }
}

void DecodeCopy(Decoder &d) {
  d.out.track = Track::kStrict;
  if (d.Take("reduce")) {
    if (!d.Take("async") || !d.Take("bulk") || !d.Take("tensor"))
      d.Unknown();
    return DecodeTensorCopy(d, /*reduces=*/true);
  }
  if (!d.Take("async"))
    d.Unknown();
  if (d.Take("bulk")) {
    if (d.Take("tensor"))
      return DecodeTensorCopy(d, /*reduces=*/false);
    if (d.Take("prefetch")) {
      d.Ignore({"L2", "global"});
      d.out.run = RunPrefetch;
      d.out.list = static_cast<uint32_t>(d.kernel.places.size());
      PushAddress(d, d.operand(0), Space::kGlobal);
      uint32_t bytes = d.Source(1, Type::kB32);
      d.kernel.places.push_back(bytes);
      return;
    }
    if (d.Take("commit_group")) {
      d.out.run = RunCommitStores;
      return;
    }
    if (!d.Take("wait_group"))
      d.Unknown();
    d.Take("read");
    d.out.run = RunWaitStores;
    d.out.offset = d.Immediate(0);
    return;
  }
  if (d.Take("commit_group")) {
    d.out.run = RunCommitPieces;
    return;
  }
  if (bool all = d.Take("wait_all"); all || d.Take("wait_group")) {
    d.out.run = RunWaitPieces;
    d.out.offset = all ? -1 : d.Immediate(0);
    return;
  }
  if (!d.Take("ca") && !d.Take("cg"))
    d.Unknown();
  d.Ignore({"shared", "shared::cta", "global", "L2::128B", "L2::256B", "L2::64B"});
  int64_t bytes = d.Immediate(2);
  if (bytes != 4 && bytes != 8 && bytes != 16)
    d.Fail("cp.async copies 4, 8 or 16 bytes, not " + std::to_string(bytes));
  d.out.run = RunPiece;
  d.out.list = static_cast<uint32_t>(d.kernel.places.size());
  PushAddress(d, d.operand(0), Space::kShared);
  PushAddress(d, d.operand(1), Space::kGlobal);
  uint32_t read = d.operands() > 3 ? d.Source(3, Type::kB32) : kNoPlace;
  d.kernel.places.push_back(static_cast<uint32_t>(bytes));
  d.kernel.places.push_back(read);
}

} // namespace

void AddCopies(DecodeTable &table) { table["cp"] = DecodeCopy; }

} // namespace mirl::emulator
