#include "processing/frame_video.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <utility>

#include "processing/arrays.h"
#include "processing/image_text.h"
#include "processing/llava_tokens.h"
#include "processing/pixel_config.h"
#include "processing/resize_rules.h"

namespace mlx_vision::processing {
namespace {

constexpr std::string_view kVideo = "<video>";
constexpr int kMostTokens = 1 << 16;
constexpr const char* kNoLimits = "frames of a video have one size";

/// How frames become squares.
struct FrameRule {
  PixelRule pixels;
  Size square;
  int longest_edge = 0;  ///< to which a frame is brought first; 0 = none
};

Image square(const Image& frame, const FrameRule& rule) {
  Image picture = frame;
  if (rule.longest_edge > 0)
    picture = rule.pixels.resized(picture,
                                  fit_longest_edge_even({frame.width(), frame.height()}, rule.longest_edge));
  return rule.pixels.resized(picture, rule.square);
}

/// One input for each frame. `text(times, i)` is what stands for frame i.
class FramesApart final : public VideoProcessor {
 public:
  using Text = std::function<std::string(const VideoTimes&, std::size_t)>;
  FramesApart(FrameRule frames, VideoRule rule, int tokens, Text text)
      : frames_(std::move(frames)), rule_(rule), tokens_(tokens), text_(std::move(text)) {}

  const VideoRule& rule() const override { return rule_; }
  std::string_view placeholder() const override { return kVideo; }

  std::vector<PreparedSize> plan(Size, const VideoTimes& times) const override {
    const auto [width, height] = frames_.square;
    std::vector<PreparedSize> out;
    for (std::size_t i = 0; i < times.numbers.size(); ++i)
      out.push_back({.pixels = {1, 3, height, width},
                     .tokens = tokens_,
                     .expansion = text_(times, i),
                     .scratch_pixels = 2 * std::int64_t(width) * height});
    return out;
  }

  std::vector<ImageInput> prepare(const Video& video, const VideoTimes& times) const override {
    std::vector<ImageInput> out;
    video.for_each_frame(times.numbers, [&](std::size_t i, const Image& frame) {
      const std::array one{square(frame, frames_)};
      out.push_back({.arrays = {planes_of("pixel_values", one, frames_.pixels.table)},
                     .tokens = tokens_,
                     .expansion = text_(times, i)});
    });
    return out;
  }

 private:
  FrameRule frames_;
  VideoRule rule_;
  int tokens_;
  Text text_;
};

/// All frames in one input.
class FramesTogether final : public VideoProcessor {
 public:
  FramesTogether(FrameRule frames, VideoRule rule, int frame_tokens, std::string token)
      : frames_(std::move(frames)), rule_(rule), frame_tokens_(frame_tokens), token_(std::move(token)) {}

  const VideoRule& rule() const override { return rule_; }
  std::string_view placeholder() const override { return token_; }

  std::vector<PreparedSize> plan(Size, const VideoTimes& times) const override {
    const auto [width, height] = frames_.square;
    const auto count = std::int64_t(times.numbers.size()), tokens = count * frame_tokens_ + 1;
    return {{.pixels = {count, 3, height, width},
             .tokens = int(tokens),
             .expansion = token_run(token_, tokens),
             .scratch_pixels = count * width * height}};
  }

  std::vector<ImageInput> prepare(const Video& video, const VideoTimes& times) const override {
    auto planned = plan({video.width(), video.height()}, times);
    std::vector<Image> squares;
    video.for_each_frame(times.numbers,
                         [&](std::size_t, const Image& frame) { squares.push_back(square(frame, frames_)); });
    return {{.arrays = {planes_of("pixel_values_videos", squares, frames_.pixels.table)},
             .tokens = planned[0].tokens,
             .expansion = std::move(planned[0].expansion)}};
  }

