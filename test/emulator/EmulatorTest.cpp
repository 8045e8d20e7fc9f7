// What instructions do, on small kernels.

#include <bit>

#include "test/emulator/Testing.h"
#include "gmock/gmock.h"

namespace mirl::emulator::testing {
namespace {

uint32_t F(float x) { return std::bit_cast<uint32_t>(x); }

// The words of `out` behind a kernel that has no fault.
std::vector<uint32_t> Words(const std::string &body, uint32_t threads = 32, uint32_t blocks = 1) {
  Outcome outcome = RunKernel(body, threads, 256, blocks);
  EXPECT_EQ(outcome.fault, "");
  return outcome.out;
}

// The value of %r1 in thread 0.
uint32_t Value(const std::string &body) { return Words(body + kStore)[0]; }

TEST(Emulator, FloatsAsPtxSays) {
  EXPECT_EQ(Value("add.rn.f32 %r1, 0f3F800000, 0f33800000;"), F(1));
  EXPECT_EQ(Value("add.rn.f32 %r1, 0f3F800001, 0f33800000;"), F(1) + 2); // a tie, to even
  EXPECT_EQ(Value("fma.rn.f32 %r1, 0f3F800001, 0f3F800001, 0fBF800002;"),
            0x28800000u); // one rounding: 2^-46
  EXPECT_EQ(Value("mul.rn.f32 %r1, 0f00800000, 0f3F000000;"), 0x00400000u);
  EXPECT_EQ(Value("mul.rn.ftz.f32 %r1, 0f00800000, 0f3F000000;"), 0u);
  EXPECT_EQ(Value("sub.rn.f32 %r1, 0f7F800000, 0f7F800000;"), 0x7fffffffu);
  EXPECT_EQ(Value("max.f32 %r1, 0f7FC00000, 0f40000000;"), F(2));
  EXPECT_EQ(Value("min.f32 %r1, 0f00000000, 0f80000000;"), 0x80000000u);
  EXPECT_EQ(Value("div.rn.f32 %r1, 0f3F800000, 0f40400000;"), F(1.0f / 3));
  EXPECT_EQ(Value("ex2.approx.ftz.f32 %r1, 0f3F000000;"), F(1.41421354f));
  EXPECT_EQ(Value("ex2.approx.ftz.f32 %r1, 0fC3020000;"), 0u); // 2^-130
  EXPECT_EQ(Value("lg2.approx.ftz.f32 %r1, 0f41000000;"), F(3));
  EXPECT_EQ(Value("cvt.rn.bf16x2.f32 %r1, 0f3F808000, 0f3F818000;"), 0x3f803f82u);
  EXPECT_EQ(Value("cvt.rzi.s32.f32 %r1, 0fC0200000;"), static_cast<uint32_t>(-2));
  EXPECT_EQ(Value("cvt.rzi.u32.f32 %r1, 0f7F800000;"), ~0u);
}

TEST(Emulator, Integers) {
  EXPECT_EQ(Value("mul.hi.u32 %r1, 0xffffffff, 0xffffffff;"), 0xfffffffeu);
  EXPECT_EQ(Value("mov.b32 %r2, -8;\nshr.s32 %r1, %r2, 40;"), ~0u);
  EXPECT_EQ(Value("mov.b32 %r2, 1;\nshl.b32 %r1, %r2, 32;"), 0u);
  EXPECT_EQ(Value("bfe.u32 %r1, 0x12345678, 8, 8;"), 0x56u);
  EXPECT_EQ(Value("bfe.s32 %r1, 0x00008000, 8, 8;"), 0xffffff80u);
  EXPECT_EQ(Value("bfi.b32 %r1, 0xab, 0x11111111, 8, 8;"), 0x1111ab11u);
  EXPECT_EQ(Value("prmt.b32 %r1, 0x33221100, 0x77665544, 0x7531;"), 0x77553311u);
  EXPECT_EQ(Value("popc.b32 %r1, 0xf0f0;"), 8u);
  EXPECT_EQ(Value("div.s32 %r1, -7, 2;"), static_cast<uint32_t>(-3));
  EXPECT_EQ(Value("setp.ltu.f32 %p1, 0f7FC00000, 0f00000000;\nselp.b32 %r1, 1, 2, %p1;"), 1u);
  EXPECT_EQ(Value("setp.lt.f32 %p1, 0f7FC00000, 0f00000000;\nselp.b32 %r1, 1, 2, %p1;"), 2u);
  EXPECT_EQ(Value("mov.b16 %rs1, -2;\ncvt.s32.s16 %r1, %rs1;"), static_cast<uint32_t>(-2));
}

// Each lane takes as many turns as its number; then all are together again.
TEST(Emulator, BranchesMeetBehindThem) {
  std::vector<uint32_t> out =
      Words("mov.b32 %r1, 0;\nmov.b32 %r2, 0;\nLOOP:\nsetp.ge.u32 %p1, %r2, "
            "%r0;\n@%p1 bra DONE;\nadd.s32 %r1, %r1, 3;\n"
            "add.s32 %r2, %r2, 1;\nbra.uni LOOP;\nDONE:\nactivemask.b32 "
            "%r3;\nsetp.ne.b32 %p2, %r3, -1;\n@%p2 mov.b32 %r1, 77;" +
            kStore);
  for (uint32_t lane = 0; lane < 32; ++lane)
    EXPECT_EQ(out[lane], 3 * lane);
}

// The two halves go different ways with masks of their own, one of them round a loop more often.
TEST(Emulator, HalvesOfAWarpShuffleApart) {
  std::vector<uint32_t> out =
      Words("and.b32 %r2, %r0, 16;\nmov.b32 %r3, 65535;\nshl.b32 %r3, %r3, %r2;\nshr.u32 %r4, %r2, "
            "4;\nadd.s32 %r4, %r4, 1;\n"
            "mov.b32 %r1, %r0;\nLOOP:\nbar.warp.sync %r3;\nshfl.sync.bfly.b32 %r5, %r1, 1, 4127, "
            "%r3;\nadd.s32 %r1, %r1, %r5;\n"
            "sub.s32 %r4, %r4, 1;\nsetp.ne.b32 %p1, %r4, 0;\n@%p1 bra LOOP;\nbar.warp.sync -1;" +
            kStore);
  EXPECT_EQ(out[2], 5u);
  EXPECT_EQ(out[3], 5u);
  EXPECT_EQ(out[18], 2 * (18 + 19u));
}

// The few come last, as they stand behind the others, who must wait for what they store.
TEST(Emulator, LanesThatComeByDifferentWaysSynchronise) {
  EXPECT_THAT(Words("setp.lt.u32 %p1, %r0, 5;\n@%p1 bra FEW;\nbar.warp.sync -1;\n"
                    "ld.shared.b32 %r1, [smem];\nbra.uni DONE;\nFEW:\nst.shared.b32 [smem], 9;\n"
                    "bar.warp.sync -1;\nld.shared.b32 %r1, [smem];\nDONE:" +
                    kStore),
              ::testing::Contains(9u).Times(32));
}

TEST(Emulator, VotesAndTables) {
  EXPECT_EQ(Value("setp.lt.u32 %p1, %r0, 3;\nvote.sync.ballot.b32 %r1, %p1, -1;"), 7u);
  std::vector<uint32_t> out =
      Words("TABLE: .branchtargets A, B, A;\nrem.u32 %r2, %r0, 3;\nbrx.idx %r2, "
            "TABLE;\nA:\nmov.b32 %r1, 1;\nbra.uni C;\nB:\nmov.b32 %r1, 2;\nC:" +
            kStore);
  EXPECT_THAT(std::vector<uint32_t>(out.begin(), out.begin() + 4),
              ::testing::ElementsAre(1, 2, 1, 1));
}

// A producer's phase and a consumer's: words go through shared memory from one warp to the other.
TEST(Emulator, MbarriersHandOver) {
  std::vector<uint32_t> out =
      Words("setp.ne.b32 %p1, %r0, 0;\n@%p1 bra READY;\nmbarrier.init.shared.b64 [smem], "
            "32;\nREADY:\nbar.sync 0;\n"
            "setp.lt.u32 %p2, %r0, 32;\n@%p2 bra "
            "PRODUCE;\nLAB_WAIT:\nmbarrier.try_wait.parity.shared.b64 %p3, [smem], 0;\n@%p3 "
            "bra GO;\nbra.uni LAB_WAIT;\nGO:\n"
            "sub.s32 %r3, %r0, 32;\nshl.b32 %r3, %r3, 2;\nmov.b32 %r4, smem;\nadd.s32 %r4, "
            "%r4, %r3;\nld.shared.b32 %r1, [%r4+64];\nbra.uni END;\nPRODUCE:\n"
            "shl.b32 %r3, %r0, 2;\nmov.b32 %r4, smem;\nadd.s32 %r4, %r4, %r3;\nst.shared.b32 "
            "[%r4+64], %r0;\nmbarrier.arrive.shared.b64 %rd5, [smem];\n"
            "mov.b32 %r1, 5;\nEND:" +
                kStore,
            64);
  EXPECT_EQ(out[0], 5u);
  EXPECT_EQ(out[63], 31u);
}

TEST(Emulator, AtomicsOfManyBlocks) {
  std::vector<uint32_t> out = Words("atom.global.add.u32 %r1, [%rd0], 1;", 64, 20000);
  EXPECT_EQ(out[0], 64 * 20000u);
}

// What one block leaves in a register is not there in the next.
TEST(Emulator, BlocksBeginWithTheSameRegisters) {
  std::vector<uint32_t> out = Words("red.global.add.u32 [%rd0], %r9;\nmov.b32 %r9, 1;", 32, 1000);
  EXPECT_EQ(out[0], 32 * 1000 * 0xa5a5a5a5u);
}

TEST(Emulator, ProductsOfWhatIsNoNumber) {
  EXPECT_EQ(Value("mov.b32 %r2, 0x7fc07fc0;\nmov.b32 %f1, 0f00000000;\n"
                  "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f3, %f4, %f5, %f6}, {%r2, "
                  "%r2, %r2, %r2}, {%r2, %r2}, {%f1, %f1, %f1, %f1};\nmov.b32 %r1, %f3;"),
            0x7fffffffu);
}

// x is the identity of 16 x 16, y counts: the sums are y.
TEST(Emulator, MatrixProduct) {
  std::vector<uint32_t> out =
      Words("shr.u32 %r2, %r0, 2;\nand.b32 %r3, %r0, 3;\nshl.b32 %r3, %r3, 1;\nsub.s32 %r4, "
            "%r2, %r3;\nmov.b32 %r5, 0;\nsetp.eq.b32 %p1, %r4, 0;\n"
            "selp.b32 %r5, 0x3f80, %r5, %p1;\nsetp.eq.b32 %p1, %r4, 1;\nselp.b32 %r5, "
            "0x3f800000, %r5, %p1;\nmov.b32 %r6, 0;\n"
            "cvt.rn.f32.u32 %f1, %r3;\nadd.rn.f32 %f2, %f1, 0f3F800000;\ncvt.rn.bf16x2.f32 "
            "%r7, %f2, %f1;\nmov.b32 %f9, 0f00000000;\n"
            "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f3, %f4, %f5, %f6}, {%r5, "
            "%r6, %r6, %r5}, {%r7, %r6}, {%f9, %f9, %f9, %f9};\nmov.b32 %r1, %f3;" +
            kStore);
  // b[k][n] = k for k < 8, so row g of the result is g.
  for (uint32_t lane = 0; lane < 32; ++lane)
    EXPECT_EQ(out[lane], F(static_cast<float>(lane / 4)));
}

} // namespace
} // namespace mirl::emulator::testing
