// Bunny and nanoLLaVA (arXiv 2402.11530): SigLIP's last block, a projector of two maps, Qwen2 or Llama; a
// picture is one id in the prompt, and its rows take that place. Checkpoints: qnguyen3/nanoLLaVA,
// nanoLLaVA-1.5, BAAI/Bunny-Llama-3-8B-V and their mlx-community conversions.
#include "backbones/image_towers.h"
#include "backbones/text_decoders.h"
#include "models/llava_tower.h"

namespace mlx_vision::models {
namespace {

LlavaConfig parse(const core::ConfigReader& c, const nn::Weights& w) {
  const auto text = backbones::text_fields(c);
  const bool llama = c.get<std::string>("model_type") == "bunny-llama";
  if (const auto type = c.get_or<std::string>("mm_projector_type", "mlp2x_gelu"); type != "mlp2x_gelu")
    c.fail("mm_projector_type", "expected mlp2x_gelu, got " + type);
  LlavaConfig out{.vision = backbones::siglip_so400m(c.child_or_empty("vision_config")),
                  .text = backbones::text_decoder(text, llama ? "llama" : "qwen2"),
                  .image_token = c.get_or("image_token_index", -200),
                  .feature_layers = {-1},
                  .drop_class_token = false,
                  .projector_bias = true,
                  .projector_activation = nn::Activation::gelu};
  // Files that tie the two may hold both, and then they are equal.
  out.text.tied_head = !w["language_model"]["lm_head"].has("weight");
  text.ignore({"tie_word_embeddings", "attention_bias"});
  c.ignore({"auto_map", "image_aspect_ratio", "mm_hidden_size", "mm_vision_tower", "mm_projector_lr",
            "freeze_mm_mlp_adapter", "freeze_vision_tower", "tune_mm_mlp_adapter", "use_mm_proj",
            "unfreeze_vision_tower", "use_s2", "ignore_index", "tokenizer_model_max_length",
            "tokenizer_padding_side", "tie_word_embeddings", "continuous_training"});
  return out;
}

weights::NameMap names(const core::ConfigReader&) {
  return {.renames = {{"model.vision_tower.vision_tower.", "vision_tower."},
                      {"vision_tower.vision_tower.", "vision_tower."},
                      {"model.mm_projector.0.", "multi_modal_projector.linear_1."},
                      {"model.mm_projector.2.", "multi_modal_projector.linear_2."},
                      {"mm_projector.", "multi_modal_projector."},
                      {"model.embed_tokens.", "language_model.model.embed_tokens."},
                      {"model.layers.", "language_model.model.layers."},
                      {"model.norm.", "language_model.model.norm."},
                      {"language_model.model.lm_head.", "language_model.lm_head."},
                      {"lm_head.", "language_model.lm_head."}},
          .ignored_suffixes = {".position_ids", ".rotary_emb.inv_freq"}};
}

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return build_llava(parse(c, w), w);
}

constexpr std::string_view kAliases[] = {"llava-qwen2", "bunny-llama"};

}  // namespace

constexpr Family kLlavaBunny{.model_type = "llava_bunny",
                             .aliases = kAliases,
                             .prompt_rule = processing::PromptRule::token_newline,
                             .about = {.vision = "SigLIP",
                                       .language = "Qwen2, Llama",
                                       .compared = "float32, original, 4-bit",
                                       .repositories = "nanoLLaVA-1.5-4bit, Bunny-Llama-3-8B-V-4bit"},
                             .names = names,
                             .build = build};

}  // namespace mlx_vision::models
