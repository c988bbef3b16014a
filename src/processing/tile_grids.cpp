#include "processing/tile_grids.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace mlx_vision::processing {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Columns from 1, then rows: the order that settles ties.
std::vector<Grid> grids(TileCount count) {
  std::vector<Grid> out;
  for (int cols = 1; cols <= count.most; ++cols)
    for (int rows = 1; rows * cols <= count.most; ++rows)
      if (rows * cols >= count.least) out.push_back({.rows = rows, .cols = cols});
  return out;
}

std::vector<Grid> grids_by_tiles(TileCount count) {
  std::vector<Grid> out = grids(count);
  std::stable_sort(out.begin(), out.end(), [](Grid a, Grid b) { return a.rows * a.cols < b.rows * b.cols; });
  return out;
}

/// By how much a picture may grow to fit.
double scale_to(Size image, Grid grid, int tile) {
  return std::min(double(std::int64_t(grid.cols) * tile) / image.width,
                  double(std::int64_t(grid.rows) * tile) / image.height);
}

}  // namespace

Grid nearest_ratio_grid(Size image, Size tile, TileCount count, GridTie tie) {
  const double ratio = double(image.width) / image.height, area = double(image.width) * image.height;
  const double tile_area = double(tile.width) * tile.height;
  const auto area_of = [&](Grid g) { return tile_area * g.rows * g.cols; };
  Grid best{1, 1};
  double best_difference = kInfinity;
  for (const Grid grid : grids_by_tiles(count)) {
    const double difference = std::abs(ratio - double(grid.cols) / grid.rows);
    if (difference < best_difference) {
      best_difference = difference;
      best = grid;
    } else if (difference == best_difference) {
      const bool better = tie == GridTie::more_tiles
                              ? area > 0.5 * area_of(grid)
                              : std::abs(area - area_of(grid)) < std::abs(area - area_of(best));
      if (better) best = grid;
    }
  }
  return best;
}

Grid least_upscale_grid(Size image, int tile, int most) {
  const std::vector<Grid> candidates = grids_by_tiles({1, most});
  Grid best = candidates.front(), largest = best;
  double best_scale = kInfinity, largest_scale = 0;
  for (const Grid grid : candidates) {
    const double scale = scale_to(image, grid, tile);
    if (scale >= 1 && scale < best_scale) {
      best_scale = scale;
      best = grid;
    }
    if (scale > largest_scale) {
      largest_scale = scale;
      largest = grid;
    }
  }
  return largest_scale < 1 ? largest : best;
}

Grid least_upscale_canvas(Size image, int tile, int most) {
  double selected = kInfinity, largest = 0;
  std::vector<Grid> candidates;
  // The reference counts rows in the outer loop here.
  for (const Grid grid : grids({1, most})) candidates.push_back({.rows = grid.cols, .cols = grid.rows});
  for (const Grid grid : candidates) {
    const double scale = scale_to(image, grid, tile);
    if (scale >= 1) selected = std::min(selected, scale);
    largest = std::max(largest, scale);
  }
  if (selected == kInfinity) selected = largest;
  Grid best;
  for (const Grid grid : candidates)
    if (scale_to(image, grid, tile) == selected &&
        (best.rows == 0 || grid.rows * grid.cols < best.rows * best.cols))
      best = grid;
  return best;
}

int canvas_id(Grid grid, int most) {
  int id = 1;
  for (const Grid candidate : grids({1, most})) {
    if (candidate.cols == grid.rows && candidate.rows == grid.cols) return id;
    ++id;
  }
  return 0;
}

Size best_resolution(Size image, std::span<const Size> candidates) {
  const auto [w, h] = image;
  const std::int64_t area = std::int64_t(w) * h;
  std::int64_t most_kept = 0, least_wasted = std::numeric_limits<std::int64_t>::max();
  Size best = candidates.front();
  for (const Size candidate : candidates) {
    const double scale = std::min(double(candidate.width) / w, double(candidate.height) / h);
    const std::int64_t kept = std::min(std::int64_t(w * scale) * std::int64_t(h * scale), area);
    const std::int64_t wasted = std::int64_t(candidate.width) * candidate.height - kept;
    if (kept > most_kept || (kept == most_kept && wasted < least_wasted)) {
      most_kept = kept;
      least_wasted = wasted;
      best = candidate;
    }
  }
  return best;
}

}  // namespace mlx_vision::processing
