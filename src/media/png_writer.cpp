#include "media/png_writer.h"

#include <png.h>

#include <string>

#include "mlx_vision/error.h"

namespace mlx_vision::media {

std::vector<std::byte> write_png(const RgbView& image) {
  png_image png = {};
  png.version = PNG_IMAGE_VERSION;
  png.format = PNG_FORMAT_RGB;
  png.width = png_uint_32(image.width);
  png.height = png_uint_32(image.height);
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::vector<std::byte> file(size);
  if (png_image_write_to_memory(&png, file.data(), &size, 0, image.data, 0, nullptr) == 0)
    throw MediaError(std::string("PNG: cannot be written: ").append(png.message));
  file.resize(size);
  return file;
}

}  // namespace mlx_vision::media
