#include "kernels/attend.h"

// NOLINTBEGIN(readability-identifier-naming): functions are named as Highway names its own.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "core/thread_pool.h"

// This file is compiled once for each instruction set; the one in use is chosen when it first runs.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attend.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>
// After both.
#include <hwy/contrib/math/math-inl.h>

#include "kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mlx_vision::kernels::HWY_NAMESPACE {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const float kZeros[kTileColumns] = {};

/// One task: some queries of the heads that share a key-value head, over a range of keys.
struct Part {
  int batch, kv_head, first, count;  ///< of queries
  int keys_begin, keys_end;
  float* partial;  ///< where sums, maxima and totals go if other parts have the rest of the keys; else null
};

/// The keys begin … end - 1 that a query sees.
struct Seen {
  int begin, end;
};
Seen SeenBy(const Attention& a, int query) {
  if (!a.first.empty())
    return {std::max(0, a.first[std::size_t(query)]), std::min(a.keys, a.last[std::size_t(query)] + 1)};
  return {0, a.causal ? a.keys - a.queries + query + 1 : a.keys};
}

/// A thread's buffers for one part. A row is a query of a head: row = (query - first) * group + head.
class Worker {
 public:
  Worker(const Attention& a, const Part& part, bool tiles)
      : a_(a),
        part_(part),
        group_(a.heads / a.kv_heads),
        rows_(part.count * group_),
        by_tiles_(tiles && rows_ >= kProductUnit) {
    thread_local std::vector<float> scratch;
    scratch.resize(attend_scratch(a.d, a.value_d));
    constexpr std::uintptr_t kLine = 64;
    float* at = reinterpret_cast<float*>((reinterpret_cast<std::uintptr_t>(scratch.data()) + kLine - 1) /
                                         kLine * kLine);
    const auto take = [&](std::size_t floats) { return std::exchange(at, at + floats); };
    const auto padded = std::size_t(Padded());
    if (by_tiles_) {
      const auto words = [&](int lines, int depth) {
        return reinterpret_cast<std::uint32_t*>(take(product_words(lines, depth)));
      };
      packed_ = {.queries = words(rows_, a.d),
                 .scores = words(rows_, kKeyTile),
                 .keys = words(kKeyTile, a.d),
                 .values = words(a.value_d, kKeyTile)};
    }
    const auto strips = std::size_t(rounded_up(rows_, by_tiles_ ? kProductUnit : kTileRows));
    queries_ = take(strips * std::size_t(a.d));
    scores_ = take(strips * kKeyTile);
    keys_ = take(std::size_t(a.d) * kTileColumns);
    values_ = take(padded * kKeyTile);
    sums_ = take(strips * padded);
    maxima_ = take(strips);
    totals_ = take(strips);
  }

  void Run() {
    PackQueries();
    std::fill_n(sums_, std::size_t(rounded_up(rows_, by_tiles_ ? kProductUnit : 1)) * std::size_t(Padded()),
                0.0f);
    std::fill_n(maxima_, rows_, -kInfinity);
    std::fill_n(totals_, rows_, 0.0f);
    const Seen seen = SeenByPart();
    for (int k0 = seen.begin; k0 < seen.end; k0 += kKeyTile) {
      const int count = std::min(kKeyTile, seen.end - k0);
      by_tiles_ ? TileScores(k0, count) : Scores(k0, count);
      for (int r = 0; r < rows_; ++r) Weigh(r, k0, count);
      by_tiles_ ? TileAddValues(k0, count) : AddValues(k0, count);
    }
    part_.partial ? StorePartial() : StoreResult();
  }

 private:
  int Padded() const { return rounded_up(a_.value_d, kTileColumns); }
  Seen SeenByPart() const {
    Seen all{part_.keys_end, part_.keys_begin};
    for (int i = 0; i < part_.count; ++i) {
      const Seen seen = SeenBy(a_, part_.first + i);
      all = {std::min(all.begin, seen.begin), std::max(all.end, seen.end)};
    }
    return {std::max(all.begin, part_.keys_begin), std::min(all.end, part_.keys_end)};
  }
  int QueryOf(int row) const { return part_.first + row / group_; }
  int HeadOf(int row) const { return part_.kv_head * group_ + row % group_; }

