// Gemma 3 (arXiv 2503.19786): SigLIP of a fixed square, pooled rows that see each other both ways, Gemma 3.
// Checkpoints: google/gemma-3-4b-it, mlx-community/gemma-3-4b-it-4bit.
#include <array>
#include <cmath>

#include "backbones/gemma_decoders.h"
#include "backbones/image_towers.h"
#include "models/decoder_only.h"
#include "models/llava_tower.h"
#include "models/shapes.h"
#include "models/tensors.h"

namespace mlx_vision::models {
namespace {

struct Gemma3Config {
  nn::VitSpec vision;
  nn::DecoderSpec text;
  int image_token, pool;  ///< pool: patches on a side that become one row

  static Gemma3Config parse(const core::ConfigReader& c) {
    Gemma3Config out{.vision = backbones::siglip(c.child("vision_config")),
                     .text = backbones::gemma3_text(c.child("text_config")),
                     .image_token = c.get_or("image_token_index", c.get_or("image_token_id", 262144)),
                     .pool = 1};
    out.text.tied_head =
        c.get_or("tie_word_embeddings", c.child("text_config").get_or("tie_word_embeddings", true));
    const int rows = c.size_or("mm_tokens_per_image", 256, 1, 1 << 20);
    const int side = int(std::lround(std::sqrt(double(rows)))), patches = out.vision.image / out.vision.patch;
    if (side * side != rows || side > patches || patches % side != 0)
      c.fail("mm_tokens_per_image", "expected a square whose side divides " + std::to_string(patches) +
                                        " patches, got " + std::to_string(rows));
    out.pool = patches / side;
    c.ignore({"boi_token_index", "eoi_token_index", "pad_token_id", "vocab_size", "initializer_range"});
    return out;
  }
};

class Gemma3 final : public DecoderOnlyVlm {
 public:
  Gemma3(const Gemma3Config& c, const nn::Weights& w)
      : DecoderOnlyVlm(nn::Decoder(w["language_model"]["model"], w["language_model"]["lm_head"], c.text),
                       c.image_token),
        config_(c),
        vision_(w["vision_tower"]["vision_model"], c.vision, /*use_post_norm=*/true),
        norm_(w["multi_modal_projector"]["mm_soft_emb_norm"], c.vision.hidden, c.vision.norm_eps, 1),
        projection_(w["multi_modal_projector"].require("mm_input_projection_weight",
                                                       {c.vision.hidden, c.text.hidden})) {}

  mx::array encode(const processing::ImageInput& image) const override {
    const std::array last{config_.vision.layers};
    const auto h = vision_.post_norm(vision_.states(to_array(image.array("pixel_values")), last)[0]);
    return mx::flatten(mx::matmul(norm_(pooled(h)), projection_), 0, 1);
  }

 protected:
  memory::VisionShape vision_shape() const override {
    auto shape = models::vision_shape(config_.vision);
    shape.merge = config_.pool * config_.pool;
    shape.merged_hidden = config_.text.hidden;
    const int side = config_.vision.image / config_.vision.patch / config_.pool;
    shape.unparted = side * side;
    return shape;
  }

  // Rows of a picture see each other, as transformers has it.
  std::vector<nn::MutualRows> mutual_rows(std::span<const std::int32_t> ids) const override {
    return runs_of(ids, config_.image_token);
  }

 private:
  // Each pool × pool block of patches to its mean, [n, patches, w] → [n, rows, w].
  mx::array pooled(const mx::array& x) const {
    const int n = x.shape(0), width = x.shape(2), p = config_.pool;
    const int side = config_.vision.image / config_.vision.patch / p;
    const auto blocks = mx::reshape(x, {n, side, p, side, p, width});
    return mx::reshape(mx::mean(blocks, std::vector<int>{2, 4}), {n, side * side, width});
  }

  Gemma3Config config_;
  nn::Vit vision_;
  nn::RmsNorm norm_;
  mx::array projection_;
};

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return std::make_unique<Gemma3>(Gemma3Config::parse(c), w);
}

}  // namespace

constexpr Family kGemma3{.model_type = "gemma3",
                         .prompt_rule = processing::PromptRule::text_first,
                         .about = {.vision = "SigLIP, mean of 4x4 patches",
                                   .language = "Gemma 3: windows, pictures read both ways",
                                   .compared = "float32, original, 4-bit",
                                   .repositories = "gemma-3-4b-it-4bit, gemma-3-12b-it-4bit"},
                         .names = llava_names,
                         .build = build};

}  // namespace mlx_vision::models
