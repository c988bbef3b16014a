#include "cli/report.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "mlx_vision/error.h"

namespace mlx_vision::cli {

using nlohmann::ordered_json;

namespace {

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", digits, value);
  return text;
}

std::string joined(const std::vector<int>& numbers, const char* separator) {
  std::string text;
  for (const int number : numbers) text.append(text.empty() ? "" : separator).append(std::to_string(number));
  return text;
}

template <class Value>
ordered_json object_of(const std::vector<std::pair<std::string, Value>>& pairs) {
  ordered_json out = ordered_json::object();
  for (const auto& [key, value] : pairs) out[key] = value;
  return out;
}

template <class T>
bool is(const std::exception& error) {
  return dynamic_cast<const T*>(&error) != nullptr;
}

}  // namespace

ordered_json to_json(const Result& r) {
  return {{"model_type", r.model_type},
          {"prompt", r.prompt},
          {"input_ids", r.input_ids},
          {"image_tokens", r.image_tokens},
          {"output_ids", r.output_ids},
          {"text", r.text},
          {"finish_reason", mlx_vision::to_string(r.finish_reason)},
          {"usage",
           {{"prompt_tokens", r.usage.prompt_tokens},
            {"completion_tokens", r.usage.completion_tokens},
            {"total_tokens", r.usage.total_tokens}}},
          {"timings",
           {{"load_s", r.timings.load_s},
            {"preprocess_s", r.timings.preprocess_s},
            {"encode_s", r.timings.encode_s},
            {"prefill_s", r.timings.prefill_s},
            {"decode_s", r.timings.decode_s},
            {"prompt_tps", r.timings.prompt_tps},
            {"generation_tps", r.timings.generation_tps}}},
          {"memory",
           {{"planned_peak_bytes", r.memory.planned_peak_bytes},
            {"peak_bytes", r.memory.peak_bytes},
            {"adjustments", r.memory.adjustments}}}};
}

ordered_json to_json(const ModelInfo& info) {
  return {{"model_type", info.model_type},
          {"family", info.family},
          {"sizes", object_of(info.sizes)},
          {"quantization", info.quantization},
          {"image_rule", info.image_rule},
          {"prompt_rule", info.prompt_rule},
          {"context_length", info.context_length},
          {"unread_fields", info.unread_fields},
          {"bytes_by_part", object_of(info.bytes_by_part)},
          {"shards", info.shards}};
}

ordered_json to_json(const MemoryReport& report) {
  ordered_json phases = ordered_json::object();
  for (std::size_t i = 0; i < report.phases.size(); ++i) {
    ordered_json parts = ordered_json::object();
    for (const auto& row : report.rows) parts[row.part] = row.bytes[i];
    parts["total"] = report.totals[i];
    phases[report.phases[i]] = std::move(parts);
  }
  return {{"phases", phases},
          {"planned_peak_bytes", report.planned_peak_bytes},
          {"process_peak_bytes", report.process_peak_bytes},
          {"available_bytes", report.available_bytes},
          {"largest_buffer_bytes", report.largest_buffer_bytes},
          {"prompt_tokens", report.prompt_tokens},
          {"image_tokens", report.image_tokens},
          {"adjustments", report.adjustments},
          {"fits", report.refusal.empty()},
          {"refusal", report.refusal}};
}

ordered_json to_json(const DeviceInfo& info) {
  return {{"mlx_version", info.mlx_version},
          {"backend", info.backend},
          {"device", info.device},
          {"memory_bytes", info.memory_bytes},
          {"available_bytes", info.available_bytes},
          {"max_buffer_bytes", info.max_buffer_bytes},
          {"blas_library", info.blas_library},
          {"blas_kernel", info.blas_kernel},
          {"sgemm_gflops", info.sgemm_gflops},
          {"kernels", info.kernels},
          {"threads", info.threads},
          {"read_gbps", info.read_gbps},
          {"product_error", info.product_error}};
}

ordered_json to_json(const VisionConfig& row) {
  return {{"name", row.name},
          {"width", row.width},
          {"height", row.height},
          {"prompt", row.prompt_format},
          {"numbered_images", row.numbered_images},
          {"mean", row.mean},
          {"std", row.std}};
}