  void PackQueries() {
    if (by_tiles_) return PackTileQueries();
    for (int r = 0; r < rows_; ++r) {
      const float* q = a_.q.at(part_.batch, HeadOf(r), QueryOf(r));
      float* to = queries_ + std::size_t(r / kTileRows * kTileRows) * std::size_t(a_.d) + r % kTileRows;
      for (int i = 0; i < a_.d; ++i) to[std::size_t(i) * kTileRows] = q[i] * a_.scale;
    }
  }

  void Scores(int k0, int count) {
    for (int n = 0; n < count; n += kTileColumns) {
      for (int half = 0; half < 2; ++half) {
        const std::uint8_t* keys[kLanes];
        for (int lane = 0; lane < kLanes; ++lane)
          keys[lane] = reinterpret_cast<const std::uint8_t*>(
              a_.k.at(part_.batch, part_.kv_head, k0 + std::min(n + half * kLanes + lane, count - 1)));
        TransposeWords(keys, a_.d, reinterpret_cast<std::uint32_t*>(keys_) + half * kLanes, kTileColumns);
      }
      for (int m = 0; m < rows_; m += kTileRows)
        Tile({.a = queries_ + std::size_t(m) * std::size_t(a_.d),
              .b = keys_,
              .b_stride = kTileColumns,
              .depth = a_.d,
              .init = kZeros,
              .init_stride = 0,
              .c = scores_ + std::size_t(m) * kKeyTile + n,
              .c_stride = kKeyTile},
             std::min(kTileRows, rows_ - m));
    }
  }

  void PackTileQueries() {
    for (int r = 0; r < rows_; ++r) {
      const float* q = a_.q.at(part_.batch, HeadOf(r), QueryOf(r));
      std::transform(q, q + a_.d, queries_ + std::size_t(r) * std::size_t(a_.d),
                     [&](float value) { return value * a_.scale; });
    }
    pack_rows(queries_, std::size_t(a_.d), rows_, a_.d, packed_.queries);
  }

  void TileScores(int k0, int count) {
    pack_columns(a_.k.at(part_.batch, part_.kv_head, k0), std::size_t(a_.k.row), count, a_.d, packed_.keys);
    multiply_tiles({.left = packed_.queries,
                    .right = packed_.keys,
                    .rows = rows_,
                    .columns = count,
                    .depth = a_.d,
                    .y = scores_,
                    .stride = kKeyTile,
                    .add = false});
  }

  void TileAddValues(int k0, int count) {
    pack_rows(scores_, kKeyTile, rows_, count, packed_.scores);
    pack_right(a_.v.at(part_.batch, part_.kv_head, k0), std::size_t(a_.v.row), count, a_.value_d,
               packed_.values);
    multiply_tiles({.left = packed_.scores,
                    .right = packed_.values,
                    .rows = rows_,
                    .columns = a_.value_d,
                    .depth = count,
                    .y = sums_,
                    .stride = std::size_t(Padded()),
                    .add = true});
  }

