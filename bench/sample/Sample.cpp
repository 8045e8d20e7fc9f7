// nn.sample as compile-kernels generates it, on one thread: microseconds a row, by vocabulary and by what top_k and
// top_p are. The logits are normal with deviation 3, about as spread as a language model's.

#include "test/codegen/Harness.h"

#include <benchmark/benchmark.h>
#include <cstdlib>
#include <random>

using namespace mirl::test;

namespace {

constexpr int64_t kRows = 32;

std::string textOf(int64_t vocabulary) {
  auto in = [](const char *name, const std::string &type) {
    return std::string("%") + name + ": " + type + " {nn.name = \"" + name + "\", nn.source = \"input:" + name + "\"}";
  };
  std::string rows = "tensor<?x" + std::to_string(vocabulary) + "xf32, #nn.axis<token>>";
  std::string i32 = "tensor<?xi32, #nn.axis<token>>", i64 = "tensor<?xi64, #nn.axis<token>>";
  std::string f32 = "tensor<?xf32, #nn.axis<token>>";
  return "func.func @e(" + in("z", rows) + ", " + in("ids", i64) + ", " + in("steps", i32) + ", " +
         in("seed", "tensor<i64>") + ", " + in("temperature", "tensor<f32>") + ", " + in("top_k", "tensor<i32>") +
         ", " + in("top_p", "tensor<f32>") + ") -> (" + i32 + " {nn.name = \"t\", nn.source = \"output:t\"}, " + f32 +
         " {nn.name = \"p\", nn.source = \"output:p\"}) attributes {nn.kind = \"plain\", nn.capacities = {token = " +
         std::to_string(kRows) + " : i64}} {\n%t, %p = nn.sample %z, %ids, %steps, %seed, %temperature, %top_k, %top_p : (" +
         rows + ", " + i64 + ", " + i32 + ", tensor<i64>, tensor<f32>, tensor<i32>, tensor<f32>) -> (" + i32 + ", " +
         f32 + ")\nreturn %t, %p : " + i32 + ", " + f32 + "\n}";
}

void sample(benchmark::State &state, int64_t vocabulary, double temperature, double topK, double topP) {
  std::string error;
  auto entry = Entry::compile(textOf(vocabulary), &error);
  if (!entry) {
    llvm::errs() << "mirl-bench-sample: error: " << error;
    std::exit(1);
  }
  Extents extents{0, kRows, 0, 0};
  auto arguments = entry->randomArguments(extents);
  std::mt19937 generator(1);
  std::normal_distribution<float> normal(0, 3);
  for (double &logit : arguments[0].data)
    logit = normal(generator);
  for (size_t i : {1u, 2u})
    for (double &value : arguments[i].data)
      value = static_cast<double>(generator() % 1000);
  const double scalars[] = {7, temperature, topK, static_cast<float>(topP)};
  for (size_t i = 0; i < 4; ++i)
    arguments[3 + i].data[0] = scalars[i];
  auto run = entry->prepared(arguments, extents);
  for (auto _ : state)
    run();
  // Seconds, printed as "102u".
  state.counters["row"] =
      benchmark::Counter(kRows * state.iterations(), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

} // namespace

int main(int argc, char **argv) {
  const struct {
    const char *name;
    double temperature, topK, topP;
  } settings[] = {{"plain", 1, 0, 1}, {"greedy", 0, 0, 1}, {"top_p_0.9", 1, 0, 0.9}, {"top_k_50", 1, 50, 1}, {"both", 1, 50, 0.9}};
  for (int64_t vocabulary : {1000, 32000, 151936})
    for (auto &s : settings)
      benchmark::RegisterBenchmark(("sample/" + std::to_string(vocabulary) + "/" + s.name).c_str(),
                                   [=](benchmark::State &state) {
                                     sample(state, vocabulary, s.temperature, s.topK, s.topP);
                                   })
          ->Unit(benchmark::kMicrosecond);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
