#pragma once
#include <cstdint>
#include <exception>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "mlx_vision/events.h"
#include "mlx_vision/inspect.h"
#include "mlx_vision/memory.h"
#include "mlx_vision/preprocess.h"
#include "mlx_vision/vision_config.h"

namespace mlx_vision::cli {

/// What `--json` prints. Other programs depend on the key names: add, never rename.
nlohmann::ordered_json to_json(const Result& result);
nlohmann::ordered_json to_json(const ModelInfo& info);
nlohmann::ordered_json to_json(const DeviceInfo& info);
nlohmann::ordered_json to_json(const Rendered& rendered);
nlohmann::ordered_json to_json(const MemoryReport& report);
nlohmann::ordered_json to_json(const VisionConfig& row);
/// Name, type and shape of the arrays, not their values.
nlohmann::ordered_json to_json(const Preprocessed& preprocessed);

/// `{"error": {"type": …, "message": …}}`
nlohmann::ordered_json error_json(const std::string& type, const std::string& message);
/// Name of the error's class, "InternalError" for one that is not ours.
std::string error_type(const std::exception& error);
int exit_code(const std::exception& error);

/// The object as one line of text for stdout; bytes that are no UTF-8 become U+FFFD.
std::string printed(const nlohmann::ordered_json& json);

/// One line: image tokens, prompt and generation rates, peak memory.
std::string statistics_line(const Result& result);
/// One line: seconds of each stage.
std::string timings_line(const Timings& timings);

/// "1.50 GB", "320 MB", "12 B": powers of 1000, as memory is told everywhere else.
std::string bytes_text(std::uint64_t bytes);
/// What generate --logits writes: `first_logits` `[vocab]` and, when there were images, `image_features`
/// `[rows, hidden]`. Takes the values out of the result.
std::vector<Tensor> logits_tensors(Result& result);
/// As NumPy names it: "float32", "bool", …
const char* to_string(ElementType type);

}  // namespace mlx_vision::cli
