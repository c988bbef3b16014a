#include "weights/fp8.h"

#include <algorithm>
#include <map>
#include <vector>

#include "mlx_vision/error.h"

namespace mlx_vision::weights {
namespace {

constexpr char kScale[] = "_scale_inv", kActivations[] = "activation_scale";
constexpr int kBlock = 128;

bool is_scale(const std::string& name) { return name.ends_with(kScale) || name.ends_with(kActivations); }

mx::Dtype usual_type(const Tensors& tensors) {
  std::map<mx::Dtype::Val, std::pair<int, mx::Dtype>> counts;
  for (const auto& [name, tensor] : tensors)
    if (mx::issubdtype(tensor.dtype(), mx::floating) && !is_scale(name))
      ++counts.try_emplace(tensor.dtype().val(), 0, tensor.dtype()).first->second.first;
  const auto most = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
    return a.second.first < b.second.first;
  });
  return most == counts.end() ? mx::bfloat16 : most->second.second;
}

// Length of the blocks of one side that share a scale; 0 = they do not fit.
int block_of(int side, int scales) {
  if (scales < 1) return 0;
  if (side % scales == 0) return side / scales;
  return (side + kBlock - 1) / kBlock == scales ? kBlock : 0;
}

// x [..., rows, columns] times scale [..., r, c].
mx::array scaled_blocks(const std::string& name, const mx::array& x, const mx::array& scale) {
  const auto refuse = [&] {
    return WeightError(name + kScale +
                       ": expected one scale, or one for each block of the last two axes of " + name +
                       "; its shape does not fit");
  };
  if (x.ndim() < 2 || scale.ndim() != x.ndim()) throw refuse();
  const int rows = x.shape(-2), columns = x.shape(-1), r = scale.shape(-2), c = scale.shape(-1);
  const int high = block_of(rows, r), wide = block_of(columns, c);
  const mx::Shape leading(x.shape().begin(), x.shape().end() - 2);
  if (high == 0 || wide == 0 || leading != mx::Shape(scale.shape().begin(), scale.shape().end() - 2))
    throw refuse();
  const int last = int(x.ndim()) - 1;
  auto y =
      mx::pad(x, {last - 1, last}, {0, 0}, {high * r - rows, wide * c - columns}, mx::array(0.0f, x.dtype()));
  mx::Shape blocks = leading, each = leading, whole = leading;
  blocks.insert(blocks.end(), {r, high, c, wide});
  each.insert(each.end(), {r, 1, c, 1});
  whole.insert(whole.end(), {r * high, c * wide});
  y = mx::reshape(mx::reshape(y, blocks) * mx::reshape(scale, each), whole);
  return mx::slice(y, mx::Shape(x.ndim(), 0), x.shape());
}

}  // namespace

double unpack_fp8(Tensors& tensors, const std::set<std::string>& packed) {
  constexpr double kWidened = 0.5, kNarrow = 1.5, kWide = 4.5;  // of types and their 8-bit form
  double held = kWidened;
  const mx::Dtype type = usual_type(tensors);
  for (const std::string& name : packed) {
    const auto found = tensors.find(name + kScale);
    if (found == tensors.end())
      throw WeightError(name + ": holds 8-bit floats and there is no " + name + kScale +
                        " to tell their scale");
    const mx::array scale = found->second;
    // 16-bit products of such short numbers are rounded once, as those of float32 then are.
    const bool narrow = scale.dtype() == type && type == mx::bfloat16;
    const auto x = mx::from_fp8(tensors.at(name), narrow ? mx::bfloat16 : mx::float32);
    const auto factor = mx::astype(scale, x.dtype());
    const auto y = scale.size() == 1 ? x * mx::reshape(factor, {}) : scaled_blocks(name, x, factor);
    tensors.at(name) = mx::astype(y, type);
    held = std::max(held, narrow ? kNarrow : kWide);
  }
  if (!packed.empty()) std::erase_if(tensors, [](const auto& entry) { return is_scale(entry.first); });
  return held;
}

}  // namespace mlx_vision::weights
