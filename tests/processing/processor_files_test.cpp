#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "mlx_vision/error.h"
#include "processing/fixed_square.h"
#include "processing/qwen_patches.h"
#include "processing/tiled_longest_edge.h"

namespace mlx_vision::processing {
namespace {

/// A model folder that is removed at the end.
class Folder {
 public:
  Folder() {
    path_ = std::filesystem::temp_directory_path() /
            ("mlx-vision-processing-" + std::to_string(reinterpret_cast<std::uintptr_t>(this)));
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  void write(const std::string& name, const std::string& text) { std::ofstream(path_ / name) << text; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

ProcessorFiles files(const std::string& image_processor, const std::string& processor = "{}",
                     const std::string& config = "{}") {
  return {.config = core::ConfigReader::from_text(config, "config.json"),
          .image_processor = core::ConfigReader::from_text(image_processor, "preprocessor_config.json"),
          .processor = core::ConfigReader::from_text(processor, "processor_config.json")};
}

constexpr const char* kLlava = R"({"patch_size": 14, "vision_feature_select_strategy": "full"})";

TEST_CASE("processor_config.json's image_processor stands instead of preprocessor_config.json") {
  Folder folder;
  CHECK_THROWS_AS(read_processor_files(folder.path()), ConfigError);
  folder.write("config.json", "{}");
  CHECK_THROWS_WITH_AS(read_processor_files(folder.path()), doctest::Contains("preprocessor_config.json"),
                       ConfigError);
  folder.write("preprocessor_config.json", R"({"patch_size": 1, "merge_size": 3})");
  CHECK(read_processor_files(folder.path()).image_processor.get<int>("patch_size") == 1);
  folder.write("processor_config.json", R"({"image_seq_len": 4})");
  CHECK(read_processor_files(folder.path()).image_processor.get<int>("patch_size") == 1);
  folder.write("processor_config.json", R"({"image_processor": {"patch_size": 2}})");
  const ProcessorFiles read = read_processor_files(folder.path());
  CHECK(read.image_processor.get<int>("patch_size") == 2);
  CHECK_FALSE(read.image_processor.has("merge_size"));
  folder.write("processor_config.json", R"({"image_processor": 3})");
  CHECK_THROWS_AS(read_processor_files(folder.path()), ConfigError);
  folder.write("processor_config.json", "{");
  CHECK_THROWS_AS(read_processor_files(folder.path()), ConfigError);
}

TEST_CASE("a field that cannot be honoured is named") {
  const auto qwen = [](const char* text) { make_qwen_patches(files(text), {}); };
  const auto square = [](const char* text) { make_fixed_square(files(text, kLlava), {}); };
  const auto tiles = [](const char* text) { make_tiled_longest_edge(files(text), {}); };
  const auto names = [](const char* field) { return doctest::Contains(field); };
  CHECK_THROWS_WITH_AS(qwen(R"({"do_resize": false})"), names("config.json.do_resize"), ConfigError);
  CHECK_THROWS_WITH_AS(qwen(R"({"resample": 6})"), names("resample"), ConfigError);
  CHECK_THROWS_WITH_AS(qwen(R"({"image_mean": [0.5, 0.5]})"), names("image_mean"), ConfigError);
  CHECK_THROWS_WITH_AS(qwen(R"({"image_std": [0.5, 0, 0.5]})"), names("image_std"), ConfigError);
  CHECK_THROWS_WITH_AS(qwen(R"({"image_std": "0.5"})"), names("image_std"), ConfigError);
  CHECK_THROWS_WITH_AS(qwen(R"({"rescale_factor": 1e300})"), names("rescale_factor"), ConfigError);
  CHECK_THROWS_WITH_AS(qwen(R"({"patch_size": 0})"), names("patch_size"), ConfigError);
  CHECK_THROWS_WITH_AS(qwen(R"({"min_pixels": 0})"), names("min_pixels"), ConfigError);
  CHECK_THROWS_WITH_AS(qwen(R"({"min_pixels": 1000000000})"), names("min_pixels"), ConfigError);
  CHECK_THROWS_WITH_AS(qwen(R"({"size": {"height": 3, "width": 3}})"), names("size.height"), ConfigError);
  CHECK_THROWS_WITH_AS(square(R"({"image_processor_type": "ViTImageProcessor"})"), names("ViTImageProcessor"),
                       ConfigError);
  CHECK_THROWS_WITH_AS(square(R"({"do_center_crop": false})"), names("do_center_crop"), ConfigError);
  CHECK_THROWS_WITH_AS(square(R"({"crop_size": {"shortest_edge": 3}})"), names("crop_size"), ConfigError);
  CHECK_THROWS_WITH_AS(square(R"({"size": {"max_height": 9, "max_width": 9}})"), names("size.max_"),
                       ConfigError);
  CHECK_THROWS_WITH_AS(square(R"({"size": {"height": 9}})"), names("size.width"), ConfigError);
  CHECK_THROWS_WITH_AS(square(R"({"size": 3.5})"), names("size"), ConfigError);
  CHECK_THROWS_WITH_AS(square(R"({"size": [3, 4, 5]})"), names("size"), ConfigError);
  CHECK_THROWS_WITH_AS(square(R"({"do_pad": true, "image_mean": [2, 2, 2]})"), names("image_mean"),
                       ConfigError);
  CHECK_THROWS_WITH_AS(tiles(R"({"max_image_size": {"longest_edge": 1000000}})"), names("max_image_size"),
                       ConfigError);
  CHECK_THROWS_WITH_AS(tiles(R"({"size": {"shortest_edge": 10}})"), names("size"), ConfigError);
}

TEST_CASE("LLaVA's tokens come from processor_config.json, else from the model") {
  const auto placeholder_and_count = [](const char* processor, const char* config) {
    const auto made = make_fixed_square(
        files(R"({"image_processor_type": "CLIPImageProcessor", "size": 28, "crop_size": 28})", processor,
              config),
        {});
    const ImageInput input = made->prepare(Image::from_rgb(1, 1, {1, 2, 3}), 1);
    CHECK(input.expansion.size() == made->placeholder().size() * std::size_t(input.tokens));
    return std::pair(std::string(made->placeholder()), input.tokens);
  };
  CHECK(placeholder_and_count(kLlava, "{}") == std::pair(std::string("<image>"), 4));
  CHECK(placeholder_and_count(R"({"patch_size": 7, "image_token": "[IMG]", "num_additional_image_tokens": 1,
                                  "vision_feature_select_strategy": "default"})",
                              "{}") == std::pair(std::string("[IMG]"), 16));
  CHECK(placeholder_and_count("{}", R"({"vision_config": {"patch_size": 14}})").second == 4);
  CHECK(placeholder_and_count("{}",
                              R"({"vision_config": {"patch_size": 14, "model_type": "siglip_vision_model"},
                                        "vision_feature_select_strategy": "full"})")
            .second == 4);
  CHECK(placeholder_and_count("{}", "{}").second == 4);  // LlavaConfig's own encoder, CLIP ViT-L/14
  CHECK_THROWS_WITH_AS(placeholder_and_count("{}", R"({"vision_config": {}})"),
                       doctest::Contains("vision_config.patch_size"), ConfigError);
  CHECK_THROWS_AS(placeholder_and_count(R"({"patch_size": 29})", "{}"), ConfigError);
}

TEST_CASE("a user's limits stand above the checkpoint's, where they have a meaning") {
  const Image image = Image::from_rgb(100, 100, std::vector<std::uint8_t>(30'000, 7));
  const auto tokens = [&](const ImageLimits& limits) {
    return make_qwen_patches(files(R"({"min_pixels": 784, "max_pixels": 3136})"), limits)
        ->prepare(image, 1)
        .tokens;
  };
  CHECK(tokens({}) == 4);
  CHECK(tokens({.min_pixels = {}, .max_pixels = 1'000'000}) == 16);
  CHECK(tokens({.min_pixels = 40'000, .max_pixels = 1'000'000}) == 64);
  CHECK_THROWS_AS(tokens({.min_pixels = 0, .max_pixels = {}}), RequestError);
  CHECK_THROWS_AS(tokens({.min_pixels = std::int64_t(1) << 60, .max_pixels = {}}), RequestError);
  CHECK_THROWS_AS(make_fixed_square(files("{}", kLlava), {.min_pixels = {}, .max_pixels = 9}), RequestError);
  CHECK_THROWS_AS(make_tiled_longest_edge(files("{}"), {.min_pixels = 9, .max_pixels = {}}), RequestError);
}

TEST_CASE("pictures too thin for a rule are refused, not expanded") {
  const Image thin = Image::from_rgb(30'000, 1, std::vector<std::uint8_t>(90'000, 7));
  CHECK_THROWS_AS(make_qwen_patches(files("{}"), {})->prepare(thin, 1), MediaError);
  CHECK_THROWS_AS(make_fixed_square(files("{}", kLlava), {})->prepare(thin, 1), MediaError);
  CHECK_THROWS_AS(make_fixed_square(files(R"({"do_pad": true})", kLlava), {})->prepare(thin, 1), MediaError);
  CHECK(make_tiled_longest_edge(files("{}"), {})->prepare(thin, 1).tokens == 5 * 169);
}

TEST_CASE("processors describe themselves") {
  CHECK(
      make_qwen_patches(files("{}"), {})->describe() ==
      "patches of 14 in groups of 2x2, 3136 to 1003520 pixels, bicubic, mean 0.481455 0.457827 0.408211, std "
      "0.26863 0.261303 0.275777");
  CHECK(make_fixed_square(files("{}", kLlava), {})->describe().starts_with("224x224, centre crop, bicubic"));
  CHECK(make_tiled_longest_edge(files("{}"), {})->describe() ==
        "longest edge 1456, tiles of 364, 169 tokens each, lanczos, mean 0.5 0.5 0.5, std 0.5 0.5 0.5");
}

}  // namespace
}  // namespace mlx_vision::processing
