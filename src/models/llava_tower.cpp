#include "models/llava_tower.h"

#include "backbones/image_towers.h"
#include "backbones/text_decoders.h"
#include "models/decoder_only.h"
#include "models/shapes.h"
#include "models/tensors.h"

namespace mlx_vision::models {
namespace mx = mlx::core;

std::vector<int> feature_layers(const core::ConfigReader& c, int layers, int fallback) {
  const auto out = c.is_array("vision_feature_layer")
                       ? c.get<std::vector<int>>("vision_feature_layer")
                       : std::vector{c.get_or("vision_feature_layer", fallback)};
  for (const int layer : out)
    if (layer > layers || layer < -layers - 1)
      c.fail("vision_feature_layer",
             "the tower has " + std::to_string(layers) + " layers, got " + std::to_string(layer));
  if (out.empty()) c.fail("vision_feature_layer", "expected at least one layer");
  return out;
}

LlavaConfig parse_llava(const core::ConfigReader& c, const nn::Weights& w, const LlavaDefaults& defaults) {
  LlavaConfig out{
      .vision = backbones::image_tower(c.child("vision_config")),
      .text = backbones::text_decoder(c.child("text_config")),
      .image_token = c.get_or("image_token_index", c.get_or("image_token_id", defaults.image_token)),
      .feature_layers = {-2},
      .drop_class_token = true,
      .projector_bias = c.get_or("multimodal_projector_bias", true),
      .projector_activation = nn::activation_or(c, "projector_hidden_act", "gelu")};
  out.text.tied_head = backbones::tied_head(c, c.child("text_config"), w["language_model"]["lm_head"]);
  out.feature_layers = feature_layers(c, out.vision.layers, defaults.feature_layer);
  const auto strategy = c.get_or<std::string>("vision_feature_select_strategy", defaults.select_strategy);
  if (strategy != "default" && strategy != "full")
    c.fail("vision_feature_select_strategy", "expected default or full, got " + strategy);
  out.drop_class_token = strategy == "default";
  c.ignore({"image_seq_length", "ignore_index", "pad_token_id", "vocab_size"});
  return out;
}

// transformers >= 4.52 nests everything under "model."; mlx-community files do not.
weights::NameMap llava_names(const core::ConfigReader&) {
  return {.renames = {{"model.language_model.", "language_model.model."},
                      {"model.vision_tower.", "vision_tower."},
                      {"model.multi_modal_projector.", "multi_modal_projector."},
                      {"model.image_newline", "image_newline"},
                      {"lm_head.", "language_model.lm_head."}},
          .ignored_suffixes = {".position_ids", ".rotary_emb.inv_freq"}};
}

LlavaTower::LlavaTower(const LlavaConfig& c, const nn::Weights& w)
    : config_(c),
      vision_(w["vision_tower"]["vision_model"], c.vision, /*use_post_norm=*/false),
      linear1_(w["multi_modal_projector"]["linear_1"], c.vision.hidden * int(c.feature_layers.size()),
               c.text.hidden, c.projector_bias),
      linear2_(w["multi_modal_projector"]["linear_2"], c.text.hidden, c.text.hidden, c.projector_bias) {}

mx::array LlavaTower::operator()(const mx::array& pixels) const {
  auto h = mx::concatenate(vision_.states(pixels, config_.feature_layers), -1);
  if (config_.drop_class_token) h = mx::slice(h, {0, 1, 0}, h.shape());
  return linear2_(nn::activate(config_.projector_activation, linear1_(h)));
}

memory::VisionShape LlavaTower::shape() const {
  auto shape = vision_shape(config_.vision);
  shape.feature_layers = int(config_.feature_layers.size());
  shape.merged_hidden = config_.text.hidden;
  return shape;
}

namespace {

class Llava final : public DecoderOnlyVlm {
 public:
  Llava(const LlavaConfig& c, const nn::Weights& w)
      : DecoderOnlyVlm(nn::Decoder(w["language_model"]["model"], w["language_model"]["lm_head"], c.text),
                       c.image_token),
        tower_(c, w) {}

  mx::array encode(const processing::ImageInput& image) const override {
    const auto h = tower_(to_array(image.array("pixel_values")));
    // The reference writes the rows into the embedded prompt, in that array's type.
    return mx::astype(mx::flatten(h, 0, 1), decoder().embedding_dtype());
  }

 protected:
  memory::VisionShape vision_shape() const override { return tower_.shape(); }

 private:
  LlavaTower tower_;
};

}  // namespace

std::unique_ptr<Model> build_llava(const LlavaConfig& config, const nn::Weights& w) {
  return std::make_unique<Llava>(config, w);
}

}  // namespace mlx_vision::models
