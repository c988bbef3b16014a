#include "processing/qwen_patches.h"

#include <algorithm>
#include <cstring>

#include "mlx_vision/error.h"
#include "processing/arrays.h"
#include "processing/pixel_config.h"
#include "processing/resize_rules.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

constexpr std::string_view kImagePad = "<|image_pad|>";
constexpr std::int64_t kMinPixels = 56 * 56, kMaxPixels = 28 * 28 * 1280;  // Qwen2VLImageProcessor's
constexpr std::int64_t kMostPixels = std::int64_t(1) << 40;                // of a file

struct PatchLayout {
  int patch = 14, temporal = 2, merge = 2;
  int factor() const { return patch * merge; }
  std::size_t row() const { return std::size_t(3 * temporal) * std::size_t(patch * patch); }
};

/// The patch with its top left corner at (x, y) as `[3, temporal, p, p]`.
void write_patch(const Image& image, int x, int y, const PatchLayout& layout,
                 const media::NormalizeTable& table, float* out) {
  const std::size_t side = std::size_t(layout.patch), plane = side * side;
  const std::size_t channel = plane * std::size_t(layout.temporal);
  for (std::size_t dy = 0; dy < side; ++dy) {
    const std::uint8_t* in = image.row(y + int(dy)) + 3 * std::size_t(x);
    float* to = out + dy * side;
    for (std::size_t dx = 0; dx < side; ++dx)
      for (std::size_t c = 0; c < 3; ++c) to[c * channel + dx] = table.channel(int(c))[*in++];
  }
  for (int c = 0; c < 3; ++c)
    for (int t = 1; t < layout.temporal; ++t) {
      const float* first = out + std::size_t(c) * channel;
      std::memcpy(out + std::size_t(c) * channel + std::size_t(t) * plane, first, plane * sizeof(float));
    }
}

/// `[gh / m, gw / m, m, m, 3, temporal, p, p]` of an image whose sides are multiples of p * m.
std::vector<float> merge_ordered_patches(const Image& image, const PatchLayout& layout,
                                         const media::NormalizeTable& table) {
  std::vector<float> out, patch(layout.row());
  // Appended patch by patch: filling tens of megabytes with zeros first would cost as much as the work
  // itself.
  out.reserve(image.pixels().size() * std::size_t(layout.temporal));
  for (int by = 0; by < image.height(); by += layout.factor())
    for (int bx = 0; bx < image.width(); bx += layout.factor())
      for (int y = by; y < by + layout.factor(); y += layout.patch)
        for (int x = bx; x < bx + layout.factor(); x += layout.patch) {
          write_patch(image, x, y, layout, table, patch.data());
          out.insert(out.end(), patch.begin(), patch.end());
        }
  return out;
}

/// The picture that merge_ordered_patches was given; of the repeated frames the first.
Image picture_of(std::span<const float> patches, Size size, const PatchLayout& layout,
                 const media::NormalizeTable& table) {
  std::vector<std::uint8_t> rgb(std::size_t(size.width) * std::size_t(size.height) * 3);
  const std::size_t side = std::size_t(layout.patch), channel = side * side * std::size_t(layout.temporal);
  const float* patch = patches.data();
  for (int by = 0; by < size.height; by += layout.factor())
    for (int bx = 0; bx < size.width; bx += layout.factor())
      for (int y = by; y < by + layout.factor(); y += layout.patch)
        for (int x = bx; x < bx + layout.factor(); x += layout.patch, patch += layout.row())
          for (std::size_t i = 0; i < side * side; ++i) {
            const std::size_t row = std::size_t(y) + i / side, column = std::size_t(x) + i % side;
            std::uint8_t* to = rgb.data() + 3 * (row * std::size_t(size.width) + column);
            for (std::size_t c = 0; c < 3; ++c) to[c] = table.nearest(int(c), patch[c * channel + i]);
          }
  return Image::from_rgb(size.width, size.height, std::move(rgb));
}

class QwenPatches final : public ImageProcessor {
 public:
  QwenPatches(PixelRule pixels, PatchLayout layout, PixelBudget budget)
      : pixels_(std::move(pixels)), layout_(layout), budget_(budget) {}

