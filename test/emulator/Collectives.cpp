// Instructions of several lanes at once: shfl, vote, match, activemask, elect, bar.warp.sync, and
// the named barriers of a block.

#include "test/emulator/Block.h"
#include "test/emulator/Lanes.h"

namespace mirl::emulator {

namespace {

enum class Shuffle : uint32_t { kUp, kDown, kButterfly, kIndex };
constexpr std::string_view kShuffles[] = {"up", "down", "bfly", "idx"};

// places: the lane operand, the bound and segment operand, the mask, the predicate (or kNoPlace).
void RunShuffle(Warp &w, const Instruction &i) {
  const uint32_t *places = &w.kernel.places[i.list];
  w.NeedGiven(i, places[0], "the other lane");
  w.NeedGiven(i, places[1], "the segment of the lanes");
  w.NeedGiven(i, places[2], "the mask of the lanes");
  const uint32_t *other = w.At<uint32_t>(places[0]), *bounds = w.At<uint32_t>(places[1]);
  if (!w.Converge(i, w.At<uint32_t>(places[2])))
    return;
  uint32_t source[kLanes], result[kLanes], valid = 0, undefined = w.Undefined(i.a), taken = 0;
  std::memcpy(source, w.At<uint32_t>(i.a), sizeof source);
  Shuffle how = static_cast<Shuffle>(i.option);
  ForActive(w, [&](uint32_t lane) {
    uint32_t b = other[lane] & 31, bound = bounds[lane] & 31, segment = bounds[lane] >> 8 & 31;
    int most = static_cast<int>((lane & segment) | (bound & ~segment)),
        least = static_cast<int>(lane & segment), from = 0;
    bool inside = false;
    switch (how) {
    case Shuffle::kUp:
      from = static_cast<int>(lane) - static_cast<int>(b);
      inside = from >= most;
      break;
    case Shuffle::kDown:
      from = static_cast<int>(lane + b);
      inside = from <= most;
      break;
    case Shuffle::kButterfly:
      from = static_cast<int>(lane ^ b);
      inside = from <= most;
      break;
    case Shuffle::kIndex:
      from = least | static_cast<int>(b & ~segment);
      inside = from <= most;
      break;
    }
    if (!inside)
      from = static_cast<int>(lane);
    else
      valid |= 1u << lane;
    if (!(w.mask & w.At<uint32_t>(places[2])[lane] & 1u << from))
      w.Fail(kLaunchFailed, i, lane,
             "takes the value of lane " + std::to_string(from) + ", which does not take part");
    result[lane] = source[from];
    taken |= (undefined >> from & 1) << lane;
  });
  uint32_t *d = w.At<uint32_t>(i.d);
  ForActive(w, [&](uint32_t lane) { d[lane] = result[lane]; });
  if (undefined || w.Undefined(i.d))
    w.SetUndefined(i.d, w.mask, taken);
  if (places[3] != kNoPlace) {
    w.SetPredicate(places[3], valid);
    w.SetUndefined(places[3], w.mask, 0);
  }
  w.Next();
}

void DecodeShuffle(Decoder &d) {
  if (!d.Take("sync"))
    d.Unknown();
  uint32_t how = 0;
  while (how < 4 && !d.Take(kShuffles[how]))
    ++how;
  if (how == 4 || BytesOf(d.TakeType()) != 4)
    d.Unknown();
  d.out.option = how;
  d.out.run = RunShuffle;
  d.out.track = Track::kOwn;
  d.out.control = true;
  const Operand &result = d.operand(0);
  d.out.d = d.Destination(0, Type::kB32);
  d.out.a = d.Source(1, Type::kB32);
  for (size_t o = 2; o < 5; ++o)
    d.List(d.operand(o), Type::kB32, false);
  Operand none;
  none.kind = Operand::Kind::kSink;
  d.List(result.parts.empty() ? none : result.parts[0], Type::kPred, true);
}

// Of each lane: those of its mask of which the predicate holds.
template <typename Set> void Vote(Warp &w, const Instruction &i, Set set) {
  const uint32_t *member = w.At<uint32_t>(i.b);
  if (!w.Converge(i, member))
    return;
  uint32_t p = w.Predicate(i.a);
  if (i.option & 1)
    p = ~p;
  ForActive(
      w, [&](uint32_t lane) { set(lane, p & member[lane] & w.live(), member[lane] & w.live()); });
  w.Next();
}

void RunBallot(Warp &w, const Instruction &i) {
  uint32_t *d = w.At<uint32_t>(i.d);
  Vote(w, i, [=](uint32_t lane, uint32_t holds, uint32_t) { d[lane] = holds; });
}

template <int kHow> void RunVote(Warp &w, const Instruction &i) {
  uint32_t &d = w.Predicate(i.d);
  Vote(w, i, [&](uint32_t lane, uint32_t holds, uint32_t all) {
    bool result = kHow == 0 ? holds != 0 : kHow == 1 ? holds == all : holds == all || holds == 0;
    d = (d & ~(1u << lane)) | uint32_t{result} << lane;
  });
}

void DecodeVote(Decoder &d) {
  if (!d.Take("sync"))
    d.Unknown();
  bool ballot = d.Take("ballot");
  d.out.run = ballot          ? RunBallot
              : d.Take("any") ? RunVote<0>
              : d.Take("all") ? RunVote<1>
              : d.Take("uni") ? RunVote<2>
                              : nullptr;
  if (!d.out.run)
    d.Unknown();
  Type type = d.TakeType();
  d.out.control = true;
  d.out.d = d.Destination(0, type);
  Operand predicate = d.operand(1);
  d.out.option = predicate.negated;
  predicate.negated = false;
  d.out.a = d.Source(predicate, Type::kPred);
  d.out.b = d.Source(2, Type::kB32);
}

template <bool kAll> void RunMatch(Warp &w, const Instruction &i) {
  const uint32_t *member = w.At<uint32_t>(i.b);
  if (!w.Converge(i, member))
    return;
  uint32_t value[kLanes], *d = w.At<uint32_t>(i.d);
  std::memcpy(value, w.At<uint32_t>(i.a), sizeof value);
  uint32_t equal = 0;
  ForActive(w, [&](uint32_t lane) {
    uint32_t same = 0, among = member[lane] & w.live();
    for (uint32_t rest = among; rest; rest &= rest - 1)
      if (uint32_t other = static_cast<uint32_t>(std::countr_zero(rest));
          value[other] == value[lane])
        same |= 1u << other;
    d[lane] = kAll ? (same == among ? among : 0) : same;
    equal |= uint32_t{same == among} << lane;
  });
  if (i.count)
    w.SetPredicate(w.kernel.places[i.list], equal);
  w.Next();
}

void DecodeMatch(Decoder &d) {
  bool all = d.Take("all");
  if ((!all && !d.Take("any")) || !d.Take("sync") || d.TakeType() != Type::kB32)
    d.Unknown();
  d.out.run = all ? RunMatch<true> : RunMatch<false>;
  d.out.control = true;
  d.out.d = d.Destination(0, Type::kB32);
  if (!d.operand(0).parts.empty())
    d.List(d.operand(0).parts[0], Type::kPred, true);
  d.out.a = d.Source(1, Type::kB32);
  d.out.b = d.Source(2, Type::kB32);
}

// One lane of the mask, the first here.
void RunElect(Warp &w, const Instruction &i) {
  const uint32_t *member = w.At<uint32_t>(i.a);
  if (!w.Converge(i, member))
    return;
  uint32_t elected = 0;
  ForActive(w, [&](uint32_t lane) {
    uint32_t first = static_cast<uint32_t>(std::countr_zero(member[lane] & w.live()));
    if (i.d != kNoPlace)
      w.At<uint32_t>(i.d)[lane] = first;
    elected |= uint32_t{first == lane} << lane;
  });
  w.SetPredicate(w.kernel.places[i.list], elected);
  w.Next();
}

void DecodeElect(Decoder &d) {
  if (!d.Take("sync") || d.operand(0).parts.size() != 1)
    d.Unknown();
  d.out.run = RunElect;
  d.out.control = true;
  if (d.operand(0).kind != Operand::Kind::kSink)
    d.out.d = d.Destination(0, Type::kB32);
  d.List(d.operand(0).parts[0], Type::kPred, true);
  d.out.a = d.Source(1, Type::kB32);
}

void RunActiveMask(Warp &w, const Instruction &i) {
  uint32_t *d = w.At<uint32_t>(i.d), mask = w.mask;
  ForActive(w, [&](uint32_t lane) { d[lane] = mask; });
}

void DecodeActiveMask(Decoder &d) {
  d.TakeType();
  d.out.run = RunActiveMask;
  d.out.d = d.Destination(0, Type::kB32);
}

void RunWarpBarrier(Warp &w, const Instruction &i) {
  if (w.Converge(i, w.At<uint32_t>(i.a), true))
    w.Next();
}

// a: the barrier, b: the number of threads or kNoPlace; option: who arrives does not wait.
void RunBarrier(Warp &w, const Instruction &i) {
  if (!w.Converge(i, nullptr))
    return;
  uint32_t first = w.First(), barrier = w.At<uint32_t>(i.a)[first],
           threads = i.b == kNoPlace ? 0 : w.At<uint32_t>(i.b)[first];
  ForActive(w, [&](uint32_t lane) {
    if (w.At<uint32_t>(i.a)[lane] != barrier ||
        (i.b != kNoPlace && w.At<uint32_t>(i.b)[lane] != threads))
      w.Fail(kLaunchFailed, i, lane, "lanes of a warp arrive at different barriers");
  });
  w.Next();
  if (!w.block.Arrive(w, i, barrier, threads) && !i.option)
    w.Wait(State::kBarrier, barrier);
}

void DecodeBarrier(Decoder &d) {
  d.Take("cta");
  if (d.Take("warp")) {
    if (!d.Take("sync"))
      d.Unknown();
    d.out.run = RunWarpBarrier;
    d.out.control = true;
    d.out.a = d.Source(0, Type::kB32);
    return;
  }
  d.out.option = d.Take("arrive");
  if (!d.out.option && !d.Take("sync"))
    d.Unknown();
  d.Take("aligned");
  d.out.run = RunBarrier;
  d.out.control = true;
  d.out.a = d.Source(0, Type::kB32);
  if (d.operands() > 1)
    d.out.b = d.Source(1, Type::kB32);
}

} // namespace

void AddCollectives(DecodeTable &table) {
  table["shfl"] = DecodeShuffle;
  table["vote"] = DecodeVote;
  table["match"] = DecodeMatch;
  table["elect"] = DecodeElect;
  table["activemask"] = DecodeActiveMask;
  table["bar"] = DecodeBarrier;
  table["barrier"] = DecodeBarrier;
}

} // namespace mirl::emulator
