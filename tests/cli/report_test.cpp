#include "cli/report.h"

#include <doctest/doctest.h>

#include <new>
#include <nlohmann/json.hpp>

#include "cli/progress.h"
#include "mlx_vision/error.h"

using namespace mlx_vision;
using namespace mlx_vision::cli;

namespace {

Result example() {
  Result r;
  r.model_type = "qwen2_vl";
  r.prompt = "<|im_start|>é";
  r.input_ids = {1, -200, 3};
  r.image_tokens = {64, 81};
  r.output_ids = {5, 6};
  r.text = "A \"dog\"\n";
  r.finish_reason = FinishReason::length;
  r.usage = {3, 2, 5};
  r.timings = {0.5, 0.25, 0.125, 1.0, 2.0, 160.04, 24.0};
  r.memory = {2'000'000'000, 1'500'000};
  return r;
}

}  // namespace

TEST_CASE("the object of generate --json, whose keys other programs depend on") {
  auto r = example();
  r.memory.adjustments = {"prompt in chunks of 512 tokens"};
  CHECK(printed(to_json(r)) ==
        R"({"model_type":"qwen2_vl","prompt":"<|im_start|>é","input_ids":[1,-200,3],"image_tokens":[64,81],)"
        R"("output_ids":[5,6],"text":"A \"dog\"\n","finish_reason":"length",)"
        R"("usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5},)"
        R"("timings":{"load_s":0.5,"preprocess_s":0.25,"encode_s":0.125,"prefill_s":1.0,"decode_s":2.0,)"
        R"("prompt_tps":160.04,"generation_tps":24.0},)"
        R"("memory":{"planned_peak_bytes":2000000000,"peak_bytes":1500000,)"
        R"("adjustments":["prompt in chunks of 512 tokens"]}})"
        "\n");
}

TEST_CASE("text that is no UTF-8 does not stop the output") {
  auto r = example();
  r.text = "\xff";
  CHECK(nlohmann::json::parse(printed(to_json(r)))["text"] == "\uFFFD");
}

TEST_CASE("statistics in one line") {
  auto r = example();
  CHECK(statistics_line(r) ==
        "image 64+81 tokens | prompt 3 tokens, 160.0 tok/s | generation 2 tokens, 24.0 tok/s | peak memory "
        "1.5 MB "
        "(planned 2.00 GB)");
  r.image_tokens.clear();
  r.memory.planned_peak_bytes = 0;
  r.finish_reason = FinishReason::cancelled;
  CHECK(statistics_line(r) ==
        "prompt 3 tokens, 160.0 tok/s | generation 2 tokens, 24.0 tok/s | peak memory 1.5 MB | cancelled");
  CHECK(timings_line(r.timings) ==
        "load 0.500 s | preprocess 0.250 s | encode 0.125 s | prefill 1.000 s | decode 2.000 s");
}

TEST_CASE("errors by class name and exit code") {
  const CapacityError capacity("too much", 2, 1);
  CHECK(error_type(capacity) == "CapacityError");
  CHECK(exit_code(capacity) == 4);
  CHECK(error_type(ConfigError("x")) == "ConfigError");
  CHECK(error_type(WeightError("x")) == "WeightError");
  CHECK(error_type(RequestError("x")) == "RequestError");
  CHECK(error_type(MediaError("x")) == "MediaError");
  CHECK(error_type(EngineError("x")) == "EngineError");
  CHECK(error_type(std::bad_alloc()) == "InternalError");
  CHECK(exit_code(std::bad_alloc()) == 1);
  CHECK(printed(error_json("MediaError", "a \"b\"")) ==
        "{\"error\":{\"type\":\"MediaError\",\"message\":\"a \\\"b\\\"\"}}\n");
}

TEST_CASE("what --logits writes") {
  auto r = example();
  r.first_logits = {1.f, 2.f, 3.f};
  auto tensors = logits_tensors(r);
  REQUIRE(tensors.size() == 1);
  CHECK(tensors[0].name == "first_logits");
  CHECK(tensors[0].shape == std::vector<std::int64_t>{3});
  r.first_logits = {1.f};
  r.image_features = {1.f, 2.f, 3.f, 4.f, 5.f, 6.f};
  r.feature_width = 3;
  tensors = logits_tensors(r);
  REQUIRE(tensors.size() == 2);
  CHECK(tensors[1].name == "image_features");
  CHECK(tensors[1].shape == std::vector<std::int64_t>{2, 3});
  CHECK(tensors[1].floats.size() == 6);
}

TEST_CASE("sizes in words") {
  CHECK(bytes_text(12) == "12 B");
  CHECK(bytes_text(1'500) == "1.5 kB");
  CHECK(bytes_text(320'000'000) == "320.0 MB");
  CHECK(bytes_text(1'500'000'000) == "1.50 GB");
}

TEST_CASE("a progress line fits its terminal") {
  const Progress half{Progress::Stage::prefill, 1024, 2048};
  CHECK(progress_line(half, 80) == "prefill    [############............]  50 %  1024/2048");
  CHECK(progress_line(half, 20) == "prefill    [#######");
  CHECK(progress_line(half, 0) == "");
  CHECK(progress_line({Progress::Stage::load, 0, 0}, 80) ==
        "load       [........................]   0 %  0 B / 0 B");
  CHECK(progress_line({Progress::Stage::encode, 9, 3}, 80) ==
        "encode     [########################] 100 %  9/3");
}
