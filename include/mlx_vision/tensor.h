#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace mlx_vision {

enum class ElementType { float32, int32, int64, uint8, boolean };

/// A named, dense, row-major buffer without any array library: what preprocessing yields.
/// Exactly one of `floats` and `ints` is used: `floats` for float32, `ints` for every other type (the element
/// type then says how it is written to a file or handed to the model).
struct Tensor {
  std::string name = {};  ///< as the reference's processor names it: "pixel_values", "image_grid_thw", …
  ElementType type = ElementType::float32;
  std::vector<std::int64_t> shape = {};
  std::vector<float> floats = {};
  std::vector<std::int64_t> ints = {};
};

}  // namespace mlx_vision
