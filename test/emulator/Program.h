// PTX as the emulator runs it: every instruction is a function and the places of its operands.
//
// A warp's registers lie in one array, 32 lanes of a register beside each other (predicates: a bit
// a lane). Behind them lie the constants of the kernel, also with 32 lanes, so that an operand is a
// place whatever it is.

#ifndef MIRL_EMULATOR_PROGRAM_H
#define MIRL_EMULATOR_PROGRAM_H

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "test/emulator/Parse.h"

namespace mirl::emulator {

inline constexpr uint32_t kLanes = 32;
inline constexpr uint32_t kNoPlace = ~0u;
// The first kilobyte of a block's shared memory is the system's, as on the device.
inline constexpr uint32_t kSharedBegin = 1024;
inline constexpr uint32_t kMostShared = 232448;
// Generic addresses of shared and local memory; every other is one of global memory.
inline constexpr uint64_t kSharedWindow = uint64_t{1} << 52, kLocalWindow = uint64_t{1} << 53,
                          kWindowBytes = uint64_t{1} << 32;

enum class Space : uint8_t { kGeneric, kGlobal, kShared, kLocal, kParameter };

// A generic address as one of the space that it is in; global addresses stay generic ones.
inline void ResolveGeneric(Space &space, uint64_t &address) {
  if (space != Space::kGeneric)
    return;
  if (address - kSharedWindow < kWindowBytes) {
    space = Space::kShared;
    address -= kSharedWindow;
  } else if (address - kLocalWindow < kWindowBytes) {
    space = Space::kLocal;
    address -= kLocalWindow;
  }
}

// What an instruction does with values that nobody has given (Undefined.cpp).
enum class Track : uint8_t {
  kValues, // its results depend on all of its operands
  kSelect, // on c and what c chooses
  kAnd,    // on both, unless one is false
  kOr,     // on both, unless one is true
  kLoad,   // the address must be given; the instruction says what it found
  kStore,  // the same; a value that is not may be stored in the block
  kStrict, // all operands must be given
  kOwn,    // the instruction looks itself
};

class Warp;
struct Instruction;
using Execute = void (*)(Warp &, const Instruction &);

struct Instruction {
  Execute run = nullptr;
  bool control = false; // may change which lanes run, or where
  bool guard_negated = false;
  bool wgmma = false;          // may touch sums that nobody has waited for
  bool narrow_address = false; // the address's register has 32 bits
  Space space = Space::kGeneric;
  Track track = Track::kValues;
  uint32_t guard = kNoPlace;
  uint32_t d = kNoPlace, a = kNoPlace, b = kNoPlace, c = kNoPlace;
  // More operands: Kernel::places[list … list + count).
  uint32_t list = 0, count = 0;
  uint32_t target = 0; // of a branch
  uint32_t bytes = 0;  // of a value that ld or st moves
  uint32_t option = 0; // what the instruction likes
  int64_t offset = 0;  // of an address; a number
  // Every place of a register that it reads, or writes (+ 1): Kernel::touched[…].
  uint32_t touched = 0, touched_count = 0;
  int line = 0;
};

// Registers that every warp has: 32 bits, filled when a block starts.
enum Special : uint32_t {
  kTidX,
  kTidY,
  kTidZ,
  kNtidX,
  kNtidY,
  kNtidZ,
  kCtaidX,
  kCtaidY,
  kCtaidZ,
  kNctaidX,
  kNctaidY,
  kNctaidZ,
  kLaneId,
  kWarpId,
  kSpecials
};

struct Constant {
  uint32_t place = 0, bytes = 0;
  uint64_t bits = 0;
};

struct Kernel {
  std::string name;
  std::vector<Variable> parameters;
  uint64_t parameter_bytes = 0;
  uint32_t most_threads = 1024;
  uint32_t static_shared = 0; // bytes
  uint32_t local_bytes = 0;
  uint32_t register_bytes = 0;
  std::vector<Constant> constants;
  std::vector<Instruction> code;
  std::vector<uint32_t> places, touched;
};

struct Program {
  std::string text; // for messages
  std::vector<std::string_view> lines;
  std::vector<std::unique_ptr<Kernel>> kernels;
  std::vector<std::unique_ptr<uint8_t[]>> variables; // .global and .const
  struct Range {
    uint64_t begin, end;
  };
  std::vector<Range> variable_ranges;

  std::string_view Line(int line) const;
};

// Throws Fault{kInvalidPtx} that names the line: what is no PTX, and what the emulator does not
// know.
std::unique_ptr<Program> Load(std::string_view text);

} // namespace mirl::emulator

#endif // MIRL_EMULATOR_PROGRAM_H
