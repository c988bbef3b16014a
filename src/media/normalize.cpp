#include "media/normalize.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "mlx_vision/error.h"

namespace mlx_vision::media {
namespace {

float rescale(int value, RescaleOrder order, double factor) {
  switch (order) {
    case RescaleOrder::f32_multiply:
      return float(value) * float(factor);
    case RescaleOrder::f32_divide:
    case RescaleOrder::f32_then_f64:
      return float(value) / float(1.0 / factor);
    case RescaleOrder::hf_pil:
    case RescaleOrder::f64:
    case RescaleOrder::fused:
      break;
  }
  return float(double(value) * factor);
}

float normalize(int value, double mean, double std, RescaleOrder order, double factor) {
  if (order == RescaleOrder::f64) return float((double(value) * factor - mean) / std);
  if (order == RescaleOrder::f32_then_f64) return float((double(rescale(value, order, factor)) - mean) / std);
  if (order == RescaleOrder::fused) {
    const float scaled_mean = float(mean) * float(1.0 / factor),
                scaled_std = float(std) * float(1.0 / factor);
    return (float(value) - scaled_mean) / scaled_std;
  }
  return (rescale(value, order, factor) - float(mean)) / float(std);
}

void require_size(const Image& image, std::span<float> out) {
  if (out.size() != image.pixels().size())
    throw MediaError("image: expected room for " + std::to_string(image.pixels().size()) + " floats, got " +
                     std::to_string(out.size()));
}

}  // namespace

NormalizeTable::NormalizeTable(const Channels& mean, const Channels& std, RescaleOrder order, double factor) {
  for (std::size_t c = 0; c < 3; ++c)
    for (int v = 0; v < 256; ++v) table_[c][std::size_t(v)] = normalize(v, mean[c], std[c], order, factor);
}

NormalizeTable NormalizeTable::rescale_only(RescaleOrder order, double factor) {
  NormalizeTable table;
  for (auto& channel : table.table_)
    for (int v = 0; v < 256; ++v) channel[std::size_t(v)] = rescale(v, order, factor);
  return table;
}

std::uint8_t NormalizeTable::nearest(int channel, float value) const {
  const auto& table = this->channel(channel);
  const bool rising = table.front() <= table.back();
  const auto before = [rising](float a, float b) { return rising ? a < b : a > b; };
  const auto next = std::lower_bound(table.begin(), table.end(), value, before);
  if (next == table.begin()) return 0;
  if (next == table.end()) return 255;
  const auto index = next - table.begin();
  return std::uint8_t(std::abs(*next - value) < std::abs(value - next[-1]) ? index : index - 1);
}

void write_planes(const Image& image, const NormalizeTable& table, std::span<float> out) {
  require_size(image, out);
  const std::size_t plane = out.size() / 3;
  const std::uint8_t* in = image.pixels().data();
  float *r = out.data(), *g = r + plane, *b = g + plane;
  const auto &tr = table.channel(0), &tg = table.channel(1), &tb = table.channel(2);
  for (std::size_t i = 0; i < plane; ++i, in += 3) {
    r[i] = tr[in[0]];
    g[i] = tg[in[1]];
    b[i] = tb[in[2]];
  }
}

void write_interleaved(const Image& image, const NormalizeTable& table, std::span<float> out) {
  require_size(image, out);
  const std::uint8_t* in = image.pixels().data();
  for (std::size_t i = 0; i < out.size(); i += 3)
    for (int c = 0; c < 3; ++c) out[i + std::size_t(c)] = table(c, in[i + std::size_t(c)]);
}

Image read_planes(std::span<const float> planes, int width, int height, const NormalizeTable& table) {
  const std::size_t plane = std::size_t(width) * std::size_t(height);
  if (width < 1 || height < 1 || planes.size() != 3 * plane)
    throw MediaError("image: expected planes of " + std::to_string(width) + "x" + std::to_string(height) +
                     ", got " + std::to_string(planes.size()) + " floats");
  std::vector<std::uint8_t> rgb(planes.size());
  for (std::size_t i = 0; i < plane; ++i)
    for (std::size_t c = 0; c < 3; ++c) rgb[3 * i + c] = table.nearest(int(c), planes[c * plane + i]);
  return Image::from_rgb(width, height, std::move(rgb));
}

}  // namespace mlx_vision::media
