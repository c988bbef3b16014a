// FastVLM (arXiv 2412.13303): FastViTHD, a projector of two maps, Qwen2; a picture is one id in the prompt,
// and its rows take that place. Checkpoints: apple/FastVLM-0.5B, -1.5B, -7B and their mlx-community
// conversions.
#include "backbones/fast_vit.h"
#include "backbones/text_decoders.h"
#include "models/decoder_only.h"
#include "models/tensors.h"

namespace mlx_vision::models {
namespace {

struct FastVlmConfig {
  backbones::FastVitSpec vision;
  nn::DecoderSpec text;
  int image_token;

  static FastVlmConfig parse(const core::ConfigReader& c, const nn::Weights& w) {
    const auto text = backbones::text_fields(c);
    FastVlmConfig out{.vision = backbones::fast_vit(c.child_or_empty("vision_config")),
                      .text = backbones::text_decoder(text, "qwen2"),
                      .image_token = c.get_or("image_token_index", -200)};
    if (const auto type = c.get_or<std::string>("mm_projector_type", "mlp2x_gelu"); type != "mlp2x_gelu")
      c.fail("mm_projector_type", "expected mlp2x_gelu, got " + type);
    if (const int width = c.get_or("mm_hidden_size", out.vision.out()); width != out.vision.out())
      c.fail("mm_hidden_size",
             "expected twice the encoder's last width, " + std::to_string(out.vision.out()));
    out.text.tied_head = !w["language_model"]["lm_head"].has("weight");
    text.ignore({"tie_word_embeddings", "attention_bias"});
    c.ignore({"image_aspect_ratio", "image_grid_pinpoints", "mm_patch_merge_type", "mm_use_im_patch_token",
              "mm_use_im_start_end", "mm_vision_select_feature", "mm_vision_select_layer", "mm_vision_tower",
              "tokenizer_model_max_length", "tokenizer_padding_side", "unfreeze_mm_vision_tower",
              "use_mm_proj", "freeze_mm_mlp_adapter", "mm_projector_lr", "tune_mm_mlp_adapter",
              "tie_word_embeddings", "ignore_index", "auto_map"});
    return out;
  }
};

class FastVlm final : public DecoderOnlyVlm {
 public:
  FastVlm(const FastVlmConfig& c, const nn::Weights& w)
      : DecoderOnlyVlm(nn::Decoder(w["language_model"]["model"], w["language_model"]["lm_head"], c.text),
                       c.image_token),
        config_(c),
        vision_(w["vision_tower"], c.vision),
        linear1_(w["multi_modal_projector"]["linear_1"], c.vision.out(), c.text.hidden, true),
        linear2_(w["multi_modal_projector"]["linear_2"], c.text.hidden, c.text.hidden, true) {}

  mx::array encode(const processing::ImageInput& image) const override {
    const auto h = vision_(to_array(image.array("pixel_values")));
    const auto rows = linear2_(nn::activate(nn::Activation::gelu, linear1_(h)));
    return mx::astype(mx::flatten(rows, 0, 1), decoder().embedding_dtype());
  }

 protected:
  memory::VisionShape vision_shape() const override {
    const int last = config_.vision.widths.back();
    return {.blocks = {.layers = config_.vision.layers.back(),
                       .hidden = last,
                       .heads = last / 32,
                       .kv_heads = last / 32,
                       .head_dim = 32,
                       .mlp_hidden = last * config_.vision.ratios.back()},
            .patch_values = 3 * backbones::kFastVitStride * backbones::kFastVitStride,
            .convolved_values = config_.vision.most_values(),
            .convolved_pixels = 3 * std::int64_t(config_.vision.image) * config_.vision.image,
            .merged_hidden = std::max(config_.vision.out(), config_.text.hidden)};
  }

 private:
  FastVlmConfig config_;
  backbones::FastVit vision_;
  nn::Linear linear1_, linear2_;
};

weights::NameMap names(const core::ConfigReader&) {
  return {
      .renames = {{"model.vision_tower.vision_tower.model.patch_embed.", "vision_tower.patch_embed.blocks."},
                  {"model.vision_tower.vision_tower.model.", "vision_tower."},
                  {"vision_tower.vision_model.", "vision_tower."},
                  {"model.mm_projector.0.", "multi_modal_projector.linear_1."},
                  {"model.mm_projector.2.", "multi_modal_projector.linear_2."},
                  {"mm_projector.0.", "multi_modal_projector.linear_1."},
                  {"mm_projector.2.", "multi_modal_projector.linear_2."},
                  {"model.embed_tokens.", "language_model.model.embed_tokens."},
                  {"model.layers.", "language_model.model.layers."},
                  {"model.norm.", "language_model.model.norm."},
                  {"lm_head.", "language_model.lm_head."}},
      .ignored_suffixes = {".position_ids", ".rotary_emb.inv_freq", ".num_batches_tracked"}};
}

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return std::make_unique<FastVlm>(FastVlmConfig::parse(c, w), w);
}

constexpr std::string_view kAliases[] = {"llava_qwen2"};

}  // namespace

constexpr Family kFastVlm{.model_type = "fastvlm",
                          .aliases = kAliases,
                          .prompt_rule = processing::PromptRule::token_newline,
                          .about = {.vision = "FastViTHD",
                                    .language = "Qwen2",
                                    .compared = "float32, original, 4-bit",
                                    .repositories = "FastVLM-0.5B-bf16"},
                          .names = names,
                          .build = build};

}  // namespace mlx_vision::models
