#include "backbones/text_decoders.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace mlx_vision::backbones {
namespace {

constexpr int kMaxWidth = 1 << 20, kMaxLayers = 1024, kMaxVocab = 1 << 24;

// The last `window` tokens, in these layers.
void set_window(nn::DecoderSpec& s, int window, std::vector<bool> layers) {
  if (window <= 0) return;
  s.window = window;
  s.windowed = std::move(layers);
}

// intermediate_size: one for all layers, or one for each.
void set_mlp_sizes(const core::ConfigReader& c, nn::DecoderSpec& s, int by_default) {
  if (!c.is_array("intermediate_size")) {
    s.mlp_hidden = c.size_or("intermediate_size", by_default, 1, kMaxWidth);
    return;
  }
  s.mlp_sizes = c.get<std::vector<int>>("intermediate_size");
  const auto fits = [](int n) { return n >= 1 && n <= kMaxWidth; };
  if (int(s.mlp_sizes.size()) != s.layers || !std::all_of(s.mlp_sizes.begin(), s.mlp_sizes.end(), fits))
    c.fail("intermediate_size", "expected a number from 1 to " + std::to_string(kMaxWidth) + " for each of " +
                                    std::to_string(s.layers) + " layers");
  s.mlp_hidden = *std::max_element(s.mlp_sizes.begin(), s.mlp_sizes.end());
}

}  // namespace

nn::DecoderSpec parse_decoder(const core::ConfigReader& c, const DecoderDefaults& d) {
  nn::DecoderSpec s;
  s.hidden = c.size_or("hidden_size", d.hidden, 1, kMaxWidth);
  s.layers = c.size_or("num_hidden_layers", d.layers, 1, kMaxLayers);
  s.heads = c.size_or("num_attention_heads", d.heads, 1, s.hidden);
  s.kv_heads = c.size_or("num_key_value_heads", d.kv_heads > 0 ? d.kv_heads : s.heads, 1, s.heads);
  s.head_dim = c.size_or("head_dim", d.head_dim > 0 ? d.head_dim : s.hidden / s.heads, 1, kMaxWidth);
  set_mlp_sizes(c, s, d.mlp_hidden);
  s.vocab = c.size_or("vocab_size", d.vocab, 1, kMaxVocab);
  s.norm_eps = c.get_or(d.norm_key, d.norm_eps);
  if (s.heads % s.kv_heads != 0)
    c.fail("num_key_value_heads", "expected a divisor of " + std::to_string(s.heads));
  if (s.head_dim % 2 != 0) c.fail("head_dim", "expected an even number, got " + std::to_string(s.head_dim));
  s.activation = nn::activation_or(c, d.activation_key, d.activation);
  s.rope = nn::parse_rope(c, s.head_dim, d.theta, d.rotated_part);
  if (d.rotated_part == 1 && s.rope.rotated != s.head_dim)
    c.fail("partial_rotary_factor", "only 1 is supported by this decoder");
  c.ignore({"sliding_window", "max_window_layers", "use_cache", "initializer_range", "attention_dropout",
            "pretraining_tp", "torch_dtype", "dtype", "architectures", "model_type", "bos_token_id",
            "eos_token_id", "pad_token_id"});
  return s;
}

std::vector<bool> layers_of(const core::ConfigReader& c, int layers, std::string_view kind,
                            std::string_view other) {
  const auto types = c.get_or<std::vector<std::string>>("layer_types", {});
  if (!types.empty() && int(types.size()) != layers)
    c.fail("layer_types", "expected one for each of " + std::to_string(layers) + " layers");
  std::vector<bool> out;
  for (const auto& type : types) {
    if (type != kind && type != other)
      c.fail("layer_types",
             std::string("expected ").append(kind).append(" or ").append(other).append(", got ") + type);
    out.push_back(type == kind);
  }
  return out;
}

core::ConfigReader text_fields(const core::ConfigReader& top) {
  const bool nested = top.is_object("text_config") && !top.child("text_config").keys().empty();
  return nested ? top.child("text_config") : top;
}

