// LLaVA 1.5 and LLaVA-Interleave (arXiv 2310.03744, 2407.07895): CLIP or SigLIP tower, two-layer projector,
// Llama or Qwen2; the original of Pixtral goes by this name, too. Checkpoints: llava-hf/llava-1.5-7b-hf,
// llava-hf/llava-interleave-qwen-0.5b-hf and their mlx-community conversions.
#include "models/llava_tower.h"
#include "models/pixtral_vlm.h"

namespace mlx_vision::models {
namespace {

bool has_pixtral(const core::ConfigReader& c) {
  return c.is_object("vision_config") &&
         c.child("vision_config").get_or<std::string>("model_type", "") == "pixtral";
}

weights::NameMap names(const core::ConfigReader& c) {
  return has_pixtral(c) ? pixtral_names(c) : llava_names(c);
}

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  if (has_pixtral(c)) return build_pixtral(c, w, {});
  return build_llava(parse_llava(c, w), w);
}

}  // namespace

constexpr Family kLlava{.model_type = "llava",
                        .prompt_rule = processing::PromptRule::text_first,
                        .about = {.vision = "CLIP, SigLIP or Pixtral's ViT",
                                  .language = "Llama, Mistral, Qwen2",
                                  .compared = "float32, original, 4-bit, mixed 4 and 6 bits",
                                  .repositories = "llava-1.5-7b-4bit"},
                        .names = names,
                        .build = build};

}  // namespace mlx_vision::models