  /// Turns a row of scores into weights relative to the row's greatest score so far, and what was summed with
  /// it (the online softmax of Milakov and Gimelshein, arXiv 1805.02867).
  void Weigh(int r, int k0, int count) {
    const DF d;
    float* s = scores_ + std::size_t(r) * kKeyTile;
    const Seen keys = SeenBy(a_, QueryOf(r));
    const int begin = std::clamp(keys.begin - k0, 0, count), seen = std::clamp(keys.end - k0, 0, count),
              end = rounded_up(count, kLanes);
    if (begin >= seen) {
      std::fill_n(s, end, 0.0f);
      return;
    }
    if (a_.softcap > 0) Cap(s, end);
    std::fill(s, s + begin, -kInfinity);
    std::fill(s + seen, s + end, -kInfinity);
    VF top = hn::Set(d, maxima_[r]);
    for (int i = 0; i < end; i += kLanes) top = hn::Max(top, hn::LoadU(d, s + i));
    const float greatest = hn::GetLane(hn::MaxOfLanes(d, top));
    // All scores -inf or NaN: nothing to subtract that would leave numbers.
    const VF shift = hn::Set(d, std::isfinite(greatest) ? greatest : 0.0f);
    VF sum = hn::Zero(d);
    for (int i = 0; i < end; i += kLanes) {
      const VF weight = hn::Exp(d, hn::Sub(hn::LoadU(d, s + i), shift));
      sum = hn::Add(sum, weight);
      hn::StoreU(weight, d, s + i);
    }
    const float keep = std::exp(maxima_[r] - hn::GetLane(shift));
    totals_[r] = totals_[r] * keep + hn::GetLane(hn::SumOfLanes(d, sum));
    maxima_[r] = greatest;
    if (keep == 1) return;
    float* sums = sums_ + std::size_t(r) * std::size_t(Padded());
    for (int i = 0; i < Padded(); i += kLanes)
      hn::StoreU(hn::Mul(hn::LoadU(d, sums + i), hn::Set(d, keep)), d, sums + i);
  }

  void Cap(float* s, int count) const {
    const DF d;
    const VF cap = hn::Set(d, a_.softcap), inverse = hn::Set(d, 1 / a_.softcap);
    for (int i = 0; i < count; i += kLanes)
      hn::StoreU(hn::Mul(cap, hn::Tanh(d, hn::Mul(hn::LoadU(d, s + i), inverse))), d, s + i);
  }

  void AddValues(int k0, int count) {
    const float* values = a_.v.at(part_.batch, part_.kv_head, k0);
    std::size_t stride = std::size_t(a_.v.row);
    const auto padded = std::size_t(Padded());
    if (Padded() != a_.value_d) {  // a tile reads whole vectors
      for (int k = 0; k < count; ++k)
        std::memcpy(values_ + std::size_t(k) * padded, values + std::size_t(k) * stride,
                    std::size_t(a_.value_d) * sizeof(float));
      values = values_;
      stride = padded;
    }
    for (int m = 0; m < rows_; m += kTileRows) {
      const int rows = std::min(kTileRows, rows_ - m);
      for (std::size_t n = 0; n < padded; n += kTileColumns) {
        float* sums = sums_ + std::size_t(m) * padded + n;
        Tile<kKeyTile, 1>({.a = scores_ + std::size_t(m) * kKeyTile,
                           .b = values + n,
                           .b_stride = stride,
                           .depth = count,
                           .init = sums,
                           .init_stride = padded,
                           .c = sums,
                           .c_stride = padded},
                          rows);
      }
    }
  }

  void StoreResult() const {
    for (int r = 0; r < rows_; ++r) {
      const float* sums = sums_ + std::size_t(r) * std::size_t(Padded());
      float* y = a_.y.at(part_.batch, HeadOf(r), QueryOf(r));
      const float share = 1 / totals_[r];
      for (int i = 0; i < a_.value_d; ++i) y[i] = sums[i] * share;
    }
  }

  void StorePartial() const {
    float* to = part_.partial;
    for (int r = 0; r < rows_; ++r, to += a_.value_d + 2) {
      std::memcpy(to, sums_ + std::size_t(r) * std::size_t(Padded()),
                  std::size_t(a_.value_d) * sizeof(float));
      to[a_.value_d] = maxima_[r];
      to[a_.value_d + 1] = totals_[r];
    }
  }

  const Attention& a_;
  const Part& part_;
  int group_, rows_;
  bool by_tiles_;
  struct {
    std::uint32_t *queries, *scores, *keys, *values;
  } packed_ = {};
  float *queries_, *scores_, *keys_, *values_, *sums_, *maxima_, *totals_;
};

