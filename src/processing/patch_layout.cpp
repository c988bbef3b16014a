#include "processing/patch_layout.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "processing/arrays.h"

namespace mlx_vision::processing {
namespace {

struct Point {
  int x, y;
};

/// The patch with its top left corner at (x, y) as `[3, temporal, p, p]`.
void write_patch(std::span<const Image> frames, Point at, const PatchLayout& layout,
                 const media::NormalizeTable& table, float* out) {
  const std::size_t side = std::size_t(layout.patch), plane = side * side;
  const std::size_t channel = plane * std::size_t(layout.temporal);
  for (std::size_t t = 0; t < frames.size(); ++t)
    for (std::size_t dy = 0; dy < side; ++dy) {
      const std::uint8_t* in = frames[t].row(at.y + int(dy)) + 3 * std::size_t(at.x);
      float* to = out + t * plane + dy * side;
      for (std::size_t dx = 0; dx < side; ++dx)
        for (std::size_t c = 0; c < 3; ++c) to[c * channel + dx] = table.channel(int(c))[*in++];
    }
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t t = frames.size(); t < std::size_t(layout.temporal); ++t)
      std::memcpy(out + c * channel + t * plane, out + c * channel, plane * sizeof(float));
}

/// Calls `use(x, y)` with the corner of each patch, in the layout's order.
template <class Use>
void for_each_patch(Size size, const PatchLayout& layout, const Use& use) {
  const int block = layout.order == PatchOrder::by_row ? layout.patch : layout.factor();
  for (int by = 0; by < size.height; by += block)
    for (int bx = 0; bx < size.width; bx += block)
      for (int y = by; y < by + block; y += layout.patch)
        for (int x = bx; x < bx + block; x += layout.patch) use(x, y);
}

}  // namespace

PatchLayout read_layout(const core::ConfigReader& config, PatchLayout layout) {
  layout.patch = config.size_or("patch_size", layout.patch, 1, 256);
  layout.temporal = config.size_or("temporal_patch_size", layout.temporal, 1, 8);
  layout.merge = config.size_or("merge_size", layout.merge, 1, 16);
  return layout;
}

std::vector<float> planar_patches(std::span<const Image> frames, const PatchLayout& layout,
                                  const media::NormalizeTable& table) {
  const Image& image = frames[0];
  std::vector<float> out, patch(layout.row());
  // Appended patch by patch: filling tens of megabytes with zeros first would cost as much as the work
  // itself.
  out.reserve(checked_count({image.height(), image.width(), 3, layout.temporal}));
  for_each_patch({image.width(), image.height()}, layout, [&](int x, int y) {
    write_patch(frames, {x, y}, layout, table, patch.data());
    out.insert(out.end(), patch.begin(), patch.end());
  });
  return out;
}

std::vector<float> interleaved_patches(const Image& image, int patch, const media::NormalizeTable& table) {
  const int rows = image.height() / patch, cols = image.width() / patch;
  std::vector<float> out;
  out.reserve(checked_count({rows, cols, patch, patch, 3}));
  for (int y = 0; y < rows * patch; y += patch)
    for (int x = 0; x < cols * patch; x += patch)
      for (int dy = 0; dy < patch; ++dy) {
        const std::uint8_t* in = image.row(y + dy) + 3 * std::size_t(x);
        for (int dx = 0; dx < patch; ++dx)
          for (int c = 0; c < 3; ++c) out.push_back(table.channel(c)[*in++]);
      }
  return out;
}

Image read_planar_patches(std::span<const float> patches, Size size, const PatchLayout& layout,
                          const media::NormalizeTable& table) {
  std::vector<std::uint8_t> rgb(checked_count({size.height, size.width, 3}));
  const std::size_t side = std::size_t(layout.patch), channel = side * side * std::size_t(layout.temporal);
  const float* patch = patches.data();
  for_each_patch(size, layout, [&](int x, int y) {
    for (std::size_t i = 0; i < side * side; ++i) {
      const std::size_t row = std::size_t(y) + i / side, column = std::size_t(x) + i % side;
      std::uint8_t* to = rgb.data() + 3 * (row * std::size_t(size.width) + column);
      for (std::size_t c = 0; c < 3; ++c) to[c] = table.nearest(int(c), patch[c * channel + i]);
    }
    patch += layout.row();
  });
  return Image::from_rgb(size.width, size.height, std::move(rgb));
}

Image read_interleaved_patches(std::span<const float> patches, Grid grid, int patch,
                               const media::NormalizeTable& table) {
  const Size size{grid.cols * patch, grid.rows * patch};
  std::vector<std::uint8_t> rgb(checked_count({size.height, size.width, 3}));
  const float* in = patches.data();
  for_each_patch(size, {.patch = patch}, [&](int x, int y) {
    for (int dy = 0; dy < patch; ++dy) {
      std::uint8_t* to = rgb.data() + 3 * (std::size_t(y + dy) * std::size_t(size.width) + std::size_t(x));
      for (int i = 0; i < 3 * patch; ++i) *to++ = table.nearest(i % 3, *in++);
    }
  });
  return Image::from_rgb(size.width, size.height, std::move(rgb));
}

}  // namespace mlx_vision::processing
