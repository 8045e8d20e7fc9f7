// Matrix products of bf16 for a GPU, with the results that the CPU's model of the tensor cores predicts
// (dialects/nn/reference/TensorCore.h): mirl-gpu-products FOLDER writes
//   products.mlir              one entry for each product, for mirlc
//   ENTRY.ROWS.in.safetensors  what it is called with
//   ENTRY.ROWS.out.safetensors what it must give, bit for bit

#include "dialects/nn/reference/TensorCore.h"
#include "runtime/weights/AtomicFile.h"
#include "runtime/weights/Safetensors.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace mirl::test {
namespace {

using Bits = std::vector<uint16_t>;
enum class Kind { linear, dataGrad, weightGrad };

struct Case {
  const char *name;
  Kind kind;
  int64_t n, k, capacity;
  std::vector<int64_t> rows;
  bool bias = false, residual = false;
  // Powers of two by which the operands are multiplied (and the gradient of a weight so far, by both), and whether an
  // infinity is among the left one's numbers; that gradient is then zero.
  int leftPower = 0, rightPower = 0;
  bool infinity = false;
};

// Below and above 256 rows at capacity (where the operands change sides), odd numbers of rows, extents that no tile
// divides, single tiles and many.
const std::vector<Case> kCases = {
    {"small", Kind::linear, 96, 96, 4096, {1, 7, 128, 301}},
    {"narrow", Kind::linear, 8, 72, 4096, {129}},
    {"wide", Kind::linear, 1152, 896, 4096, {65, 257}},
    {"full", Kind::linear, 264, 136, 4096, {3, 130, 500}, true, true},
    {"bias", Kind::linear, 136, 64, 4096, {77}, true, false},
    {"few1", Kind::linear, 896, 512, 1, {1}, true, true},
    {"few8", Kind::linear, 104, 264, 8, {1, 5, 8}, true, false},
    {"few64", Kind::linear, 520, 328, 64, {1, 33, 64}, false, true},
    {"few256", Kind::linear, 1152, 896, 256, {9, 200, 256}, true, true},
    {"data", Kind::dataGrad, 264, 136, 4096, {1, 301}},
    {"data_wide", Kind::dataGrad, 128, 1032, 4096, {150}},
    {"weight", Kind::weightGrad, 136, 264, 4096, {1, 16, 17, 333}},
    {"weight_tall", Kind::weightGrad, 1032, 40, 4096, {1000}},
    // The ends of the range: a weight's gradient shows all bits of the sums. Products and sums below the smallest normal
    // number; operands below it; sums beyond the largest number; an infinity.
    {"tiny_products", Kind::weightGrad, 136, 264, 4096, {5, 333}, false, false, -66, -66},
    {"tiniest_products", Kind::weightGrad, 136, 264, 4096, {2, 16, 333}, false, false, -71, -71},
    {"tiny_operands", Kind::weightGrad, 136, 264, 4096, {333}, false, false, -127, 100},
    {"huge_products", Kind::weightGrad, 136, 264, 4096, {333}, false, false, 57, 57},
    {"infinity", Kind::weightGrad, 136, 264, 4096, {333}, false, false, 0, 0, true},
};

float widen(uint16_t bits) {
  uint32_t wide = uint32_t(bits) << 16;
  float result;
  std::memcpy(&result, &wide, 4);
  return result;
}

uint16_t round(float value) {
  uint16_t bits;
  rt::RoundToBf16({&value, 1}, &bits);
  return bits;
}

class Product {
public:
  Product(const Case &c, int64_t rows, const std::string &folder)
      : c(c), rows(rows), folder(folder), generator(static_cast<unsigned>(c.n * 7919 + c.k * 31 + rows)) {}

