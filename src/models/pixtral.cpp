// Pixtral (arXiv 2410.07073): its own tower, Mistral NeMo. Checkpoints: mistral-community/pixtral-12b (whose
// config.json says llava), mlx-community/pixtral-12b-4bit.
#include "models/pixtral_vlm.h"

namespace mlx_vision::models {
namespace {

std::unique_ptr<Model> build(const core::ConfigReader& c, const weights::Weights& w) {
  return build_pixtral(c, w, {});
}

}  // namespace

constexpr Family kPixtral{.model_type = "pixtral",
                          .prompt_rule = processing::PromptRule::plain_answers,
                          .about = {.vision = "Pixtral's ViT, rotation in two directions",
                                    .language = "Mistral NeMo",
                                    .compared = "float32, original, 4-bit",
                                    .repositories = "pixtral-12b-4bit, pixtral-12b-8bit"},
                          .names = pixtral_names,
                          .build = build};

}  // namespace mlx_vision::models
