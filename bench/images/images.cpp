#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "media/geometry.h"
#include "media/normalize.h"
#include "pictures.h"
#include "processing/fixed_square.h"
#include "processing/pixel_config.h"
#include "processing/qwen_patches.h"
#include "processing/resize_rules.h"

// Preparation of pictures, from file to floats. compare.py runs this program beside Pillow and transformers;
// the pictures are those that --pictures wrote to the folder in BENCH_IMAGES.

namespace {

using namespace mlx_vision;

std::string picture(const char* name) {
  const char* folder = std::getenv("BENCH_IMAGES");
  return std::string(folder != nullptr ? folder : ".") + "/" + name;
}

processing::ProcessorFiles files(const char* image_processor) {
  const auto empty = [](const char* name) { return core::ConfigReader::empty(name); };
  return {empty("config.json"), core::ConfigReader::from_text(image_processor, "preprocessor_config.json"),
          empty("processor_config.json")};
}

/// Shortest edge 336, centre crop: what CLIP does, with the resize inside the decoder.
std::vector<float> clip_from_file(const std::string& name) {
  static const media::NormalizeTable table(processing::kClipMean, processing::kClipStd,
                                           media::RescaleOrder::hf_pil);
  const FittedResize resize{[](int width, int height) {
    const processing::Size size = processing::fit_shortest_edge({width, height}, 336);
    return std::pair(size.width, size.height);
  }};
  const Image small = Image::from_file_resized(name, resize);
  const Image square = media::crop(small, (small.width() - 336) / 2, (small.height() - 336) / 2, 336, 336);
  std::vector<float> planes(square.pixels().size());
  media::write_planes(square, table, planes);
  return planes;
}

std::vector<float> clip_of(const Image& image) {
  static const media::NormalizeTable table(processing::kClipMean, processing::kClipStd,
                                           media::RescaleOrder::hf_pil);
  const processing::Size size = processing::fit_shortest_edge({image.width(), image.height()}, 336);
  const Image small = image.resized(size.width, size.height, Filter::bicubic);
  const Image square = media::crop(small, (small.width() - 336) / 2, (small.height() - 336) / 2, 336, 336);
  std::vector<float> planes(square.pixels().size());
  media::write_planes(square, table, planes);
  return planes;
}

void decode(benchmark::State& state, const char* name) {
  for (auto _ : state) benchmark::DoNotOptimize(Image::from_file(picture(name)).pixels().data());
}

void clip_whole(benchmark::State& state, const char* name) {
  for (auto _ : state) benchmark::DoNotOptimize(clip_from_file(picture(name)).data());
}

void clip_decoded(benchmark::State& state, const char* name) {
  const Image image = Image::from_file(picture(name));
  for (auto _ : state) benchmark::DoNotOptimize(clip_of(image).data());
}

void qwen_whole(benchmark::State& state, const char* name) {
  const auto processor =
      processing::make_qwen_patches(files(R"({"image_processor_type": "Qwen2VLImageProcessor"})"), {});
  for (auto _ : state)
    benchmark::DoNotOptimize(processor->prepare(Image::from_file(picture(name)), 1).arrays.size());
}

void resize(benchmark::State& state, const char* name, int width, int height, Filter filter) {
  const Image image = Image::from_file(picture(name));
  for (auto _ : state) benchmark::DoNotOptimize(image.resized(width, height, filter).pixels().data());
}

BENCHMARK_CAPTURE(decode, large, "large.jpg")->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK_CAPTURE(decode, small, "small.jpg")->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK_CAPTURE(clip_whole, large, "large.jpg")->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK_CAPTURE(clip_whole, small, "small.jpg")->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK_CAPTURE(clip_decoded, large, "large.jpg")->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK_CAPTURE(clip_decoded, small, "small.jpg")->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK_CAPTURE(qwen_whole, small, "small.jpg")->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK_CAPTURE(resize, large_lanczos, "large.jpg", 336, 252, Filter::lanczos)
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK_CAPTURE(resize, large_bicubic, "large.jpg", 336, 252, Filter::bicubic)
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK_CAPTURE(resize, large_bilinear, "large.jpg", 336, 252, Filter::bilinear)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

/// Kilobytes that this process has held at most since reset_peak(); getrusage would count its parent's as
/// well.
long peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (long size = 0; word == "VmHWM:" && status >> size) return size;
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;  // bytes where there is no /proc
}

void reset_peak() { std::ofstream("/proc/self/clear_refs") << 5; }

}  // namespace

/// `bench_images --pictures FOLDER` writes the pictures. `bench_images --memory` prints the peak's growth
/// over one decode-and-resize of large.jpg, in kilobytes.
int main(int count, char** arguments) {
  if (count == 3 && std::string_view(arguments[1]) == "--pictures") {
    write_pictures(arguments[2]);
    return 0;
  }
  if (count == 2 && std::string_view(arguments[1]) == "--memory") {
    clip_from_file(picture("small.jpg"));  // what libraries and tables need in any case
    reset_peak();
    const long before = peak_memory();
    clip_from_file(picture("large.jpg"));
    std::cout << peak_memory() - before << "\n";
    return 0;
  }
  benchmark::Initialize(&count, arguments);
  benchmark::RunSpecifiedBenchmarks();
}
