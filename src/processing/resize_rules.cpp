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

/// The default rounding mode is half to even, Python's round().
double rounded(double value) { return std::nearbyint(value); }

int ceil_to(double value, int multiple, Size image) {
  return side(std::ceil(value / multiple) * multiple, image);
}

struct RoundedSize {
  std::int64_t width = 0, height = 0;
};

struct FrameBudget {
  PixelBudget pixels;
  FrameCounts frames;
};

/// `rounded_size`, unless its area is out of the budget: then whole factors of the picture scaled to an end
/// of it.
Size into_budget(Size image, RoundedSize rounded_size, int factor, const FrameBudget& budget) {
  const auto [w, h] = image;
  const auto [width, height] = rounded_size;
  const auto [min, max] = budget.pixels;
  const double area = double(h) * w * budget.frames.scaled;
  const std::int64_t rounded_area = width * height * budget.frames.compared;
  if (rounded_area > max) {
    const double beta = std::sqrt(area / double(max));
    const auto fit = [&](int s) { return std::max(double(factor), std::floor(s / beta / factor) * factor); };
    return {side(fit(w), image), side(fit(h), image)};
  }
  if (rounded_area < min) {
    const double beta = std::sqrt(double(min) / area);
    return {ceil_to(w * beta, factor, image), ceil_to(h * beta, factor, image)};
  }
  return {side(double(width), image), side(double(height), image)};
}

}  // namespace

Size smart_resize(Size image, int factor, const PixelBudget& budget, const FrameCounts& frames) {
  const auto [w, h] = image;
  if (double(std::max(w, h)) / std::min(w, h) > kMaxAspect)
    throw MediaError("image: expected one side to be at most " + std::to_string(kMaxAspect) +
                     " times the other, got " + shown(image) + "; crop it");
  return into_budget(image, {nearest_multiple(w, factor), nearest_multiple(h, factor)}, factor,
                     {budget, frames});
}

Size smart_resize_any_shape(Size image, int factor, const PixelBudget& budget) {
  const auto one = [&](int s) { return std::max<std::int64_t>(factor, nearest_multiple(s, factor)); };
  return into_budget(image, {one(image.width), one(image.height)}, factor, {budget, {}});
}

std::int64_t nearest_multiple(int value, int factor) {
  // Python's round(value / factor) * factor: the quotient's halves are exact in float64, so integers do.
  const std::int64_t quotient = value / factor, twice = 2 * std::int64_t(value % factor);
  const bool up = twice > factor || (twice == factor && quotient % 2 == 1);
  return (quotient + (up ? 1 : 0)) * factor;
}

Size enlarged_to_factor(Size image, int factor) {
  const auto [w, h] = image;
  if (h >= factor && w >= factor) return image;
  const double scale = std::max(double(factor) / h, double(factor) / w);
  return {side(std::trunc(w * scale), image), side(std::trunc(h * scale), image)};
}

