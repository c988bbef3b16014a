#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "mlx_vision/image.h"

namespace mlx_vision::media {

struct VideoHeader {
  int width = 0, height = 0;  ///< as seen, turned as the file says
  std::int64_t frames = 0;
  double fps = 0;
};

/// Where a video's frames come from. Immutable; safe from any thread.
class VideoSource {
 public:
  virtual ~VideoSource() = default;
  virtual const VideoHeader& header() const = 0;
  /// As Video::for_each_frame; `numbers` is checked. @throws MediaError
  virtual void read(std::span<const std::int64_t> numbers,
                    const std::function<void(std::size_t, const Image&)>& use) const = 0;
};

/// @throws MediaError naming the file
std::unique_ptr<VideoSource> open_video_file(const std::filesystem::path& path, const DecodeLimits& limits);

}  // namespace mlx_vision::media
