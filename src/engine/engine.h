#pragma once
#include <cstdint>
#include <functional>
#include <memory>

#include "engine/job.h"
#include "engine/plan.h"
#include "models/model.h"

namespace mlx_vision::engine {

struct EngineLimits {
  PlanLimits plan;
  int max_waiting = 64;  ///< requests beyond those active
  /// Bytes for weights and requests at this moment; empty = no limit. Engine thread.
  std::function<std::uint64_t()> memory;
};

/// The one thread that touches arrays: it loads the model, runs every request's steps, and frees what they
/// held. Requests are served side by side (see StepPlan); one that fails ends alone, except that a failure of
/// a batched step ends every request of that batch. A request is admitted when the memory of its plan is free
/// beside what others were promised; it waits otherwise, and fails when it would not fit alone.
///
/// Every member may be called from any thread, run() not from a job's callbacks.
class Engine {
 public:
  /// Runs on the engine thread.
  using ModelFactory = std::function<std::unique_ptr<models::Model>()>;

  /// Blocks until the model is loaded. @throws what the factory throws; MLX's own errors as EngineError,
  /// std::bad_alloc as CapacityError.
  Engine(ModelFactory factory, const EngineLimits& limits);
  /// Requests that have not finished end with an EngineError.
  ~Engine();
  Engine(const Engine&) = delete;

  /// Blocks until the answer is complete or cancelled. @throws CapacityError when the queue is full or memory
  /// runs out, RequestError, EngineError, and whatever the job's callbacks throw.
  Outcome run(Job job);

  /// Of the loaded model.
  int vocab() const;
  /// Requests that have not been admitted yet.
  int waiting() const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace mlx_vision::engine
