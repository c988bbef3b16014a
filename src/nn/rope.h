#pragma once
#include <array>
#include <optional>
#include <span>
#include <vector>

#include "kernels/rotate.h"
#include "nn/layers.h"

namespace mlx_vision::nn {

/// Rotary position embedding (Su et al. 2021) in half-split pairs, as configurations describe it.
struct RopeSpec {
  int head_dim = 0;
  int rotated = 0;  ///< leading values of a head that turn; the others stay as they are. 0 = all
  int pairs =
      0;  ///< leading pairs of the rotated values that turn; the others stand still (Gemma 4). 0 = all
  float theta = 10000;
  float scale = 1;      ///< of positions: 1 / factor for the "linear" type
  float amplitude = 1;  ///< of what is turned: attention_factor of the "yarn" type
  /// Llama 3.1's rescaling of long wavelengths ("llama3" type).
  struct Llama3 {
    float factor, low_freq_factor, high_freq_factor, original_context;
  };
  std::optional<Llama3> llama3 = {};
  /// Wavelengths that turn less than `slow` times in the original context are stretched by `factor`, those
  /// that turn more than `fast` times kept (YaRN, arXiv 2309.00071).
  struct Yarn {
    float factor, original_context, fast, slow;
    bool whole;  ///< the bounds of the ramp are rounded to whole frequencies
  };
  std::optional<Yarn> yarn = {};
  /// Frequencies per axis (time, height, width) for multi-axis positions (Qwen2-VL, arXiv 2409.12191); absent
  /// = one axis.
  std::optional<std::array<int, 3>> sections = {};
  bool interleaved = false;  ///< sections take turns, t h w t h w …, in place of one after another (Qwen3-VL)

  int dims() const { return rotated > 0 ? rotated : head_dim; }
};

/// Reads rope_theta, partial_rotary_factor, rope_scaling and transformers 5's rope_parameters of a text
/// configuration. @throws ConfigError for a type that is not supported
RopeSpec parse_rope(const core::ConfigReader& text, int head_dim, float default_theta,
                    float default_part = 1);
/// The same where the parameters stand in an object of their own, one of several; `text` says what it does
/// not.
RopeSpec parse_rope_object(const core::ConfigReader& text, const core::ConfigReader& rope, int head_dim,
                           float default_theta, float default_part = 1);

/// What YaRN multiplies by for a context `factor` times as long.
float yarn_amplitude(float factor, float scale = 1);

class Rope {
 public:
  explicit Rope(const RopeSpec& spec);

  /// Where the tokens of one step stand; made once per step, used by every layer.
  struct Table {
    std::vector<int> begin = {};                  ///< one axis, consecutive: of each row of the batch
    std::optional<mx::array> offsets = {};        ///< the same, `[B]` int32
    std::optional<mx::array> cos = {}, sin = {};  ///< `[B, 1, L, rotated]`: anything else
  };
  /// Consecutive tokens; row b of the batch begins at `begin[b]`.
  Table table_from_offsets(std::span<const int> begin) const;
  /// The same for rows of `length` tokens computed in `dtype`: where a kernel takes their angles, these are
  /// made here once and not in every layer.
  Table table_from_offsets(std::span<const int> begin, int length, mx::Dtype dtype) const;
  /// positions: int32 `[3, B, L]`; needs `sections`.
  Table table_from_axes(const mx::array& positions, mx::Dtype dtype) const;

  /// x `[B, heads, L, head_dim]`
  mx::array operator()(const mx::array& x, const Table& table) const;

 private:
  RopeSpec spec_;
  std::vector<float> inverse_;  ///< `[rotated / 2]`, frequencies
  std::optional<mx::array>
      wavelengths_;  ///< `[rotated / 2]`, inverse frequencies; only where they are not the plain ones
  std::optional<mx::array> frequencies_, axis_;  ///< `[rotated / 2]`: frequency, and which axis drives it
};

using kernels::rotate_half_pairs;

}  // namespace mlx_vision::nn
