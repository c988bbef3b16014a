#include "processing/tiled_longest_edge.h"

#include <utility>

#include "media/geometry.h"
#include "mlx_vision/error.h"
#include "processing/arrays.h"
#include "processing/pixel_config.h"
#include "processing/resize_rules.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

constexpr std::string_view kImageToken = "<image>";
constexpr std::string_view kFakeToken = "<fake_token_around_image>";
constexpr std::string_view kGlobalToken = "<global-img>";
constexpr int kTileEdge = 364, kLongestEdge = 4 * kTileEdge;  // Idefics3ImageProcessor's and SmolVLM's
constexpr int kMostTiles = 4096;

struct TileRule {
  SizeField resize;       ///< the longest edge, or a rectangle
  int tile = kTileEdge;   ///< both sides
  bool split = true;      ///< else one squashed tile
  bool mask = true;       ///< give pixel_attention_mask
  int tile_tokens = 169;  ///< rows of one tile in the language model
  int patch = 0;          ///< side of the encoder's patches; 0: config.json does not say
};

/// Tiles of one picture in the order in which the model takes them.
struct Tiles {
  std::vector<Image> images;
  Grid grid;
};

class TiledLongestEdge final : public ImageProcessor {
 public:
  TiledLongestEdge(PixelRule pixels, TileRule rule) : pixels_(std::move(pixels)), rule_(std::move(rule)) {}

  ImageInput prepare(const Image& image, int) const override {
    const Tiles tiles = cut(image);
    const std::size_t values = 3 * std::size_t(rule_.tile) * std::size_t(rule_.tile);
    std::vector<float> pixels(tiles.images.size() * values);
    for (std::size_t i = 0; i < tiles.images.size(); ++i)
      media::write_planes(tiles.images[i], pixels_.table, std::span(pixels).subspan(i * values, values));
    const auto count = std::int64_t(tiles.images.size());
    ImageInput out;
    out.tokens = int(count) * rule_.tile_tokens;
    out.expansion = expansion(tiles.grid);
    out.arrays.push_back(float_tensor("pixel_values", {count, 3, rule_.tile, rule_.tile}, std::move(pixels)));
    return out;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    std::vector<Tensor> out = concatenated(images);
    if (rule_.mask && !out.empty()) {
      const std::vector<std::int64_t> shape = {out.front().shape[0], rule_.tile, rule_.tile};
      std::vector<std::int64_t> ones(out.front().floats.size() / 3, 1);
      out.push_back(int_tensor("pixel_attention_mask", shape, std::move(ones)));
    }
    for (Tensor& tensor : out) tensor.shape.insert(tensor.shape.begin(), 1);
    return out;
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    const Tensor& pixels = input.array("pixel_values");
    const Size tile{rule_.tile, rule_.tile}, whole = whole_size(original);
    const std::size_t values = pixels.floats.size() / std::size_t(pixels.shape[0]);
    std::vector<View> out;
    for (int i = 0; i < int(pixels.shape[0]); ++i) {
      const std::span planes = std::span(pixels.floats).subspan(std::size_t(i) * values, values);
      out.push_back({.label = "whole picture",
                     .image = media::read_planes(planes, tile.width, tile.height, pixels_.table),
                     .source = source_box(original, tile, 0, 0, tile),
                     .patches = square_cells(tile, rule_.patch),
                     .tokens = square_lattice(tile, rule_.tile_tokens),
                     .token_count = rule_.tile_tokens});
      const int columns = whole.width / tile.width;
      if (i + 1 == int(pixels.shape[0])) break;  // the last one is the whole picture
      View& view = out.back();
      view.row = i / columns;
      view.column = i % columns;
      view.label = "row " + std::to_string(view.row + 1) + ", column " + std::to_string(view.column + 1);
      view.source = source_box(original, whole, view.column * tile.width, view.row * tile.height, tile);
    }
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
  Image resized(const Image& image, Size size) const {
    return image.resized(size.width, size.height, pixels_.filter);
  }

  Size first_size(Size image) const {
    if (!pixels_.resize) return image;
    if (!rule_.resize.longest_edge) return {*rule_.resize.width, *rule_.resize.height};
    return fit_longest_edge_even(image, *rule_.resize.longest_edge);
  }

  /// Of the picture that is cut into tiles.
  Size whole_size(Size image) const {
    return rule_.split ? ceil_to_tiles(first_size(image), rule_.tile) : Size{rule_.tile, rule_.tile};
  }

  Tiles cut(const Image& image) const {
    const Size one{rule_.tile, rule_.tile};
    const Size original{image.width(), image.height()};
    const Image whole = resized(resized(image, first_size(original)), whole_size(original));
    if (!rule_.split) return {{whole}, {}};
    Tiles tiles{{}, tile_grid({whole.width(), whole.height()}, rule_.tile)};
    const auto [rows, cols] = tiles.grid;
    if (std::int64_t(rows) * cols > kMostTiles)
      throw MediaError("image: would be cut into " + std::to_string(std::int64_t(rows) * cols) +
                       " tiles, at most " + std::to_string(kMostTiles) + " are possible");
    for (int r = 0; r < rows; ++r)
      for (int c = 0; c < cols; ++c)
        tiles.images.push_back(media::crop(whole, c * rule_.tile, r * rule_.tile, rule_.tile, rule_.tile));
    tiles.images.push_back(rows == 0 ? whole : resized(whole, one));
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
  rule.tile_tokens = files.processor.size_or("image_seq_len", rule.tile_tokens, 1, kMaxEdge);
  rule.patch = files.config.child_or_empty("vision_config").size_or("patch_size", 0, 0, kMaxEdge);
  return rule;
}

}  // namespace

std::unique_ptr<ImageProcessor> make_tiled_longest_edge(const ProcessorFiles& files,
                                                        const ImageLimits& limits) {
  if (limits.min_pixels || limits.max_pixels)
    throw RequestError(
        "image limits: this model cuts pictures into tiles of one size, min_pixels and "
        "max_pixels have no meaning here; leave them out");
  PixelRule pixels = read_pixel_rule(files.image_processor, {Filter::lanczos, kHalf, kHalf});
  const TileRule rule = read_rule(files, pixels.resize);
  return std::make_unique<TiledLongestEdge>(std::move(pixels), rule);
}

}  // namespace mlx_vision::processing
