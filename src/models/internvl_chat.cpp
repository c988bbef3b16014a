// InternVL 2, 2.5 and 3 in OpenGVLab's own layout (arXiv 2404.16821, 2412.05271, 2504.10479): InternViT,
// merged patches, InternLM2, Qwen2, Qwen3, its experts or Llama. Checkpoints: OpenGVLab/InternVL3-1B,
// mlx-community/InternVL3-2B-4bit.
#include "backbones/text_decoders.h"
#include "models/intern_vl.h"

namespace mlx_vision::models {
namespace {

weights::NameMap names(const core::ConfigReader&) {
  return {.renames = {{"vision_model.embeddings.class_embedding", "vision_tower.embeddings.cls_token"},
                      {"vision_model.embeddings.position_embedding",
                       "vision_tower.embeddings.position_embeddings"},
                      {"vision_model.embeddings.patch_embedding.",
                       "vision_tower.embeddings.patch_embeddings.projection."},
                      {"vision_model.encoder.layers.", "vision_tower.encoder.layer."},
                      {"language_model.model.tok_embeddings.", "language_model.model.embed_tokens."},
                      {"language_model.output.", "language_model.lm_head."},
                      {"mlp1.0.", "multi_modal_projector.layer_norm."},
                      {"mlp1.1.", "multi_modal_projector.linear_1."},
                      {"mlp1.3.", "multi_modal_projector.linear_2."}},
          .parts = {{"vision_tower.", ".attn.proj.", ".attention.projection_layer."},
                    {"vision_tower.", ".attn.", ".attention."},
                    {"vision_tower.", ".norm1.", ".layernorm_before."},
                    {"vision_tower.", ".norm2.", ".layernorm_after."},
                    {"vision_tower.", ".ls1", ".lambda_1"},
                    {"vision_tower.", ".ls2", ".lambda_2"},
                    {"language_model.", ".attention.wo.", ".self_attn.o_proj."},
                    {"language_model.", ".attention.", ".self_attn."},
                    {"language_model.", ".feed_forward.w1.", ".mlp.gate_proj."},
                    {"language_model.", ".feed_forward.w2.", ".mlp.down_proj."},
                    {"language_model.", ".feed_forward.w3.", ".mlp.up_proj."},
                    {"language_model.", ".attention_norm.", ".input_layernorm."},
                    {"language_model.", ".ffn_norm.", ".post_attention_layernorm."}},
          .ignored_suffixes = {".position_ids", ".rotary_emb.inv_freq"}};
}

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  const auto text = c.child(c.has("llm_config") ? "llm_config" : "text_config");
  InternVlConfig out{.vision = backbones::intern_vit_original(c.child("vision_config")),
                     .text = backbones::text_decoder(text),
                     .image_token = c.get_or("image_token_index", 151667),
                     .merge = 1};
  out.merge = read_merge(c, out.vision);
  out.text.tied_head = backbones::tied_head(c, text, w["language_model"]["lm_head"]);
  if (const int layer = c.get_or("select_layer", -1); layer != -1)
    c.fail("select_layer", "expected -1, the last block, got " + std::to_string(layer));
  if (const auto version = c.get_or<std::string>("ps_version", "v2"); version != "v2")
    c.fail("ps_version", "expected v2, got " + version);
  c.ignore({"auto_map", "dynamic_image_size", "template", "pad2square", "hidden_size", "use_thumbnail",
            "min_dynamic_patch", "max_dynamic_patch", "force_image_size", "use_backbone_lora", "use_llm_lora",
            "system_message", "output_attentions", "tie_word_embeddings", "vocab_size"});
  return build_intern_vl(out, w);
}

// mlx-vlm's prompt for this layout; what a message says follows its images.
constexpr std::string_view kTemplate =
    R"({% for m in messages %}{{ m.role | capitalize }}: {% if m.content is string %}{{ m.content }}{% else %})"
    R"({% for p in m.content if p.type == 'image' %}{{ '<image>\n' }}{% endfor %})"
    R"({% for p in m.content if p.type == 'text' %}{{ p.text }}{% endfor %}{% endif %}{{ '\n' }}{% endfor %})"
    R"({% if add_generation_prompt %}{{ 'Assistant:\n' }}{% endif %})";

}  // namespace

constexpr Family kInternVlChat{.model_type = "internvl_chat",
                               .prompt_rule = processing::PromptRule::image_first,
                               .image_token = "<IMG_CONTEXT>",
                               .chat_template = kTemplate,
                               .about = {.vision = "InternViT with fused maps, 2x2 patches merged",
                                         .language = "InternLM2, Qwen2, Qwen3, its experts, Llama",
                                         .compared = "float32, original, 4-bit",
                                         .repositories = "InternVL3-8B-bf16, InternVL3-14B-8bit"},
                               .names = names,
                               .build = build};

}  // namespace mlx_vision::models
