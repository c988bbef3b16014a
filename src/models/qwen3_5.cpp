// Qwen3.5: Qwen3-VL's tower, a decoder of Gated DeltaNet (arXiv 2412.06464) and gated attention. Checkpoints:
// Qwen/Qwen3.5-9B, mlx-community/Qwen3.5-9B-4bit.
#include "models/qwen_vl.h"

namespace mlx_vision::models {
namespace {

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return build_qwen3_5(c, w, /*mixture=*/false);
}

}  // namespace

constexpr Family kQwen3_5{.model_type = "qwen3_5",
                          .prompt_rule = processing::PromptRule::image_first,
                          .about = {.vision = "Qwen ViT with a table of positions",
                                    .language = "Qwen3.5: Gated DeltaNet and gated attention",
                                    .compared = "float32, original, 4-bit",
                                    .repositories = "Qwen3.5-0.8B-4bit, Qwen3.5-9B-MLX-4bit"},
                          .names = qwen3_5_names,
                          .build = build};

}  // namespace mlx_vision::models
