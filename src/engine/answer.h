#pragma once
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/job.h"
#include "engine/plan.h"
#include "engine/sampler.h"
#include "engine/stop.h"
#include "models/model.h"

namespace mlx_vision::engine {
namespace mx = mlx::core;

/// One admitted request and what it holds on the device. Engine thread only.
///
/// Greedy tokens are chosen on the device and may be fed to the next step before the host has seen them; all
/// others are chosen on the host from a copy of the logits. In both cases `next()` is the token to feed.
class Answer {
 public:
  using Clock = std::chrono::steady_clock;

  Answer(std::uint64_t id, Job job, const models::Model& model);

  SequenceView view() const;
  std::uint64_t id() const { return id_; }
  bool cancelled() const { return job_.cancellation.cancelled(); }
  bool on_device() const { return job_.sampling.plain_greedy(); }
  models::Sequence& sequence() { return *sequence_; }

  /// Encodes the next image and evaluates its rows.
  void encode_next();
  /// Runs `count` prompt tokens and evaluates the caches. With the last of them comes the first token; on the
  /// host's side this may already finish the answer.
  void prefill(int count);

  /// Token to feed in the next step, `[1]`, int32.
  const mx::array& next() const { return *next_; }
  /// True when the pending token, still unseen, is the last one that may be generated: no step need follow.
  bool last_pending() const { return on_device() && generated_ + 1 >= job_.max_tokens; }
  /// Takes up a greedy token that the device has chosen; waits for it.
  void commit_pending();
  /// The greedy token of the step after, `[1]`, perhaps not evaluated yet.
  void set_next(const mx::array& token) { next_ = token; }
  /// Chooses on the host from float32 logits `[vocab]`, evaluated, and takes the token up.
  void choose(const mx::array& logits);

  std::optional<FinishReason> finished() const { return finished_; }
  /// Ends the answer: text that was held back comes out. Idempotent.
  void finish(FinishReason reason);
  Outcome take_outcome();

 private:
  void begin();
  /// Before graphs are built: what the plan chose for this request.
  void apply_settings() const;
  void first_token(const mx::array& logits);
  void commit(std::int32_t token);
  void emit(std::string_view text);
  void report(Progress::Stage stage, std::uint64_t done, std::uint64_t total);

  std::uint64_t id_;
  Job job_;
  const models::Model& model_;
  std::optional<memory::Settings> settings_;
  std::vector<mx::array> features_;
  std::unique_ptr<models::Sequence> sequence_;
  Sampler sampler_;
  StopFilter stop_;
  std::optional<mx::array> next_;
  int generated_ = 0;  // tokens taken up, the end-of-sequence token included
  Clock::time_point first_token_;
  std::optional<FinishReason> finished_;
  Outcome outcome_;
};

/// The largest of each row of `[B, vocab]`, `[B]` int32. In 16 bits of the normalised logits, as the
/// reference: that makes ties which the raw logits do not have.
mx::array greedy(const mx::array& logits);

/// An exception that left a caller's callback; it reaches that caller as it was thrown.
struct CallbackFailure {
  std::exception_ptr cause;
};

}  // namespace mlx_vision::engine
