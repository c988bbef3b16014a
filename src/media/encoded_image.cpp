#include "media/encoded_image.h"

#include <tuple>
#include <utility>

#include "media/codec.h"
#include "media/decode_resized.h"

namespace mlx_vision::media {
namespace {

Bytes as_octets(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

EncodedImage::EncodedImage(std::vector<std::byte> bytes, const DecodeOptions& options, std::string name)
    : bytes_(std::move(bytes)), options_(options), name_(std::move(name)) {
  info_ = decode({as_octets(bytes_), name_, options_, true}).info;
  std::tie(width_, height_) =
      options_.apply_orientation ? info_.seen_size() : std::pair(info_.width, info_.height);
}

const std::vector<std::uint8_t>& EncodedImage::frame() {
  const std::lock_guard lock(mutex_);
  if (!frame_) frame_ = decode({as_octets(bytes_), name_, options_}).rgb;
  return *frame_;
}

bool EncodedImage::has_frame() {
  const std::lock_guard lock(mutex_);
  return frame_.has_value();
}

std::optional<std::vector<std::uint8_t>> EncodedImage::resized_once(const FittedResize& resize) {
  {
    const std::lock_guard lock(mutex_);
    if (frame_ || std::exchange(resized_, true)) return std::nullopt;
  }
  return decode_resized({as_octets(bytes_), name_, options_}, resize).rgb;
}

}  // namespace mlx_vision::media
