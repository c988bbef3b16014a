#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "media/resample_kernels.h"

namespace mlx_vision::media {

/// Both directions of a resize of a whole picture, and which comes first.
struct ResizePasses {
  ResampleAxis horizontal, vertical;
  bool horizontal_first = true;
};

/// The passes in the form that the kernels take.
struct ResizePlan {
  explicit ResizePlan(ResizePasses passes);

  ResampleAxis vertical;
  std::optional<ColumnWeights> columns;  ///< nothing: the width stays
  int in_width = 0, out_width = 0;
  bool horizontal_first = true;
};

/// Resamples a picture that comes row by row from the top; keeps only as many rows as the vertical window is
/// high. One object makes the result's rows [first, last), so that several may share a picture. Not for
/// concurrent use.
class RowResampler {
 public:
  static constexpr int kBatch = 4;  ///< rows that one push takes at most

  /// `out` is where row `first` goes; rows are packed. `plan` must outlive it.
  /// `stable`: the rows pushed stay valid and need not be copied. @throws MediaError if the window needs too
  /// much memory.
  RowResampler(const ResizePlan& plan, int first, int last, std::uint8_t* out, bool stable);

  /// Input rows still wanted: [next_input(), last_input()).
  int next_input() const { return next_input_; }
  int last_input() const { return last_input_; }

  /// `count` rows from next_input() on, each with kRowSlack readable bytes behind it.
  void push(const std::uint8_t* const* rows, int count) noexcept;

 private:
  std::uint8_t* slot(int row) { return storage_.data() + std::size_t(row % ring_) * pitch_; }
  void keep(const std::uint8_t* const* rows, int count);
  void make_rows();
  void make_row(int y, std::uint8_t* to);

  const ResizePlan& plan_;
  std::uint8_t* out_;
  int next_output_, last_output_, next_input_ = 0, last_input_ = 0;
  bool columns_first_, stable_;
  int ring_ = 0;
  std::size_t pitch_ = 0;
  std::vector<std::uint8_t> storage_, wide_;
  std::vector<const std::uint8_t*> kept_, window_;
};

}  // namespace mlx_vision::media
