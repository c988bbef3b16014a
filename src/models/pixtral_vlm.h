#pragma once
#include <memory>

#include "models/model.h"

namespace mlx_vision::models {

/// What Pixtral and Mistral 3 do differently where config.json leaves a field out, or has no field for it.
struct PixtralDefaults {
  bool projector_bias = true;
  int image_token = 32000;
  int feature_layer = -2;
  bool merges = false;  ///< a norm and a map of neighbouring patches into one stand before the projector
};

/// Pixtral's tower, a projector of two maps, a decoder. @throws ConfigError
std::unique_ptr<Model> build_pixtral(const core::ConfigReader& config, const weights::Weights& weights,
                                     const PixtralDefaults& defaults);

/// Old and new spelling of the originals to that of the conversions.
weights::NameMap pixtral_names(const core::ConfigReader& config);

}  // namespace mlx_vision::models
