#include "core/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <vector>

#include "core/new_file.h"
#include "mlx_vision/error.h"

namespace mlx_vision::core {

namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

struct Element {
  const char* name;
  std::size_t bytes;
  std::int64_t low, high;  // of an integer type
};

Element element_of(ElementType type) {
  using Limits32 = std::numeric_limits<std::int32_t>;
  using Limits64 = std::numeric_limits<std::int64_t>;
  switch (type) {
    case ElementType::float32:
      return {"F32", 4, 0, 0};
    case ElementType::int32:
      return {"I32", 4, Limits32::min(), Limits32::max()};
    case ElementType::int64:
      return {"I64", 8, Limits64::min(), Limits64::max()};
    case ElementType::uint8:
      return {"U8", 1, 0, 255};
    case ElementType::boolean:
      return {"BOOL", 1, 0, 1};
  }
  throw RequestError("tensor: unknown element type " + std::to_string(int(type)));
}

[[noreturn]] void fail(const Tensor& tensor, std::string_view why) {
  std::string text = "tensor \"";
  throw RequestError(text.append(tensor.name).append("\": ").append(why));
}

void check(const Tensor& tensor, std::set<std::string>& names) {
  if (tensor.name.empty() || tensor.name == "__metadata__") fail(tensor, "the name is empty or reserved");
  if (!names.insert(tensor.name).second) fail(tensor, "the name is taken by another tensor");
  const bool is_float = tensor.type == ElementType::float32;
  const std::size_t count = is_float ? tensor.floats.size() : tensor.ints.size();
  if (!(is_float ? tensor.ints.empty() : tensor.floats.empty()))
    fail(tensor, "values of another type than the tensor's");
  std::size_t expected = 1;
  for (const std::int64_t side : tensor.shape) {
    if (side < 0) fail(tensor, "negative side in its shape");
    if (__builtin_mul_overflow(expected, std::size_t(side), &expected)) fail(tensor, "shape too large");
  }
  if (expected != count)
    fail(tensor, "its shape needs " + std::to_string(expected) + " values, got " + std::to_string(count));
  const Element element = element_of(tensor.type);
  for (const std::int64_t value : tensor.ints)
    if (value < element.low || value > element.high)
      fail(tensor, std::to_string(value) + " does not fit " + element.name);
}

std::size_t count_of(const Tensor& tensor) { return tensor.floats.size() + tensor.ints.size(); }

constexpr std::size_t kChunk = 1 << 16;  // values converted at a time

template <class T>
void write_narrowed(NewFile& file, const std::vector<std::int64_t>& values) {
  std::vector<T> chunk;
  for (std::size_t first = 0; first < values.size(); first += kChunk) {
    const std::size_t last = std::min(values.size(), first + kChunk);
    chunk.assign(values.begin() + std::ptrdiff_t(first), values.begin() + std::ptrdiff_t(last));
    file.write(chunk.data(), chunk.size() * sizeof(T));
  }
}

void write_data(NewFile& file, const Tensor& tensor) {
  switch (tensor.type) {
    case ElementType::float32:
      return file.write(tensor.floats.data(), tensor.floats.size() * sizeof(float));
    case ElementType::int64:
      return file.write(tensor.ints.data(), tensor.ints.size() * sizeof(std::int64_t));
    case ElementType::int32:
      return write_narrowed<std::int32_t>(file, tensor.ints);
    case ElementType::uint8:
    case ElementType::boolean:
      return write_narrowed<std::uint8_t>(file, tensor.ints);
  }
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::span<const Tensor> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::set<std::string> names;
  std::vector<const Tensor*> order;
  for (const Tensor& tensor : tensors) {
    check(tensor, names);
    order.push_back(&tensor);
  }
  std::stable_sort(order.begin(), order.end(), [](const Tensor* a, const Tensor* b) {
    return element_of(a->type).bytes > element_of(b->type).bytes;
  });

  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const Tensor* tensor : order) {
    const Element element = element_of(tensor->type);
    const std::uint64_t end = offset + count_of(*tensor) * element.bytes;
    header[tensor->name] = {
        {"dtype", element.name}, {"shape", tensor->shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();

  NewFile file(path);
  file.write(&length, sizeof(length));
  file.write(text.data(), text.size());
  for (const Tensor* tensor : order) write_data(file, *tensor);
  file.commit();
}

}  // namespace mlx_vision::core
