#include "runtime/weights/Safetensors.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "test/runtime/core/CorePlan.h"

namespace mirl::rt::test {
namespace {

std::string FileOf(const std::string &header, const std::string &data) {
  std::string text(8, '\0');
  for (size_t i = 0; i < 8; ++i)
    text[i] = static_cast<char>(header.size() >> 8 * i);
  return text + header + data;
}

template <typename T>
TensorView View(const char *name, TensorDType dtype, std::vector<int64_t> shape, const T *data) {
  return {name, dtype, std::move(shape), reinterpret_cast<const uint8_t *>(data)};
}

TEST(Safetensors, RoundTrip) {
  Folder folder;
  const float a[] = {1, 2, 3, 4, 5, 6};
  const int64_t b = -7;
  const uint8_t c[] = {1, 2, 3};
  std::vector<TensorView> tensors = {
      View("z", TensorDType::F32, {2, 3}, a), View("scalar", TensorDType::I64, {}, &b),
      View("odd", TensorDType::U8, {3}, c), View("none", TensorDType::F32, {0, 5}, a)};
  ASSERT_TRUE(
      WriteSafetensors(folder / "a", tensors, {{"format", "pt"}, {"what", "\"quoted\" é"}}).ok());
  auto file = SafetensorsFile::Open(folder / "a");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->tensors().size(), 4u);
  EXPECT_EQ((*file)->metadata().at("what"), "\"quoted\" é");
  const TensorView *z = (*file)->Find("z");
  ASSERT_NE(z, nullptr);
  EXPECT_EQ(z->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(std::memcmp(z->data, a, sizeof(a)), 0);
  int64_t value = 0;
  ASSERT_TRUE(ConvertToI64(*(*file)->Find("scalar"), &value).ok());
  EXPECT_EQ(value, -7);
  EXPECT_EQ((*file)->Find("scalar")->elements(), 1);
  EXPECT_EQ((*file)->Find("none")->elements(), 0);
  EXPECT_EQ((*file)->Find("y"), nullptr);
  EXPECT_EQ((*file)->Find(""), nullptr);
  std::string text = ReadText(folder / "a");
  EXPECT_EQ(static_cast<uint8_t>(text[0]) % 8, 0) << "the data is aligned";
}

TEST(Safetensors, NoTensorsAtAll) {
  Folder folder;
  ASSERT_TRUE(WriteSafetensors(folder / "a", {}).ok());
  auto file = SafetensorsFile::Open(folder / "a");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->tensors().empty());
}

TEST(Safetensors, TwoTensorsOfOneNameAreNotWritten) {
  Folder folder;
  const float a[] = {1};
  ExpectError(WriteSafetensors(folder / "a", {View("x", TensorDType::F32, {1}, a),
                                              View("x", TensorDType::F32, {1}, a)}),
              "'x'");
  EXPECT_TRUE(folder.Names().empty());
}

struct Hostile {
  const char *header;
  size_t data;
  std::vector<const char *> said;
};

TEST(Safetensors, HostileHeaders) {
  Folder folder;
  const Hostile files[] = {
      {"", 0, {"JSON"}},
      {"{", 0, {"JSON"}},
      {"[]", 0, {"JSON object"}},
      {"null", 0, {"JSON object"}},
      {"{}}", 0, {"JSON"}},
      {"{}", 1, {"0 of 1 bytes"}},
      {R"({"x": 1})", 0, {"'x'", "dtype"}},
      {R"({"x": {}})", 0, {"'x'", "dtype"}},
      {R"({"x": {"dtype": "F32", "shape": [1]}})", 4, {"'x'", "data_offsets"}},
      {R"({"x": {"dtype": 7, "shape": [1], "data_offsets": [0, 4]}})", 4, {"'x'", "dtype"}},
      {R"({"x": {"dtype": "F8", "shape": [1], "data_offsets": [0, 1]}})", 1, {"'x'", "F8", "BF16"}},
      {R"({"x": {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]}})", 4, {"'x'", "shape"}},
      {R"({"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}})", 4, {"'x'", "shape"}},
      {R"({"x": {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}})", 4, {"'x'", "shape"}},
      {R"({"x": {"dtype": "F32", "shape": ["1"], "data_offsets": [0, 4]}})", 4, {"'x'", "shape"}},
      {R"({"x": {"dtype": "F32", "shape": [18446744073709551615], "data_offsets": [0, 4]}})",
       4,
       {"'x'", "shape"}},
      // Products that wrap around to the four bytes that are there.
      {R"({"x": {"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 0]}})",
       0,
       {"'x'", "shape"}},
      {R"({"x": {"dtype": "F32", "shape": [4611686018427387905], "data_offsets": [0, 4]}})",
       4,
       {"'x'", "shape"}},
      {R"({"x": {"dtype": "F32", "shape": [0, 9223372036854775807, 9223372036854775807], "data_offsets": [0, 4]}})",
       4,
       {"'x'"}},
      {R"({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}})", 4, {"'x'", "[2]", "4"}},
      {R"({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}})",
       4,
       {"'x'", "data_offsets"}},
      {R"({"x": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}})",
       4,
       {"'x'", "data_offsets"}},
      {R"({"x": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}})",
       4,
       {"'x'", "data_offsets"}},
      {R"({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 8]}})",
       4,
       {"'x'", "data_offsets"}},
      {R"({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1e3]}})",
       4,
       {"'x'", "data_offsets"}},
      {R"({"x": {"dtype": "F32", "shape": [1], "data_offsets": [18446744073709551612, 18446744073709551615]}})",
       4,
       {"'x'", "data_offsets"}},
      {R"({"x": {"dtype": "F32", "shape": [1], "data_offsets": "all"}})",
       4,
       {"'x'", "data_offsets"}},
      // A hole before, between and behind; bytes of two tensors.
      {R"({"x": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})", 8, {"'x'"}},
      {R"({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "y": {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]}})",
       12,
       {"'y'"}},
      {R"({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})", 8, {"4 of 8 bytes"}},
      {R"({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "y": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})",
       8,
       {"'y'"}},
      {R"({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "y": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})",
       4,
       {"'y'"}},
      {R"({"__metadata__": []})", 0, {"__metadata__"}},
      {R"({"__metadata__": {"a": 1}})", 0, {"__metadata__", "'a'"}},
      {"{\"\xFF\": 1}", 0, {"JSON"}},
  };
  for (const Hostile &hostile : files) {
    SCOPED_TRACE(hostile.header);
    auto file = SafetensorsFile::Open(
        folder.Write("bad.safetensors", FileOf(hostile.header, std::string(hostile.data, 'x'))));
    ExpectError(file, "bad.safetensors");
    for (const char *text : hostile.said)
      ExpectError(file, text);
  }
}

