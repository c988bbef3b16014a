#pragma once
#include "nn/vit.h"

namespace mlx_vision::backbones {

/// CLIP's image tower (arXiv 2103.00020): class token, quick-GELU.
nn::VitSpec clip(const core::ConfigReader& c);
/// SigLIP's image tower (arXiv 2303.15343): no class token, tanh-GELU.
nn::VitSpec siglip(const core::ConfigReader& c);
/// Idefics3's and SmolVLM's SigLIP, whose positions are bucketed fractions; see bucket_positions.
nn::VitSpec idefics3_vision(const core::ConfigReader& c);

/// SigLIP's with the numbers of so400m/14 at 384 pixels where a field is absent.
nn::VitSpec siglip_so400m(const core::ConfigReader& c);
/// SigLIP 2's tower for pictures of any shape (arXiv 2502.14786, NaFlex): flat patches, resized positions.
nn::VitSpec siglip2_naflex(const core::ConfigReader& c);
/// A square table of positions `[side², hidden]` resized to `rows` × `columns`, `[rows · columns, hidden]`,
/// as torch's bilinear interpolation with antialiasing does it.
nn::mx::array resized_positions(const nn::mx::array& table, int rows, int columns);

/// CLIP or SigLIP by `model_type`. @throws ConfigError for another
nn::VitSpec image_tower(const core::ConfigReader& c);

/// Rows of a `side` × `side` position table for a picture of `rows` × `columns` patches, each coordinate the
/// bucket that its fraction of the picture falls into, `[rows * columns]` int32. Exact, so that a whole tile
/// has every row of the table once; transformers' modeling_idefics3.py compares float32 fractions, which
/// agrees for the sides of all released checkpoints (14, 24, 26, 27, 28, 32) and for others depends on the
/// machine's vector width.
nn::mx::array bucket_positions(int rows, int columns, int side);

}  // namespace mlx_vision::backbones
