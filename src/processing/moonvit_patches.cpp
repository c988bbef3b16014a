#include "processing/moonvit_patches.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "media/framing.h"
#include "mlx_vision/error.h"
#include "processing/arrays.h"
#include "processing/image_text.h"
#include "processing/patch_layout.h"
#include "processing/pixel_config.h"
#include "processing/resize_rules.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

constexpr std::string_view kToken = "<|media_pad|>";
constexpr int kMostSide = 511;  // patches; the position table ends there

struct PatchRule {
  int patch = 14;
  Grid merge{2, 2};
  int most = 4096;
  bool pad = false;
};

class MoonvitPatches final : public ImageProcessor {
 public:
  MoonvitPatches(PixelRule pixels, PatchRule rule) : pixels_(std::move(pixels)), rule_(rule) {}

  ImageInput prepare(const Image& image, int) const override {
    const Image whole = whole_groups(reduced(image));
    const std::int64_t rows = whole.height() / rule_.patch, cols = whole.width() / rule_.patch;
    if (rows > kMostSide || cols > kMostSide)
      throw MediaError("image: has " + std::to_string(cols) + "x" + std::to_string(rows) +
                       " patches, at most " + std::to_string(kMostSide) + " a side are possible; crop it");
    const std::int64_t tokens = rows * cols / (rule_.merge.rows * rule_.merge.cols);
    ImageInput out;
    out.expansion = token_run(kToken, tokens);
    out.tokens = int(tokens);
    out.arrays.push_back(
        float_tensor("pixel_values", {rows * cols, 3, rule_.patch, rule_.patch},
                     planar_patches(std::array{whole}, {.patch = rule_.patch}, pixels_.table)));
    out.arrays.push_back(int_tensor("image_grid_hws", {1, 2}, {rows, cols}));
    return out;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    return concatenated(images);
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    const std::vector<std::int64_t>& grid = input.array("image_grid_hws").ints;
    const Size size{int(grid[1]) * rule_.patch, int(grid[0]) * rule_.patch};
    const Size fitted = fit_patch_count(original, rule_.patch, rule_.most);
    const media::Placement at =
        rule_.pad ? media::Placement{.width = fitted.width, .height = fitted.height}
                  : media::crop_placement(fitted.width, fitted.height, size.width, size.height);
    const Box source = source_box(whole_box(size), at, original);
    const Size cell{rule_.merge.cols * rule_.patch, rule_.merge.rows * rule_.patch};
    return {{.label = crop_label(source),
             .image = read_planar_patches(input.array("pixel_values").floats, size, {.patch = rule_.patch},
                                          pixels_.table),
             .source = source,
             .patches = square_cells(size, rule_.patch),
             .tokens = {.width = cell.width,
                        .height = cell.height,
                        .columns = size.width / cell.width,
                        .rows = size.height / cell.height},
             .token_count = input.tokens}};
  }

  std::string_view placeholder() const override { return kToken; }

  std::string describe() const override {
    return "at most " + std::to_string(rule_.most) + " patches of " + std::to_string(rule_.patch) + ", " +
           (rule_.pad ? "padded, " : "cropped, ") + pixels_.describe();
  }

 private:
  Image reduced(const Image& image) const {
    const Size size{image.width(), image.height()};
    const Size fitted = fit_patch_count(size, rule_.patch, rule_.most);
    return fitted == size ? image : pixels_.resized(image, fitted);
  }

  Image whole_groups(const Image& image) const {
    const int width = rule_.merge.cols * rule_.patch, height = rule_.merge.rows * rule_.patch;
    const auto [w, h] = Size{image.width(), image.height()};
    if (rule_.pad)
      return media::pad_right_bottom(image, (w + width - 1) / width * width,
                                     (h + height - 1) / height * height, {0, 0, 0});
    if (w < width || h < height)
      throw MediaError("image: expected at least " + std::to_string(width) + "x" + std::to_string(height) +
                       " pixels, since this model crops to whole groups of patches, got " +
                       std::to_string(w) + "x" + std::to_string(h) + "; enlarge it");
    return media::centre_crop(image, w - w % width, h - h % height);
  }

  PixelRule pixels_;
  PatchRule rule_;
};

/// [rows, columns], from the image processor's file or the encoder's configuration.
Grid read_merge(const core::ConfigReader& config, Grid fallback) {
  if (!config.has("merge_kernel_size")) return fallback;
  const auto sides = config.get<std::vector<int>>("merge_kernel_size");
  for (const int side : sides)
    if (sides.size() != 2 || side < 1 || side > 16)
      config.fail("merge_kernel_size", "expected two numbers of 1..16");
  if (sides.size() != 2) config.fail("merge_kernel_size", "expected two numbers of 1..16");
  return {sides[0], sides[1]};
}

}  // namespace

std::unique_ptr<ImageProcessor> make_moonvit_patches(const ProcessorFiles& files, const ImageLimits& limits) {
  refuse_limits(limits, "this model limits the number of patches");
  const core::ConfigReader& config = files.image_processor;
  const core::ConfigReader vision = files.config.child_or_empty("vision_config");
  PixelRule pixels = read_pixel_rule(config, {.order = media::RescaleOrder::f32_divide});
  config.ignore({"num_pooled_tokens"});
  PatchRule rule;
  rule.patch = config.size_or("patch_size", vision.size_or("patch_size", rule.patch, 1, 256), 1, 256);
  rule.merge = read_merge(config, read_merge(vision, rule.merge));
  rule.most = config.size_or("in_token_limit", rule.most, 1, 1 << 18);
  rule.pad = config.get_or("pad_input", rule.pad);
  return std::make_unique<MoonvitPatches>(std::move(pixels), rule);
}

}  // namespace mlx_vision::processing
