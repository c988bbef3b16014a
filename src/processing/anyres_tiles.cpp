#include "processing/anyres_tiles.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "media/framing.h"
#include "mlx_vision/error.h"
#include "processing/anyres_rows.h"
#include "processing/arrays.h"
#include "processing/image_text.h"
#include "processing/llava_tokens.h"
#include "processing/pixel_config.h"
#include "processing/square_steps.h"
#include "processing/tile_grids.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

struct TileRule {
  std::vector<Size> pinpoints;
  SquareSteps steps;                   ///< of each tile
  Size overview;                       ///< before the steps
  int tile = 0;                        ///< both sides, before the steps
  std::optional<media::Rgb> together;  ///< pads each of several images to a square, which then has one tile
};

struct TextRule {
  std::string image_token;
  Grid patches;        ///< of one tile
  int overview = 0;    ///< rows of the overview
  int less = 0;        ///< rows that the model drops of the sum
  int most_tiles = 0;  ///< beyond, the rows are resampled (anyres_max_N); 0 = never
  int patch = 0;       ///< side of the encoder's patches; 0: not known
};

class AnyresTiles final : public ImageProcessor {
 public:
  AnyresTiles(PixelRule pixels, TileRule rule, TextRule text)
      : pixels_(std::move(pixels)), rule_(std::move(rule)), text_(std::move(text)) {}

  ImageInput prepare(const Image& image, int count) const override {
    const bool together = rule_.together && count > 1;
    std::vector<Image> tiles =
        together ? std::vector{media::pad_to_square(image, *rule_.together)} : cut(image);
    for (Image& tile : tiles) tile = rule_.steps.apply(tile, pixels_);
    ImageInput out;
    const std::int64_t tokens = together ? text_.overview + 1 - text_.less : tokens_of(image);
    out.expansion = token_run(text_.image_token, tokens);
    out.tokens = int(tokens);
    out.arrays.push_back(planes_of("pixel_values", tiles, pixels_.table));
    out.arrays.push_back(int_tensor("image_sizes", {1, 2}, {image.height(), image.width()}));
    return out;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    if (images.empty()) return {};
    std::vector<Tensor> out = {stacked("pixel_values", images), joined("image_sizes", images)};
    if (rule_.together) out.push_back(int_tensor("batch_num_images", {1}, {std::int64_t(images.size())}));
    return out;
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    const int overview = text_.overview - text_.less;
    std::vector<View> out =
        plane_views(input.array("pixel_values"), pixels_.table, {.patch = text_.patch, .tokens = overview});
    if (out.size() == 1) {  // one of several pictures
      const int side = std::max(original.width, original.height);
      out[0].source = source_box(rule_.steps.shown({side, side}),
                                 media::pad_placement(original.width, original.height, side, side), original);
      return out;
    }
    out[0].source = source_box(rule_.steps.shown(rule_.overview),
                               {.width = rule_.overview.width, .height = rule_.overview.height}, original);
    place_views(out, original);
    return out;
  }

  std::string_view placeholder() const override { return text_.image_token; }

  std::string describe() const override {
    return "tiles of " + std::to_string(rule_.tile) + " for " + std::to_string(rule_.pinpoints.size()) +
           " resolutions and an overview, " + pixels_.describe();
  }

 private:
  void place_views(std::vector<View>& views, Size original) const {
    const Size best = best_resolution(original, rule_.pinpoints), fitted = fit_into(original, best);
    const media::Placement at = media::pad_placement(fitted.width, fitted.height, best.width, best.height);
    const auto [down, across] = rows_of(original);
    const int columns = (best.width + rule_.tile - 1) / rule_.tile;
    for (int i = 0; i + 1 < int(views.size()); ++i) {
      View& view = views[std::size_t(i) + 1];
      name_tile(view, i, columns);
      const int x = view.column * rule_.tile, y = view.row * rule_.tile;
      const Box part =
          rule_.steps.shown({std::min(rule_.tile, best.width - x), std::min(rule_.tile, best.height - y)});
      view.source = source_box({.left = part.left + float(x),
                                .top = part.top + float(y),
                                .right = part.right + float(x),
                                .bottom = part.bottom + float(y)},
                               at, original);
      const auto [rows, cols] = text_.patches;
      view.token_count = down.within(view.row * rows, (view.row + 1) * rows) *
                         across.within(view.column * cols, (view.column + 1) * cols);
      const bool all_kept = down.kept == down.unpadded && view.token_count == rows * cols;
      if (!all_kept || rows != cols) view.tokens = {};
    }
  }

  std::vector<Image> cut(const Image& image) const {
    const Size size{image.width(), image.height()};
    const Size best = best_resolution(size, rule_.pinpoints);
    const Image fitted = pixels_.resized(image, fit_into(size, best));
    std::vector<Image> tiles = media::cut_tiles(media::pad_around(fitted, best.width, best.height, {0, 0, 0}),
                                                rule_.tile, rule_.tile);
    tiles.insert(tiles.begin(), pixels_.resized(image, rule_.overview));
    return tiles;
  }

  std::int64_t tokens_of(const Image& image) const {
    const auto [down, across] = rows_of({image.width(), image.height()});
    return down.kept * (across.kept + 1) + text_.overview - text_.less;
  }

