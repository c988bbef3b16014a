#include "processing/video.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "mlx_vision/error.h"
#include "processing/frame_video.h"
#include "processing/image_processors.h"
#include "processing/pattern.h"
#include "processing/prepare_images.h"

namespace mlx_vision::processing {
namespace {

using Numbers = std::vector<std::int64_t>;

ProcessorFiles files(const std::string& videos, const std::string& config = "{}") {
  return {.config = core::ConfigReader::from_text(config, "config.json"),
          .image_processor = core::ConfigReader::empty("preprocessor_config.json"),
          .processor = core::ConfigReader::empty("processor_config.json"),
          .video_processor = core::ConfigReader::from_text(videos, "video_preprocessor_config.json")};
}

Video video(int frames, double fps = 2) {
  std::vector<Image> all;
  for (int i = 0; i < frames; ++i) all.push_back(test::pattern(90, 60));
  return Video::from_frames(std::move(all), fps);
}

}  // namespace

// The numbers are mlx-vlm's (utils.py, load_video).
TEST_CASE("frames are chosen evenly, by a rate within bounds or by their number") {
  const VideoRule rule{.factor = 2};
  CHECK(choose_frames(47, 10, rule, {.fps = 1}).numbers == Numbers{0, 15, 31, 46});
  CHECK(choose_frames(47, 10, rule, {}).numbers == Numbers{0, 7, 13, 20, 26, 33, 39, 46});
  CHECK(choose_frames(24, 8, rule, {}).numbers == Numbers{0, 5, 9, 14, 18, 23});
  CHECK(choose_frames(100, 30, rule, {.frames = 5}).numbers == Numbers{0, 33, 66, 99});
  CHECK(choose_frames(100, 30, rule, {.fps = 10, .max_frames = 8}).numbers ==
        Numbers{0, 14, 28, 42, 57, 71, 85, 99});
  CHECK(choose_frames(7, 1, rule, {}).numbers == Numbers{0, 1, 2, 4, 5, 6});
  CHECK(choose_frames(1, 25, rule, {}).numbers == Numbers{0});
  CHECK(choose_frames(3, 25, rule, {.frames = 900}).numbers == Numbers{0, 1, 2});
  CHECK(choose_frames(100, 30, {.frames = 4, .factor = 2}, {}).numbers.size() == 4);
  CHECK(choose_frames(100, 30, {.frames = 4, .factor = 2}, {.fps = 2}).numbers.size() == 6);
  for (const VideoSampling& wrong :
       {VideoSampling{.fps = 0}, VideoSampling{.fps = -1}, VideoSampling{.frames = 0},
        VideoSampling{.max_frames = -3}, VideoSampling{.min_frames = 1 << 20}})
    CHECK_THROWS_AS(choose_frames(10, 2, rule, wrong), RequestError);
}

TEST_CASE("a video becomes what was planned, whatever its length") {
  for (const char* name : {"qwen2_vl", "qwen2_5_vl", "qwen3_vl"}) {
    CAPTURE(name);
    const auto processor = find_image_processor(name).open(
        files(R"({"size": {"shortest_edge": 3136, "longest_edge": 50176}})"), {});
    REQUIRE(processor->videos());
    for (const int frames : {1, 2, 5, 8}) {
      const Video clip = video(frames);
      const auto times = choose_frames(frames, 2, processor->videos()->rule(), {.fps = 2});
      const auto planned = processor->videos()->plan({90, 60}, times);
      const auto prepared = processor->videos()->prepare(clip, times);
      REQUIRE(planned.size() == prepared.size());
      for (std::size_t i = 0; i < planned.size(); ++i) {
        CHECK(planned[i].tokens == prepared[i].tokens);
        CHECK(planned[i].expansion == prepared[i].expansion);
        CHECK(planned[i].pixels == prepared[i].arrays[0].shape);
        CHECK(prepared[i].arrays[0].floats.size() ==
              std::size_t(planned[i].pixels[0] * planned[i].pixels[1]));
      }
    }
  }
}

TEST_CASE("times stand in the middle of their groups, and positions follow them") {
  const auto stamped = find_image_processor("qwen3_vl").open(files("{}"), {});
  const auto plan =
      stamped->videos()->plan({96, 64}, {.frames = 50, .fps = 10, .numbers = {0, 10, 20, 30, 49}});
  REQUIRE(plan.size() == 3);
  CHECK(plan[0].expansion.starts_with("<0.5 seconds><|vision_start|><|video_pad|>"));
  CHECK(plan[1].expansion.starts_with("<2.5 seconds>"));
  CHECK(plan[2].expansion.starts_with("<4.9 seconds>"));
  const auto timed = find_image_processor("qwen2_5_vl")
                         .open(files("{}", R"({"vision_config": {"tokens_per_second": 4}})"), {});
  const Video clip = video(8, 4);
  const auto inputs = timed->videos()->prepare(clip, {.frames = 8, .fps = 4, .numbers = {0, 2, 5, 7}});
  CHECK(inputs[0].array("time_interval").floats[0] ==
        4.0f);  // two frames of two a second, 4 positions a second
}

TEST_CASE("frames that stand apart are squares behind their times, those together one run") {
  const VideoTimes times{.frames = 4000, .fps = 1, .numbers = {0, 65, 3999}};
  const auto apart =
      find_image_processor("smolvlm").open(files(R"({"max_image_size": {"longest_edge": 64}})"), {});
  const auto plan = apart->videos()->plan({90, 60}, times);
  REQUIRE(plan.size() == 3);
  CHECK(
      plan[0].expansion.starts_with("You are provided the following series of three frames from a 1:06:40 "
                                    "[H:MM:SS] video.\n\nFrame from 00:00:<fake"));
  CHECK(plan[1].expansion.starts_with("\nFrame from 01:05:<fake_token_around_image><global-img><image>"));
  CHECK(plan[2].expansion.ends_with("<fake_token_around_image>\n\n"));
  CHECK(plan[1].pixels == std::vector<std::int64_t>{1, 3, 64, 64});
  const auto together =
      find_image_processor("llava_onevision").open(files(R"({"size": {"height": 32, "width": 32}})"), {});
  const auto one = together->videos()->plan({90, 60}, times);
  REQUIRE(one.size() == 1);
  CHECK(one[0].tokens == 3 * 14 * 14 + 1);
  const auto inputs = together->videos()->prepare(video(4), {.frames = 4, .fps = 2, .numbers = {0, 1, 3}});
  CHECK(inputs[0].array("pixel_values_videos").shape == std::vector<std::int64_t>{3, 3, 32, 32});
  CHECK_THROWS_AS(find_image_processor("internvl").open(files("{}"), {.max_pixels = 5}), RequestError);
}

TEST_CASE("numbers in words") {
  CHECK(number_words(8) == "eight");
  CHECK(number_words(40) == "forty");
  CHECK(number_words(64) == "sixty-four");
  CHECK(number_words(100) == "one hundred");
  CHECK(number_words(768) == "seven hundred and sixty-eight");
  CHECK(number_words(1005) == "one thousand and five");
  CHECK(number_words(1234) == "one thousand, two hundred and thirty-four");
}

TEST_CASE("a model that takes no videos says so") {
  const auto processor = find_image_processor("llava").open(files("{}"), {});
  CHECK_THROWS_WITH_AS(sizes_of(*processor, {VideoPart{video(2), "clip.mp4"}}),
                       "clip.mp4: this model takes no videos; give it frames as images", RequestError);
}

}  // namespace mlx_vision::processing
