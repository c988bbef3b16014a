#pragma once
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "media/normalize.h"
#include "mlx_vision/image.h"
#include "mlx_vision/tensor.h"
#include "processing/processor.h"

namespace mlx_vision::processing {

Tensor float_tensor(std::string name, std::vector<std::int64_t> shape, std::vector<float> values);

/// int64, as numpy's counts and masks are.
Tensor int_tensor(std::string name, std::vector<std::int64_t> shape, std::vector<std::int64_t> values);

/// The product of the sides, none negative, which is at most what one prepared array may hold: six values for
/// each pixel of the largest picture. @throws MediaError above, before anything of that size is allocated.
std::size_t checked_count(std::initializer_list<std::int64_t> sides);

/// `[images, 3, height, width]` of images that have one size. @throws MediaError if they do not, or as
/// checked_count.
Tensor planes_of(std::string name, std::span<const Image> images, const media::NormalizeTable& table);

/// The images' arrays of one name stacked along a new first axis, each filled up with `filler` at the end of
/// every axis to the longest. @throws MediaError as checked_count; std::logic_error for different ranks.
Tensor stacked(std::string_view name, std::span<const ImageInput> images, std::int64_t filler = 0);

/// As stacked, joined along their first axis instead of a new one.
Tensor joined(std::string_view name, std::span<const ImageInput> images, std::int64_t filler = 0);

/// The images' arrays of each name joined along the first axis, in the order of the first image's names.
/// The images must come from one processor: same names, same other axes.
/// @throws std::logic_error otherwise.
std::vector<Tensor> concatenated(std::span<const ImageInput> images);

/// Each array as one of a batch of one: `[1, …]`.
std::vector<Tensor> with_leading_axis(std::vector<Tensor> arrays);

}  // namespace mlx_vision::processing
