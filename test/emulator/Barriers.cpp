// mbarrier: init, inval, arrive, expect_tx, try_wait, test_wait.

#include "test/emulator/Block.h"
#include "test/emulator/Lanes.h"

namespace mirl::emulator {

namespace {

void RunInit(Warp &w, const Instruction &i) {
  const uint32_t *count = w.At<uint32_t>(i.b);
  ForActive(
      w, [&](uint32_t lane) { w.block.MakeMbarrier(w, i, lane, w.Address(i, lane), count[lane]); });
}

void RunInvalidate(Warp &w, const Instruction &i) {
  ForActive(w, [&](uint32_t lane) { w.block.DropMbarrier(w, i, lane, w.Address(i, lane)); });
}

enum Arrival : uint32_t { kArrive = 1, kExpect = 2 };

// b: arrivals, or bytes when some are expected.
void RunArrive(Warp &w, const Instruction &i) {
  ForActive(w, [&](uint32_t lane) {
    uint64_t address = w.Address(i, lane);
    uint32_t number = i.b == kNoPlace ? 1 : w.At<uint32_t>(i.b)[lane];
    if (i.d != kNoPlace)
      w.At<uint64_t>(i.d)[lane] = w.block.FindMbarrier(w, i, lane, address).phase;
    if (i.option & kExpect)
      w.block.Expect(w, i, lane, address, number);
    if (i.option & kArrive)
      w.block.ArriveAt(w, i, lane, address, i.option & kExpect ? 1 : number);
  });
}

// A thread whose phase is not over waits here until it is: try_wait may take as long as it likes.
template <bool kParity> void RunWait(Warp &w, const Instruction &i) {
  uint32_t done = 0;
  uint64_t address = 0;
  ForActive(w, [&](uint32_t lane) {
    uint64_t where = w.Address(i, lane);
    uint32_t phase = w.block.FindMbarrier(w, i, lane, where).phase;
    bool over = kParity ? (phase & 1) != (w.At<uint32_t>(i.b)[lane] & 1)
                        : phase != w.At<uint64_t>(i.b)[lane];
    if (over)
      done |= 1u << lane;
    else
      address = where;
  });
  if (!done)
    return w.Wait(State::kMbarrier, static_cast<uint32_t>(address));
  if (uint32_t waiting = w.mask & ~done) {
    w.LeaveHere(waiting, State::kMbarrier, static_cast<uint32_t>(address));
    w.mask = done;
  }
  w.SetPredicate(i.d, ~0u);
  w.Next();
}

void DecodeMbarrier(Decoder &d) {
  bool init = d.Take("init"), inval = d.Take("inval"), arrive = d.Take("arrive"),
       expect = d.Take("expect_tx");
  bool wait = d.Take("try_wait") || d.Take("test_wait"), parity = d.Take("parity");
  d.Ignore({"release", "acquire", "relaxed", "cta", "shared::cta", "shared"});
  if (d.TakeType() != Type::kB64)
    d.Unknown();
  d.out.track = Track::kStrict;
  if (init || inval) {
    d.out.run = init ? RunInit : RunInvalidate;
    d.Address(0, Space::kShared);
    if (init)
      d.out.b = d.Source(1, Type::kU32);
  } else if (wait) {
    d.out.run = parity ? RunWait<true> : RunWait<false>;
    d.out.control = true;
    d.out.d = d.Destination(0, Type::kPred);
    d.Address(1, Space::kShared);
    d.out.b = d.Source(2, parity ? Type::kU32 : Type::kB64);
  } else if (arrive || expect) {
    d.out.run = RunArrive;
    bool result = d.operand(0).kind != Operand::Kind::kAddress;
    if (result && d.operand(0).kind != Operand::Kind::kSink)
      d.out.d = d.Destination(0, Type::kB64);
    d.Address(result, Space::kShared);
    d.out.option |= (arrive ? kArrive : 0) | (expect ? kExpect : 0);
    if (d.operands() > size_t{1} + result)
      d.out.b = d.Source(1 + result, Type::kU32);
  } else {
    d.Unknown();
  }
}

} // namespace

void AddBarriers(DecodeTable &table) { table["mbarrier"] = DecodeMbarrier; }

} // namespace mirl::emulator
