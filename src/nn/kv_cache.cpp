#include "nn/kv_cache.h"

namespace mlx_vision::nn {
namespace {

thread_local int cache_step = 256;

mx::array grown(const std::optional<mx::array>& old, const mx::array& like, int capacity) {
  const auto fresh = [&](int count) {
    return mx::zeros({like.shape(0), like.shape(1), count, like.shape(3)}, like.dtype());
  };
  return old ? mx::concatenate({*old, fresh(capacity - old->shape(2))}, 2) : fresh(capacity);
}

mx::array head(const mx::array& x, int length) {
  return mx::slice(x, {0, 0, 0, 0}, {x.shape(0), x.shape(1), length, x.shape(3)});
}

void write(mx::array& into, const mx::array& rows, int begin) {
  const mx::Shape end{into.shape(0), into.shape(1), begin + rows.shape(2), into.shape(3)};
  into = mx::slice_update(into, rows, mx::Shape{0, 0, begin, 0}, end);
}

}  // namespace

void set_cache_step(int tokens) { cache_step = tokens; }

KvCache::KvCache() : step_(cache_step) {}

std::pair<mx::array, mx::array> KvCache::append(const mx::array& keys, const mx::array& values) {
  const int end = length_ + keys.shape(2);
  if (!keys_ || end > keys_->shape(2)) {
    const int capacity = (end + step_ - 1) / step_ * step_;
    keys_ = grown(keys_, keys, capacity);
    values_ = grown(values_, values, capacity);
  }
  write(*keys_, keys, length_);
  write(*values_, values, length_);
  length_ = end;
  return {head(*keys_, end), head(*values_, end)};
}

std::uint64_t KvCache::bytes() const { return keys_ ? keys_->nbytes() + values_->nbytes() : 0; }

void KvCache::append_state(std::vector<mx::array>& out) const {
  if (!keys_) return;
  out.push_back(*keys_);
  out.push_back(*values_);
}

}  // namespace mlx_vision::nn
