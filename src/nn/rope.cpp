#include "nn/rope.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace mlx_vision::nn {
namespace {

// theta^(2i/d) for i in 0 … d/2 - 1: the inverse of the frequencies.
std::vector<float> plain_wavelengths(const RopeSpec& s) {
  std::vector<float> out(s.dims() / 2);
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = s.pairs > 0 && int(i) >= s.pairs ? std::numeric_limits<float>::infinity()
                                              : std::pow(s.theta, float(2 * i) / float(s.dims()));
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

// Between the frequencies that turn `fast` and `slow` times in the original context, the stretch sets in
// (transformers/modeling_rope_utils.py, "yarn").
void stretch(std::vector<float>& wavelengths, const RopeSpec::Yarn& y, const RopeSpec& s) {
  const auto frequency_of = [&](float turns) {
    return float(s.dims()) * std::log(y.original_context / (turns * 2 * std::numbers::pi_v<float>)) /
           (2 * std::log(s.theta));
  };
  float low = frequency_of(y.fast), high = frequency_of(y.slow);
  if (y.whole) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0f);
  high = std::min(high, float(s.dims() - 1));
  if (low == high) high += 0.001f;
  for (std::size_t i = 0; i < wavelengths.size(); ++i) {
    const float stretched = std::clamp((float(i) - low) / (high - low), 0.0f, 1.0f);
    wavelengths[i] = 1 / (stretched / (y.factor * wavelengths[i]) + (1 - stretched) / wavelengths[i]);
  }
}

mx::array to_array(const std::vector<float>& values) {
  return mx::array(values.begin(), {int(values.size())}, mx::float32);
}

std::array<int, 3> parse_sections(const core::ConfigReader& r, int dims) {
  const auto list = r.get<std::vector<int>>("mrope_section");
  if (list.size() != 3 || list[0] < 0 || list[1] < 0 || list[2] < 0 ||
      std::int64_t(list[0]) + list[1] + list[2] != dims / 2)
    r.fail("mrope_section",
           "expected three numbers that add up to half the rotated width, " + std::to_string(dims / 2));
  return {list[0], list[1], list[2]};
}

void parse_yarn(const core::ConfigReader& r, RopeSpec& spec) {
  const auto factor = r.get<float>("factor");
  spec.yarn = RopeSpec::Yarn{.factor = factor,
                             .original_context = r.get<float>("original_max_position_embeddings"),
                             .fast = r.get_or("beta_fast", 32.0f),
                             .slow = r.get_or("beta_slow", 1.0f),
                             .whole = r.get_or("truncate", true)};
  const float scale = r.get_or("mscale", 0.0f), over = r.get_or("mscale_all_dim", 0.0f);
  spec.amplitude = r.get_or("attention_factor", scale != 0 && over != 0 ? yarn_amplitude(factor, scale) /
                                                                              yarn_amplitude(factor, over)
                                                                        : yarn_amplitude(factor));
}

// Which axis drives each frequency.
std::vector<int> axes_of(const RopeSpec& spec) {
  const auto& s = *spec.sections;
  std::vector<int> axis(std::size_t(spec.dims()) / 2);
  for (int i = 0; i < int(axis.size()); ++i) {
    if (spec.interleaved)
      axis[i] = i < 3 * s[i % 3] ? i % 3 : 0;
    else
      axis[i] = i < s[0] ? 0 : i < s[0] + s[1] ? 1 : 2;
  }
  return axis;
}

}  // namespace

float yarn_amplitude(float factor, float scale) {
  return factor <= 1 ? 1 : 0.1f * scale * std::log(factor) + 1;
}

RopeSpec parse_rope(const core::ConfigReader& text, int head_dim, float default_theta, float default_part) {
  const bool modern = text.is_object("rope_parameters");
  const auto r = text.child_or_empty(modern ? "rope_parameters" : "rope_scaling");
  return parse_rope_object(text, r, head_dim, default_theta, default_part);
}

