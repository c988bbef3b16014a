#pragma once
#include "nn/decoder.h"

namespace mlx_vision::backbones {

/// The language models of PaliGemma: Gemma (arXiv 2403.08295) or Gemma 2 (arXiv 2408.00118), by model_type.
/// @throws ConfigError
nn::DecoderSpec paligemma_text(const core::ConfigReader& c);

/// Gemma 3's (arXiv 2503.19786): five layers with a window and a RoPE of their own to one without.
/// @throws ConfigError
nn::DecoderSpec gemma3_text(const core::ConfigReader& c);

/// Gemma 3n's: streams of which blocks compute one, embeddings for each layer, a map beside attention, sparse
/// gates in the first layers, keys shared by the last. @throws ConfigError
nn::DecoderSpec gemma3n_text(const core::ConfigReader& c);

/// Where the two Gemma 4 families' defaults differ.
enum class Gemma4Kind { with_encoder, unified };

/// Gemma 4's: heads of another width in layers without a window, normed values, keys shared by the last
/// layers, embeddings for each layer. @throws ConfigError
nn::DecoderSpec gemma4_text(const core::ConfigReader& c, Gemma4Kind kind);

}  // namespace mlx_vision::backbones
