#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/config.h"
#include "media/geometry.h"
#include "media/normalize.h"
#include "mlx_vision/image.h"
#include "processing/processor.h"
#include "processing/resize_rules.h"

namespace mlx_vision::processing {

inline constexpr std::array<double, 3> kClipMean = {0.48145466, 0.4578275, 0.40821073};
inline constexpr std::array<double, 3> kClipStd = {0.26862954, 0.26130258, 0.27577711};
inline constexpr std::array<double, 3> kHalf = {0.5, 0.5, 0.5}, kZero = {}, kOne = {1, 1, 1};

/// Most pixels that a size from a file may ask for on one side.
inline constexpr int kMaxEdge = 16'384;

/// What a reference class assumes for fields that the checkpoint's file leaves out.
struct PixelDefaults {
  Filter filter = Filter::bicubic;
  std::array<double, 3> mean = kClipMean, std = kClipStd;
  bool normalize = true;
  media::RescaleOrder order = media::RescaleOrder::hf_pil;
};

/// How bytes become floats and with which filter pictures are resized: the fields that every transformers
/// image processor has (do_resize, resample, do_rescale, rescale_factor, do_normalize, image_mean,
/// image_std).
struct PixelRule {
  bool resize = true;
  Filter filter = Filter::bicubic;
  ResampleRule rule = ResampleRule::pillow13;
  std::array<double, 3> mean = kClipMean, std = kClipStd;
  media::NormalizeTable table;

  /// Resized with the filter. @throws MediaError
  Image resized(const Image& image, Size size) const {
    return image.resized(size.width, size.height, filter, rule);
  }

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

/// The size that must be a rectangle. @throws ConfigError as read_size, or if it is none.
Size read_rectangle(const core::ConfigReader& config, std::string_view key, Size fallback);

/// One number for all channels, or a list of three. @throws ConfigError
std::array<double, 3> read_channels(const core::ConfigReader& config, std::string_view key,
                                    const std::array<double, 3>& fallback);

/// int(mean * 255), the colour that several families pad with. @throws ConfigError for a mean outside 0..1.
/// `key` names the mean in the error.
media::Rgb mean_colour(const core::ConfigReader& config, const std::array<double, 3>& mean,
                       std::string_view key = "image_mean");

/// image_processor_type (or the older feature_extractor_type) without the endings that only name a backend:
/// "CLIPImageProcessorFast" → "CLIPImageProcessor"; empty if the file has none.
std::string image_processor_type(const core::ConfigReader& config);

/// vision_config.patch_size of config.json, a number or two equal ones: the side of the encoder's patches,
/// for views. 0 where it does not say. @throws ConfigError
int read_encoder_patch(const ProcessorFiles& files);

std::string filter_name(Filter filter);

/// @throws RequestError if the user set a limit: `why` says what this model does instead.
void refuse_limits(const ImageLimits& limits, std::string_view why);

}  // namespace mlx_vision::processing
