// LFM2-VL (arXiv 2511.23404): SigLIP 2 on pictures of any shape, merged patches, LFM2. Checkpoints:
// LiquidAI/LFM2-VL-450M, LFM2-VL-1.6B, LFM2.5-VL-1.6B and their mlx-community conversions.
#include <array>

#include "backbones/image_towers.h"
#include "backbones/merge_projector.h"
#include "backbones/text_decoders.h"
#include "models/decoder_only.h"
#include "models/shapes.h"
#include "models/tensors.h"

namespace mlx_vision::models {
namespace {

struct Lfm2VlConfig {
  nn::VitSpec vision;
  nn::DecoderSpec text;
  backbones::MergeProjectorSpec projector;
  int image_token;

  static Lfm2VlConfig parse(const core::ConfigReader& c, const nn::Weights& w) {
    Lfm2VlConfig out{.vision = backbones::siglip2_naflex(c.child("vision_config")),
                     .text = backbones::lfm2_text(c.child("text_config")),
                     .projector = {},
                     .image_token = c.get_or("image_token_id", c.get_or("image_token_index", 396))};
    out.projector = {.width = out.vision.hidden,
                     .merge = c.size_or("downsample_factor", 2, 1, 16),
                     .hidden = c.size_or("projector_hidden_size", 2560, 1, 1 << 20),
                     .out = out.text.hidden,
                     .norm = c.get_or("projector_use_layernorm", true),
                     .bias = c.get_or("projector_bias", true),
                     .activation = nn::activation_or(c, "projector_hidden_act", "gelu")};
    out.text.tied_head = !w["language_model"]["lm_head"].has("weight");
    c.ignore({"do_image_splitting", "encoder_patch_size", "max_image_tokens", "max_num_patches",
              "max_pixels_tolerance", "max_tiles", "min_image_tokens", "min_tiles", "tile_size",
              "use_image_special_tokens", "use_thumbnail", "vision_feature_layer", "tie_word_embeddings",
              "tie_embedding"});
    c.child("text_config").ignore({"tie_word_embeddings", "tie_embedding"});
    return out;
  }
};

class Lfm2Vl final : public DecoderOnlyVlm {
 public:
  Lfm2Vl(const Lfm2VlConfig& c, const nn::Weights& w)
      : DecoderOnlyVlm(nn::Decoder(w["language_model"]["model"], w["language_model"]["lm_head"], c.text),
                       c.image_token),
        config_(c),
        vision_(w["vision_tower"], c.vision, /*use_post_norm=*/true),
        projector_(w["multi_modal_projector"], c.projector) {}

  // Views of one shape go together, and without the patches that fill them up, which no other sees.
  mx::array encode(const processing::ImageInput& image) const override {
    const auto pixels = to_array(image.array("pixel_values"));
    const auto& shapes = image.array("spatial_shapes").ints;
    const int views = pixels.shape(0);
    std::vector<mx::array> rows;
    for (int from = 0, to = 1; from < views; from = to++) {
      while (to < views && std::equal(&shapes[2 * from], &shapes[2 * from] + 2, &shapes[2 * to])) ++to;
      rows.push_back(encode_views(mx::slice(pixels, {from, 0, 0}, {to, pixels.shape(1), pixels.shape(2)}),
                                  int(shapes[2 * from]), int(shapes[2 * from + 1])));
    }
    return mx::astype(nn::joined(std::move(rows), 0), decoder().embedding_dtype());
  }

 protected:
  memory::VisionShape vision_shape() const override {
    auto shape = models::vision_shape(config_.vision);
    shape.merge = config_.projector.merge * config_.projector.merge;
    shape.merged_hidden = std::max(config_.projector.merged(), config_.projector.hidden);
    return shape;
  }

 private:
  mx::array encode_views(const mx::array& patches, int height, int width) const {
    const std::array last{config_.vision.layers};
    const auto real = mx::slice(patches, {0, 0, 0}, {patches.shape(0), height * width, patches.shape(2)});
    const auto positions = backbones::resized_positions(vision_.position_table(), height, width);
    const auto h = vision_.post_norm(vision_.states_of_patches(real, positions, last)[0]);
    return mx::flatten(projector_(h, height, width), 0, 1);
  }

  Lfm2VlConfig config_;
  nn::Vit vision_;
  backbones::MergeProjector projector_;
};

weights::NameMap names(const core::ConfigReader&) {
  return {.renames = {{"model.vision_tower.vision_model.", "vision_tower."},
                      {"model.vision_tower.", "vision_tower."},
                      {"vision_tower.vision_model.", "vision_tower."},
                      {"model.multi_modal_projector.", "multi_modal_projector."},
                      {"model.language_model.", "language_model.model."},
                      {"lm_head.", "language_model.lm_head."}},
          .parts = {{"language_model.", ".feed_forward.w1.", ".mlp.gate_proj."},
                    {"language_model.", ".feed_forward.w2.", ".mlp.down_proj."},
                    {"language_model.", ".feed_forward.w3.", ".mlp.up_proj."},
                    {"language_model.", ".operator_norm.", ".input_layernorm."},
                    {"language_model.", ".ffn_norm.", ".post_attention_layernorm."},
                    {"language_model.", ".embedding_norm.", ".norm."},
                    {"language_model.", ".self_attn.out_proj.", ".self_attn.o_proj."},
                    {"language_model.", ".q_layernorm.", ".q_norm."},
                    {"language_model.", ".k_layernorm.", ".k_norm."}},
          .ignored_suffixes = {".position_ids", ".rotary_emb.inv_freq"}};
}

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return std::make_unique<Lfm2Vl>(Lfm2VlConfig::parse(c, w), w);
}

constexpr std::string_view kAliases[] = {"lfm2-vl"};

}  // namespace

constexpr Family kLfm2Vl{.model_type = "lfm2_vl",
                         .aliases = kAliases,
                         .prompt_rule = processing::PromptRule::image_first,
                         .about = {.vision = "SigLIP 2, resized positions, 2x2 patches merged",
                                   .language = "LFM2",
                                   .compared = "float32, original, 4-bit",
                                   .repositories = "LFM2-VL-1.6B-8bit, LFM2.5-VL-1.6B-4bit"},
                         .names = names,
                         .build = build};

}  // namespace mlx_vision::models
