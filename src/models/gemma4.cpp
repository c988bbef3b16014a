// Gemma 4: its own encoder for pictures of any shape, pooled rows, a decoder whose last layers share keys,
// with embeddings for each layer where the file has them. Checkpoints: google/gemma-4-E2B-it, -E4B-it,
// -26B-A4B-it, -31B-it and their mlx-community conversions.
#include "backbones/gemma4_vit.h"
#include "backbones/gemma_decoders.h"
#include "models/decoder_only.h"
#include "models/shapes.h"
#include "models/tensors.h"

namespace mlx_vision::models {
namespace {

struct Gemma4Config {
  backbones::Gemma4VitSpec vision;
  nn::DecoderSpec text;
  int image_token;
  bool both_ways;  ///< rows of a picture see each other in layers with a window

  static Gemma4Config parse(const core::ConfigReader& c) {
    const auto text = c.child("text_config");
    Gemma4Config out{.vision = backbones::gemma4_vit(c.child("vision_config")),
                     .text = backbones::gemma4_text(text, backbones::Gemma4Kind::with_encoder),
                     .image_token = c.get_or("image_token_id", 258880),
                     .both_ways = text.get_or<std::string>("use_bidirectional_attention", "") == "vision"};
    out.text.tied_head = c.get_or("tie_word_embeddings", text.get_or("tie_word_embeddings", true));
    c.ignore({"audio_config", "audio_token_id", "boa_token_id", "boa_token_index", "eoa_token_id",
              "eoa_token_index", "boi_token_id", "eoi_token_id", "video_token_id",
              "vision_soft_tokens_per_image", "vision_soft_tokens_per_video_frame",
              "audio_soft_tokens_per_image", "audio_ms_per_token", "vocab_size", "hidden_size",
              "ignore_index"});
    return out;
  }
};

class Gemma4 final : public DecoderOnlyVlm {
 public:
  Gemma4(const Gemma4Config& c, const nn::Weights& w)
      : DecoderOnlyVlm(nn::Decoder(w["language_model"]["model"], w["language_model"]["lm_head"], c.text),
                       c.image_token),
        config_(c),
        vision_(w["vision_tower"], c.vision),
        projection_(w["embed_vision"]["embedding_projection"], c.vision.hidden, c.text.hidden, false) {}

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
    return mx::astype(projection_(nn::rms_normed(rows, config_.vision.norm_eps)),
                      decoder().embedding_dtype());
  }

 protected:
  memory::VisionShape vision_shape() const override {
    auto shape = models::vision_shape(config_.vision);
    shape.merged_hidden = std::max(config_.vision.hidden, config_.text.hidden);
    if (config_.both_ways) shape.unparted = kMostRows;
    return shape;
  }

  std::vector<nn::MutualRows> mutual_rows(std::span<const std::int32_t> ids) const override {
    if (!config_.both_ways) return {};
    return runs_of(ids, config_.image_token);
  }

 private:
  static constexpr int kMostRows = 1120;  // of a picture, by its processor

  Gemma4Config config_;
  backbones::Gemma4Vit vision_;
  nn::Linear projection_;
};

weights::NameMap names(const core::ConfigReader&) {
  return {.renames = {{"model.language_model.", "language_model.model."},
                      {"model.vision_tower.", "vision_tower."},
                      {"model.embed_vision.", "embed_vision."},
                      {"model.audio_tower.", "audio_tower."},
                      {"model.embed_audio.", "embed_audio."},
                      {"lm_head.", "language_model.lm_head."}},
          .parts = {{"language_model.", ".experts.switch_glu.", ".switch_mlp."}},
          .ignored_suffixes = {".position_ids", ".rotary_emb.inv_freq"},
          .ignored_prefixes = {"audio_tower.", "embed_audio."}};
}

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return std::make_unique<Gemma4>(Gemma4Config::parse(c), w);
}

}  // namespace

constexpr Family kGemma4{.model_type = "gemma4",
                         .prompt_rule = processing::PromptRule::image_first,
                         .names = names,
                         .build = build};

}  // namespace mlx_vision::models