/// Every query tile of every block, key-value head and row of the batch.
std::vector<Part> Parts(const Attention& a) {
  const int group = a.heads / a.kv_heads, step = std::max(1, kQueryTile / group);
  const std::vector<int> ends = a.ends.empty() ? std::vector<int>{a.queries} : a.ends;
  std::vector<Part> parts;
  for (int b = 0; b < a.batch; ++b)
    for (int h = 0; h < a.kv_heads; ++h) {
      int begin = 0;
      for (const int end : ends) {
        for (int q = begin; q < end; q += step)
          parts.push_back({b, h, q, std::min(step, end - q), a.ends.empty() ? 0 : begin,
                           a.ends.empty() ? a.keys : end, nullptr});
        begin = end;
      }
    }
  return parts;
}

/// Sums of one query row over the shares of its keys, brought to their common maximum.
void Merge(const std::vector<const float*>& shares, int d, float* y) {
  float greatest = -kInfinity, total = 0;
  for (const float* s : shares) greatest = std::max(greatest, s[d]);
  std::fill_n(y, d, 0.0f);
  for (const float* s : shares) {
    const float keep = std::isfinite(greatest) ? std::exp(s[d] - greatest) : 1;
    total += keep * s[d + 1];
    for (int i = 0; i < d; ++i) y[i] += keep * s[i];
  }
  for (int i = 0; i < d; ++i) y[i] /= total;
}

/// One query tile whose keys are shared out: for the one query of a decoding step there are too few heads for
/// many threads.
void AttendInShares(const Attention& a, const Part& whole, int shares, bool tiles) {
  const int group = a.heads / a.kv_heads, rows = whole.count * group;
  const std::size_t floats = std::size_t(rows) * std::size_t(a.value_d + 2);
  const int keys_begin = std::max(whole.keys_begin, SeenBy(a, whole.first).begin);
  const int keys = rounded_up((whole.keys_end - keys_begin + shares - 1) / shares, kKeyTile);
  std::vector<float> partials(floats * std::size_t(shares));
  std::vector<Part> parts;
  for (int begin = keys_begin; begin < whole.keys_end; begin += keys) {
    Part part = whole;
    part.keys_begin = begin;
    part.keys_end = std::min(whole.keys_end, begin + keys);
    part.partial = partials.data() + floats * parts.size();
    parts.push_back(part);
  }
  core::ThreadPool::shared().run(int(parts.size()),
                                 [&](int i) HWY_ATTR { Worker(a, parts[std::size_t(i)], tiles).Run(); });
  for (int r = 0; r < rows; ++r) {
    std::vector<const float*> sums;
    for (const Part& part : parts) sums.push_back(part.partial + std::size_t(r) * std::size_t(a.value_d + 2));
    Merge(sums, a.value_d, a.y.at(whole.batch, whole.kv_head * group + r % group, whole.first + r / group));
  }
}

}  // namespace

void Attend(const Attention& a) {
  auto& pool = core::ThreadPool::shared();
  const bool tiles = has_tile_product();
  const std::vector<Part> parts = Parts(a);
  constexpr int kLongKeys = 4 * kKeyTile;
  if (int(parts.size()) < pool.threads() && a.ends.empty() && a.keys >= kLongKeys) {
    for (const Part& part : parts)
      AttendInShares(a, part, std::min(pool.threads(), a.keys / kKeyTile), tiles);
    return;
  }
  pool.run(int(parts.size()), [&](int i) HWY_ATTR { Worker(a, parts[std::size_t(i)], tiles).Run(); });
}

}  // namespace mlx_vision::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mlx_vision::kernels {

HWY_EXPORT(Attend);

void attend(const Attention& attention) { HWY_DYNAMIC_DISPATCH(Attend)(attention); }

}  // namespace mlx_vision::kernels
#endif  // HWY_ONCE
// NOLINTEND(readability-identifier-naming)