RopeSpec parse_rope_object(const core::ConfigReader& text, const core::ConfigReader& r, int head_dim,
                           float default_theta, float default_part) {
  RopeSpec spec{.head_dim = head_dim};
  spec.theta = r.get_or("rope_theta", text.get_or("rope_theta", default_theta));
  if (!(spec.theta > 0)) text.fail("rope_theta", "expected a positive number");
  const float part = r.get_or("partial_rotary_factor", text.get_or("partial_rotary_factor", default_part));
  const auto type = r.get_or("rope_type", r.get_or<std::string>("type", "default"));
  spec.rotated = int(float(head_dim) * part);
  if (type == "proportional") {
    spec.pairs = spec.rotated / 2;
    spec.rotated = head_dim;
    spec.scale = 1 / r.get_or("factor", 1.0f);
    if (spec.pairs < 1 || !(spec.scale > 0))
      r.fail("partial_rotary_factor", "expected one that leaves a pair to turn");
  }
  if (spec.rotated < 2 || spec.rotated > head_dim || spec.rotated % 2 != 0)
    text.fail("partial_rotary_factor", "expected an even part of head_dim " + std::to_string(head_dim) +
                                           ", got " + std::to_string(part));
  if (r.has("mrope_section")) spec.sections = parse_sections(r, spec.dims());
  spec.interleaved = r.get_or("mrope_interleaved", false);
  if (type == "linear") {
    spec.scale = 1 / r.get<float>("factor");
  } else if (type == "llama3") {
    spec.llama3 =
        RopeSpec::Llama3{r.get<float>("factor"), r.get<float>("low_freq_factor"),
                         r.get<float>("high_freq_factor"), r.get<float>("original_max_position_embeddings")};
  } else if (type == "yarn") {
    parse_yarn(r, spec);
  } else if (type == "dynamic") {
    // Changes what lies behind these positions only, and no prompt is taken that reaches them.
    text.size("max_position_embeddings", 1, 1 << 30);
    r.ignore({"factor"});
  } else if (type != "default" && type != "mrope" && type != "proportional") {
    r.fail(r.has("rope_type") ? "rope_type" : "type",
           "expected default, linear, llama3, yarn, dynamic, proportional or mrope, got " + type);
  }
  if (spec.sections && (spec.llama3 || spec.yarn || spec.scale != 1))
    r.fail("mrope_section", "cannot be combined with " + type);
  return spec;
}

Rope::Rope(const RopeSpec& spec) : spec_(spec) {
  auto wavelengths = plain_wavelengths(spec);
  if (spec.llama3) stretch(wavelengths, *spec.llama3);
  if (spec.yarn) stretch(wavelengths, *spec.yarn, spec);
  if (spec.llama3 || spec.yarn || spec.pairs > 0) wavelengths_ = to_array(wavelengths);
  for (const float w : wavelengths) inverse_.push_back(1 / w);
  if (!spec.sections) return;
  const auto axis = axes_of(spec);
  frequencies_ = to_array(inverse_);
  axis_ = mx::array(axis.begin(), {int(axis.size())}, mx::int32);
}

Rope::Table Rope::table_from_offsets(std::span<const int> begin) const {
  return {.begin = {begin.begin(), begin.end()},
          .offsets = mx::array(begin.begin(), {int(begin.size())}, mx::int32)};
}

Rope::Table Rope::table_from_offsets(std::span<const int> begin, int length, mx::Dtype dtype) const {
  if (mx::default_device() != mx::Device::cpu || dtype != mx::float32) return table_from_offsets(begin);
  std::vector<float> cos, sin;
  const std::size_t values = begin.size() * std::size_t(length) * std::size_t(spec_.dims());
  cos.reserve(values);
  sin.reserve(values);
  for (const int first : begin)
    for (int i = 0; i < length; ++i)
      for (int half = 0; half < 2; ++half)
        for (const float frequency : inverse_) {
          const float angle = float(first + i) * spec_.scale * frequency;
          cos.push_back(spec_.amplitude * std::cos(angle));
          sin.push_back(spec_.amplitude * std::sin(angle));
        }
  const mx::Shape shape{int(begin.size()), 1, length, spec_.dims()};
  return {.begin = {begin.begin(), begin.end()},
          .cos = mx::array(cos.begin(), shape, mx::float32),
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
  if (table.cos) {
    if (spec_.dims() == spec_.head_dim) return rotate_half_pairs(x, *table.cos, *table.sin);
    const auto parts = mx::split(x, mx::Shape{spec_.dims()}, -1);
    return mx::concatenate({rotate_half_pairs(parts[0], *table.cos, *table.sin), parts[1]}, -1);
  }
  const auto base = wavelengths_ ? std::nullopt : std::optional(spec_.theta);
  const auto scaled = spec_.amplitude == 1 ? x : x * scalar(spec_.amplitude, x);
  return mx::fast::rope(scaled, spec_.dims(), /*traditional=*/false, base, spec_.scale, *table.offsets,
                        wavelengths_);
}

}  // namespace mlx_vision::nn
