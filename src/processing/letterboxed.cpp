#include "processing/letterboxed.h"

#include "media/geometry.h"
#include "media/normalize.h"
#include "processing/arrays.h"
#include "processing/pixel_config.h"
#include "processing/views.h"

namespace mlx_vision::processing {
namespace {

class Letterboxed final : public ImageProcessor {
 public:
  explicit Letterboxed(const VisionConfig& row)
      : row_(row), table_(row.mean, row.std, media::RescaleOrder::f32_divide) {}

  ImageInput prepare(const Image& image, int) const override {
    Tensor planes = prepare_image(image, row_);
    planes.shape.insert(planes.shape.begin(), 1);
    ImageInput out;
    out.arrays.push_back(std::move(planes));
    return out;
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    return concatenated(images);
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    const Tensor& pixels = input.array("pixel_values");
    const media::Placement at =
        media::letterbox_placement(original.width, original.height, row_.width, row_.height);
    const Size fitted{at.width, at.height}, canvas{row_.width, row_.height};
    const Box shown = source_box(original, fitted, -at.x, -at.y, canvas);
    return {{.label = "whole picture",
             .image = media::read_planes(pixels.floats, canvas.width, canvas.height, table_),
             .source = shown}};
  }

  std::string_view placeholder() const override {
    const std::string_view format = row_.prompt_format;
    return format.substr(0, format.find("{prompt}"));
  }

  std::string describe() const override { return image_rule(row_); }

 private:
  VisionConfig row_;
  media::NormalizeTable table_;
};

}  // namespace

std::unique_ptr<ImageProcessor> make_letterboxed(const VisionConfig& row, const ImageLimits& limits) {
  refuse_limits(limits, "this model type takes pictures of one size");
  return std::make_unique<Letterboxed>(row);
}

}  // namespace mlx_vision::processing
