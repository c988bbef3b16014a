// Gemma 3n: MobileNetV5's encoder, a decoder of several streams; token ids behind the text's own have
// embeddings in the encoder's width. Checkpoints: google/gemma-3n-E2B-it, -E4B-it and their mlx-community
// conversions.
#include <cmath>

#include "backbones/gemma_decoders.h"
#include "backbones/mobile_net.h"
#include "models/decoder_only.h"
#include "models/tensors.h"

namespace mlx_vision::models {
namespace {

// Ids that one kind of input has in the vocabulary, and the width of its encoder.
struct ModalIds {
  int hidden, first, count;
  float norm_eps;

  static ModalIds parse(const core::ConfigReader& c, int hidden, int first) {
    return {.hidden = c.size_or("hidden_size", hidden, 1, 1 << 16),
            .first = c.size_or("vocab_offset", first, 0, 1 << 24),
            .count = c.size_or("vocab_size", 128, 1, 1 << 20),
            .norm_eps = c.get_or("rms_norm_eps", 1e-6f)};
  }
};

struct Gemma3nConfig {
  nn::DecoderSpec text;
  ModalIds vision, audio;
  int image_token, side;  ///< side: rows of a picture, in each direction

  static Gemma3nConfig parse(const core::ConfigReader& c) {
    const auto text = c.child("text_config"), vision = c.child_or_empty("vision_config");
    const auto audio = c.child_or_empty("audio_config");
    Gemma3nConfig out{.text = backbones::gemma3n_text(text),
                      .vision = ModalIds::parse(vision, 2048, 262144),
                      .audio = ModalIds::parse(audio, 1536, 262272),
                      .image_token = c.get_or("image_token_id", 262145),
                      .side = 1};
    out.text.tied_head = c.get_or("tie_word_embeddings", text.get_or("tie_word_embeddings", true));
    if (const auto name = vision.get_or<std::string>("architecture", "mobilenetv5_300m_enc");
        name != "mobilenetv5_300m_enc")
      vision.fail("architecture", "expected mobilenetv5_300m_enc, got " + name);
    const int rows = c.size_or("vision_soft_tokens_per_image", 256, 1, 1 << 16);
    out.side = int(std::lround(std::sqrt(double(rows))));
    if (out.side * out.side != rows)
      c.fail("vision_soft_tokens_per_image", "expected a square, got " + std::to_string(rows));
    return out;
  }
};

// What an encoder's rows, or ids of its own, become in the language model.
class ModalEmbedder {
 public:
  ModalEmbedder(const nn::Weights& w, const ModalIds& ids, int hidden)
      : ids_(ids),
        table_(w["embedding"], ids.count, ids.hidden),
        hard_norm_(w["hard_embedding_norm"], ids.hidden, ids.norm_eps),
        soft_norm_(w["soft_embedding_norm"], ids.hidden, ids.norm_eps),
        projection_(w["embedding_projection"], ids.hidden, hidden, false) {}

  // `[…, ids.hidden]` → `[…, hidden]`
  mx::array rows(const mx::array& x) const { return projected(soft_norm_(x)); }

  // `text` `[…, hidden]`, but for ids `[…]` from the first of this kind on their own.
  mx::array over(const mx::array& text, const mx::array& ids) const {
    const auto known = mx::clip(ids - ids_.first, mx::array(0), mx::array(ids_.count - 1));
    const auto own = mx::astype(projected(hard_norm_(table_(known))), text.dtype());
    return mx::where(mx::expand_dims(mx::greater_equal(ids, mx::array(ids_.first)), -1), own, text);
  }

 private:
  mx::array projected(const mx::array& x) const { return nn::rms_normed(projection_(x), ids_.norm_eps); }

  ModalIds ids_;
  nn::Embedding table_;
  nn::RmsNorm hard_norm_, soft_norm_;
  nn::Linear projection_;
};

class Gemma3n final : public DecoderOnlyVlm {
 public:
  Gemma3n(const Gemma3nConfig& c, const nn::Weights& w)
      : DecoderOnlyVlm(nn::Decoder(w["language_model"]["model"], w["language_model"]["lm_head"], c.text),
                       c.image_token),
        config_(c),
        vision_(w["vision_tower"]["timm_model"], c.vision.hidden, c.side),
        embed_vision_(w["embed_vision"], c.vision, c.text.hidden),
        embed_audio_(w["embed_audio"], c.audio, c.text.hidden) {}

  mx::array encode(const processing::ImageInput& image) const override {
    const auto h = vision_(to_array(image.array("pixel_values")));
    const auto rows = embed_vision_.rows(h * nn::scalar(std::sqrt(float(config_.vision.hidden)), h));
    return mx::astype(mx::flatten(rows, 0, 1), decoder().embedding_dtype());
  }

 protected:
  mx::array embed(const mx::array& ids) const override {
    return embed_audio_.over(embed_vision_.over(decoder().embed(ids), ids), ids);
  }

  memory::VisionShape vision_shape() const override {
    constexpr int kSize = 768, kStride = 16;  // of a picture, by its processor; of what is fused
    return {.blocks = {.layers = 1,
                       .hidden = config_.vision.hidden,
                       .heads = 1,
                       .kv_heads = 1,
                       .head_dim = 1,
                       .mlp_hidden = 2 * config_.vision.hidden},
            .patch_values = 3 * kStride * kStride,
            .convolved_values = vision_.most_values(kSize),
            .convolved_pixels = 3 * kSize * kSize,
            .merged_hidden = std::max(config_.vision.hidden, config_.text.hidden)};
  }

 private:
  Gemma3nConfig config_;
  backbones::MobileNetV5 vision_;
  ModalEmbedder embed_vision_, embed_audio_;
};

weights::NameMap names(const core::ConfigReader&) {
  return {.renames = {{"model.language_model.", "language_model.model."},
                      {"model.vision_tower.", "vision_tower."},
                      {"model.embed_vision.", "embed_vision."},
                      {"model.embed_audio.", "embed_audio."},
                      {"model.audio_tower.", "audio_tower."},
                      {"lm_head.", "language_model.lm_head."}},
          .ignored_suffixes = {".position_ids", ".rotary_emb.inv_freq"},
          .ignored_prefixes = {"audio_tower."}};
}

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return std::make_unique<Gemma3n>(Gemma3nConfig::parse(c), w);
}

}  // namespace

constexpr Family kGemma3n{.model_type = "gemma3n",
                          .prompt_rule = processing::PromptRule::image_first,
                          .about = {.vision = "MobileNetV5, its last two stages fused",
                                    .language = "Gemma 3n: four streams, per-layer embeddings",
                                    .compared = "float32, original, 4-bit",
                                    .repositories = "gemma-3n-E2B-it-4bit, gemma-3n-E4B-it-bf16"},
                          .names = names,
                          .build = build};

}  // namespace mlx_vision::models
