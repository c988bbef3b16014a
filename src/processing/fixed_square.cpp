#include "processing/fixed_square.h"

#include <algorithm>
#include <array>
#include <utility>

#include "media/framing.h"
#include "processing/arrays.h"
#include "processing/image_text.h"
#include "processing/llava_tokens.h"
#include "processing/pixel_config.h"
#include "processing/square_steps.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

constexpr int kMostTokens = 1 << 16;

/// Steps in their order; an absent one is left out.
struct SquareRule {
  std::optional<media::Rgb> pad_colour;  ///< to a square, picture centred
  SquareSteps steps;
  Size result;  ///< of the steps together
};

// LLaVA's own code has it in place of a token (IMAGE_TOKEN_INDEX).
constexpr std::int32_t kPlaceId = -200;

struct FixedText {
  ImageText text;
  int count = 0;
  int patch = 0;           ///< side of the encoder's patches; 0: not known, or it has none
  int cell = 0;            ///< side of a token's part of the result; 0: the tokens are a square lattice
  PromptFrame frame = {};  ///< static text
};

std::int64_t area(Size size) { return std::int64_t(size.width) * size.height; }

class FixedSquare final : public ImageProcessor {
 public:
  FixedSquare(PixelRule pixels, SquareRule rule, FixedText text)
      : pixels_(std::move(pixels)), rule_(std::move(rule)), text_(std::move(text)) {}

  PreparedSize plan(Size image, int) const override {
    std::int64_t scratch = 0;
    if (rule_.pad_colour) {
      image.width = image.height = std::max(image.width, image.height);
      scratch += area(image);
    }
    if (rule_.steps.resize) scratch += area(rule_.steps.resized(image));
    if (rule_.steps.crop) scratch += area(*rule_.steps.crop);
    return {.pixels = {1, 3, rule_.result.height, rule_.result.width},
            .tokens = text_.count,
            .expansion = text_.text.expanded(text_.count),
            .scratch_pixels = scratch};
  }

  ImageInput prepare(const Image& image, int) const override {
    const Image square = rule_.pad_colour ? media::pad_to_square(image, *rule_.pad_colour) : image;
    const std::array out = {rule_.steps.apply(square, pixels_)};
    ImageInput input;
    input.tokens = text_.count;
    input.expansion = text_.text.expanded(text_.count);
    input.arrays.push_back(planes_of("pixel_values", out, pixels_.table));
    return input;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    return concatenated(images);
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    std::vector<View> out = plane_views(input.array("pixel_values"), pixels_.table,
                                        {.patch = text_.patch, .tokens = text_.count});
    const int side = std::max(original.width, original.height);
    const Size square = rule_.pad_colour ? Size{side, side} : original;
    View& view = out.front();
    view.source = source_box(
        rule_.steps.shown(square),
        media::pad_placement(original.width, original.height, square.width, square.height), original);
    view.label = crop_label(view.source);
    if (text_.cell > 0) view.tokens = square_cells(rule_.result, text_.cell);
    return out;
  }

  std::string_view placeholder() const override { return text_.text.placeholder; }

  PromptFrame frame() const override { return text_.frame; }

  std::string describe() const override {
    std::string text = std::to_string(rule_.result.width);
    text.append("x").append(std::to_string(rule_.result.height));
    if (rule_.pad_colour) text.append(", padded to a square");
    if (rule_.steps.crop) text.append(", centre crop");
    return text.append(", ").append(pixels_.describe());
  }

 private:
  PixelRule pixels_;
  SquareRule rule_;
  FixedText text_;
};

enum class Padding { never, do_pad, always_black };

/// A reference class: its defaults and whether it pads to a square first.
struct Recipe {
  std::string_view name;
  PixelDefaults pixels;
  int size = 224;
  bool rectangle = false;  ///< squashed and not cropped by default
  BareSize bare = BareSize::shortest_edge;
  Padding padding = Padding::never;
};

