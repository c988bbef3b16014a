// Qwen3.5 with a mixture of experts. Checkpoints: Qwen/Qwen3.5-35B-A3B, mlx-community/Qwen3.5-35B-A3B-4bit.
#include "models/qwen_vl.h"

namespace mlx_vision::models {
namespace {

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return build_qwen3_5(c, w, /*mixture=*/true);
}

}  // namespace

constexpr Family kQwen3_5Moe{.model_type = "qwen3_5_moe",
                             .prompt_rule = processing::PromptRule::image_first,
                             .about = {.vision = "Qwen ViT with a table of positions",
                                       .language = "Qwen3.5 with experts",
                                       .compared = "float32, original, 4-bit",
                                       .repositories = "Qwen3.5-35B-A3B-4bit"},
                             .names = qwen3_5_names,
                             .build = build};

}  // namespace mlx_vision::models
