#include "media/resample.h"

#include <algorithm>
#include <cstring>
#include <future>
#include <string>
#include <thread>
#include <utility>

#include "media/row_resampler.h"
#include "mlx_vision/error.h"

namespace mlx_vision::media {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// Below this many source and result pixels a second thread costs more than it saves.
constexpr std::uint64_t kThreadPixels = 400'000;

std::string size_text(int width, int height) { return std::to_string(width) + "x" + std::to_string(height); }

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

Box box_of(int width, int height, const ResizeSpec& spec) {
  return spec.box.value_or(Box{0, 0, float(width), float(height)});
}

/// Pillow crops where the box is already of the size wanted.
bool is_crop(const ResizeSpec& spec, const Box& box) {
  return box.left == float(int(box.left)) && box.top == float(int(box.top)) &&
         box.right - box.left == float(spec.width) && box.bottom - box.top == float(spec.height);
}

/// Up to Pillow 12, Image.resize itself shrinks very tall pictures vertically first.
bool is_split(int width, int height, const ResizeSpec& spec) {
  return spec.rule == ResampleRule::pillow12 && height > 100ll * width && spec.height < height;
}

bool is_horizontal_first(int width, int height, const ResizeSpec& spec) {
  if (spec.rule != ResampleRule::pillow13) return true;
  const std::int64_t fewer_rows = std::int64_t(height) - spec.height;
  const std::int64_t fewer_columns = std::int64_t(width) - spec.width;
  return !(fewer_rows > 0 && fewer_rows > 2 * fewer_columns);
}

/// Pushes the rows that `resampler` wants. The kernels read a little behind each row; the last ones, behind
/// which the picture ends, go through a copy.
void push_all(const RgbView& image, RowResampler& resampler) {
  const std::size_t row_bytes = std::size_t(image.width) * 3;
  const int copied =
      int(std::min<std::size_t>((kRowSlack + row_bytes - 1) / row_bytes, std::size_t(image.height)));
  const int first_copied = image.height - copied;
  Bytes tail(std::size_t(copied) * row_bytes + kRowSlack);
  std::memcpy(tail.data(), image.data + std::size_t(first_copied) * row_bytes,
              std::size_t(copied) * row_bytes);
  while (resampler.next_input() < resampler.last_input()) {
    const std::uint8_t* rows[RowResampler::kBatch];
    const int count = std::min(RowResampler::kBatch, resampler.last_input() - resampler.next_input());
    for (int i = 0; i < count; ++i) {
      const int y = resampler.next_input() + i;
      rows[i] = y < first_copied ? image.data + std::size_t(y) * row_bytes
                                 : tail.data() + std::size_t(y - first_copied) * row_bytes;
    }
    resampler.push(rows, count);
  }
}

/// Large pictures are shared by two threads, each making half of the rows.
void run(const RgbView& image, const ResizePlan& plan, Bytes& out) {
  const int height = plan.vertical.out;
  const std::uint64_t pixels = std::uint64_t(image.width) * std::uint64_t(image.height) + out.size() / 3;
  const bool is_shared = pixels > kThreadPixels && height > 1 && std::thread::hardware_concurrency() > 1;
  const int middle = is_shared ? height / 2 : height;
  RowResampler upper(plan, 0, middle, out.data(), true);
  if (!is_shared) return push_all(image, upper);
  std::uint8_t* lower_out = out.data() + std::size_t(middle) * std::size_t(plan.out_width) * 3;
  RowResampler lower(plan, middle, height, lower_out, true);
  std::future<void> other = std::async(std::launch::async, [&] { push_all(image, lower); });
  push_all(image, upper);
  other.get();
}

Bytes resample_whole(const RgbView& image, const ResizeSpec& spec) {
  const Box box = box_of(image.width, image.height, spec);
  if (is_crop(spec, box)) return copy_part(image, int(box.left), int(box.top), spec.width, spec.height);
  if (spec.filter == Filter::nearest) return nearest(image, spec, box);
  const ResizePlan plan(plan_passes(image.width, image.height, spec));
  Bytes out(std::size_t(spec.width) * std::size_t(spec.height) * 3);
  run(image, plan, out);
  return out;
}

void check(int width, int height, const ResizeSpec& spec) {
  const Box box = box_of(width, height, spec);
  const std::uint64_t limit = DecodeLimits{}.pixels;
  if (spec.width < 1 || spec.height < 1)
    throw MediaError("image: expected a size of at least 1x1 to resize to, got " +
                     size_text(spec.width, spec.height));
  if (std::uint64_t(spec.width) * std::uint64_t(spec.height) > limit)
    throw MediaError("image: expected a size of at most " + std::to_string(limit) +
                     " pixels to resize to, got " + size_text(spec.width, spec.height));
  const bool inside = box.left >= 0 && box.top >= 0 && box.right <= float(width) &&
                      box.bottom <= float(height) && box.right >= box.left && box.bottom >= box.top;
  if (!inside)
    throw MediaError("image: the box to resize lies outside the picture of " + size_text(width, height));
  const bool is_known =
      spec.filter == Filter::bilinear || spec.filter == Filter::bicubic || spec.filter == Filter::lanczos;
  if (spec.rule == ResampleRule::torchvision && (spec.box || !is_known))
    throw MediaError("image: torchvision's rule has bilinear, bicubic and lanczos of the whole picture only");
}

}  // namespace

bool has_two_passes(int width, int height, const ResizeSpec& spec) {
  check(width, height, spec);
  return spec.filter != Filter::nearest && !is_crop(spec, box_of(width, height, spec)) &&
         !is_split(width, height, spec);
}

ResizePasses plan_passes(int width, int height, const ResizeSpec& spec) {
  if (spec.rule == ResampleRule::torchvision)
    return {torchvision_axis(width, spec.width, spec.filter),
            torchvision_axis(height, spec.height, spec.filter), true};
  const Box box = box_of(width, height, spec);
  return {pillow_axis(width, box.left, box.right, spec.width, spec.filter),
          pillow_axis(height, box.top, box.bottom, spec.height, spec.filter),
          is_horizontal_first(width, height, spec)};
}

Bytes resample(const RgbView& image, const ResizeSpec& spec) {
  check(image.width, image.height, spec);
  if (!is_split(image.width, image.height, spec)) return resample_whole(image, spec);
  const Box box = box_of(image.width, image.height, spec);
  ResizeSpec step = spec;
  step.width = image.width;
  step.box = Box{0, box.top, float(image.width), box.bottom};
  const Bytes rows = resample_whole(image, step);
  step.width = spec.width;
  step.box = Box{box.left, 0, box.right, float(spec.height)};
  return resample_whole({rows.data(), image.width, spec.height}, step);
}

}  // namespace mlx_vision::media
