#include "processing/dynamic_grid.h"

#include <utility>

#include "media/framing.h"
#include "processing/arrays.h"
#include "processing/image_text.h"
#include "processing/pixel_config.h"
#include "processing/tile_grids.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

constexpr std::array<double, 3> kImageNetMean = {0.485, 0.456, 0.406}, kImageNetStd = {0.229, 0.224, 0.225};
constexpr int kMostTileTokens = 1 << 16;

enum class GridRule { nearest_ratio, nearest_ratio_and_area, least_upscale };

struct TileRule {
  GridRule grid = GridRule::nearest_ratio;
  Size tile;
  TileCount count;       ///< 1 = the whole picture is one tile
  bool overview = true;  ///< after the tiles of a grid of several
  bool batch_axis = false;
  int patch = 0;  ///< side of the encoder's patches; 0: not known
};

/// How a picture is written into the prompt.
struct TileText {
  ImageText text;
  int tokens = 256;            ///< of one tile
  std::string between = {};    ///< after each tile
  std::string name = {};       ///< before the n-th tile: name_n, from 1
  std::string last_name = {};  ///< before the last one, which is the overview
};

class DynamicGrid final : public ImageProcessor {
 public:
  DynamicGrid(PixelRule pixels, TileRule rule, TileText text)
      : pixels_(std::move(pixels)), rule_(rule), text_(std::move(text)) {}

  ImageInput prepare(const Image& image, int) const override {
    const std::vector<Image> tiles = cut(image);
    ImageInput out;
    out.tokens = int(tiles.size()) * text_.tokens;
    out.expansion = expansion(int(tiles.size()));
    out.arrays.push_back(planes_of("pixel_values", tiles, pixels_.table));
    return out;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    std::vector<Tensor> out = concatenated(images);
    return rule_.batch_axis ? with_leading_axis(std::move(out)) : out;
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    const Grid grid = grid_of(original);
    std::vector<View> out = plane_views(input.array("pixel_values"), pixels_.table,
                                        {.patch = rule_.patch, .tokens = text_.tokens});
    out.back().source = whole_box(original);
    const media::Placement at{.width = grid.cols * rule_.tile.width, .height = grid.rows * rule_.tile.height};
    place_tiles(out, 0, {grid, rule_.tile, at}, original);
    return out;
  }

  std::string_view placeholder() const override { return text_.text.placeholder; }

  std::string describe() const override {
    std::string text = std::to_string(rule_.count.least) + " to " + std::to_string(rule_.count.most);
    text.append(" tiles of ").append(std::to_string(rule_.tile.width)).append("x");
    text.append(std::to_string(rule_.tile.height));
    if (rule_.overview && rule_.count.most > 1) text.append(" and an overview");
    text.append(", ").append(std::to_string(text_.tokens)).append(" tokens each, ");
    return text.append(pixels_.describe());
  }

 private:
  Grid grid_of(Size image) const {
    if (rule_.count.most == 1) return {1, 1};
    if (rule_.grid == GridRule::least_upscale)
      return least_upscale_grid(image, rule_.tile.height, rule_.count.most);
    return nearest_ratio_grid(
        image, rule_.tile, rule_.count,
        rule_.grid == GridRule::nearest_ratio ? GridTie::more_tiles : GridTie::nearest_area);
  }

  std::vector<Image> cut(const Image& image) const {
    const auto [width, height] = rule_.tile;
    const Grid grid = grid_of({image.width(), image.height()});
    const Image whole = pixels_.resized(image, {grid.cols * width, grid.rows * height});
    std::vector<Image> tiles = media::cut_tiles(whole, width, height);
    if (rule_.overview && tiles.size() > 1) tiles.push_back(pixels_.resized(image, rule_.tile));
    return tiles;
  }

  std::string expansion(int tiles) const {
    const ImageText& text = text_.text;
    const std::string run = token_run(text.token, text_.tokens);
    std::string out = text.before;
    for (int i = 1; i <= tiles; ++i) {
      if (!text_.name.empty() && i < tiles) out.append(text_.name).append("_").append(std::to_string(i));
      if (i == tiles) out.append(text_.last_name);
      out.append(run).append(text_.between);
    }
    return out.append(text.after);
  }

  PixelRule pixels_;
  TileRule rule_;
  TileText text_;
};

constexpr std::string_view kNoLimits = "this model cuts pictures into tiles of one size";

void check_canvas(const core::ConfigReader& config, std::string_view key, const TileRule& rule) {
  if (rule.count.least > rule.count.most)
    config.fail(key,
                "expected at least the smallest number of tiles, got " + std::to_string(rule.count.most));
  const std::int64_t widest = std::int64_t(std::max(rule.tile.width, rule.tile.height)) * rule.count.most;
  if (widest > DecodeLimits{}.side)
    config.fail(key, "expected tiles that side by side have at most " + std::to_string(DecodeLimits{}.side) +
                         " pixels, got " + std::to_string(widest));
}

TileRule read_patches(const core::ConfigReader& config, const PixelRule& pixels, Size tile, bool split) {
  TileRule rule;
  rule.tile = read_rectangle(config, "size", tile);
  config.ignore({"crop_to_patches", "do_center_crop", "crop_size"});
  if (split) {
    rule.count = {.least = config.size_or("min_patches", 1, 1, kMostTiles),
                  .most = config.size_or("max_patches", 12, 1, kMostTiles)};
    check_canvas(config, "max_patches", rule);
  } else {
    config.ignore({"min_patches", "max_patches"});
  }
  if (rule.count.most == 1 && !pixels.resize)
    config.fail("do_resize", "expected true: the encoder takes one size only");
  return rule;
}

