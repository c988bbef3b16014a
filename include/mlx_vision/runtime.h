#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mlx_vision/chat.h"
#include "mlx_vision/error.h"
#include "mlx_vision/events.h"
#include "mlx_vision/export.h"
#include "mlx_vision/options.h"

namespace mlx_vision {

/// Stops the generation it was given to; copies share one flag. Safe from any thread and from a signal
/// handler.
class Cancellation {
 public:
  void cancel() noexcept { flag_->store(true, std::memory_order_relaxed); }
  bool cancelled() const noexcept { return flag_->load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
};

/// What to answer. Exactly one of `chat`, `raw_prompt` and `input_ids` is set.
struct Request {
  Chat chat;
  std::optional<std::string> raw_prompt;               ///< already rendered; image places still unexpanded
  std::optional<std::vector<std::int32_t>> input_ids;  ///< already expanded
  std::vector<Image> images;                           ///< for raw_prompt and input_ids; a chat holds its own
  GenerateOptions options;
  Cancellation cancellation;
  /// Called on the engine thread, for Stage::preprocess on the caller's; may be empty.
  ProgressCallback progress;
};

/// Text as it appears, complete characters only. Called on the engine thread; must not call the runtime.
using TextCallback = std::function<void(std::string_view text)>;

/// A loaded checkpoint. Move-only; every member may be called from any thread; requests are served fairly,
/// one engine thread doing all the work on arrays. A failing request ends alone.
///
///     auto runtime = mlx_vision::Runtime::load("models/Qwen2-VL-2B-Instruct-4bit");
///     mlx_vision::Request request;
///     request.chat.messages.push_back(
///         {"user", {mlx_vision::ImagePart{mlx_vision::Image::open("cat.jpg"), "cat.jpg"},
///                   mlx_vision::TextPart{"What is this?"}}});
///     auto result = runtime.generate(request, [](std::string_view text) { std::cout << text << std::flush;
///     });
///
/// Another thread, or a signal handler, ends the answer early through a copy of `request.cancellation`; the
/// result then holds what there is. It must not be destroyed while a call to it is running.
class MLX_VISION_API Runtime {
 public:
  /// Loads a checkpoint folder. @throws ConfigError, WeightError, CapacityError, EngineError
  static Runtime load(const std::filesystem::path& model, const LoadOptions& options = {});
  Runtime(Runtime&&) noexcept;
  Runtime& operator=(Runtime&&) noexcept;
  ~Runtime();

  /// Blocks until the answer is complete or cancelled, streaming text to `on_text` meanwhile. At most the
  /// model's context is filled, whatever max_tokens says.
  /// @throws RequestError, MediaError, EngineError; CapacityError when the prompt is longer than the context
  /// or too many requests wait; and whatever a callback throws, which ends this request.
  Result generate(const Request& request, const TextCallback& on_text = {});

  const std::string& model_type() const;

 private:
  struct Impl;
  explicit Runtime(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mlx_vision
