#pragma once
#include "backbones/gemma_decoders.h"
#include "models/decoder_only.h"

namespace mlx_vision::models {

/// What the Gemma 4 families read alike from config.json.
struct Gemma4Text {
  nn::DecoderSpec text;
  int image_token;
  bool both_ways;  ///< rows of a picture see each other in layers with a window
};

/// @throws ConfigError
Gemma4Text parse_gemma4_text(const core::ConfigReader& config, backbones::Gemma4Kind kind);

/// Old and new spelling of both layouts, with an encoder and without, as `vision_tower.` or
/// `vision_embedder.`, `embed_vision.`, `language_model.`; what belongs to audio is left out.
weights::NameMap gemma4_names(const core::ConfigReader& config);

/// Gemma 4's decoder and the attention of a picture's rows.
class Gemma4Vlm : public DecoderOnlyVlm {
 protected:
  Gemma4Vlm(const Gemma4Text& config, const nn::Weights& w)
      : DecoderOnlyVlm(nn::Decoder(w["language_model"]["model"], w["language_model"]["lm_head"], config.text),
                       config.image_token),
        both_ways_(config.both_ways) {}

  std::vector<nn::MutualRows> mutual_rows(std::span<const std::int32_t> ids) const override {
    if (!both_ways_) return {};
    return runs_of(ids, image_token());
  }
  /// Tokens of a prompt that are taken at once, where a picture has at most `rows`.
  int unparted(int rows) const { return both_ways_ ? rows : 0; }

 private:
  bool both_ways_;
};

}  // namespace mlx_vision::models
