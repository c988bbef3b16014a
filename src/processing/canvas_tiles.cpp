#include "processing/canvas_tiles.h"

#include <algorithm>
#include <utility>

#include "media/framing.h"
#include "processing/arrays.h"
#include "processing/pixel_config.h"
#include "processing/tile_grids.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

constexpr std::string_view kToken = "<|image|>";
constexpr int kMostCanvasTiles = 64;

struct CanvasRule {
  int tile = 224, most = 4;
  int patch = 0;  ///< side of the encoder's patches; 0: not known
};

class CanvasTiles final : public ImageProcessor {
 public:
  CanvasTiles(PixelRule pixels, CanvasRule rule) : pixels_(std::move(pixels)), rule_(rule) {}

  ImageInput prepare(const Image& image, int) const override {
    const Size size{image.width(), image.height()};
    const Grid grid = least_upscale_canvas(size, rule_.tile, rule_.most);
    const Size canvas{grid.cols * rule_.tile, grid.rows * rule_.tile};
    const Image fitted = pixels_.resized(image, fit_canvas(size, canvas, rule_.tile));
    const std::vector<Image> tiles = media::cut_tiles(
        media::pad_right_bottom(fitted, canvas.width, canvas.height, {0, 0, 0}), rule_.tile, rule_.tile);
    Tensor pixels = planes_of("pixel_values", tiles, pixels_.table);
    pixels.floats.resize(checked_count({rule_.most, 3, rule_.tile, rule_.tile}));
    pixels.shape = {1, rule_.most, 3, rule_.tile, rule_.tile};
    std::vector<std::int64_t> mask(std::size_t(rule_.most), 0);
    std::fill_n(mask.begin(), tiles.size(), 1);
    ImageInput out;
    out.tokens = 1;
    out.expansion = kToken;
    out.arrays.push_back(std::move(pixels));
    out.arrays.push_back(int_tensor("aspect_ratio_ids", {1}, {canvas_id(grid, rule_.most)}));
    out.arrays.push_back(int_tensor("aspect_ratio_mask", {1, rule_.most}, std::move(mask)));
    out.arrays.push_back(int_tensor("num_tiles", {1}, {std::int64_t(tiles.size())}));
    return out;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    return with_leading_axis(concatenated(images));
  }

  /// The language model reads the tiles by cross-attention: their tokens are none of its rows.
  std::vector<View> views(const ImageInput& input, Size original) const override {
    const Grid grid = least_upscale_canvas(original, rule_.tile, rule_.most);
    const Size fitted = fit_canvas(original, {grid.cols * rule_.tile, grid.rows * rule_.tile}, rule_.tile);
    std::vector<View> out =
        plane_views(input.array("pixel_values"), pixels_.table, {.patch = rule_.patch, .tokens = 0});
    out.erase(out.begin() + grid.rows * grid.cols, out.end());  // filler
    place_tiles(out, 0, {grid, {rule_.tile, rule_.tile}, {fitted.width, fitted.height}}, original);
    return out;
  }

  std::string_view placeholder() const override { return kToken; }

  std::string describe() const override {
    return "at most " + std::to_string(rule_.most) + " tiles of " + std::to_string(rule_.tile) + ", " +
           pixels_.describe();
  }

 private:
  PixelRule pixels_;
  CanvasRule rule_;
};

}  // namespace

std::unique_ptr<ImageProcessor> make_canvas_tiles(const ProcessorFiles& files, const ImageLimits& limits) {
  refuse_limits(limits, "this model cuts pictures into tiles of one size");
  const core::ConfigReader& config = files.image_processor;
  PixelRule pixels = read_pixel_rule(config, {Filter::bilinear, kHalf, kHalf});
  for (const auto* key : {"do_resize", "do_pad"})
    if (!config.get_or(key, true)) config.fail(key, "expected true, as the reference demands");
  const Size tile = read_rectangle(config, "size", {224, 224});
  if (tile.width != tile.height) config.fail("size", "expected the same height and width");
  const CanvasRule rule{.tile = tile.width,
                        .most = config.size_or("max_image_tiles", 4, 1, kMostCanvasTiles),
                        .patch = read_encoder_patch(files)};
  if (rule.tile * rule.most > DecodeLimits{}.side)
    config.fail("max_image_tiles", "expected tiles that side by side have at most " +
                                       std::to_string(DecodeLimits{}.side) + " pixels");
  return std::make_unique<CanvasTiles>(std::move(pixels), rule);
}

}  // namespace mlx_vision::processing
