#include "backbones/text_decoders.h"

#include <doctest/doctest.h>

#include "mlx_vision/error.h"

namespace mlx_vision::backbones {

TEST_CASE("a decoder's type decides its defaults") {
  const auto decoder = [](const char* text) {
    return text_decoder(core::ConfigReader::from_text(text, "config.json"));
  };
  CHECK(decoder("{}").kv_heads == 32);  // llama
  CHECK_FALSE(decoder("{}").qkv_bias);
  CHECK(decoder(R"({"model_type": "qwen2"})").qkv_bias);
  CHECK_THROWS_AS(decoder(R"({"model_type": "mamba"})"), ConfigError);

  const auto mistral = decoder(R"({"model_type": "mistral", "sliding_window": null})");
  CHECK(mistral.kv_heads == 8);
  CHECK(mistral.mlp_hidden == 14336);
  CHECK_FALSE(mistral.qkv_bias);
}

TEST_CASE("Mistral's sliding window is 4096 where the field is absent, and none where it is null") {
  const auto decoder = [](const std::string& fields) {
    return text_decoder(
        core::ConfigReader::from_text(R"({"model_type": "mistral")" + fields + "}", "config.json"));
  };
  CHECK(decoder("").window == 4096);
  CHECK(decoder("").has_window(31));
  CHECK(decoder(R"(, "sliding_window": 100)").window == 100);
  CHECK_FALSE(decoder(R"(, "sliding_window": null)").has_window(0));
}

TEST_CASE("Qwen2's window is for the later layers, and only if it is asked for") {
  const auto decoder = [](const std::string& fields) {
    return text_decoder(core::ConfigReader::from_text(
        R"({"model_type": "qwen2", "num_hidden_layers": 6, "max_window_layers": 4, "sliding_window": 50)" +
            fields + "}",
        "config.json"));
  };
  CHECK_FALSE(decoder("").has_window(5));
  const auto windowed = decoder(R"(, "use_sliding_window": true)");
  CHECK(windowed.window == 50);
  CHECK_FALSE(windowed.has_window(3));
  CHECK(windowed.has_window(4));
}

TEST_CASE(
    "Qwen3's experts are numbered under either name, and their weights normed only if it is asked for") {
  const auto decoder = [](const std::string& fields) {
    return text_decoder(core::ConfigReader::from_text(
        R"({"model_type": "qwen3_moe", "num_hidden_layers": 4, "sliding_window": 50)" + fields + "}",
        "config.json"));
  };
  CHECK(decoder("").mixture->experts == 128);
  CHECK(decoder(R"(, "num_experts": 8)").mixture->experts == 8);
  CHECK(decoder(R"(, "num_local_experts": 16)").mixture->experts == 16);
  CHECK_FALSE(decoder("").mixture->normalized);
  CHECK(decoder(R"(, "norm_topk_prob": true)").mixture->normalized);
  CHECK_FALSE(decoder("").has_window(0));
  CHECK(decoder(R"(, "use_sliding_window": true)").has_window(0));
  CHECK(decoder(R"(, "decoder_sparse_step": 2, "mlp_only_layers": [1])").dense ==
        std::vector{true, true, true, false});
}

}  // namespace mlx_vision::backbones
