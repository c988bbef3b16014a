#include "processing/padded_square.h"

#include <algorithm>
#include <array>
#include <utility>

#include "media/framing.h"
#include "processing/arrays.h"
#include "processing/image_text.h"
#include "processing/pixel_config.h"
#include "processing/resize_rules.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

constexpr int kEdge = 384, kMinSize = 14;  // of the three classes
constexpr int kMostTokens = 1 << 16;

struct SquareRule {
  int edge = kEdge, least = kMinSize;
  Size (*fit)(Size image, int edge, int least) = fit_longest_edge;
  media::Rgb colour = {};
  int patch = 0;  ///< side of the encoder's patches; 0: not known
};

class PaddedSquare final : public ImageProcessor {
 public:
  PaddedSquare(PixelRule pixels, SquareRule rule, ImageText text, int tokens)
      : pixels_(std::move(pixels)), rule_(rule), text_(std::move(text)), tokens_(tokens) {}

  ImageInput prepare(const Image& image, int) const override {
    const Size size = rule_.fit({image.width(), image.height()}, rule_.edge, rule_.least);
    const std::array out = {media::pad_to_square(pixels_.resized(image, size), rule_.colour)};
    ImageInput input;
    input.tokens = tokens_;
    input.expansion = text_.expanded(tokens_);
    input.arrays.push_back(planes_of("pixel_values", out, pixels_.table));
    return input;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    return concatenated(images);
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    const Size fitted = rule_.fit(original, rule_.edge, rule_.least);
    const int side = std::max(fitted.width, fitted.height);
    std::vector<View> out =
        plane_views(input.array("pixel_values"), pixels_.table, {.patch = rule_.patch, .tokens = tokens_});
    out.front().source = source_box(whole_box({side, side}),
                                    media::pad_placement(fitted.width, fitted.height, side, side), original);
    return out;
  }

  std::string_view placeholder() const override { return text_.placeholder; }

  std::string describe() const override {
    return "longest edge " + std::to_string(rule_.edge) + ", padded to a square, " + pixels_.describe();
  }

 private:
  PixelRule pixels_;
  SquareRule rule_;
  ImageText text_;
  int tokens_;
};

int read_count(const ProcessorFiles& files) {
  return files.processor.size_or("num_image_tokens", 576, 1, kMostTokens);
}

std::unique_ptr<ImageProcessor> make(const ProcessorFiles& files, const ImageLimits& limits, ImageText text) {
  refuse_limits(limits, "this model takes pictures of one size");
  const core::ConfigReader& config = files.image_processor;
  PixelRule pixels = read_pixel_rule(config, {});
  for (const auto* key : {"do_resize", "do_pad"})
    if (!config.get_or(key, true))
      config.fail(key, "expected true, since without it every picture has its own size");
  config.ignore({"background_color", "high_res_size"});
  const Size size = read_rectangle(config, "size", {kEdge, kEdge});
  if (size.width != size.height) config.fail("size", "expected the same height and width");
  SquareRule rule;
  rule.edge = size.width;
  rule.least = config.size_or("min_size", kMinSize, 1, rule.edge);
  rule.colour = mean_colour(config, pixels.mean);
  rule.patch = read_encoder_patch(files);
  return std::make_unique<PaddedSquare>(std::move(pixels), rule, std::move(text), read_count(files));
}

}  // namespace

std::unique_ptr<ImageProcessor> make_janus_square(const ProcessorFiles& files, const ImageLimits& limits) {
  return make(files, limits,
              {.placeholder = "<image_placeholder>",
               .token = "<image_placeholder>",
               .before = "<begin_of_image>",
               .after = "<end_of_image>"});
}

std::unique_ptr<ImageProcessor> make_deepseek_vl_square(const ProcessorFiles& files,
                                                        const ImageLimits& limits) {
  return make(files, limits, {.placeholder = "<image_placeholder>", .token = "<image_placeholder>"});
}

std::unique_ptr<ImageProcessor> make_multi_modality_square(const ProcessorFiles& files,
                                                           const ImageLimits& limits) {
  refuse_limits(limits, "this model takes pictures of one size");
  const core::ConfigReader params = files.config.child_or_empty("vision_config").child_or_empty("params");
  const bool high = params.has("high_res_cfg");
  const core::ConfigReader own = params.child_or_empty("high_res_cfg");
  constexpr auto kOrder = media::RescaleOrder::f64;
  SquareRule rule{
      .edge = own.size_or("image_size", kEdge, 1, kMaxEdge), .fit = fit_longest_edge_truncated, .colour = {}};
  if (rule.edge < rule.least) own.fail("image_size", "expected " + std::to_string(rule.least) + " or more");
  const auto mean = read_channels(own, "pixel_mean", kHalf);
  rule.colour = mean_colour(own, mean, "pixel_mean");
  // Models with a high-resolution encoder are not normalised here; the padding has their mean all the same.
  PixelRule pixels{.mean = mean,
                   .std = kHalf,
                   .table = high ? media::NormalizeTable::rescale_only(kOrder)
                                 : media::NormalizeTable(mean, kHalf, kOrder)};
  return std::make_unique<PaddedSquare>(
      std::move(pixels), rule, ImageText{.placeholder = "<image>", .token = "<image>"}, read_count(files));
}

}  // namespace mlx_vision::processing
