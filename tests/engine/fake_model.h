#pragma once
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "models/model.h"

/// A model whose next token is a function of the last one, with a record of how it was called.
namespace fake {
namespace mx = mlx::core;
using namespace mlx_vision;

constexpr int kVocab = 64;
constexpr int kPoison = 50;  ///< a prompt that holds this token fails in prefill
constexpr int kBreak = 61;   ///< decoding this token fails the whole step

/// Written by the engine thread, read by tests.
class Log {
 public:
  void add(std::string line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
  }
  std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

struct Sequence : models::Sequence {
  std::vector<std::int32_t> ids;
  int name = 0;  ///< the first prompt token
  mx::array cache = mx::zeros({1});
  std::vector<mx::array> state() const override { return {cache}; }
  std::uint64_t cache_bytes() const override { return cache.nbytes(); }
};

class Model : public models::Model {
 public:
  explicit Model(std::shared_ptr<Log> log) : log_(std::move(log)) {}

  mx::array encode(const processing::ImageInput& image) const override {
    log_->add("encode " + std::to_string(image.tokens));
    if (image.tokens == 0) throw std::runtime_error("[conv] no pixels");
    return mx::full({image.tokens, 4}, float(image.tokens));
  }

  std::unique_ptr<models::Sequence> start(std::vector<std::int32_t> ids,
                                          std::span<const processing::ImageInput>,
                                          std::vector<mx::array> features) const override {
    log_->add("start " + std::to_string(ids.front()) + " with " + std::to_string(features.size()));
    auto out = std::make_unique<Sequence>();
    out->prompt_length = int(ids.size());
    out->name = ids.front();
    out->ids = std::move(ids);
    return out;
  }

  std::optional<mx::array> prefill(models::Sequence& base, int count) const override {
    auto& sequence = static_cast<Sequence&>(base);
    log_->add("prefill " + std::to_string(sequence.name) + " " + std::to_string(count));
    for (int i = 0; i < count; ++i)
      if (sequence.ids.at(sequence.processed + i) == kPoison) throw std::runtime_error("[matmul] poisoned");
    sequence.processed += count;
    sequence.cache = sequence.cache + float(count);
    if (sequence.processed < sequence.prompt_length) return std::nullopt;
    return mx::reshape(logits_after(mx::array({sequence.ids.back()}, {1}, mx::int32)), {kVocab});
  }

  mx::array decode(const mx::array& ids, std::span<models::Sequence* const> sequences) const override {
    std::string line = "decode";
    for (models::Sequence* s : sequences) {
      line.append(" ").append(std::to_string(static_cast<Sequence*>(s)->name));
      ++s->processed;
    }
    log_->add(line);
    if (break_ && mx::any(mx::equal(ids, mx::array(kBreak))).item<bool>())
      throw std::runtime_error("[sdpa] broken step");
    return logits_after(ids);
  }

  int vocab() const override { return kVocab; }
  memory::ModelShape shape() const override { return {}; }
  bool break_ = false;

 private:
  // 1 at the token after next, 2 at the next, 0 elsewhere: `[B, vocab]`.
  static mx::array logits_after(const mx::array& ids) {
    const mx::array column = mx::expand_dims(ids, 1), all = mx::arange(0, kVocab, mx::int32);
    const mx::array next = mx::equal(mx::remainder(column + mx::array(1), mx::array(kVocab)), all);
    const mx::array after = mx::equal(mx::remainder(column + mx::array(2), mx::array(kVocab)), all);
    return mx::astype(next, mx::float32) * 2.0f + mx::astype(after, mx::float32);
  }

  std::shared_ptr<Log> log_;
};

/// Text of token t: the letter 'a' + t % 26.
inline engine::Detokenizer letters() {
  return {.push = [](std::int32_t id) { return std::string(1, char('a' + id % 26)); },
          .flush = [] { return std::string(); }};
}

inline engine::Job job(std::vector<std::int32_t> ids, int max_tokens) {
  engine::Job out;
  out.ids = std::move(ids);
  out.max_tokens = max_tokens;
  out.detokenizer = letters();
  return out;
}

}  // namespace fake
