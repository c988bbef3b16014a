#include "processing/prepare_images.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <future>
#include <iterator>
#include <system_error>
#include <thread>

#include "mlx_vision/error.h"

namespace mlx_vision::processing {
namespace {

constexpr std::size_t kMostThreads = 8;

/// Calls `work(0) … work(count - 1)`, each once, on this thread and some more, and returns when all are done.
/// The exception of the lowest index is rethrown.
template <class Work>
void for_each_in_parallel(std::size_t count, const Work& work) {
  std::atomic<std::size_t> next = 0;
  std::vector<std::exception_ptr> errors(count);
  const auto drain = [&] {
    for (std::size_t i; (i = next.fetch_add(1)) < count;) {
      try {
        work(i);
      } catch (...) {  // carried to the caller's thread below
        errors[i] = std::current_exception();
      }
    }
  };
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::future<void>> helpers;
  try {
    for (std::size_t i = 1; i < std::min({count, cores, kMostThreads}); ++i)
      helpers.push_back(std::async(std::launch::async, drain));
  } catch (const std::system_error&) {
    // No further thread to be had: those that run do the work.
  }
  drain();
  for (auto& helper : helpers) helper.get();
  for (const auto& error : errors)
    if (error) std::rethrow_exception(error);
}

// "image 2 (cat.png): …", counted within its kind.
[[noreturn]] void fail_for(const std::vector<PictureSize>& pictures, std::size_t index,
                           const std::string& why) {
  const PictureSize& it = pictures[index];
  const auto number =
      std::count_if(pictures.begin(), pictures.begin() + std::ptrdiff_t(index) + 1,
                    [&](const auto& p) { return p.video.has_value() == it.video.has_value(); });
  std::string text = (it.video ? "video " : "image ") + std::to_string(number);
  if (!it.source.empty() && !why.starts_with(it.source)) text.append(" (").append(it.source).append(")");
  throw MediaError(text.append(": ").append(why));
}

int image_count(const std::vector<PictureSize>& pictures) {
  return int(std::count_if(pictures.begin(), pictures.end(), [](const auto& p) { return !p.video; }));
}

PictureSize size_of(const VideoPart& part, const ImageProcessor& processor) {
  if (!processor.videos())
    throw RequestError((part.source.empty() ? std::string("video") : part.source) +
                       ": this model takes no videos; give it frames as images");
  const Video& video = part.video;
  return {
      .size = {video.width(), video.height()},
      .source = part.source,
      .video = choose_frames(video.frame_count(), video.fps(), processor.videos()->rule(), part.sampling)};
}

PictureSize size_of(const ImagePart& part, const ImageProcessor&) {
  return {.size = {part.image.width(), part.image.height()},
          .source = part.source,
          .undecoded_pixels = std::int64_t(part.image.undecoded_pixels())};
}

}  // namespace

std::vector<PictureSize> sizes_of(const ImageProcessor& processor, const std::vector<Media>& media) {
  std::vector<PictureSize> out;
  for (const Media& part : media)
    out.push_back(std::visit([&](const auto& p) { return size_of(p, processor); }, part));
  return out;
}

std::vector<PreparedSize> plan_images(const ImageProcessor& processor,
                                      const std::vector<PictureSize>& pictures) {
  std::vector<PreparedSize> out;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const PictureSize& picture = pictures[i];
    try {
      if (picture.video) {
        auto parts = processor.videos()->plan(picture.size, *picture.video);
        for (std::size_t k = 0; k < parts.size(); ++k) {
          parts[k].of_video = true;
          parts[k].continued = k > 0;
        }
        parts[0].scratch_pixels += std::int64_t(picture.size.width) * picture.size.height;
        std::move(parts.begin(), parts.end(), std::back_inserter(out));
        continue;
      }
      out.push_back(processor.plan(picture.size, image_count(pictures)));
      out.back().scratch_pixels += picture.undecoded_pixels;
    } catch (const MediaError& error) {
      fail_for(pictures, i, error.what());
    }
  }
  return out;
}

std::vector<ImageInput> prepare_images(const ImageProcessor& processor, const std::vector<Media>& media,
                                       const std::vector<PictureSize>& pictures) {
  std::vector<std::vector<ImageInput>> parts(media.size());
  for_each_in_parallel(media.size(), [&](std::size_t i) {
    try {
      if (const auto* video = std::get_if<VideoPart>(&media[i]))
        parts[i] = processor.videos()->prepare(video->video, *pictures[i].video);
      else
        parts[i].push_back(processor.prepare(std::get<ImagePart>(media[i]).image, image_count(pictures)));
    } catch (const MediaError& error) {
      fail_for(pictures, i, error.what());
    }
  });
  std::vector<ImageInput> out;
  for (auto& part : parts) std::move(part.begin(), part.end(), std::back_inserter(out));
  return out;
}

}  // namespace mlx_vision::processing