constexpr PixelDefaults kSiglipPixels{Filter::bicubic, kHalf, kHalf};
constexpr Recipe kClip{.name = "CLIPImageProcessor", .pixels = {}};
constexpr Recipe kSiglip{.name = "SiglipImageProcessor", .pixels = kSiglipPixels, .rectangle = true};
constexpr Recipe kLlava{.name = "LlavaImageProcessor", .pixels = {}, .padding = Padding::do_pad};
constexpr Recipe kGemma3{.name = "Gemma3ImageProcessor",
                         .pixels = {Filter::bilinear, kHalf, kHalf},
                         .rectangle = true,
                         .bare = BareSize::square};
constexpr Recipe kFastVlm{.name = "FastVLMImageProcessor",
                          .pixels = {.mean = kZero, .std = kOne, .order = media::RescaleOrder::f32_divide},
                          .size = 1024,
                          .padding = Padding::always_black};
constexpr Recipe kBunny{.name = "Bunny", .pixels = kSiglipPixels, .size = 384, .rectangle = true};

/// The class that the file names, or `own` if it names none.
const Recipe& read_recipe(const core::ConfigReader& config, const Recipe& own,
                          std::initializer_list<const Recipe*> others) {
  const std::string type = image_processor_type(config);
  if (type.empty() || type == own.name) return own;
  std::string known(own.name);
  for (const Recipe* recipe : others) {
    if (type == recipe->name) return *recipe;
    known.append(", ").append(recipe->name);
  }
  config.fail("image_processor_type", "\"" + type + "\" is not supported here; known: " + known);
}

std::optional<media::Rgb> read_padding(const core::ConfigReader& config, const Recipe& recipe,
                                       const PixelRule& pixels) {
  if (recipe.padding == Padding::always_black) return media::Rgb{0, 0, 0};
  const bool pad = config.get_or("do_pad", false);
  if (recipe.padding == Padding::do_pad) {
    config.ignore({"pad_size"});
    return pad ? std::optional(mean_colour(config, pixels.mean)) : std::nullopt;
  }
  if (pad && config.has("pad_size")) config.fail("pad_size", "padding after normalisation is not supported");
  return std::nullopt;
}

SquareRule read_rule(const core::ConfigReader& config, const PixelRule& pixels, const Recipe& recipe) {
  if (config.get_or("use_square_size", false))
    config.fail("use_square_size", "is not supported; give size as height and width");
  SquareDefaults defaults{.size = recipe.rectangle ? square_size(recipe.size) : shortest_edge(recipe.size),
                          .crop = std::nullopt,
                          .bare = recipe.bare};
  if (!recipe.rectangle) defaults.crop = Size{recipe.size, recipe.size};
  SquareRule rule{.pad_colour = read_padding(config, recipe, pixels),
                  .steps = read_square_steps(config, pixels, defaults),
                  .result = {}};
  const auto result = rule.steps.result(rule.pad_colour.has_value());
  if (!result)
    config.fail("do_center_crop",
                "expected true, since without a crop these settings give every picture its own size");
  rule.result = *result;
  return rule;
}

/// One of a family's processors: its class and text. `read_text` is called with the size of the results.
template <class ReadText>
std::unique_ptr<ImageProcessor> make(const core::ConfigReader& config, const Recipe& recipe,
                                     const ImageLimits& limits, const ReadText& read_text) {
  refuse_limits(limits, "this model takes pictures of one size");
  PixelRule pixels = read_pixel_rule(config, recipe.pixels);
  const SquareRule rule = read_rule(config, pixels, recipe);
  FixedText text = read_text(rule.result);
  if (text.count < 1)
    config.fail("size", "leaves no token for a picture of " + std::to_string(rule.result.width) + "x" +
                            std::to_string(rule.result.height));
  return std::make_unique<FixedSquare>(std::move(pixels), rule, std::move(text));
}

FixedText llava_text(const ProcessorFiles& files, Size image) {
  const LlavaTokens tokens = read_llava_tokens(files);
  const auto [rows, cols] = tokens.grid(image);
  return {.text = {.placeholder = tokens.image_token, .token = tokens.image_token},
          .count = rows * cols + tokens.additional - int(tokens.drops_first),
          .patch = tokens.patch,
          .cell = tokens.patch};
}