  ImageInput prepare(const Image& image, int) const override {
    const Size size = smart_resize({image.width(), image.height()}, layout_.factor(), budget_);
    const std::int64_t rows = size.height / layout_.patch, cols = size.width / layout_.patch;
    ImageInput out;
    const std::int64_t tokens = rows * cols / (layout_.merge * layout_.merge);
    out.expansion = token_run(kImagePad, tokens);
    out.tokens = int(tokens);
    const Image resized = image.resized(size.width, size.height, pixels_.filter);
    out.arrays.push_back(float_tensor("pixel_values", {rows * cols, std::int64_t(layout_.row())},
                                      merge_ordered_patches(resized, layout_, pixels_.table)));
    out.arrays.push_back(int_tensor("image_grid_thw", {1, 3}, {1, rows, cols}));
    return out;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    return concatenated(images);
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    const std::vector<std::int64_t>& grid = input.array("image_grid_thw").ints;
    const Size size{int(grid[2]) * layout_.patch, int(grid[1]) * layout_.patch};
    return {{.label = "whole picture",
             .image = picture_of(input.array("pixel_values").floats, size, layout_, pixels_.table),
             .source = source_box(original, size, 0, 0, size),
             .patches = square_cells(size, layout_.patch),
             .tokens = square_cells(size, layout_.factor()),
             .token_count = input.tokens}};
  }

  std::string_view placeholder() const override { return kImagePad; }

  std::string describe() const override {
    std::string text = "patches of " + std::to_string(layout_.patch) + " in groups of ";
    text.append(std::to_string(layout_.merge)).append("x").append(std::to_string(layout_.merge));
    text.append(", ").append(std::to_string(budget_.min)).append(" to ");
    text.append(std::to_string(budget_.max)).append(" pixels, ");
    return text.append(pixels_.describe());
  }

 private:
  PixelRule pixels_;
  PatchLayout layout_;
  PixelBudget budget_;
};

/// min_pixels / max_pixels of the older files stand above size.{shortest,longest}_edge, which hold pixel
/// counts here in spite of their names.
PixelBudget read_budget(const core::ConfigReader& config, const ImageLimits& limits) {
  const core::ConfigReader size = config.child_or_empty("size");
  size.ignore({"min_pixels", "max_pixels"});
  for (const auto* key : {"height", "width", "max_height", "max_width"})
    if (size.has(key)) size.fail(key, "this way to give a size is not supported, expected pixel counts");
  // Small pictures are enlarged to the minimum, so it is memory that is asked for.
  constexpr auto kMostMinimum = std::int64_t(DecodeLimits{}.pixels);
  const auto pick = [&](const char* own, const char* edge, std::int64_t fallback, std::int64_t most) {
    const auto in_size = size.find<std::int64_t>(edge);
    const auto value = config.find<std::int64_t>(own).value_or(in_size.value_or(fallback));
    if (value < 1 || value > most)
      config.fail(own,
                  "expected a pixel count in 1.." + std::to_string(most) + ", got " + std::to_string(value));
    return value;
  };
  const auto min = pick("min_pixels", "shortest_edge", kMinPixels, kMostMinimum);
  const auto max = pick("max_pixels", "longest_edge", kMaxPixels, kMostPixels);
  const PixelBudget budget{limits.min_pixels.value_or(min), limits.max_pixels.value_or(max)};
  if (budget.min < 1 || budget.min > kMostMinimum || budget.max < 1)
    throw RequestError("image limits: expected min_pixels in 1.." + std::to_string(kMostMinimum) +
                       " and max_pixels of 1 or more, got " + std::to_string(budget.min) + " and " +
                       std::to_string(budget.max));
  return budget;
}

}  // namespace

std::unique_ptr<ImageProcessor> make_qwen_patches(const ProcessorFiles& files, const ImageLimits& limits) {
  const core::ConfigReader& config = files.image_processor;
  PixelRule pixels = read_pixel_rule(config, {});
  if (!pixels.resize)
    config.fail("do_resize", "expected true: the encoder takes multiples of its patch only");
  const PatchLayout layout{.patch = config.size_or("patch_size", 14, 1, 256),
                           .temporal = config.size_or("temporal_patch_size", 2, 1, 8),
                           .merge = config.size_or("merge_size", 2, 1, 16)};
  return std::make_unique<QwenPatches>(std::move(pixels), layout, read_budget(config, limits));
}

}  // namespace mlx_vision::processing
