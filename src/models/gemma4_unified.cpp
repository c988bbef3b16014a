// Gemma 4 without an encoder: raw patches through norms and a map, positions by column and by row, Gemma 4's
// decoder. Checkpoints: google/gemma-4-12B-it and its mlx-community conversions.
#include "mlx_vision/error.h"
#include "models/gemma4_vlm.h"
#include "models/tensors.h"

namespace mlx_vision::models {
namespace {

constexpr float kNormEps = 1e-5f;  // torch's default, which the reference leaves

struct UnifiedConfig {
  int patch, width, table, rows;  ///< rows: most of a picture
  float norm_eps;

  static UnifiedConfig parse(const core::ConfigReader& c) {
    const auto vision = c.child("vision_config");
    const int teacher = vision.size_or("patch_size", 16, 1, 256);
    UnifiedConfig out{.patch = teacher * vision.size_or("pooling_kernel_size", 3, 1, 16),
                      .width = vision.size_or("mm_embed_dim", 3840, 1, 1 << 16),
                      .table = vision.size_or("mm_posemb_size", 1120, 1, 1 << 20),
                      .rows = c.size_or("vision_soft_tokens_per_image", 280, 1, 1 << 16),
                      .norm_eps = vision.get_or("rms_norm_eps", 1e-6f)};
    if (vision.get_or("output_proj_dims", out.width) != out.width)
      vision.fail("output_proj_dims", "expected mm_embed_dim, " + std::to_string(out.width));
    if (vision.get_or("model_patch_size", out.patch) != out.patch)
      vision.fail("model_patch_size",
                  "expected patch_size times pooling_kernel_size, " + std::to_string(out.patch));
    vision.ignore(
        {"model_type", "num_soft_tokens", "initializer_range", "hidden_size", "torch_dtype", "dtype"});
    return out;
  }
};

class Gemma4Unified final : public Gemma4Vlm {
 public:
  Gemma4Unified(const Gemma4Text& text, const UnifiedConfig& c, const nn::Weights& w)
      : Gemma4Vlm(text, w),
        config_(c),
        patch_norm_(w["vision_embedder"]["patch_ln1"], values(c), kNormEps),
        patch_(w["vision_embedder"]["patch_dense"], values(c), c.width, true),
        norm_(w["vision_embedder"]["patch_ln2"], c.width, kNormEps),
        position_norm_(w["vision_embedder"]["pos_norm"], c.width, kNormEps),
        positions_(w["vision_embedder"].require("pos_embedding", {c.table, 2, c.width})),
        projection_(w["embed_vision"]["embedding_projection"], c.width, text.text.hidden, false) {}

  // The patches that fill the array up are no part of the picture.
  mx::array encode(const processing::ImageInput& image) const override {
    std::vector<int> columns, rows;
    const auto& places = image.array("image_position_ids").ints;  // [1, most, 2]: column, row
    for (std::size_t i = 0; i + 1 < places.size() && places[i] >= 0; i += 2) {
      if (std::max(places[i], places[i + 1]) >= config_.table)
        throw MediaError("image: has a patch at " + std::to_string(places[i]) + ", " +
                         std::to_string(places[i + 1]) + ", this model has positions for " +
                         std::to_string(config_.table) + " on a side");
      columns.push_back(int(places[i]));
      rows.push_back(int(places[i + 1]));
    }
    const int count = int(rows.size());
    const auto all = mx::squeeze(to_array(image.array("pixel_values")), 0);
    const auto patches = mx::astype(mx::slice(all, {0, 0}, {count, all.shape(1)}), positions_.dtype());
    const auto at = [&](int axis, const std::vector<int>& where) {
      const auto table = mx::slice(positions_, {0, axis, 0}, {config_.table, axis + 1, config_.width});
      return mx::take(mx::squeeze(table, 1), mx::array(where.begin(), {count}, mx::int32), 0);
    };
    const auto h = position_norm_(norm_(patch_(patch_norm_(patches))) + at(0, columns) + at(1, rows));
    return mx::astype(projection_(nn::rms_normed(h, config_.norm_eps)), decoder().embedding_dtype());
  }

 protected:
  memory::VisionShape vision_shape() const override {
    memory::VisionShape shape{.blocks = {.hidden = config_.width,
                                         .heads = 1,
                                         .kv_heads = 1,
                                         .head_dim = config_.width,
                                         .mlp_hidden = config_.width},
                              .patch_values = values(config_),
                              .table_taps = 2,
                              .merged_hidden = std::max(config_.width, decoder().spec().hidden)};
    shape.unparted = unparted(config_.rows);
    return shape;
  }

 private:
  static int values(const UnifiedConfig& c) { return 3 * c.patch * c.patch; }

  UnifiedConfig config_;
  nn::LayerNorm patch_norm_;
  nn::Linear patch_;
  nn::LayerNorm norm_, position_norm_;
  mx::array positions_;
  nn::Linear projection_;
};

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return std::make_unique<Gemma4Unified>(parse_gemma4_text(c, backbones::Gemma4Kind::unified),
                                         UnifiedConfig::parse(c), w);
}

}  // namespace

constexpr Family kGemma4Unified{.model_type = "gemma4_unified",
                                .prompt_rule = processing::PromptRule::image_first,
                                .about = {.vision = "raw patches of 48",
                                          .language = "Gemma 4",
                                          .compared = "float32, original, 4-bit",
                                          .repositories = "gemma-4-12B-it-4bit"},
                                .names = gemma4_names,
                                .build = build};

}  // namespace mlx_vision::models
