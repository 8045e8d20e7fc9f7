// One fault a test in a plan that is right otherwise, and what is said of it.

#include <cstring>
#include <functional>

#include "runtime/artifact/ContentHash.h"
#include "test/runtime/core/CorePlan.h"

namespace mirl::rt::test {
namespace {

// The generated tables hide their base; tests write where readers only read.
template <typename T, typename Table> void Set(const Table *table, uint16_t field, T value) {
  auto *base = reinterpret_cast<flatbuffers::Table *>(const_cast<Table *>(table));
  ASSERT_TRUE(base->CheckField(field));
  base->SetField<T>(field, value, T{});
}

template <typename Struct> void Put(const Struct *at, const Struct &value) {
  std::memcpy(const_cast<Struct *>(at), &value, sizeof(value));
}

// The vector begins 4 bytes later: what was its first element's front is its length, and its elements of 8 bytes lie across.
template <typename Table> void Shift(const Table *table, uint16_t field) {
  auto *base = reinterpret_cast<flatbuffers::Table *>(const_cast<Table *>(table));
  ASSERT_TRUE(base->CheckField(field));
  uint8_t *at = base->GetAddressOf(field);
  flatbuffers::WriteScalar(at, flatbuffers::ReadScalar<flatbuffers::uoffset_t>(at) + 4);
}

// Over the first characters of a string.
void Write(const flatbuffers::String *at, const std::string &text) {
  ASSERT_LE(text.size(), at->size());
  std::memcpy(const_cast<char *>(at->c_str()), text.data(), text.size());
}

struct Fault {
  const char *name;
  std::function<void(const fb::Plan &)> make;
  std::vector<std::string> said;
};

const fb::Entry *Entry(const fb::Plan &plan, uint32_t index) { return plan.entries()->Get(index); }
const fb::Command *CommandOf(const fb::Plan &plan, uint32_t entry, uint32_t command) {
  return Entry(plan, entry)->commands()->Get(command);
}
uint32_t *Argument(const fb::Plan &plan, uint32_t argument) {
  const fb::Launch *launch = CommandOf(plan, 0, 1)->action_as_Launch();
  return const_cast<uint32_t *>(launch->args()->data()) + argument;
}

enum : uint32_t { kRows, kLoops, kLookup, kSums, kProduct };

const Fault kFaults[] = {
    {"Target", [](const fb::Plan &p) { Write(p.target(), "gpu"); }, {"target", "gpu"}},
    {"PersistentBeyondTheArena",
     [](const fb::Plan &p) {
       Set<uint64_t>(&p, fb::Plan::VT_PERSISTENT_BYTES, p.arena_bytes() + 64);
     },
     {"arena"}},
    {"AnImpossibleArena",
     [](const fb::Plan &p) { Set<uint64_t>(&p, fb::Plan::VT_ARENA_BYTES, uint64_t{1} << 60); },
     {"arena"}},
    {"ABufferOutside",
     [](const fb::Plan &p) { Set<uint64_t>(p.buffers()->Get(0), fb::Buffer::VT_OFFSET, 1 << 20); },
     {"buffer pi/embed", "outside"}},
    {"ABufferAtTheEndOfNumbers",
     [](const fb::Plan &p) {
       Set<uint64_t>(p.buffers()->Get(0), fb::Buffer::VT_OFFSET, ~uint64_t{63});
     },
     {"buffer pi/embed", "outside"}},
    {"ABufferUnaligned",
     [](const fb::Plan &p) { Set<uint64_t>(p.buffers()->Get(1), fb::Buffer::VT_OFFSET, 260); },
     {"buffer pi/norm", "unaligned"}},
    {"ABufferTooSmall",
     [](const fb::Plan &p) { Set<uint64_t>(p.buffers()->Get(1), fb::Buffer::VT_BYTES, 8); },
     {"buffer pi/norm", "too small"}},
    {"BuffersThatOverlap",
     [](const fb::Plan &p) { Set<uint64_t>(p.buffers()->Get(1), fb::Buffer::VT_OFFSET, 64); },
     {"overlap", "pi/embed", "pi/norm"}},
    {"BuffersOfOneName",
     [](const fb::Plan &p) { Write(p.buffers()->Get(2)->name(), "pi/norm"); },
     {"buffer 2", "pi/norm"}},
    {"ABufferOfAnUnknownKind",
     [](const fb::Plan &p) { Set<int8_t>(p.buffers()->Get(0), fb::Buffer::VT_KIND, 77); },
     {"buffer pi/embed", "unknown kind"}},
    {"AnUnknownElementType",
     [](const fb::Plan &p) {
       Set<int8_t>(p.buffers()->Get(0)->type(), fb::TensorType::VT_DTYPE, -1);
     },
     {"buffer pi/embed", "element type"}},
    {"AnUnknownInit",
     [](const fb::Plan &p) { Write(p.buffers()->Get(1)->init(), "onus"); },
     {"buffer pi/norm", "init", "onus"}},
    {"AnInitWithoutANumber",
     [](const fb::Plan &p) { Write(p.buffers()->Get(0)->init(), "normal:0.x"); },
     {"buffer pi/embed", "init"}},
    {"ANegativeExtent",
     [](const fb::Plan &p) {
       Put(p.buffers()->Get(0)->type()->dims()->Get(0), fb::Dim(fb::Axis::fixed, -1));
     },
     {"buffer pi/embed", "out of range"}},
    {"ExtentsThatOverflow",
     [](const fb::Plan &p) {
       for (uint32_t d : {0u, 1u})
         Put(p.buffers()->Get(0)->type()->dims()->Get(d),
             fb::Dim(fb::Axis::fixed, int64_t{1} << 40));
     },
     {"buffer pi/embed", "larger than any memory"}},
    {"APersistentTensorOfRunTimeExtent",
     [](const fb::Plan &p) {
       Put(p.buffers()->Get(0)->type()->dims()->Get(0), fb::Dim(fb::Axis::token, 0));
     },
     {"buffer pi/embed", "fixed"}},
    {"EntriesOfOneName",
     [](const fb::Plan &p) { Write(Entry(p, kSums)->name(), "rows"); },
     {"entry 3", "rows"}},
    {"AnEntryOfAnUnknownKind",
     [](const fb::Plan &p) { Set<int8_t>(Entry(p, kRows), fb::Entry::VT_KIND, 100); },
     {"entry rows", "unknown kind"}},
    {"ANegativeCapacity",
     [](const fb::Plan &p) {
       Put(Entry(p, kRows)->capacities()->Get(0), fb::Capacity(fb::Axis::token, -5));
     },
     {"entry rows", "capacity 0"}},
    {"ACapacityOfAnUnknownAxis",
     [](const fb::Plan &p) {
       Put(Entry(p, kRows)->capacities()->Get(0), fb::Capacity(static_cast<fb::Axis>(9), 5));
     },
     {"entry rows", "capacity 0"}},
    {"AnAxisWithoutCapacity",
     [](const fb::Plan &p) {
       Put(Entry(p, kRows)->capacities()->Get(0), fb::Capacity(fb::Axis::group, 5));
     },
     {"entry rows", "token axis", "no capacity"}},
    {"ACapacityRepeated",
     [](const fb::Plan &p) {
       Put(Entry(p, kSums)->capacities()->Get(1), *Entry(p, kSums)->capacities()->Get(0));
     },
     {"entry sums", "capacity 1", "repeated"}},
    {"ACapacityBeyondTheSlices",
     [](const fb::Plan &p) {
       Put(Entry(p, kRows)->capacities()->Get(0), fb::Capacity(fb::Axis::token, kTokenRows + 1));
     },
     {"entry rows", "slice 0 (x)", "too small"}},
    {"ASliceOutsideOfTheArena",
     [](const fb::Plan &p) {
       Set<uint64_t>(Entry(p, kRows)->slices()->Get(2), fb::Slice::VT_OFFSET, p.arena_bytes());
     },
     {"entry rows", "slice 2 (y)", "outside"}},
    {"ASliceUnaligned",
     [](const fb::Plan &p) {
       Set<uint64_t>(Entry(p, kRows)->slices()->Get(1), fb::Slice::VT_OFFSET, 2);
     },
     {"entry rows", "slice 1 (scale)", "unaligned"}},
    {"APortOfNoSlice",
     [](const fb::Plan &p) {
       Set<uint32_t>(Entry(p, kRows)->inputs()->Get(0), fb::Port::VT_SLICE, 99);
     },
     {"entry rows", "input x", "slice 99 of 4"}},
    {"APortOfAnUnknownSource",
     [](const fb::Plan &p) { Write(Entry(p, kRows)->inputs()->Get(0)->source(), "outfit:"); },
     {"entry rows", "input x", "unknown source"}},
    {"APortOfAnotherType",
     [](const fb::Plan &p) { Write(Entry(p, kLookup)->inputs()->Get(0)->source(), "tok"); },
     {"entry lookup", "input ids", "source"}},
    {"AnOffsetsPortWithoutTheLastOne",
     [](const fb::Plan &p) {
       Put(Entry(p, kSums)->slices()->Get(1)->type()->dims()->Get(0),
           fb::Dim(fb::Axis::sequence, 0));
     },
     {"entry sums", "input token_offsets", "type"}},
    {"PortsThatOverlap",
     [](const fb::Plan &p) {
       const auto *slices = Entry(p, kSums)->slices();
       Set<uint64_t>(slices->Get(3), fb::Slice::VT_OFFSET, slices->Get(2)->offset());
     },
     {"entry sums", "overlap"}},
    {"AKernelThatIsNotThere",
     [](const fb::Plan &p) {
       Set<uint32_t>(CommandOf(p, kRows, 1)->action_as_Launch(), fb::Launch::VT_KERNEL, 4);
     },
     {"entry rows", "command 1", "kernel 4 of 4"}},
    {"AnArgumentThatIsNotThere",
     [](const fb::Plan &p) { *Argument(p, 1) = 4; },
     {"entry rows", "command 1", "slice 4 of 4"}},
    {"WorkInTilesOfNothing",
     [](const fb::Plan &p) {
       Put(CommandOf(p, kRows, 1)->action_as_Launch()->work(), fb::Work(fb::Axis::token, 0, 0, 1));
     },
     {"entry rows", "command 1", "work"}},
    {"WorkBeyondNumbers",
     [](const fb::Plan &p) {
       Put(CommandOf(p, kRows, 1)->action_as_Launch()->work(),
           fb::Work(fb::Axis::token, int64_t{1} << 40, 1, int64_t{1} << 40));
     },
     {"entry rows", "command 1", "work"}},
    {"WorkOnAnAxisThatIsNotThere",
     [](const fb::Plan &p) {
       Put(CommandOf(p, kRows, 1)->action_as_Launch()->work(), fb::Work(fb::Axis::group, 0, 1, 1));
     },
     {"entry rows", "command 1", "axis"}},
    {"ANegativeGrain",
     [](const fb::Plan &p) {
       Set<int64_t>(CommandOf(p, kRows, 1)->action_as_Launch(), fb::Launch::VT_GRAIN, -1);
     },
     {"entry rows", "command 1", "grain"}},
    {"AnArrayOfBuffersOnACpu",
     [](const fb::Plan &p) { Set<uint8_t>(p.kernels()->Get(0), fb::Kernel::VT_BUFFER_ARRAY, 1); },
     {"kernel core_rows", "array of buffers", "for a CPU"}},
    {"AFillOfNothing",
     [](const fb::Plan &p) {
       Set<uint32_t>(CommandOf(p, kLoops, 0)->action_as_Fill(), fb::Fill::VT_SLICE, 7);
     },
     {"entry loops", "command 0", "fills slice 7 of 2"}},
    {"ACopyBetweenTypes",
     [](const fb::Plan &p) {
       Set<uint32_t>(CommandOf(p, kRows, 0)->action_as_Copy(), fb::Copy::VT_TO, 2);
     },
     {"entry rows", "command 0", "differ in type"}},
    {"NestedLoopsOfOneVariable",
     [](const fb::Plan &p) {
       Set<uint32_t>(CommandOf(p, kLoops, 2)->action_as_Loop(), fb::Loop::VT_INDEX, 1);
     },
     {"entry loops", "loop with variable 1"}},
    {"ALoopOfAThirdVariable",
     [](const fb::Plan &p) {
       Set<uint32_t>(CommandOf(p, kLoops, 2)->action_as_Loop(), fb::Loop::VT_INDEX, 2);
     },
     {"entry loops", "loop with variable 2"}},
    {"ACommandOfAnUnknownKind",
     [](const fb::Plan &p) {
       Set<uint8_t>(CommandOf(p, kLoops, 0), fb::Command::VT_ACTION_TYPE, 200);
     },
     {"entry loops", "command 0", "unknown kind"}},
    {"AWeightThatIsNoBuffer",
     [](const fb::Plan &p) {
       const_cast<uint32_t *>(p.policies()->Get(0)->weights()->data())[0] = 55;
     },
     {"policy pi", "buffer 55 of 5"}},
    {"AWeightThatIsAConstant",
     [](const fb::Plan &p) {
       const_cast<uint32_t *>(p.policies()->Get(0)->weights()->data())[0] = 4;
     },
     {"policy pi", "buffer two", "weight"}},
    {"AnUnknownInstruction",
     [](const fb::Plan &p) { Write(p.program()->Get(0)->op(), "repeal"); },
     {"program, instruction 0", "repeal"}},
    {"AnUnknownDataset",
     [](const fb::Plan &p) {
       Write(p.program()->Get(0)->body()->Get(0)->attributes()->Get(1)->text(), "promptZ");
     },
     {"dataset", "promptZ"}},
    {"ACountThatIsNoNumber",
     [](const fb::Plan &p) {
       Set<double>(p.program()->Get(0)->body()->Get(0)->attributes()->Get(0),
                   fb::Attribute::VT_NUMBER, NAN);
     },
     {"draw", "count"}},
    {"CapacitiesThatAreNotAligned",
     [](const fb::Plan &p) { Shift(Entry(p, kRows), fb::Entry::VT_CAPACITIES); },
     {"entry rows", "capacities are not aligned"}},
    {"DimensionsThatAreNotAligned",
     [](const fb::Plan &p) { Shift(Entry(p, kRows)->slices()->Get(0)->type(), fb::TensorType::VT_DIMS); },
     {"entry rows", "dimensions that are not aligned"}},
};

const fb::TensorMap *Map(const fb::Plan &plan) {
  return CommandOf(plan, kRows, 1)->action_as_Launch()->maps()->Get(0);
}
template <typename T> void SetItem(const flatbuffers::Vector<T> *list, uint32_t index, T value) {
  const_cast<T *>(list->data())[index] = value;
}

// In a plan for a GPU.
const Fault kTensorMapFaults[] = {
    {"AMapOfNoArgument",
     [](const fb::Plan &p) { Set<uint32_t>(Map(p), fb::TensorMap::VT_ARG, 3); },
     {"entry rows", "tensor map 0", "argument 3 of 3"}},
    {"AKernelWithoutItsMap",
     [](const fb::Plan &p) { Set<uint32_t>(p.kernels()->Get(0), fb::Kernel::VT_MAPS, 2); },
     {"entry rows", "has 1 tensor maps", "takes 2"}},
    {"MoreMapsThanPossible",
     [](const fb::Plan &p) { Set<uint32_t>(p.kernels()->Get(0), fb::Kernel::VT_MAPS, 9); },
     {"kernel core_rows", "9 tensor maps"}},
    {"MoreBlocksThanPossible",
     [](const fb::Plan &p) { Set<uint32_t>(p.kernels()->Get(0), fb::Kernel::VT_BLOCKS_PER_MULTIPROCESSOR, 33); },
     {"kernel core_rows", "33 blocks"}},
    {"AMapBeyondItsSlice",
     [](const fb::Plan &p) { SetItem<uint64_t>(Map(p)->strides(), 0, 48); },
     {"entry rows", "tensor map 0 spans"}},
    {"AMapWithMoreRowsThanItsSlice",
     [](const fb::Plan &p) { Put(Map(p)->dims()->Get(1), fb::Dim(fb::Axis::token, 1)); },
     {"tensor map 0 spans"}},
    {"AStrideOfNoWholeWords",
     [](const fb::Plan &p) { SetItem<uint64_t>(Map(p)->strides(), 0, 24); },
     {"stride of 24"}},
    {"ABoxTooLarge",
     [](const fb::Plan &p) { SetItem<uint32_t>(Map(p)->box(), 1, 257); },
     {"box of 257"}},
    {"ABoxWiderThanTheSwizzle",
     [](const fb::Plan &p) { SetItem<uint32_t>(Map(p)->box(), 0, 12); },
     {"box of 48 bytes"}},
    {"AnUnknownSwizzle",
     [](const fb::Plan &p) { Set<uint32_t>(Map(p), fb::TensorMap::VT_SWIZZLE, 33); },
     {"swizzle of 33"}},
    {"AMapWithStridesThatAreNotAligned",
     [](const fb::Plan &p) { Shift(Map(p), fb::TensorMap::VT_STRIDES); },
     {"tensor map 0", "not aligned"}},
    {"AMapOfAnUnknownAxis",
     [](const fb::Plan &p) { Put(Map(p)->dims()->Get(1), fb::Dim(static_cast<fb::Axis>(9), 0)); },
     {"tensor map 0", "unknown axis"}},
};

const fb::LibraryCall *Library(const fb::Plan &plan) { return CommandOf(plan, kProduct, 0)->action_as_Launch()->library(); }
const fb::Product *Product(const fb::Plan &plan) { return Library(plan)->products()->Get(0); }

// In a plan with a library call.
const Fault kLibraryFaults[] = {
    {"AnUnknownLibrary", [](const fb::Plan &p) { Set<int8_t>(Library(p), fb::LibraryCall::VT_LIBRARY, 3); },
     {"entry product", "command 0 (core) asks for an unknown library 3"}},
    {"AWorkspaceThatIsNoSlice", [](const fb::Plan &p) { Set<uint32_t>(Library(p), fb::LibraryCall::VT_WORKSPACE, 4); },
     {"slice 4 of 4", "workspace"}},
    {"AProductOfNoArgument", [](const fb::Plan &p) { Set<int32_t>(Product(p), fb::Product::VT_LEFT, 3); },
     {"product 0 has argument 3 of 3 as its left operand"}},
    {"AProductWithoutAResult", [](const fb::Plan &p) { Set<int32_t>(Product(p), fb::Product::VT_RESULT, -1); },
     {"product 0 has argument -1 of 3 as its result"}},
    {"ABiasOfNoArgument", [](const fb::Plan &p) { Set<int32_t>(Product(p), fb::Product::VT_BIAS, 7); },
     {"product 0 has argument 7 of 3 as its bias"}},
    {"AResidualOfNoArgument", [](const fb::Plan &p) { Set<int32_t>(Product(p), fb::Product::VT_RESIDUAL, 3); },
     {"product 0 has argument 3 of 3 as its residual"}},
    {"MoreColumnsThanTheResult", [](const fb::Plan &p) { Put(Product(p)->columns(), fb::Dim(fb::Axis::fixed, 16)); },
     {"product 0's result must be bf16", "32 x 16"}},
    {"MoreTermsThanTheOperands", [](const fb::Plan &p) { Put(Product(p)->depth(), fb::Dim(fb::Axis::fixed, 72)); },
     {"product 0's left operand must be bf16", "32 x 72"}},
    {"MoreRowsThanTheCapacity", [](const fb::Plan &p) { Put(Product(p)->rows(), fb::Dim(fb::Axis::context, 1)); },
     {"product 0's result must be bf16", "33 x 8"}},
    {"RowsThatAreNoWholeWords", [](const fb::Plan &p) { Put(Product(p)->depth(), fb::Dim(fb::Axis::fixed, 63)); },
     {"product 0's left operand must be", "in rows of whole 16 bytes"}},
    {"AnAxisWithoutACapacity", [](const fb::Plan &p) { Put(Product(p)->rows(), fb::Dim(fb::Axis::group, 0)); },
     {"product 0 has an unknown axis or an extent out of range"}},
    {"ColumnsThatVary", [](const fb::Plan &p) { Put(Product(p)->columns(), fb::Dim(fb::Axis::context, 0)); },
     {"product 0 varies in its columns"}},
    {"TwoExtentsThatVary", [](const fb::Plan &p) { Put(Product(p)->depth(), fb::Dim(fb::Axis::context, 0)); },
     {"product 0 varies in two extents"}},
    {"AnOperandThatVariesWithinItsRows",
     [](const fb::Plan &p) { Set<uint8_t>(Product(p), fb::Product::VT_LEFT_TRANSPOSED, 1); },
     {"product 0's left operand varies within its rows"}},
    {"AnOperandOfF32", [](const fb::Plan &p) { SetItem<uint32_t>(CommandOf(p, kProduct, 0)->action_as_Launch()->args(), 0, 3); },
     {"product 0's left operand must be bf16", "slice workspace is not"}},
    {"AccumulatingABias",
     [](const fb::Plan &p) {
       Set<uint8_t>(Product(p), fb::Product::VT_ACCUMULATE, 1);
       Set<int32_t>(Product(p), fb::Product::VT_RESIDUAL, 2);
     },
     {"product 0 accumulates, and has a bias or a residual"}},
};

class Faulty : public testing::TestWithParam<const Fault *> {};

TEST_P(Faulty, IsRefused) {
  const Fault &fault = *GetParam();
  CoreOptions options;
  options.library = &fault >= std::begin(kLibraryFaults) && &fault < std::end(kLibraryFaults);
  options.cuda = options.library || (&fault >= std::begin(kTensorMapFaults) && &fault < std::end(kTensorMapFaults));
  std::vector<uint8_t> bytes = CorePlanBytes(options);
  fault.make(*fb::GetPlan(bytes.data()));
  ASSERT_TRUE(StoreContentHash(bytes.data(), bytes.size()));
  auto plan = Plan::Parse(std::move(bytes), "core.plan");
  ExpectError(plan, "core.plan");
  for (const std::string &text : fault.said)
    ExpectError(plan, text);
}

std::vector<const Fault *> AllFaults() {
  std::vector<const Fault *> faults;
  for (const Fault &fault : kFaults)
    faults.push_back(&fault);
  for (const Fault &fault : kTensorMapFaults)
    faults.push_back(&fault);
  for (const Fault &fault : kLibraryFaults)
    faults.push_back(&fault);
  return faults;
}

// What the faults are put into is right without them.
TEST(Validate, APlanWithATensorMapIsRead) {
  CoreOptions options;
  options.cuda = true;
  EXPECT_TRUE(Plan::Parse(CorePlanBytes(options), "core.plan").ok());
}

TEST(Validate, APlanWithALibraryCallIsRead) {
  EXPECT_TRUE(Plan::Parse(CorePlanBytes({.cuda = true, .library = true}), "core.plan").ok());
}

// A CPU's kernels get an array however many there are.
TEST(Validate, MoreBuffersThanAKernelTakes) {
  for (bool array : {false, true}) {
    size_t most = array ? kMaxBuffersInArray : kMaxBuffers;
    CoreOptions options = {.cuda = true, .array = array, .sums_buffers = most};
    EXPECT_TRUE(Plan::Parse(CorePlanBytes(options), "core.plan").ok());
    ++options.sums_buffers;
    ExpectError(Plan::Parse(CorePlanBytes(options), "core.plan"),
                "entry sums: command 0 (core) has " + std::to_string(most + 1) + " buffers; kernel core_sums takes at most " +
                    std::to_string(most));
  }
  EXPECT_TRUE(Plan::Parse(CorePlanBytes({.sums_buffers = 1000}), "core.plan").ok());
}

TEST(Validate, ALibraryOnACpu) {
  ExpectError(Plan::Parse(CorePlanBytes({.library = true}), "core.plan"), "entry product", "asks for a library, which only a GPU has");
}

INSTANTIATE_TEST_SUITE_P(Validate, Faulty, testing::ValuesIn(AllFaults()),
                         [](const auto &info) { return std::string(info.param->name); });

} // namespace
} // namespace mirl::rt::test
