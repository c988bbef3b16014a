#include "processing/image_processors.h"

#include <string>

#include "core/lower.h"
#include "mlx_vision/error.h"
#include "processing/anyres_tiles.h"
#include "processing/canvas_tiles.h"
#include "processing/dynamic_grid.h"
#include "processing/fixed_square.h"
#include "processing/frame_video.h"
#include "processing/hd_tiles.h"
#include "processing/letterboxed_tiles.h"
#include "processing/lfm2_tiles.h"
#include "processing/masked_images.h"
#include "processing/moonvit_patches.h"
#include "processing/padded_patches.h"
#include "processing/padded_square.h"
#include "processing/qwen_patches.h"
#include "processing/qwen_video.h"
#include "processing/tiled_longest_edge.h"
#include "processing/whole_patches.h"

namespace mlx_vision::processing {
namespace {

// Pixtral's original goes by LLaVA's name.
std::unique_ptr<ImageProcessor> make_llava_images(const ProcessorFiles& files, const ImageLimits& limits) {
  const bool pixtral =
      files.config.child_or_empty("vision_config").get_or<std::string>("model_type", "") == "pixtral";
  return pixtral ? make_whole_patches(files, limits) : make_fixed_square(files, limits);
}

constexpr FamilyImages kFamilies[] = {
    {"aya_vision", "GotOcr2ImageProcessor", make_aya_vision_grid},
    {"bunny-llama", "mlx-vlm llava_bunny", make_bunny_square, false},
    {"cohere2_vision", "Cohere2VisionImageProcessor", make_cohere2_vision_grid},
    {"deepseek_vl", "DeepseekVLImageProcessor", make_deepseek_vl_square},
    {"deepseek_vl_v2", "mlx-vlm DeepseekVLV2Processor", make_letterboxed_tiles},
    {"dots_ocr", "Qwen2VLImageProcessor", make_dots_patches},
    {"fast_vlm", "LlavaImageProcessor", make_fixed_square},
    {"fastvlm", "mlx-vlm FastVLMImageProcessor", make_fastvlm_square},
    {"gemma3", "Gemma3ImageProcessor", make_gemma3_square},
    {"gemma3n", "SiglipImageProcessor", make_gemma3n_square},
    {"gemma4", "Gemma4ImageProcessor", make_pooled_patches},
    {"gemma4_unified", "Gemma4UnifiedImageProcessor", make_merged_patches},
    {"glm46v", "Glm46VImageProcessor", make_glm_patches},
    {"glm4v", "Glm4vImageProcessor", make_glm_patches},
    {"glm4v_moe", "Glm4vImageProcessor", make_glm_patches},
    {"glm_ocr", "Glm46VImageProcessor", make_glm_patches},
    {"got_ocr2", "GotOcr2ImageProcessor", make_got_ocr2_grid},
    {"hunyuan_vl", "HunYuanVLImageProcessor", make_hunyuan_patches},
    {"idefics2", "Idefics2ImageProcessor", make_masked_images},
    {"idefics3", "Idefics3ImageProcessor", make_tiled_longest_edge},
    {"internvl", "GotOcr2ImageProcessor", make_internvl_grid, true, make_internvl_video},
    {"internvl_chat", "mlx-vlm InternVLImageProcessor", make_internvl_chat_grid, false},
    {"janus", "JanusImageProcessor", make_janus_square},
    {"kimi_vl", "mlx-vlm KimiVLImageProcessor", make_moonvit_patches},
    {"lfm2-vl", "mlx-vlm Lfm2VlNumpyImageProcessor", make_lfm2_tiles},
    {"lfm2_vl", "mlx-vlm Lfm2VlNumpyImageProcessor", make_lfm2_tiles},
    {"llava", "LlavaImageProcessor", make_llava_images},
    {"llava-qwen2", "mlx-vlm llava_bunny", make_bunny_square, false},
    {"llava_bunny", "mlx-vlm llava_bunny", make_bunny_square, false},
    {"llava_next", "LlavaNextImageProcessor", make_llava_next_tiles},
    {"llava_onevision", "LlavaOnevisionImageProcessor", make_llava_onevision_tiles, true,
     make_onevision_video},
    {"llava_qwen2", "mlx-vlm FastVLMImageProcessor", make_fastvlm_square},
    {"mistral3", "PixtralImageProcessor", make_whole_patches},
    {"mllama", "MllamaImageProcessor", make_canvas_tiles},
    {"multi_modality", "mlx-vlm multi_modality", make_multi_modality_square},
    {"paddleocr_vl", "PaddleOCRVLImageProcessor", make_paddle_patches},
    {"paligemma", "SiglipImageProcessor", make_paligemma_square},
    {"phi3_v", "mlx-vlm Phi3VImageProcessor", make_hd_tiles},
    {"pixtral", "PixtralImageProcessor", make_whole_patches},
    {"qwen2_5_vl", "Qwen2VLImageProcessor", make_qwen_patches, true, make_qwen2_5_video},
    {"qwen2_vl", "Qwen2VLImageProcessor", make_qwen_patches, true, make_qwen2_video},
    {"qwen3_5", "Qwen2VLImageProcessor", make_qwen_patches, true, make_qwen3_video},
    {"qwen3_5_moe", "Qwen2VLImageProcessor", make_qwen_patches, true, make_qwen3_video},
    {"qwen3_vl", "Qwen2VLImageProcessor", make_qwen_patches, true, make_qwen3_video},
    {"qwen3_vl_moe", "Qwen2VLImageProcessor", make_qwen_patches, true, make_qwen3_video},
    {"siglip2", "Siglip2ImageProcessor", make_naflex_patches},
    {"smolvlm", "SmolVLMImageProcessor", make_tiled_longest_edge, true, make_smolvlm_video},
};

}  // namespace

std::unique_ptr<ImageProcessor> FamilyImages::open(const ProcessorFiles& files,
                                                   const ImageLimits& limits) const {
  auto out = make(files, limits);
  if (make_videos) out->set_videos(make_videos(files, limits));
  return out;
}

std::span<const FamilyImages> image_processors() { return kFamilies; }

const FamilyImages* lookup_image_processor(std::string_view model_type) {
  const std::string wanted = core::lower(model_type);
  for (const FamilyImages& family : kFamilies)
    if (family.model_type == wanted) return &family;
  return nullptr;
}

std::string known_image_processors() {
  std::string known;
  for (const FamilyImages& family : kFamilies)
    known.append(known.empty() ? "" : ", ").append(family.model_type);
  return known;
}

const FamilyImages& find_image_processor(std::string_view model_type) {
  if (const FamilyImages* family = lookup_image_processor(model_type)) return *family;
  throw ConfigError(std::string("config.json.model_type: images of ")
                        .append(model_type)
                        .append(" cannot be prepared; known: ")
                        .append(known_image_processors()));
}

}  // namespace mlx_vision::processing
