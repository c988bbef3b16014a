#include "processing/tiled_longest_edge.h"

#include <utility>

#include "media/framing.h"
#include "mlx_vision/error.h"
#include "processing/arrays.h"
#include "processing/image_text.h"
#include "processing/pixel_config.h"
#include "processing/resize_rules.h"
#include "processing/tile_grids.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

constexpr std::string_view kImageToken = "<image>";
constexpr std::string_view kFakeToken = "<fake_token_around_image>";
constexpr std::string_view kGlobalToken = "<global-img>";
constexpr int kTileEdge = 364, kLongestEdge = 4 * kTileEdge;  // Idefics3ImageProcessor's and SmolVLM's

struct TileRule {
  SizeField resize;       ///< the longest edge, or a rectangle
  int tile = kTileEdge;   ///< both sides
  bool split = true;      ///< else one squashed tile
  bool mask = true;       ///< give pixel_attention_mask
  int tile_tokens = 169;  ///< rows of one tile in the language model
  int patch = 0;          ///< side of the encoder's patches; 0: not known
};

/// The sizes of one picture on its way into tiles.
struct Cut {
  Size first, whole;  ///< after the first resize, and what is cut
  Grid grid;
  /// The squashed whole is one more tile.
  std::int64_t count() const { return std::int64_t(grid.rows) * grid.cols + 1; }
};

std::int64_t area(Size size) { return std::int64_t(size.width) * size.height; }

class TiledLongestEdge final : public ImageProcessor {
 public:
  TiledLongestEdge(PixelRule pixels, TileRule rule) : pixels_(std::move(pixels)), rule_(std::move(rule)) {}

  PreparedSize plan(Size image, int) const override {
    const Cut cut = cut_of(image);
    const std::int64_t count = cut.count();
    return {.pixels = {count, 3, rule_.tile, rule_.tile},
            .tokens = int(count) * rule_.tile_tokens,
            .expansion = expansion(cut.grid),
            .scratch_pixels = area(cut.first) + 2 * area(cut.whole) + count * rule_.tile * rule_.tile};
  }

  ImageInput prepare(const Image& image, int total) const override {
    PreparedSize planned = plan({image.width(), image.height()}, total);
    ImageInput out;
    out.tokens = planned.tokens;
    out.expansion = std::move(planned.expansion);
    out.arrays.push_back(planes_of("pixel_values", tiles_of(image), pixels_.table));
    return out;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    std::vector<Tensor> out = concatenated(images);
    if (rule_.mask && !out.empty()) {
      const std::vector<std::int64_t> shape = {out.front().shape[0], rule_.tile, rule_.tile};
      std::vector<std::int64_t> ones(out.front().floats.size() / 3, 1);
      out.push_back(int_tensor("pixel_attention_mask", shape, std::move(ones)));
    }
    return with_leading_axis(std::move(out));
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    std::vector<View> out = plane_views(input.array("pixel_values"), pixels_.table,
                                        {.patch = rule_.patch, .tokens = rule_.tile_tokens});
    const Cut cut = cut_of(original);
    place_tiles(out, 0, {cut.grid, {rule_.tile, rule_.tile}, {cut.whole.width, cut.whole.height}}, original);
    out.back().source = whole_box(original);
    return out;
  }

  std::string_view placeholder() const override { return kImageToken; }

  std::string describe() const override {
    std::string text;
    if (rule_.split) {
      text.append(rule_.resize.longest_edge ? "longest edge " + std::to_string(*rule_.resize.longest_edge)
                                            : "fixed size");
      text.append(", tiles of ");
    } else {
      text.append("one tile of ");
    }
    text.append(std::to_string(rule_.tile)).append(", ");
    text.append(std::to_string(rule_.tile_tokens)).append(" tokens each, ");
    return text.append(pixels_.describe());
  }

 private:
  Size first_size(Size image) const {
    if (!pixels_.resize) return image;
    if (!rule_.resize.longest_edge) return {*rule_.resize.width, *rule_.resize.height};
    return fit_longest_edge_even(image, *rule_.resize.longest_edge);
  }

  Cut cut_of(Size image) const {
    const Size first = first_size(image);
    if (!rule_.split) return {.first = first, .whole = {rule_.tile, rule_.tile}, .grid = {}};
    const Size whole = ceil_to_tiles(first, rule_.tile);
    const Grid grid = tile_grid(whole, rule_.tile);
    if (std::int64_t(grid.rows) * grid.cols > kMostTiles)
      throw MediaError("image: would be cut into " + std::to_string(std::int64_t(grid.rows) * grid.cols) +
                       " tiles, at most " + std::to_string(kMostTiles) + " are possible");
    return {.first = first, .whole = whole, .grid = grid};
  }

  /// Tiles in the order in which the model takes them.
  std::vector<Image> tiles_of(const Image& image) const {
    const Cut cut = cut_of({image.width(), image.height()});
    const Image first = pixels_.resize ? pixels_.resized(image, cut.first) : image;
    const Image whole = pixels_.resized(first, cut.whole);
    if (cut.grid.rows == 0) return {whole};
    std::vector<Image> tiles = media::cut_tiles(whole, rule_.tile, rule_.tile);
    tiles.push_back(pixels_.resized(whole, {rule_.tile, rule_.tile}));
    return tiles;
  }

  std::string expansion(Grid grid) const {
    const std::string tokens = token_run(kImageToken, rule_.tile_tokens);
    std::string out;
    for (int r = 1; r <= grid.rows; ++r) {
      for (int c = 1; c <= grid.cols; ++c) {
        out.append(kFakeToken).append("<row_").append(std::to_string(r)).append("_col_");
        out.append(std::to_string(c)).append(">").append(tokens);
      }
      out.append("\n");
    }
    if (grid.rows > 0) out.append("\n");
    return out.append(kFakeToken).append(kGlobalToken).append(tokens).append(kFakeToken);
  }

  PixelRule pixels_;
  TileRule rule_;
};

TileRule read_rule(const ProcessorFiles& files, bool resizes) {
  const core::ConfigReader& config = files.image_processor;
  config.ignore({"return_row_col_info"});
  TileRule rule;
  SizeField fallback;
  fallback.longest_edge = kLongestEdge;
  if (resizes) {
    rule.resize = read_size(config, "size", fallback, BareSize::square);
    if (!rule.resize.longest_edge && !rule.resize.is_rectangle())
      config.fail("size", "expected longest_edge, or height and width");
  } else {
    config.ignore({"size"});
  }
  rule.tile = config.child_or_empty("max_image_size").size_or("longest_edge", kTileEdge, 1, kMaxEdge);
  rule.split = config.get_or("do_image_splitting", rule.split);
  rule.mask = config.get_or("do_pad", rule.mask);
  rule.patch = read_encoder_patch(files);
  rule.tile_tokens = files.processor.size_or("image_seq_len", rule.tile_tokens, 1, kMaxEdge);
  return rule;
}

}  // namespace

std::unique_ptr<ImageProcessor> make_tiled_longest_edge(const ProcessorFiles& files,
                                                        const ImageLimits& limits) {
  refuse_limits(limits, "this model cuts pictures into tiles of one size");
  PixelRule pixels = read_pixel_rule(files.image_processor, {Filter::lanczos, kHalf, kHalf});
  const TileRule rule = read_rule(files, pixels.resize);
  return std::make_unique<TiledLongestEdge>(std::move(pixels), rule);
}

}  // namespace mlx_vision::processing
