#include "mlx_vision/runtime.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "mlx_vision/inspect.h"
#include "mlx_vision/preprocess.h"

using namespace mlx_vision;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

const fs::path kFixtures = fs::path(TESTS_DIR) / "fixtures";

struct Fixture {
  std::string name;
  json golden;
  fs::path model() const { return kFixtures / name / "model"; }
};

std::vector<Fixture> fixtures() {
  std::vector<Fixture> out;
  for (const auto& entry : fs::directory_iterator(kFixtures))
    if (fs::exists(entry.path() / "golden.json"))
      out.push_back(
          {entry.path().filename().string(), json::parse(std::ifstream(entry.path() / "golden.json"))});
  return out;
}

Part part_of(const json& part) {
  if (part.at("type") == "text") return TextPart{part.at("text")};
  const std::string path = part.at("image_url").at("url");
  return ImagePart{Image::from_file(kFixtures / path), path};
}

Chat chat_of(const json& input) {
  Chat chat;
  for (const auto& message : input.at("messages")) {
    Message out{.role = message.at("role"), .parts = {}};
    if (message.at("content").is_string())
      out.parts.push_back(TextPart{message.at("content")});
    else
      for (const auto& part : message.at("content")) out.parts.push_back(part_of(part));
    chat.messages.push_back(std::move(out));
  }
  return chat;
}

Request request_of(const json& input) {
  Request out;
  out.chat = chat_of(input);
  out.options.max_tokens = int(input.at("tokens").size());
  out.options.sampling.temperature = 0;  // some checkpoints sample by default
  out.options.ignore_eos = true;
  return out;
}

Request words(std::string text, int max_tokens = 8) {
  Request out;
  out.chat.messages = {{.role = "user", .parts = {TextPart{std::move(text)}}}};
  out.options.max_tokens = max_tokens;
  return out;
}

const fs::path kModel = kFixtures / "qwen2_vl" / "model";

}  // namespace

TEST_CASE("every fixture is answered as the reference does") {
  for (const Fixture& fixture : fixtures()) {
    Runtime runtime = Runtime::load(fixture.model());
    CHECK(runtime.model_type() == fixture.golden.at("family").get<std::string>());
    for (const auto& input : fixture.golden.at("inputs")) {
      CAPTURE(fixture.name);
      CAPTURE(input.at("name").get<std::string>());
      std::string streamed;
      const Result result =
          runtime.generate(request_of(input), [&](std::string_view text) { streamed.append(text); });
      CHECK(result.prompt == input.at("prompt").get<std::string>());
      CHECK(json(result.input_ids) == input.at("input_ids"));
      CHECK(json(result.image_tokens) == input.at("image_tokens"));
      CHECK(json(result.output_ids) == input.at("tokens"));
      CHECK(result.text == streamed);
      CHECK(result.finish_reason == FinishReason::length);
      CHECK(result.usage.total_tokens == result.usage.prompt_tokens + result.usage.completion_tokens);
      CHECK(result.memory.peak_bytes > 0);
      CHECK(result.timings.load_s > 0);
    }
  }
}

TEST_CASE("a prompt in chunks, rendered beforehand or given as ids, gives the same answer") {
  for (const Fixture& fixture : fixtures()) {
    CAPTURE(fixture.name);
    LoadOptions options;
    options.prefill_step_size = 7;
    Runtime runtime = Runtime::load(fixture.model(), options);
    const auto& input = fixture.golden.at("inputs").back();
    CHECK(json(runtime.generate(request_of(input)).output_ids) == input.at("tokens"));

    Request raw = request_of(input);
    for (const Message& message : std::exchange(raw.chat, {}).messages)
      for (const Part& part : message.parts)
        if (const auto* image = std::get_if<ImagePart>(&part)) raw.images.push_back(image->image);
    raw.raw_prompt = input.at("prompt");
    CHECK(json(runtime.generate(raw).output_ids) == input.at("tokens"));
    raw.raw_prompt.reset();
    raw.input_ids = input.at("input_ids").get<std::vector<std::int32_t>>();
    const Result from_ids = runtime.generate(raw);
    CHECK(json(from_ids.output_ids) == input.at("tokens"));
    CHECK(from_ids.prompt.empty());
  }
}

TEST_CASE("logits and features are captured on demand") {
  Runtime runtime = Runtime::load(kModel);
  Request request = words("one picture", 1);
  request.chat.messages[0].parts.push_back(
      ImagePart{Image::from_file(kFixtures / "images" / "odd_61x47.png"), "odd"});
  CHECK(runtime.generate(request).first_logits.empty());
  request.options.capture_logits = true;
  const Result result = runtime.generate(request);
  REQUIRE(result.feature_width > 0);
  CHECK(std::int64_t(result.image_features.size()) == result.feature_width * result.image_tokens.at(0));
  const auto best = std::max_element(result.first_logits.begin(), result.first_logits.end());
  CHECK(best - result.first_logits.begin() == result.output_ids.at(0));
}

TEST_CASE("the runtime serves several threads, and moves") {
  Runtime first = Runtime::load(kModel);
  Runtime runtime = std::move(first);
  const auto expected = runtime.generate(words("hello")).output_ids;
  std::vector<std::thread> threads;
  std::vector<std::vector<std::int32_t>> got(4);
  for (auto& out : got)
    threads.emplace_back([&runtime, &out] { out = runtime.generate(words("hello")).output_ids; });
  for (auto& thread : threads) thread.join();
  for (const auto& out : got) CHECK(out == expected);
}

