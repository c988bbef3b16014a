#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mlx_vision/tensor.h"
#include "processing/processor.h"

namespace mlx_vision::processing {

Tensor float_tensor(std::string name, std::vector<std::int64_t> shape, std::vector<float> values);

/// int64, as numpy's counts and masks are.
Tensor int_tensor(std::string name, std::vector<std::int64_t> shape, std::vector<std::int64_t> values);

/// The images' arrays of each name joined along the first axis, in the order of the first image's names.
/// The images must come from one processor: same names, same other axes.
/// @throws std::logic_error otherwise.
std::vector<Tensor> concatenated(std::span<const ImageInput> images);

}  // namespace mlx_vision::processing