namespace {

nn::DecoderSpec llama(const core::ConfigReader& c) {
  auto s = parse_decoder(c, {4096, 32, 32, 11008, 32000, 1e-6f, 10000});
  s.qkv_bias = s.output_bias = c.get_or("attention_bias", false);
  s.mlp_bias = c.get_or("mlp_bias", false);
  return s;
}

// arXiv 2403.17297; its code is internvl_chat's modeling_internlm2.py.
nn::DecoderSpec internlm2(const core::ConfigReader& c) {
  auto s = parse_decoder(c, {4096, 32, 32, 11008, 103168, 1e-6f, 10000});
  s.qkv_bias = s.output_bias = c.get_or("bias", true);
  s.grouped_qkv = true;
  c.ignore({"attn_implementation"});
  return s;
}

nn::DecoderSpec mistral(const core::ConfigReader& c) {
  // null means none, as transformers has it; absent, 4096.
  const int window = c.raw().contains("sliding_window") ? c.get_or("sliding_window", 0) : 4096;
  auto s = parse_decoder(c, {4096, 32, 32, 14336, 32000, 1e-6f, 10000, /*kv_heads=*/8});
  set_window(s, window, std::vector<bool>(std::size_t(s.layers), true));
  return s;
}

void set_growth(const core::ConfigReader& rope, nn::DecoderSpec& s) {
  if (const auto beta = rope.get_or("llama_4_scaling_beta", 0.0f); beta != 0)
    s.growth = nn::QueryGrowth{beta, rope.size("original_max_position_embeddings", 1, 1 << 30)};
}

nn::DecoderSpec ministral3(const core::ConfigReader& c) {
  auto s = parse_decoder(c, {4096, 34, 32, 14336, 131072, 1e-5f, 1000000, /*kv_heads=*/8, /*head_dim=*/128});
  set_window(s, c.get_or("sliding_window", 0), std::vector<bool>(std::size_t(s.layers), true));
  set_growth(c.child("rope_parameters"), s);
  return s;
}

void set_qwen_window(const core::ConfigReader& c, nn::DecoderSpec& s) {
  if (!c.get_or("use_sliding_window", false)) return;
  std::vector<bool> layers;
  for (int i = 0; i < s.layers; ++i) layers.push_back(i >= c.get_or("max_window_layers", 28));
  set_window(s, c.get_or("sliding_window", 4096), std::move(layers));
}

nn::DecoderSpec qwen2(const core::ConfigReader& c) {
  auto s = parse_decoder(c, {4096, 32, 32, 22016, 151936, 1e-6f, 10000});
  s.qkv_bias = true;
  set_qwen_window(c, s);
  c.ignore({"attention_bias"});
  return s;
}

nn::DecoderSpec qwen3(const core::ConfigReader& c) {
  auto s = parse_decoder(c, {4096, 32, 32, 22016, 151936, 1e-6f, 10000, 0, /*head_dim=*/128});
  s.qkv_bias = s.output_bias = c.get_or("attention_bias", false);
  s.head_norm = true;
  set_qwen_window(c, s);
  return s;
}

// Of the mixture's own configuration, transformers' defaults.
struct MixtureDefaults {
  int hidden, experts, chosen, shared_hidden;
};

nn::MixtureSpec parse_mixture(const core::ConfigReader& c, int width, const MixtureDefaults& d) {
  nn::MixtureSpec m{.width = width, .hidden = c.size_or("moe_intermediate_size", d.hidden, 1, kMaxWidth)};
  // transformers 5 saves it under the second name.
  m.experts = c.size_or("num_local_experts", c.size_or("num_experts", d.experts, 1, 1 << 12), 1, 1 << 12);
  m.chosen = c.size_or("num_experts_per_tok", std::min(d.chosen, m.experts), 1, m.experts);
  if (d.shared_hidden > 0)
    m.shared_hidden = c.size_or("shared_expert_intermediate_size", d.shared_hidden, 1, kMaxWidth);
  c.ignore({"norm_topk_prob", "router_aux_loss_coef", "output_router_logits"});
  return m;
}

// Every decoder_sparse_step-th block has a mixture, but those of mlp_only_layers.
std::vector<bool> dense_layers(const core::ConfigReader& c, int layers) {
  const int step = c.size_or("decoder_sparse_step", 1, 1, kMaxLayers);
  const auto named = c.get_or<std::vector<int>>("mlp_only_layers", {});
  std::vector<bool> out;
  for (int i = 0; i < layers; ++i)
    out.push_back((i + 1) % step != 0 || std::find(named.begin(), named.end(), i) != named.end());
  return out;
}

nn::DecoderSpec qwen3_moe(const core::ConfigReader& c) {
  auto s = parse_decoder(c, {2048, 24, 32, 6144, 151936, 1e-6f, 10000, /*kv_heads=*/4});
  s.qkv_bias = s.output_bias = c.get_or("attention_bias", false);
  s.head_norm = true;
  const int window = c.get_or("use_sliding_window", false) ? c.get_or("sliding_window", 4096) : 0;
  set_window(s, window, std::vector<bool>(std::size_t(s.layers), true));
  s.mixture = parse_mixture(c, s.hidden, {768, 128, 8, 0});
  s.mixture->normalized = c.get_or("norm_topk_prob", false);
  s.dense = dense_layers(c, s.layers);
  return s;
}

nn::MixtureSpec mistral4_mixture(const core::ConfigReader& c, int width) {
  nn::MixtureSpec m{.width = width, .hidden = c.size_or("moe_intermediate_size", 2048, 1, kMaxWidth)};
  m.experts = c.size_or("n_routed_experts", 128, 1, 1 << 12);
  m.chosen = c.size_or("num_experts_per_tok", std::min(4, m.experts), 1, m.experts);
  m.normalized = c.get_or("norm_topk_prob", true);
  m.scaling = c.get_or("routed_scaling_factor", 1.0f);
  m.shared_hidden = m.hidden * c.size_or("n_shared_experts", 1, 0, 64);
  m.plain_shared = true;
  for (const char* key : {"n_group", "topk_group"})
    if (c.get_or(key, 1) != 1) c.fail(key, "only 1 is supported by this decoder");
  c.ignore({"output_router_logits"});
  return m;
}

// Latent attention and experts (transformers, modeling_mistral4.py).
nn::DecoderSpec mistral4(const core::ConfigReader& c) {
  nn::LatentSpec latent{.query_rank = c.size_or("q_lora_rank", 1024, 0, kMaxWidth),
                        .rank = c.size_or("kv_lora_rank", 256, 1, kMaxWidth),
                        .rotated = c.size_or("qk_rope_head_dim", 64, 2, kMaxWidth),
                        .plain = c.size_or("qk_nope_head_dim", 64, 1, kMaxWidth),
                        .value_dim = c.size_or("v_head_dim", 128, 1, kMaxWidth),
                        .interleaved = c.get_or("rope_interleave", true),
                        .bias = c.get_or("attention_bias", false)};
  const int head_dim = latent.rotated + latent.plain;
  auto s = parse_decoder(c, {4096, 36, 32, 12288, 131072, 1e-6f, 10000, /*kv_heads=*/0, head_dim,
                             float(latent.rotated) / float(head_dim)});
  if (s.head_dim != head_dim || s.kv_heads != s.heads || latent.value_dim > head_dim)
    c.fail("head_dim",
           "expected qk_nope_head_dim + qk_rope_head_dim, as many heads of keys as of queries, and "
           "values that are no wider");
  if (s.rope.dims() != latent.rotated)
    c.fail("rope_parameters.partial_rotary_factor",
           "expected the part of head_dim that qk_rope_head_dim is, " + std::to_string(latent.rotated));
  s.output_bias = latent.bias;
  s.latent = latent;
  const auto rope = c.child("rope_parameters");
  set_growth(rope, s);
  s.attention_scale = 1 / std::sqrt(float(head_dim));
  if (const auto all = rope.get_or("mscale_all_dim", 0.0f); all != 0 && s.rope.yarn)
    s.attention_scale *= std::pow(nn::yarn_amplitude(s.rope.yarn->factor, all), 2.0f);
  s.mixture = mistral4_mixture(c, s.hidden);
  const int first = c.size_or("first_k_dense_replace", 0, 0, kMaxLayers);
  for (int i = 0; i < s.layers; ++i) s.dense.push_back(i < first);
  return s;
}

}  // namespace

