#pragma once
#include <string_view>
#include <vector>

#include "nn/decoder.h"

namespace mlx_vision::backbones {

/// transformers' class defaults, which released configurations rely on (LLaVA 1.5 names almost no field).
struct DecoderDefaults {
  int hidden, layers, heads, mlp_hidden, vocab;
  float norm_eps, theta;
  int kv_heads = 0;        ///< 0 = as many as heads
  int head_dim = 0;        ///< 0 = hidden / heads
  float rotated_part = 1;  ///< of a head; another value may be given only where this is not 1
  const char *activation_key = "hidden_act", *activation = "silu", *norm_key = "rms_norm_eps";
};

/// The fields that decoders have in common. @throws ConfigError
nn::DecoderSpec parse_decoder(const core::ConfigReader& c, const DecoderDefaults& d);

/// layer_types by layer: whether it is `kind`, of which and `other` there may be; nothing where the field is
/// absent.
/// @throws ConfigError for another type, or another number than `layers`
std::vector<bool> layers_of(const core::ConfigReader& c, int layers, std::string_view kind,
                            std::string_view other);

/// The text fields of a layout that may have them in text_config or at the top of config.json.
core::ConfigReader text_fields(const core::ConfigReader& top);

/// Decoder numbers from a text configuration, chosen by its model_type ("internlm2", "llama", "mistral",
/// "ministral3", "mistral4", "qwen2", "qwen3", "qwen3_moe"). Fields that are absent take transformers'
/// defaults of that type.
/// @throws ConfigError for another type, or a field that changes the result and is not supported.
nn::DecoderSpec text_decoder(const core::ConfigReader& text);
/// The same where another field or the family says the type.
nn::DecoderSpec text_decoder(const core::ConfigReader& text, std::string_view type);

/// Qwen2-VL's and Qwen2.5-VL's language model: Qwen2 with multi-axis RoPE. `text` is the folder's
/// text_config, or config.json itself where the fields stand at the top.
nn::DecoderSpec qwen2_vl_text(const core::ConfigReader& text);

/// Qwen3-VL's language model: Qwen3 with interleaved multi-axis RoPE. With `mixture`, its mixture of experts.
nn::DecoderSpec qwen3_vl_text(const core::ConfigReader& text, bool mixture);

/// Qwen3.5's language model: three layers of Gated DeltaNet to one of gated attention, interleaved multi-axis
/// RoPE over part of a head. With `mixture`, its mixture of experts with a shared one.
nn::DecoderSpec qwen3_5_text(const core::ConfigReader& text, bool mixture);

/// LFM2's (arXiv 2511.23404): gated short convolutions, attention in some layers.
nn::DecoderSpec lfm2_text(const core::ConfigReader& c);

/// Whether the output head is the embedding table. `top` is config.json, `text` its text_config; either may
/// say so. `by_default`: where neither does and there is no head, it is.
bool tied_head(const core::ConfigReader& top, const core::ConfigReader& text, const nn::Weights& head,
               bool by_default = false);

}  // namespace mlx_vision::backbones
