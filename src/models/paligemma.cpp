// PaliGemma and PaliGemma 2 (arXiv 2407.07726, 2412.03555): SigLIP, one map, Gemma or Gemma 2 that reads the
// whole prompt both ways. Checkpoints: google/paligemma-3b-mix-448, mlx-community/paligemma2-3b-mix-224-bf16.
#include <array>
#include <limits>

#include "backbones/gemma_decoders.h"
#include "backbones/image_towers.h"
#include "models/decoder_only.h"
#include "models/llava_tower.h"
#include "models/shapes.h"
#include "models/tensors.h"

namespace mlx_vision::models {
namespace {

struct PaliGemmaConfig {
  nn::VitSpec vision;
  nn::DecoderSpec text;
  int image_token;

  static PaliGemmaConfig parse(const core::ConfigReader& c) {
    PaliGemmaConfig out{.vision = backbones::siglip(c.child("vision_config")),
                        .text = backbones::paligemma_text(c.child("text_config")),
                        .image_token = c.get_or("image_token_index", c.get_or("image_token_id", 256000))};
    out.text.tied_head =
        c.get_or("tie_word_embeddings", c.child("text_config").get_or("tie_word_embeddings", true));
    c.ignore({"projection_dim", "hidden_size", "vocab_size", "pad_token_id", "bos_token_id", "eos_token_id",
              "ignore_index"});
    c.child("vision_config").ignore({"num_image_tokens", "projection_dim"});
    return out;
  }
};

class PaliGemma final : public DecoderOnlyVlm {
 public:
  PaliGemma(const PaliGemmaConfig& c, const nn::Weights& w)
      : DecoderOnlyVlm(nn::Decoder(w["language_model"]["model"], w["language_model"]["lm_head"], c.text),
                       c.image_token),
        config_(c),
        vision_(w["vision_tower"]["vision_model"], c.vision, /*use_post_norm=*/true),
        projection_(w["multi_modal_projector"]["linear"], c.vision.hidden, c.text.hidden, true) {}

  mx::array encode(const processing::ImageInput& image) const override {
    const std::array last{config_.vision.layers};
    const auto h = vision_.post_norm(vision_.states(to_array(image.array("pixel_values")), last)[0]);
    return mx::flatten(projection_(h), 0, 1);
  }

 protected:
  memory::VisionShape vision_shape() const override {
    auto shape = models::vision_shape(config_.vision);
    shape.merged_hidden = config_.text.hidden;
    shape.unparted = std::numeric_limits<int>::max();
    return shape;
  }

  std::vector<nn::MutualRows> mutual_rows(std::span<const std::int32_t> ids) const override {
    return {{0, int(ids.size())}};
  }

 private:
  PaliGemmaConfig config_;
  nn::Vit vision_;
  nn::Linear projection_;
};

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return std::make_unique<PaliGemma>(PaliGemmaConfig::parse(c), w);
}

}  // namespace

constexpr Family kPaliGemma{
    .model_type = "paligemma",
    .prompt_rule = processing::PromptRule::glued,
    .about = {.vision = "SigLIP",
              .language = "Gemma, Gemma 2: the prompt read both ways",
              .compared = "float32, original, 4-bit",
              .repositories = "paligemma-3b-mix-224-8bit, paligemma2-3b-ft-docci-448-bf16"},
    .names = llava_names,
    .build = build};

}  // namespace mlx_vision::models
