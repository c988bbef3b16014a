// InternVL 2.5, 3 and 3.5 as transformers has them (arXiv 2412.05271, 2504.10479): InternViT, merged patches,
// Qwen2, Qwen3, its experts or Llama. Checkpoints: OpenGVLab/InternVL3-1B-hf,
// OpenGVLab/InternVL3_5-30B-A3B-HF.
#include "backbones/text_decoders.h"
#include "models/intern_vl.h"
#include "models/llava_tower.h"

namespace mlx_vision::models {
namespace {

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  const auto text = c.child("text_config");
  InternVlConfig out{.vision = backbones::intern_vit(c.child("vision_config")),
                     .text = backbones::text_decoder(text),
                     .image_token = c.get_or("image_token_id", 151667),
                     .merge = 1,
                     .activation = nn::activation_or(c, "projector_hidden_act", "gelu")};
  out.merge = read_merge(c, out.vision);
  out.text.tied_head = backbones::tied_head(c, text, w["language_model"]["lm_head"], /*by_default=*/true);
  if (feature_layers(c, out.vision.layers, -1) != std::vector{-1})
    c.fail("vision_feature_layer", "expected -1, the last block");
  if (const auto strategy = c.get_or<std::string>("vision_feature_select_strategy", "default");
      strategy != "default")
    c.fail("vision_feature_select_strategy", "expected default, got " + strategy);
  c.ignore({"image_seq_length", "vocab_size"});
  return build_intern_vl(out, w);
}

}  // namespace

constexpr Family kInternVl{.model_type = "internvl",
                           .prompt_rule = processing::PromptRule::image_first,
                           .about = {.vision = "InternViT, 2x2 patches merged",
                                     .language = "Qwen2, Qwen3, its experts, Llama",
                                     .compared = "float32, original, 4-bit",
                                     .repositories = "InternVL3_5-1B-4bit, InternVL3_5-30B-A3B-4bit"},
                           .names = llava_names,
                           .build = build};

}  // namespace mlx_vision::models
