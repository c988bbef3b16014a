#include "media/decode_resized.h"

#include <algorithm>
#include <array>
#include <utility>

#include "media/jpeg_reader.h"
#include "media/orientation.h"
#include "media/resample.h"
#include "media/row_resampler.h"

namespace mlx_vision::media {
namespace {

struct Target {
  int width, height;  ///< of the picture as it is to be seen
  ResizeSpec spec;
};

Target target_of(int width, int height, const FittedResize& resize) {
  const auto [new_width, new_height] = resize.size(width, height);
  return {width, height, {new_width, new_height, resize.filter, resize.rule, std::nullopt}};
}

/// The same resize for the stored picture: sums of integers do not depend on the direction in which a window
/// is read, so turning the weights and then the small result gives the pixels of resizing the turned picture.
ResizePasses stored_passes(ResizePasses seen, const Turn& turn) {
  ResizePasses stored{std::move(turn.transposed ? seen.vertical : seen.horizontal),
                      std::move(turn.transposed ? seen.horizontal : seen.vertical),
                      seen.horizontal_first != turn.transposed};
  if (turn.mirrored) stored.horizontal = mirrored(stored.horizontal);
  if (turn.flipped) stored.vertical = mirrored(stored.vertical);
  return stored;
}

Picture stream(JpegReader& reader, const ResizePlan& plan) {
  Picture picture;
  picture.info = reader.info();
  picture.width = plan.out_width;
  picture.height = plan.vertical.out;
  picture.rgb.resize(std::size_t(picture.width) * std::size_t(picture.height) * 3);
  RowResampler resampler(plan, 0, picture.height, picture.rgb.data(), false);
  const std::size_t pitch = std::size_t(reader.width()) * 3 + kRowSlack;
  std::vector<std::uint8_t> batch(RowResampler::kBatch * pitch);
  std::array<const std::uint8_t*, RowResampler::kBatch> made = {};
  stream_rows(reader, [&](const JpegRows& rows) {
    for (;;) {
      const int next = resampler.next_input();
      const int count = std::min(RowResampler::kBatch, std::min(rows.last(), resampler.last_input()) - next);
      if (count <= 0) return;
      for (int i = 0; i < count; ++i) {
        std::uint8_t* row = batch.data() + std::size_t(i) * pitch;
        rows.make(next + i, row);
        made[std::size_t(i)] = row;
      }
      resampler.push(made.data(), count);
    }
  });
  return picture;
}

Picture resized(Picture picture, const FittedResize& resize) {
  const Target target = target_of(picture.width, picture.height, resize);
  const bool same = target.spec.width == picture.width && target.spec.height == picture.height;
  if (same) return picture;
  Picture result{
      .width = target.spec.width, .height = target.spec.height, .rgb = {}, .info = std::move(picture.info)};
  result.rgb = resample({picture.rgb.data(), picture.width, picture.height}, target.spec);
  return result;
}

}  // namespace

Picture decode_resized(const Source& source, const FittedResize& resize) {
  if (!is_jpeg(source)) return resized(decode(source), resize);
  JpegReader reader(source);
  const int orientation = source.options.apply_orientation ? reader.info().orientation : 1;
  const Turn turn(orientation);
  const int width = turn.transposed ? reader.height() : reader.width();
  const int height = turn.transposed ? reader.width() : reader.height();
  const Target target = target_of(width, height, resize);
  if (!has_two_passes(width, height, target.spec)) return resized(decode(source), resize);
  const ResizePlan plan(stored_passes(plan_passes(width, height, target.spec), turn));
  return oriented(stream(reader, plan), orientation);
}

}  // namespace mlx_vision::media
