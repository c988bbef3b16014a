// LLaVA-OneVision (arXiv 2408.03326): SigLIP, an overview and as many tiles as the resolutions have, whose
// rows are resampled beyond nine tiles' worth; Qwen2. Checkpoints: llava-hf/llava-onevision-qwen2-0.5b-ov-hf,
// -7b-ov-hf and their mlx-community conversions.
#include "models/llava_tiles.h"
#include "processing/anyres_rows.h"

namespace mlx_vision::models {
namespace {

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  c.ignore({"use_image_newline_parameter"});
  return std::make_unique<TiledLlava>(
      parse_llava(c, w, {.image_token = 151646, .feature_layer = -1, .select_strategy = "full"}),
      LlavaTiles{.resolutions = processing::read_pinpoints(c, {}),
                 .most_tiles = processing::read_most_tiles(c),
                 .video_token = c.get_or("video_token_index", c.get_or("video_token_id", 151647))},
      w);
}

}  // namespace

constexpr Family kLlavaOnevision{.model_type = "llava_onevision",
                                 .prompt_rule = processing::PromptRule::text_first,
                                 .about = {.vision = "SigLIP on an overview and tiles",
                                           .language = "Qwen2",
                                           .compared = "float32, original, 4-bit"},
                                 .names = llava_names,
                                 .build = build};

}  // namespace mlx_vision::models
