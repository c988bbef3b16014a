#include "backbones/gemma_decoders.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "backbones/text_decoders.h"

namespace mlx_vision::backbones {
namespace {

constexpr const char* kTanh = "gelu_pytorch_tanh";

// What all generations share: norm weights less one, scaled embeddings.
nn::DecoderSpec parse_gemma(const core::ConfigReader& c, const DecoderDefaults& defaults) {
  auto s = parse_decoder(c, defaults);
  s.norm_offset = 1;
  s.embed_scale = std::sqrt(float(s.hidden));
  s.qkv_bias = s.output_bias = c.get_or("attention_bias", false);
  c.ignore({"max_position_embeddings", "cache_implementation", "num_image_tokens", "hidden_act",
            "hidden_activation", "tie_word_embeddings"});
  return s;
}

// Of the second and third.
void set_scales(const core::ConfigReader& c, nn::DecoderSpec& s, float score_softcap, float logit_softcap) {
  s.sandwich = true;
  const float scalar = c.get_or("query_pre_attn_scalar", 256.0f);
  if (!(scalar > 0)) c.fail("query_pre_attn_scalar", "expected a positive number");
  s.attention_scale = 1 / std::sqrt(scalar);
  s.score_softcap =
      c.raw().contains("attn_logit_softcapping") ? c.get_or("attn_logit_softcapping", 0.0f) : score_softcap;
  s.logit_softcap =
      c.raw().contains("final_logit_softcapping") ? c.get_or("final_logit_softcapping", 0.0f) : logit_softcap;
}

// layer_types, or all but every `pattern`-th.
void set_windows(const core::ConfigReader& c, nn::DecoderSpec& s, int pattern, int window = 4096) {
  s.window = c.size_or("sliding_window", window, 1, 1 << 30);
  s.windowed = layers_of(c, s.layers, "sliding_attention", "full_attention");
  for (int i = int(s.windowed.size()); i < s.layers; ++i) s.windowed.push_back((i + 1) % pattern != 0);
}

// Of layers with a window: rope_parameters.sliding_attention, and where that leaves the base out, `theta`.
nn::RopeSpec parse_window_rope(const core::ConfigReader& c, const core::ConfigReader& both, int head_dim,
                               float theta) {
  const auto own = both.child_or_empty("sliding_attention");
  if (own.keys().empty()) return {.head_dim = head_dim, .theta = theta};
  auto rope = nn::parse_rope_object(c, own, head_dim, theta);
  if (!own.has("rope_theta")) rope.theta = theta;
  return rope;
}

// Of the third, with a window and without; `theta` without.
void set_ropes(const core::ConfigReader& c, nn::DecoderSpec& s, float theta) {
  const auto both = c.child_or_empty("rope_parameters");
  if (both.is_object("full_attention"))
    s.rope = nn::parse_rope_object(c, both.child("full_attention"), s.head_dim, theta);
  s.window_rope = parse_window_rope(c, both, s.head_dim, c.get_or("rope_local_base_freq", 10000.0f));
}

}  // namespace

nn::DecoderSpec paligemma_text(const core::ConfigReader& c) {
  if (!c.get_or("use_bidirectional_attention", true))
    c.fail("use_bidirectional_attention", "expected true: a prompt of this family is read both ways");
  const auto type = c.get_or<std::string>("model_type", "gemma");
  if (type == "gemma")
    return parse_gemma(c, {2048, 18, 8, 16384, 257152, 1e-6f, 10000, /*kv_heads=*/1, /*head_dim=*/256, 1,
                           "hidden_act", kTanh});
  if (type != "gemma2") c.fail("model_type", "expected gemma or gemma2, got " + type);
  auto s = parse_gemma(c, {2304, 26, 8, 9216, 256000, 1e-6f, 10000, /*kv_heads=*/4, /*head_dim=*/256, 1,
                           "hidden_activation", kTanh});
  set_scales(c, s, 50, 30);
  set_windows(c, s, 2);
  return s;
}

nn::DecoderSpec gemma3_text(const core::ConfigReader& c) {
  if (c.get_or("use_bidirectional_attention", false)) c.fail("use_bidirectional_attention", "expected false");
  const float theta = c.get_or("rope_global_base_freq", 1000000.0f);
  auto s = parse_gemma(c, {2304, 26, 8, 9216, 262208, 1e-6f, theta, /*kv_heads=*/4, /*head_dim=*/256, 1,
                           "hidden_activation", kTanh});
  s.head_norm = true;
  set_scales(c, s, 0, 0);
  set_windows(c, s, c.size_or("sliding_window_pattern", 6, 1, 1 << 10));
  s.score_softcap = 0;  // transformers reads attn_logit_softcapping and leaves it
  set_ropes(c, s, theta);
  c.ignore({"mm_tokens_per_image", "_sliding_window_pattern"});
  return s;
}

namespace {

// The last layers use the keys of the last one of their kind before them.
void set_sharing(const core::ConfigReader& c, nn::DecoderSpec& s, int by_default) {
  s.shared_layers = c.size_or("num_kv_shared_layers", std::min(by_default, s.layers - 1), 0, s.layers - 1);
  for (int i = s.layers - s.shared_layers; i < s.layers; ++i)
    if (s.has_window(s.keys_of(i)) != s.has_window(i))
      c.fail("num_kv_shared_layers",
             "layer " + std::to_string(i) + " has none of its kind whose keys it could use");
  s.wide_shared = c.get_or("use_double_wide_mlp", false);
}

// activation_sparsity_pattern: one for each layer, or one for all.
void set_sparsity(const core::ConfigReader& c, nn::DecoderSpec& s) {
  constexpr int kSparse = 10;
  constexpr const char* kKey = "activation_sparsity_pattern";
  s.sparsity.assign(std::size_t(s.layers), 0);
  if (c.is_array(kKey)) {
    s.sparsity = c.get<std::vector<float>>(kKey);
  } else if (c.has(kKey)) {
    s.sparsity.assign(std::size_t(s.layers), c.get<float>(kKey));
  } else if (s.layers > kSparse) {
    std::fill_n(s.sparsity.begin(), kSparse, 0.95f);
  }
  const auto fits = [](float part) { return part >= 0 && part < 1; };
  if (int(s.sparsity.size()) != s.layers || !std::all_of(s.sparsity.begin(), s.sparsity.end(), fits))
    c.fail(kKey, "expected a number from 0 to below 1 for each of " + std::to_string(s.layers) + " layers");
}

nn::AltUpSpec parse_altup(const core::ConfigReader& c) {
  nn::AltUpSpec out;
  out.streams = c.size_or("altup_num_inputs", out.streams, 2, 64);
  out.active = c.size_or("altup_active_idx", out.active, 0, out.streams - 1);
  out.scaled = c.get_or("altup_correct_scale", out.scaled);
  c.ignore({"altup_coef_clip"});
  return out;
}

}  // namespace

nn::DecoderSpec gemma3n_text(const core::ConfigReader& c) {
  auto s = parse_decoder(c, {2048, 35, 8, 16384, 262400, 1e-6f, 1000000, /*kv_heads=*/2, /*head_dim=*/256, 1,
                             "hidden_activation", kTanh});
  s.embed_scale = std::sqrt(float(s.hidden));
  s.qkv_bias = s.output_bias = c.get_or("attention_bias", false);
  s.sandwich = s.head_norm = s.value_norm = true;
  s.attention_scale = 1;
  s.logit_softcap = c.get_or("final_logit_softcapping", 30.0f);
  s.altup = parse_altup(c);
  s.laurel_rank = c.size_or("laurel_rank", 64, 1, 1 << 16);
  set_windows(c, s, 5, 512);
  set_sharing(c, s, 15);
  set_sparsity(c, s);
  set_ropes(c, s, 1000000);
  s.per_layer = nn::PerLayerSpec{c.size_or("hidden_size_per_layer_input", 256, 1, 1 << 16),
                                 c.size_or("vocab_size_per_layer_input", 262144, 1, 1 << 24)};
  c.ignore({"max_position_embeddings", "query_pre_attn_scalar", "tie_word_embeddings"});
  return s;
}

nn::DecoderSpec gemma4_text(const core::ConfigReader& c, Gemma4Kind kind) {
  auto s = parse_decoder(c, {2304, 30, 8, 9216, 262144, 1e-6f, 10000, /*kv_heads=*/4, /*head_dim=*/256, 1,
                             "hidden_activation", kTanh});
  s.embed_scale = std::sqrt(float(s.hidden));
  s.qkv_bias = s.output_bias = c.get_or("attention_bias", false);
  s.sandwich = s.head_norm = s.value_norm = s.layer_scalar = s.mutual_in_windows = true;
  s.attention_scale = 1;
  s.logit_softcap = c.get_or("final_logit_softcapping", 0.0f);
  set_windows(c, s, 6);
  s.windowed.back() = false;  // as transformers forces it
  s.global_head_dim = c.size_or("global_head_dim", 512, 4, 1 << 16);
  s.keys_as_values = c.get_or("attention_k_eq_v", false);
  if (s.keys_as_values) s.global_kv_heads = c.size_or("num_global_key_value_heads", s.kv_heads, 1, s.heads);
  if (s.global_kv_heads > 0 && s.heads % s.global_kv_heads != 0)
    c.fail("num_global_key_value_heads", "expected a divisor of " + std::to_string(s.heads));
  set_sharing(c, s, 0);
  const auto both = c.child_or_empty("rope_parameters");
  if (both.is_object("full_attention")) {
    s.rope = nn::parse_rope_object(c, both.child("full_attention"), s.global_head_dim, 1000000);
  } else {
    s.rope = {.head_dim = s.global_head_dim,
              .rotated = s.global_head_dim,
              .pairs = s.global_head_dim / 8,
              .theta = 1000000};
  }
  s.window_rope = parse_window_rope(c, both, s.head_dim, 10000);
  if (const int width =
          c.size_or("hidden_size_per_layer_input", kind == Gemma4Kind::unified ? 0 : 256, 0, 1 << 16);
      width > 0)
    s.per_layer = nn::PerLayerSpec{width, c.size_or("vocab_size_per_layer_input", 262144, 1, 1 << 24)};
  if (c.get_or("enable_moe_block", false)) {
    const int experts = c.size("num_experts", 1, 1 << 12);
    s.beside = nn::MixtureSpec{.width = s.hidden,
                               .hidden = c.size("moe_intermediate_size", 1, 1 << 20),
                               .experts = experts,
                               .chosen = c.size("top_k_experts", 1, experts),
                               .activation = s.activation,
                               .scaled_router = true,
                               .norm_eps = s.norm_eps};
  }
  if (const auto ways = c.get_or<std::string>("use_bidirectional_attention", "");
      !ways.empty() && ways != "vision")
    c.fail("use_bidirectional_attention", "expected vision or null, got " + ways);
  c.ignore({"max_position_embeddings", "tie_word_embeddings", "sliding_window_pattern",
            "_sliding_window_pattern", "num_global_key_value_heads", "num_experts", "top_k_experts",
            "moe_intermediate_size", "use_second_mlp_block", "exact_speculative_verify", "rope_traditional",
            "global_partial_rotary_factor", "per_layer_config", "expert_intermediate_size"});
  return s;
}

}  // namespace mlx_vision::backbones
