#include "processing/resize_rules.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "mlx_vision/error.h"

namespace mlx_vision::processing {
namespace {

constexpr int kMaxAspect = 200;
constexpr int kIdefics3MaxSide = 4096;

std::string shown(Size size) { return std::to_string(size.width) + "x" + std::to_string(size.height); }

int side(double value, Size image) {
  if (value < 1 || value > double(std::numeric_limits<int>::max()))
    throw MediaError("image: " + shown(image) +
                     " cannot be resized by this model's rule, one side would be " +
                     std::to_string(std::int64_t(value)) + "; crop it to a less extreme shape");
  return int(value);
}

/// Python's round(value / factor) * factor: the quotient's halves are exact in float64, so integers do.
std::int64_t round_half_even(int value, int factor) {
  const std::int64_t quotient = value / factor, twice = 2 * std::int64_t(value % factor);
  const bool up = twice > factor || (twice == factor && quotient % 2 == 1);
  return (quotient + (up ? 1 : 0)) * factor;
}

int ceil_to(double value, int multiple, Size image) {
  return side(std::ceil(value / multiple) * multiple, image);
}

}  // namespace

Size smart_resize(Size image, int factor, const PixelBudget& budget) {
  const auto [w, h] = image;
  if (double(std::max(w, h)) / std::min(w, h) > kMaxAspect)
    throw MediaError("image: expected one side to be at most " + std::to_string(kMaxAspect) +
                     " times the other, got " + shown(image) + "; crop it");
  const std::int64_t width = round_half_even(w, factor), height = round_half_even(h, factor);
  const double area = double(h) * w;
  if (width * height > budget.max) {
    const double beta = std::sqrt(area / double(budget.max));
    const auto fit = [&](int s) { return std::max(double(factor), std::floor(s / beta / factor) * factor); };
    return {side(fit(w), image), side(fit(h), image)};
  }
  if (width * height < budget.min) {
    const double beta = std::sqrt(double(budget.min) / area);
    return {ceil_to(w * beta, factor, image), ceil_to(h * beta, factor, image)};
  }
  return {side(double(width), image), side(double(height), image)};
}

Size fit_shortest_edge(Size image, int edge) {
  const auto [w, h] = image;
  const double scaled = double(std::int64_t(edge) * std::max(w, h)) / std::min(w, h);
  const int other = side(std::trunc(scaled), image);
  return w <= h ? Size{edge, other} : Size{other, edge};
}

Size fit_longest_edge_even(Size image, int edge) {
  auto [w, h] = image;
  const double aspect = double(w) / h;
  if (w >= h) {
    w = edge;
    h = int(w / aspect);
    h += h % 2;
  } else {
    h = edge;
    w = int(h * aspect);
    w += w % 2;
  }
  w = std::max(w, 1);
  h = std::max(h, 1);
  const double even_aspect = double(w) / h;
  if (w >= h && w > kIdefics3MaxSide) {
    w = kIdefics3MaxSide;
    h = int(w / even_aspect);
  } else if (h > w && h > kIdefics3MaxSide) {
    h = kIdefics3MaxSide;
    w = int(h * even_aspect);
  }
  return {std::max(w, 1), std::max(h, 1)};
}

Size ceil_to_tiles(Size image, int tile) {
  const auto [w, h] = image;
  const double aspect = double(w) / h;
  if (w >= h) {
    const int width = ceil_to(w, tile, image);
    return {width, ceil_to(std::trunc(width / aspect), tile, image)};
  }
  const int height = ceil_to(h, tile, image);
  return {ceil_to(std::trunc(height * aspect), tile, image), height};
}

Grid tile_grid(Size image, int tile) {
  if (image.width <= tile && image.height <= tile) return {};
  return {(image.height - tile) / tile + 1, (image.width - tile) / tile + 1};
}

}  // namespace mlx_vision::processing