TEST_CASE("a stop string, a further end token and a cancellation end the answer") {
  Runtime runtime = Runtime::load(kModel);
  Request request = words("hello", 12);
  request.options.ignore_eos = true;
  const Result whole = runtime.generate(request);
  REQUIRE(whole.text.size() > 6);
  request.options.stop = {whole.text.substr(4, 2)};
  const Result stopped = runtime.generate(request);
  CHECK(stopped.text == whole.text.substr(0, whole.text.find(request.options.stop[0])));
  CHECK(stopped.finish_reason == FinishReason::stop);

  request.options.stop.clear();
  request.cancellation.cancel();
  CHECK(runtime.generate(request).finish_reason == FinishReason::cancelled);
}

TEST_CASE("requests that cannot be served say why") {
  Runtime runtime = Runtime::load(kModel);
  Request none;
  CHECK_THROWS_AS(runtime.generate(none), RequestError);
  Request two = words("x");
  two.raw_prompt = "x";
  CHECK_THROWS_AS(runtime.generate(two), RequestError);
  Request beside = words("x");
  beside.images.push_back(Image::from_rgb(1, 1, {0, 0, 0}));
  CHECK_THROWS_AS(runtime.generate(beside), RequestError);
  Request negative = words("x", -1);
  CHECK_THROWS_AS(runtime.generate(negative), RequestError);
  Request hot = words("x");
  hot.options.sampling.temperature = -1;
  CHECK_THROWS_AS(runtime.generate(hot), RequestError);
  Request outside;
  outside.input_ids = {1, 1 << 30};
  CHECK_THROWS_AS(runtime.generate(outside), RequestError);
  Request empty;
  empty.input_ids.emplace();
  CHECK_THROWS_AS(runtime.generate(empty), RequestError);

  Request endless;
  endless.input_ids.emplace(1 << 20, 1);
  try {
    runtime.generate(endless);
    FAIL("expected a CapacityError");
  } catch (const CapacityError& e) {
    CHECK(e.needed() == 1 << 20);
    CHECK(e.available() < e.needed());
  }
  CHECK(runtime.generate(words("still there", 2)).output_ids.size() <= 2);
}

TEST_CASE("folders that cannot be loaded say why, and nothing is left running") {
  CHECK_THROWS_AS(Runtime::load("/no/such/folder"), ConfigError);
  LoadOptions options;
  options.prefill_step_size = 0;
  CHECK_THROWS_AS(Runtime::load(kModel, options), RequestError);
  options = {};
  options.threads = -1;
  CHECK_THROWS_AS(Runtime::load(kModel, options), RequestError);
}

TEST_CASE("load reports bytes, and every stage of a request its own count") {
  std::vector<Progress> seen;
  LoadOptions options;
  options.progress = [&](const Progress& p) { seen.push_back(p); };
  Runtime runtime = Runtime::load(kModel, options);
  REQUIRE(seen.size() >= 2);
  CHECK(seen.back().done == seen.back().total);
  CHECK(seen.back().total > 0);
}

TEST_CASE("render and preprocess need no weights") {
  for (const Fixture& fixture : fixtures()) {
    CAPTURE(fixture.name);
    for (const auto& input : fixture.golden.at("inputs")) {
      CAPTURE(input.at("name").get<std::string>());
      const Chat chat = chat_of(input);
      const Rendered rendered = render(fixture.model(), chat);
      CHECK(rendered.prompt == input.at("prompt").get<std::string>());
      CHECK(json(rendered.input_ids) == input.at("input_ids"));
      CHECK(json(rendered.image_tokens) == input.at("image_tokens"));
      std::vector<Image> images;
      for (const auto& path : input.at("images"))
        images.push_back(Image::from_file(kFixtures / path.get<std::string>()));
      if (images.empty()) continue;
      const Preprocessed prepared = preprocess(fixture.model(), images);
      CHECK(json(prepared.image_tokens) == input.at("image_tokens"));
      for (const auto& [name, array] : input.at("arrays").items()) {
        const auto it = std::find_if(prepared.arrays.begin(), prepared.arrays.end(),
                                     [&](const Tensor& t) { return t.name == name; });
        REQUIRE(it != prepared.arrays.end());
        CHECK(json(it->shape) == array.at("shape"));
      }
    }
  }
}

TEST_CASE("inspect describes every fixture without reading its weights") {
  const auto known = known_model_types();
  for (const Fixture& fixture : fixtures()) {
    CAPTURE(fixture.name);
    const ModelInfo info = inspect(fixture.model());
    CHECK(std::find(known.begin(), known.end(), info.model_type) != known.end());
    CHECK_FALSE(info.sizes.empty());
    CHECK_FALSE(info.quantization.empty());
    CHECK_FALSE(info.image_rule.empty());
    CHECK_FALSE(info.shards.empty());
    std::uint64_t bytes = 0, files = 0;
    for (const auto& [part, count] : info.bytes_by_part) {
      CHECK(count > 0);
      bytes += count;
    }
    for (const auto& shard : info.shards) files += fs::file_size(fixture.model() / shard);
    // 8-bit floats take two bytes when loaded.
    CHECK(bytes < (info.quantization.starts_with("8-bit floats") ? 2 * files : files));
    CHECK(bytes > files / 2);
  }
}

TEST_CASE("the device is described, and MLX's products go to a fast BLAS") {
  const DeviceInfo info = device_info();
  CHECK(info.mlx_version.starts_with("0."));
  CHECK(info.memory_bytes > 0);
  CHECK(info.available_bytes > 0);
  CHECK(info.sgemm_gflops > 0);
  CHECK(info.product_error < 1e-5);
  CHECK(!info.kernels.empty());
  CHECK(info.threads >= 1);
  CHECK(info.read_gbps > 0);
#ifndef __APPLE__
  if (info.backend == "cpu") {
    CHECK(info.blas_library.find("openblas") != std::string::npos);
    CHECK(info.blas_kernel.find("OpenBLAS") != std::string::npos);
  }
#endif
}
