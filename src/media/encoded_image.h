#pragma once
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "mlx_vision/image.h"

namespace mlx_vision::media {

/// A JPEG that is decoded when its pixels are needed. Safe from any thread.
class EncodedImage {
 public:
  /// Reads the header. @throws MediaError naming the file
  EncodedImage(std::vector<std::byte> bytes, const DecodeOptions& options, std::string name);

  int width() const { return width_; }  ///< after orientation, if the options ask for it
  int height() const { return height_; }
  const ImageInfo& info() const { return info_; }

  /// The pixels, decoded at the first call and kept. @throws MediaError
  const std::vector<std::uint8_t>& frame();

  bool has_frame();

  /// The resized pixels by decoding and resampling in one go. Nothing from the second call on, or where the
  /// frame exists: who resizes again had better keep the frame than decode each time. @throws MediaError
  std::optional<std::vector<std::uint8_t>> resized_once(const FittedResize& resize);

 private:
  const std::vector<std::byte> bytes_;
  const DecodeOptions options_;
  const std::string name_;
  int width_ = 0, height_ = 0;
  ImageInfo info_;
  std::mutex mutex_;
  bool resized_ = false;
  std::optional<std::vector<std::uint8_t>> frame_;
};

}  // namespace mlx_vision::media
