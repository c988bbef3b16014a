#include "processing/views.h"

#include <cmath>
#include <span>
#include <string>
#include <utility>

namespace mlx_vision::processing {

Box source_box(const Box& shown, const media::Placement& at, Size original) {
  // A side that was rounded to nothing has the scale of the other one.
  const double across =
      at.width > 0 ? double(original.width) / at.width : double(original.height) / at.height;
  const double down = at.height > 0 ? double(original.height) / at.height : across;
  return {.left = float((double(shown.left) - at.x) * across),
          .top = float((double(shown.top) - at.y) * down),
          .right = float((double(shown.right) - at.x) * across),
          .bottom = float((double(shown.bottom) - at.y) * down)};
}

Box source_box(Size original, Size scaled, int x, int y, Size part) {
  return source_box({.left = 0, .top = 0, .right = float(part.width), .bottom = float(part.height)},
                    {.width = scaled.width, .height = scaled.height, .x = -x, .y = -y}, original);
}

Box whole_box(Size original) {
  return {.left = 0, .top = 0, .right = float(original.width), .bottom = float(original.height)};
}

const char* crop_label(const Box& source) {
  return source.left > 0.5f || source.top > 0.5f ? "centre crop" : "whole picture";
}

Cells square_cells(Size view, int side) {
  if (side < 1) return {};
  return {.width = side, .height = side, .columns = view.width / side, .rows = view.height / side};
}

Cells square_lattice(Size view, int count) {
  const int side = int(std::lround(std::sqrt(double(count))));
  if (side < 1 || side * side != count || view.width % side != 0 || view.height % side != 0) return {};
  return {.width = view.width / side, .height = view.height / side, .columns = side, .rows = side};
}

std::vector<View> plane_views(const Tensor& planes, const media::NormalizeTable& table,
                              const ViewCells& cells) {
  const std::size_t axes = planes.shape.size();
  const Size size{int(planes.shape[axes - 1]), int(planes.shape[axes - 2])};
  const std::size_t values = 3 * std::size_t(size.width) * std::size_t(size.height);
  std::vector<View> out;
  for (std::size_t at = 0; at < planes.floats.size(); at += values)
    out.push_back({.label = "whole picture",
                   .image = media::read_planes(std::span(planes.floats).subspan(at, values), size.width,
                                               size.height, table),
                   .source = {},
                   .patches = square_cells(size, cells.patch),
                   .tokens = square_lattice(size, cells.tokens),
                   .token_count = cells.tokens});
  return out;
}

void name_tile(View& view, int index, int columns) {
  view.row = index / columns;
  view.column = index % columns;
  view.label = "row " + std::to_string(view.row + 1) + ", column " + std::to_string(view.column + 1);
}

void place_tiles(std::vector<View>& views, std::size_t first, const TileLayout& layout, Size original) {
  for (int i = 0; i < layout.grid.rows * layout.grid.cols; ++i) {
    View& view = views.at(first + std::size_t(i));
    if (views.size() > 1) name_tile(view, i, layout.grid.cols);
    const int row = i / layout.grid.cols, column = i % layout.grid.cols;
    const auto x = float(column * layout.tile.width), y = float(row * layout.tile.height);
    view.source = source_box({.left = x,
                              .top = y,
                              .right = x + float(view.image.width()),
                              .bottom = y + float(view.image.height())},
                             layout.at, original);
  }
}

}  // namespace mlx_vision::processing
