// LLaVA 1.5 and LLaVA-Interleave (arXiv 2310.03744, 2407.07895): CLIP or SigLIP tower, two-layer projector,
// Llama or Qwen2. Checkpoints: llava-hf/llava-1.5-7b-hf, llava-hf/llava-interleave-qwen-0.5b-hf and their
// mlx-community conversions.
#include "models/decoder_only.h"
#include "models/llava_tower.h"
#include "models/tensors.h"

namespace mlx_vision::models {
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

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return std::make_unique<Llava>(parse_llava(c, w), w);
}

}  // namespace

constexpr Family kLlava{.model_type = "llava",
                        .prompt_rule = processing::PromptRule::text_first,
                        .names = llava_names,
                        .build = build};

}  // namespace mlx_vision::models