nn::DecoderSpec text_decoder(const core::ConfigReader& text) {
  return text_decoder(text, text.get_or<std::string>("model_type", "llama"));
}

nn::DecoderSpec text_decoder(const core::ConfigReader& text, std::string_view type) {
  if (type == "llama") return llama(text);
  if (type == "internlm2") return internlm2(text);
  if (type == "mistral") return mistral(text);
  if (type == "ministral3") return ministral3(text);
  if (type == "mistral4") return mistral4(text);
  if (type == "qwen2") return qwen2(text);
  if (type == "qwen3") return qwen3(text);
  if (type == "qwen3_moe") return qwen3_moe(text);
  text.fail("model_type",
            "expected internlm2, llama, mistral, ministral3, mistral4, qwen2, qwen3 or qwen3_moe, got " +
                std::string(type));
}

nn::DecoderSpec qwen2_vl_text(const core::ConfigReader& text) {
  auto s = parse_decoder(text, {8192, 80, 64, 29568, 152064, 1e-5f, 1000000});
  s.qkv_bias = true;
  if (!s.rope.sections) text.fail("rope_scaling.mrope_section", "required field is missing, expected a list");
  return s;
}

namespace {

// Absent sections are transformers' own, which must then fit.
void set_interleaved(const core::ConfigReader& c, nn::RopeSpec& rope, const std::array<int, 3>& sections) {
  if (!rope.sections) rope.sections = sections;
  const auto& s = *rope.sections;
  if (rope.dims() / 2 != s[0] + s[1] + s[2])
    c.fail("head_dim", "does not fit mrope_section, which is absent and then " + std::to_string(sections[0]) +
                           ", " + std::to_string(sections[1]) + ", " + std::to_string(sections[2]));
  rope.interleaved = true;
}

nn::DeltaNetSpec parse_delta_net(const core::ConfigReader& c, const nn::DecoderSpec& s) {
  nn::DeltaNetSpec d{.hidden = s.hidden, .norm_eps = s.norm_eps};
  d.key_heads = c.size_or("linear_num_key_heads", 16, 1, kMaxWidth);
  d.value_heads = c.size_or("linear_num_value_heads", 32, 1, kMaxWidth);
  d.key_dim = c.size_or("linear_key_head_dim", 128, 1, 1 << 12);
  d.value_dim = c.size_or("linear_value_head_dim", 128, 1, 1 << 12);
  d.kernel = c.size_or("linear_conv_kernel_dim", 4, 2, 64);
  if (d.value_heads % d.key_heads != 0)
    c.fail("linear_num_value_heads", "expected a multiple of " + std::to_string(d.key_heads) + " key heads");
  return d;
}

std::vector<bool> linear_layers(const core::ConfigReader& c, int layers) {
  const int interval = c.size_or("full_attention_interval", 4, 1, kMaxLayers);
  auto out = layers_of(c, layers, "linear_attention", "full_attention");
  for (int i = int(out.size()); i < layers; ++i) out.push_back((i + 1) % interval != 0);
  return out;
}

}  // namespace

