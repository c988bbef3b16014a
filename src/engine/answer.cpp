#include "engine/answer.h"

#include <algorithm>
#include <span>
#include <utility>

#include "mlx_vision/error.h"
#include "nn/attention.h"
#include "nn/kv_cache.h"
#include "nn/layers.h"

namespace mlx_vision::engine {

namespace {

class Stopwatch {
 public:
  explicit Stopwatch(double& total) : total_(total) {}
  ~Stopwatch() { total_ += std::chrono::duration<double>(Answer::Clock::now() - begin_).count(); }
  Stopwatch(const Stopwatch&) = delete;

 private:
  double& total_;
  Answer::Clock::time_point begin_ = Answer::Clock::now();
};

// Evaluated, dense, float32.
std::vector<float> to_host(const mx::array& x) {
  mx::array dense = mx::contiguous(mx::astype(x, mx::float32));
  dense.eval();
  return {dense.data<float>(), dense.data<float>() + dense.size()};
}

double rate(double count, double seconds) { return seconds > 0 ? count / seconds : 0; }

}  // namespace

Answer::Answer(std::uint64_t id, Job job, const models::Model& model)
    : id_(id),
      job_(std::move(job)),
      model_(model),
      settings_(job_.plan ? std::optional(job_.plan->settings) : std::nullopt),
      sampler_(job_.sampling, job_.ids.back()),
      stop_(std::move(job_.stop)) {
  if (job_.images.empty()) begin();
}

SequenceView Answer::view() const {
  if (!sequence_) return {.id = id_, .phase = Phase::encode};
  const int left = sequence_->prompt_length - sequence_->processed;
  if (!next_) return {.id = id_, .phase = Phase::prefill, .prompt_left = left};
  return {.id = id_, .phase = Phase::decode};
}

void Answer::report(Progress::Stage stage, std::uint64_t done, std::uint64_t total) {
  if (!job_.progress) return;
  try {
    job_.progress({.stage = stage, .done = done, .total = total});
  } catch (...) {
    throw CallbackFailure{std::current_exception()};
  }
}

void Answer::apply_settings() const {
  if (!settings_) return;
  nn::set_attention_budget(settings_->attention_bytes);
  nn::set_cache_step(settings_->cache_step);
}

void Answer::encode_next() {
  apply_settings();
  processing::ImageInput& image = job_.images[features_.size()];
  {
    Stopwatch watch(outcome_.encode_s);
    features_.push_back(model_.encode(image));
    features_.back().eval();
    mx::clear_cache();
  }
  // Grids and times are still needed, pixels are not.
  for (Tensor& tensor : image.arrays)
    if (tensor.shape.size() > 1) std::vector<float>().swap(tensor.floats);
  report(Progress::Stage::encode, features_.size(), job_.images.size());
  if (features_.size() == job_.images.size()) begin();
}

void Answer::begin() {
  if (job_.capture && !features_.empty()) {
    // Behind a row's own values may stand others, for the decoder's first blocks.
    const mx::array wide = nn::joined(features_, 0);
    const int depth = model_.shape().vision.depth;
    const auto all = mx::slice(wide, {0, 0}, {wide.shape(0), wide.shape(1) / (1 + depth)});
    outcome_.feature_width = all.shape(-1);
    outcome_.image_features = to_host(all);
  }
  apply_settings();
  Stopwatch watch(outcome_.prefill_s);
  sequence_ = model_.start(std::move(job_.ids), job_.images, std::move(features_));
  features_.clear();
}

void Answer::prefill(int count) {
  apply_settings();
  if (settings_) count = std::min(count, settings_->prefill_chunk);
  std::optional<mx::array> logits;
  {
    Stopwatch watch(outcome_.prefill_s);
    logits = model_.prefill(*sequence_, count);
    std::vector<mx::array> state = sequence_->state();
    if (logits) state.push_back(*logits);
    mx::eval(std::move(state));
    mx::clear_cache();
  }
  report(Progress::Stage::prefill, std::uint64_t(sequence_->processed),
         std::uint64_t(sequence_->prompt_length));
  if (sequence_->processed < sequence_->prompt_length) return;
  if (!logits) throw EngineError("prefill: expected logits after the last prompt token, got none");
  job_.images.clear();
  first_token(*logits);
}

void Answer::first_token(const mx::array& logits) {
  if (job_.capture) outcome_.first_logits = to_host(logits);
  first_token_ = Clock::now();
  outcome_.prompt_tps = rate(sequence_->prompt_length, outcome_.encode_s + outcome_.prefill_s);
  if (job_.max_tokens == 0) return finish(FinishReason::length);
  if (!on_device()) return choose(mx::astype(logits, mx::float32));
  next_ = greedy(mx::reshape(logits, {1, -1}));
  next_->eval();
}

void Answer::commit_pending() {
  mx::array token = *next_;
  commit(token.item<std::int32_t>());
}

void Answer::choose(const mx::array& logits) {
  std::vector<float> scratch = to_host(logits);
  const std::int32_t token = sampler_.choose(scratch);
  next_ = mx::array({token}, {1}, mx::int32);
  commit(token);
}

void Answer::commit(std::int32_t token) {
  ++generated_;
  if (job_.eos.contains(token)) return finish(FinishReason::stop);
  outcome_.output_ids.push_back(token);
  emit(stop_.push(job_.detokenizer.push(token)));
  if (stop_.stopped())
    finish(FinishReason::stop);
  else if (generated_ >= job_.max_tokens)
    finish(FinishReason::length);
}

void Answer::emit(std::string_view text) {
  if (text.empty()) return;
  outcome_.text.append(text);
  if (!job_.on_text) return;
  try {
    job_.on_text(text);
  } catch (...) {
    throw CallbackFailure{std::current_exception()};
  }
}

void Answer::finish(FinishReason reason) {
  if (finished_) return;
  finished_ = reason;
  if (!stop_.stopped()) {
    std::string text = stop_.push(job_.detokenizer.flush());
    // A stop string that only the last characters complete ends the answer all the same.
    if (stop_.stopped())
      finished_ = FinishReason::stop;
    else
      text.append(stop_.flush());
    emit(text);
  }
  if (generated_ > 0) {
    outcome_.decode_s = std::chrono::duration<double>(Clock::now() - first_token_).count();
    outcome_.generation_tps = rate(generated_, outcome_.decode_s);
  }
}

Outcome Answer::take_outcome() {
  outcome_.finish_reason = *finished_;
  return std::move(outcome_);
}

mx::array greedy(const mx::array& logits) {
  if (logits.dtype() == mx::float32) return mx::astype(mx::argmax(logits, -1), mx::int32);
  const mx::array logprobs = logits - mx::logsumexp(logits, -1, true);
  return mx::astype(mx::argmax(logprobs, -1), mx::int32);
}

}  // namespace mlx_vision::engine
