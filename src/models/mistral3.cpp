// Mistral Small 3.1 and 3.2, Ministral 3: Pixtral's tower, merged patches, Mistral or Ministral 3.
// Checkpoints: mistralai/Mistral-Small-3.1-24B-Instruct-2503, mistralai/Ministral-3-3B-Instruct-2512,
// mlx-community's conversions.
#include "models/pixtral_vlm.h"

namespace mlx_vision::models {
namespace {

std::unique_ptr<Model> build(const core::ConfigReader& c, const weights::Weights& w) {
  return build_pixtral(c, w,
                       {.projector_bias = false, .image_token = 10, .feature_layer = -1, .merges = true});
}

}  // namespace

constexpr Family kMistral3{
    .model_type = "mistral3",
    .prompt_rule = processing::PromptRule::image_first,
    .about = {.vision = "Pixtral's ViT, 2x2 patches merged",
              .language = "Mistral, Ministral 3, Mistral 4: latent attention, experts",
              .compared = "float32, original, fp8, 4-bit",
              .repositories = "Mistral-Small-3.1-24B-Instruct-2503-4bit, Ministral-3-3B-Instruct-2512-4bit"},
    .names = pixtral_names,
    .build = build};

}  // namespace mlx_vision::models
