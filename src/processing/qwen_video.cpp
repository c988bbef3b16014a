#include "processing/qwen_video.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "processing/arrays.h"
#include "processing/image_text.h"
#include "processing/patch_layout.h"
#include "processing/pixel_budget.h"
#include "processing/pixel_config.h"

namespace mlx_vision::processing {
namespace {

constexpr std::string_view kToken = "<|video_pad|>";
constexpr std::string_view kStart = "<|vision_start|>", kEnd = "<|vision_end|>";
constexpr std::string_view kFramed = "<|vision_start|><|video_pad|><|vision_end|>";

/// A reference class: its defaults and its ways.
struct Recipe {
  PatchLayout layout;
  PixelBudget budget;
  bool stamped = false;  ///< each group of frames stands alone behind its time; the budget is for all
  bool timed = false;    ///< positions follow the time between groups
};

constexpr PatchLayout kLayout{.patch = 14, .temporal = 2, .merge = 2, .order = PatchOrder::merge_blocks};
constexpr PatchLayout kLayout3{.patch = 16, .temporal = 2, .merge = 2, .order = PatchOrder::merge_blocks};
constexpr Recipe kQwen2{.layout = kLayout, .budget = {128 * 28 * 28, 768 * 28 * 28}};
constexpr Recipe kQwen2_5{.layout = kLayout, .budget = {128 * 28 * 28, 768 * 28 * 28}, .timed = true};
constexpr Recipe kQwen3{.layout = kLayout3, .budget = {128 * 32 * 32, 768 * 32 * 32}, .stamped = true};

/// "<0.5 seconds>"
std::string stamp(double seconds) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "<%.1f seconds>", seconds);
  return text.data();
}

class QwenVideo final : public VideoProcessor {
 public:
  struct Parts {
    PixelRule pixels;
    VideoRule rule;
    Recipe recipe;
    float tokens_per_second;
  };
  explicit QwenVideo(Parts parts) : parts_(std::move(parts)) {}

  const VideoRule& rule() const override { return parts_.rule; }
  std::string_view placeholder() const override { return parts_.recipe.stamped ? kFramed : kToken; }

  std::vector<PreparedSize> plan(Size frame, const VideoTimes& times) const override {
    const PatchLayout& layout = parts_.recipe.layout;
    const Size size = target(frame, times.numbers.size());
    const std::size_t groups = group_count(times);
    const std::int64_t patches = std::int64_t(size.height / layout.patch) * (size.width / layout.patch);
    const std::int64_t tokens = patches / (layout.merge * layout.merge);
    const std::int64_t scratch = std::int64_t(size.width) * size.height;
    std::vector<PreparedSize> out;
    if (!parts_.recipe.stamped) {
      const auto all = std::int64_t(groups) * tokens;
      out.push_back({.pixels = {std::int64_t(groups) * patches, std::int64_t(layout.row())},
                     .tokens = int(all),
                     .expansion = token_run(kToken, all),
                     .scratch_pixels = scratch});
      return out;
    }
    for (std::size_t g = 0; g < groups; ++g) {
      std::string text = stamp(group_seconds(times, g));
      text.append(kStart).append(token_run(kToken, tokens)).append(kEnd);
      out.push_back({.pixels = {patches, std::int64_t(layout.row())},
                     .tokens = int(tokens),
                     .expansion = std::move(text),
                     .scratch_pixels = scratch});
    }
    return out;
  }

