#include "mlx_vision/process_image.h"

#include "mlx_vision/error.h"

namespace mlx_vision {
namespace {

using Stage = ImageProcessingError::Stage;

/// An image from `make`, whose failure is one of `stage`.
template <class Make>
Image made(Stage stage, const Make& make) {
  try {
    return make();
  } catch (const MediaError& e) {
    throw ImageProcessingError(stage, e.what());
  }
}

}  // namespace

mlx::core::array process_image(const Image& image, const VisionConfig& config) {
  const Tensor tensor = prepare_image(image, config);
  mlx::core::Shape shape;
  for (const auto side : tensor.shape) shape.push_back(int(side));
  return mlx::core::array(tensor.floats.begin(), shape, mlx::core::float32);
}

mlx::core::array process_image(const std::filesystem::path& path, const VisionConfig& config) {
  return process_image(made(Stage::load, [&] { return Image::from_file(path); }), config);
}

mlx::core::array process_image(std::span<const std::byte> bytes, const VisionConfig& config,
                               const std::string& name) {
  return process_image(made(Stage::load, [&] { return Image::from_bytes(bytes, {}, name); }), config);
}

mlx::core::array process_image(const PixelView& pixels, const VisionConfig& config) {
  return process_image(made(Stage::convert, [&] { return Image::from_pixels(pixels); }), config);
}

}  // namespace mlx_vision
