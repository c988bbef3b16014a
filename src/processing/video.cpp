#include "processing/video.h"

#include <algorithm>
#include <cmath>

#include "mlx_vision/error.h"
#include "processing/resize_rules.h"

namespace mlx_vision::processing {
namespace {

constexpr int kMostFrames = 1 << 16;

void check(const VideoSampling& wanted) {
  const auto fail = [](const char* field, const std::string& value) {
    throw RequestError(std::string("video: expected ") + field + ", got " + value);
  };
  if (wanted.fps && !(*wanted.fps > 0 && *wanted.fps <= 1e6))
    fail("fps above 0", std::to_string(*wanted.fps));
  for (const auto& count : {wanted.frames, wanted.min_frames, wanted.max_frames})
    if (count && (*count < 1 || *count > kMostFrames))
      fail(("numbers of frames in 1.." + std::to_string(kMostFrames)).c_str(), std::to_string(*count));
}

// Python's floor and ceil to a multiple.
std::int64_t below(double value, int multiple) {
  return std::int64_t(std::floor(value / multiple)) * multiple;
}
std::int64_t above(double value, int multiple) {
  return std::int64_t(std::ceil(value / multiple)) * multiple;
}

std::int64_t count_frames(std::int64_t frames, double fps, const VideoRule& rule,
                          const VideoSampling& wanted) {
  const int factor = rule.factor;
  const auto fixed = wanted.frames ? wanted.frames : wanted.fps ? std::nullopt : rule.frames;
  if (fixed) return nearest_multiple(*fixed, factor);
  const double most = double(
      below(double(std::min<std::int64_t>(wanted.max_frames.value_or(rule.max_frames), frames)), factor));
  const double least = double(above(wanted.min_frames.value_or(rule.min_frames), factor));
  const double count = double(frames) / fps * wanted.fps.value_or(rule.fps);
  return below(std::min({std::max(count, least), most, double(frames)}), factor);
}

}  // namespace

VideoRule read_video_rule(const core::ConfigReader& c, VideoRule rule) {
  rule.fps = c.get_or("fps", rule.fps);
  if (!(rule.fps > 0)) c.fail("fps", "expected a number above 0");
  if (c.has("num_frames")) rule.frames = c.size("num_frames", 1, kMostFrames);
  rule.min_frames = c.size_or("min_frames", rule.min_frames, 1, kMostFrames);
  rule.max_frames = c.size_or("max_frames", rule.max_frames, 1, kMostFrames);
  return rule;
}

VideoTimes choose_frames(std::int64_t frames, double fps, const VideoRule& rule,
                         const VideoSampling& wanted) {
  check(wanted);
  std::int64_t count = frames;
  if (frames >= rule.factor)
    count = std::clamp<std::int64_t>(count_frames(frames, fps, rule, wanted), rule.factor, frames);
  VideoTimes out{.frames = frames, .fps = fps, .numbers = {}};
  // numpy.linspace(0, frames - 1, count).round()
  const double step = count > 1 ? double(frames - 1) / double(count - 1) : 0;
  for (std::int64_t i = 0; i < count; ++i)
    out.numbers.push_back(i > 0 && i == count - 1 ? frames - 1
                                                  : std::int64_t(std::nearbyint(double(i) * step)));
  return out;
}

}  // namespace mlx_vision::processing
