#include "models/gemma4_vlm.h"

namespace mlx_vision::models {

Gemma4Text parse_gemma4_text(const core::ConfigReader& c, backbones::Gemma4Kind kind) {
  const auto text = c.child("text_config");
  const char* ways = kind == backbones::Gemma4Kind::unified ? "vision" : "";
  Gemma4Text out{.text = backbones::gemma4_text(text, kind),
                 .image_token = c.get_or("image_token_id", 258880),
                 .both_ways = text.get_or<std::string>("use_bidirectional_attention", ways) == "vision"};
  out.text.tied_head = c.get_or("tie_word_embeddings", text.get_or("tie_word_embeddings", true));
  c.ignore({"audio_config", "audio_token_id", "boa_token_id", "boa_token_index", "eoa_token_id",
            "eoa_token_index", "boi_token_id", "eoi_token_id", "video_token_id",
            "vision_soft_tokens_per_image", "vision_soft_tokens_per_video_frame",
            "audio_soft_tokens_per_image", "audio_ms_per_token", "vocab_size", "hidden_size",
            "ignore_index"});
  return out;
}

// transformers nests the embedder of the layout without an encoder, the released files do not.
weights::NameMap gemma4_names(const core::ConfigReader&) {
  return {.renames = {{"model.language_model.", "language_model.model."},
                      {"model.vision_tower.", "vision_tower."},
                      {"model.vision_embedder.", "vision_embedder."},
                      {"model.embed_vision.multimodal_embedder.", "embed_vision."},
                      {"model.embed_vision.patch_", "vision_embedder.patch_"},
                      {"model.embed_vision.pos_", "vision_embedder.pos_"},
                      {"model.embed_vision.", "embed_vision."},
                      {"model.audio_tower.", "audio_tower."},
                      {"model.embed_audio.", "embed_audio."},
                      {"lm_head.", "language_model.lm_head."}},
          .parts = {{"language_model.", ".experts.switch_glu.", ".switch_mlp."}},
          .ignored_suffixes = {".position_ids", ".rotary_emb.inv_freq"},
          .ignored_prefixes = {"audio_tower.", "embed_audio."}};
}

}  // namespace mlx_vision::models