  absl::Status write() {
    bool linear = c.kind == Kind::linear;
    Bits left = random(rows * (linear ? c.k : c.n), c.leftPower);
    Bits right = random(c.kind == Kind::weightGrad ? rows * c.k : c.n * c.k, c.rightPower);
    Bits bias = random(c.n), residual = random(rows * c.n);
    std::vector<float> into(c.n * c.k);
    for (float &x : into)
      x = c.infinity ? 0 : std::ldexp(normal(generator), c.leftPower + c.rightPower);
    if (c.infinity)
      left[left.size() / 2] = round(INFINITY); // one in a sum: no NaN, whose bits are not stated
    add("a", {rows, linear ? c.k : c.n}, left);
    if (c.kind == Kind::weightGrad) {
      add("b", {rows, c.k}, right);
      views.push_back({"into", rt::TensorDType::F32, {c.n, c.k}, reinterpret_cast<const uint8_t *>(into.data())});
    } else {
      add("b", {c.n, c.k}, right);
    }
    if (c.bias)
      add("bias", {c.n}, bias);
    if (c.residual)
      add("residual", {rows, c.n}, residual);
    std::string stem = folder + "/" + c.name + "." + std::to_string(rows);
    if (absl::Status status = rt::WriteSafetensors(stem + ".in.safetensors", views); !status.ok())
      return status;
    views.clear();
    Bits result;
    switch (c.kind) {
    case Kind::linear:
      for (int64_t m = 0; m < rows; ++m)
        for (int64_t n = 0; n < c.n; ++n) {
          float sum = sumOf(strided(left, m * c.k, 1, c.k), strided(right, n * c.k, 1, c.k));
          if (c.bias)
            sum += widen(bias[n]);
          if (c.residual)
            sum = widen(round(sum)) + widen(residual[m * c.n + n]);
          result.push_back(round(sum));
        }
      add("y", {rows, c.n}, result);
      break;
    case Kind::dataGrad:
      for (int64_t m = 0; m < rows; ++m)
        for (int64_t k = 0; k < c.k; ++k)
          result.push_back(round(sumOf(strided(left, m * c.n, 1, c.n), strided(right, k, c.k, c.n))));
      add("y", {rows, c.k}, result);
      break;
    case Kind::weightGrad:
      for (int64_t n = 0; n < c.n; ++n)
        for (int64_t k = 0; k < c.k; ++k)
          into[n * c.k + k] += sumOf(strided(left, n, c.n, rows), strided(right, k, c.k, rows));
      views.push_back({"y", rt::TensorDType::F32, {c.n, c.k}, reinterpret_cast<const uint8_t *>(into.data())});
      break;
    }
    return rt::WriteSafetensors(stem + ".out.safetensors", views);
  }

private:
  // Numbers of many magnitudes: sums whose terms are aligned to different exponents, and truncated.
  Bits random(int64_t count, int power = 0) {
    std::uniform_int_distribution<int> exponent(-6, 6);
    Bits bits(count);
    for (uint16_t &x : bits)
      x = round(std::ldexp(normal(generator), exponent(generator) + power));
    return bits;
  }
  void add(const char *name, std::vector<int64_t> shape, const Bits &bits) {
    views.push_back({name, rt::TensorDType::BF16, std::move(shape), reinterpret_cast<const uint8_t *>(bits.data())});
  }
  static Bits strided(const Bits &bits, int64_t from, int64_t stride, int64_t count) {
    Bits result(count);
    for (int64_t i = 0; i < count; ++i)
      result[i] = bits[from + i * stride];
    return result;
  }
  static float sumOf(const Bits &a, const Bits &b) { return nn::reference::tensorCoreSum(a, b); }

  const Case &c;
  int64_t rows;
  const std::string &folder;
  std::mt19937 generator;
  std::normal_distribution<float> normal;
  std::vector<rt::TensorView> views;
};

// One entry of nn ops.
std::string entry(const Case &c) {
  auto tensor = [](int64_t rows, int64_t columns, const char *type) {
    return "tensor<" + (rows ? std::to_string(rows) : "?") + "x" + std::to_string(columns) + "x" + type +
           (rows ? ">" : ", #nn.axis<context>>");
  };
  auto port = [](const std::string &name, const std::string &type, const char *kind) {
    return type + " {nn.name = \"" + name + "\", nn.source = \"" + kind + ":" + name + "\"}";
  };
  bool linear = c.kind == Kind::linear, weight = c.kind == Kind::weightGrad;
  std::string a = tensor(0, linear ? c.k : c.n, "bf16"), b = weight ? tensor(0, c.k, "bf16") : tensor(c.n, c.k, "bf16");
  std::string y = linear ? tensor(0, c.n, "bf16") : weight ? tensor(c.n, c.k, "f32") : tensor(0, c.k, "bf16");
  std::string arguments = "%a: " + port("a", a, "input") + ", %b: " + port("b", b, "input"), types = a + ", " + b, op;
  auto extra = [&](const char *name, const std::string &type) {
    arguments += std::string(", %") + name + ": " + port(name, type, "input");
    types += ", " + type;
  };
  if (linear)
    op = "nn.linear %a, %b";
  else
    op = weight ? "nn.linear_weight_grad %a, %b, %into" : "nn.linear_data_grad %a, %b";
  if (weight)
    extra("into", y);
  if (c.bias) {
    extra("bias", "tensor<" + std::to_string(c.n) + "xbf16>");
    op += " bias(%bias)";
  }
  if (c.residual) {
    extra("residual", y);
    op += " residual(%residual)";
  }
  return "func.func @" + std::string(c.name) + "(" + arguments + ")\n    -> (" + port("y", y, "output") +
         ")\n    attributes {nn.kind = \"plain\", nn.capacities = {context = " + std::to_string(c.capacity) + " : i64}} {\n  %y = " +
         op + " : (" + types + ") -> " + y + "\n  return %y : " + y + "\n}\n\n";
}

absl::Status writeAll(const std::string &folder) {
  std::string program;
  for (const Case &c : kCases) {
    program += entry(c);
    for (int64_t rows : c.rows)
      if (absl::Status status = Product(c, rows, folder).write(); !status.ok())
        return status;
  }
  return rt::WriteFileAtomically(folder + "/products.mlir", program);
}

} // namespace
} // namespace mirl::test

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: mirl-gpu-products FOLDER\n");
    return 2;
  }
  absl::Status status = mirl::test::writeAll(argv[1]);
  if (!status.ok())
    std::fprintf(stderr, "mirl-gpu-products: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
