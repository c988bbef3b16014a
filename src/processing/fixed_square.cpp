#include "processing/fixed_square.h"

#include <algorithm>
#include <utility>

#include "media/geometry.h"
#include "mlx_vision/error.h"
#include "processing/arrays.h"
#include "processing/pixel_config.h"
#include "processing/resize_rules.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

/// Steps in their order; an absent one is left out.
struct SquareRule {
  std::optional<media::Rgb> pad_colour;  ///< to a square, picture centred
  std::optional<SizeField> resize;       ///< a rectangle, or the shortest edge
  std::optional<Size> crop;              ///< centred; black where the picture is smaller
  Size result;                           ///< of the steps together
};

struct TokenRule {
  std::string image_token = "<image>";
  int count = 0;  ///< per picture
  int patch = 0;  ///< side of the encoder's patches
};

Image padded_to_square(const Image& image, media::Rgb colour) {
  const int side = std::max(image.width(), image.height());
  return media::paste_on(image, side, side, (side - image.width()) / 2, (side - image.height()) / 2, colour);
}

/// The border rounds towards the top left as Python's floor division does, whichever of the two is larger.
int crop_start(int have, int want) { return (have - want) >> 1; }

Image centre_crop(const Image& image, Size crop) {
  return media::crop(image, crop_start(image.width(), crop.width), crop_start(image.height(), crop.height),
                     crop.width, crop.height);
}

class FixedSquare final : public ImageProcessor {
 public:
  FixedSquare(PixelRule pixels, SquareRule rule, TokenRule tokens)
      : pixels_(std::move(pixels)), rule_(std::move(rule)), tokens_(std::move(tokens)) {}

  ImageInput prepare(const Image& image, int) const override {
    Image out = rule_.pad_colour ? padded_to_square(image, *rule_.pad_colour) : image;
    if (rule_.resize) {
      const Size size = target({out.width(), out.height()});
      out = out.resized(size.width, size.height, pixels_.filter);
    }
    if (rule_.crop) out = centre_crop(out, *rule_.crop);
    std::vector<float> planes(out.pixels().size());
    media::write_planes(out, pixels_.table, planes);
    ImageInput input;
    input.tokens = tokens_.count;
    input.expansion = token_run(tokens_.image_token, tokens_.count);
    input.arrays.push_back(
        float_tensor("pixel_values", {1, 3, out.height(), out.width()}, std::move(planes)));
    return input;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    return concatenated(images);
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    const Tensor& pixels = input.array("pixel_values");
    const Size size{int(pixels.shape[3]), int(pixels.shape[2])};
    const Cells patches = square_cells(size, tokens_.patch);
    const Box source = shown_part(original);
    const bool cut = source.left > 0.5f || source.top > 0.5f;
    return {{.label = cut ? "centre crop" : "whole picture",
             .image = media::read_planes(pixels.floats, size.width, size.height, pixels_.table),
             .source = source,
             .patches = patches,
             .tokens = patches,
             .token_count = input.tokens}};
  }

  std::string_view placeholder() const override { return tokens_.image_token; }

  std::string describe() const override {
    std::string text = std::to_string(rule_.result.width);
    text.append("x").append(std::to_string(rule_.result.height));
    if (rule_.pad_colour) text.append(", padded to a square");
    if (rule_.crop) text.append(", centre crop");
    return text.append(", ").append(pixels_.describe());
  }

 private:
  Box shown_part(Size original) const {
    const int side = std::max(original.width, original.height);
    const Size padded = rule_.pad_colour ? Size{side, side} : original;
    const Size resized = rule_.resize ? target(padded) : padded, shown = rule_.crop.value_or(resized);
    const Box box = source_box(padded, resized, crop_start(resized.width, shown.width),
                               crop_start(resized.height, shown.height), shown);
    const auto x = float(crop_start(padded.width, original.width));
    const auto y = float(crop_start(padded.height, original.height));
    return {.left = box.left - x, .top = box.top - y, .right = box.right - x, .bottom = box.bottom - y};
  }

  Size target(Size image) const {
    if (rule_.resize->is_rectangle()) return {*rule_.resize->width, *rule_.resize->height};
    return fit_shortest_edge(image, *rule_.resize->shortest_edge);
  }

  PixelRule pixels_;
  SquareRule rule_;
  TokenRule tokens_;
};

enum class Recipe { clip, siglip, llava };

Recipe read_recipe(const core::ConfigReader& config) {
  const std::string type = image_processor_type(config);
  if (type == "CLIPImageProcessor") return Recipe::clip;
  if (type == "SiglipImageProcessor") return Recipe::siglip;
  if (type == "LlavaImageProcessor" || type.empty()) return Recipe::llava;  // the family's own is the default
  config.fail("image_processor_type", "\"" + type +
                                          "\" is not supported here; known: CLIPImageProcessor, "
                                          "SiglipImageProcessor, LlavaImageProcessor");
}

