#include "backbones/gemma_decoders.h"

#include <doctest/doctest.h>

#include <string>

#include "mlx_vision/error.h"

namespace mlx_vision::backbones {
namespace {

nn::DecoderSpec gemma4(const std::string& fields) {
  return gemma4_text(core::ConfigReader::from_text("{" + fields + "}", "config.json"),
                     Gemma4Kind::with_encoder);
}

}  // namespace

TEST_CASE("Gemma 4's last layers use the keys of the last one of their kind before them") {
  const auto s =
      gemma4(R"("num_hidden_layers": 6, "num_kv_shared_layers": 3, "layer_types": ["full_attention",
      "sliding_attention", "sliding_attention", "sliding_attention", "full_attention", "full_attention"])");
  CHECK(s.keys_of(1) == 1);
  CHECK(s.keys_of(3) == 2);
  CHECK(s.keys_of(4) == 0);
  CHECK(s.keys_of(5) == 0);
  CHECK_THROWS_AS(gemma4(R"("num_hidden_layers": 2, "num_kv_shared_layers": 1,
      "layer_types": ["sliding_attention", "full_attention"])"),
                  ConfigError);
}

TEST_CASE("Gemma 3n's sizes and sparsity are given for each layer or for all") {
  const auto gemma3n = [](const std::string& fields) {
    return gemma3n_text(core::ConfigReader::from_text("{" + fields + "}", "config.json"));
  };
  const auto s = gemma3n(R"("num_hidden_layers": 12, "num_kv_shared_layers": 5, "intermediate_size": 8)");
  CHECK(s.mlp_hidden_of(11) == 8);
  CHECK(s.sparsity[9] == 0.95f);
  CHECK(s.sparsity[10] == 0);
  CHECK(s.keys_of(9) == 4);
  CHECK(s.keys_of(11) == 6);
  const auto two = gemma3n(R"("num_hidden_layers": 2, "num_kv_shared_layers": 0, "intermediate_size": [8, 24],
      "activation_sparsity_pattern": 0.5)");
  CHECK(two.mlp_hidden == 24);
  CHECK(two.mlp_hidden_of(0) == 8);
  CHECK(two.sparsity[1] == 0.5f);
  for (const char* wrong :
       {R"("intermediate_size": [8])", R"("intermediate_size": [8, 0])",
        R"("activation_sparsity_pattern": [0.5])", R"("activation_sparsity_pattern": 1.0)",
        R"("altup_active_idx": 4)", R"("altup_num_inputs": 1)"})
    CHECK_THROWS_AS(gemma3n(std::string(R"("num_hidden_layers": 2, "num_kv_shared_layers": 0, )") + wrong),
                    ConfigError);
}

TEST_CASE("Gemma 4's layers without a window have heads of their own, and the last layer has none") {
  const auto s = gemma4(R"("num_hidden_layers": 2, "layer_types": ["sliding_attention", "sliding_attention"],
      "head_dim": 32, "global_head_dim": 64, "attention_k_eq_v": true, "num_global_key_value_heads": 1)");
  CHECK(s.has_window(0));
  CHECK_FALSE(s.has_window(1));
  CHECK(s.head_dim_of(0) == 32);
  CHECK(s.head_dim_of(1) == 64);
  CHECK(s.kv_heads_of(0) == 4);
  CHECK(s.kv_heads_of(1) == 1);
  CHECK(s.rope.pairs == 8);  // a quarter of 64 values
}

TEST_CASE(
    "Gemma 3's layers with a window keep their own RoPE where only theirs, or only the other, is given") {
  const auto gemma3 = [](const std::string& fields) {
    return gemma3_text(core::ConfigReader::from_text("{" + fields + "}", "config.json"));
  };
  CHECK(gemma3("").window_rope->theta == 10000);
  CHECK(gemma3(R"("rope_theta": 5.0, "rope_parameters": {"sliding_attention": {"rope_type": "default"}})")
            .window_rope->theta == 10000);
  CHECK(gemma3(R"("rope_parameters": {"sliding_attention": {"rope_theta": 7.0}})").window_rope->theta == 7);
  CHECK(gemma3(R"("attn_logit_softcapping": 50.0)").score_softcap == 0);
}

}  // namespace mlx_vision::backbones
