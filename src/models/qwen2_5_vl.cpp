// Qwen2.5-VL (arXiv 2502.13923). Checkpoints: Qwen/Qwen2.5-VL-3B-Instruct,
// mlx-community/Qwen2.5-VL-3B-Instruct-4bit.
#include "backbones/text_decoders.h"
#include "models/qwen_vl.h"

namespace mlx_vision::models {
namespace {

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return build_qwen_vl(backbones::qwen2_5_vit(c.child("vision_config")),
                       backbones::qwen2_vl_text(qwen_vl_text_config(c)), c, w);
}

}  // namespace

constexpr Family kQwen2_5Vl{
    .model_type = "qwen2_5_vl",
    .prompt_rule = processing::PromptRule::image_first,
    .about = {.vision = "Qwen ViT with windows, 2x2 patches merged",
              .language = "Qwen2 with multi-axis RoPE",
              .compared = "float32, original, 4-bit",
              .repositories = "Qwen2.5-VL-3B-Instruct-4bit, Qwen2.5-VL-32B-Instruct-8bit"},
    .names = qwen_vl_names,
    .build = build};

}  // namespace mlx_vision::models
