#pragma once
#include <memory>

#include "backbones/intern_vit.h"
#include "models/model.h"
#include "nn/decoder.h"

namespace mlx_vision::models {

/// What the two layouts of InternVL read from their config.json.
struct InternVlConfig {
  backbones::InternVitSpec vision;
  nn::DecoderSpec text;
  int image_token, merge;  ///< merge: patches on a side that become one row
  nn::Activation activation = nn::Activation::gelu;
};

/// Patches on a side that become one row: 1 / downsample_ratio. @throws ConfigError
int read_merge(const core::ConfigReader& config, const backbones::InternVitSpec& vision);

/// Names: vision_tower, multi_modal_projector, language_model.
std::unique_ptr<Model> build_intern_vl(const InternVlConfig& config, const weights::Weights& weights);

}  // namespace mlx_vision::models
