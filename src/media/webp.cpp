#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "media/codec.h"
#include "media/convert.h"
#include "media/exif.h"

namespace mlx_vision::media {
namespace {

struct Deleter {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
  void operator()(WebPAnimDecoder* decoder) const { WebPAnimDecoderDelete(decoder); }
};

Bytes metadata(const WebPDemuxer* demuxer, const char name[4]) {
  WebPChunkIterator chunk = {};
  if (!WebPDemuxGetChunk(demuxer, name, 1, &chunk)) return {};
  const Bytes bytes(chunk.chunk.bytes, chunk.chunk.size);
  WebPDemuxReleaseChunkIterator(&chunk);  // the bytes belong to the file
  return bytes;
}

}  // namespace

// The animation decoder serves still pictures as well, and is what Pillow uses for both.
Picture decode_webp(const Source& source) {
  const WebPData data{source.bytes.data(), source.bytes.size()};
  const std::unique_ptr<WebPDemuxer, Deleter> demuxer(WebPDemux(&data));
  if (!demuxer) source.fail("WebP data are damaged or truncated");
  const auto width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  const auto height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  source.check_size(width, height);
  WebPBitstreamFeatures features = {};
  const bool has_features = WebPGetFeatures(data.bytes, data.size, &features) == VP8_STATUS_OK;
  const bool has_alpha = !has_features || features.has_alpha;
  const Bytes xmp = metadata(demuxer.get(), "XMP ");
  const auto xmp_value = xmp_orientation({reinterpret_cast<const char*>(xmp.data()), xmp.size()});
  const int orientation = choose_orientation(exif_orientation(metadata(demuxer.get(), "EXIF")), xmp_value);
  const ImageInfo info{.format = "WEBP",
                       .mode = has_alpha ? "RGBA" : "RGB",
                       .width = int(width),
                       .height = int(height),
                       .orientation = orientation};
  if (source.header_only) return Picture::header(info);

  WebPAnimDecoderOptions options;
  if (!WebPAnimDecoderOptionsInit(&options))
    source.fail("WebP: the library has another interface than expected");
  options.color_mode = MODE_RGBA;
  const std::unique_ptr<WebPAnimDecoder, Deleter> decoder(WebPAnimDecoderNew(&data, &options));
  std::uint8_t* rgba = nullptr;
  int timestamp = 0;
  if (!decoder || !WebPAnimDecoderGetNext(decoder.get(), &rgba, &timestamp))
    source.fail("WebP data are damaged or truncated: the first frame cannot be decoded");
  Picture picture = Picture::blank(info);
  const AlphaMode alpha = has_alpha ? source.options.alpha : AlphaMode::drop;
  rgba_to_rgb(rgba, picture.rgb.data(), std::size_t(width) * std::size_t(height), alpha);
  return picture;
}

}  // namespace mlx_vision::media
