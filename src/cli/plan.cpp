#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/default_model.h"
#include "cli/flags.h"
#include "cli/image_source.h"
#include "cli/report.h"
#include "mlx_vision/memory.h"

namespace mlx_vision::cli {

namespace {

constexpr std::size_t kName = 20, kNumber = 12;
constexpr int kDoesNotFit = 4;

struct PlanFlags {
  ModelFlags model;
  std::vector<std::string> images;
  PlanRequest request;
  bool json = false;
};

void add_cell(std::string& text, std::string_view cell, std::size_t width, bool right) {
  const std::string space(width - std::min(width, cell.size()), ' ');
  if (right) text.append(space);
  text.append(cell);
  if (!right) text.append(space);
}

void add_row(std::string& text, std::string_view name, const std::vector<std::string>& cells) {
  add_cell(text, name, kName, false);
  for (const std::string& cell : cells) add_cell(text, cell, kNumber, true);
  text.append("\n");
}

std::vector<std::string> sizes(const std::vector<std::uint64_t>& bytes) {
  std::vector<std::string> out;
  for (const std::uint64_t n : bytes) out.push_back(n == 0 ? "-" : bytes_text(n));
  return out;
}

std::string table(const MemoryReport& report) {
  std::string text;
  add_row(text, "", report.phases);
  for (const auto& row : report.rows) add_row(text, row.part, sizes(row.bytes));
  add_row(text, "total", sizes(report.totals));
  const auto line = [&](std::string_view name, const std::string& value) {
    add_cell(text, name, kName, false);
    text.append(value).append("\n");
  };
  text.append("\n");
  line("prompt", std::to_string(report.prompt_tokens) + " tokens, " +
                     std::to_string(report.image_tokens.size()) + " image(s)");
  line("planned peak", bytes_text(report.planned_peak_bytes) + " of MLX, " +
                           bytes_text(report.process_peak_bytes) + " of the process");
  line("available", bytes_text(report.available_bytes));
  line("largest buffer", bytes_text(report.largest_buffer_bytes));
  for (const std::string& change : report.adjustments) line("to make it fit", change);
  line("verdict", report.refusal.empty() ? "fits" : report.refusal);
  return text;
}

int plan(PlanFlags flags) {
  for (const auto& source : flags.images)
    flags.request.images.push_back(probe_image(source, "--image").seen_size());
  const MemoryReport report =
      plan_memory(chosen_model(flags.model), flags.request, load_options(flags.model));
  const std::string text = flags.json ? printed(to_json(report)) : table(report);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return report.refusal.empty() ? 0 : kDoesNotFit;
}

}  // namespace

void add_plan(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<PlanFlags>();
  auto& command = *app.add_subcommand("plan", "Reckon the memory of a request without loading anything");
  add_model_flags(command, flags->model);
  add_compute_flags(command, flags->model);
  add_list(command, "--image", flags->images,
           "Image files (path, file:// or data: URI), of which only headers are read; several are allowed");
  command.add_option("--prompt", flags->request.prompt, "What would be asked")->capture_default_str();
  command.add_option("--max-tokens", flags->request.max_tokens, "Most tokens to generate")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_flag("--json", flags->json, "Print one JSON object");
  command.callback([flags, &action] { action = [flags] { return plan(*flags); }; });
}

}  // namespace mlx_vision::cli
