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

class FrameList final : public media::VideoSource {
 public:
  FrameList(std::vector<Image> frames, double fps, const std::string& name) : frames_(std::move(frames)) {
    if (frames_.empty()) throw MediaError(name + ": expected at least one frame, got none");
    if (!(fps > 0) || !std::isfinite(fps))
      throw MediaError(name + ": expected frames a second above 0, got " + std::to_string(fps));
    header_ = {frames_[0].width(), frames_[0].height(), std::int64_t(frames_.size()), fps};
    for (std::size_t i = 1; i < frames_.size(); ++i)
      if (frames_[i].width() != header_.width || frames_[i].height() != header_.height)
        throw MediaError(name + ": expected frames of one size, " + size_text(header_.width, header_.height) +
                         ", got " + size_text(frames_[i].width(), frames_[i].height()) + " in frame " +
                         std::to_string(i + 1));
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

std::vector<Image> pictures_in(const fs::path& folder, const DecodeLimits& limits) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->is_regular_file() && !it->path().filename().string().starts_with('.'))
      files.push_back(it->path());
  if (error) throw MediaError(folder.string() + ": " + error.message());
  std::sort(files.begin(), files.end());
  std::vector<Image> out;
  for (const auto& file : files) out.push_back(Image::open(file, {.limits = limits}));
  return out;
}

}  // namespace

Video Video::open(const fs::path& path, double folder_fps, const DecodeLimits& limits) {
  std::error_code error;
  if (fs::is_directory(path, error))
    return Video(std::make_shared<FrameList>(pictures_in(path, limits), folder_fps, path.string()));
  return Video(media::open_video_file(path, limits));
}

Video Video::from_frames(std::vector<Image> frames, double fps) {
  return Video(std::make_shared<FrameList>(std::move(frames), fps, "video"));
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
