#include "processing/letterboxed_tiles.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "media/framing.h"
#include "processing/arrays.h"
#include "processing/image_text.h"
#include "processing/pixel_config.h"
#include "processing/tile_grids.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

constexpr int kMostCropped = 2;  // pictures of a prompt that are cut into tiles
constexpr int kTile = 384;

struct TileRule {
  std::vector<Size> resolutions;
  int tile = kTile;
  int side = 14;  ///< tokens of a tile's row
  int patch = 14;
  media::Rgb colour = {};
};

class LetterboxedTiles final : public ImageProcessor {
 public:
  LetterboxedTiles(PixelRule pixels, TileRule rule, std::string token)
      : pixels_(std::move(pixels)), rule_(std::move(rule)), token_(std::move(token)) {}

  ImageInput prepare(const Image& image, int count) const override {
    const Size one{rule_.tile, rule_.tile};
    const Size best =
        count > kMostCropped ? one : best_resolution({image.width(), image.height()}, rule_.resolutions);
    std::vector<Image> tiles = media::cut_tiles(fitted(image, best), rule_.tile, rule_.tile);
    tiles.insert(tiles.begin(), fitted(image, one));
    const std::int64_t cols = best.width / rule_.tile, rows = best.height / rule_.tile, side = rule_.side;
    const std::int64_t tokens = side * (side + 1) + 1 + rows * side * (cols * side + 1);
    ImageInput out;
    out.expansion = token_run(token_, tokens);
    out.tokens = int(tokens);
    out.arrays.push_back(planes_of("images", tiles, pixels_.table));
    out.arrays.push_back(int_tensor("images_spatial_crop", {1, 2}, {cols, rows}));
    return out;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    return with_leading_axis(concatenated(images));
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    std::vector<View> out = plane_views(input.array("images"), pixels_.table,
                                        {.patch = rule_.patch, .tokens = rule_.side * rule_.side});
    const Size one{rule_.tile, rule_.tile};
    out.front().source = source_box(whole_box(one), placement(original, one), original);
    const std::vector<std::int64_t>& crop = input.array("images_spatial_crop").ints;
    const Grid grid{.rows = int(crop[1]), .cols = int(crop[0])};
    const Size canvas{grid.cols * rule_.tile, grid.rows * rule_.tile};
    place_tiles(out, 1, {grid, one, placement(original, canvas)}, original);
    return out;
  }

  std::string_view placeholder() const override { return token_; }

  std::string describe() const override {
    return "tiles of " + std::to_string(rule_.tile) + " for " + std::to_string(rule_.resolutions.size()) +
           " resolutions and an overview, " + pixels_.describe();
  }

 private:
  static media::Placement placement(Size original, Size canvas) {
    return media::fitted_placement(original.width, original.height, canvas.width, canvas.height);
  }

  Image fitted(const Image& image, Size size) const {
    return media::fitted_and_padded(image, size.width, size.height, pixels_.filter, rule_.colour);
  }

  PixelRule pixels_;
  TileRule rule_;
  std::string token_;
};

/// Pairs [width, height]; whole tiles of the first one's width.
TileRule read_rule(const core::ConfigReader& config) {
  constexpr std::string_view kKey = "candidate_resolutions";
  TileRule rule{.resolutions = {{kTile, kTile}}};
  if (config.has(kKey)) {
    const nlohmann::json& list = *config.raw().find(kKey);
    const auto bad = [&] { config.fail(kKey, "expected 1 to 1024 pairs [width, height] of whole tiles"); };
    if (!list.is_array() || list.empty() || list.size() > 1024) bad();
    rule.resolutions.clear();
    for (const nlohmann::json& pair : list) {
      if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number_integer() ||
          !pair[1].is_number_integer())
        bad();
      for (const nlohmann::json& side : pair)
        if (side < 1 || side > kMaxEdge) bad();
      rule.resolutions.push_back({pair[0].get<int>(), pair[1].get<int>()});
    }
    rule.tile = rule.resolutions.front().width;
    for (const Size size : rule.resolutions)
      if (size.width % rule.tile != 0 || size.height % rule.tile != 0 ||
          std::int64_t(size.width / rule.tile) * (size.height / rule.tile) > kMostTiles)
        bad();
  }
  const int patch = config.size_or("patch_size", 14, 1, 1024),
            merge = config.size_or("downsample_ratio", 2, 1, 64);
  rule.patch = patch;
  rule.side = (rule.tile / patch + merge - 1) / merge;
  if (rule.side < 1) config.fail("patch_size", "leaves no token for a tile");
  return rule;
}

}  // namespace

std::unique_ptr<ImageProcessor> make_letterboxed_tiles(const ProcessorFiles& files,
                                                       const ImageLimits& limits) {
  refuse_limits(limits, "this model cuts pictures into tiles of one size");
  const core::ConfigReader& config = files.processor;
  constexpr auto kOrder = media::RescaleOrder::f32_divide;
  const auto mean = read_channels(config, "image_mean", kHalf),
             std = read_channels(config, "image_std", kHalf);
  PixelRule pixels{.mean = mean,
                   .std = std,
                   .table = config.get_or("normalize", true) ? media::NormalizeTable(mean, std, kOrder)
                                                             : media::NormalizeTable::rescale_only(kOrder)};
  TileRule rule = read_rule(config);
  rule.colour = mean_colour(config, mean);
  return std::make_unique<LetterboxedTiles>(std::move(pixels), std::move(rule),
                                            read_token(config, "image_token", "<image>"));
}

}  // namespace mlx_vision::processing
