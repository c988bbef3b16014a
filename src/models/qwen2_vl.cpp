// Qwen2-VL (arXiv 2409.12191). Checkpoints: Qwen/Qwen2-VL-2B-Instruct,
// mlx-community/Qwen2-VL-2B-Instruct-4bit.
#include "backbones/text_decoders.h"
#include "models/qwen_vl.h"

namespace mlx_vision::models {
namespace {

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return build_qwen_vl(backbones::qwen2_vit(c.child("vision_config")),
                       backbones::qwen2_vl_text(qwen_vl_text_config(c)), c, w);
}

constexpr std::string_view kSpellings[] = {"QVQ"};

}  // namespace

constexpr Family kQwen2Vl{.model_type = "qwen2_vl",
                          .spellings = kSpellings,
                          .prompt_rule = processing::PromptRule::text_first,
                          .about = {.vision = "Qwen ViT, 2x2 patches merged",
                                    .language = "Qwen2 with multi-axis RoPE",
                                    .compared = "float32, original, 4-bit, 8-bit, mxfp4, shards",
                                    .repositories = "Qwen2-VL-2B-Instruct-4bit, Qwen2-VL-2B-Instruct-bf16"},
                          .names = qwen_vl_names,
                          .build = build};

}  // namespace mlx_vision::models
