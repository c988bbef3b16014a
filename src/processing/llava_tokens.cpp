#include "processing/llava_tokens.h"

#include "processing/image_text.h"

namespace mlx_vision::processing {

LlavaTokens read_llava_tokens(const ProcessorFiles& files) {
  constexpr int kMostPatch = 1024;
  const core::ConfigReader& processor = files.processor;
  LlavaTokens tokens;
  tokens.image_token = read_token(processor, "image_token", tokens.image_token);
  if (processor.has("patch_size")) {
    tokens.patch = processor.size("patch_size", 1, kMostPatch);
    tokens.additional = processor.size_or("num_additional_image_tokens", 0, 0, 1024);
    tokens.drops_first = processor.get_or<std::string>("vision_feature_select_strategy", "") == "default";
    return tokens;
  }
  const core::ConfigReader vision = files.config.child_or_empty("vision_config");
  if (files.config.has("vision_config")) tokens.patch = vision.size("patch_size", 1, kMostPatch);
  tokens.additional =
      vision.get_or<std::string>("model_type", "clip_vision_model").starts_with("clip") ? 1 : 0;
  tokens.drops_first =
      files.config.get_or<std::string>("vision_feature_select_strategy", "default") == "default";
  return tokens;
}

}  // namespace mlx_vision::processing
