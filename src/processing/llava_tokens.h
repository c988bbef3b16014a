#pragma once
#include <string>

#include "processing/processor.h"
#include "processing/resize_rules.h"

namespace mlx_vision::processing {

/// How the LLaVA line counts the rows of one encoder input. From processor_config.json, as LlavaProcessor and
/// LlavaNextProcessor have it; a checkpoint whose file gives no patch_size, which the reference cannot run,
/// is counted from config.json as its model would need.
struct LlavaTokens {
  std::string image_token = "<image>";
  int patch = 14;
  int additional = 0;        ///< class row
  bool drops_first = false;  ///< vision_feature_select_strategy "default"

  Grid grid(Size image) const { return {image.height / patch, image.width / patch}; }
};

/// @throws ConfigError
LlavaTokens read_llava_tokens(const ProcessorFiles& files);

}  // namespace mlx_vision::processing
