// Idefics3 (arXiv 2408.12637) and SmolVLM / SmolVLM2 (arXiv 2504.05299): SigLIP tiles, pixel shuffle, Llama.
// Checkpoints: HuggingFaceM4/Idefics3-8B-Llama3, HuggingFaceTB/SmolVLM-256M-Instruct, SmolVLM2-2.2B-Instruct.
#include <array>
#include <cmath>

#include "backbones/image_towers.h"
#include "backbones/text_decoders.h"
#include "models/decoder_only.h"
#include "models/shapes.h"
#include "models/tensors.h"

namespace mlx_vision::models {
namespace {

struct Idefics3Config {
  nn::VitSpec vision;
  nn::DecoderSpec text;
  int image_token, shuffle;

  static Idefics3Config parse(const core::ConfigReader& c, const nn::Weights& w) {
    Idefics3Config out{.vision = backbones::idefics3_vision(c.child("vision_config")),
                       .text = backbones::text_decoder(c.child("text_config")),
                       .image_token = c.get_or("image_token_id", c.get_or("image_token_index", 128257)),
                       .shuffle = c.size_or("scale_factor", 2, 1, 64)};
    out.text.tied_head = backbones::tied_head(c, c.child("text_config"), w["language_model"]["lm_head"]);
    if (out.vision.image / out.vision.patch % out.shuffle != 0)
      c.fail("scale_factor", "expected a divisor of " + std::to_string(out.vision.image / out.vision.patch) +
                                 " patches a side");
    c.ignore({"pad_token_id", "vocab_size"});
    return out;
  }
};

class Idefics3 final : public DecoderOnlyVlm {
 public:
  Idefics3(const Idefics3Config& c, const nn::Weights& w)
      : DecoderOnlyVlm(nn::Decoder(w["language_model"], w["language_model"]["lm_head"], c.text),
                       c.image_token),
        config_(c),
        vision_(w["vision_model"], c.vision, /*use_post_norm=*/true),
        projection_(w["connector"]["modality_projection"]["proj"], c.vision.hidden * c.shuffle * c.shuffle,
                    c.text.hidden, false) {}

  // Every tile is whole: the processor resizes to multiples of the tile, so no patch is padding and none is
  // masked.
  mx::array encode(const processing::ImageInput& image) const override {
    const auto pixels = to_array(image.array("pixel_values"));
    const int rows = pixels.shape(2) / config_.vision.patch, columns = pixels.shape(3) / config_.vision.patch;
    const std::array last{config_.vision.layers};
    const auto positions =
        backbones::bucket_positions(rows, columns, config_.vision.image / config_.vision.patch);
    const auto h = vision_.post_norm(vision_.states(pixels, last, positions)[0]);
    // The reference writes the rows into the embedded prompt, in that array's type.
    return mx::astype(mx::flatten(projection_(nn::merge_patches(h, rows, columns, config_.shuffle)), 0, 1),
                      decoder().embedding_dtype());
  }

 protected:
  memory::VisionShape vision_shape() const override {
    auto shape = models::vision_shape(config_.vision);
    shape.merge = config_.shuffle * config_.shuffle;
    shape.merged_hidden = config_.vision.hidden * shape.merge;
    return shape;
  }

 private:
  Idefics3Config config_;
  nn::Vit vision_;
  nn::Linear projection_;
};

weights::NameMap names(const core::ConfigReader&) {
  return {.renames = {{"model.text_model.", "language_model."},
                      {"model.vision_model.", "vision_model."},
                      {"model.connector.", "connector."},
                      {"text_model.", "language_model."},
                      {"lm_head.", "language_model.lm_head."}},
          .ignored_suffixes = {".position_ids", ".rotary_emb.inv_freq"}};
}

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  return std::make_unique<Idefics3>(Idefics3Config::parse(c, w), w);
}

// SmolVLM's processor in transformers renders conversations with videos by a template of its own.
constexpr std::string_view kVideoTemplate =
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
    "{{ ':' if message['content'][0]['type'] == 'image' else ': ' }}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% else %}{{ '<' + part['type'] + '>' }}{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}";

constexpr std::string_view kExtraEos[] = {"<end_of_utterance>"};
constexpr std::string_view kAliases[] = {"smolvlm"};

}  // namespace

constexpr Family kIdefics3{
    .model_type = "idefics3",
    .aliases = kAliases,
    .prompt_rule = processing::PromptRule::image_first,
    .video_template = kVideoTemplate,
    .extra_eos = kExtraEos,
    .about = {.vision = "SigLIP on tiles, pixel shuffle",
              .language = "Llama",
              .compared = "float32, original, 3-bit, 4-bit",
              .repositories =
                  "Idefics3-8B-Llama3-bf16, SmolVLM-Instruct-4bit, SmolVLM2-500M-Video-Instruct-mlx"},
    .names = names,
    .build = build};

}  // namespace mlx_vision::models