/// int(mean * 255) as LlavaImageProcessor's padding takes it.
media::Rgb mean_colour(const core::ConfigReader& config, const std::array<double, 3>& mean) {
  media::Rgb colour{};
  for (std::size_t c = 0; c < 3; ++c) {
    if (!(mean[c] >= 0 && mean[c] <= 1)) config.fail("image_mean", "expected 0..1, since it colours do_pad");
    colour[c] = std::uint8_t(mean[c] * 255);
  }
  return colour;
}

std::optional<Size> read_crop(const core::ConfigReader& config, Recipe recipe) {
  if (!config.get_or("do_center_crop", recipe != Recipe::siglip)) return std::nullopt;
  SizeField fallback;
  if (recipe != Recipe::siglip) fallback.height = fallback.width = 224;
  const SizeField crop = read_size(config, "crop_size", fallback, BareSize::square);
  if (!crop.is_rectangle()) config.fail("crop_size", "expected height and width");
  return Size{*crop.width, *crop.height};
}

void read_padding(const core::ConfigReader& config, Recipe recipe, const PixelRule& pixels,
                  SquareRule& rule) {
  const bool pad = config.get_or("do_pad", false);
  if (recipe == Recipe::llava) {
    config.ignore({"pad_size"});
    if (pad) rule.pad_colour = mean_colour(config, pixels.mean);
  } else if (pad && config.has("pad_size")) {
    config.fail("pad_size", "padding after normalisation is not supported");
  }
}

SquareRule read_rule(const core::ConfigReader& config, const PixelRule& pixels, Recipe recipe) {
  if (config.get_or("use_square_size", false))
    config.fail("use_square_size", "is not supported; give size as height and width");
  SquareRule rule;
  read_padding(config, recipe, pixels, rule);
  SizeField fallback;
  if (recipe == Recipe::siglip)
    fallback.height = fallback.width = 224;
  else
    fallback.shortest_edge = 224;
  if (pixels.resize) {
    rule.resize = read_size(config, "size", fallback, BareSize::shortest_edge);
    if (rule.resize->longest_edge || (rule.resize->shortest_edge && rule.resize->height))
      config.fail("size", "expected height and width, or shortest_edge alone");
  } else {
    config.ignore({"size"});
  }
  rule.crop = read_crop(config, recipe);
  if (rule.crop)
    rule.result = *rule.crop;
  else if (rule.resize && rule.resize->is_rectangle())
    rule.result = {*rule.resize->width, *rule.resize->height};
  else if (rule.resize && rule.pad_colour)
    rule.result = {*rule.resize->shortest_edge, *rule.resize->shortest_edge};
  else
    config.fail("do_center_crop",
                "expected true, since without a crop these settings give every picture its own size");
  return rule;
}

/// What the model itself takes, for a folder whose processor_config.json does not say. Without a
/// vision_config the encoder is CLIP ViT-L/14, as LlavaConfig has it.
void count_from_model(const ProcessorFiles& files, Size image, TokenRule& rule) {
  const core::ConfigReader vision = files.config.child_or_empty("vision_config");
  const std::string encoder = vision.get_or<std::string>("model_type", "clip_vision_model");
  rule.patch = files.config.has("vision_config") ? vision.size("patch_size", 1, 1024) : 14;
  const bool has_class_row = encoder.starts_with("clip");
  const bool drops_first =
      files.config.get_or<std::string>("vision_feature_select_strategy", "default") == "default";
  rule.count =
      (image.height / rule.patch) * (image.width / rule.patch) + int(has_class_row) - int(drops_first);
}

TokenRule read_tokens(const ProcessorFiles& files, Size image) {
  const core::ConfigReader& processor = files.processor;
  TokenRule rule;
  rule.image_token = processor.get_or<std::string>("image_token", rule.image_token);
  if (rule.image_token.empty()) processor.fail("image_token", "expected the text of a token, got \"\"");
  if (processor.has("patch_size")) {
    rule.patch = processor.size("patch_size", 1, 1024);
    rule.count = (image.height / rule.patch) * (image.width / rule.patch) +
                 processor.size_or("num_additional_image_tokens", 0, 0, 1024);
    if (processor.get_or<std::string>("vision_feature_select_strategy", "") == "default") --rule.count;
  } else {
    count_from_model(files, image, rule);
  }
  if (rule.count < 1)
    processor.fail("patch_size", "leaves no token for a picture of " + std::to_string(image.width) + "x" +
                                     std::to_string(image.height));
  return rule;
}

}  // namespace

std::unique_ptr<ImageProcessor> make_fixed_square(const ProcessorFiles& files, const ImageLimits& limits) {
  if (limits.min_pixels || limits.max_pixels)
    throw RequestError(
        "image limits: this model takes pictures of one size, min_pixels and max_pixels have "
        "no meaning here; leave them out");
  const core::ConfigReader& config = files.image_processor;
  const Recipe recipe = read_recipe(config);
  const PixelRule pixels = read_pixel_rule(
      config, recipe == Recipe::siglip ? PixelDefaults{Filter::bicubic, kHalf, kHalf} : PixelDefaults{});
  const SquareRule rule = read_rule(config, pixels, recipe);
  return std::make_unique<FixedSquare>(pixels, rule, read_tokens(files, rule.result));
}

}  // namespace mlx_vision::processing
