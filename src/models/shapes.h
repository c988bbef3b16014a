#pragma once
#include "backbones/gemma4_vit.h"
#include "backbones/intern_vit.h"
#include "backbones/pixtral_vit.h"
#include "backbones/qwen_vit.h"
#include "memory/shape.h"
#include "nn/decoder.h"
#include "nn/vit.h"
#include "processing/processor.h"

namespace mlx_vision::models {

// A backbone's specification as the memory plan takes it.

memory::BlocksShape blocks_shape(const nn::DecoderSpec& spec);
/// What stands between the tower and the language model is left for the family to fill in.
memory::VisionShape vision_shape(const nn::VitSpec& spec);
memory::VisionShape vision_shape(const backbones::QwenVitSpec& spec);
memory::VisionShape vision_shape(const backbones::PixtralVitSpec& spec);
memory::VisionShape vision_shape(const backbones::InternVitSpec& spec);
memory::VisionShape vision_shape(const backbones::Gemma4VitSpec& spec);

/// A picture as the encoder of that shape will take it.
memory::ImageWork image_work(const memory::ModelShape& model, const processing::PreparedSize& size);

}  // namespace mlx_vision::models
