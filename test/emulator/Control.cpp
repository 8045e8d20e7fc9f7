// Branches, ends, and instructions that this machine needs nothing for.

#include "test/emulator/Block.h"
#include "test/emulator/Lanes.h"

namespace mirl::emulator {

namespace {

void RunBranch(Warp &w, const Instruction &i) { w.Branch(i.target); }

void RunBranchTable(Warp &w, const Instruction &i) {
  const uint32_t *index = w.At<uint32_t>(i.a);
  const uint32_t *targets = &w.kernel.places[i.list];
  uint32_t rest = w.mask;
  ForActive(w, [&](uint32_t lane) {
    if (index[lane] >= i.count)
      w.Fail(kLaunchFailed, i, lane,
             "label " + std::to_string(index[lane]) + " of a list of " + std::to_string(i.count));
  });
  while (rest) {
    uint32_t which = index[std::countr_zero(rest)], same = 0;
    for (uint32_t left = rest; left; left &= left - 1)
      if (uint32_t lane = static_cast<uint32_t>(std::countr_zero(left)); index[lane] == which)
        same |= 1u << lane;
    rest &= ~same;
    if (rest) {
      w.Leave(same, targets[which]);
      w.mask &= ~same;
    } else {
      w.Branch(targets[which]);
    }
  }
}

void RunExit(Warp &w, const Instruction &) { w.Exit(); }

void RunTrap(Warp &w, const Instruction &i) {
  w.Fail(kLaunchFailed, i, w.First(), "the kernel gives up (trap)");
}

void DecodeBranch(Decoder &d) {
  d.Take("uni");
  d.out.run = RunBranch;
  d.out.control = true;
  d.out.target = d.Label(d.operand(0).name);
}

void DecodeBranchTable(Decoder &d) {
  if (!d.Take("idx"))
    d.Fail("'" + std::string(d.opcode()) + "' without .idx");
  d.Take("uni");
  d.out.run = RunBranchTable;
  d.out.control = true;
  d.out.a = d.Source(0, Type::kU32);
  d.out.list = static_cast<uint32_t>(d.kernel.places.size());
  for (const std::string &label : d.Targets(d.operand(1).name))
    d.kernel.places.push_back(d.Label(label));
  d.out.count = static_cast<uint32_t>(d.kernel.places.size()) - d.out.list;
}

void DecodeExit(Decoder &d) {
  d.Take("uni");
  d.out.run = RunExit;
  d.out.control = true;
}

void DecodeTrap(Decoder &d) { d.out.run = RunTrap; }

// The number of registers must be one that there is; registers are not counted here.
void DecodeRegisterCount(Decoder &d) {
  d.Ignore({"inc", "dec", "sync", "aligned"});
  d.TakeType();
  int64_t count = d.Immediate(0);
  if (count < 24 || count > 256 || count % 8)
    d.Fail("setmaxnreg takes multiples of 8 from 24 to 256, not " + std::to_string(count));
  d.out.run = RunNothing;
}

void DecodeFence(Decoder &d) {
  d.Ignore({"mbarrier_init", "proxy", "async", "async::generic", "shared::cta", "shared::cluster",
            "global", "tensormap", "tensormap::generic", "release", "acquire", "acq_rel", "sc",
            "cta", "cluster", "gpu", "sys", "sync_restrict::shared::cta", "alias"});
  d.out.run = RunNothing;
}

void DecodeSleep(Decoder &d) {
  d.TakeType();
  d.out.run = RunNothing;
}

// Launches run one behind the other here: only what a kernel touches before it waits is looked at.
void RunWaitForEarlier(Warp &w, const Instruction &) { w.WaitedForEarlier(); }

void DecodeGrid(Decoder &d) {
  if (d.Take("wait")) {
    d.out.run = RunWaitForEarlier;
    return;
  }
  if (!d.Take("launch_dependents"))
    d.Unknown();
  d.out.run = RunNothing;
}

void DecodeMembar(Decoder &d) {
  d.Ignore({"cta", "gl", "sys"});
  d.out.run = RunNothing;
}

} // namespace

void AddControl(DecodeTable &table) {
  table["bra"] = DecodeBranch;
  table["brx"] = DecodeBranchTable;
  table["ret"] = DecodeExit;
  table["exit"] = DecodeExit;
  table["trap"] = DecodeTrap;
  table["setmaxnreg"] = DecodeRegisterCount;
  table["fence"] = DecodeFence;
  table["membar"] = DecodeMembar;
  table["nanosleep"] = DecodeSleep;
  table["griddepcontrol"] = DecodeGrid;
}

} // namespace mirl::emulator
