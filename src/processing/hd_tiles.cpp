#include "processing/hd_tiles.h"

#include <utility>

#include "media/framing.h"
#include "processing/arrays.h"
#include "processing/image_text.h"
#include "processing/pixel_config.h"
#include "processing/resize_rules.h"
#include "processing/tile_grids.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

constexpr std::string_view kToken = "<|image|>";
constexpr int kTile = 336, kPatch = 14;  // of the encoder, CLIP ViT-L/14
constexpr int kMostCrops = 128;
constexpr int kTokenRows = 12;  // of a tile in the language model; each row of tiles has a line end

struct TileRule {
  int crops = 4;
  int tokens = 144;  ///< of one tile
};

class HdTiles final : public ImageProcessor {
 public:
  HdTiles(PixelRule pixels, TileRule rule) : pixels_(std::move(pixels)), rule_(rule) {}

  ImageInput prepare(const Image& image, int) const override {
    const Size size = hd_canvas({image.width(), image.height()}, kTile, rule_.crops);
    const Image whole = pixels_.resized(image, size);
    std::vector<Image> tiles = media::cut_tiles(whole, kTile, kTile);
    tiles.insert(tiles.begin(), pixels_.resized(whole, {kTile, kTile}));
    const int rows = size.height / kTile;
    ImageInput out;
    out.tokens = int(tiles.size()) * rule_.tokens + 1 + (rows + 1) * kTokenRows;
    out.expansion = token_run(kToken, out.tokens);
    out.arrays.push_back(planes_of("pixel_values", tiles, pixels_.table));
    out.arrays.push_back(int_tensor("image_sizes", {1, 2}, {size.height, size.width}));
    return out;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    if (images.empty()) return {};
    return {stacked("pixel_values", images), joined("image_sizes", images)};
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    const Size size = hd_canvas(original, kTile, rule_.crops);
    std::vector<View> out =
        plane_views(input.array("pixel_values"), pixels_.table, {.patch = kPatch, .tokens = rule_.tokens});
    out.front().source = whole_box(original);
    const Grid grid{size.height / kTile, size.width / kTile};
    place_tiles(out, 1, {grid, {kTile, kTile}, {size.width, size.height}}, original);
    return out;
  }

  std::string_view placeholder() const override { return kToken; }

  std::string describe() const override {
    return "at most " + std::to_string(rule_.crops) + " tiles of " + std::to_string(kTile) +
           " and an overview, " + pixels_.describe();
  }

 private:
  PixelRule pixels_;
  TileRule rule_;
};

}  // namespace

std::unique_ptr<ImageProcessor> make_hd_tiles(const ProcessorFiles& files, const ImageLimits& limits) {
  refuse_limits(limits, "this model cuts pictures into tiles of one size");
  const core::ConfigReader& config = files.image_processor;
  PixelRule pixels = read_pixel_rule(config, {.order = media::RescaleOrder::f32_then_f64});
  const TileRule rule{.crops = config.size_or("num_crops", 4, 1, kMostCrops),
                      .tokens = config.size_or("num_img_tokens", 144, 1, 1 << 16)};
  return std::make_unique<HdTiles>(std::move(pixels), rule);
}

}  // namespace mlx_vision::processing
