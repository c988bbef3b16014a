#include "media/resample.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "media/resample_axis.h"
#include "mlx_vision/error.h"

namespace mlx_vision::media {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::string size_text(int width, int height) { return std::to_string(width) + "x" + std::to_string(height); }

std::uint8_t clip8(std::int32_t sum, int precision) {
  return std::uint8_t(std::clamp(sum >> precision, 0, 255));
}

std::int32_t rounding(int precision) { return precision > 0 ? 1 << (precision - 1) : 0; }

/// Rows [first, last) of the picture, each resampled to axis.out pixels.
Bytes resample_columns(const RgbView& image, const ResampleAxis& axis, int first, int last) {
  Bytes out(std::size_t(last - first) * std::size_t(axis.out) * 3);
  std::uint8_t* to = out.data();
  for (int y = first; y < last; ++y) {
    const std::uint8_t* row = image.data + std::size_t(y) * std::size_t(image.width) * 3;
    for (int x = 0; x < axis.out; ++x, to += 3) {
      const std::int32_t* w = axis.weights_of(x);
      const std::uint8_t* in = row + std::size_t(axis.start[std::size_t(x)]) * 3;
      std::int32_t r = rounding(axis.precision), g = r, b = r;
      for (int j = 0; j < axis.count[std::size_t(x)]; ++j, in += 3) {
        r += w[j] * in[0];
        g += w[j] * in[1];
        b += w[j] * in[2];
      }
      to[0] = clip8(r, axis.precision);
      to[1] = clip8(g, axis.precision);
      to[2] = clip8(b, axis.precision);
    }
  }
  return out;
}

/// `image` holds rows from `first_row` on of the picture that the axis speaks of.
Bytes resample_rows(const RgbView& image, const ResampleAxis& axis, int first_row) {
  const std::size_t pitch = std::size_t(image.width) * 3;
  Bytes out(std::size_t(axis.out) * pitch);
  std::vector<std::int32_t> sums(pitch);
  for (int y = 0; y < axis.out; ++y) {
    std::fill(sums.begin(), sums.end(), rounding(axis.precision));
    for (int j = 0; j < axis.count[std::size_t(y)]; ++j) {
      const std::uint8_t* in = image.data + std::size_t(axis.start[std::size_t(y)] - first_row + j) * pitch;
      const std::int32_t w = axis.weights_of(y)[j];
      for (std::size_t i = 0; i < pitch; ++i) sums[i] += w * in[i];
    }
    std::uint8_t* to = out.data() + std::size_t(y) * pitch;
    for (std::size_t i = 0; i < pitch; ++i) to[i] = clip8(sums[i], axis.precision);
  }
  return out;
}

Bytes copy_part(const RgbView& image, int x, int y, int width, int height) {
  Bytes out(std::size_t(width) * std::size_t(height) * 3);
  for (int row = 0; row < height; ++row)
    std::memcpy(out.data() + std::size_t(row) * std::size_t(width) * 3,
                image.data + (std::size_t(y + row) * std::size_t(image.width) + std::size_t(x)) * 3,
                std::size_t(width) * 3);
  return out;
}

/// Pillow's ImagingScaleAffine: positions are summed up step by step, and one that rounding has carried past
/// the edge stays black.
Bytes nearest(const RgbView& image, const ResizeSpec& spec, const Box& box) {
  const double step_x = double(box.right - box.left) / spec.width;
  const double step_y = double(box.bottom - box.top) / spec.height;
  std::vector<int> columns(std::size_t(spec.width), -1);
  double at = box.left + step_x * 0.5;
  for (int& column : columns) {
    if (at < image.width) column = int(at);
    at += step_x;
  }
  Bytes out(std::size_t(spec.width) * std::size_t(spec.height) * 3);
  at = box.top + step_y * 0.5;
  std::uint8_t* to = out.data();
  for (int y = 0; y < spec.height; ++y, at += step_y) {
    if (at >= image.height) break;
    const std::uint8_t* row = image.data + std::size_t(at) * std::size_t(image.width) * 3;
    for (int column : columns) {
      if (column >= 0) std::memcpy(to, row + std::size_t(column) * 3, 3);
      to += 3;
    }
  }
  return out;
}

bool is_horizontal_first(const RgbView& image, const ResizeSpec& spec) {
  if (spec.rule != ResampleRule::pillow13) return true;
  const std::int64_t fewer_rows = std::int64_t(image.height) - spec.height;
  const std::int64_t fewer_columns = std::int64_t(image.width) - spec.width;
  return !(fewer_rows > 0 && fewer_rows > 2 * fewer_columns);
}

Bytes two_passes(const RgbView& image, const ResampleAxis& horizontal, const ResampleAxis& vertical,
                 bool horizontal_first) {
  if (!vertical.needed) return resample_columns(image, horizontal, 0, image.height);
  if (!horizontal.needed) return resample_rows(image, vertical, 0);
  if (!horizontal_first) {
    const Bytes rows = resample_rows(image, vertical, 0);
    return resample_columns({rows.data(), image.width, vertical.out}, horizontal, 0, vertical.out);
  }
  const int first = vertical.start.front(), last = vertical.start.back() + vertical.count.back();
  const Bytes columns = resample_columns(image, horizontal, first, last);
  return resample_rows({columns.data(), horizontal.out, last - first}, vertical, first);
}

Bytes resample_pillow(const RgbView& image, const ResizeSpec& spec, const Box& box) {
  const bool whole_pixels = box.left == float(int(box.left)) && box.top == float(int(box.top));
  if (whole_pixels && box.right - box.left == float(spec.width) && box.bottom - box.top == float(spec.height))
    return copy_part(image, int(box.left), int(box.top), spec.width, spec.height);
  if (spec.filter == Filter::nearest) return nearest(image, spec, box);
  return two_passes(image, pillow_axis(image.width, box.left, box.right, spec.width, spec.filter),
                    pillow_axis(image.height, box.top, box.bottom, spec.height, spec.filter),
                    is_horizontal_first(image, spec));
}

/// Up to Pillow 12, Image.resize itself shrinks very tall pictures vertically first.
Bytes resample_pillow12(const RgbView& image, const ResizeSpec& spec, const Box& box) {
  if (image.height <= 100ll * image.width || spec.height >= image.height)
    return resample_pillow(image, spec, box);
  ResizeSpec step = spec;
  step.width = image.width;
  const Bytes rows = resample_pillow(image, step, {0, box.top, float(image.width), box.bottom});
  return resample_pillow({rows.data(), image.width, spec.height}, spec,
                         {box.left, 0, box.right, float(spec.height)});
}

void check(const RgbView& image, const ResizeSpec& spec, const Box& box) {
  const std::uint64_t limit = DecodeLimits{}.pixels;
  if (spec.width < 1 || spec.height < 1)
    throw MediaError("image: expected a size of at least 1x1 to resize to, got " +
                     size_text(spec.width, spec.height));
  if (std::uint64_t(spec.width) * std::uint64_t(spec.height) > limit)
    throw MediaError("image: expected a size of at most " + std::to_string(limit) +
                     " pixels to resize to, got " + size_text(spec.width, spec.height));
  const bool inside = box.left >= 0 && box.top >= 0 && box.right <= float(image.width) &&
                      box.bottom <= float(image.height) && box.right >= box.left && box.bottom >= box.top;
  if (!inside)
    throw MediaError("image: the box to resize lies outside the picture of " +
                     size_text(image.width, image.height));
}

}  // namespace

Bytes resample(const RgbView& image, const ResizeSpec& spec) {
  const Box whole{0, 0, float(image.width), float(image.height)};
  const Box box = spec.box.value_or(whole);
  check(image, spec, box);
  if (spec.rule == ResampleRule::pillow13) return resample_pillow(image, spec, box);
  if (spec.rule == ResampleRule::pillow12) return resample_pillow12(image, spec, box);
  if (spec.box || spec.filter == Filter::nearest || spec.filter == Filter::box ||
      spec.filter == Filter::hamming)
    throw MediaError("image: torchvision's rule has bilinear, bicubic and lanczos of the whole picture only");
  if (spec.width == image.width && spec.height == image.height)
    return copy_part(image, 0, 0, image.width, image.height);
  return two_passes(image, torchvision_axis(image.width, spec.width, spec.filter),
                    torchvision_axis(image.height, spec.height, spec.filter), true);
}

}  // namespace mlx_vision::media
