#include "nn/rope.h"

#include <cmath>
#include <numbers>

namespace mlx_vision::nn {
namespace {

// theta^(2i/d) for i in 0 … d/2 - 1: the inverse of the frequencies.
std::vector<float> plain_wavelengths(const RopeSpec& s) {
  std::vector<float> out(s.head_dim / 2);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::pow(s.theta, float(2 * i) / float(s.head_dim));
  return out;
}

// Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, those between interpolated
// (transformers/modeling_rope_utils.py, "llama3").
void stretch(std::vector<float>& wavelengths, const RopeSpec::Llama3& l) {
  const float longest = l.original_context / l.low_freq_factor,
              shortest = l.original_context / l.high_freq_factor;
  for (float& w : wavelengths) {
    const float length = 2 * std::numbers::pi_v<float> * w;
    if (length > longest) {
      w *= l.factor;
    } else if (length > shortest) {
      const float smooth =
          (l.original_context / length - l.low_freq_factor) / (l.high_freq_factor - l.low_freq_factor);
      w = 1 / ((1 - smooth) / (l.factor * w) + smooth / w);
    }
  }
}

mx::array to_array(const std::vector<float>& values) {
  return mx::array(values.begin(), {int(values.size())}, mx::float32);
}

std::array<int, 3> parse_sections(const core::ConfigReader& r, int head_dim) {
  const auto list = r.get<std::vector<int>>("mrope_section");
  if (list.size() != 3 || list[0] < 0 || list[1] < 0 || list[2] < 0 ||
      std::int64_t(list[0]) + list[1] + list[2] != head_dim / 2)
    r.fail("mrope_section",
           "expected three numbers that add up to head_dim / 2 = " + std::to_string(head_dim / 2));
  return {list[0], list[1], list[2]};
}

}  // namespace

RopeSpec parse_rope(const core::ConfigReader& text, int head_dim, float default_theta) {
  RopeSpec spec{.head_dim = head_dim};
  const bool modern = text.is_object("rope_parameters");
  const auto r = text.child_or_empty(modern ? "rope_parameters" : "rope_scaling");
  spec.theta = r.get_or("rope_theta", text.get_or("rope_theta", default_theta));
  if (!(spec.theta > 0)) text.fail("rope_theta", "expected a positive number");
  for (const auto& c : {text, r})
    if (c.get_or("partial_rotary_factor", 1.0f) != 1.0f)
      c.fail("partial_rotary_factor", "only 1 is supported by this decoder");
  const auto type = r.get_or("rope_type", r.get_or<std::string>("type", "default"));
  if (r.has("mrope_section")) spec.sections = parse_sections(r, head_dim);
  if (type == "linear") {
    spec.scale = 1 / r.get<float>("factor");
  } else if (type == "llama3") {
    spec.llama3 =
        RopeSpec::Llama3{r.get<float>("factor"), r.get<float>("low_freq_factor"),
                         r.get<float>("high_freq_factor"), r.get<float>("original_max_position_embeddings")};
  } else if (type != "default" && type != "mrope") {
    r.fail(r.has("rope_type") ? "rope_type" : "type",
           "expected default, linear, llama3 or mrope, got " + type);
  }
  if (spec.sections && (spec.llama3 || spec.scale != 1))
    r.fail("mrope_section", "cannot be combined with " + type);
  return spec;
}

Rope::Rope(const RopeSpec& spec) : spec_(spec) {
  auto wavelengths = plain_wavelengths(spec);
  if (spec.llama3) {
    stretch(wavelengths, *spec.llama3);
    wavelengths_ = to_array(wavelengths);
  }
  for (const float w : wavelengths) inverse_.push_back(1 / w);
  if (!spec.sections) return;
  std::vector<int> axis(inverse_.size());
  const auto& s = *spec.sections;
  for (int i = 0; i < int(axis.size()); ++i) axis[i] = i < s[0] ? 0 : i < s[0] + s[1] ? 1 : 2;
  frequencies_ = to_array(inverse_);
  axis_ = mx::array(axis.begin(), {int(axis.size())}, mx::int32);
}

Rope::Table Rope::table_from_offsets(std::span<const int> begin) const {
  return {.offsets = mx::array(begin.begin(), {int(begin.size())}, mx::int32)};
}

Rope::Table Rope::table_from_offsets(std::span<const int> begin, int length, mx::Dtype dtype) const {
  if (mx::default_device() != mx::Device::cpu || dtype != mx::float32) return table_from_offsets(begin);
  std::vector<float> cos, sin;
  const std::size_t values = begin.size() * std::size_t(length) * std::size_t(spec_.head_dim);
  cos.reserve(values);
  sin.reserve(values);
  for (const int first : begin)
    for (int i = 0; i < length; ++i)
      for (int half = 0; half < 2; ++half)
        for (const float frequency : inverse_) {
          const float angle = float(first + i) * spec_.scale * frequency;
          cos.push_back(std::cos(angle));
          sin.push_back(std::sin(angle));
        }
  const mx::Shape shape{int(begin.size()), 1, length, spec_.head_dim};
  return {.cos = mx::array(cos.begin(), shape, mx::float32),
          .sin = mx::array(sin.begin(), shape, mx::float32)};
}

Rope::Table Rope::table_from_axes(const mx::array& positions, mx::Dtype dtype) const {
  // [3, B, L] → the axis of each frequency [B, L, d/2]
  const auto chosen = mx::transpose(mx::take(mx::astype(positions, mx::float32), *axis_, 0), {1, 2, 0});
  const auto angles = mx::expand_dims(chosen * *frequencies_, 1);
  const auto both = mx::concatenate({angles, angles}, -1);
  return {.cos = mx::astype(mx::cos(both), dtype), .sin = mx::astype(mx::sin(both), dtype)};
}

mx::array Rope::operator()(const mx::array& x, const Table& table) const {
  if (table.cos) return rotate_half_pairs(x, *table.cos, *table.sin);
  const auto base = wavelengths_ ? std::nullopt : std::optional(spec_.theta);
  return mx::fast::rope(x, spec_.head_dim, /*traditional=*/false, base, spec_.scale, *table.offsets,
                        wavelengths_);
}

}  // namespace mlx_vision::nn
