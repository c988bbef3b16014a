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

/// Shortest edge 336, centre crop: what CLIP does to a decoded picture.
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

void clip_decoded(benchmark::State& state, const char* name) {
  const Image image = Image::from_file(picture(name));
  for (auto _ : state) benchmark::DoNotOptimize(clip_of(image).data());
}

using Processor = std::unique_ptr<processing::ImageProcessor>;

Processor clip() {
  return processing::make_fixed_square(
      files(R"({"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 336},
                "crop_size": {"height": 336, "width": 336}})"),
      {});
}

Processor qwen() {
  return processing::make_qwen_patches(files(R"({"image_processor_type": "Qwen2VLImageProcessor"})"), {});
}

Image open_image(const std::string& name) { return Image::open(name); }
Image decode_image(const std::string& name) { return Image::from_file(name); }

/// From file to floats as the program does it, or with a decoded frame in between.
void whole(benchmark::State& state, const char* name, Processor (*make)(),
           Image (*load)(const std::string&)) {
  const Processor processor = make();
  for (auto _ : state) benchmark::DoNotOptimize(processor->prepare(load(picture(name)), 1).arrays.size());
}

void resize(benchmark::State& state, const char* name, int width, int height, Filter filter) {
  const Image image = Image::from_file(picture(name));
  for (auto _ : state) benchmark::DoNotOptimize(image.resized(width, height, filter).pixels().data());
}

BENCHMARK_CAPTURE(decode, large, "large.jpg")->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK_CAPTURE(decode, small, "small.jpg")->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK_CAPTURE(clip_decoded, large, "large.jpg")->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK_CAPTURE(clip_decoded, small, "small.jpg")->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK_CAPTURE(whole, clip_large, "large.jpg", clip, open_image)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK_CAPTURE(whole, clip_small, "small.jpg", clip, open_image)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK_CAPTURE(whole, qwen_large, "large.jpg", qwen, open_image)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK_CAPTURE(whole, qwen_small, "small.jpg", qwen, open_image)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK_CAPTURE(whole, clip_large_by_frame, "large.jpg", clip, decode_image)
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK_CAPTURE(whole, qwen_large_by_frame, "large.jpg", qwen, decode_image)
    ->MeasureProcessCPUTime()
    ->UseRealTime();
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

/// Kilobytes by which the peak grows over the preparation of large.jpg.
long growth(Processor (*make)(), Image (*load)(const std::string&)) {
  const Processor processor = make();
  processor->prepare(load(picture("small.jpg")), 1);  // what libraries and tables need in any case
  reset_peak();
  const long before = peak_memory();
  processor->prepare(load(picture("large.jpg")), 1);
  return peak_memory() - before;
}

}  // namespace

/// `bench_images --pictures FOLDER` writes the pictures. `bench_images --memory CASE` prints the peak's
/// growth over one preparation of large.jpg, in kilobytes. CASE: clip, qwen, clip_by_frame or qwen_by_frame;
/// one for each process, since freed memory is used again.
int main(int count, char** arguments) {
  if (count == 3 && std::string_view(arguments[1]) == "--pictures") {
    write_pictures(arguments[2]);
    return 0;
  }
  if (count == 3 && std::string_view(arguments[1]) == "--memory") {
    const std::string_view name = arguments[2];
    std::cout << growth(name.starts_with("clip") ? clip : qwen,
                        name.ends_with("frame") ? decode_image : open_image)
              << "\n";
    return 0;
  }
  benchmark::Initialize(&count, arguments);
  benchmark::RunSpecifiedBenchmarks();
}
