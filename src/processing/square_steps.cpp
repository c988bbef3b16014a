#include "processing/square_steps.h"

#include "media/framing.h"
#include "processing/views.h"

namespace mlx_vision::processing {

Size SquareSteps::resized(Size picture) const {
  if (!resize) return picture;
  if (resize->is_rectangle()) return {*resize->width, *resize->height};
  return fit_shortest_edge(picture, *resize->shortest_edge);
}

Image SquareSteps::apply(const Image& image, const PixelRule& pixels) const {
  const Image out = resize ? pixels.resized(image, resized({image.width(), image.height()})) : image;
  return crop ? media::centre_crop(out, crop->width, crop->height) : out;
}

Box SquareSteps::shown(Size picture) const {
  const Size scaled = resized(picture), view = crop.value_or(scaled);
  return source_box(whole_box(view),
                    media::crop_placement(scaled.width, scaled.height, view.width, view.height), picture);
}

std::optional<Size> SquareSteps::result(bool square) const {
  if (crop) return crop;
  if (resize && resize->is_rectangle()) return Size{*resize->width, *resize->height};
  if (resize && square) return Size{*resize->shortest_edge, *resize->shortest_edge};
  return std::nullopt;
}

SquareSteps read_square_steps(const core::ConfigReader& config, const PixelRule& pixels,
                              const SquareDefaults& defaults) {
  SquareSteps steps;
  if (pixels.resize) {
    steps.resize = read_size(config, "size", defaults.size, defaults.bare);
    if (steps.resize->longest_edge || (steps.resize->shortest_edge && steps.resize->height))
      config.fail("size", "expected height and width, or shortest_edge alone");
  } else {
    config.ignore({"size"});
  }
  if (!config.get_or("do_center_crop", defaults.crop.has_value())) {
    config.ignore({"crop_size"});
    return steps;
  }
  SizeField fallback;
  if (defaults.crop) {
    fallback.height = defaults.crop->height;
    fallback.width = defaults.crop->width;
  }
  const SizeField crop = read_size(config, "crop_size", fallback, BareSize::square);
  if (!crop.is_rectangle()) config.fail("crop_size", "expected height and width");
  steps.crop = Size{*crop.width, *crop.height};
  return steps;
}

SizeField square_size(int edge) {
  SizeField size;
  size.height = size.width = edge;
  return size;
}

SizeField shortest_edge(int edge) {
  SizeField size;
  size.shortest_edge = edge;
  return size;
}

}  // namespace mlx_vision::processing
