#include "media/resample_axis.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "mlx_vision/error.h"

namespace mlx_vision::media {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr int kPillowPrecision = 32 - 8 - 2;
constexpr std::size_t kMaxWeights = std::size_t(1) << 26;

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= kPi;
  return std::sin(x) / x;
}

double hamming(double x) {
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= kPi;
  return std::sin(x) / x * (0.54f + 0.46f * std::cos(x));
}

double bicubic(double x) {
  constexpr double a = -0.5;
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double filter_value(Filter filter, double x) {
  const double distance = std::abs(x);
  switch (filter) {
    case Filter::nearest:
    case Filter::box:
      return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
    case Filter::bilinear:
      return distance < 1.0 ? 1.0 - distance : 0.0;
    case Filter::hamming:
      return hamming(distance);
    case Filter::bicubic:
      return bicubic(distance);
    case Filter::lanczos:
      return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
  }
  return 0.0;
}

double filter_support(Filter filter) {
  switch (filter) {
    case Filter::nearest:
    case Filter::box:
      return 0.5;
    case Filter::bilinear:
    case Filter::hamming:
      return 1.0;
    case Filter::bicubic:
      return 2.0;
    case Filter::lanczos:
      return 3.0;
  }
  return 0.0;
}

struct RealAxis {
  ResampleAxis axis;
  std::vector<double> weights;
};

RealAxis real_axis(int in, float from, float to, int out, Filter filter) {
  const double scale = double(to - from) / out;
  const double filter_scale = std::max(scale, 1.0);
  const double support = filter_support(filter) * filter_scale;
  RealAxis real;
  ResampleAxis& axis = real.axis;
  axis.in = in;
  axis.out = out;
  axis.taps = int(std::min<double>(std::ceil(support) * 2 + 1, in));
  if (std::size_t(out) * std::size_t(axis.taps) > kMaxWeights)
    throw MediaError("image: resizing a side of " + std::to_string(in) + " to " + std::to_string(out) +
                     " needs more than " + std::to_string(kMaxWeights) + " weights");
  axis.start.resize(std::size_t(out));
  axis.count.resize(std::size_t(out));
  real.weights.resize(std::size_t(out) * std::size_t(axis.taps));
  const double inverse = 1.0 / filter_scale;
  for (int i = 0; i < out; ++i) {
    const double center = from + (i + 0.5) * scale;
    const int first = std::clamp(int(center - support + 0.5), 0, in);
    const int last = std::min(int(center + support + 0.5), in);
    const int count = std::clamp(last - first, 0, axis.taps);
    double* w = real.weights.data() + std::size_t(i) * std::size_t(axis.taps);
    double sum = 0.0;
    for (int j = 0; j < count; ++j) sum += w[j] = filter_value(filter, (j + first - center + 0.5) * inverse);
    if (sum != 0.0)
      for (int j = 0; j < count; ++j) w[j] /= sum;
    axis.start[std::size_t(i)] = first;
    axis.count[std::size_t(i)] = count;
  }
  return real;
}

ResampleAxis quantized(RealAxis real, int precision) {
  ResampleAxis axis = std::move(real.axis);
  axis.precision = precision;
  axis.weights.resize(real.weights.size());
  const double one = double(1 << precision);
  std::transform(real.weights.begin(), real.weights.end(), axis.weights.begin(),
                 [&](double w) { return std::int32_t(w < 0 ? -0.5 + w * one : 0.5 + w * one); });
  return axis;
}

}  // namespace

ResampleAxis mirrored(const ResampleAxis& axis) {
  ResampleAxis result = axis;
  for (int i = 0; i < axis.out; ++i) {
    const auto from = std::size_t(axis.out - 1 - i), to = std::size_t(i);
    result.count[to] = axis.count[from];
    result.start[to] = axis.in - axis.start[from] - axis.count[from];
    std::int32_t* weights = result.weights.data() + to * std::size_t(axis.taps);
    std::fill_n(weights, axis.taps, 0);
    std::reverse_copy(axis.weights_of(int(from)), axis.weights_of(int(from)) + axis.count[from], weights);
  }
  return result;
}

ResampleAxis pillow_axis(int in, float from, float to, int out, Filter filter) {
  ResampleAxis axis = quantized(real_axis(in, from, to, out, filter), kPillowPrecision);
  axis.needed = out != in || from != 0.0f || to != float(out);
  return axis;
}

ResampleAxis torchvision_axis(int in, int out, Filter filter) {
  RealAxis real = real_axis(in, 0.0f, float(in), out, filter);
  const double largest = *std::max_element(real.weights.begin(), real.weights.end());
  int precision = 0;
  while (precision < 22 && int(0.5 + largest * double(1 << (precision + 1))) < 32768) ++precision;
  ResampleAxis axis = quantized(std::move(real), precision);
  axis.needed = in != out;
  return axis;
}

}  // namespace mlx_vision::media
