#include "processing/lfm2_tiles.h"

#include <algorithm>
#include <utility>

#include "media/framing.h"
#include "mlx_vision/error.h"
#include "processing/arrays.h"
#include "processing/image_text.h"
#include "processing/patch_layout.h"
#include "processing/pixel_config.h"
#include "processing/resize_rules.h"
#include "processing/tile_grids.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

constexpr std::string_view kImageToken = "<image>";
constexpr TileCount kTiles{2, 10};

struct ViewRule {
  int patch = 16, downsample = 2;
  int tile = 512;
  int min_tokens = 64, max_tokens = 256;
  double tolerance = 2.0;   ///< how much larger than max_tokens a picture may be without being split
  int most_patches = 1024;  ///< of one view
  bool markers = true;

  int factor() const { return patch * downsample; }
  PixelBudget budget() const {
    const std::int64_t area = std::int64_t(factor()) * factor();
    return {min_tokens * area, max_tokens * area};
  }
};

/// Views of one picture in the order in which the model takes them.
struct Views {
  std::vector<Image> images;
  Grid grid;  ///< of the tiles; 0 x 0 = not split
};

class Lfm2Tiles final : public ImageProcessor {
 public:
  Lfm2Tiles(PixelRule pixels, ViewRule rule) : pixels_(std::move(pixels)), rule_(rule) {}

  ImageInput prepare(const Image& image, int) const override {
    const Views views = cut(image);
    const auto count = std::int64_t(views.images.size());
    const std::int64_t row = std::int64_t(3) * rule_.patch * rule_.patch, most = rule_.most_patches;
    const std::size_t each = checked_count({most, row});
    std::vector<float> values;
    values.reserve(checked_count({count, most, row}));
    std::vector<std::int64_t> mask(checked_count({count, most}), 0), shapes;
    for (std::size_t i = 0; i < views.images.size(); ++i) {
      const Grid grid = patch_grid(views.images[i]);
      if (std::int64_t(grid.rows) * grid.cols > most)
        throw MediaError("image: too thin for this model, it would have " +
                         std::to_string(std::int64_t(grid.rows) * grid.cols) + " patches, at most " +
                         std::to_string(most) + " are possible; crop it");
      const std::vector<float> patches = interleaved_patches(views.images[i], rule_.patch, pixels_.table);
      values.insert(values.end(), patches.begin(), patches.end());
      values.resize((i + 1) * each);
      std::fill_n(mask.begin() + std::ptrdiff_t(i * std::size_t(most)), grid.rows * grid.cols, 1);
      shapes.insert(shapes.end(), {grid.rows, grid.cols});
    }
    ImageInput out;
    out.expansion = expansion(views);
    for (const Image& view : views.images) out.tokens += tokens_of(view);
    out.arrays.push_back(float_tensor("pixel_values", {count, most, row}, std::move(values)));
    out.arrays.push_back(int_tensor("pixel_attention_mask", {count, most}, std::move(mask)));
    out.arrays.push_back(int_tensor("spatial_shapes", {count, 2}, std::move(shapes)));
    return out;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    return concatenated(images);
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    const Tensor& pixels = input.array("pixel_values");
    const std::vector<std::int64_t>& shapes = input.array("spatial_shapes").ints;
    const std::size_t count = shapes.size() / 2, each = pixels.floats.size() / count;
    std::vector<View> out;
    for (std::size_t i = 0; i < count; ++i) {
      const Grid grid{int(shapes[2 * i]), int(shapes[2 * i + 1])};
      const Size size{grid.cols * rule_.patch, grid.rows * rule_.patch};
      const bool whole = grid.cols % rule_.downsample == 0 && grid.rows % rule_.downsample == 0;
      out.push_back({.label = "whole picture",
                     .image = read_interleaved_patches(std::span(pixels.floats).subspan(i * each, each), grid,
                                                       rule_.patch, pixels_.table),
                     .source = whole_box(original),
                     .patches = square_cells(size, rule_.patch),
                     .tokens = whole ? square_cells(size, rule_.factor()) : Cells{},
                     .token_count = tokens_of(grid)});
    }
    if (count > 1) {
      const Grid grid = tile_grid_of(original);
      const media::Placement at{.width = grid.cols * rule_.tile, .height = grid.rows * rule_.tile};
      place_tiles(out, 0, {grid, {rule_.tile, rule_.tile}, at}, original);
    }
    return out;
  }

  std::string_view placeholder() const override { return kImageToken; }