 private:
  FrameRule frames_;
  VideoRule rule_;
  int frame_tokens_;
  std::string token_;
};

FrameRule read_frames(const core::ConfigReader& config, const PixelDefaults& defaults, int side) {
  FrameRule out{.pixels = read_pixel_rule(config, defaults),
                .square = read_rectangle(config, "size", {side, side})};
  out.pixels.rule = ResampleRule::torchvision;
  return out;
}

constexpr PixelDefaults kClipDefaults{.order = media::RescaleOrder::fused};

}  // namespace

std::unique_ptr<VideoProcessor> make_internvl_video(const ProcessorFiles& files, const ImageLimits& limits) {
  refuse_limits(limits, kNoLimits);
  const core::ConfigReader& config = files.video_processor;
  const int tokens = files.processor.size_or("image_seq_length", 256, 1, kMostTokens);
  const auto text = [tokens](const VideoTimes&, std::size_t i) {
    std::string out = i > 0 ? "\nFrame" : "Frame";
    out.append(std::to_string(i + 1)).append(": <img>");
    return out.append(token_run("<IMG_CONTEXT>", tokens)).append("</img>");
  };
  return std::make_unique<FramesApart>(read_frames(config, kClipDefaults, 384),
                                       read_video_rule(config, {.factor = 2}), tokens, text);
}

std::unique_ptr<VideoProcessor> make_onevision_video(const ProcessorFiles& files, const ImageLimits& limits) {
  refuse_limits(limits, kNoLimits);
  const core::ConfigReader& config = files.video_processor;
  const int rows = files.processor.size_or("num_image_tokens", 729, 1, kMostTokens);
  const int side = int(std::ceil(std::floor(std::sqrt(double(rows))) / 2));
  return std::make_unique<FramesTogether>(
      read_frames(config, kClipDefaults, 384), read_video_rule(config, {.factor = 2}), side * side,
      files.processor.get_or<std::string>("video_token", std::string(kVideo)));
}

std::string number_words(int number) {
  static constexpr std::array kSmall = {"zero",    "one",     "two",       "three",    "four",
                                        "five",    "six",     "seven",     "eight",    "nine",
                                        "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                        "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
  static constexpr std::array kTens = {"",      "",      "twenty",  "thirty", "forty",
                                       "fifty", "sixty", "seventy", "eighty", "ninety"};
  const auto n = std::size_t(std::max(number, 0));
  if (n < 20) return kSmall[n];
  if (n < 100) {
    std::string out = kTens[n / 10];
    return n % 10 == 0 ? out : out.append("-").append(kSmall[n % 10]);
  }
  const std::size_t unit = n < 1000 ? 100 : 1000;
  std::string out = number_words(int(n / unit)) + (unit == 100 ? " hundred" : " thousand");
  const std::size_t rest = n % unit;
  if (rest == 0) return out;
  return out.append(rest < 100 ? " and " : ", ").append(number_words(int(rest)));
}

std::unique_ptr<VideoProcessor> make_smolvlm_video(const ProcessorFiles& files, const ImageLimits& limits) {
  refuse_limits(limits, kNoLimits);
  const core::ConfigReader& config = files.video_processor;
  const core::ConfigReader sampling = config.child_or_empty("video_sampling");
  FrameRule frames{
      .pixels = read_pixel_rule(
          config,
          {.filter = Filter::lanczos, .mean = kHalf, .std = kHalf, .order = media::RescaleOrder::fused})};
  frames.pixels.rule = ResampleRule::torchvision;
  const int edge = config.child_or_empty("max_image_size").size_or("longest_edge", 364, 1, kMaxEdge);
  frames.square = {edge, edge};
  const auto size = sampling.has("video_size") ? sampling.child("video_size") : config.child_or_empty("size");
  frames.longest_edge = size.size_or("longest_edge", 4 * 364, 1, kMaxEdge);
  VideoRule rule = read_video_rule(config, {.factor = 2});
  rule.fps = sampling.get_or("fps", rule.fps);
  if (!(rule.fps > 0)) sampling.fail("fps", "expected a number above 0");
  rule.max_frames = sampling.size_or("max_frames", rule.max_frames, 1, kMostTokens);
  const int tokens = files.processor.size_or("image_seq_len", 169, 1, kMostTokens);
  const auto text = [tokens](const VideoTimes& times, std::size_t i) {
    std::array<char, 96> mark{};
    std::string out;
    const auto length = std::int64_t(double(times.frames) / times.fps), at = std::int64_t(times.seconds(i));
    if (i == 0) {
      std::snprintf(mark.data(), mark.size(), " frames from a %d:%02d:%02d [H:MM:SS] video.\n",
                    int(length / 3600), int(length / 60 % 60), int(length % 60));
      out =
          "You are provided the following series of " + number_words(int(times.numbers.size())) + mark.data();
    }
    std::snprintf(mark.data(), mark.size(), "\nFrame from %02d:%02d:", int(at / 60), int(at % 60));
    out.append(mark.data()).append("<fake_token_around_image><global-img>");
    out.append(token_run("<image>", tokens)).append("<fake_token_around_image>");
    return i + 1 == times.numbers.size() ? out.append("\n\n") : out;
  };
  return std::make_unique<FramesApart>(std::move(frames), rule, tokens, text);
}

}  // namespace mlx_vision::processing
