#include "processing/prepare_images.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <future>
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

[[noreturn]] void fail_for(std::size_t index, const std::string& source, const std::string& why) {
  std::string text = "image " + std::to_string(index + 1);
  if (!source.empty() && !why.starts_with(source)) text.append(" (").append(source).append(")");
  throw MediaError(text.append(": ").append(why));
}

}  // namespace

std::vector<PictureSize> sizes_of(const std::vector<ImagePart>& images) {
  std::vector<PictureSize> out;
  for (const ImagePart& part : images)
    out.push_back({.size = {part.image.width(), part.image.height()},
                   .source = part.source,
                   .undecoded_pixels = std::int64_t(part.image.undecoded_pixels())});
  return out;
}

std::vector<PreparedSize> plan_images(const ImageProcessor& processor,
                                      const std::vector<PictureSize>& pictures) {
  std::vector<PreparedSize> out;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    try {
      out.push_back(processor.plan(pictures[i].size, int(pictures.size())));
      out.back().scratch_pixels += pictures[i].undecoded_pixels;
    } catch (const MediaError& error) {
      fail_for(i, pictures[i].source, error.what());
    }
  }
  return out;
}

std::vector<ImageInput> prepare_images(const ImageProcessor& processor,
                                       const std::vector<ImagePart>& images) {
  std::vector<ImageInput> out(images.size());
  for_each_in_parallel(images.size(), [&](std::size_t i) {
    try {
      out[i] = processor.prepare(images[i].image, int(images.size()));
    } catch (const MediaError& error) {
      fail_for(i, images[i].source, error.what());
    }
  });
  return out;
}

}  // namespace mlx_vision::processing
