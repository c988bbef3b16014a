#include <algorithm>

#include "media/geometry.h"
#include "media/normalize.h"
#include "mlx_vision/error.h"

namespace {

using namespace mlx_vision;

/// Options come from the front of the input.
struct Options {
  const std::uint8_t* data;
  std::size_t size;

  int next(int count) {
    if (size == 0) return 0;
    --size;
    return *data++ % count;
  }
  int number() { return next(256) | next(4) << 8; }
};

void run(Options in) {
  const DecodeOptions options{.alpha = AlphaMode(in.next(3)),
                              .apply_orientation = in.next(2) != 0,
                              .limits = {.pixels = 1 << 16, .progressive_scans = 20}};
  // Small results keep it quick; what is large comes from the file.
  const int width = in.next(160) - 1, height = in.next(160) - 1;
  const auto filter = Filter(in.next(6));
  const auto rule = ResampleRule(in.next(3));
  const int left = in.number() - 500, top = in.number() - 500;
  const bool has_box = in.next(2) != 0, fused = in.next(2) != 0;
  const Box box{float(in.number()) / 3, float(in.number()) / 3, float(in.number()), float(in.number())};
  const std::span bytes(reinterpret_cast<const std::byte*>(in.data), in.size);
  const FittedResize resize{[&](int, int) { return std::pair(width, height); }, filter, rule};
  Image image = fused ? Image::from_bytes_resized(bytes, resize, options)
                      : Image::open_bytes({bytes.begin(), bytes.end()}, options);
  if (!fused) image = image.resized(width, height, filter, rule, has_box ? std::optional(box) : std::nullopt);
  image = media::crop(image, left, top, std::max(width / 2, 1), std::max(height / 2, 1), {1, 2, 3});
  std::vector<float> planes(image.pixels().size());
  media::write_planes(image, media::NormalizeTable::rescale_only(media::RescaleOrder::hf_pil), planes);
}

}  // namespace

/// Decode, turn, resize, crop and normalise with options from the input: a picture or a MediaError, nothing
/// else.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    run({data, size});
  } catch (const mlx_vision::MediaError&) {
  }
  return 0;
}