TileText internvl_text(std::string placeholder, int tokens) {
  return {.text = {.placeholder = std::move(placeholder),
                   .token = "<IMG_CONTEXT>",
                   .before = "<img>",
                   .after = "</img>"},
          .tokens = tokens};
}

std::unique_ptr<ImageProcessor> make_got(const ProcessorFiles& files, const ImageLimits& limits, bool split,
                                         TileText text) {
  refuse_limits(limits, kNoLimits);
  PixelRule pixels = read_pixel_rule(files.image_processor, {});
  TileRule rule = read_patches(files.image_processor, pixels, {384, 384}, split);
  rule.patch = read_encoder_patch(files);
  return std::make_unique<DynamicGrid>(std::move(pixels), rule, std::move(text));
}

}  // namespace

std::unique_ptr<ImageProcessor> make_internvl_grid(const ProcessorFiles& files, const ImageLimits& limits) {
  const int tokens = files.processor.size_or("image_seq_length", 256, 1, kMostTileTokens);
  return make_got(files, limits, true, internvl_text("<IMG_CONTEXT>", tokens));
}

std::unique_ptr<ImageProcessor> make_got_ocr2_grid(const ProcessorFiles& files, const ImageLimits& limits) {
  return make_got(files, limits, false,
                  {.text = {.placeholder = "<imgpad>", .token = "<imgpad>"}, .tokens = 256});
}

std::unique_ptr<ImageProcessor> make_aya_vision_grid(const ProcessorFiles& files, const ImageLimits& limits) {
  const core::ConfigReader& processor = files.processor;
  const int patch =
      processor.size_or("patch_size", 28, 1, 4096) * processor.size_or("downsample_factor", 1, 1, 64);
  const int side = processor.size_or("img_size", 364, 1, kMaxEdge) / patch;
  if (side < 1) processor.fail("patch_size", "leaves no token for a tile");
  return make_got(files, limits, true,
                  {.text = {.placeholder = read_token(processor, "image_token", "<image>"),
                            .token = read_token(processor, "img_patch_token", "<|IMG_PATCH|>"),
                            .before = read_token(processor, "start_of_img_token", "<|START_OF_IMG|>"),
                            .after = read_token(processor, "end_of_img_token", "<|END_OF_IMG|>")},
                   .tokens = side * side,
                   .name = read_token(processor, "tile_token", "TILE"),
                   .last_name = read_token(processor, "tile_global_token", "TILE_GLOBAL")});
}

std::unique_ptr<ImageProcessor> make_cohere2_vision_grid(const ProcessorFiles& files,
                                                         const ImageLimits& limits) {
  refuse_limits(limits, kNoLimits);
  const core::ConfigReader& config = files.image_processor;
  PixelRule pixels = read_pixel_rule(config, {.order = media::RescaleOrder::fused});
  pixels.rule = ResampleRule::torchvision;
  TileRule rule = read_patches(config, pixels, {512, 512}, config.get_or("crop_to_patches", true));
  rule.grid = GridRule::least_upscale;
  rule.patch = read_encoder_patch(files);
  if (rule.tile.width != rule.tile.height) config.fail("size", "expected the same height and width");
  const int patch = config.size_or("patch_size", 16, 1, 256);
  return std::make_unique<DynamicGrid>(std::move(pixels), rule,
                                       TileText{.text = {.placeholder = "<|IMG_PATCH|>",
                                                         .token = "<|IMG_PATCH|>",
                                                         .before = "<|START_OF_IMG|>",
                                                         .after = "<|END_OF_IMG|>"},
                                                .tokens = patch * patch,
                                                .between = "<|IMG_LINE_BREAK|>"});
}

std::unique_ptr<ImageProcessor> make_internvl_chat_grid(const ProcessorFiles& files,
                                                        const ImageLimits& limits) {
  refuse_limits(limits, kNoLimits);
  const core::ConfigReader &config = files.config, &processor = files.processor;
  const core::ConfigReader vision = config.child_or_empty("vision_config");
  const int image_size =
      config.size_or("force_image_size", vision.size_or("image_size", 448, 1, kMaxEdge), 1, kMaxEdge);
  const int edge = processor.size_or("image_size", image_size, 1, kMaxEdge);
  TileRule rule{.grid = GridRule::nearest_ratio_and_area,
                .tile = {edge, edge},
                .count = {.least = config.size_or("min_dynamic_patch", 1, 1, kMostTiles),
                          .most = config.size_or("max_dynamic_patch", 12, 1, kMostTiles)},
                .overview = config.get_or("use_thumbnail", true),
                .batch_axis = true,
                .patch = read_encoder_patch(files)};
  check_canvas(config, "max_dynamic_patch", rule);
  const int patch = processor.size_or("patch_size", vision.size_or("patch_size", 14, 1, 4096), 1, 4096);
  const double ratio = processor.get_or("downsample_ratio", config.get_or("downsample_ratio", 0.5));
  const std::int64_t side = edge / patch;
  const double tokens = double(side * side) * (ratio * ratio);
  if (!(tokens >= 1 && tokens <= kMostTileTokens))
    config.fail("downsample_ratio",
                "expected one that leaves 1 to " + std::to_string(kMostTileTokens) + " tokens for a tile");
  const int count = processor.size_or("num_image_token", int(tokens), 1, kMostTileTokens);
  constexpr auto kOrder = media::RescaleOrder::f32_divide;
  PixelRule pixels{.mean = kImageNetMean,
                   .std = kImageNetStd,
                   .table = media::NormalizeTable(kImageNetMean, kImageNetStd, kOrder)};
  return std::make_unique<DynamicGrid>(std::move(pixels), rule, internvl_text("<image>", count));
}

}  // namespace mlx_vision::processing