  AnyresRows rows_of(Size image) const {
    const Size tile = *rule_.steps.result(true);
    const Size best = best_resolution(image, rule_.pinpoints);
    return anyres_rows(image, {.rows = best.height / tile.height, .cols = best.width / tile.width},
                       text_.patches, text_.most_tiles);
  }

  PixelRule pixels_;
  TileRule rule_;
  TextRule text_;
};

void check_pinpoints(const core::ConfigReader& config, const TileRule& rule, Size tile) {
  const auto up = [&](int side) { return (side + rule.tile - 1) / rule.tile; };
  for (const Size size : rule.pinpoints) {
    if (size.width < tile.width || size.height < tile.height)
      config.fail("image_grid_pinpoints", "expected every side to be a tile's or more");
    if (std::int64_t(up(size.width)) * up(size.height) > kMostTiles)
      config.fail("image_grid_pinpoints", "expected at most " + std::to_string(kMostTiles) + " tiles");
  }
}

/// What a class assumes: size, crop and resolutions.
struct Recipe {
  SquareDefaults steps;
  std::vector<Size> pinpoints;
};

TileRule read_rule(const core::ConfigReader& config, const PixelRule& pixels, const Recipe& recipe) {
  config.ignore({"do_pad", "vision_aspect_ratio", "aspect_ratio_setting", "image_aspect_ratio"});
  TileRule rule{.pinpoints = read_pinpoints(config, recipe.pinpoints),
                .steps = read_square_steps(config, pixels, recipe.steps)};
  // The overview and the tiles follow size and crop_size even where these steps are off.
  const SizeField size = read_size(config, "size", recipe.steps.size, BareSize::shortest_edge);
  const int edge = size.shortest_edge.value_or(size.height.value_or(0));
  rule.overview = size.is_rectangle() ? Size{*size.width, *size.height} : Size{edge, edge};
  rule.tile = edge;
  SizeField crop;
  if (recipe.steps.crop) crop = square_size(recipe.steps.crop->height);
  crop = read_size(config, "crop_size", crop, BareSize::square);
  if (crop.height) rule.tile = *crop.height;
  if (edge < 1) config.fail("size", "expected height and width, or shortest_edge");
  const auto result = rule.steps.result(true);
  if (!result) config.fail("do_resize", "expected true, or do_center_crop: the tiles need one size");
  check_pinpoints(config, rule, *result);
  return rule;
}

std::vector<Size> multiples(int edge, int most) {
  std::vector<Size> out;
  for (int rows = 1; rows <= most; ++rows)
    for (int cols = 1; cols <= most; ++cols) out.push_back({.width = cols * edge, .height = rows * edge});
  return out;
}

/// From processor_config.json, else from config.json, whose model needs the same.
int most_tiles_of(const ProcessorFiles& files) {
  return read_most_tiles(files.processor.has(kMostTilesKey) ? files.processor : files.config);
}

}  // namespace

std::unique_ptr<ImageProcessor> make_llava_next_tiles(const ProcessorFiles& files,
                                                      const ImageLimits& limits) {
  refuse_limits(limits, "this model cuts pictures into tiles of one size");
  const core::ConfigReader& config = files.image_processor;
  PixelRule pixels = read_pixel_rule(config, {});
  TileRule rule = read_rule(
      config, pixels,
      {.steps = {.size = shortest_edge(224), .crop = Size{224, 224}}, .pinpoints = llava_next_pinpoints()});
  const LlavaTokens tokens = read_llava_tokens(files);
  const Grid patches = tokens.grid(*rule.steps.result(true));
  if (patches.rows < 1 || patches.cols < 1) config.fail("crop_size", "expected a patch or more");
  return std::make_unique<AnyresTiles>(std::move(pixels), std::move(rule),
                                       TextRule{.image_token = tokens.image_token,
                                                .patches = patches,
                                                .overview = patches.rows * patches.cols + tokens.additional,
                                                .less = int(tokens.drops_first),
                                                .patch = tokens.patch});
}

std::unique_ptr<ImageProcessor> make_llava_onevision_tiles(const ProcessorFiles& files,
                                                           const ImageLimits& limits) {
  refuse_limits(limits, "this model cuts pictures into tiles of one size");
  const core::ConfigReader& config = files.image_processor;
  PixelRule pixels = read_pixel_rule(config, {});
  TileRule rule =
      read_rule(config, pixels,
                {.steps = {.size = square_size(384), .crop = std::nullopt}, .pinpoints = multiples(384, 6)});
  rule.together = mean_colour(config, pixels.mean);
  const int tokens = files.processor.size_or("num_image_tokens", 729, 1, 1 << 16);
  const int side = int(std::sqrt(double(tokens)));
  TextRule text{
      .image_token = read_token(files.processor, "image_token", "<image>"),
      .patches = {side, side},
      .overview = tokens,
      .less = int(files.processor.get_or<std::string>("vision_feature_select_strategy", "") == "default"),
      .most_tiles = most_tiles_of(files),
      .patch = read_encoder_patch(files)};
  return std::make_unique<AnyresTiles>(std::move(pixels), std::move(rule), std::move(text));
}

}  // namespace mlx_vision::processing
