#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "mlx_vision/export.h"
#include "mlx_vision/image.h"

namespace mlx_vision {

namespace media {
class VideoSource;
}

/// Which frames of a video a model is shown; absent = what the checkpoint says, or 2 a second, 4 to 768 in
/// all. `frames` is a number of frames whatever the video's length.
struct VideoSampling {
  std::optional<double> fps;
  std::optional<int> frames, min_frames, max_frames;
};

/// Frames in order, at a constant rate. Cheap to copy: copies share what they read. Safe to use from any
/// thread.
///
///     auto clip = mlx_vision::Video::open("clip.mp4");
///     request.chat.messages.push_back({"user", {mlx_vision::VideoPart{clip, "clip.mp4", {}},
///                                               mlx_vision::TextPart{"What happens?"}}});
class MLX_VISION_API Video {
 public:
  /// A video file, or a folder of pictures of one size, which are its frames in the order of their names, at
  /// `folder_fps` a second. Frames are read when they are needed. @throws MediaError naming the file; for a
  /// video file in a build without a video decoder
  static Video open(const std::filesystem::path& path, double folder_fps = 2,
                    const DecodeLimits& limits = {});
  /// @throws MediaError for no frames, frames of several sizes, or a rate that is not above 0
  static Video from_frames(std::vector<Image> frames, double fps);

  int width() const;
  int height() const;
  std::int64_t frame_count() const;  ///< at least 1; of a file, what its header says
  double fps() const;
  /// Calls `use(i, frame)` for each of these frame numbers, which ascend, in order; holds one frame at a
  /// time. A file that ends before its header says gives the last one that it has in place of those behind.
  /// @throws MediaError, and whatever `use` throws
  void for_each_frame(std::span<const std::int64_t> numbers,
                      const std::function<void(std::size_t, const Image&)>& use) const;

 private:
  explicit Video(std::shared_ptr<const media::VideoSource> source) : source_(std::move(source)) {}
  std::shared_ptr<const media::VideoSource> source_;
};

}  // namespace mlx_vision
