#include "processing/qwen_patches.h"

#include <array>
#include <utility>

#include "mlx_vision/error.h"
#include "processing/arrays.h"
#include "processing/image_text.h"
#include "processing/patch_layout.h"
#include "processing/pixel_budget.h"
#include "processing/pixel_config.h"
#include "processing/resize_rules.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

/// A reference class: its defaults and its ways.
struct Recipe {
  PatchLayout layout;
  PixelBudget budget;
  std::string_view token;
  Size (*enlarge)(Size image, int factor) = nullptr;  ///< before smart_resize
  bool budget_counts_frames = false;
  bool reads_pixel_limits = true;  ///< min_pixels and max_pixels of older files
  bool planes = false;             ///< pixel_values keep the patch's two axes
  bool line_ends = false;          ///< one more token for each row of merged patches
};

constexpr PatchLayout kQwenLayout{.patch = 14, .temporal = 2, .merge = 2, .order = PatchOrder::merge_blocks};
constexpr PixelBudget kQwenBudget{56 * 56, 28 * 28 * 1280};
constexpr Recipe kQwen{.layout = kQwenLayout, .budget = kQwenBudget, .token = "<|image_pad|>"};
constexpr Recipe kDots{.layout = kQwenLayout, .budget = kQwenBudget, .token = "<|imgpad|>"};
constexpr Recipe kGlm{.layout = kQwenLayout,
                      .budget = {112 * 112, 28 * 28 * 15'000},
                      .token = "<|image|>",
                      .enlarge = enlarged_to_factor,
                      .budget_counts_frames = true,
                      .reads_pixel_limits = false};
constexpr Recipe kPaddle{.layout = {.patch = 14, .temporal = 1, .merge = 2},
                         .budget = {384 * 384, 1536 * 1536},
                         .token = "<|IMAGE_PLACEHOLDER|>",
                         .enlarge = sides_raised_to_factor,
                         .planes = true};
constexpr Recipe kHunyuan{.layout = {.patch = 16, .temporal = 1, .merge = 2},
                          .budget = {512 * 512, 2048 * 2048},
                          .token = "<｜hy_place▁holder▁no▁102｜>",
                          .line_ends = true};

class QwenPatches final : public ImageProcessor {
 public:
  /// `extra_tokens` are added to each picture's.
  QwenPatches(PixelRule pixels, Recipe recipe, int extra_tokens)
      : pixels_(std::move(pixels)), recipe_(recipe), extra_tokens_(extra_tokens) {}

  PreparedSize plan(Size image, int) const override {
    const PatchLayout& layout = recipe_.layout;
    const Size size = target(image);
    const std::int64_t rows = size.height / layout.patch, cols = size.width / layout.patch;
    const std::int64_t tokens =
        (rows / layout.merge) * (cols / layout.merge + int(recipe_.line_ends)) + extra_tokens_;
    std::vector<std::int64_t> shape = {rows * cols, std::int64_t(layout.row())};
    if (recipe_.planes) shape = {rows * cols, 3 * layout.temporal, layout.patch, layout.patch};
    return {.pixels = std::move(shape),
            .tokens = int(tokens),
            .expansion = token_run(recipe_.token, tokens),
            .scratch_pixels = std::int64_t(size.width) * size.height};
  }

  ImageInput prepare(const Image& image, int count) const override {
    const PatchLayout& layout = recipe_.layout;
    PreparedSize planned = plan({image.width(), image.height()}, count);
    const Size size = target({image.width(), image.height()});
    const std::int64_t rows = size.height / layout.patch, cols = size.width / layout.patch;
    ImageInput out;
    out.expansion = std::move(planned.expansion);
    out.tokens = planned.tokens;
    out.arrays.push_back(
        float_tensor("pixel_values", std::move(planned.pixels),
                     planar_patches(std::array{pixels_.resized(image, size)}, layout, pixels_.table)));
    out.arrays.push_back(int_tensor("image_grid_thw", {1, 3}, {1, rows, cols}));
    return out;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    return concatenated(images);
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    const PatchLayout& layout = recipe_.layout;
    const std::vector<std::int64_t>& grid = input.array("image_grid_thw").ints;
    const Size size{int(grid[2]) * layout.patch, int(grid[1]) * layout.patch};
    const Cells tokens = square_cells(size, layout.factor());
    return {{.label = "whole picture",
             .image = read_planar_patches(input.array("pixel_values").floats, size, layout, pixels_.table),
             .source = whole_box(original),
             .patches = square_cells(size, layout.patch),
             .tokens = tokens,
             .token_count = tokens.columns * tokens.rows}};
  }

  std::string_view placeholder() const override { return recipe_.token; }

  std::string describe() const override {
    const PatchLayout& layout = recipe_.layout;
    std::string text = "patches of " + std::to_string(layout.patch) + " in groups of ";
    text.append(std::to_string(layout.merge)).append("x").append(std::to_string(layout.merge));
    text.append(", ").append(std::to_string(recipe_.budget.min)).append(" to ");
    text.append(std::to_string(recipe_.budget.max)).append(" pixels, ");
    return text.append(pixels_.describe());
  }

 private:
  Size target(Size image) const {
    const int factor = recipe_.layout.factor();
    if (recipe_.enlarge) image = recipe_.enlarge(image, factor);
    const int frames = recipe_.budget_counts_frames ? recipe_.layout.temporal : 1;
    return smart_resize(image, factor, recipe_.budget, {frames, frames});
  }

  PixelRule pixels_;
  Recipe recipe_;
  int extra_tokens_;
};

/// The class's defaults replaced by what the file says. @throws ConfigError
Recipe read_recipe(const core::ConfigReader& config, Recipe recipe, const ImageLimits& limits) {
  recipe.layout = read_layout(config, recipe.layout);
  const int frames = recipe.budget_counts_frames ? recipe.layout.temporal : 1;
  recipe.budget = limited(read_budget(config, recipe.budget, recipe.reads_pixel_limits), limits, frames);
  return recipe;
}

PixelRule read_pixels(const core::ConfigReader& config) {
  PixelRule pixels = read_pixel_rule(config, {});
  if (!pixels.resize)
    config.fail("do_resize", "expected true: the encoder takes multiples of its patch only");
  return pixels;
}

std::unique_ptr<ImageProcessor> make(const ProcessorFiles& files, const ImageLimits& limits,
                                     const Recipe& recipe) {
  const core::ConfigReader& config = files.image_processor;
  return std::make_unique<QwenPatches>(read_pixels(config), read_recipe(config, recipe, limits), 0);
}

}  // namespace

