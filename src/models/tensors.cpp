#include "models/tensors.h"

namespace mlx_vision::models {

mlx::core::array to_array(const Tensor& tensor) {
  mlx::core::Shape shape;
  for (const auto n : tensor.shape) shape.push_back(int(n));
  if (tensor.type == ElementType::float32)
    return mlx::core::array(tensor.floats.begin(), shape, mlx::core::float32);
  return mlx::core::array(tensor.ints.begin(), shape, mlx::core::int32);
}

}  // namespace mlx_vision::models
