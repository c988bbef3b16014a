#pragma once
#include <memory>
#include <vector>

#include "memory/shape.h"
#include "models/model.h"
#include "nn/decoder.h"
#include "nn/vit.h"
#include "weights/weights.h"

namespace mlx_vision::models {

/// What the families of the LLaVA line have in common: an image tower, a projector of two maps, a decoder.
struct LlavaConfig {
  nn::VitSpec vision;
  nn::DecoderSpec text;
  int image_token;
  std::vector<int> feature_layers;
  bool drop_class_token, projector_bias;
  nn::Activation projector_activation;
};

/// Where config.json leaves fields out, as the reference's configuration classes have them.
struct LlavaDefaults {
  int image_token = 32000, feature_layer = -2;
  const char* select_strategy = "default";
};

/// vision_feature_layer, one or several, of a tower with so many layers. @throws ConfigError
std::vector<int> feature_layers(const core::ConfigReader& config, int layers, int fallback);

/// @throws ConfigError
LlavaConfig parse_llava(const core::ConfigReader& config, const nn::Weights& weights,
                        const LlavaDefaults& defaults = {});

/// Old and new spelling of the line's checkpoints as `vision_tower.`, `multi_modal_projector.`,
/// `language_model.`, `image_newline`.
weights::NameMap llava_names(const core::ConfigReader& config);

/// Tower and projector.
class LlavaTower {
 public:
  LlavaTower(const LlavaConfig& config, const nn::Weights& weights);
  /// `[tiles, 3, H, W]` → `[tiles, rows, D]`, D being the decoder's width.
  nn::mx::array operator()(const nn::mx::array& pixels) const;
  memory::VisionShape shape() const;

 private:
  LlavaConfig config_;
  nn::Vit vision_;
  nn::Linear linear1_, linear2_;
};

/// Tower, projector and decoder, a picture at a time.
std::unique_ptr<Model> build_llava(const LlavaConfig& config, const nn::Weights& weights);

}  // namespace mlx_vision::models