std::unique_ptr<ImageProcessor> make_qwen_patches(const ProcessorFiles& files, const ImageLimits& limits) {
  return make(files, limits, kQwen);
}

std::unique_ptr<ImageProcessor> make_dots_patches(const ProcessorFiles& files, const ImageLimits& limits) {
  return make(files, limits, kDots);
}

std::unique_ptr<ImageProcessor> make_glm_patches(const ProcessorFiles& files, const ImageLimits& limits) {
  return make(files, limits, kGlm);
}

std::unique_ptr<ImageProcessor> make_paddle_patches(const ProcessorFiles& files, const ImageLimits& limits) {
  return make(files, limits, kPaddle);
}

std::unique_ptr<ImageProcessor> make_hunyuan_patches(const ProcessorFiles& files, const ImageLimits& limits) {
  const core::ConfigReader& config = files.image_processor;
  if (config.size_or("spatial_patch_size", 1, 1, 64) != 1)
    config.fail("spatial_patch_size", "only 1 is supported");
  PixelRule pixels = read_pixels(config);
  pixels.filter = Filter::bicubic;
  const int around = files.processor.get_or("cat_extra_token", true) ? 2 : 0;
  return std::make_unique<QwenPatches>(std::move(pixels), read_recipe(config, kHunyuan, limits), around);
}

}  // namespace mlx_vision::processing
