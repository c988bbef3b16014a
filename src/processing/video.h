#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "mlx_vision/video.h"
#include "processing/processor.h"

namespace mlx_vision::processing {

/// How many frames of a video a model is shown, where the request does not say.
struct VideoRule {
  double fps = 2;
  std::optional<int> frames = {};  ///< whatever its length, in place of `fps`
  int min_frames = 4, max_frames = 768;
  int factor = 1;  ///< their number is a multiple
};

/// fps, num_frames, min_frames, max_frames as a video processor's file has them. @throws ConfigError
VideoRule read_video_rule(const core::ConfigReader& config, VideoRule rule);

/// Which frames of a video are shown.
struct VideoTimes {
  std::int64_t frames = 1;            ///< of the video
  double fps = 1;                     ///< at which it plays
  std::vector<std::int64_t> numbers;  ///< of those shown, ascending

  /// Into the video.
  double seconds(std::size_t shown) const { return double(numbers[shown]) / fps; }
  /// At which those shown would play.
  double shown_fps() const { return double(numbers.size()) / double(frames) * fps; }
};

/// Evenly from the first frame to the last, as qwen-vl-utils (smart_nframes) and mlx-vlm (utils.py,
/// load_video) choose them; of a video with fewer than `factor` frames all. @throws RequestError for values
/// that make no sense
VideoTimes choose_frames(std::int64_t frames, double fps, const VideoRule& rule, const VideoSampling& wanted);

/// A family's video preparation for one checkpoint. Immutable; safe from any thread.
class VideoProcessor {
 public:
  virtual ~VideoProcessor() = default;
  virtual const VideoRule& rule() const = 0;
  /// The text that stands for one video in a rendered prompt, before expansion.
  virtual std::string_view placeholder() const = 0;
  /// What prepare() will give. The expansions of all together replace the placeholder. @throws MediaError
  virtual std::vector<PreparedSize> plan(Size frame, const VideoTimes& times) const = 0;
  /// One input for each run of rows in the prompt. @throws MediaError
  virtual std::vector<ImageInput> prepare(const Video& video, const VideoTimes& times) const = 0;
};

}  // namespace mlx_vision::processing