  std::vector<ImageInput> prepare(const Video& video, const VideoTimes& times) const override {
    const PatchLayout& layout = parts_.recipe.layout;
    const Size size = target({video.width(), video.height()}, times.numbers.size());
    const auto planned = plan({video.width(), video.height()}, times);
    std::vector<std::vector<float>> groups;
    std::vector<Image> pending;
    const auto close_group = [&] {
      while (pending.size() < std::size_t(layout.temporal)) pending.push_back(pending.back());
      groups.push_back(planar_patches(pending, layout, parts_.pixels.table));
      pending.clear();
    };
    video.for_each_frame(times.numbers, [&](std::size_t, const Image& frame) {
      pending.push_back(parts_.pixels.resized(frame, size));
      if (pending.size() == std::size_t(layout.temporal)) close_group();
    });
    if (!pending.empty()) close_group();

    std::vector<ImageInput> out;
    for (const PreparedSize& part : planned) {
      const std::size_t take = parts_.recipe.stamped ? 1 : groups.size(), from = out.size();
      std::vector<float> values = std::move(groups[from]);
      for (std::size_t g = 1; g < take; ++g) values.insert(values.end(), groups[g].begin(), groups[g].end());
      ImageInput input{.arrays = {}, .tokens = part.tokens, .expansion = part.expansion};
      input.arrays.push_back(float_tensor("pixel_values_videos", part.pixels, std::move(values)));
      input.arrays.push_back(
          int_tensor("video_grid_thw", {1, 3},
                     {std::int64_t(take), size.height / layout.patch, size.width / layout.patch}));
      if (parts_.recipe.timed) input.arrays.push_back(float_tensor("time_interval", {1}, {interval(times)}));
      out.push_back(std::move(input));
    }
    return out;
  }

 private:
  Size target(Size frame, std::size_t frames) const {
    const Recipe& r = parts_.recipe;
    if (!r.stamped) return smart_resize(frame, r.layout.factor(), r.budget);
    return smart_resize(
        enlarged_to_factor(frame, r.layout.factor()), r.layout.factor(), r.budget,
        {.compared = int(nearest_multiple(int(frames), r.layout.temporal)), .scaled = int(frames)});
  }

  std::size_t group_count(const VideoTimes& times) const {
    const std::size_t by = std::size_t(parts_.recipe.layout.temporal);
    return (times.numbers.size() + by - 1) / by;
  }

  // Between its first frame and its last, of which those that fill a group up are repetitions.
  double group_seconds(const VideoTimes& times, std::size_t group) const {
    const std::size_t by = std::size_t(parts_.recipe.layout.temporal), first = group * by;
    return (times.seconds(first) + times.seconds(std::min(first + by, times.numbers.size()) - 1)) / 2;
  }

  // In float32, as the reference's tensors.
  float interval(const VideoTimes& times) const {
    return parts_.tokens_per_second * float(double(parts_.recipe.layout.temporal) / times.shown_fps());
  }

  Parts parts_;
};

std::unique_ptr<VideoProcessor> make(const ProcessorFiles& files, const ImageLimits& limits, Recipe recipe) {
  const core::ConfigReader& config = files.video_processor;
  recipe.layout = read_layout(config, recipe.layout);
  recipe.budget = limited(read_budget(config, recipe.budget, true), limits, 1);
  PixelRule pixels = read_pixel_rule(
      config, recipe.stamped ? PixelDefaults{.mean = kHalf, .std = kHalf, .order = media::RescaleOrder::fused}
                             : PixelDefaults{.order = media::RescaleOrder::fused});
  if (!pixels.resize)
    config.fail("do_resize", "expected true: the encoder takes multiples of its patch only");
  pixels.rule = ResampleRule::torchvision;
  const float per_second = files.config.child_or_empty("vision_config").get_or("tokens_per_second", 4.0f);
  return std::make_unique<QwenVideo>(
      QwenVideo::Parts{.pixels = std::move(pixels),
                       .rule = read_video_rule(config, {.factor = recipe.layout.temporal}),
                       .recipe = recipe,
                       .tokens_per_second = per_second});
}

}  // namespace

std::unique_ptr<VideoProcessor> make_qwen2_video(const ProcessorFiles& files, const ImageLimits& limits) {
  return make(files, limits, kQwen2);
}

std::unique_ptr<VideoProcessor> make_qwen2_5_video(const ProcessorFiles& files, const ImageLimits& limits) {
  return make(files, limits, kQwen2_5);
}

std::unique_ptr<VideoProcessor> make_qwen3_video(const ProcessorFiles& files, const ImageLimits& limits) {
  return make(files, limits, kQwen3);
}

}  // namespace mlx_vision::processing
