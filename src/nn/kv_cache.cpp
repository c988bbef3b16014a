#include "nn/kv_cache.h"

#include <algorithm>

namespace mlx_vision::nn {
namespace {

thread_local int cache_step = 256;

mx::array range(const mx::array& x, int begin, int end) {
  return mx::slice(x, {0, 0, begin, 0}, {x.shape(0), x.shape(1), end, x.shape(3)});
}

// `kept` rows, then zeros up to `capacity`.
mx::array grown(const std::optional<mx::array>& kept, const mx::array& like, int capacity) {
  const auto fresh = [&](int count) {
    return mx::zeros({like.shape(0), like.shape(1), count, like.shape(3)}, like.dtype());
  };
  return kept ? mx::concatenate({*kept, fresh(capacity - kept->shape(2))}, 2) : fresh(capacity);
}

void write(mx::array& into, const mx::array& rows, int begin) {
  const mx::Shape end{into.shape(0), into.shape(1), begin + rows.shape(2), into.shape(3)};
  into = mx::slice_update(into, rows, mx::Shape{0, 0, begin, 0}, end);
}

}  // namespace

void set_cache_step(int tokens) { cache_step = tokens; }

KvCache::KvCache(int window) : step_(cache_step), window_(window) {}

// Keys before begin_ are left behind when the arrays are full.
void KvCache::make_room(const mx::array& keys, const mx::array& values) {
  const int end = length_ + keys.shape(2);
  if (keys_ && end - stored_ <= keys_->shape(2)) return;
  // A window's arrays take a step more than it shows, so that dropping comes once per step.
  const int least = window_ > 0 ? end - begin_ + step_ - 1 : end - begin_;
  const int capacity = (least + step_ - 1) / step_ * step_;
  const auto kept = [&](const std::optional<mx::array>& x) {
    return x ? std::optional(range(*x, begin_ - stored_, length_ - stored_)) : std::nullopt;
  };
  keys_ = grown(kept(keys_), keys, capacity);
  values_ = grown(kept(values_), values, capacity);
  stored_ = begin_;
}

void KvCache::append(const mx::array& keys, const mx::array& values) {
  begin_ = window_ > 0 ? std::max(0, length_ - window_ + 1) : 0;
  make_room(keys, values);
  write(*keys_, keys, length_ - stored_);
  write(*values_, values, length_ - stored_);
  length_ += keys.shape(2);
}

std::pair<mx::array, mx::array> KvCache::visible() const {
  return {range(*keys_, begin_ - stored_, length_ - stored_),
          range(*values_, begin_ - stored_, length_ - stored_)};
}

std::uint64_t KvCache::bytes() const { return keys_ ? keys_->nbytes() + values_->nbytes() : 0; }

void KvCache::append_state(std::vector<mx::array>& out) const {
  if (!keys_) return;
  out.push_back(*keys_);
  out.push_back(*values_);
}

std::uint64_t RecurrentState::bytes() const {
  return (inputs ? inputs->nbytes() : 0) + (state ? state->nbytes() : 0);
}

void RecurrentState::append_state(std::vector<mx::array>& out) const {
  if (inputs) out.push_back(*inputs);
  if (state) out.push_back(*state);
}

}  // namespace mlx_vision::nn
