#include "models/pixtral_vlm.h"

#include "backbones/pixtral_vit.h"
#include "backbones/text_decoders.h"
#include "models/decoder_only.h"
#include "models/llava_tower.h"
#include "models/shapes.h"
#include "models/tensors.h"

namespace mlx_vision::models {
namespace {

struct PixtralConfig {
  backbones::PixtralVitSpec vision;
  nn::DecoderSpec text;
  int image_token, merge;  ///< merge: patches on a side that become one row
  std::vector<int> layers;
  bool projector_bias, merges;
  nn::Activation activation;
};

PixtralConfig parse(const core::ConfigReader& c, const PixtralDefaults& d) {
  PixtralConfig out{.vision = backbones::pixtral_vit(c.child("vision_config")),
                    .text = backbones::text_decoder(c.child("text_config")),
                    .image_token = c.get_or("image_token_index", c.get_or("image_token_id", d.image_token)),
                    .merge = d.merges ? c.size_or("spatial_merge_size", 2, 1, 16) : 1,
                    .layers = {},
                    .projector_bias = c.get_or("multimodal_projector_bias", d.projector_bias),
                    .merges = d.merges,
                    .activation = nn::activation_or(c, "projector_hidden_act", "gelu")};
  out.layers = feature_layers(c, out.vision.layers, d.feature_layer);
  if (d.merges && out.layers.size() > 1)
    c.fail("vision_feature_layer", "expected one layer, got " + std::to_string(out.layers.size()));
  if (const auto strategy = c.get_or<std::string>("vision_feature_select_strategy", "full");
      strategy != "full")
    c.fail("vision_feature_select_strategy", "expected full: this tower has no class token, got " + strategy);
  c.ignore({"image_seq_length", "ignore_index", "pad_token_id", "vocab_size"});
  return out;
}

/// Norm, then each merge × merge block of patches to one row of the tower's width.
class PatchMerger {
 public:
  PatchMerger(const nn::Weights& w, const PixtralConfig& c)
      : merge_(c.merge),
        norm_(w["norm"], c.vision.hidden, c.text.norm_eps),
        map_(w["patch_merger"]["merging_layer"], c.vision.hidden * c.merge * c.merge, c.vision.hidden,
             false) {}

  // x [1, rows columns, width]; values of one channel stand together, as torch's unfold lays them out.
  mx::array operator()(const mx::array& x, int rows, int columns) const {
    const int m = merge_, width = x.shape(2);
    auto y = mx::reshape(norm_(x), {rows / m, m, columns / m, m, width});
    y = mx::transpose(y, {0, 2, 4, 1, 3});
    return map_(mx::reshape(y, {1, rows * columns / (m * m), width * m * m}));
  }

 private:
  int merge_;
  nn::RmsNorm norm_;
  nn::Linear map_;
};

class PixtralVlm final : public DecoderOnlyVlm {
 public:
  PixtralVlm(const PixtralConfig& c, const nn::Weights& w)
      : DecoderOnlyVlm(nn::Decoder(w["language_model"]["model"], w["language_model"]["lm_head"], c.text),
                       c.image_token),
        config_(c),
        vision_(w["vision_tower"]["vision_model"], c.vision),
        linear1_(w["multi_modal_projector"]["linear_1"], c.vision.hidden * int(c.layers.size()),
                 c.text.hidden, c.projector_bias),
        linear2_(w["multi_modal_projector"]["linear_2"], c.text.hidden, c.text.hidden, c.projector_bias) {
    if (c.merges) merger_.emplace(w["multi_modal_projector"], c);
  }

  mx::array encode(const processing::ImageInput& image) const override {
    const auto pixels = to_array(image.array("pixel_values"));
    auto h = vision_(pixels, config_.layers);
    if (merger_)
      h = (*merger_)(h, pixels.shape(2) / config_.vision.patch, pixels.shape(3) / config_.vision.patch);
    h = linear2_(nn::activate(config_.activation, linear1_(h)));
    return mx::astype(mx::flatten(h, 0, 1), decoder().embedding_dtype());
  }

 protected:
  memory::VisionShape vision_shape() const override {
    auto shape = models::vision_shape(config_.vision);
    shape.feature_layers = int(config_.layers.size());
    shape.merge = config_.merge * config_.merge;
    shape.merged_hidden = std::max(config_.text.hidden, config_.vision.hidden * shape.merge);
    return shape;
  }

 private:
  PixtralConfig config_;
  backbones::PixtralVit vision_;
  std::optional<PatchMerger> merger_;
  nn::Linear linear1_, linear2_;
};

}  // namespace

weights::NameMap pixtral_names(const core::ConfigReader&) {
  return {.renames = {{"model.language_model.", "language_model.model."},
                      {"vision_tower.vision_model.", "vision_tower.vision_model."},
                      {"model.vision_tower.", "vision_tower.vision_model."},
                      {"model.vision_encoder.", "vision_tower.vision_model."},
                      {"vision_tower.", "vision_tower.vision_model."},
                      {"vision_encoder.", "vision_tower.vision_model."},
                      {"model.multi_modal_projector.", "multi_modal_projector."},
                      {"model.vision_projection.", "multi_modal_projector."},
                      {"lm_head.", "language_model.lm_head."}},
          .ignored_suffixes = {".position_ids", ".rotary_emb.inv_freq"}};
}

std::unique_ptr<Model> build_pixtral(const core::ConfigReader& c, const weights::Weights& w,
                                     const PixtralDefaults& defaults) {
  auto config = parse(c, defaults);
  // transformers ties the two by default since 5.0, but never where the file has both.
  config.text.tied_head = backbones::tied_head(c, c.child("text_config"), w["language_model"]["lm_head"],
                                               /*by_default=*/defaults.merges);
  return std::make_unique<PixtralVlm>(config, w);
}

}  // namespace mlx_vision::models
