#include "processing/anyres_rows.h"

#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "processing/pixel_config.h"
#include "processing/tile_grids.h"

namespace mlx_vision::processing {
namespace {

constexpr std::size_t kMostPinpoints = 1024;

/// int(round(value, 7)) of Python, which rounds the decimal digits.
std::int64_t rounded_digits(double value) {
  std::array<char, 64> digits{};
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::fixed, 7);
  std::int64_t whole = 0;
  std::from_chars(digits.data(), end.ptr, whole);
  return whole;
}

/// Python's a // b of floats, which is not the floor of the rounded quotient.
std::int64_t floor_divide(double a, double b) {
  const double quotient = (a - std::fmod(a, b)) / b, whole = std::floor(quotient);
  return std::int64_t(quotient - whole > 0.5 ? whole + 1 : whole);
}

[[noreturn]] void bad_pinpoints(const core::ConfigReader& config) {
  config.fail("image_grid_pinpoints", "expected 1 to " + std::to_string(kMostPinpoints) +
                                          " pairs [height, width] of 1.." + std::to_string(kMaxEdge));
}

}  // namespace

std::vector<Size> read_pinpoints(const core::ConfigReader& config, std::vector<Size> fallback) {
  if (!config.has("image_grid_pinpoints") && !fallback.empty()) return fallback;
  if (!config.has("image_grid_pinpoints")) bad_pinpoints(config);
  const nlohmann::json& list = *config.raw().find("image_grid_pinpoints");
  if (!list.is_array() || list.empty() || list.size() > kMostPinpoints) bad_pinpoints(config);
  const auto edge = [&](const nlohmann::json& value) {
    if (!value.is_number_integer() || value < 1 || value > kMaxEdge) bad_pinpoints(config);
    return value.get<int>();
  };
  std::vector<Size> out;
  for (const nlohmann::json& pair : list) {
    if (!pair.is_array() || pair.size() != 2) bad_pinpoints(config);
    out.push_back({.width = edge(pair[1]), .height = edge(pair[0])});
  }
  return out;
}

std::vector<Size> llava_next_pinpoints() {
  return {{672, 336}, {336, 672}, {672, 672}, {336, 1008}, {1008, 336}};
}

int read_most_tiles(const core::ConfigReader& config) {
  constexpr std::string_view kPrefix = "anyres_max_";
  const auto value = config.get_or<std::string>(kMostTilesKey, "anyres_max_9");
  int most = 0;
  const char* end = value.data() + value.size();
  if (!value.starts_with(kPrefix) || std::from_chars(value.data() + kPrefix.size(), end, most).ptr != end ||
      most < 1 || most > kMostTiles)
    config.fail(kMostTilesKey, "expected anyres_max_N, got \"" + value + "\"");
  return most;
}

int RowAxis::within(std::int64_t begin, std::int64_t end) const {
  int count = 0;
  for (std::int64_t i = 0; i < kept; ++i) {
    // (i + 1/2) * unpadded / kept + the padding before, in integers
    const std::int64_t twice = (2 * i + 1) * unpadded + padding() * 2 * kept;
    count += twice >= 2 * kept * begin && twice < 2 * kept * end ? 1 : 0;
  }
  return count;
}

AnyresRows anyres_rows(Size image, Grid tiles, Grid patches, int most_tiles) {
  const std::int64_t all_height = std::int64_t(patches.rows) * tiles.rows;
  const std::int64_t all_width = std::int64_t(patches.cols) * tiles.cols;
  std::int64_t height = all_height, width = all_width;
  if (double(image.width) / image.height > double(width) / double(height))
    height -= (height - rounded_digits(image.height * (double(width) / image.width))) / 2 * 2;
  else
    width -= (width - rounded_digits(image.width * (double(height) / image.height))) / 2 * 2;
  AnyresRows out{.down = {all_height, height, height}, .across = {all_width, width, width}};
  if (most_tiles <= 0) return out;
  const double most = double(std::int64_t(most_tiles) * patches.rows * patches.rows);
  const double ratio = std::sqrt(double(height * width) / most);
  if (ratio <= 1.1) return out;
  out.down.kept = floor_divide(double(height), ratio);
  out.across.kept = floor_divide(double(width), ratio);
  return out;
}

}  // namespace mlx_vision::processing
