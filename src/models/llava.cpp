// LLaVA 1.5 and LLaVA-Interleave (arXiv 2310.03744, 2407.07895): CLIP or SigLIP tower, two-layer projector,
// Llama or Qwen2. Checkpoints: llava-hf/llava-1.5-7b-hf, llava-hf/llava-interleave-qwen-0.5b-hf and their
// mlx-community conversions.
#include "backbones/image_towers.h"
#include "backbones/text_decoders.h"
#include "models/decoder_only.h"
#include "models/shapes.h"
#include "models/tensors.h"

namespace mlx_vision::models {
namespace {

struct LlavaConfig {
  nn::VitSpec vision;
  nn::DecoderSpec text;
  int image_token;
  std::vector<int> feature_layers;
  bool drop_class_token, projector_bias;
  nn::Activation projector_activation;

  static LlavaConfig parse(const core::ConfigReader& c, const nn::Weights& w) {
    LlavaConfig out{.vision = backbones::image_tower(c.child("vision_config")),
                    .text = backbones::text_decoder(c.child("text_config")),
                    .image_token = c.get_or("image_token_index", c.get_or("image_token_id", 32000)),
                    .feature_layers = {-2},
                    .drop_class_token = true,
                    .projector_bias = c.get_or("multimodal_projector_bias", true),
                    .projector_activation = nn::activation_or(c, "projector_hidden_act", "gelu")};
    out.text.tied_head = backbones::tied_head(c, c.child("text_config"), w["language_model"]["lm_head"]);
    if (c.is_array("vision_feature_layer"))
      out.feature_layers = c.get<std::vector<int>>("vision_feature_layer");
    else
      out.feature_layers = {c.get_or("vision_feature_layer", -2)};
    for (const int layer : out.feature_layers)
      if (layer > out.vision.layers || layer < -out.vision.layers - 1)
        c.fail("vision_feature_layer", "the tower has " + std::to_string(out.vision.layers) +
                                           " layers, got " + std::to_string(layer));
    if (out.feature_layers.empty()) c.fail("vision_feature_layer", "expected at least one layer");
    const auto strategy = c.get_or<std::string>("vision_feature_select_strategy", "default");
    if (strategy != "default" && strategy != "full")
      c.fail("vision_feature_select_strategy", "expected default or full, got " + strategy);
    out.drop_class_token = strategy == "default";
    c.ignore({"image_seq_length", "ignore_index", "pad_token_id", "vocab_size"});
    return out;
  }
};

class Llava final : public DecoderOnlyVlm {
 public:
  Llava(const LlavaConfig& c, const nn::Weights& w)
      : DecoderOnlyVlm(nn::Decoder(w["language_model"]["model"], w["language_model"]["lm_head"], c.text),
                       c.image_token),
        config_(c),
        vision_(w["vision_tower"]["vision_model"], c.vision, /*use_post_norm=*/false),
        linear1_(w["multi_modal_projector"]["linear_1"], c.vision.hidden * int(c.feature_layers.size()),
                 c.text.hidden, c.projector_bias),
        linear2_(w["multi_modal_projector"]["linear_2"], c.text.hidden, c.text.hidden, c.projector_bias) {}

  mx::array encode(const processing::ImageInput& image) const override {
    auto h =
        mx::concatenate(vision_.states(to_array(image.array("pixel_values")), config_.feature_layers), -1);
    if (config_.drop_class_token) h = mx::slice(h, {0, 1, 0}, h.shape());
    h = linear2_(nn::activate(config_.projector_activation, linear1_(h)));
    // The reference writes the rows into the embedded prompt, in that array's type.
    return mx::astype(mx::flatten(h, 0, 1), decoder().embedding_dtype());
  }

 protected:
  memory::VisionShape vision_shape() const override {
    auto shape = models::vision_shape(config_.vision);
    shape.feature_layers = int(config_.feature_layers.size());
    shape.merged_hidden = decoder().spec().hidden;
    return shape;
  }

 private:
  LlavaConfig config_;
  nn::Vit vision_;
  nn::Linear linear1_, linear2_;
};

// transformers >= 4.52 nests everything under "model."; mlx-community files do not.
weights::NameMap names(const core::ConfigReader&) {
  return {.renames = {{"model.language_model.", "language_model.model."},
                      {"model.vision_tower.", "vision_tower."},
                      {"model.multi_modal_projector.", "multi_modal_projector."},
                      {"lm_head.", "language_model.lm_head."}},
          .ignored_suffixes = {".position_ids", ".rotary_emb.inv_freq"}};
}

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return std::make_unique<Llava>(LlavaConfig::parse(c, w), w);
}

}  // namespace

constexpr Family kLlava{
    .model_type = "llava", .prompt_rule = processing::PromptRule::text_first, .names = names, .build = build};

}  // namespace mlx_vision::models
