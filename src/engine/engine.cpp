#include "engine/engine.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "engine/answer.h"
#include "engine/device.h"
#include "memory/fit.h"
#include "memory/ledger.h"
#include "mlx_vision/error.h"
#include "nn/layers.h"

namespace mlx_vision::engine {

namespace {

constexpr std::uint64_t kStateInterval = 50;   // steps between evaluations of all caches, as the reference
constexpr std::uint64_t kCacheInterval = 256;  // steps between returns of free memory, as the reference

// The exception a caller sees for one that ended its work; the only place where MLX's errors are translated.
std::exception_ptr translate(const char* place) {
  const auto text = [&](const std::exception& e) { return std::string(place).append(": ").append(e.what()); };
  try {
    throw;
  } catch (const CallbackFailure& e) {
    return e.cause;
  } catch (const Error&) {
    return std::current_exception();
  } catch (const std::bad_alloc& e) {
    return std::make_exception_ptr(CapacityError(text(e) + ": out of memory", 0, available_memory()));
  } catch (const std::exception& e) {
    return std::make_exception_ptr(EngineError(text(e)));
  }
}

}  // namespace

class Engine::Loop {
 public:
  Loop(ModelFactory factory, const EngineLimits& limits) : limits_(limits) {
    std::promise<int> loaded;
    std::future<int> vocab = loaded.get_future();
    thread_ = std::thread([this, &loaded, &factory] { main(factory, loaded); });
    try {
      vocab_ = vocab.get();
    } catch (...) {
      thread_.join();
      throw;
    }
  }

  ~Loop() {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  int vocab() const { return vocab_; }

  int waiting() const {
    const std::lock_guard lock(mutex_);
    return int(waiting_.size());
  }

  std::future<Outcome> submit(Job job) {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= std::size_t(limits_.max_waiting)) {
      const std::string limit = std::to_string(limits_.max_waiting);
      throw CapacityError("queue: expected at most " + limit + " waiting requests, got one more; try later",
                          waiting_.size() + 1, std::uint64_t(limits_.max_waiting));
    }
    waiting_.push_back({std::move(job), {}});
    wake_.notify_one();
    return waiting_.back().promise.get_future();
  }

 private:
  struct Waiting {
    Job job;
    std::promise<Outcome> promise;
  };
  struct Active {
    std::unique_ptr<Answer> answer;
    std::promise<Outcome> promise;
    std::optional<memory::Ledger::Reservation> memory;
  };

  void main(const ModelFactory& factory, std::promise<int>& loaded) {
    try {
      prepare_device();
      model_ = factory();
    } catch (...) {
      model_.reset();
      loaded.set_exception(translate("load"));
      return;
    }
    loaded.set_value(model_->vocab());
    while (wait_for_work()) step();
    const auto closed = std::make_exception_ptr(EngineError("engine: closed before the answer was complete"));
    for (Active& a : active_) a.promise.set_exception(closed);
    for (Waiting& w : waiting_) w.promise.set_exception(closed);
    active_.clear();
    model_.reset();
  }

  // False when the engine is to end.
  bool wait_for_work() {
    std::unique_lock lock(mutex_);
    if (active_.empty()) {
      if (waiting_.empty()) mx::clear_cache();
      wake_.wait(lock, [&] { return closing_ || !waiting_.empty(); });
      mx::reset_peak_memory();
      planned_ = 0;
    }
    return !closing_;
  }

  void step() {
    drop_cancelled();
    std::vector<SequenceView> views;
    for (const Active& a : active_) views.push_back(a.answer->view());
    const StepPlan plan = plan_step(views, waiting(), last_prompt_, limits_.plan);
    admit(plan.admit);
    if (plan.prompt) run_prompt(*plan.prompt);
    decode(plan.decode);
    settle();
  }

  void admit(int count) {
    for (int i = 0; i < count; ++i) {
      Waiting next;
      {
        const std::lock_guard lock(mutex_);
        next = std::move(waiting_.front());
        waiting_.pop_front();
      }
      try {
        Active active{nullptr, {}, reserve(next.job)};
        if (next.job.plan && !active.memory) {
          const std::lock_guard lock(mutex_);
          waiting_.push_front(std::move(next));
          return;
        }
        active.answer = std::make_unique<Answer>(++last_id_, std::move(next.job), *model_);
        active.promise = std::move(next.promise);
        active_.push_back(std::move(active));
      } catch (...) {
        next.promise.set_exception(translate("start"));
      }
    }
  }

  // nullopt also for a job without a plan. @throws CapacityError when waiting would be in vain
  std::optional<memory::Ledger::Reservation> reserve(const Job& job) {
    if (!job.plan || !limits_.memory) {
      if (job.plan) return *ledger_.try_reserve({}, {}, 0);
      return std::nullopt;
    }
    const memory::MemoryPlan& plan = *job.plan;
    const std::uint64_t capacity = limits_.memory();
    const std::uint64_t free = capacity - std::min(capacity, plan.weights);
    auto reservation = ledger_.try_reserve(plan.demand(), plan.device_demand(), free);
    if (reservation) {
      planned_ = std::max(planned_, plan.weights + ledger_.device_total());
      set_memory_limits(plan.weights + ledger_.device_total(), capacity);
    } else if (active_.empty()) {
      throw CapacityError(memory::refusal(plan, capacity, {}), plan.total_peak(), capacity);
    }
    return reservation;
  }

