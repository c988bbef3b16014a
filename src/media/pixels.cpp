#include <cstring>
#include <string>

#include "mlx_vision/error.h"
#include "mlx_vision/image.h"

namespace mlx_vision {
namespace {

int channels(PixelFormat format) {
  switch (format) {
    case PixelFormat::rgb:
      return 3;
    case PixelFormat::rgba:
      return 4;
    case PixelFormat::gray:
      return 1;
  }
  return 0;
}

/// Pillow's paste of an RGBA picture on a plain one: a rounded division by 255.
std::uint8_t blend(std::uint8_t colour, std::uint8_t alpha, std::uint8_t ground) {
  const unsigned sum = colour * unsigned(alpha) + ground * (255u - alpha) + 128u;
  return std::uint8_t(((sum >> 8) + sum) >> 8);
}

void convert_row(const std::uint8_t* in, std::uint8_t* out, const PixelView& view, AlphaMode alpha) {
  const std::uint8_t ground = alpha == AlphaMode::white ? 255 : 0;
  for (int x = 0; x < view.width; ++x, out += 3) {
    if (view.format == PixelFormat::gray) {
      std::memset(out, *in++, 3);
    } else if (view.format == PixelFormat::rgba) {
      for (int c = 0; c < 3; ++c) out[c] = alpha == AlphaMode::drop ? in[c] : blend(in[c], in[3], ground);
      in += 4;
    } else {
      std::memcpy(out, in, 3);
      in += 3;
    }
  }
}

}  // namespace

Image Image::from_pixels(const PixelView& view, AlphaMode alpha) {
  const std::uint64_t limit = DecodeLimits{}.pixels;
  if (view.data == nullptr || view.width < 1 || view.height < 1 ||
      std::uint64_t(view.width) * std::uint64_t(view.height) > limit)
    throw MediaError("image: expected 1 to " + std::to_string(limit) + " pixels in memory, got " +
                     std::to_string(view.width) + "x" + std::to_string(view.height));
  const std::size_t packed = std::size_t(view.width) * std::size_t(channels(view.format));
  if (view.stride != 0 && view.stride < packed)
    throw MediaError("image: expected a stride of at least " + std::to_string(packed) + " bytes, got " +
                     std::to_string(view.stride));
  const std::size_t stride = view.stride == 0 ? packed : view.stride, row = std::size_t(view.width) * 3;
  std::vector<std::uint8_t> rgb(row * std::size_t(view.height));
  for (int y = 0; y < view.height; ++y)
    convert_row(view.data + std::size_t(y) * stride, rgb.data() + std::size_t(y) * row, view, alpha);
  return from_rgb(view.width, view.height, std::move(rgb));
}

}  // namespace mlx_vision
