#include "processing/qwen_patches.h"

#include <algorithm>
#include <cstring>

#include "mlx_vision/error.h"
#include "processing/arrays.h"
#include "processing/pixel_config.h"
#include "processing/resize_rules.h"

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

class QwenPatches final : public ImageProcessor {
 public:
  QwenPatches(PixelRule pixels, PatchLayout layout, PixelBudget budget)
      : pixels_(std::move(pixels)), layout_(layout), budget_(budget) {}

  PreparedSize plan(Size image, int) const override {
    const Size size = resized_size(image);
    const std::int64_t patches =
        std::int64_t(size.height / layout_.patch) * std::int64_t(size.width / layout_.patch);
    const std::int64_t tokens = patches / (layout_.merge * layout_.merge);
    return {.pixels = {patches, std::int64_t(layout_.row())},
            .tokens = int(tokens),
            .expansion = token_run(kImagePad, tokens),
            .scratch_pixels = std::int64_t(size.width) * size.height};
  }

  ImageInput prepare(const Image& image, int count) const override {
    PreparedSize planned = plan({image.width(), image.height()}, count);
    const Size size = resized_size({image.width(), image.height()});
    const std::int64_t rows = size.height / layout_.patch, cols = size.width / layout_.patch;
    ImageInput out;
    out.expansion = std::move(planned.expansion);
    out.tokens = planned.tokens;
    const Image resized = image.resized(size.width, size.height, pixels_.filter);
    out.arrays.push_back(float_tensor("pixel_values", std::move(planned.pixels),
                                      merge_ordered_patches(resized, layout_, pixels_.table)));
    out.arrays.push_back(int_tensor("image_grid_thw", {1, 3}, {1, rows, cols}));
    return out;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    return concatenated(images);
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
  Size resized_size(Size image) const { return smart_resize(image, layout_.factor(), budget_); }

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
