#include "processing/padded_patches.h"

#include <algorithm>
#include <array>
#include <utility>

#include "mlx_vision/error.h"
#include "processing/arrays.h"
#include "processing/image_text.h"
#include "processing/patch_layout.h"
#include "processing/pixel_config.h"
#include "processing/resize_rules.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

constexpr int kMostPatches = 1 << 16;
constexpr std::string_view kNoLimits = "this model limits the number of patches";

struct PatchCount {
  int patch = 16, most = 256;
  int pool = 1;  ///< patches a side that become one token
};

/// The picture's patches, filled up with zeros, and their grid.
struct Filled {
  std::vector<float> values;
  Grid grid;
};

Filled filled_patches(const Image& image, const PixelRule& pixels, const PatchCount& count) {
  Filled out{.values = {}, .grid = {image.height() / count.patch, image.width() / count.patch}};
  const std::int64_t patches = std::int64_t(out.grid.rows) * out.grid.cols;
  if (patches < 1 || patches > count.most)
    throw MediaError("image: has " + std::to_string(patches) + " patches, expected 1 to " +
                     std::to_string(count.most) + ", since these settings do not resize it");
  const std::size_t all = checked_count({count.most, count.patch, count.patch, 3});
  out.values = interleaved_patches(image, count.patch, pixels.table);
  out.values.resize(all);
  return out;
}

Tensor patch_tensor(std::vector<float> values, const PatchCount& count) {
  return float_tensor("pixel_values", {1, count.most, std::int64_t(3) * count.patch * count.patch},
                      std::move(values));
}

/// The view of a picture that was scaled to `scaled`; what is left of a patch there is not seen.
View patch_view(const ImageInput& input, Size original, Size scaled, const PixelRule& pixels,
                const PatchCount& count) {
  const Grid grid{scaled.height / count.patch, scaled.width / count.patch};
  const Size size{grid.cols * count.patch, grid.rows * count.patch};
  const bool whole = grid.cols % count.pool == 0 && grid.rows % count.pool == 0;
  return {
      .label = "whole picture",
      .image = read_interleaved_patches(input.array("pixel_values").floats, grid, count.patch, pixels.table),
      .source = source_box(original, scaled, 0, 0, size),
      .patches = square_cells(size, count.patch),
      .tokens = whole ? square_cells(size, count.patch * count.pool) : Cells{},
      .token_count = input.tokens};
}

std::string described(const PatchCount& count, const PixelRule& pixels) {
  return "at most " + std::to_string(count.most) + " patches of " + std::to_string(count.patch) + ", " +
         pixels.describe();
}

class NaflexPatches final : public ImageProcessor {
 public:
  NaflexPatches(PixelRule pixels, PatchCount count) : pixels_(std::move(pixels)), count_(count) {}

  ImageInput prepare(const Image& image, int) const override {
    const Size size = target({image.width(), image.height()});
    auto [values, grid] =
        filled_patches(pixels_.resize ? pixels_.resized(image, size) : image, pixels_, count_);
    const std::int64_t patches = std::int64_t(grid.rows) * grid.cols;
    std::vector<std::int64_t> mask(std::size_t(count_.most), 0);
    std::fill_n(mask.begin(), patches, 1);
    ImageInput out;
    out.tokens = int(patches);
    out.expansion = token_run(kToken, patches);
    out.arrays.push_back(patch_tensor(std::move(values), count_));
    out.arrays.push_back(int_tensor("pixel_attention_mask", {1, count_.most}, std::move(mask)));
    out.arrays.push_back(int_tensor("spatial_shapes", {1, 2}, {grid.rows, grid.cols}));
    return out;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    return concatenated(images);
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    return {patch_view(input, original, target(original), pixels_, count_)};
  }

  std::string_view placeholder() const override { return kToken; }
  std::string describe() const override { return described(count_, pixels_); }

 private:
  Size target(Size image) const {
    return pixels_.resize ? fill_patch_count(image, count_.patch, count_.most) : image;
  }

  static constexpr std::string_view kToken = "<image>";
  PixelRule pixels_;
  PatchCount count_;
};

class PooledPatches final : public ImageProcessor {
 public:
  PooledPatches(PixelRule pixels, PatchCount count) : pixels_(std::move(pixels)), count_(count) {}

