// Checks of the emulator are seen to fire, and to say where: at least one of each kind that
// docs/cuda.md lists.

#include "runtime/device/cuda/Driver.h"
#include "test/emulator/TensorMap.h"
#include "test/emulator/Testing.h"
#include "gmock/gmock.h"

extern "C" int cuModuleLoadData(mirl::rt::cuda::Module *module, const void *image);
extern "C" int cuTensorMapEncodeTiled(mirl::rt::cuda::EncodedMap *, int, unsigned, void *,
                                      const uint64_t *, const uint64_t *, const uint32_t *,
                                      const uint32_t *, int, int, int, int);

namespace mirl::emulator::testing {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

TEST(Checks, GlobalMemory) {
  Outcome outcome = RunKernel("mov.b32 %r1, 3;\nadd.s64 %rd0, %rd0, 64;" + kStore, 64, 64);
  EXPECT_EQ(outcome.result, kIllegalAddress);
  EXPECT_THAT(outcome.fault,
              AllOf(HasSubstr("kernel kernel, PTX line"), HasSubstr("st.global.b32 [%rd1], %r1;"),
                    HasSubstr("block (0, 0, 0), thread 48 (warp 1, lane 16)"),
                    HasSubstr("where nothing is allocated")));
  outcome = RunKernel("ld.global.b32 %r1, [%rd0+2];");
  EXPECT_EQ(outcome.result, kMisalignedAddress);
  EXPECT_THAT(outcome.fault, HasSubstr("is no multiple of 4 bytes"));
}

TEST(Checks, SharedMemory) {
  EXPECT_THAT(RunKernel("st.shared.b32 [smem+4096], 1;").fault,
              HasSubstr("the block has those from 1024 to 5120"));
  EXPECT_THAT(RunKernel("ld.shared.b32 %r1, [0];").fault,
              HasSubstr("reads 4 bytes of shared memory at 0"));
}

TEST(Checks, LocalMemory) {
  const std::string depot = ".local .align 8 .b8 depot[8];\n";
  EXPECT_THAT(RunKernel(depot + "ld.local.b64 %rd3, [depot-8];").fault,
              HasSubstr("the address -8 is outside the thread's local memory of 16 bytes"));
  Outcome outcome = RunKernel(depot + "st.local.b32 [depot+16], 1;");
  EXPECT_EQ(outcome.result, kIllegalAddress);
  EXPECT_THAT(outcome.fault, HasSubstr("the address 16 is outside"));
  EXPECT_THAT(RunKernel("ld.param.b64 %rd3, [out-8];").fault,
              HasSubstr("outside the kernel's parameters"));
}

const std::string kRead = "ld.shared.b32 %r1, [smem+8];\nadd.s32 %r1, %r1, 1;\n";

TEST(Checks, ValuesThatNobodyGave) {
  const std::string &read = kRead;
  EXPECT_THAT(RunKernel(read + kStore).fault,
              AllOf(HasSubstr("a value that is stored depends on memory"),
                    HasSubstr("ld.shared.b32 %r1, [smem+8];")));
  EXPECT_THAT(RunKernel(read + "setp.eq.b32 %p1, %r1, 0;\n@%p1 bra END;\nEND:").fault,
              HasSubstr("the predicate depends"));
  EXPECT_THAT(RunKernel(read + "cvt.u64.u32 %rd3, %r1;\nld.global.b32 %r2, [%rd3];").fault,
              HasSubstr("the address depends"));
  EXPECT_THAT(
      RunKernel(read + "st.shared.b32 [smem], %r1;\nld.shared.b32 %r1, [smem];" + kStore).fault,
      HasSubstr("a value that is stored"));
  EXPECT_THAT(RunKernel(read + "shfl.sync.bfly.b32 %r1, %r1, 1, 31, -1;" + kStore).fault,
              HasSubstr("a value that is stored"));
  EXPECT_THAT(RunKernel(".local .align 4 .b8 depot[8];\nld.local.b32 %r1, [depot];" + kStore).fault,
              HasSubstr("a value that is stored"));
  EXPECT_THAT(RunKernel(read + "red.global.add.u32 [%rd0], %r1;").fault,
              HasSubstr("an operand depends"));
  // What is not chosen may be anything.
  EXPECT_EQ(RunKernel(read + "setp.ge.u32 %p1, %r0, 0;\nselp.b32 %r1, 4, %r1, %p1;" + kStore).fault,
            "");
}

TEST(Checks, ValuesThatNobodyGaveAmongLanes) {
  for (const char *load : {"ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r2}, [%r1];",
                           "stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r1], {%r2};"}) {
    EXPECT_THAT(RunKernel(kRead + load).fault, HasSubstr("the address depends"));
    // Addresses of lanes that nobody looks at may be anything.
    EXPECT_EQ(RunKernel(kRead +
                        "setp.lt.u32 %p1, %r0, 8;\nmov.b32 %r3, smem;\n"
                        "selp.b32 %r1, %r3, %r1, %p1;\nmov.b32 %r2, 0;\n" +
                        load)
                  .fault,
              "");
    EXPECT_THAT(RunKernel(std::string("mov.b32 %r1, smem;\nmov.b32 %r2, 0;\n") + load, 16).fault,
                HasSubstr("needs all 32 lanes"));
  }
  for (const char *operands : {"%r1, 31, -1", "1, %r1, -1", "1, 31, %r1"})
    EXPECT_THAT(
        RunKernel(kRead + "shfl.sync.bfly.b32 %r2, %r0, " + std::string(operands) + ";").fault,
        AnyOf(HasSubstr("the other lane depends"), HasSubstr("the segment of the lanes depends"),
              HasSubstr("the mask of the lanes depends")));
  const std::string product =
      "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f1, %f2, %f3, %f4}, %rd5, %rd6, %p1, "
      "1, 1, 0, 0;";
  const std::string given = "mov.b64 %rd5, 64;\nmov.b64 %rd6, 64;\nsetp.ne.b32 %p1, 0, 0;\n";
  for (const char *descriptor : {"%rd5", "%rd6"})
    EXPECT_THAT(
        RunKernel(kRead + given + "cvt.u64.u32 " + descriptor + ", %r1;\n" + product, 128).fault,
        HasSubstr("the matrix's descriptor depends"));
  EXPECT_THAT(RunKernel(kRead + given + "setp.eq.b32 %p1, %r1, 0;\n" + product, 128).fault,
              HasSubstr("whether the sums go on depends"));
  EXPECT_THAT(RunKernel(given + product).fault, HasSubstr("needs all lanes of four warps"));
}

// What is written anew is given again, whatever instruction writes it.
TEST(Checks, ValuesGivenAgain) {
  EXPECT_EQ(RunKernel(kRead + "setp.eq.b32 %p1, %r1, 0;\n"
                              "shfl.sync.bfly.b32 %r2|%p1, %r0, 1, 31, -1;\n"
                              "@%p1 mov.b32 %r3, 1;")
                .fault,
            "");
  EXPECT_EQ(
      RunKernel(kRead + "setp.ge.u32 %p1, %r0, 0;\nvote.sync.ballot.b32 %r1, %p1, -1;" + kStore)
          .fault,
      "");
}

// A value may lie in the block's memory until it is used.
TEST(Checks, ValuesThatNobodyGaveInLocalMemory) {
  const std::string depot = ".local .align 4 .b8 depot[8];\n";
  for (const char *store :
       {"st.local.b32 [depot+4], %r1;\n",
        "mov.b64 %rd3, depot;\ncvta.local.u64 %rd3, %rd3;\nst.b32 [%rd3+4], %r1;\n"}) {
    EXPECT_EQ(RunKernel(depot + kRead + store).fault, "");
    EXPECT_THAT(
        RunKernel(depot + kRead + store + "ld.local.b32 %r1, [depot+4];" + kStore).fault,
        AllOf(HasSubstr("a value that is stored"), HasSubstr("ld.local.b32 %r1, [depot+4];")));
    EXPECT_EQ(RunKernel(depot + kRead + store +
                        "st.local.b32 [depot+4], %r0;\nld.local.b32 %r1, [depot+4];" + kStore)
                  .fault,
              "");
  }
}

TEST(Checks, Deadlocks) {
  Outcome outcome = RunKernel("setp.ge.u32 %p1, %r0, 32;\n@%p1 bra OTHER;\nbar.sync 1, "
                              "96;\nbra.uni END;\nOTHER:\nbar.sync 1, 96;\nEND:",
                              64);
  EXPECT_EQ(outcome.result, kLaunchTimeout);
  EXPECT_THAT(outcome.fault, AllOf(HasSubstr("all of its threads wait"),
                                   HasSubstr("warp 1, lanes 0xffffffff: wait at barrier 1"),
                                   HasSubstr("barrier 1: 64 threads of 96 have arrived")));
  outcome = RunKernel("setp.ne.b32 %p1, %r0, 0;\n@%p1 bra READY;\nmbarrier.init.shared.b64 [smem], "
                      "3;\nmbarrier.arrive.shared.b64 %rd5, [smem];\nREADY:\nbar.warp.sync -1;\n"
                      "mbarrier.try_wait.parity.shared.b64 %p3, [smem], 0;");
  EXPECT_THAT(outcome.fault, AllOf(HasSubstr("wait for the mbarrier at 1024"),
                                   HasSubstr("lacks 2 of 3 arrivals and 0 bytes")));
  EXPECT_THAT(RunKernel("setp.lt.u32 %p1, %r0, 4;\n@%p1 bra SOME;\nbar.warp.sync -1;\nbra.uni "
                        "END;\nSOME:\nshfl.sync.bfly.b32 %r1, %r0, 1, 31, -1;\nEND:")
                  .fault,
              HasSubstr("wait for the warp's other lanes"));
}

TEST(Checks, Barriers) {
  EXPECT_THAT(RunKernel("mbarrier.init.shared.b64 [smem], 1;").fault,
              HasSubstr("where there is one"));
  const std::string one =
      "setp.ne.b32 %p1, %r0, 0;\n@%p1 bra END;\nmbarrier.init.shared.b64 [smem], 1;\n";
  EXPECT_THAT(RunKernel(one + "mbarrier.arrive.expect_tx.shared.b64 %rd5, [smem], "
                              "64;\nmbarrier.arrive.shared.b64 %rd5, [smem];\nEND:")
                  .fault,
              HasSubstr("more arrivals at the mbarrier at 1024 than the 1 that a phase is for"));
  EXPECT_THAT(RunKernel(one + "mbarrier.arrive.shared.b64 %rd5, [smem+8];\nEND:").fault,
              HasSubstr("there is no mbarrier at 1032"));
  EXPECT_THAT(RunKernel(one + "ld.shared.b32 %r1, [smem+4];\nEND:").fault,
              HasSubstr("where an mbarrier is"));
  EXPECT_THAT(RunKernel("setp.lt.u32 %p1, %r0, 32;\n@%p1 bra A;\nbar.sync 1, 32;\nbar.sync 1, "
                        "64;\nbra.uni END;\nA:\nbar.sync 1, 96;\nEND:",
                        64)
                  .fault,
              HasSubstr("barrier 1 is for"));
  EXPECT_THAT(RunKernel("bar.warp.sync 2;").fault, HasSubstr("not among those that it waits for"));
  EXPECT_THAT(RunKernel("bar.sync 16;").fault, HasSubstr("there are barriers 0 to 15, no 16"));
  EXPECT_THAT(RunKernel("bar.sync 1, 48;").fault, HasSubstr("whole warps, not for 48 threads"));
  EXPECT_THAT(RunKernel("and.b32 %r2, %r0, 1;\nbar.sync %r2;").fault,
              HasSubstr("lanes of a warp arrive at different barriers"));
  Outcome outcome = RunKernel("mbarrier.init.shared.b64 [smem+4], 1;");
  EXPECT_EQ(outcome.result, kMisalignedAddress);
  EXPECT_THAT(outcome.fault, HasSubstr("an mbarrier at 1028, no multiple of 8 bytes"));
  EXPECT_THAT(RunKernel("mbarrier.init.shared.b64 [smem], 0;").fault,
              HasSubstr("an mbarrier for 0 arrivals"));
  EXPECT_THAT(RunKernel("mbarrier.init.shared.b64 [smem+4096], 1;").fault,
              HasSubstr("outside the block's shared memory"));
}

TEST(Checks, Control) {
  EXPECT_THAT(
      RunKernel("TABLE: .branchtargets A, B;\nbrx.idx %r0, TABLE;\nA:\nmov.b32 %r1, 1;\nB:").fault,
      HasSubstr("label 2 of a list of 2"));
  EXPECT_THAT(RunKernel("trap;").fault, HasSubstr("the kernel gives up"));
}

TEST(Checks, CopiesUnderWay) {
  const std::string copy = "shl.b32 %r2, %r0, 4;\nmov.b32 %r3, smem;\nadd.s32 %r3, %r3, "
                           "%r2;\ncvt.u64.u32 %rd3, %r2;\nadd.s64 %rd3, %rd0, %rd3;\n"
                           "cp.async.cg.shared.global [%r3], [%rd3], 16;\ncp.async.commit_group;\n";
  EXPECT_THAT(RunKernel(copy + "ld.shared.b32 %r1, [%r3];").fault,
              HasSubstr("where a copy is under way that nobody has waited for"));
  EXPECT_EQ(RunKernel(copy + "cp.async.wait_group 0;\nld.shared.b32 %r1, [%r3];" + kStore).fault,
            "");
  EXPECT_THAT(RunKernel(copy + "cp.async.wait_group 1;\nld.shared.b32 %r1, [%r3];").fault,
              HasSubstr("under way"));
  EXPECT_THAT(RunKernel(copy).fault, HasSubstr("ends while its copies to shared memory"));
  EXPECT_THAT(RunKernel("cp.async.cg.shared.global [smem], [%rd0+4294967296], 16;").fault,
              HasSubstr("takes offsets of 32 bits, not 4294967296"));
}

TEST(Checks, Prefetches) {
  auto prefetch = [](const std::string &offset, int bytes) {
    return RunKernel("mov.b32 %r2, " + std::to_string(bytes) + ";\ncp.async.bulk.prefetch.L2.global [%rd0+" + offset + "], %r2;").fault;
  };
  EXPECT_EQ(prefetch("64", 64), "");
  EXPECT_THAT(prefetch("8", 64), HasSubstr("no multiple of 16"));
  EXPECT_THAT(prefetch("0", 24), HasSubstr("no multiple of 16"));
  EXPECT_THAT(prefetch("64", 1 << 30), HasSubstr("where nothing is allocated"));
}

// Thread 0 does `body` with %rd3, the address of a tensor map of the words from out on in boxes of
// 32, and with an mbarrier at smem + 2048; all words of smem's first box are written.
std::string Boxes(const std::string &body, bool f32 = false) {
  TensorMap map;
  map.mark = kTensorMapMark;
  map.rank = 1;
  map.element = 4;
  map.f32 = f32;
  map.dims[0] = 64;
  map.box[0] = 32;
  uint32_t words[32] = {};
  std::memcpy(words, &map, sizeof map);
  std::string text = "add.s64 %rd3, %rd0, 512;\n";
  for (int w = 0; w < 32; ++w)
    text +=
        "st.global.b32 [%rd3+" + std::to_string(4 * w) + "], " + std::to_string(words[w]) + ";\n";
  return text + "st.global.b64 [%rd3+" + std::to_string(offsetof(TensorMap, address)) +
         "], %rd0;\nshl.b32 %r3, %r0, 2;\nmov.b32 %r4, smem;\nadd.s32 %r4, %r4, %r3;\n"
         "st.shared.b32 [%r4], %r0;\nmov.b32 %r1, 0;\nmov.b32 %r2, 0;\nbar.warp.sync -1;\n"
         "setp.ne.b32 %p1, %r0, 0;\n@%p1 bra END;\nmbarrier.init.shared.b64 [smem+2048], 1;\n" +
         body + "END:\nbar.warp.sync -1;\n";
}

TEST(Checks, BoxesUnderWay) {
  const std::string load =
      "mbarrier.arrive.expect_tx.shared.b64 %rd5, [smem+2048], 128;\n"
      "cp.async.bulk.tensor.1d.shared::cluster.global.mbarrier::complete_tx::bytes [smem], "
      "[%rd3, {%r2}], [smem+2048];\n";
  const std::string wait = "mbarrier.try_wait.parity.shared.b64 %p3, [smem+2048], 0;\n";
  EXPECT_EQ(RunKernel(Boxes(load + wait + "ld.shared.b32 %r1, [smem];\n")).fault, "");
  EXPECT_THAT(RunKernel(Boxes(load)).fault,
              AllOf(HasSubstr("the block ends while this copy to shared memory is under way"),
                    HasSubstr("(cp.async.bulk.tensor.1d")));
  EXPECT_THAT(RunKernel(Boxes(load + "ld.shared.b32 %r1, [smem];\n")).fault,
              HasSubstr("where a copy is under way"));
  const std::string store = "cp.async.bulk.tensor.1d.global.shared::cta.bulk_group [%rd3, {%r2}], "
                            "[smem];\ncp.async.bulk.commit_group;\n";
  Outcome outcome = RunKernel(Boxes(store + "cp.async.bulk.wait_group 0;\n"));
  EXPECT_EQ(outcome.fault, "");
  EXPECT_EQ(outcome.out[31], 31u);
  EXPECT_THAT(RunKernel(Boxes(store)).fault,
              HasSubstr("ends while the accelerator may still read shared memory"));
  EXPECT_THAT(RunKernel(Boxes(store + "st.shared.b32 [smem], 1;\n")).fault,
              HasSubstr("is written to while a copy to global memory"));
}

TEST(Checks, BoxesAdded) {
  const std::string box = "bulk_group [%rd3, {%r2}], [smem];\ncp.async.bulk.commit_group;\n";
  const std::string twice = "cp.async.bulk.tensor.1d.global.shared::cta." + box +
                            "cp.reduce.async.bulk.tensor.1d.global.shared::cta.add.tile." + box;
  // As f32 the words are multiples of the least number.
  Outcome outcome = RunKernel(Boxes(twice + "cp.async.bulk.wait_group 0;\n", /*f32=*/true));
  EXPECT_EQ(outcome.fault, "");
  EXPECT_EQ(outcome.out[31], 62u);
  EXPECT_THAT(RunKernel(Boxes(twice, /*f32=*/true)).fault,
              HasSubstr("ends while the accelerator may still read shared memory"));
  EXPECT_THAT(RunKernel(Boxes(twice)).fault, HasSubstr("the tensor map is not of f32, the type that boxes are added in here"));
}

// 64 x 8 = 64 x 16 by 16 x 8, without a swizzle; the descriptors are of 1024 and 3072.
std::string Product(const std::string &behind) {
  return "mov.b32 %r2, 0;\nshl.b32 %r3, %r0, 4;\nmov.b32 %r4, smem;\nadd.s32 %r4, %r4, "
         "%r3;\nst.shared.v4.b32 [%r4], {%r2, %r2, %r2, %r2};\n"
         "st.shared.v4.b32 [%r4+2048], {%r2, %r2, %r2, "
         "%r2};\nfence.proxy.async.shared::cta;\nbar.sync 0;\nmov.b64 %rd5, "
         "0x0000001000080040;\nmov.b64 %rd6, 0x00000010000800c0;\n"
         "setp.ne.b32 %p1, 0, 0;\nwgmma.fence.sync.aligned;\n"
         "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f1, %f2, %f3, %f4}, %rd5, %rd6, "
         "%p1, 1, 1, 0, 0;\nwgmma.commit_group.sync.aligned;\n" +
         behind;
}

TEST(Checks, ProductsUnderWay) {
  EXPECT_THAT(RunKernel(Product("mov.b32 %r1, %f1;\nwgmma.wait_group.sync.aligned 0;"), 128).fault,
              HasSubstr("a sum of wgmma that nobody has waited for"));
  EXPECT_THAT(RunKernel(Product("wgmma.wait_group.sync.aligned 1;\nmov.b32 %r1, %f1;"), 128).fault,
              HasSubstr("a sum of wgmma that nobody has waited for"));
  EXPECT_THAT(
      RunKernel(Product("st.shared.b32 [smem+2048], %r2;\nwgmma.wait_group.sync.aligned 0;"), 128)
          .fault,
      HasSubstr("is written to while wgmma of warp"));
  // The left matrix: its sums are worth nothing then.
  EXPECT_THAT(
      RunKernel(
          Product(
              "st.shared.b32 [smem], %r2;\nwgmma.wait_group.sync.aligned 0;\nmov.b32 %r1, %f1;" +
              kStore),
          128)
          .fault,
      HasSubstr("overwritten too early"));
  EXPECT_EQ(RunKernel(Product("wgmma.wait_group.sync.aligned 0;\nst.shared.b32 [smem+2048], "
                              "%r2;\nmov.b32 %r1, %f1;" +
                              kStore),
                      128)
                .fault,
            "");
}

TEST(Checks, EndlessLoops) {
  Outcome outcome = RunKernel("LOOP:\nbra.uni LOOP;");
  EXPECT_EQ(outcome.result, kLaunchTimeout);
  EXPECT_THAT(outcome.fault, HasSubstr("MIRL_EMULATOR_STEPS"));
}

TEST(Checks, WhatIsNotKnown) {
  Outcome outcome = RunKernel("sin.approx.f32 %f1, %f2;");
  EXPECT_EQ(outcome.result, kInvalidPtx);
  EXPECT_THAT(outcome.fault, AllOf(HasSubstr("PTX line 17, kernel kernel"),
                                   HasSubstr("does not know the instruction 'sin.approx.f32'")));
  EXPECT_THAT(RunKernel("mad.lo.u8 %r1, %r2, %r3, %r4;").fault, HasSubstr("'mad.lo.u8'"));
  EXPECT_THAT(RunKernel("st.shared.v2.b32 [smem], {%r1, _};").fault,
              HasSubstr("is no register or number"));
  EXPECT_THAT(RunKernel("add.rz.f32 %f1, %f2, %f3;").fault, HasSubstr("does not know '.rz'"));
  EXPECT_THAT(RunKernel("bra NOWHERE;").fault, HasSubstr("there is no label NOWHERE"));
  EXPECT_THAT(RunKernel("mov.b32 %r100, 1;").fault, HasSubstr("needs a register"));
}

TEST(Checks, Driver) {
  rt::cuda::Module module = nullptr;
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(cuModuleLoadData(&module, "\177ELF..."), kInvalidImage);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("compile the plan with --module ptx"));
  rt::cuda::EncodedMap map;
  uint64_t dims[2] = {64, 8}, strides[1] = {120};
  uint32_t box[2] = {64, 8}, steps[2] = {1, 1};
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(cuTensorMapEncodeTiled(&map, 9, 2, reinterpret_cast<void *>(4096), dims, strides, box,
                                   steps, 0, 3, 0, 0),
            kInvalidValue);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("a stride must be a multiple of 16 bytes below 2^40, is 120"));
}