TEST(Safetensors, HostileLengths) {
  Folder folder;
  auto open = [&](const std::string &text) {
    return SafetensorsFile::Open(folder.Write("bad", text));
  };
  ExpectError(open(""), "bad", "0 bytes");
  ExpectError(open("1234567"), "7 bytes");
  ExpectError(open(std::string(8, '\xFF')), "18446744073709551615");
  ExpectError(open(std::string("\x03\0\0\0\0\0\0\0{}", 10)), "3 bytes");
  ExpectError(open(FileOf(std::string(100000, '['), "")), "nested");
  std::string deep;
  for (int i = 0; i < 20000; ++i)
    deep += "{\"a\":";
  ExpectError(open(FileOf(deep, "")), "nested");
  ExpectError(SafetensorsFile::Open(folder / "none"), "none", "No such file");
  ExpectError(SafetensorsFile::Open(folder.path()), folder.path());
  ExpectError(SafetensorsFile::Open("/dev/zero"), "/dev/zero");
}

TEST(Safetensors, Fuzz) {
  Folder folder;
  const float data[16] = {};
  ASSERT_TRUE(WriteSafetensors(folder / "good",
                               {View("first", TensorDType::F32, {2, 3}, data),
                                View("second", TensorDType::BF16, {4, 2}, data),
                                View("third", TensorDType::I64, {}, data)},
                               {{"format", "pt"}})
                  .ok());
  const std::string good = ReadText(folder / "good");
  std::mt19937 random(5);
  auto open = [&](const std::string &text) {
    auto file = SafetensorsFile::Open(folder.Write("bad", text));
    if (!file.ok())
      return;
    uint64_t sum = 0; // What is handed out is there.
    for (const TensorView &tensor : (*file)->tensors())
      for (int64_t i = 0; i < tensor.bytes(); ++i)
        sum += tensor.data[i];
    EXPECT_LE(sum, good.size() * 255);
  };
  for (size_t size = 0; size < good.size(); ++size)
    open(good.substr(0, size));
  for (int i = 0; i < 4000; ++i) {
    std::string text = good;
    for (uint32_t flips = 1 + random() % 3; flips > 0; --flips)
      text[random() % text.size()] ^= static_cast<char>(1u << random() % 8);
    open(text);
  }
  for (int i = 0; i < 2000; ++i) { // Digits into other digits keep the JSON sound.
    std::string text = good;
    for (size_t at = 8; at < text.size(); ++at)
      if (text[at] >= '0' && text[at] <= '9' && random() % 4 == 0)
        text[at] = static_cast<char>('0' + random() % 10);
    open(text);
  }
}