/// Gemma 3 and 3n: the soft tokens between markers and blank lines.
FixedText gemma_text(const ProcessorFiles& files, std::string placeholder) {
  return {.text = {.placeholder = std::move(placeholder),
                   .token = "<image_soft_token>",
                   .before = "\n\n<start_of_image>",
                   .after = "<end_of_image>\n\n"},
          .count = files.processor.size_or("image_seq_length", 256, 1, kMostTokens),
          .patch = read_encoder_patch(files)};
}

}  // namespace

std::unique_ptr<ImageProcessor> make_fixed_square(const ProcessorFiles& files, const ImageLimits& limits) {
  const core::ConfigReader& config = files.image_processor;
  return make(config, read_recipe(config, kLlava, {&kClip, &kSiglip}), limits,
              [&](Size result) { return llava_text(files, result); });
}

std::unique_ptr<ImageProcessor> make_gemma3_square(const ProcessorFiles& files, const ImageLimits& limits) {
  const core::ConfigReader& config = files.image_processor;
  config.ignore({"do_pan_and_scan", "pan_and_scan_min_crop_size", "pan_and_scan_max_num_crops",
                 "pan_and_scan_min_ratio_to_activate"});
  return make(config, read_recipe(config, kGemma3, {}), limits,
              [&](Size) { return gemma_text(files, "<start_of_image>"); });
}

std::unique_ptr<ImageProcessor> make_gemma3n_square(const ProcessorFiles& files, const ImageLimits& limits) {
  const core::ConfigReader& config = files.image_processor;
  return make(config, read_recipe(config, kSiglip, {}), limits,
              [&](Size) { return gemma_text(files, "<image_soft_token>"); });
}

std::unique_ptr<ImageProcessor> make_paligemma_square(const ProcessorFiles& files,
                                                      const ImageLimits& limits) {
  const core::ConfigReader& config = files.image_processor;
  return make(config, read_recipe(config, kSiglip, {&kClip}), limits, [&](Size image) {
    const int patch = files.config.child_or_empty("vision_config").size_or("patch_size", 14, 1, 1024);
    const int patches = (image.height / patch) * (image.width / patch);
    const int count = config.size_or("image_seq_length", patches, 1, kMostTokens);
    return FixedText{.text = {.placeholder = "<image>", .token = "<image>"},
                     .count = count,
                     .patch = patch,
                     .cell = count == patches ? patch : 0,
                     .frame = {.after_images = "<bos>", .end = "\n", .most_images = 1}};
  });
}

std::unique_ptr<ImageProcessor> make_fastvlm_square(const ProcessorFiles& files, const ImageLimits& limits) {
  constexpr int kStride = 64;  // of the encoder
  const core::ConfigReader& config = files.image_processor;
  if (!config.get_or("do_resize", true) || !config.get_or("do_rescale", true))
    config.fail("do_resize", "expected true, and do_rescale as well: this encoder takes one size");
  return make(config, kFastVlm, limits, [&](Size image) {
    return FixedText{.text = {.placeholder = "<image>", .token = "<image>"},
                     .count = (image.height / kStride) * (image.width / kStride),
                     .cell = kStride,
                     .frame = {.place_id = kPlaceId}};
  });
}

std::unique_ptr<ImageProcessor> make_bunny_square(const ProcessorFiles& files, const ImageLimits& limits) {
  return make(core::ConfigReader::empty("image processor"), kBunny, limits, [&](Size image) {
    const int patch = files.config.child_or_empty("vision_config").size_or("patch_size", 14, 1, 1024);
    return FixedText{.text = {.placeholder = "<image>", .token = "<image>"},
                     .count = (image.height / patch) * (image.width / patch),
                     .patch = patch,
                     .cell = patch,
                     .frame = {.place_id = kPlaceId}};
  });
}

}  // namespace mlx_vision::processing
