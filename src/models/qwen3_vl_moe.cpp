// Qwen3-VL with a mixture of experts (arXiv 2511.21631). Checkpoints: Qwen/Qwen3-VL-30B-A3B-Instruct,
// mlx-community/Qwen3-VL-30B-A3B-Instruct-4bit.
#include "backbones/text_decoders.h"
#include "models/qwen_vl.h"

namespace mlx_vision::models {
namespace {

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return build_qwen_vl(backbones::qwen3_vit(c.child("vision_config")),
                       backbones::qwen3_vl_text(c.child("text_config"), /*mixture=*/true), c, w);
}

}  // namespace

constexpr Family kQwen3VlMoe{.model_type = "qwen3_vl_moe",
                             .prompt_rule = processing::PromptRule::image_first,
                             .about = {.vision = "Qwen ViT with a table of positions, DeepStack",
                                       .language = "Qwen3 with experts",
                                       .compared = "float32, original, 4-bit",
                                       .repositories = "Qwen3-VL-30B-A3B-Instruct-4bit"},
                             .names = qwen_vl_names,
                             .build = build};

}  // namespace mlx_vision::models