  ImageInput prepare(const Image& image, int) const override {
    const Size size = target({image.width(), image.height()});
    auto [values, grid] =
        filled_patches(pixels_.resize ? pixels_.resized(image, size) : image, pixels_, count_);
    const int tokens = grid.rows * grid.cols / (count_.pool * count_.pool);
    ImageInput out;
    out.tokens = tokens;
    out.expansion = text_.expanded(tokens);
    out.arrays.push_back(patch_tensor(std::move(values), count_));
    out.arrays.push_back(int_tensor("image_position_ids", {1, count_.most, 2}, positions(grid)));
    out.arrays.push_back(int_tensor("num_soft_tokens_per_image", {1}, {tokens}));
    return out;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    return concatenated(images);
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    return {patch_view(input, original, target(original), pixels_, count_)};
  }

  std::string_view placeholder() const override { return text_.placeholder; }
  std::string describe() const override {
    return described(count_, pixels_) + ", pooled " + std::to_string(count_.pool) + "x" +
           std::to_string(count_.pool);
  }

 private:
  Size target(Size image) const {
    return pixels_.resize ? fill_pooled_patches(image, count_.patch, count_.pool, count_.most) : image;
  }

  std::vector<std::int64_t> positions(Grid grid) const {
    std::vector<std::int64_t> out;
    out.reserve(2 * std::size_t(count_.most));
    for (int row = 0; row < grid.rows; ++row)
      for (int col = 0; col < grid.cols; ++col) out.insert(out.end(), {col, row});
    out.resize(2 * std::size_t(count_.most), -1);
    return out;
  }

  PixelRule pixels_;
  PatchCount count_;
  ImageText text_{
      .placeholder = "<|image|>", .token = "<|image|>", .before = "<|image>", .after = "<image|>"};
};

}  // namespace

std::unique_ptr<ImageProcessor> make_naflex_patches(const ProcessorFiles& files, const ImageLimits& limits) {
  refuse_limits(limits, kNoLimits);
  const core::ConfigReader& config = files.image_processor;
  PixelRule pixels = read_pixel_rule(config, {Filter::bilinear, kHalf, kHalf});
  return std::make_unique<NaflexPatches>(
      std::move(pixels), PatchCount{.patch = config.size_or("patch_size", 16, 1, 256),
                                    .most = config.size_or("max_num_patches", 256, 1, kMostPatches)});
}

namespace {

// Tokens of a picture and the pixels on a side of one patch and of one token.
struct SoftTokens {
  int most, patch, pool;
};

SoftTokens read_soft_tokens(const core::ConfigReader& config) {
  config.ignore({"size", "image_seq_length"});
  return {.most = config.size_or("max_soft_tokens", 280, 1, kMostPatches),
          .patch = config.size_or("patch_size", 16, 1, 256),
          .pool = config.size_or("pooling_kernel_size", 3, 1, 16)};
}

PixelRule read_unit_rule(const core::ConfigReader& config) {
  return read_pixel_rule(config, {.mean = kZero, .std = kOne, .normalize = false});
}

}  // namespace

std::unique_ptr<ImageProcessor> make_pooled_patches(const ProcessorFiles& files, const ImageLimits& limits) {
  refuse_limits(limits, kNoLimits);
  const SoftTokens tokens = read_soft_tokens(files.image_processor);
  return std::make_unique<PooledPatches>(
      read_unit_rule(files.image_processor),
      PatchCount{
          .patch = tokens.patch, .most = tokens.most * tokens.pool * tokens.pool, .pool = tokens.pool});
}

std::unique_ptr<ImageProcessor> make_merged_patches(const ProcessorFiles& files, const ImageLimits& limits) {
  refuse_limits(limits, kNoLimits);
  const SoftTokens tokens = read_soft_tokens(files.image_processor);
  PixelRule pixels = read_unit_rule(files.image_processor);
  pixels.rule = ResampleRule::torchvision;
  return std::make_unique<PooledPatches>(
      std::move(pixels), PatchCount{.patch = tokens.patch * tokens.pool, .most = tokens.most, .pool = 1});
}

}  // namespace mlx_vision::processing
