#include "processing/pixel_budget.h"

#include <string>

#include "mlx_vision/error.h"

namespace mlx_vision::processing {
namespace {

constexpr std::int64_t kMostPixels = std::int64_t(1) << 40;  // of a file
// Small pictures are enlarged to the minimum, so it is memory that is asked for.
constexpr auto kMostMinimum = std::int64_t(DecodeLimits{}.pixels);

}  // namespace

PixelBudget read_budget(const core::ConfigReader& config, const PixelBudget& defaults,
                        bool reads_pixel_limits) {
  const core::ConfigReader size = config.child_or_empty("size");
  size.ignore({"min_pixels", "max_pixels"});
  if (!reads_pixel_limits) config.ignore({"min_pixels", "max_pixels"});
  for (const auto* key : {"height", "width", "max_height", "max_width"})
    if (size.has(key)) size.fail(key, "this way to give a size is not supported, expected pixel counts");
  const auto pick = [&](const char* own, const char* edge, std::int64_t fallback, std::int64_t most) {
    auto value = size.find<std::int64_t>(edge).value_or(fallback);
    if (reads_pixel_limits) value = config.find<std::int64_t>(own).value_or(value);
    if (value < 1 || value > most)
      config.fail(own,
                  "expected a pixel count in 1.." + std::to_string(most) + ", got " + std::to_string(value));
    return value;
  };
  return {pick("min_pixels", "shortest_edge", defaults.min, kMostMinimum),
          pick("max_pixels", "longest_edge", defaults.max, kMostPixels)};
}

PixelBudget limited(PixelBudget budget, const ImageLimits& limits, int frames) {
  const auto within = [](std::optional<std::int64_t> limit, std::int64_t most) {
    return !limit || (*limit >= 1 && *limit <= most);
  };
  if (!within(limits.min_pixels, kMostMinimum) || !within(limits.max_pixels, kMostPixels))
    throw RequestError("image limits: expected min_pixels in 1.." + std::to_string(kMostMinimum) +
                       " and max_pixels in 1.." + std::to_string(kMostPixels) + ", got " +
                       std::to_string(limits.min_pixels.value_or(budget.min)) + " and " +
                       std::to_string(limits.max_pixels.value_or(budget.max)));
  if (limits.min_pixels) budget.min = *limits.min_pixels * frames;
  if (limits.max_pixels) budget.max = *limits.max_pixels * frames;
  return budget;
}

}  // namespace mlx_vision::processing
