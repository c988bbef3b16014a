#pragma once
#include <set>
#include <string>
#include <unordered_map>

#include "mlx/mlx.h"

namespace mlx_vision::weights {
namespace mx = mlx::core;

/// By name, as files hold them.
using Tensors = std::unordered_map<std::string, mx::array>;

/// Turns tensors of 8-bit floats (E4M3) into the type that most others have, lazily: x · scale, rounded once.
/// `packed` names them; NAME_scale_inv holds the scale of all, or of each of equal blocks of the last two
/// axes (of 128 by 128 where these do not divide the sides), as transformers' fine-grained FP8 writes
/// (integrations/finegrained_fp8.py). The scales go, and those of activations, which are not rounded here.
/// Returns how many bytes besides are held for each byte of a result while it is evaluated.
/// @throws WeightError: a tensor without a scale, or a scale of another shape.
double unpack_fp8(Tensors& tensors, const std::set<std::string>& packed);

}  // namespace mlx_vision::weights
