#include "models/llava_tiles.h"

#include <algorithm>
#include <string>

#include "mlx_vision/error.h"
#include "models/tensors.h"
#include "processing/anyres_rows.h"
#include "processing/tile_grids.h"

namespace mlx_vision::models {
namespace {

using processing::RowAxis;

mx::array lines(const mx::array& plane, int axis, std::int64_t begin, std::int64_t count) {
  mx::Shape from(plane.ndim(), 0), to = plane.shape();
  from[std::size_t(axis)] = int(begin);
  to[std::size_t(axis)] = int(begin + count);
  return mx::slice(plane, from, to);
}

// torch's interpolate(mode="bilinear", align_corners=False) along one axis, in float32 as there.
mx::array resampled(const mx::array& plane, int axis, const RowAxis& rows) {
  const float scale = float(rows.unpadded) / float(rows.kept);
  std::vector<std::int32_t> low, high;
  std::vector<float> weight;
  for (std::int64_t i = 0; i < rows.kept; ++i) {
    const float at = std::max(scale * (float(i) + 0.5f) - 0.5f, 0.0f);
    low.push_back(std::min(std::int32_t(at), std::int32_t(rows.unpadded) - 1));
    high.push_back(std::min(low.back() + 1, std::int32_t(rows.unpadded) - 1));
    weight.push_back(at - float(low.back()));
  }
  const int count = int(rows.kept);
  mx::Shape along(plane.ndim(), 1);
  along[std::size_t(axis)] = count;
  const auto w = mx::array(weight.data(), along, mx::float32);
  const auto a = mx::take(plane, mx::array(low.data(), {count}, mx::int32), axis);
  const auto b = mx::take(plane, mx::array(high.data(), {count}, mx::int32), axis);
  return a * (mx::array(1.0f) - w) + b * w;
}

mx::array kept_rows(const mx::array& plane, int axis, const RowAxis& rows) {
  const auto unpadded = lines(plane, axis, rows.padding(), rows.unpadded);
  return rows.kept == rows.unpadded ? unpadded : resampled(unpadded, axis, rows);
}

}  // namespace

TiledLlava::TiledLlava(const LlavaConfig& c, LlavaTiles tiles, const nn::Weights& w)
    : DecoderOnlyVlm(nn::Decoder(w["language_model"]["model"], w["language_model"]["lm_head"], c.text),
                     c.image_token),
      tiles_(std::move(tiles)),
      tile_(c.vision.image),
      side_(c.vision.image / c.vision.patch),
      tower_(c, w),
      newline_(w.require("image_newline", {c.text.hidden})) {
  if (c.vision.class_token != c.drop_class_token)
    throw ConfigError(
        std::string(
            "config.json.vision_feature_select_strategy: tiles need one row for each patch, so expected ") +
        (c.vision.class_token ? "default for a tower with a class token" : "full for a tower without one"));
}

// Each frame at half its rows and columns, rounded up, and one line end behind all.
mx::array TiledLlava::encode_frames(const mx::array& pixels) const {
  const auto h = tower_(pixels);
  const int frames = h.shape(0), width = h.shape(2), half = (side_ + 1) / 2;
  const RowAxis axis{.unpadded = side_, .kept = half};
  const auto planes = mx::reshape(h, {frames, side_, side_, width});
  const auto rows =
      mx::reshape(resampled(resampled(planes, 2, axis), 1, axis), {frames * half * half, width});
  const auto end = mx::astype(mx::reshape(newline_, {1, width}), rows.dtype());
  return mx::astype(mx::concatenate({rows, end}, 0), decoder().embedding_dtype());
}

mx::array TiledLlava::encode(const processing::ImageInput& image) const {
  if (image.has("pixel_values_videos")) return encode_frames(to_array(image.array("pixel_values_videos")));
  const auto h = tower_(to_array(image.array("pixel_values")));
  const int width = h.shape(2);
  const auto overview = mx::reshape(lines(h, 0, 0, 1), {h.shape(1), width});
  const auto end = mx::astype(mx::reshape(newline_, {1, width}), h.dtype());
  const auto& size = image.array("image_sizes").ints;
  const auto rest = h.shape(0) == 1 ? end
                                    : plane_of(lines(h, 0, 1, h.shape(0) - 1),
                                               {.width = int(size[1]), .height = int(size[0])});
  return mx::astype(mx::concatenate({overview, rest}, 0), decoder().embedding_dtype());
}

// Overview, plane, its padding dropped, two neighbours while it is resampled, line ends, all together.
memory::VisionShape TiledLlava::vision_shape() const {
  auto shape = tower_.shape();
  shape.packing_arrays = 7;
  return shape;
}

mx::array TiledLlava::plane_of(const mx::array& tiles, processing::Size picture) const {
  const processing::Size best = processing::best_resolution(picture, tiles_.resolutions);
  const int rows = best.height / tile_, cols = best.width / tile_, width = tiles.shape(2);
  if (rows * cols != tiles.shape(0))
    throw ConfigError("config.json.image_grid_pinpoints: the best one for a picture of " +
                      std::to_string(picture.width) + "x" + std::to_string(picture.height) + " has " +
                      std::to_string(rows * cols) + " tiles, the image preparation made " +
                      std::to_string(tiles.shape(0)));
  auto plane = mx::reshape(tiles, {rows, cols, side_, side_, width});
  plane = mx::reshape(mx::transpose(plane, {0, 2, 1, 3, 4}), {rows * side_, cols * side_, width});
  const auto kept = processing::anyres_rows(picture, {.rows = rows, .cols = cols},
                                            {.rows = side_, .cols = side_}, tiles_.most_tiles);
  plane = kept_rows(kept_rows(plane, 1, kept.across), 0, kept.down);
  const auto ends = mx::broadcast_to(mx::reshape(newline_, {1, 1, width}), {plane.shape(0), 1, width});
  return mx::flatten(mx::concatenate({plane, mx::astype(ends, plane.dtype())}, 1), 0, 1);
}

}  // namespace mlx_vision::models
