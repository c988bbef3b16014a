#include "mlx_vision/memory.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>

#include "mlx_vision/runtime.h"
#include "sanitized.h"

using namespace mlx_vision;

namespace {

const std::filesystem::path kModel = std::filesystem::path(TESTS_DIR) / "fixtures" / "qwen2_vl" / "model";

Image plain(int width, int height) {
  return Image::from_rgb(width, height, std::vector<std::uint8_t>(std::size_t(width) * height * 3, 90));
}

Request about(const Image& image, int max_tokens = 4) {
  Request out;
  out.chat.messages = {{.role = "user", .parts = {ImagePart{image, "picture"}, TextPart{"What is this?"}}}};
  out.chat.place_images_by_family = true;
  out.options.max_tokens = max_tokens;
  out.options.sampling.temperature = 0;
  out.options.ignore_eos = true;
  return out;
}

PlanRequest plan_of(int width, int height, int max_tokens = 4) {
  return {.images = {{width, height}}, .prompt = "What is this?", .max_tokens = max_tokens};
}

// The process's own size now, so that a limit can be set above it.
std::uint64_t resident() {
  std::ifstream in("/proc/self/statm");
  std::uint64_t pages = 0, own = 0;
  in >> pages >> own;
  return own * 4096;
}

// Pictures of any size, in a little more memory than there is in use.
LoadOptions small_machine() {
  LoadOptions options;
  options.max_pixels = std::int64_t(1) << 40;
  options.memory_limit = resident() + (300ull << 20);
  return options;
}

std::int64_t number_after(const std::string& text, const std::string& flag) {
  std::smatch found;
  REQUIRE_MESSAGE(std::regex_search(text, found, std::regex(flag + " ([0-9]+)")), text);
  return std::stoll(found[1]);
}

}  // namespace

TEST_CASE("generate plans what plan_memory says, and stays below it") {
  Runtime runtime = Runtime::load(kModel);
  const MemoryReport report = plan_memory(kModel, plan_of(300, 200));
  const Result result = runtime.generate(about(plain(300, 200)));
  CHECK(report.refusal.empty());
  CHECK(report.prompt_tokens == result.usage.prompt_tokens);
  CHECK(report.image_tokens == result.image_tokens);
  CHECK(report.planned_peak_bytes == result.memory.planned_peak_bytes);
  CHECK(result.memory.peak_bytes <= result.memory.planned_peak_bytes);
  CHECK(result.memory.adjustments.empty());
  CHECK(report.process_peak_bytes > report.planned_peak_bytes);
  CHECK(report.phases.front() == "load");
  for (const auto& row : report.rows) CHECK(row.bytes.size() == report.phases.size());
}

#ifndef __APPLE__

TEST_CASE("a request that cannot fit is refused before the work, and the setting it names fits" *
          doctest::skip(test::kSanitized)) {
  const LoadOptions options = small_machine();
  Runtime runtime = Runtime::load(kModel, options);
  const Image large = plain(3500, 3000);
  Request request = about(large, 2);
  std::string text;
  try {
    runtime.generate(request);
    FAIL("expected a CapacityError");
  } catch (const CapacityError& error) {
    text = error.what();
    CHECK(error.needed() > error.available());
  }
  CHECK(text.find("largest part") != std::string::npos);
  LoadOptions smaller = options;
  smaller.max_pixels =
      number_after(text, "--max-pixels") * 9 / 10;  // what is free has changed a little since
  *smaller.memory_limit += 3500 * 3000 * 3;  // plan_memory adds the decoded picture, which is there already
  CHECK(plan_memory(kModel, plan_of(3500, 3000, 2), smaller).refusal.empty());
  // The refused request has done no harm.
  CHECK(runtime.generate(about(plain(60, 60))).output_ids.size() == 4);
}

TEST_CASE("weights that cannot fit are refused before they are read") {
  LoadOptions options;
  options.memory_limit = 1 << 20;
  CHECK_THROWS_AS(Runtime::load(kModel, options), CapacityError);
  CHECK_FALSE(plan_memory(kModel, plan_of(60, 60), options).refusal.empty());
}

TEST_CASE("a thousand good, broken, too large and cancelled requests leave memory as it was" *
          doctest::skip(test::kSanitized)) {
  const LoadOptions options = small_machine();
  Runtime runtime = Runtime::load(kModel, options);
  const Image good = plain(120, 80), large = plain(3500, 3000);
  const Image thin = plain(1000, 2);  // more than 200 to 1, which this family refuses
  const std::vector<std::byte> broken(200, std::byte{0x42});
  const auto expected = runtime.generate(about(good)).output_ids;
  const auto one_round = [&](int i) {
    switch (i % 5) {
      case 0:
      case 1:
        CHECK(runtime.generate(about(good)).output_ids == expected);
        break;
      case 2:
        CHECK_THROWS_AS(Image::from_bytes(broken), MediaError);
        CHECK_THROWS_AS(runtime.generate(about(thin)), MediaError);
        break;
      case 3:
        CHECK_THROWS_AS(runtime.generate(about(large)), CapacityError);
        break;
      default:
        Request cancelled = about(good);
        cancelled.cancellation.cancel();
        CHECK(runtime.generate(cancelled).finish_reason == FinishReason::cancelled);
    }
  };
  for (int i = 0; i < 50; ++i) one_round(i);  // libraries allocate at first use
  const std::uint64_t before = resident();
  for (int i = 0; i < 1000; ++i) one_round(i);
  CHECK(resident() <= before + before / 20);
}

#endif

TEST_CASE("check_memory_requirements knows this device") {
  check_memory_requirements({336, 336}, 1);
  CHECK_THROWS_AS(check_memory_requirements({65535, 65535}, 1000), MemoryError);
  CHECK_THROWS_AS(check_memory_requirements({0, 1}, 1), RequestError);
}