  std::string describe() const override {
    return "tiles of " + std::to_string(rule_.tile) + " for large pictures, " +
           std::to_string(rule_.min_tokens) + " to " + std::to_string(rule_.max_tokens) + " tokens else, " +
           pixels_.describe();
  }

 private:
  Grid patch_grid(const Image& view) const {
    return {view.height() / rule_.patch, view.width() / rule_.patch};
  }

  /// The encoder's patches are joined by squares; odd ones at the edge are filled up.
  int tokens_of(Grid patches) const {
    const auto up = [&](int side) { return (side + rule_.downsample - 1) / rule_.downsample; };
    return up(patches.rows) * up(patches.cols);
  }
  int tokens_of(const Image& view) const { return tokens_of(patch_grid(view)); }

  Grid tile_grid_of(Size image) const {
    return nearest_ratio_grid(image, {rule_.tile, rule_.tile}, kTiles, GridTie::more_tiles);
  }

  bool is_large(Size image) const {
    const auto side = [&](int s) {
      return double(std::max<std::int64_t>(rule_.patch, nearest_multiple(s, rule_.factor())));
    };
    return side(image.width) * side(image.height) > double(rule_.budget().max) * rule_.tolerance;
  }

  Views cut(const Image& image) const {
    const Size size{image.width(), image.height()};
    const Image whole = pixels_.resized(image, smart_resize_any_shape(size, rule_.factor(), rule_.budget()));
    if (!is_large(size)) return {{whole}, {}};
    Views views{{}, tile_grid_of(size)};
    const auto [rows, cols] = views.grid;
    views.images = media::cut_tiles(pixels_.resized(image, {cols * rule_.tile, rows * rule_.tile}),
                                    rule_.tile, rule_.tile);
    views.images.push_back(whole);
    return views;
  }

  std::string expansion(const Views& views) const {
    const auto mark = [&](const std::string& text) { return rule_.markers ? text : std::string(); };
    std::string out = mark("<|image_start|>");
    std::size_t view = 0;
    for (int row = 1; row <= views.grid.rows; ++row)
      for (int col = 1; col <= views.grid.cols; ++col) {
        std::string name = "<|img_row_" + std::to_string(row);
        name.append("_col_").append(std::to_string(col)).append("|>");
        out.append(mark(name)).append(token_run(kImageToken, tokens_of(views.images[view++])));
      }
    if (view > 0) out.append(mark("<|img_thumbnail|>"));
    return out.append(token_run(kImageToken, tokens_of(views.images[view]))).append(mark("<|image_end|>"));
  }

  PixelRule pixels_;
  ViewRule rule_;
};

ViewRule read_rule(const ProcessorFiles& files) {
  const core::ConfigReader& config = files.image_processor;
  config.ignore({"do_resize", "size", "do_image_splitting", "min_tiles", "max_tiles", "use_thumbnail",
                 "max_num_patches", "return_row_col_info", "disable_grouping"});
  if (!config.get_or("do_pad", true))
    config.fail("do_pad", "expected true: tiles and the whole picture have different numbers of patches");
  ViewRule rule;
  rule.patch = config.size_or("encoder_patch_size", config.size_or("patch_size", rule.patch, 1, 256), 1, 256);
  rule.downsample = config.size_or("downsample_factor", rule.downsample, 1, 16);
  rule.tile = config.size_or("tile_size", rule.tile, rule.patch, 4096);
  rule.max_tokens = config.size_or("max_image_tokens", rule.max_tokens, 1, 1 << 14);
  rule.min_tokens =
      config.size_or("min_image_tokens", std::min(rule.min_tokens, rule.max_tokens), 1, rule.max_tokens);
  rule.tolerance = config.get_or("max_pixels_tolerance", rule.tolerance);
  if (!(rule.tolerance > 0)) config.fail("max_pixels_tolerance", "expected a positive number");
  const int per_tile = (rule.tile / rule.patch) * (rule.tile / rule.patch);
  rule.most_patches = std::max(rule.max_tokens * rule.downsample * rule.downsample, per_tile);
  rule.markers = files.processor.get_or("use_image_special_tokens", true);
  return rule;
}

}  // namespace

std::unique_ptr<ImageProcessor> make_lfm2_tiles(const ProcessorFiles& files, const ImageLimits& limits) {
  refuse_limits(limits, "this model cuts pictures into tiles of one size");
  PixelRule pixels = read_pixel_rule(
      files.image_processor, {Filter::bicubic, kHalf, kHalf, true, media::RescaleOrder::f32_multiply});
  return std::make_unique<Lfm2Tiles>(std::move(pixels), read_rule(files));
}

}  // namespace mlx_vision::processing
