#include "processing/arrays.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace mlx_vision::processing {

Tensor float_tensor(std::string name, std::vector<std::int64_t> shape, std::vector<float> values) {
  return {.name = std::move(name),
          .type = ElementType::float32,
          .shape = std::move(shape),
          .floats = std::move(values),
          .ints = {}};
}

Tensor int_tensor(std::string name, std::vector<std::int64_t> shape, std::vector<std::int64_t> values) {
  return {.name = std::move(name),
          .type = ElementType::int64,
          .shape = std::move(shape),
          .floats = {},
          .ints = std::move(values)};
}

const Tensor& ImageInput::array(std::string_view name) const {
  for (const Tensor& tensor : arrays)
    if (tensor.name == name) return tensor;
  throw std::logic_error(std::string("prepared image has no array ").append(name));
}

std::vector<Tensor> concatenated(std::span<const ImageInput> images) {
  if (images.empty()) return {};
  std::vector<Tensor> out;
  for (const Tensor& first : images.front().arrays) {
    Tensor joined = first;
    for (const ImageInput& image : images.subspan(1)) {
      const Tensor& next = image.array(first.name);
      if (next.type != first.type ||
          !std::equal(next.shape.begin() + 1, next.shape.end(), first.shape.begin() + 1, first.shape.end()))
        throw std::logic_error("prepared images cannot be joined: different shapes of " + first.name);
      joined.shape[0] += next.shape[0];
      joined.floats.insert(joined.floats.end(), next.floats.begin(), next.floats.end());
      joined.ints.insert(joined.ints.end(), next.ints.begin(), next.ints.end());
    }
    out.push_back(std::move(joined));
  }
  return out;
}

}  // namespace mlx_vision::processing
