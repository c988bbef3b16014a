#ifdef MLX_VISION_HAVE_HEIF
#include <libheif/heif.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "media/codec.h"
#include "media/convert.h"

namespace mlx_vision::media {
namespace {

struct Deleter {
  void operator()(heif_context* context) const { heif_context_free(context); }
  void operator()(heif_image_handle* handle) const { heif_image_handle_release(handle); }
  void operator()(heif_image* image) const { heif_image_release(image); }
  void operator()(heif_decoding_options* options) const { heif_decoding_options_free(options); }
};

void check(const Source& source, const heif_error& error) {
  if (error.code != heif_error_Ok)
    source.fail("HEIC data are damaged, truncated or too large: " + std::string(error.message));
}

}  // namespace

// libheif turns and mirrors the picture itself, by the container's properties, which outweigh EXIF.
Picture decode_heic(const Source& source) {
  const std::unique_ptr<heif_context, Deleter> context(heif_context_alloc());
  if (!context) source.fail("HEIC: no memory");
  heif_context_set_maximum_image_size_limit(context.get(), source.options.limits.side);
  check(source, heif_context_read_from_memory_without_copy(context.get(), source.bytes.data(),
                                                           source.bytes.size(), nullptr));
  heif_image_handle* raw_handle = nullptr;
  check(source, heif_context_get_primary_image_handle(context.get(), &raw_handle));
  const std::unique_ptr<heif_image_handle, Deleter> handle(raw_handle);
  source.check_size(heif_image_handle_get_width(raw_handle), heif_image_handle_get_height(raw_handle));
  const bool has_alpha = heif_image_handle_has_alpha_channel(raw_handle);
  const char* mode = has_alpha ? "RGBA" : "RGB";
  if (source.header_only)
    return Picture::header({.format = "HEIC",
                            .mode = mode,
                            .width = heif_image_handle_get_width(raw_handle),
                            .height = heif_image_handle_get_height(raw_handle)});
  const std::unique_ptr<heif_decoding_options, Deleter> options(heif_decoding_options_alloc());
  if (!options) source.fail("HEIC: no memory");
  options->ignore_transformations = !source.options.apply_orientation;
  heif_image* raw_image = nullptr;
  check(source, heif_decode_image(raw_handle, &raw_image, heif_colorspace_RGB,
                                  has_alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB,
                                  options.get()));
  const std::unique_ptr<heif_image, Deleter> image(raw_image);
  const int width = heif_image_get_width(raw_image, heif_channel_interleaved);
  const int height = heif_image_get_height(raw_image, heif_channel_interleaved);
  source.check_size(width, height);
  int stride = 0;
  const std::uint8_t* pixels = heif_image_get_plane_readonly(raw_image, heif_channel_interleaved, &stride);
  const std::size_t channels = has_alpha ? 4 : 3;
  if (pixels == nullptr || stride < 0 || std::size_t(stride) < std::size_t(width) * channels)
    source.fail("HEIC: the decoder returned no pixels");
  Picture picture = Picture::blank({.format = "HEIC", .mode = mode, .width = width, .height = height});
  for (int y = 0; y < height; ++y) {
    const std::uint8_t* row = pixels + std::size_t(y) * std::size_t(stride);
    if (has_alpha)
      rgba_to_rgb(row, picture.row(y), std::size_t(width), source.options.alpha);
    else
      std::memcpy(picture.row(y), row, std::size_t(width) * 3);
  }
  return picture;
}

}  // namespace mlx_vision::media
#endif  // MLX_VISION_HAVE_HEIF
