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

TEST_CASE("a sliding window is refused unless the context never meets it") {
  const auto decoder = [](const std::string& fields) {
    return text_decoder(
        core::ConfigReader::from_text(R"({"model_type": "mistral")" + fields + "}", "config.json"));
  };
  CHECK_THROWS_AS(decoder(""), ConfigError);  // absent, it is 4096
  CHECK_THROWS_AS(decoder(R"(, "sliding_window": 4096, "max_position_embeddings": 32768)"), ConfigError);
  CHECK_NOTHROW(decoder(R"(, "sliding_window": 4096, "max_position_embeddings": 4096)"));
  CHECK_NOTHROW(decoder(R"(, "sliding_window": null, "max_position_embeddings": 32768)"));
}

}  // namespace mlx_vision::backbones
