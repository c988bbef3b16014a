#pragma once
#include <array>
#include <memory>
#include <span>
#include <vector>

#include "backbones/qwen_vit.h"
#include "models/decoder_only.h"

namespace mlx_vision::models {

/// Positions on three axes (time, height, width) of a prompt with pictures, and what to add to a token's
/// index after it.
struct MropePositions {
  std::array<std::vector<std::int32_t>, 3> axes;  ///< each `[prompt]`
  int delta = 0;
};

/// Of a picture or a video, in merged patches; `interval`: what a frame adds to the position in time.
struct MropeGrid {
  backbones::PatchGrid patches;
  float interval = 1;
};

/// Qwen2-VL's rule (arXiv 2409.12191, §2.1): text advances all axes alike; a picture's rows take its grid's
/// coordinates, and what follows starts after the larger of height and width (transformers, get_rope_index).
/// `grids` in prompt order.
MropePositions mrope_positions(std::span<const std::int32_t> ids, int image_token,
                               std::span<const MropeGrid> grids);

/// The Qwen-VL line: its own ViT, then a decoder with multi-axis positions.
class QwenVl final : public DecoderOnlyVlm {
 public:
  struct Tokens {
    int image, video;
  };
  QwenVl(const backbones::QwenVitSpec& vision, nn::Decoder decoder, const Tokens& tokens,
         const nn::Weights& w);

  mx::array encode(const processing::ImageInput& image) const override;

 protected:
  int video_token() const override { return video_token_; }
  memory::VisionShape vision_shape() const override;
  std::unique_ptr<DecoderSequence> make_sequence(
      std::span<const std::int32_t> ids, std::span<const processing::ImageInput> images) const override;
  nn::Rope::Table prompt_positions(const DecoderSequence& sequence, int begin, int count,
                                   mx::Dtype dtype) const override;
  nn::Rope::Table next_positions(std::span<Sequence* const> sequences, mx::Dtype dtype) const override;

 private:
  int video_token_;
  backbones::QwenVitSpec spec_;
  backbones::QwenVit vision_;
};

/// Names of the original checkpoints, before and since transformers 4.52, to those of the conversions.
weights::NameMap qwen_vl_names(const core::ConfigReader& config);

/// `text_config` where the folder has one, else config.json itself.
core::ConfigReader qwen_vl_text_config(const core::ConfigReader& config);

/// Builds any family of the line once the numbers of its two halves are known.
/// @throws ConfigError when they do not fit together
std::unique_ptr<Model> build_qwen_vl(const backbones::QwenVitSpec& vision, nn::DecoderSpec text,
                                     const core::ConfigReader& config, const nn::Weights& w);

/// As qwen_vl_names, without the heads for multi-token prediction.
weights::NameMap qwen3_5_names(const core::ConfigReader& config);

/// Qwen3.5, with or without a mixture of experts. @throws ConfigError
std::unique_ptr<Model> build_qwen3_5(const core::ConfigReader& config, const nn::Weights& weights,
                                     bool mixture);

}  // namespace mlx_vision::models
