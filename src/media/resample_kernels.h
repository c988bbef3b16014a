#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "media/resample_axis.h"

namespace mlx_vision::media {

/// Bytes behind a source row that the column kernel may read (never use).
inline constexpr std::size_t kRowSlack = 16;

/// Weights of a horizontal pass as the vector kernel takes them: w = high * 2048 + low with 0 <= low < 2048,
/// so that 16-bit products summed in wrapping int32 give exactly the sum of the full products. Per group of
/// four taps four low parts and four high parts.
struct ColumnWeights {
  static constexpr int kLowBits = 11;
  static constexpr int kTaps = 4;  ///< in a group

  explicit ColumnWeights(const ResampleAxis& axis);

  int out = 0, precision = 0;
  std::size_t pitch = 0;  ///< groups from position to position
  std::vector<int> start, groups;
  std::vector<std::int16_t> weights;
};

/// Resamples up to four rows of RGB bytes, each with kRowSlack readable bytes behind it, into rows of
/// `columns.out` pixels. The results are the same on every instruction set.
void resample_columns(const ColumnWeights& columns, const std::uint8_t* const* rows, std::uint8_t* const* out,
                      int row_count);

/// out[i] = clip8((half + Σ weights[j] * rows[j][i]) >> precision) for `bytes` bytes.
void resample_rows(const std::uint8_t* const* rows, const std::int32_t* weights, int count, int precision,
                   std::size_t bytes, std::uint8_t* out);

}  // namespace mlx_vision::media
