#include "models/intern_vl.h"

#include <cmath>

#include "backbones/merge_projector.h"
#include "models/decoder_only.h"
#include "models/shapes.h"
#include "models/tensors.h"

namespace mlx_vision::models {
namespace {

class InternVl final : public DecoderOnlyVlm {
 public:
  InternVl(const InternVlConfig& c, const nn::Weights& w)
      : DecoderOnlyVlm(nn::Decoder(w["language_model"]["model"], w["language_model"]["lm_head"], c.text),
                       c.image_token),
        config_(c),
        vision_(w["vision_tower"], c.vision),
        projector_(w["multi_modal_projector"], {.width = c.vision.hidden,
                                                .merge = c.merge,
                                                .hidden = c.text.hidden,
                                                .out = c.text.hidden,
                                                .activation = c.activation}) {}

  mx::array encode(const processing::ImageInput& image) const override {
    const auto h = vision_(to_array(image.array("pixel_values")));
    const auto patches = mx::slice(h, {0, 1, 0}, h.shape());
    const int side = config_.vision.side();
    return mx::astype(mx::flatten(projector_(patches, side, side), 0, 1), decoder().embedding_dtype());
  }

 protected:
  memory::VisionShape vision_shape() const override {
    auto shape = models::vision_shape(config_.vision);
    shape.merge = config_.merge * config_.merge;
    shape.merged_hidden = std::max(config_.vision.hidden * shape.merge, config_.text.hidden);
    return shape;
  }

 private:
  InternVlConfig config_;
  backbones::InternVit vision_;
  backbones::MergeProjector projector_;
};

}  // namespace

int read_merge(const core::ConfigReader& c, const backbones::InternVitSpec& vision) {
  const double ratio = c.get_or("downsample_ratio", 0.5);
  const int merge = ratio > 0 && ratio <= 1 ? int(std::lround(1 / ratio)) : 0;
  if (merge < 1 || std::abs(1.0 / merge - ratio) > 1e-6 || vision.side() % merge != 0)
    c.fail("downsample_ratio", "expected 1 / n for a divisor n of " + std::to_string(vision.side()) +
                                   " patches a side, got " + std::to_string(ratio));
  return merge;
}

std::unique_ptr<Model> build_intern_vl(const InternVlConfig& config, const nn::Weights& w) {
  return std::make_unique<InternVl>(config, w);
}

}  // namespace mlx_vision::models
