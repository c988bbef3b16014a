#include "processing/image_processors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "mlx_vision/error.h"
#include "processing/pattern.h"
#include "processing/resize_rules.h"

namespace mlx_vision::processing {
namespace {

using doctest::Contains;

ProcessorFiles files(const std::string& image_processor = "{}", const std::string& processor = "{}",
                     const std::string& config = "{}") {
  return {.config = core::ConfigReader::from_text(config, "config.json"),
          .image_processor = core::ConfigReader::from_text(image_processor, "preprocessor_config.json"),
          .processor = core::ConfigReader::from_text(processor, "processor_config.json")};
}

TEST_CASE("each model_type stands once, in alphabetical order") {
  const auto rows = image_processors();
  CHECK(std::adjacent_find(rows.begin(), rows.end(), [](const FamilyImages& a, const FamilyImages& b) {
          return a.model_type >= b.model_type;
        }) == rows.end());
  CHECK(find_image_processor("Gemma3").model_type == "gemma3");
  CHECK_THROWS_WITH_AS(find_image_processor("gemma"), Contains("gemma3n"), ConfigError);
}

TEST_CASE("every family prepares a picture without any file") {
  for (const FamilyImages& family : image_processors()) {
    CAPTURE(family.model_type);
    const auto processor = family.make(files(), {});
    const std::vector<ImageInput> inputs = {processor->prepare(test::pattern(97, 113), 1)};
    CHECK(inputs[0].tokens > 0);
    for (const Tensor& tensor : processor->batch(inputs)) {
      std::size_t values = 1;
      for (const auto side : tensor.shape) values *= std::size_t(side);
      CHECK(values == tensor.floats.size() + tensor.ints.size());
    }
  }
}

TEST_CASE("what prepares a black picture to plan one refuses sizes that no decoder gives") {
  const auto processor = find_image_processor("llava_next").make(files(), {});
  const PreparedSize planned = processor->plan({97, 113}, 1);
  CHECK(planned.tokens == processor->prepare(test::pattern(97, 113), 1).tokens);
  for (const Size size : {Size{0, 5}, Size{5, -1}, Size{65'536, 1}, Size{65'535, 65'535}})
    CHECK_THROWS_WITH_AS(processor->plan(size, 1), Contains("178956970 pixels"), MediaError);
}

TEST_CASE("the most extreme shapes give a result or a MediaError") {
  const std::vector<Image> pictures = {test::pattern(65'535, 1), test::pattern(1, 65'535),
                                       test::pattern(1, 1)};
  for (const FamilyImages& family : image_processors()) {
    CAPTURE(family.model_type);
    const auto processor = family.make(files(), {});
    for (const Image& picture : pictures) {
      int tokens = 1;
      try {
        tokens = processor->prepare(picture, 1).tokens;
      } catch (const MediaError&) {
        // The other permitted end.
      }
      CHECK(tokens > 0);
    }
  }
}

TEST_CASE("a limit that a rule cannot honour is refused, the others take it") {
  int honoured = 0;
  for (const FamilyImages& family : image_processors()) {
    try {
      family.make(files(), {.min_pixels = {}, .max_pixels = 100'000});
      ++honoured;
    } catch (const RequestError&) {
      continue;
    }
  }
  CHECK(honoured == 13);  // the rows with a pixel budget: Qwen's, dots', GLM's, Paddle's and HunYuan's
}

void refuses(const char* model_type, const char* key, const std::string& image_processor,
             const std::string& processor = "{}", const std::string& config = "{}") {
  CAPTURE(model_type);
  CHECK_THROWS_WITH_AS(find_image_processor(model_type).make(files(image_processor, processor, config), {}),
                       Contains(key), ConfigError);
}

TEST_CASE("settings that are unsupported or would ask for too much are named") {
  refuses("gemma3", "image_processor_type", R"({"image_processor_type": "CLIPImageProcessor"})");
  refuses("gemma3", "size", R"({"size": {"height": 1000000, "width": 2}})");
  refuses("gemma3", "image_seq_length", "{}", R"({"image_seq_length": 100000000})");
  refuses("fastvlm", "do_resize", R"({"do_resize": false})");
  refuses("janus", "do_pad", R"({"do_pad": false})");
  refuses("janus", "size", R"({"size": {"height": 30, "width": 40}})");
  refuses("janus", "image_mean", R"({"image_mean": [2, 0, 0]})");
  refuses("multi_modality", "pixel_mean", "{}", "{}",
          R"({"vision_config": {"params": {"high_res_cfg": {"pixel_mean": [-1, 0, 0]}}}})");
  refuses("llava_next", "image_grid_pinpoints", R"({"image_grid_pinpoints": []})");
  refuses("llava_next", "image_grid_pinpoints", R"({"image_grid_pinpoints": [[100, 336]]})");
  refuses("llava_next", "image_grid_pinpoints", R"({"image_grid_pinpoints": [[336, 99999]]})");
  refuses("llava_next", "image_grid_pinpoints", R"({"image_grid_pinpoints": [[336, 4.5]]})");
  refuses("llava_next", "image_grid_pinpoints",
          R"({"size": 1, "crop_size": 1, "image_grid_pinpoints": [[16000, 16000]]})");
  refuses("llava_onevision", "vision_aspect_ratio", "{}", R"({"vision_aspect_ratio": "anyres"})");
  refuses("internvl", "max_patches", R"({"min_patches": 5, "max_patches": 4})");
  refuses("internvl", "max_patches", R"({"max_patches": 4096})");
  refuses("internvl", "do_resize", R"({"do_resize": false, "max_patches": 1})");
  refuses("internvl_chat", "max_dynamic_patch", "{}", "{}", R"({"max_dynamic_patch": 100000})");
  refuses("internvl_chat", "downsample_ratio", "{}", "{}", R"({"downsample_ratio": 0.001})");
  refuses("cohere2_vision", "size", R"({"size": {"height": 30, "width": 40}})");
  refuses("aya_vision", "patch_size", "{}", R"({"patch_size": 500})");
  refuses("pixtral", "do_center_crop", R"({"do_center_crop": true})");
  refuses("pixtral", "size", R"({"size": {"shortest_edge": 30}})");
  refuses("glm4v", "do_resize", R"({"do_resize": false})");
  refuses("hunyuan_vl", "spatial_patch_size", R"({"spatial_patch_size": 2})");
  refuses("kimi_vl", "merge_kernel_size", R"({"merge_kernel_size": [2]})");
  refuses("siglip2", "max_num_patches", R"({"max_num_patches": 100000000})");
  refuses("gemma4", "max_soft_tokens", R"({"max_soft_tokens": 0})");
  refuses("mllama", "do_resize", R"({"do_resize": false})");
  refuses("mllama", "max_image_tiles",
          R"({"size": {"height": 16000, "width": 16000}, "max_image_tiles": 64})");
  refuses("idefics2", "do_pad", R"({"do_pad": false})");
  refuses("idefics2", "size", R"({"size": {"longest_edge": 980}})");
  refuses("phi3_v", "num_crops", R"({"num_crops": 0})");
  refuses("deepseek_vl_v2", "candidate_resolutions", "{}", R"({"candidate_resolutions": [[384, 500]]})");
  refuses("deepseek_vl_v2", "candidate_resolutions", "{}", R"({"candidate_resolutions": [384, 384]})");
  refuses("lfm2_vl", "do_pad", R"({"do_pad": false})");
  refuses("lfm2_vl", "max_pixels_tolerance", R"({"max_pixels_tolerance": 0})");
}

TEST_CASE("pictures that settings without a resize do not fit are refused") {
  const auto prepared = [](const char* model_type, const std::string& settings, Size size) {
    return find_image_processor(model_type)
        .make(files(settings), {})
        ->prepare(test::pattern(size.width, size.height), 1);
  };
  CHECK_THROWS_AS(prepared("siglip2", R"({"do_resize": false})", {15, 300}), MediaError);
  CHECK_THROWS_AS(prepared("siglip2", R"({"do_resize": false})", {600, 600}), MediaError);
  CHECK(prepared("siglip2", R"({"do_resize": false})", {50, 40}).tokens == 6);
  CHECK_THROWS_AS(prepared("gemma4", R"({"do_resize": false})", {2000, 2000}), MediaError);
  CHECK_THROWS_AS(prepared("pixtral", R"({"do_resize": false})", {15, 300}), MediaError);
}

TEST_CASE("images of different sizes need padding") {
  const auto processor = find_image_processor("pixtral").make(files(R"({"do_pad": false})"), {});
  std::vector<ImageInput> inputs = {processor->prepare(test::pattern(32, 32), 2)};
  inputs.push_back(processor->prepare(test::pattern(32, 32), 2));
  CHECK(processor->batch(inputs)[0].shape == std::vector<std::int64_t>{2, 3, 32, 32});
  inputs.push_back(processor->prepare(test::pattern(48, 32), 2));
  CHECK_THROWS_AS(processor->batch(inputs), MediaError);
}

}  // namespace
}  // namespace mlx_vision::processing
