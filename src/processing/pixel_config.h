#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/config.h"
#include "media/normalize.h"
#include "mlx_vision/image.h"

namespace mlx_vision::processing {

inline constexpr std::array<double, 3> kClipMean = {0.48145466, 0.4578275, 0.40821073};
inline constexpr std::array<double, 3> kClipStd = {0.26862954, 0.26130258, 0.27577711};
inline constexpr std::array<double, 3> kHalf = {0.5, 0.5, 0.5};

/// Most pixels that a size from a file may ask for on one side.
inline constexpr int kMaxEdge = 16'384;

/// What a reference class assumes for fields that the checkpoint's file leaves out.
struct PixelDefaults {
  Filter filter = Filter::bicubic;
  std::array<double, 3> mean = kClipMean, std = kClipStd;
};

/// How bytes become floats and with which filter pictures are resized: the fields that every transformers
/// image processor has (do_resize, resample, do_rescale, rescale_factor, do_normalize, image_mean,
/// image_std).
struct PixelRule {
  bool resize = true;
  Filter filter = Filter::bicubic;
  std::array<double, 3> mean = kClipMean, std = kClipStd;
  media::NormalizeTable table;

  /// "bicubic, mean 0.5 0.5 0.5, std 0.5 0.5 0.5"
  std::string describe() const;
};

/// @throws ConfigError for a filter that Pillow does not know, other than 3 channels, a std of 0, a factor
/// that is not finite.
PixelRule read_pixel_rule(const core::ConfigReader& config, const PixelDefaults& defaults);

/// A transformers "size" in any of its written forms; fields not given are absent, given ones in 1..kMaxEdge.
struct SizeField {
  std::optional<int> height, width, shortest_edge, longest_edge;
  bool is_rectangle() const { return height && width; }
};

/// What a bare number means: both sides, or the shortest one.
enum class BareSize { square, shortest_edge };

/// Reads an object, a number or a list [height, width]; `fallback` if absent.
/// @throws ConfigError for anything else, unknown keys included.
SizeField read_size(const core::ConfigReader& config, std::string_view key, const SizeField& fallback,
                    BareSize bare);

/// image_processor_type (or the older feature_extractor_type) without the endings that only name a backend:
/// "CLIPImageProcessorFast" → "CLIPImageProcessor"; empty if the file has none.
std::string image_processor_type(const core::ConfigReader& config);

std::string filter_name(Filter filter);

/// `token`, `count` times. @throws MediaError beyond a million: no model reads that, and a hostile file may
/// ask.
std::string token_run(std::string_view token, std::int64_t count);

}  // namespace mlx_vision::processing
