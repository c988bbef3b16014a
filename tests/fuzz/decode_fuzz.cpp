#include "media/codec.h"
#include "mlx_vision/error.h"

/// One codec on arbitrary bytes: a picture or a MediaError, nothing else.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mlx_vision;
  const DecodeOptions options{.alpha = AlphaMode(size % 3),
                              .limits = {.pixels = 1 << 20, .progressive_scans = 20}};
  try {
    const media::Picture picture = media::FUZZED({{data, size}, "fuzzed", options});
    if (picture.rgb.size() != std::size_t(picture.width) * std::size_t(picture.height) * 3) __builtin_trap();
  } catch (const MediaError&) {
  }
  return 0;
}
