// Qwen3-VL (arXiv 2511.21631): learned and rotary positions in the tower, DeepStack, Qwen3. Checkpoints:
// Qwen/Qwen3-VL-4B-Instruct, mlx-community/Qwen3-VL-4B-Instruct-4bit.
#include "backbones/text_decoders.h"
#include "models/qwen_vl.h"

namespace mlx_vision::models {
namespace {

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return build_qwen_vl(backbones::qwen3_vit(c.child("vision_config")),
                       backbones::qwen3_vl_text(c.child("text_config"), /*mixture=*/false), c, w);
}

}  // namespace

constexpr Family kQwen3Vl{.model_type = "qwen3_vl",
                          .prompt_rule = processing::PromptRule::image_first,
                          .about = {.vision = "Qwen ViT with a table of positions, DeepStack",
                                    .language = "Qwen3 with interleaved multi-axis RoPE",
                                    .compared = "float32, original, 4-bit",
                                    .repositories = "Qwen3-VL-2B-Instruct-4bit, Qwen3-VL-8B-Instruct-8bit"},
                          .names = qwen_vl_names,
                          .build = build};

}  // namespace mlx_vision::models