nn::DecoderSpec qwen3_5_text(const core::ConfigReader& text, bool mixture) {
  auto s = mixture
               ? parse_decoder(text, {2048, 40, 16, 1, 248320, 1e-6f, 10000, /*kv_heads=*/2, /*head_dim=*/256,
                                      /*rotated_part=*/0.25f})
               : parse_decoder(text, {4096, 32, 16, 12288, 248320, 1e-6f, 10000, /*kv_heads=*/4,
                                      /*head_dim=*/256, /*rotated_part=*/0.25f});
  s.qkv_bias = s.output_bias = text.get_or("attention_bias", false);
  s.head_norm = true;
  if (!text.get_or("attn_output_gate", true)) text.fail("attn_output_gate", "expected true");
  s.output_gate = true;
  set_interleaved(text, s.rope, {11, 11, 10});
  s.delta_net = parse_delta_net(text, s);
  s.linear = linear_layers(text, s.layers);
  if (mixture) s.mixture = parse_mixture(text, s.hidden, {512, 256, 8, 512});
  text.ignore({"mlp_only_layers", "mamba_ssm_dtype", "mtp_num_hidden_layers", "mtp_use_dedicated_embeddings",
               "full_attention_interval", "intermediate_size"});
  return s;
}

nn::DecoderSpec qwen3_vl_text(const core::ConfigReader& text, bool mixture) {
  auto s = mixture ? parse_decoder(text, {2048, 24, 16, 5632, 151936, 1e-6f, 500000, /*kv_heads=*/16})
                   : parse_decoder(text, {4096, 32, 32, 22016, 151936, 1e-6f, 500000, 0, /*head_dim=*/128});
  s.qkv_bias = s.output_bias = text.get_or("attention_bias", false);
  s.head_norm = true;
  set_interleaved(text, s.rope, {24, 20, 20});
  if (mixture) {
    s.mixture = parse_mixture(text, s.hidden, {1408, 60, 4, 0});
    s.mixture->layout = nn::ExpertLayout::in_out;
    s.dense = dense_layers(text, s.layers);
  }
  return s;
}