TEST(Safetensors, AFullDiskLeavesTheOldFile) {
  Folder folder;
  std::vector<float> data(100000, 1.0f);
  const float one = 1;
  std::string path = folder / "a.safetensors";
  ASSERT_TRUE(WriteSafetensors(path, {View("x", TensorDType::F32, {}, &one)}).ok());
  std::string before = ReadText(path);
  for (uint64_t room : {0, 4, 64, 4096}) {
    FullDisk full(room);
    ExpectError(WriteSafetensors(path, {View("x", TensorDType::F32, {100000}, data.data())}), path,
                "File too large");
  }
  EXPECT_EQ(ReadText(path), before);
  EXPECT_THAT(folder.Names(), testing::ElementsAre("a.safetensors"));
}

TEST(Safetensors, HalvesAndBrainFloats) {
  struct Case {
    uint16_t bits;
    float value;
  };
  const Case halves[] = {{0x0000, 0.0f},      {0x8000, -0.0f},           {0x3C00, 1.0f},
                         {0xC000, -2.0f},     {0x3555, 0.333251953125f}, {0x7BFF, 65504.0f},
                         {0x0400, 0x1p-14f},  {0x03FF, 0x1.ff8p-15f},    {0x0001, 0x1p-24f},
                         {0x8001, -0x1p-24f}, {0x7C00, INFINITY},        {0xFC00, -INFINITY}};
  const Case brains[] = {{0x0000, 0.0f},     {0x8000, -0.0f},        {0x3F80, 1.0f},
                         {0xC000, -2.0f},    {0x3EAB, 0.333984375f}, {0x0001, 0x1p-133f},
                         {0x7F80, INFINITY}, {0xFF80, -INFINITY}};
  auto check = [](TensorDType dtype, std::span<const Case> cases) {
    for (const Case &one : cases) {
      float value;
      ASSERT_TRUE(ConvertToF32(View("x", dtype, {1}, &one.bits), &value).ok());
      EXPECT_EQ(std::bit_cast<uint32_t>(value), std::bit_cast<uint32_t>(one.value))
          << std::hex << one.bits;
    }
  };
  check(TensorDType::F16, halves);
  check(TensorDType::BF16, brains);
  // And back: every bf16 is itself, and what lies between two goes to the nearer, a tie to the even one.
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    float value = std::bit_cast<float>(bits << 16);
    uint16_t rounded = 0;
    RoundToBf16({&value, 1}, &rounded);
    if (std::isnan(value)) {
      EXPECT_TRUE((rounded & 0x7F80) == 0x7F80 && (rounded & 0x7F)) << std::hex << bits;
      continue;
    }
    EXPECT_EQ(rounded, bits);
    if ((bits & 0x7F80) == 0x7F80)
      continue;
    const std::pair<uint32_t, uint32_t> between[] = {{0x7FFF, bits}, {0x8000, bits + (bits & 1)}, {0x8001, bits + 1}};
    for (auto [rest, expected] : between) {
      value = std::bit_cast<float>(bits << 16 | rest);
      RoundToBf16({&value, 1}, &rounded);
      ASSERT_EQ(rounded, expected) << std::hex << bits << " " << rest;
    }
  }
  // Every half is what its three fields say.
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    auto half = static_cast<uint16_t>(bits);
    float value;
    ASSERT_TRUE(ConvertToF32(View("x", TensorDType::F16, {1}, &half), &value).ok());
    int exponent = half >> 10 & 31, mantissa = half & 1023;
    if (exponent == 31 && mantissa) {
      ASSERT_TRUE(std::isnan(value));
      continue;
    }
    double expected = exponent == 31  ? INFINITY
                      : exponent == 0 ? std::ldexp(mantissa, -24)
                                      : std::ldexp(1024 + mantissa, exponent - 25);
    ASSERT_EQ(value, half >> 15 ? -expected : expected) << std::hex << bits;
  }
}

TEST(Safetensors, WholeNumbers) {
  const int64_t big[] = {0, INT32_MAX, INT32_MIN, int64_t{INT32_MAX} + 1};
  const uint8_t bytes[] = {0, 255};
  const float real = 1;
  int32_t out[4];
  int64_t wide[4];
  EXPECT_TRUE(ConvertToI32(View("x", TensorDType::I64, {3}, big), out).ok());
  EXPECT_EQ(out[2], INT32_MIN);
  ExpectError(ConvertToI32(View("x", TensorDType::I64, {4}, big), out), "'x'", "element 3",
              "2147483648");
  EXPECT_TRUE(ConvertToI64(View("x", TensorDType::I64, {4}, big), wide).ok());
  EXPECT_EQ(wide[3], big[3]);
  EXPECT_TRUE(ConvertToI32(View("x", TensorDType::U8, {2}, bytes), out).ok());
  EXPECT_EQ(out[1], 255);
  ExpectError(ConvertToI32(View("x", TensorDType::F32, {1}, &real), out), "'x'", "F32");
  float f;
  ExpectError(ConvertToF32(View("x", TensorDType::I64, {1}, big), &f), "'x'", "I64");
}

} // namespace
} // namespace mirl::rt::test