Size sides_raised_to_factor(Size image, int factor) {
  auto [w, h] = image;
  const auto grown = [&](int of, int by) {
    return side(rounded(double(std::int64_t(of) * factor) / by), image);
  };
  if (h < factor) {
    w = grown(w, h);
    h = factor;
  }
  if (w < factor) {
    h = grown(h, w);
    w = factor;
  }
  return {w, h};
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

Size fit_into(Size image, Size box) {
  const auto [w, h] = image;
  const double scale_w = double(box.width) / w, scale_h = double(box.height) / h;
  if (scale_w < scale_h) return {box.width, std::min(int(std::ceil(h * scale_w)), box.height)};
  return {std::min(int(std::ceil(w * scale_h)), box.width), box.height};
}

Size fit_longest_edge(Size image, int edge, int least) {
  const double delta = double(edge) / std::max(image.width, image.height);
  const auto fit = [&](int s) { return std::max(int(rounded(s * delta)), least); };
  return {fit(image.width), fit(image.height)};
}

Size fit_longest_edge_truncated(Size image, int edge, int least) {
  const int longest = std::max(image.width, image.height);
  const auto fit = [&](int s) { return std::max(int(double(s) / longest * edge), least); };
  return {fit(image.width), fit(image.height)};
}

Size fit_whole_patches(Size image, Size most, Size patch) {
  auto [w, h] = image;
  const double ratio = std::max(double(h) / most.height, double(w) / most.width);
  if (ratio > 1) {
    h = int(std::floor(h / ratio));
    w = int(std::floor(w / ratio));
  }
  // A side that became 0 stays 0 patches in the reference as well, which Pillow then refuses.
  const auto whole = [&](int s, int p) {
    const std::int64_t patches = s < 1 ? 0 : (s - 1) / p + 1;
    return side(double(patches * p), image);
  };
  return {whole(w, patch.width), whole(h, patch.height)};
}

Size fit_between_edges(Size image, int shortest, int longest) {
  auto [w, h] = image;
  const double aspect = double(w) / h;
  if (w >= h && w > longest) {
    w = longest;
    h = int(w / aspect);
  } else if (h > w && h > longest) {
    h = longest;
    w = int(h * aspect);
  }
  return {std::max(w, shortest), std::max(h, shortest)};
}

Size fit_patch_count(Size image, int patch, std::int64_t most) {
  const std::int64_t patches = std::int64_t(image.width / patch) * (image.height / patch);
  if (patches <= most) return image;
  const double scale = std::sqrt(double(most) / double(patches));
  return {side(std::trunc(image.width * scale), image), side(std::trunc(image.height * scale), image)};
}

Size fill_patch_count(Size image, int patch, int most) {
  constexpr double kPrecision = 1e-5, kLargest = 100.0;
  const auto scaled = [&](double scale, int s) {
    return std::max(double(patch), std::ceil(s * scale / patch) * patch);
  };
  double low = kPrecision / 10, high = kLargest;
  while (high - low >= kPrecision) {
    const double scale = (low + high) / 2;
    const double patches = (scaled(scale, image.height) / patch) * (scaled(scale, image.width) / patch);
    (patches <= most ? low : high) = scale;
  }
  return {side(scaled(low, image.width), image), side(scaled(low, image.height), image)};
}

Size fill_pooled_patches(Size image, int patch, int pool, int most) {
  const auto [w, h] = image;
  const int multiple = pool * patch;
  const double area = double(most) * patch * patch;
  const double factor = std::sqrt(area / (double(h) * w));
  const auto down = [&](double s) { return std::int64_t(std::floor(s / multiple)) * multiple; };
  std::int64_t height = down(factor * h), width = down(factor * w);
  const auto fail = [&](const std::string& why) {
    throw MediaError("image: " + shown(image) + " cannot be resized by this model's rule, " + why +
                     "; crop it to a less extreme shape");
  };
  if (height == 0 && width == 0) fail("both sides would be 0");
  const std::int64_t longest = std::int64_t(most / (pool * pool)) * multiple;
  const auto along = [&](int a, int b) { return std::min(std::int64_t(a / b) * multiple, longest); };
  if (height == 0) {
    height = multiple;
    width = along(w, h);
  } else if (width == 0) {
    width = multiple;
    height = along(h, w);
  }
  if (double(height) * double(width) > area)
    fail("it would have more than " + std::to_string(most) + " patches");
  return {side(double(width), image), side(double(height), image)};
}

Size fit_canvas(Size image, Size canvas, int tile) {
  const auto [w, h] = image;
  const auto clip = [&](int s, int most) { return std::min(std::max(s, tile), most); };
  const int width = clip(w, canvas.width), height = clip(h, canvas.height);
  const double scale_h = double(height) / h, scale_w = double(width) / w;
  const auto fit = [](int s, double scale, int most) {
    return std::min(std::max(int(std::floor(s * scale)), 1), most);
  };
  if (scale_w < scale_h) return {width, fit(h, scale_w, height)};
  return {fit(w, scale_h, width), height};
}

Size hd_canvas(Size image, int unit, int most) {
  const int longer = std::max(image.width, image.height), shorter = std::min(image.width, image.height);
  const double ratio = double(longer) / shorter;
  int scale = 1;
  while (scale * std::ceil(scale / ratio) <= most) ++scale;
  --scale;
  const int width = scale * unit, height = int(width / ratio);
  const auto up = [&](int s) { return (s + unit - 1) / unit * unit; };
  if (height < 1) throw MediaError("image: " + shown(image) + " is too thin for this model; crop it");
  const Size size{up(width), up(height)};
  return image.width < image.height ? Size{size.height, size.width} : size;
}

Grid tile_grid(Size image, int tile) {
  if (image.width <= tile && image.height <= tile) return {};
  return {(image.height - tile) / tile + 1, (image.width - tile) / tile + 1};
}

}  // namespace mlx_vision::processing
