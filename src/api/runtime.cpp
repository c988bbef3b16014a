#include "mlx_vision/runtime.h"

#include <chrono>
#include <future>
#include <utility>

#include "api/out_of_memory.h"
#include "engine/checkpoint.h"
#include "engine/device.h"
#include "engine/engine.h"
#include "engine/memory_plan.h"
#include "memory/fit.h"

namespace mlx_vision {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMaxThreads = 1024;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void check(const LoadOptions& options) {
  if (options.prefill_step_size < 1)
    throw RequestError("prefill_step_size: expected 1 or more, got " +
                       std::to_string(options.prefill_step_size));
  if (options.threads < 0 || options.threads > kMaxThreads)
    throw RequestError("threads: expected 0 … " + std::to_string(kMaxThreads) + ", got " +
                       std::to_string(options.threads));
  if (options.attention_bytes == 0) throw RequestError("attention_bytes: expected 1 or more, got 0");
}

void report(const ProgressCallback& progress, std::uint64_t done, std::uint64_t total) {
  if (progress && total > 0) progress({.stage = Progress::Stage::preprocess, .done = done, .total = total});
}

std::uint64_t count_images(const Request& request) {
  std::uint64_t count = request.images.size();
  for (const Message& message : request.chat.messages)
    for (const Part& part : message.parts) count += !std::holds_alternative<TextPart>(part);
  return count;
}

}  // namespace

struct Runtime::Impl {
  engine::Frontend frontend;
  std::unique_ptr<engine::Engine> engine;
  memory::ModelShape shape;
  LoadOptions options;
  double load_s = 0;

  memory::MemoryPlan plan(const engine::Prompt& outline, int max_tokens) const {
    return engine::plan_or_refuse(frontend, outline, max_tokens,
                                  {.model = shape,
                                   .wanted = engine::settings_of(options),
                                   .available = engine::memory_capacity(options.memory_limit)});
  }
};

Runtime::Runtime(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Runtime::Runtime(Runtime&&) noexcept = default;
Runtime& Runtime::operator=(Runtime&&) noexcept = default;
Runtime::~Runtime() = default;

Runtime Runtime::load(const std::filesystem::path& model, const LoadOptions& options) {
  check(options);
  const auto begin = Clock::now();
  // A large vocabulary takes a second to read: meanwhile the weights are on their way.
  auto frontend = std::async(std::launch::async, engine::open_frontend, model, options);
  std::unique_ptr<engine::Engine> engine;
  memory::ModelShape shape;
  std::exception_ptr failure;
  try {
    engine::EngineLimits limits;
    limits.plan.prefill_step = options.prefill_step_size;
    limits.memory = [limit = options.memory_limit] { return engine::memory_capacity(limit); };
    const auto build = [&] {
      engine::LoadedModel loaded = engine::load_model(model, options);
      shape = loaded.shape;
      return std::move(loaded.model);
    };
    engine = std::make_unique<engine::Engine>(build, limits);
  } catch (...) {
    failure = std::current_exception();
  }
  engine::Frontend opened = with_memory(
      [&] { return frontend.get(); });  // if both failed, a wrong configuration is the cause to name
  if (failure) std::rethrow_exception(failure);
  return Runtime(std::make_unique<Impl>(
      Impl{std::move(opened), std::move(engine), shape, options, seconds_since(begin)}));
}

const std::string& Runtime::model_type() const { return impl_->frontend.model_type; }

Result Runtime::generate(const Request& request, const TextCallback& on_text) {
  const engine::Frontend& frontend = impl_->frontend;
  Result result;
  result.model_type = frontend.model_type;

  const auto begin = Clock::now();
  const std::uint64_t images = count_images(request);
  report(request.progress, 0, images);
  memory::MemoryPlan plan;
  engine::Prompt prompt = with_memory([&] {
    engine::Prompt out = frontend.outline(request);
    plan = impl_->plan(out, frontend.room(out, request.options.max_tokens));
    frontend.prepare(out, request);
    return out;
  });
  result.memory.adjustments = memory::changes(engine::settings_of(impl_->options), plan.settings);
  report(request.progress, images, images);
  result.timings.preprocess_s = seconds_since(begin);
  result.prompt = prompt.text;
  result.input_ids = prompt.ids;
  for (const auto& image : prompt.images) result.image_tokens.push_back(image.tokens);

  engine::Job job = frontend.job(std::move(prompt), request, impl_->engine->vocab());
  job.plan = plan;
  job.on_text = on_text;
  engine::Outcome outcome = impl_->engine->run(std::move(job));

  result.output_ids = std::move(outcome.output_ids);
  result.text = std::move(outcome.text);
  result.finish_reason = outcome.finish_reason;
  result.usage.prompt_tokens = int(result.input_ids.size());
  result.usage.completion_tokens = int(result.output_ids.size());
  result.usage.total_tokens = result.usage.prompt_tokens + result.usage.completion_tokens;
  result.timings.load_s = impl_->load_s;
  result.timings.encode_s = outcome.encode_s;
  result.timings.prefill_s = outcome.prefill_s;
  result.timings.decode_s = outcome.decode_s;
  result.timings.prompt_tps = outcome.prompt_tps;
  result.timings.generation_tps = outcome.generation_tps;
  result.memory.planned_peak_bytes = outcome.planned_bytes;
  result.memory.peak_bytes = outcome.peak_bytes;
  result.first_logits = std::move(outcome.first_logits);
  result.image_features = std::move(outcome.image_features);
  result.feature_width = outcome.feature_width;
  return result;
}

const char* to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::cancelled:
      return "cancelled";
  }
  return "stop";
}

}  // namespace mlx_vision
