#ifdef MLX_VISION_HAVE_AVIF
#include <avif/avif.h>

#include <algorithm>
#include <memory>

#include "media/codec.h"
#include "media/convert.h"
#include "media/exif.h"

namespace mlx_vision::media {
namespace {

struct DecoderDeleter {
  void operator()(avifDecoder* decoder) const { avifDecoderDestroy(decoder); }
};

/// EXIF value that turning by irot and mirroring by imir amounts to.
int stored_orientation(const avifImage& image) {
  static constexpr int kTurned[4] = {1, 8, 3, 6};  // by 90 degrees anticlockwise each
  static constexpr int kMirrored[4][2] = {{4, 2}, {5, 7}, {2, 4}, {7, 5}};  // and then mirrored at [axis]
  const int angle = image.transformFlags & AVIF_TRANSFORM_IROT ? image.irot.angle & 3 : 0;
  if (!(image.transformFlags & AVIF_TRANSFORM_IMIR)) return kTurned[angle];
#if AVIF_VERSION >= 1000000
  return kMirrored[angle][image.imir.axis & 1];
#else
  return kMirrored[angle][image.imir.mode & 1];
#endif
}

/// irot and imir outweigh EXIF; XMP counts only where neither speaks.
int orientation(const avifImage& image) {
  const int stored = stored_orientation(image);
  const auto exif = exif_orientation({image.exif.data, image.exif.size});
  if (stored != exif.value_or(1)) return stored;
  const std::string_view xmp(reinterpret_cast<const char*>(image.xmp.data), image.xmp.size);
  return choose_orientation(stored != 1 ? std::optional<int>(stored) : exif, xmp_orientation(xmp));
}

}  // namespace

Picture decode_avif(const Source& source) {
  const std::unique_ptr<avifDecoder, DecoderDeleter> decoder(avifDecoderCreate());
  if (!decoder) source.fail("AVIF: no memory");
  const DecodeLimits& limits = source.options.limits;
  decoder->imageSizeLimit =
      std::uint32_t(std::min<std::uint64_t>(limits.pixels, AVIF_DEFAULT_IMAGE_SIZE_LIMIT));
  decoder->imageDimensionLimit = std::uint32_t(limits.side);
  decoder->maxThreads = 2;
  // Files without pixel information or with odd apertures are common; Pillow takes them, and ignores
  // apertures.
  decoder->strictFlags &= ~avifStrictFlags(AVIF_STRICT_CLAP_VALID | AVIF_STRICT_PIXI_REQUIRED);
  const auto check = [&](avifResult result) {
    if (result != AVIF_RESULT_OK)
      source.fail("AVIF data are damaged, truncated or too large: " +
                  std::string(avifResultToString(result)));
  };
  check(avifDecoderSetIOMemory(decoder.get(), source.bytes.data(), source.bytes.size()));
  check(avifDecoderParse(decoder.get()));
  const avifImage& image = *decoder->image;
  source.check_size(image.width, image.height);
  const auto info = [&] {
    const bool gray = image.yuvFormat == AVIF_PIXEL_FORMAT_YUV400;
    return ImageInfo{.format = "AVIF",
                     .mode = decoder->alphaPresent ? "RGBA"
                             : gray                ? "L"
                                                   : "RGB",
                     .width = int(image.width),
                     .height = int(image.height),
                     .orientation = orientation(image)};
  };
  if (source.header_only) return Picture::header(info());
  check(avifDecoderNextImage(decoder.get()));
  source.check_size(image.width, image.height);
  const bool has_alpha = decoder->alphaPresent;
  Picture picture = Picture::blank(info());
  const std::size_t channels = has_alpha ? 4 : 3, pixels = std::size_t(image.width) * image.height;
  std::vector<std::uint8_t> rgba(has_alpha ? pixels * 4 : 0);
  avifRGBImage rgb;
  avifRGBImageSetDefaults(&rgb, &image);
  rgb.depth = 8;
  rgb.format = has_alpha ? AVIF_RGB_FORMAT_RGBA : AVIF_RGB_FORMAT_RGB;
  rgb.pixels = has_alpha ? rgba.data() : picture.rgb.data();
  rgb.rowBytes = std::uint32_t(image.width * channels);
  check(avifImageYUVToRGB(&image, &rgb));
  if (has_alpha) rgba_to_rgb(rgba.data(), picture.rgb.data(), pixels, source.options.alpha);
  return picture;
}

}  // namespace mlx_vision::media
#endif  // MLX_VISION_HAVE_AVIF