// What a launch that may overlap earlier ones does before it waits for them. A kernel alone does as
// it likes.
TEST(Checks, EarlierLaunches) {
  auto twice = [](const std::string &body) { return RunKernel(body, 32, 256, 2, /*times=*/2); };
  const std::string wait = "griddepcontrol.launch_dependents;\ngriddepcontrol.wait;\n";
  const std::string store = "mov.b32 %r1, 5;" + kStore, load = "ld.global.b32 %r2, [%rd0];\n",
                    beyond = "ld.global.b32 %r2, [%rd0+512];\n";
  EXPECT_EQ(twice(wait + load + store).fault, "");
  EXPECT_EQ(twice(beyond + wait + load + store).fault, "") << "nobody writes there";
  EXPECT_EQ(RunKernel(store + wait + load).fault, "");
  Outcome outcome = twice(store + wait);
  EXPECT_EQ(outcome.result, kLaunchFailed);
  EXPECT_THAT(outcome.fault,
              AllOf(HasSubstr("st.global.b32"), HasSubstr("block (0, 0, 0), thread 0"),
                    HasSubstr("writes to global memory"),
                    HasSubstr("before it has waited for earlier launches")));
  EXPECT_THAT(twice("red.global.add.u32 [%rd0+512], 1;\n" + wait).fault,
              HasSubstr("writes to global memory"));
  EXPECT_THAT(twice(load + wait + store).fault,
              AllOf(HasSubstr("ld.global.b32"), HasSubstr("where an earlier launch wrote,")));
  EXPECT_THAT(twice("setp.eq.u32 %p1, %r0, 0;\n@%p1 cp.async.ca.shared.global [smem], [%rd0], "
                    "16;\ncp.async.wait_all;\n" +
                    wait + store)
                  .fault,
              HasSubstr("where an earlier launch wrote,"));
  // Who has not waited itself has not waited.
  EXPECT_THAT(twice("setp.eq.u32 %p1, %r0, 3;\n@%p1 griddepcontrol.wait;\n" + store).fault,
              AllOf(HasSubstr("thread 0 "), HasSubstr("writes to global memory")));
  EXPECT_THAT(twice("mov.b32 %r1, %ctaid.x;\nsetp.eq.u32 %p1, %r1, 1;\n@%p1 bra "
                    "END;\ngriddepcontrol.wait;\nEND:")
                  .fault,
              HasSubstr("block 1: it ends without having waited for earlier launches"));
}

} // namespace
} // namespace mirl::emulator::testing