nn::DecoderSpec lfm2_text(const core::ConfigReader& c) {
  DecoderDefaults defaults{2560, 32, 32, 12288, 65536, 1e-5f, 1000000, /*kv_heads=*/8};
  defaults.norm_key = "norm_eps";
  auto s = parse_decoder(c, defaults);
  s.head_norm = true;
  s.mlp_hidden = c.size_or("block_ff_dim", s.mlp_hidden, 1, kMaxWidth);
  if (c.get_or("block_auto_adjust_ff_dim", true)) {
    const int multiple = c.size_or("block_multiple_of", 256, 1, kMaxWidth);
    const int part = 2 * s.mlp_hidden / 3;
    const auto width = int(float(part) * c.get_or("block_ffn_dim_multiplier", 1.0f));
    if (width < 1 || width > kMaxWidth) c.fail("block_ffn_dim_multiplier", "leaves no width for the MLP");
    s.mlp_hidden = (width + multiple - 1) / multiple * multiple;
  }
  s.short_conv = nn::ShortConvSpec{.hidden = s.hidden,
                                   .kernel = c.size_or("conv_L_cache", 3, 2, 64),
                                   .bias = c.get_or("conv_bias", false)};
  s.linear = layers_of(c, s.layers, "conv", "full_attention");
  const auto attention = c.get_or<std::vector<int>>("full_attn_idxs", {});
  for (int i = int(s.linear.size()); i < s.layers; ++i)
    s.linear.push_back(!attention.empty() &&
                       std::find(attention.begin(), attention.end(), i) == attention.end());
  c.ignore({"block_dim", "block_mlp_init_scale", "block_norm_eps", "block_out_init_scale", "block_use_swiglu",
            "block_use_xavier_init", "conv_dim", "conv_dim_out", "conv_use_xavier_init", "num_heads",
            "use_pos_enc", "block_multiple_of", "block_ffn_dim_multiplier", "theta"});
  return s;
}

bool tied_head(const core::ConfigReader& top, const core::ConfigReader& text, const nn::Weights& head,
               bool by_default) {
  constexpr std::string_view kKey = "tie_word_embeddings";
  if (by_default && !top.has(kKey) && !text.has(kKey)) return !head.has("weight");
  if (top.get_or(kKey, false)) return true;
  // Converted checkpoints say it in text_config only; the original then repeats the table as a head of its
  // own.
  return text.get_or(kKey, false) && !head.has("weight");
}

}  // namespace mlx_vision::backbones
