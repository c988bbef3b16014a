#include "processing/arrays.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "mlx_vision/error.h"

namespace mlx_vision::processing {
namespace {

constexpr std::uint64_t kMostValues = 6 * DecodeLimits{}.pixels;

using Shape = std::vector<std::int64_t>;

std::size_t count_of(std::span<const std::int64_t> sides) {
  std::uint64_t count = 1;
  for (const std::int64_t side : sides) {
    if (side == 0) return 0;
    if (std::uint64_t(side) > kMostValues / count)
      throw MediaError("image: would become an array of more than " + std::to_string(kMostValues) +
                       " values; make it smaller");
    count *= std::uint64_t(side);
  }
  return std::size_t(count);
}

/// Copies `from`, of shape `shape`, to the corner of `to`, whose axes have the lengths `room`.
template <class Value>
void copy_to_corner(const Value* from, std::span<const std::int64_t> shape, Value* to,
                    std::span<const std::int64_t> room) {
  if (shape.size() == 1) {
    std::copy(from, from + shape[0], to);
    return;
  }
  const std::size_t from_step = count_of(shape.subspan(1)), to_step = count_of(room.subspan(1));
  for (std::int64_t i = 0; i < shape[0]; ++i)
    copy_to_corner(from + std::size_t(i) * from_step, shape.subspan(1), to + std::size_t(i) * to_step,
                   room.subspan(1));
}

/// The longest of each axis.
Shape room_for(std::string_view name, std::span<const ImageInput> images) {
  Shape room = images.front().array(name).shape;
  for (const ImageInput& image : images.subspan(1)) {
    const Shape& shape = image.array(name).shape;
    if (shape.size() != room.size())
      throw std::logic_error(std::string("prepared images have different ranks of ").append(name));
    for (std::size_t axis = 0; axis < room.size(); ++axis) room[axis] = std::max(room[axis], shape[axis]);
  }
  return room;
}

struct Parts {
  std::string_view name;
  std::span<const ImageInput> images;
  std::int64_t filler = 0;
};

/// The images' arrays one after another in an array of `shape`, each in a room of its own.
template <class RoomOf>
Tensor filled(const Parts& parts, const Shape& shape, const RoomOf& room_of) {
  Tensor out{
      .name = std::string(parts.name), .type = parts.images.front().array(parts.name).type, .shape = shape};
  const bool floats = out.type == ElementType::float32;
  if (floats)
    out.floats.assign(count_of(shape), float(parts.filler));
  else
    out.ints.assign(count_of(shape), parts.filler);
  std::size_t at = 0;
  for (const ImageInput& image : parts.images) {
    const Tensor& tensor = image.array(parts.name);
    const Shape room = room_of(tensor);
    if (floats)
      copy_to_corner(tensor.floats.data(), tensor.shape, out.floats.data() + at, room);
    else
      copy_to_corner(tensor.ints.data(), tensor.shape, out.ints.data() + at, room);
    at += count_of(room);
  }
  return out;
}

}  // namespace

std::size_t checked_count(std::initializer_list<std::int64_t> sides) {
  return count_of(std::span(sides.begin(), sides.size()));
}

Tensor planes_of(std::string name, std::span<const Image> images, const media::NormalizeTable& table) {
  const int width = images.front().width(), height = images.front().height();
  const auto count = std::int64_t(images.size());
  std::vector<float> planes(checked_count({count, 3, height, width}));
  const std::size_t values = planes.size() / images.size();
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (images[i].width() != width || images[i].height() != height)
      throw MediaError("image: these settings give its tiles different sizes, which no array can hold");
    media::write_planes(images[i], table, std::span(planes).subspan(i * values, values));
  }
  return float_tensor(std::move(name), {count, 3, height, width}, std::move(planes));
}

Tensor stacked(std::string_view name, std::span<const ImageInput> images, std::int64_t filler) {
  Shape room = room_for(name, images);
  Shape shape = room;
  shape.insert(shape.begin(), std::int64_t(images.size()));
  return filled({.name = name, .images = images, .filler = filler}, shape,
                [&](const Tensor&) { return room; });
}

Tensor joined(std::string_view name, std::span<const ImageInput> images, std::int64_t filler) {
  Shape shape = room_for(name, images);
  shape[0] = 0;
  for (const ImageInput& image : images) shape[0] += image.array(name).shape[0];
  return filled({.name = name, .images = images, .filler = filler}, shape, [&](const Tensor& tensor) {
    Shape room = shape;
    room[0] = tensor.shape[0];
    return room;
  });
}

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

bool ImageInput::has(std::string_view name) const {
  return std::any_of(arrays.begin(), arrays.end(), [&](const Tensor& tensor) { return tensor.name == name; });
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

std::vector<Tensor> with_leading_axis(std::vector<Tensor> arrays) {
  for (Tensor& array : arrays) array.shape.insert(array.shape.begin(), 1);
  return arrays;
}

}  // namespace mlx_vision::processing
