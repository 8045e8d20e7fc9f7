// The matrix products that compile-kernels generates, beside OpenBLAS' sgemm on the same shapes, on one
// thread. The generated ones include packing: an entry of one op is run whole, as in a plan.
//
//   linear       x (M×K) · wᵀ (w N×K)          sgemm(N, T)
//   data_grad    dy (M×N) · w (N×K)            sgemm(N, N)
//   weight_grad  into + dyᵀ · x                sgemm(T, N), beta 1

#include "test/codegen/Harness.h"

#include <benchmark/benchmark.h>
#include <cblas.h>
#include <cstdlib>

using namespace mirl::test;

extern "C" void openblas_set_num_threads(int);

namespace {

enum Kind { linear, dataGrad, weightGrad };

std::string textOf(Kind kind, int64_t n, int64_t k) {
  auto fixed = [](int64_t a, int64_t b) {
    return "tensor<" + std::to_string(a) + "x" + std::to_string(b) + "xf32>";
  };
  auto rows = [](int64_t columns) {
    return "tensor<?x" + std::to_string(columns) + "xf32, #nn.axis<context>>";
  };
  std::string out = R"( {nn.name = "r", nn.source = "output:r"})";
  std::string head = " attributes {nn.kind = \"plain\", nn.capacities = {context = 4096 : i64}} {\n";
  auto in = [](const char *name, const std::string &type) {
    return std::string("%") + name + ": " + type + " {nn.name = \"" + name +
           "\", nn.source = \"input:" + name + "\"}";
  };
  std::string type, op, result;
  switch (kind) {
  case linear:
    result = rows(n);
    return "func.func @e(" + in("x", rows(k)) + ", " + in("w", fixed(n, k)) + ") -> (" + result +
           out + ")" + head + "%r = nn.linear %x, %w : (" + rows(k) + ", " + fixed(n, k) + ") -> " +
           result + "\nreturn %r : " + result + "\n}";
  case dataGrad:
    result = rows(k);
    return "func.func @e(" + in("g", rows(n)) + ", " + in("w", fixed(n, k)) + ") -> (" + result +
           out + ")" + head + "%r = nn.linear_data_grad %g, %w : (" + rows(n) + ", " + fixed(n, k) +
           ") -> " + result + "\nreturn %r : " + result + "\n}";
  case weightGrad:
    result = fixed(n, k);
    return "nn.variable @into \"gradient\" \"bench\" \"w\" init \"zeros\" : " + result + "\nfunc.func @e(" +
           in("g", rows(n)) + ", " + in("x", rows(k)) + ", %into: " + result +
           " {nn.variable = @into}) -> (" + result + " {nn.alias = 2 : i64})" + head +
           "%r = nn.linear_weight_grad %g, %x, %into : (" + rows(n) + ", " + rows(k) + ", " + result +
           ") -> " + result + "\nreturn %r : " + result + "\n}";
  }
  return "";
}

void generated(benchmark::State &state, Kind kind) {
  int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  std::string error;
  auto entry = Entry::compile(textOf(kind, n, k), &error);
  if (!entry) {
    // A row that says nothing would pass unnoticed.
    llvm::errs() << "mirl-bench-matmul: error: " << error;
    std::exit(1);
  }
  Extents extents{m, 0, 0, 0};
  auto run = entry->prepared(entry->randomArguments(extents), extents);
  for (auto _ : state)
    run();
  state.counters["GFLOP/s"] = benchmark::Counter(2e-9 * m * n * k * state.iterations(),
                                                 benchmark::Counter::kIsRate);
}

void openblas(benchmark::State &state, Kind kind) {
  int m = state.range(0), n = state.range(1), k = state.range(2);
  openblas_set_num_threads(1);
  auto make = [](size_t size) {
    auto *data = static_cast<float *>(std::aligned_alloc(64, (size * 4 + 63) / 64 * 64));
    for (size_t i = 0; i < size; ++i)
      data[i] = static_cast<float>(i % 17) / 17 - 0.5f;
    return data;
  };
  float *mn = make(size_t(m) * n), *nk = make(size_t(n) * k), *mk = make(size_t(m) * k);
  for (auto _ : state) {
    if (kind == linear)
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, mk, k, nk, k, 0, mn, n);
    else if (kind == dataGrad)
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, k, n, 1, mn, n, nk, k, 0, mk, k);
    else
      cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, n, k, m, 1, mn, n, mk, k, 1, nk, k);
    benchmark::ClobberMemory();
  }
  state.counters["GFLOP/s"] =
      benchmark::Counter(2e-9 * m * n * k * state.iterations(), benchmark::Counter::kIsRate);
  std::free(mn);
  std::free(nk);
  std::free(mk);
}

} // namespace

int main(int argc, char **argv) {
  const int64_t shapes[][3] = {
      // M, N, K: squares, the small model, one row, larger models, decode of few rows
      {512, 512, 512},   {1024, 1024, 1024}, {2048, 2048, 2048}, {64, 96, 96},     {1024, 96, 96},
      {1024, 256, 96},   {1024, 96, 256},    {64, 256, 96},      {64, 48, 96},     {1024, 48, 96},
      {1, 96, 96},       {1, 512, 512},      {4, 512, 512},      {1, 2048, 2048},  {1024, 512, 512},
      {1024, 1408, 512}, {1024, 512, 1408},  {256, 32000, 512},
      {8, 96, 96},       {16, 96, 96},       {32, 96, 96},       {16, 256, 96},    {16, 512, 512},
      {32, 512, 512},    {1, 4096, 4096},    {4, 4096, 4096},    {5, 4096, 4096},  {8, 4096, 4096},
      {16, 4096, 4096},  {32, 4096, 4096},   {8, 768, 768},      {16, 768, 768},   {32, 768, 768},
  };
  const std::pair<const char *, Kind> kinds[] = {
      {"linear", linear}, {"data_grad", dataGrad}, {"weight_grad", weightGrad}};
  for (auto [name, kind] : kinds)
    for (auto &shape : shapes) {
      if (kind != linear && shape[0] < 64)
        continue;
      Kind which = kind;
      for (bool ours : {true, false})
        benchmark::RegisterBenchmark((std::string(name) + (ours ? "/mirl" : "/openblas")).c_str(),
                                     [=](benchmark::State &state) {
                                       ours ? generated(state, which) : openblas(state, which);
                                     })
            ->Args({shape[0], shape[1], shape[2]})
            ->Unit(benchmark::kMicrosecond);
    }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
