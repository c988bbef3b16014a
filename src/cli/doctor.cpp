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

constexpr std::size_t kColumn = 16;  // where values begin

void add_line(std::string& text, std::string_view name, std::string_view value) {
  text.append(name).append(kColumn - name.size(), ' ').append(value.empty() ? "unknown" : value).append("\n");
}

std::string bytes_or_unknown(std::uint64_t bytes) { return bytes > 0 ? bytes_text(bytes) : std::string(); }

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
