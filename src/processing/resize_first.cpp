#include "processing/resize_first.h"

#include <algorithm>
#include <utility>

#include "mlx_vision/error.h"

namespace mlx_vision::processing {
namespace {

constexpr int kMostSide = 65'535;

class ResizeFirst final : public ImageProcessor {
 public:
  ResizeFirst(std::unique_ptr<ImageProcessor> inner, Size box) : inner_(std::move(inner)), box_(box) {
    set_videos(inner_->videos());
  }

  PreparedSize plan(Size image, int count) const override {
    const Size size = fitted(image);
    PreparedSize out = inner_->plan(size, count);
    out.scratch_pixels += std::int64_t(size.width) * size.height;
    return out;
  }

  ImageInput prepare(const Image& image, int count) const override {
    const Size size = fitted({image.width(), image.height()});
    return inner_->prepare(image.resized(size.width, size.height, Filter::bicubic), count);
  }

  std::vector<Tensor> batch(std::span<const ImageInput> images) const override {
    return inner_->batch(images);
  }

  std::vector<View> views(const ImageInput& input, Size original) const override {
    const Size size = fitted(original);
    std::vector<View> out = inner_->views(input, size);
    const float x = float(original.width) / float(size.width),
                y = float(original.height) / float(size.height);
    for (View& view : out)
      view.source = {view.source.left * x, view.source.top * y, view.source.right * x,
                     view.source.bottom * y};
    return out;
  }

  std::string_view placeholder() const override { return inner_->placeholder(); }
  std::string describe() const override { return inner_->describe(); }

 private:
  // mlx_vlm/utils.py, resize_image
  Size fitted(Size image) const {
    const double ratio = std::min(double(box_.width) / image.width, double(box_.height) / image.height);
    const Size out{int(image.width * ratio), int(image.height * ratio)};
    if (out.width < 1 || out.height < 1)
      throw MediaError("image: " + std::to_string(image.width) + "x" + std::to_string(image.height) +
                       " has no pixel left when it is fitted into " + std::to_string(box_.width) + "x" +
                       std::to_string(box_.height));
    return out;
  }

  std::unique_ptr<ImageProcessor> inner_;
  Size box_;
};

}  // namespace

std::unique_ptr<ImageProcessor> resize_first(std::unique_ptr<ImageProcessor> inner, Size box) {
  if (box.width < 1 || box.height < 1 || box.width > kMostSide || box.height > kMostSide)
    throw RequestError("resize_shape: expected sides of 1 to " + std::to_string(kMostSide) + ", got " +
                       std::to_string(box.width) + "x" + std::to_string(box.height));
  return std::make_unique<ResizeFirst>(std::move(inner), box);
}

}  // namespace mlx_vision::processing
