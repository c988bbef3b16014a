#include "media/video.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "mlx_vision/error.h"
#include "mlx_vision/video.h"

namespace mlx_vision {
namespace {

using media::VideoHeader;
namespace fs = std::filesystem;

std::string size_text(int width, int height) { return std::to_string(width) + "x" + std::to_string(height); }

void check_fps(double fps, const std::string& name) {
  if (!(fps > 0) || !std::isfinite(fps))
    throw MediaError(name + ": expected frames a second above 0, got " + std::to_string(fps));
}

void check_size(const VideoHeader& header, const Image& frame, const std::string& name, std::int64_t number) {
  if (frame.width() == header.width && frame.height() == header.height) return;
  throw MediaError(name + ": expected frames of one size, " + size_text(header.width, header.height) +
                   ", got " + size_text(frame.width(), frame.height()) + " in frame " +
                   std::to_string(number + 1));
}

class FrameList final : public media::VideoSource {
 public:
  FrameList(std::vector<Image> frames, double fps) : frames_(std::move(frames)) {
    if (frames_.empty()) throw MediaError("video: expected at least one frame, got none");
    check_fps(fps, "video");
    header_ = {frames_[0].width(), frames_[0].height(), std::int64_t(frames_.size()), fps};
    for (std::size_t i = 1; i < frames_.size(); ++i)
      check_size(header_, frames_[i], "video", std::int64_t(i));
  }
  const VideoHeader& header() const override { return header_; }
  void read(std::span<const std::int64_t> numbers,
            const std::function<void(std::size_t, const Image&)>& use) const override {
    for (std::size_t i = 0; i < numbers.size(); ++i) use(i, frames_[std::size_t(numbers[i])]);
  }

 private:
  std::vector<Image> frames_;
  VideoHeader header_;
};

class Folder final : public media::VideoSource {
 public:
  Folder(const fs::path& folder, double fps, const DecodeLimits& limits)
      : name_(folder.string()), options_{.limits = limits} {
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
      if (it->is_regular_file() && !it->path().filename().string().starts_with('.'))
        files_.push_back(it->path());
    if (error) throw MediaError(name_ + ": " + error.message());
    if (files_.empty()) throw MediaError(name_ + ": expected a video's frames as pictures, got no file");
    check_fps(fps, name_);
    std::sort(files_.begin(), files_.end());
    const auto [width, height] = read_image_info(files_[0], options_).seen_size();
    header_ = {width, height, std::int64_t(files_.size()), fps};
  }
  const VideoHeader& header() const override { return header_; }
  void read(std::span<const std::int64_t> numbers,
            const std::function<void(std::size_t, const Image&)>& use) const override {
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const Image frame = Image::from_file(files_[std::size_t(numbers[i])], options_);
      check_size(header_, frame, name_, numbers[i]);
      use(i, frame);
    }
  }

 private:
  std::string name_;
  DecodeOptions options_;
  std::vector<fs::path> files_;
  VideoHeader header_;
};

}  // namespace

Video Video::open(const fs::path& path, double folder_fps, const DecodeLimits& limits) {
  std::error_code error;
  if (fs::is_directory(path, error)) return Video(std::make_shared<Folder>(path, folder_fps, limits));
  return Video(media::open_video_file(path, limits));
}

Video Video::from_frames(std::vector<Image> frames, double fps) {
  return Video(std::make_shared<FrameList>(std::move(frames), fps));
}

int Video::width() const { return source_->header().width; }
int Video::height() const { return source_->header().height; }
std::int64_t Video::frame_count() const { return source_->header().frames; }
double Video::fps() const { return source_->header().fps; }

void Video::for_each_frame(std::span<const std::int64_t> numbers,
                           const std::function<void(std::size_t, const Image&)>& use) const {
  for (std::size_t i = 0; i < numbers.size(); ++i)
    if (numbers[i] < (i == 0 ? 0 : numbers[i - 1]) || numbers[i] >= frame_count())
      throw MediaError("video: expected frame numbers from 0 to " + std::to_string(frame_count() - 1) +
                       " in ascending order, got " + std::to_string(numbers[i]));
  source_->read(numbers, use);
}

}  // namespace mlx_vision
