// The CPU kernels at the shapes of Qwen2-VL-2B, beside what the machine could give: BLAS products and memory
// reads in the same run. --threads=N comes before google-benchmark's own flags.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "kernels/activation.h"
#include "kernels/attention.h"
#include "kernels/few_rows.h"
#include "kernels/linear.h"
#include "kernels/many_rows.h"
#include "kernels/norm.h"
#include "kernels/self_check.h"
#include "kernels/tile_rows.h"
#include "kernels/vector_packed.h"

using namespace mlx_vision;
using namespace mlx_vision::kernels;

namespace {

constexpr int kHidden = 1536, kMlp = 8960, kGroup = 64;

mx::array noise(const mx::Shape& shape) {
  auto x = mx::random::normal(shape, mx::float32, 0, 1, mx::random::key(1));
  mx::eval(x);
  return x;
}

LinearWeight weight(int out, int in, int bits) {
  const auto dense = noise({out, in});
  LinearWeight w{.data = mx::astype(dense, mx::bfloat16)};
  if (bits == 32) w.data = dense;
  if (bits < 16) {
    const auto parts = mx::quantize(dense, kGroup, bits);
    w = {.data = parts[0],
         .scales = mx::astype(parts[1], mx::bfloat16),
         .biases = mx::astype(parts[2], mx::bfloat16),
         .group_size = kGroup,
         .bits = bits};
    mx::eval(*w.scales, *w.biases);
  }
  mx::eval(w.data);
  return w;
}

void rate(benchmark::State& state, const char* name, double amount) {
  state.counters[name] =
      benchmark::Counter(amount, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}

void read_memory(benchmark::State& state) {
  for (auto _ : state) state.counters["bytes/s"] = read_bandwidth();
}

void blas(benchmark::State& state) {
  const int rows = int(state.range(0));
  const auto x = noise({rows, kHidden}), w = noise({kMlp, kHidden});
  for (auto _ : state) mx::eval(mx::matmul(x, mx::transpose(w)));
  rate(state, "flops", 2.0 * rows * kMlp * kHidden);
}

void linear_bits(benchmark::State& state) {
  const int bits = int(state.range(0)), rows = int(state.range(1));
  const auto x = noise({rows, kHidden});
  const LinearWeight w = weight(kMlp, kHidden, bits);
  for (auto _ : state) mx::eval(linear(x, w));
  rate(state, "flops", 2.0 * rows * kMlp * kHidden);
  std::size_t bytes = w.data.nbytes();
  if (w.scales) bytes += w.scales->nbytes() + w.biases->nbytes();
  rate(state, "bytes/s", double(bytes));
}

/// The ways on either side of the switch: kManyRows is where the second becomes the faster, vector_packed()
/// knows from where on it is.
template <void (*kMultiply)(const LinearProduct&, float*)>
void rows_way(benchmark::State& state) {
  const int rows = int(state.range(0));
  const auto x = noise({rows, kHidden});
  const LinearWeight w = weight(kMlp, kHidden, 4);
  std::vector<float> y(std::size_t(rows) * kMlp),
      workspace(std::max({many_rows_workspace(rows, kHidden), few_rows_workspace(rows, kHidden),
                          tile_rows_workspace(rows, kHidden)}));
  const LinearProduct product{.x = x.data<float>(),
                              .rows = rows,
                              .weight = {.data = w.data.data<void>(),
                                         .out = kMlp,
                                         .in = kHidden,
                                         .element = Element::bfloat16,
                                         .bits = 4,
                                         .group = kGroup,
                                         .scales = w.scales->data<void>(),
                                         .biases = w.biases->data<void>()},
                              .y = y.data()};
  for (auto _ : state) kMultiply(product, workspace.data());
}

void attention_of(benchmark::State& state) {
  const int heads = int(state.range(0)), kv_heads = int(state.range(1)), queries = int(state.range(2)),
            keys = int(state.range(3)), d = int(state.range(4));
  const auto q = noise({1, heads, queries, d}), k = noise({1, kv_heads, keys, d}),
             v = noise({1, kv_heads, keys, d});
  for (auto _ : state)
    mx::eval(attention(q, k, v, {.scale = 1 / std::sqrt(float(d)), .causal = queries > 1}));
  rate(state, "flops", 4.0 * heads * queries * keys * d / (queries == keys ? 2 : 1));
  rate(state, "bytes/s", 8.0 * kv_heads * keys * d);
}

void silu_times(benchmark::State& state) {
  const auto x = noise({1024, kMlp}), y = noise({1024, kMlp});
  for (auto _ : state) mx::eval(activate(Activation::silu, x, y));
  rate(state, "bytes/s", 3.0 * double(x.nbytes()));
}

void rms(benchmark::State& state) {
  const auto x = noise({1024, kHidden}), w = noise({kHidden});
  for (auto _ : state) mx::eval(rms_norm(x, w, 1e-6f));
  rate(state, "bytes/s", 2.0 * double(x.nbytes()));
}

BENCHMARK(read_memory)->UseRealTime()->Iterations(1);
BENCHMARK(blas)->UseRealTime()->Arg(64)->Arg(512);
BENCHMARK(linear_bits)
    ->UseRealTime()
    ->ArgNames({"bits", "rows"})
    ->ArgsProduct({{2, 3, 4, 5, 6, 8, 16, 32}, {1, 4, 64, 512}});
BENCHMARK(rows_way<few_rows>)->UseRealTime()->DenseRange(1, 16)->Name("few_rows");
BENCHMARK(rows_way<many_rows>)->UseRealTime()->DenseRange(1, 16)->Name("many_rows");
BENCHMARK(rows_way<vector_packed>)->UseRealTime()->DenseRange(1, 16)->Name("vector_packed");
BENCHMARK(attention_of)
    ->UseRealTime()
    ->ArgNames({"heads", "kv", "queries", "keys", "d"})
    ->Args({12, 2, 1, 1024, 128})
    ->Args({12, 2, 1024, 1024, 128})
    ->Args({16, 16, 1024, 1024, 80});
BENCHMARK(silu_times)->UseRealTime();
BENCHMARK(rms)->UseRealTime();

}  // namespace

int main(int argc, char** argv) {
  mx::set_default_device(mx::Device::cpu);
  const std::string flag = "--threads=";
  if (argc > 1 && std::string(argv[1]).starts_with(flag)) {
    core::ThreadPool::shared().resize(std::atoi(argv[1] + flag.size()));
    std::swap(argv[0], argv[1]);
    --argc;
    ++argv;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::AddCustomContext("kernels", instruction_set());
  benchmark::AddCustomContext("threads", std::to_string(core::ThreadPool::shared().threads()));
  benchmark::RunSpecifiedBenchmarks();
}
