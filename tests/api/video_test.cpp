#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "mlx_vision/mlx_vision.h"

using namespace mlx_vision;
namespace fs = std::filesystem;

namespace {

const fs::path kFixtures = fs::path(TESTS_DIR) / "fixtures";

Request about(const nlohmann::json& golden, const fs::path& video) {
  Request request;
  const double fps = golden["fps"];
  const VideoPart part{Video::open(video, fps), video.filename().string(), {.fps = fps}};
  request.chat.messages.push_back({"user", {part, TextPart{golden["question"]}}});
  request.options.max_tokens = int(golden["tokens"].size());
  request.options.ignore_eos = true;
  request.options.sampling.temperature = 0;  // some checkpoints ask for sampling
  request.options.capture_logits = true;
  return request;
}

}  // namespace

// Goldens: transformers, float32 (tools/make_video_goldens.py).
TEST_CASE("answers about a video are the reference's") {
  int families = 0;
  for (const auto& entry : fs::directory_iterator(kFixtures)) {
    if (!fs::exists(entry.path() / "video.json")) continue;
    ++families;
    CAPTURE(entry.path().filename().string());
    std::ifstream file(entry.path() / "video.json");
    const auto golden = nlohmann::json::parse(file);
    Runtime runtime = Runtime::load(entry.path() / "model", {.float32 = true});
    const Result result = runtime.generate(about(golden, kFixtures / "videos" / "clip"));
    CHECK(result.input_ids == golden["input_ids"].get<std::vector<std::int32_t>>());
    CHECK(result.output_ids == golden["tokens"].get<std::vector<std::int32_t>>());
    float worst = 0;
    for (std::size_t i = 0; i < golden["first_logits"].size(); ++i)
      worst = std::max(worst, std::abs(result.first_logits[i] - golden["first_logits"][i].get<float>()));
    CHECK(worst < 2e-4f);
    CHECK(result.memory.planned_peak_bytes >= result.memory.peak_bytes);
#ifdef MLX_VISION_HAVE_FFMPEG
    const Result of_file = runtime.generate(about(golden, kFixtures / "videos" / "clip.mp4"));
    CHECK(of_file.usage.prompt_tokens == result.usage.prompt_tokens);
#endif
  }
  CHECK(families == 9);
}