  Active& find(std::uint64_t id) {
    return *std::find_if(active_.begin(), active_.end(),
                         [&](const Active& a) { return a.answer && a.answer->id() == id; });
  }

  // Runs one request's own work; if it fails, that request ends with the cause.
  template <class Work>
  void guarded(Active& active, const char* place, Work work) {
    try {
      work(*active.answer);
    } catch (...) {
      fail(active, translate(place));
    }
  }

  void fail(Active& active, std::exception_ptr cause) {
    active.promise.set_exception(std::move(cause));
    active.answer.reset();
  }

  void run_prompt(const PromptWork& work) {
    last_prompt_ = work.id;
    const bool encode = work.phase == Phase::encode;
    guarded(find(work.id), encode ? "image encoding" : "prefill",
            [&](Answer& a) { encode ? a.encode_next() : a.prefill(work.count); });
  }

  void decode(const std::vector<std::uint64_t>& ids) {
    std::vector<Active*> batch;
    for (const std::uint64_t id : ids) {
      Active& active = find(id);
      if (active.answer->last_pending())
        guarded(active, "decode", [](Answer& a) { a.commit_pending(); });
      else
        batch.push_back(&active);
    }
    if (batch.empty()) return;
    try {
      launch(batch);
    } catch (...) {
      const auto cause = translate("decode");
      for (Active* a : batch) fail(*a, cause);
      return;
    }
    take_up(batch);
    if (++steps_ % kCacheInterval == 0) mx::clear_cache();
  }

  // Starts one batched step without waiting for it.
  void launch(const std::vector<Active*>& batch) {
    std::vector<models::Sequence*> sequences;
    std::vector<mx::array> next;
    for (Active* a : batch) {
      sequences.push_back(&a->answer->sequence());
      next.push_back(a->answer->next());
    }
    const mx::array logits = model_->decode(nn::joined(std::move(next), 0), sequences);
    const mx::array tokens = greedy(logits);
    rows_.clear();
    for (int i = 0; i < int(batch.size()); ++i)
      rows_.push_back(batch[i]->answer->on_device() ? mx::slice(tokens, {i}, {i + 1})
                                                    : mx::astype(mx::take(logits, i, 0), mx::float32));
    std::vector<mx::array> outputs = rows_;
    if (steps_ % kStateInterval == 0)
      for (models::Sequence* s : sequences)
        for (mx::array& array : s->state()) outputs.push_back(std::move(array));
    mx::async_eval(std::move(outputs));
  }

  // While the device works on the step, the tokens that went into it are taken up; then those that the host
  // chooses from the step's logits.
  void take_up(const std::vector<Active*>& batch) {
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (batch[i]->answer->on_device())
        guarded(*batch[i], "decode", [&](Answer& a) {
          a.commit_pending();
          a.set_next(rows_[i]);
        });
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (batch[i]->answer && !batch[i]->answer->on_device())
        guarded(*batch[i], "decode", [&](Answer& a) { a.choose(rows_[i]); });
    rows_.clear();
  }

  void drop_cancelled() {
    {
      const std::lock_guard lock(mutex_);
      std::erase_if(waiting_, [](Waiting& w) {
        if (!w.job.cancellation.cancelled()) return false;
        Outcome outcome;
        outcome.finish_reason = FinishReason::cancelled;
        w.promise.set_value(std::move(outcome));
        return true;
      });
    }
    for (Active& a : active_)
      if (a.answer->cancelled())
        guarded(a, "cancel", [](Answer& answer) { answer.finish(FinishReason::cancelled); });
    settle();
  }

  // Hands over what has finished and forgets what has failed.
  void settle() {
    for (Active& a : active_) {
      if (!a.answer || !a.answer->finished()) continue;
      Outcome outcome = a.answer->take_outcome();
      outcome.peak_bytes = mx::get_peak_memory();
      outcome.planned_bytes = planned_;
      a.answer.reset();
      a.promise.set_value(std::move(outcome));
    }
    std::erase_if(active_, [](const Active& a) { return !a.answer; });
  }

  EngineLimits limits_;
  int vocab_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Waiting> waiting_;  // guarded by mutex_
  bool closing_ = false;         // guarded by mutex_

  std::unique_ptr<models::Model> model_;
  memory::Ledger ledger_;  // outlives the reservations of active_
  std::uint64_t planned_ = 0;
  std::vector<Active> active_;
  std::vector<mx::array> rows_;  // of the step in flight: a greedy token [1] or logits [vocab]
  std::uint64_t last_id_ = 0, last_prompt_ = 0, steps_ = 0;
  std::thread thread_;
};

Engine::Engine(ModelFactory factory, const EngineLimits& limits)
    : loop_(std::make_unique<Loop>(std::move(factory), limits)) {}

Engine::~Engine() = default;

Outcome Engine::run(Job job) {
  if (job.ids.empty()) throw RequestError("prompt: expected one token or more, got none");
  return loop_->submit(std::move(job)).get();
}

int Engine::vocab() const { return loop_->vocab(); }

int Engine::waiting() const { return loop_->waiting(); }

}  // namespace mlx_vision::engine