ordered_json to_json(const Rendered& rendered) {
  return {{"prompt", rendered.prompt},
          {"input_ids", rendered.input_ids},
          {"image_tokens", rendered.image_tokens}};
}

ordered_json to_json(const Preprocessed& preprocessed) {
  ordered_json arrays = ordered_json::array();
  for (const auto& array : preprocessed.arrays)
    arrays.push_back({{"name", array.name}, {"dtype", to_string(array.type)}, {"shape", array.shape}});
  return {{"arrays", arrays}, {"image_tokens", preprocessed.image_tokens}};
}

ordered_json error_json(const std::string& type, const std::string& message) {
  return {{"error", {{"type", type}, {"message", message}}}};
}

std::string error_type(const std::exception& error) {
  if (is<ConfigError>(error)) return "ConfigError";
  if (is<WeightError>(error)) return "WeightError";
  if (is<RequestError>(error)) return "RequestError";
  if (is<MediaError>(error)) return "MediaError";
  if (is<MemoryError>(error)) return "MemoryError";
  if (is<CapacityError>(error)) return "CapacityError";
  if (is<EngineError>(error)) return "EngineError";
  return "InternalError";
}

int exit_code(const std::exception& error) {
  const auto* ours = dynamic_cast<const Error*>(&error);
  return ours ? ours->exit_code() : 1;
}

std::string printed(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string statistics_line(const Result& r) {
  std::string text;
  if (!r.image_tokens.empty()) text.append("image ").append(joined(r.image_tokens, "+")).append(" tokens | ");
  text.append("prompt ").append(std::to_string(r.usage.prompt_tokens)).append(" tokens, ");
  text.append(fixed(r.timings.prompt_tps, 1)).append(" tok/s | generation ");
  text.append(std::to_string(r.usage.completion_tokens)).append(" tokens, ");
  text.append(fixed(r.timings.generation_tps, 1)).append(" tok/s | peak memory ");
  text.append(bytes_text(r.memory.peak_bytes));
  if (r.memory.planned_peak_bytes != 0)
    text.append(" (planned ").append(bytes_text(r.memory.planned_peak_bytes)).append(")");
  if (r.finish_reason == FinishReason::cancelled) text.append(" | cancelled");
  return text;
}

std::string timings_line(const Timings& t) {
  std::string text = "load ";
  text.append(fixed(t.load_s, 3)).append(" s | preprocess ").append(fixed(t.preprocess_s, 3));
  text.append(" s | encode ")
      .append(fixed(t.encode_s, 3))
      .append(" s | prefill ")
      .append(fixed(t.prefill_s, 3));
  return text.append(" s | decode ").append(fixed(t.decode_s, 3)).append(" s");
}

std::string bytes_text(std::uint64_t bytes) {
  if (bytes >= 1'000'000'000) return fixed(double(bytes) / 1e9, 2) + " GB";
  if (bytes >= 1'000'000) return fixed(double(bytes) / 1e6, 1) + " MB";
  if (bytes >= 1'000) return fixed(double(bytes) / 1e3, 1) + " kB";
  return std::to_string(bytes) + " B";
}

std::vector<Tensor> logits_tensors(Result& r) {
  std::vector<Tensor> out;
  const auto count = [](const std::vector<float>& values) { return std::int64_t(values.size()); };
  out.push_back(
      {.name = "first_logits", .shape = {count(r.first_logits)}, .floats = std::move(r.first_logits)});
  if (r.feature_width > 0)
    out.push_back({.name = "image_features",
                   .shape = {count(r.image_features) / r.feature_width, r.feature_width},
                   .floats = std::move(r.image_features)});
  return out;
}

const char* to_string(ElementType type) {
  switch (type) {
    case ElementType::float32:
      return "float32";
    case ElementType::int32:
      return "int32";
    case ElementType::int64:
      return "int64";
    case ElementType::uint8:
      return "uint8";
    case ElementType::boolean:
      return "bool";
  }
  return "unknown";
}

}  // namespace mlx_vision::cli
