#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "cli/commands.h"
#include "cli/report.h"
#include "mlx_vision/inspect.h"

namespace mlx_vision::cli {

namespace {

constexpr double kGoodProduct = 1e-5;
constexpr std::size_t kColumn = 16;  // where values begin

void add_line(std::string& text, std::string_view name, std::string_view value) {
  text.append(name).append(kColumn - name.size(), ' ').append(value.empty() ? "unknown" : value).append("\n");
}

std::string bytes_or_unknown(std::uint64_t bytes) { return bytes > 0 ? bytes_text(bytes) : std::string(); }

std::string kernels_text(const DeviceInfo& info) {
  std::string text = info.kernels;
  return text.append(", ")
      .append(std::to_string(info.threads))
      .append(info.threads == 1 ? " thread, memory read at " : " threads, memory read at ")
      .append(std::to_string(long(info.read_gbps + 0.5)))
      .append(" GB/s");
}

std::string products_text(const DeviceInfo& info) {
  char error[32];
  std::snprintf(error, sizeof(error), "%.1e", info.product_error);
  std::string text = info.product_error < kGoodProduct ? "correct" : "WRONG on this processor";
  return text.append(" (relative error ").append(error).append(" against double precision)");
}

std::string table(const DeviceInfo& info) {
  std::string text, gflops, models;
  gflops.append(std::to_string(long(info.sgemm_gflops + 0.5)))
      .append(" GFLOPS (float32 product, measured now)");
  for (const auto& name : known_model_types()) models.append(models.empty() ? "" : ", ").append(name);
  add_line(text, "mlx-vision", MLX_VISION_VERSION);
  add_line(text, "MLX", info.mlx_version);
  add_line(text, "backend", info.backend);
  add_line(text, "device", info.device);
  add_line(text, "memory", bytes_or_unknown(info.memory_bytes));
  add_line(text, "available", bytes_or_unknown(info.available_bytes));
  add_line(text, "largest buffer", bytes_or_unknown(info.max_buffer_bytes));
  add_line(text, "BLAS", info.blas_library);
  add_line(text, "BLAS kernel", info.blas_kernel);
  add_line(text, "speed", gflops);
  add_line(text, "kernels", kernels_text(info));
  add_line(text, "products", products_text(info));
  add_line(text, "models", models);
  return text;
}

int doctor(bool json) {
  const DeviceInfo info = device_info();
  auto object = to_json(info);
  object["version"] = MLX_VISION_VERSION;
  object["model_types"] = known_model_types();
  const std::string text = json ? printed(object) : table(info);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace

void add_doctor(CLI::App& app, Action& action) {
  const auto json = std::make_shared<bool>(false);
  auto& command = *app.add_subcommand("doctor", "Show device, memory, BLAS and a measured speed");
  command.add_flag("--json", *json, "Print one JSON object");
  command.callback([json, &action] { action = [json] { return doctor(*json); }; });
}

}  // namespace mlx_vision::cli
