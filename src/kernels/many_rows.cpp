#include "kernels/many_rows.h"

// NOLINTBEGIN(readability-identifier-naming): functions are named as Highway names its own.

#include <algorithm>
#include <cstring>
#include <memory>

#include "core/thread_pool.h"

// This file is compiled once for each instruction set; the one in use is chosen when it first runs.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/many_rows.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mlx_vision::kernels::HWY_NAMESPACE {
namespace {

constexpr int kStrips = 96 / kTileRows;  // of a block of x that stays in the second-level cache

HWY_INLINE float Widened(Element element, const void* values, std::size_t i) {
  float out = 0;
  WidenRow(element, values, i, 1, &out);
  return out;
}

/// kLanes rows of a weight from `n` on (beyond the last: the last again), and inputs k0 … k0 + depth - 1.
struct Strip {
  const WeightView& w;
  int n, k0, depth;
  int row(int lane) const { return std::min(n + lane, w.out - 1); }
};

template <int kBits, int kIndex>
HWY_INLINE VF Number(const std::uint32_t* words) {
  constexpr int kWord = kIndex * kBits / 32, kShift = kIndex * kBits % 32, kPast = kShift + kBits - 32;
  const DU d;
  auto q = hn::ShiftRight<kShift>(hn::LoadU(d, words + kWord * kLanes));
  if constexpr (kPast > 0)
    q = hn::Or(q, hn::ShiftLeft<32 - kShift>(hn::LoadU(d, words + (kWord + 1) * kLanes)));
  if constexpr (kPast != 0) q = hn::And(q, hn::Set(d, (1u << kBits) - 1));
  return hn::ConvertTo(DF(), hn::BitCast(DI(), q));
}

/// 32 numbers of each row, from kBits words.
template <int kBits, int... kIndex>
HWY_INLINE void UnpackNumbers(const std::uint32_t* words, VF scale, VF bias, float* out,
                              std::integer_sequence<int, kIndex...>) {
  (hn::StoreU(hn::MulAdd(Number<kBits, kIndex>(words), scale, bias), DF(), out + kIndex * kTileColumns), ...);
}

template <int kBits>
void UnpackStrip(const Strip& s, const std::uint32_t* words, float* out) {
  const DF d;
  const WeightView& w = s.w;
  for (int k = 0; k < s.depth; k += w.group) {
    float scales[kLanes], biases[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
      const std::size_t at =
          std::size_t(s.row(lane)) * std::size_t(w.groups()) + std::size_t((s.k0 + k) / w.group);
      scales[lane] = Widened(w.element, w.scales, at);
      biases[lane] = Widened(w.element, w.biases, at);
    }
    const VF scale = hn::LoadU(d, scales), bias = hn::LoadU(d, biases);
    for (int i = k; i < k + w.group; i += 32)
      UnpackNumbers<kBits>(words + std::size_t(i) / 32 * kBits * kLanes, scale, bias,
                           out + std::size_t(i) * kTileColumns, std::make_integer_sequence<int, 32>());
  }
}

/// One strip of unpacked weights as half of a tile's b: `[depth][kTileColumns]`.
void Unpack(const Strip& s, float* out) {
  const WeightView& w = s.w;
  const int bits = w.bits;
  const std::uint8_t* rows[kLanes];
  for (int lane = 0; lane < kLanes; ++lane)
    rows[lane] = w.row(s.row(lane)) + std::size_t(s.k0) * std::size_t(bits) / 8;
  std::uint32_t words[kPanelDepth / 4 * kLanes];
  TransposeWords(rows, s.depth * bits / 32, words, kLanes);
  switch (bits) {
    case 2:
      return UnpackStrip<2>(s, words, out);
    case 3:
      return UnpackStrip<3>(s, words, out);
    case 4:
      return UnpackStrip<4>(s, words, out);
    case 5:
      return UnpackStrip<5>(s, words, out);
    case 6:
      return UnpackStrip<6>(s, words, out);
    default:
      return UnpackStrip<8>(s, words, out);
  }
}

struct Block {
  const LinearProduct& p;
  const float* packed;  ///< of x: for each run of kPanelDepth inputs, strips of kTileRows rows
  int first, rows;      ///< of x
  int padded() const { return (rows + kTileRows - 1) / kTileRows * kTileRows; }
};

const float kZeros[kTileColumns] = {};

/// The tiles of one unpacked panel `[depth][kTileColumns]` of outputs from `n` on.
void PanelTiles(const Block& block, const Part& part, const float* panel, int n, int k0) {
  const LinearProduct& p = block.p;
  const int depth = std::min(kPanelDepth, p.weight.in - k0),
            columns = std::min(kTileColumns, p.weight.out - n);
  const std::size_t y_stride = std::size_t(p.weight.out);
  for (int m = part.m; m < part.m + part.rows; m += kTileRows) {
    float* y = p.y + std::size_t(block.first + m) * y_stride + n;
    const float* start = p.bias ? p.bias + n : kZeros;
    const TileArgs args{.a = block.packed + std::size_t(k0) * std::size_t(block.padded()) +
                             std::size_t(m) * std::size_t(depth),
                        .b = panel,
                        .b_stride = kTileColumns,
                        .depth = depth,
                        .init = k0 == 0 ? start : y,
                        .init_stride = k0 == 0 ? 0 : y_stride,
                        .c = y,
                        .c_stride = y_stride};
    const int rows = std::min(kTileRows, block.rows - m);
    if (columns == kTileColumns)
      Tile(args, rows);
    else
      PartTile(args, rows, columns);
  }
}

void MultiplyPart(const Block& block, const Part& part) {
  thread_local const auto panel = std::make_unique<float[]>(kPanelFloats);
  const WeightView& w = block.p.weight;
  for (int k0 = 0; k0 < w.in; k0 += kPanelDepth) {
    const int depth = std::min(kPanelDepth, w.in - k0);
    const std::size_t tile = std::size_t(depth) * kTileColumns;
    for (int n = 0; n < part.columns; n += kTileColumns)
      for (int half = 0; half < 2; ++half)
        Unpack({w, part.n + n + half * kLanes, k0, depth},
               panel.get() + std::size_t(n / kTileColumns) * tile + half * kLanes);
    for (int m = 0; m < part.rows; m += kStrips * kTileRows)
      for (int n = 0; n < part.columns; n += kTileColumns)
        PanelTiles(block, {part.m + m, std::min(kStrips * kTileRows, part.rows - m), n, 0},
                   panel.get() + std::size_t(n / kTileColumns) * tile, part.n + n, k0);
  }
}

void PackBlock(const Block& block, float* packed) {
  const int in = block.p.weight.in, strips = block.padded() / kTileRows;
  core::ThreadPool::shared().run(strips, [&](int strip) HWY_ATTR {
    const int m = strip * kTileRows, rows = std::min(kTileRows, block.rows - m);
    const float* x = block.p.x + std::size_t(block.first + m) * std::size_t(in);
    for (int k0 = 0; k0 < in; k0 += kPanelDepth) {
      const int depth = std::min(kPanelDepth, in - k0);
      PackRows(x + k0, std::size_t(in), rows, depth,
               packed + std::size_t(k0) * std::size_t(block.padded()) + std::size_t(m) * std::size_t(depth));
    }
  });
}

}  // namespace

void ManyRows(const LinearProduct& product, float* workspace) {
  const int step = block_rows(product.rows, product.weight.in);
  for (int first = 0; first < product.rows; first += step) {
    const Block block{product, workspace, first, std::min(step, product.rows - first)};
    PackBlock(block, workspace);
    const int out = product.weight.out;
    const int columns = outputs_of_task(out, kTileColumns, std::min(64, kPanelColumns), kPanelColumns);
    share_out({0, block.rows, 0, out}, columns, kTileRows,
              [&](const Part& part) { MultiplyPart(block, part); });
  }
}

}  // namespace mlx_vision::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mlx_vision::kernels {

int outputs_of_task(int out, int unit, int least, int most) {
  const int threads = core::ThreadPool::shared().threads(), tasks = threads == 1 ? 1 : 4 * threads;
  const int share = (out + tasks - 1) / tasks;
  return std::clamp((share + unit - 1) / unit * unit, least, most);
}

HWY_EXPORT(ManyRows);

void many_rows(const LinearProduct& product, float* workspace) {
  HWY_DYNAMIC_DISPATCH(ManyRows)(product, workspace);
}

}  // namespace mlx_vision::kernels
#endif  // HWY_ONCE
// NOLINTEND(readability-identifier-naming)
