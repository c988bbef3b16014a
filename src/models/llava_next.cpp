// LLaVA-NeXT (LLaVA 1.6): CLIP, an overview and up to four tiles, Llama, Mistral or Qwen2. Checkpoints:
// llava-hf/llava-v1.6-mistral-7b-hf, llava-v1.6-vicuna-7b-hf and their mlx-community conversions.
#include "models/llava_tiles.h"
#include "processing/anyres_rows.h"

namespace mlx_vision::models {
namespace {

std::unique_ptr<Model> build(const core::ConfigReader& c, const nn::Weights& w) {
  c.ignore({"use_image_newline_parameter"});
  return std::make_unique<TiledLlava>(
      parse_llava(c, w),
      LlavaTiles{.resolutions = processing::read_pinpoints(c, processing::llava_next_pinpoints())}, w);
}

}  // namespace

constexpr Family kLlavaNext{.model_type = "llava_next",
                            .prompt_rule = processing::PromptRule::text_first,
                            .about = {.vision = "CLIP on an overview and tiles",
                                      .language = "Mistral, Llama, Qwen2",
                                      .compared = "float32, original, 4-bit",
                                      .repositories = "llava-v1.6-mistral-7b-8bit"},
                            .names = llava_names,
                            .build = build};

}  // namespace mlx_vision::models
