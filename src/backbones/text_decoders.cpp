#include "backbones/text_decoders.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace mlx_vision::backbones {
namespace {

constexpr int kMaxWidth = 1 << 20, kMaxLayers = 1024, kMaxVocab = 1 << 24;

// transformers' class defaults, which released configurations rely on (LLaVA 1.5 names almost no field).
struct Defaults {
  int hidden, layers, heads, mlp_hidden, vocab;
  float norm_eps, theta;
  int kv_heads = 0;  ///< 0 = as many as heads
};

nn::DecoderSpec parse(const core::ConfigReader& c, const Defaults& d) {
  nn::DecoderSpec s;
  s.hidden = c.size_or("hidden_size", d.hidden, 1, kMaxWidth);
  s.layers = c.size_or("num_hidden_layers", d.layers, 1, kMaxLayers);
  s.heads = c.size_or("num_attention_heads", d.heads, 1, s.hidden);
  s.kv_heads = c.size_or("num_key_value_heads", d.kv_heads > 0 ? d.kv_heads : s.heads, 1, s.heads);
  s.head_dim = c.size_or("head_dim", s.hidden / s.heads, 1, kMaxWidth);
  s.mlp_hidden = c.size_or("intermediate_size", d.mlp_hidden, 1, kMaxWidth);
  s.vocab = c.size_or("vocab_size", d.vocab, 1, kMaxVocab);
  s.norm_eps = c.get_or("rms_norm_eps", d.norm_eps);
  if (s.heads % s.kv_heads != 0)
    c.fail("num_key_value_heads", "expected a divisor of " + std::to_string(s.heads));
  if (s.head_dim % 2 != 0) c.fail("head_dim", "expected an even number, got " + std::to_string(s.head_dim));
  if (const auto act = c.get_or<std::string>("hidden_act", "silu"); act != "silu")
    c.fail("hidden_act", "only silu is supported by this decoder, got " + act);
  if (c.get_or("use_sliding_window", false)) c.fail("use_sliding_window", "is not supported by this decoder");
  s.rope = nn::parse_rope(c, s.head_dim, d.theta);
  if (s.rope.rotated != s.head_dim) c.fail("partial_rotary_factor", "only 1 is supported by this decoder");
  c.ignore({"sliding_window", "max_window_layers", "use_cache", "initializer_range", "attention_dropout",
            "pretraining_tp", "torch_dtype", "dtype", "architectures", "model_type", "bos_token_id",
            "eos_token_id", "pad_token_id"});
  return s;
}

nn::DecoderSpec llama(const core::ConfigReader& c) {
  auto s = parse(c, {4096, 32, 32, 11008, 32000, 1e-6f, 10000});
  s.qkv_bias = s.output_bias = c.get_or("attention_bias", false);
  s.mlp_bias = c.get_or("mlp_bias", false);
  return s;
}

nn::DecoderSpec mistral(const core::ConfigReader& c) {
  // null means none, as transformers has it; absent, 4096.
  const int window = c.raw().contains("sliding_window") ? c.get_or("sliding_window", 0) : 4096;
  auto s = parse(c, {4096, 32, 32, 14336, 32000, 1e-6f, 10000, /*kv_heads=*/8});
  // A context that is no longer than the window never meets it.
  if (window > 0 && c.get_or("max_position_embeddings", 4096 * 32) > window)
    c.fail("sliding_window", "is not supported by this decoder, got " + std::to_string(window));
  return s;
}

nn::DecoderSpec qwen2(const core::ConfigReader& c) {
  auto s = parse(c, {4096, 32, 32, 22016, 151936, 1e-6f, 10000});
  s.qkv_bias = true;
  return s;
}

}  // namespace

nn::DecoderSpec text_decoder(const core::ConfigReader& text) {
  const auto type = text.get_or<std::string>("model_type", "llama");
  if (type == "llama") return llama(text);
  if (type == "mistral") return mistral(text);
  if (type == "qwen2") return qwen2(text);
  text.fail("model_type", "expected llama, mistral or qwen2, got " + type);
}

nn::DecoderSpec qwen2_vl_text(const core::ConfigReader& text) {
  auto s = parse(text, {8192, 80, 64, 29568, 152064, 1e-5f, 1000000});
  s.qkv_bias = true;
  if (!s.rope.sections) text.fail("rope_scaling.mrope_section", "required field is missing, expected a list");
  return s;
}

namespace {

// Qwen3-MoE's rule: every decoder_sparse_step-th block, but those of mlp_only_layers.
void parse_mixture(const core::ConfigReader& c, nn::DecoderSpec& s) {
  nn::MixtureSpec m{.width = s.hidden,
                    .hidden = c.size_or("moe_intermediate_size", 1408, 1, kMaxWidth),
                    .experts = c.size_or("num_experts", 60, 1, 1 << 12),
                    .chosen = 4,
                    .normalized = true,
                    .layout = nn::ExpertLayout::in_out};
  m.chosen = c.size_or("num_experts_per_tok", 4, 1, m.experts);
  const int step = c.size_or("decoder_sparse_step", 1, 1, kMaxLayers);
  const auto dense = c.get_or<std::vector<int>>("mlp_only_layers", {});
  for (int i = 0; i < s.layers; ++i)
    s.dense.push_back((i + 1) % step != 0 || std::find(dense.begin(), dense.end(), i) != dense.end());
  s.mixture = m;
  c.ignore({"norm_topk_prob", "router_aux_loss_coef", "output_router_logits"});
}

}  // namespace

nn::DecoderSpec qwen3_vl_text(const core::ConfigReader& text, bool mixture) {
  auto s = mixture ? parse(text, {2048, 24, 16, 5632, 151936, 1e-6f, 500000, /*kv_heads=*/16})
                   : parse(text, {4096, 32, 32, 22016, 151936, 1e-6f, 500000});
  s.qkv_bias = s.output_bias = text.get_or("attention_bias", false);
  s.head_norm = true;
  if (!s.rope.sections) s.rope.sections = {{24, 20, 20}};
  if (s.rope.dims() / 2 != (*s.rope.sections)[0] + (*s.rope.sections)[1] + (*s.rope.sections)[2])
    text.fail("head_dim", "expected 128 where mrope_section is absent");
  s.rope.interleaved = true;
  if (mixture) parse_mixture(text, s);
  return s;
}

bool tied_head(const core::ConfigReader& top, const core::ConfigReader& text, const nn::Weights& head) {
  if (top.get_or("tie_word_embeddings", false)) return true;
  // Converted checkpoints say it in text_config only; the original then repeats the table as a head of its
  // own.
  return text.get_or("tie_word_embeddings", false) && !head.has("weight");
}

}  // namespace mlx_vision::backbones
