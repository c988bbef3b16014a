#include "processing/masked_images.h"

#include <array>
#include <utility>

#include "media/geometry.h"
#include "mlx_vision/error.h"
#include "processing/arrays.h"
#include "processing/image_text.h"
#include "processing/pixel_config.h"
#include "processing/resize_rules.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

constexpr std::string_view kImageToken = "<image>", kFakeToken = "<fake_token_around_image>";

/// A part of a picture in its pixels.
struct Part {
  int x = 0, y = 0;
  Size size;
};

struct ViewRule {
  SizeField size;  ///< both edges, or a rectangle
  bool split = false;
  int tokens = 64;  ///< of one view
  int patch = 0;    ///< side of the encoder's patches; 0: not known
};

class MaskedImages final : public ImageProcessor {
 public:
  MaskedImages(PixelRule pixels, ViewRule rule) : pixels_(std::move(pixels)), rule_(std::move(rule)) {}

  ImageInput prepare(const Image& image, int) const override {
    std::vector<ImageInput> views;
    for (const auto& [x, y, size] : parts_of({image.width(), image.height()})) {
      std::array out = {rule_.split ? media::crop(image, x, y, size.width, size.height) : image};
      if (pixels_.resize) out[0] = pixels_.resized(out[0], target(size));
      const std::int64_t width = out[0].width(), height = out[0].height();
      std::vector<std::int64_t> ones(checked_count({height, width}), 1);
      ImageInput input;
      input.arrays.push_back(planes_of("pixel_values", out, pixels_.table));
      input.arrays.push_back(int_tensor("pixel_attention_mask", {1, height, width}, std::move(ones)));
      views.push_back(std::move(input));
    }
    ImageInput out;
    out.tokens = int(views.size()) * rule_.tokens;
    out.expansion = kFakeToken;
    for (std::size_t i = 0; i < views.size(); ++i)
      out.expansion.append(token_run(kImageToken, rule_.tokens)).append(kFakeToken);
    out.arrays = joined_views(views);
    return out;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    if (images.empty()) return {};
    return with_leading_axis(joined_views(images));
  }

  /// A resampler makes the tokens, so they have no places in the view.
  std::vector<View> views(const ImageInput& input, Size original) const override {
    std::vector<View> out = plane_views(input.array("pixel_values"), pixels_.table, {.tokens = rule_.tokens});
    const std::vector<Part> parts = parts_of(original);
    for (std::size_t i = 0; i < out.size(); ++i) {
      View& view = out[i];
      const Size size = pixels_.resize ? target(parts[i].size) : parts[i].size;
      view.image = media::crop(view.image, 0, 0, size.width, size.height);  // without what the mask hides
      view.source = source_box(original, original, parts[i].x, parts[i].y, parts[i].size);
      view.patches = square_cells(size, rule_.patch);
      view.tokens = {};
      if (i + 1 < out.size()) name_tile(view, int(i), 2);
    }
    return out;
  }

  std::string_view placeholder() const override { return kImageToken; }

  std::string describe() const override {
    std::string text;
    if (rule_.size.longest_edge)
      text.append("edges of ")
          .append(std::to_string(*rule_.size.shortest_edge))
          .append(" to ")
          .append(std::to_string(*rule_.size.longest_edge));
    else
      text.append("fixed size");
    if (rule_.split) text.append(", four quarters");
    return text.append(", ").append(pixels_.describe());
  }

 private:
  static std::vector<Tensor> joined_views(std::span<const ImageInput> views) {
    return {joined("pixel_values", views), joined("pixel_attention_mask", views)};
  }

  std::vector<Part> parts_of(Size image) const {
    const Part whole{.size = image};
    if (!rule_.split) return {whole};
    const auto [w, h] = image;
    const int mw = w / 2, mh = h / 2;
    if (mw < 1 || mh < 1) throw MediaError("image: too small to be split in four; enlarge it");
    return {
        {0, 0, {mw, mh}}, {mw, 0, {w - mw, mh}}, {0, mh, {mw, h - mh}}, {mw, mh, {w - mw, h - mh}}, whole};
  }

  Size target(Size view) const {
    if (rule_.size.is_rectangle()) return {*rule_.size.width, *rule_.size.height};
    return fit_between_edges(view, *rule_.size.shortest_edge, *rule_.size.longest_edge);
  }

  PixelRule pixels_;
  ViewRule rule_;
};

}  // namespace

std::unique_ptr<ImageProcessor> make_masked_images(const ProcessorFiles& files, const ImageLimits& limits) {
  refuse_limits(limits, "this model limits the sides, not the pixels");
  const core::ConfigReader& config = files.image_processor;
  PixelRule pixels = read_pixel_rule(config, {Filter::bilinear, kHalf, kHalf});
  if (!config.get_or("do_pad", true))
    config.fail("do_pad", "expected true, since without it pictures have no common array");
  ViewRule rule;
  SizeField fallback;
  fallback.shortest_edge = 378;
  fallback.longest_edge = 980;
  rule.size = read_size(config, "size", fallback, BareSize::shortest_edge);
  if (!rule.size.is_rectangle() && !(rule.size.shortest_edge && rule.size.longest_edge))
    config.fail("size", "expected shortest_edge and longest_edge, or height and width");
  rule.split = config.get_or("do_image_splitting", rule.split);
  rule.patch = read_encoder_patch(files);
  rule.tokens = files.processor.size_or("image_seq_len", rule.tokens, 1, kMaxEdge);
  return std::make_unique<MaskedImages>(std::move(pixels), std::move(rule));
}

}  // namespace mlx_vision::processing
