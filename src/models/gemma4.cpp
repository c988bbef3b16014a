// Gemma 4: its own encoder for pictures of any shape, pooled rows, a decoder whose last layers share keys,
// with embeddings for each layer where the file has them. Checkpoints: google/gemma-4-E2B-it, -E4B-it,
// -26B-A4B-it, -31B-it and their mlx-community conversions.
#include "backbones/gemma4_vit.h"
#include "models/gemma4_vlm.h"
#include "models/shapes.h"
#include "models/tensors.h"

namespace mlx_vision::models {
namespace {

class Gemma4 final : public Gemma4Vlm {
 public:
  Gemma4(const Gemma4Text& text, const backbones::Gemma4VitSpec& vision, const nn::Weights& w)
      : Gemma4Vlm(text, w),
        spec_(vision),
        vision_(w["vision_tower"], vision),
        projection_(w["embed_vision"]["embedding_projection"], vision.hidden, text.text.hidden, false) {}

  // The patches that fill the array up are no part of the picture.
  mx::array encode(const processing::ImageInput& image) const override {
    const auto& places = image.array("image_position_ids").ints;  // [1, most, 2]: column, row
    backbones::PatchRows grid{0, 0};
    for (std::size_t i = 0; i + 1 < places.size(); i += 2) {
      grid.columns = std::max(grid.columns, int(places[i]) + 1);
      grid.rows = std::max(grid.rows, int(places[i + 1]) + 1);
    }
    const auto all = mx::squeeze(to_array(image.array("pixel_values")), 0);
    const auto rows = vision_(mx::slice(all, {0, 0}, {grid.rows * grid.columns, all.shape(1)}), grid);
    return mx::astype(projection_(nn::rms_normed(rows, spec_.norm_eps)), decoder().embedding_dtype());
  }

 protected:
  memory::VisionShape vision_shape() const override {
    auto shape = models::vision_shape(spec_);
    shape.merged_hidden = std::max(spec_.hidden, decoder().spec().hidden);
    shape.unparted = unparted(kMostRows);
    return shape;
  }

 private:
  static constexpr int kMostRows = 1120;  // of a picture, by its processor

  backbones::Gemma4VitSpec spec_;
  backbones::Gemma4Vit vision_;
  nn::Linear projection_;
};

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return std::make_unique<Gemma4>(parse_gemma4_text(c, backbones::Gemma4Kind::with_encoder),
                                  backbones::gemma4_vit(c.child("vision_config")), w);
}

}  // namespace

constexpr Family kGemma4{.model_type = "gemma4",
                         .prompt_rule = processing::PromptRule::image_first,
                         .about = {.vision = "its own ViT, mean of 3x3 patches",
                                   .language = "Gemma 4, its experts",
                                   .compared = "float32, original, 4-bit",
                                   .repositories = "gemma-4-e2b-it-4bit, gemma-4-26b-a4b-it-4bit"},
                         .names = gemma4_names,
                         .build = build};

}  // namespace mlx_vision::models
