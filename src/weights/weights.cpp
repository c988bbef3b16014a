#include "weights/weights.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

namespace mlx_vision::weights {
namespace {

std::string to_text(const mx::Shape& shape) {
  std::ostringstream out;
  out << "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out << (i ? "," : "") << shape[i];
  out << "]";
  return out.str();
}

// What MLX assumes when a table entry leaves a number out.
Quantization mode_defaults(const std::string& mode) {
  if (mode == "mxfp4") return {32, 4, mode};
  if (mode == "nvfp4") return {16, 4, mode};
  if (mode == "mxfp8") return {32, 8, mode};
  return {64, 4, mode};
}

template <class T>
bool one_of(const T& value, std::initializer_list<T> known) {
  return std::find(known.begin(), known.end(), value) != known.end();
}

Quantization parse_quantization(const core::ConfigReader& r) {
  const auto mode = r.get_or<std::string>("mode", "affine");
  if (!one_of<std::string>(mode, {"affine", "mxfp4", "nvfp4", "mxfp8"}))
    r.fail("mode", "expected affine, mxfp4, nvfp4 or mxfp8, got " + mode);
  const Quantization standard = mode_defaults(mode);
  Quantization q{r.get_or("group_size", standard.group_size), r.get_or("bits", standard.bits), mode};
  if (mode == "affine") {
    if (!one_of(q.bits, {2, 3, 4, 5, 6, 8}))
      r.fail("bits", "expected 2, 3, 4, 5, 6 or 8, got " + std::to_string(q.bits));
    if (!one_of(q.group_size, {32, 64, 128}))
      r.fail("group_size", "expected 32, 64 or 128, got " + std::to_string(q.group_size));
  } else if (q.bits != standard.bits || q.group_size != standard.group_size) {
    r.fail("mode", mode + " needs " + std::to_string(standard.bits) + " bits in groups of " +
                       std::to_string(standard.group_size));
  }
  return q;
}

// MLX's table: "quantization", mirrored in "quantization_config". Other tools write a "quantization_config"
// of their own, told apart by its quant_method.
std::optional<core::ConfigReader> quantization_table(const core::ConfigReader& config) {
  if (config.is_object("quantization")) {
    config.ignore({"quantization_config"});
    return config.child("quantization");
  }
  if (!config.is_object("quantization_config")) return std::nullopt;
  auto table = config.child("quantization_config");
  if (!table.has("quant_method") || table.has("bits")) return table;
  const auto method = table.get<std::string>("quant_method");
  if (method != "fp8")
    table.fail("quant_method", "expected a checkpoint quantised for MLX, or fp8, got " + method +
                                   "; convert the original with mlx_vlm.convert -q");
  config.ignore({"quantization_config"});  // unpacked where the files are opened
  return std::nullopt;
}

}  // namespace

std::string NameMap::operator()(const std::string& name) const {
  const auto prefix =
      std::find_if(renames.begin(), renames.end(), [&](const auto& r) { return name.starts_with(r.from); });
  std::string out = prefix == renames.end() ? name : prefix->to + name.substr(prefix->from.size());
  for (const auto& part : parts) {
    if (!out.starts_with(part.within)) continue;
    const auto at = out.find(part.from);
    if (at != std::string::npos) out.replace(at, part.from.size(), part.to);
  }
  return out;
}

std::string NameMap::module(const std::string& name) const {
  std::string out = (*this)(name + ".");
  if (out.ends_with('.')) out.pop_back();
  return out;
}

bool NameMap::ignored(const std::string& name) const {
  return std::any_of(ignored_suffixes.begin(), ignored_suffixes.end(),
                     [&](const auto& s) { return name.ends_with(s); }) ||
         std::any_of(ignored_prefixes.begin(), ignored_prefixes.end(),
                     [&](const auto& p) { return name.starts_with(p); });
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): its arrays are moved out one by one
WeightStore::WeightStore(std::unordered_map<std::string, mx::array> tensors, Layout layout,
                         const NameMap& names, const core::ConfigReader& config,
                         std::optional<mx::Dtype> compute)
    : layout_(layout), compute_(compute) {
  std::map<mx::Dtype::Val, std::pair<int, mx::Dtype>> counts;
  for (auto& [name, tensor] : tensors) {
    std::string renamed = names(name);
    if (names.ignored(renamed)) continue;
    if (mx::issubdtype(tensor.dtype(), mx::floating))
      ++counts.try_emplace(tensor.dtype().val(), 0, tensor.dtype()).first->second.first;
    const auto [it, fresh] = tensors_.emplace(std::move(renamed), std::move(tensor));
    if (!fresh) problem("clash    " + name + " is renamed onto " + it->first);
  }
  int most = 0;
  for (const auto& [val, entry] : counts)
    if (entry.first > most) std::tie(most, stored_) = entry;
  read_quantization(names, config);
}

void WeightStore::read_quantization(const NameMap& names, const core::ConfigReader& config) {
  const auto table = quantization_table(config);
  if (!table) return;
  default_ = parse_quantization(*table);
  for (const auto& key : table->keys()) {
    const auto& value = table->raw().at(key);
    if (value.is_object())
      overrides_.emplace(names.module(key), parse_quantization(table->child(key)));
    else if (value.is_boolean() && !table->get<bool>(key))
      overrides_.emplace(names.module(key), std::nullopt);
  }
}

std::optional<mx::array> WeightStore::take_stored(const std::string& name, const mx::Shape& shape) {
  const auto it = tensors_.find(name);
  if (it == tensors_.end()) return std::nullopt;
  taken_.insert(name);
  if (it->second.shape() != shape) {
    problem("shape    " + name + ": file has " + to_text(it->second.shape()) + ", model needs " +
            to_text(shape));
    return mx::zeros(shape);
  }
  return it->second;
}

std::optional<mx::array> WeightStore::take(const std::string& name, const mx::Shape& shape) {
  auto tensor = take_stored(name, shape);
  if (!tensor || tensor->dtype() == computed(tensor->dtype())) return tensor;
  // Kept in place of the stored one, so that it is converted once.
  mx::array& kept = tensors_.at(name);
  kept = mx::astype(*tensor, computed(tensor->dtype()));
  return kept;
}

mx::array WeightStore::missing(const std::string& name, const mx::Shape& shape) {
  problem("missing  " + name + " " + to_text(shape));
  return mx::zeros(shape);  // never evaluated: finish() throws first
}

mx::array WeightStore::require(const std::string& name, const mx::Shape& shape) {
  const auto tensor = take(name, shape);
  return tensor ? *tensor : missing(name, shape);
}

mx::array WeightStore::require_stored(const std::string& name, const mx::Shape& shape) {
  const auto tensor = take_stored(name, shape);
  return tensor ? *tensor : missing(name, shape);
}

namespace {

// O, spatial…, I → O, I, spatial…
mx::Shape torch_shape_of(const mx::Shape& shape) {
  mx::Shape out{shape.front(), shape.back()};
  out.insert(out.end(), shape.begin() + 1, shape.end() - 1);
  return out;
}

}  // namespace

mx::Shape WeightStore::shape_of(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? mx::Shape{} : found->second.shape();
}

Layout WeightStore::layout_of(const std::string& name, const mx::Shape& shape) const {
  if (layout_ != Layout::unknown) return layout_;
  const auto torch_shape = torch_shape_of(shape);
  if (torch_shape == shape) return Layout::unknown;
  const auto it = tensors_.find(name);
  return it != tensors_.end() && it->second.shape() == torch_shape ? Layout::torch : Layout::mlx;
}

mx::array WeightStore::require_conv(const std::string& name, const mx::Shape& shape) {
  const auto layout = layout_of(name, shape);
  if (layout == Layout::unknown)
    problem("layout   " + name +
            ": the file does not say whether kernels are OHWI or OIHW and the shape fits both");
  if (layout != Layout::torch) return require(name, shape);
  std::vector<int> order{0};
  for (int axis = 2; axis < int(shape.size()); ++axis) order.push_back(axis);
  order.push_back(1);
  return mx::transpose(require(name, torch_shape_of(shape)), order);
}

void WeightStore::skip(const std::string& prefix) {
  const std::string below = prefix + ".";
  for (const auto& [name, tensor] : tensors_)
    if (name == prefix || name.starts_with(below)) skipped_.insert(name);
}

Quantization WeightStore::quantization_of(const std::string& module, int in) {
  const auto it = overrides_.find(module);
  const std::optional<Quantization> found = it != overrides_.end() ? it->second : default_;
  if (!found) {
    problem("quant    " + module + ": the file holds packed weights, config.json says none (quantization)");
    return {};
  }
  if (in % found->group_size != 0)
    problem("quant    " + module + ": " + std::to_string(in) + " inputs cannot be split into groups of " +
            std::to_string(found->group_size));
  return *found;
}

std::vector<Quantization> WeightStore::quantizations() const {
  std::vector<Quantization> out;
  if (default_) out.push_back(*default_);
  for (const auto& [module, q] : overrides_)
    if (q) out.push_back(*q);
  return out;
}

void WeightStore::finish() const {
  std::vector<std::string> report = problems_;
  for (const auto& [name, tensor] : tensors_)
    if (!taken_.contains(name) && !skipped_.contains(name))
      report.push_back("unused   " + name + " " + to_text(tensor.shape()));
  if (report.empty()) return;
  std::sort(report.begin(), report.end());
  constexpr std::size_t kShown = 50;
  std::string text = std::to_string(report.size()) + " problem(s) with the weights:";
  for (std::size_t i = 0; i < std::min(report.size(), kShown); ++i) text.append("\n  ").append(report[i]);
  if (report.size() > kShown)
    text.append("\n  … and ").append(std::to_string(report.size() - kShown)).append(" more");
  throw WeightError(text);
}

std::vector<mx::array> WeightStore::taken() const {
  std::vector<mx::array> out;
  for (const auto& name : taken_) out.push_back(tensors_.at(name));
  return out;
}

}  // namespace mlx_vision::weights
