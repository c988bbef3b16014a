#include "mlx_vision/inspect.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "cli/commands.h"
#include "cli/report.h"

namespace mlx_vision::cli {

namespace {

constexpr std::size_t kColumn = 16;  // where values begin

struct InspectFlags {
  std::string model;
  bool json = false;
};

void add_line(std::string& text, std::string_view name, std::string_view value) {
  text.append(name).append(kColumn - std::min(kColumn - 1, name.size()), ' ').append(value).append("\n");
}

std::string table(const ModelInfo& info) {
  std::string text;
  add_line(text, "model type", info.model_type);
  add_line(text, "family", info.family);
  for (const auto& [part, numbers] : info.sizes) add_line(text, part, numbers);
  add_line(text, "quantisation", info.quantization);
  add_line(text, "images", info.image_rule);
  add_line(text, "prompt", info.prompt_rule);
  add_line(text, "context",
           info.context_length > 0 ? std::to_string(info.context_length) + " tokens" : "not said");
  std::uint64_t total = 0;
  for (const auto& [part, bytes] : info.bytes_by_part) {
    total += bytes;
    add_line(text, "bytes", std::string(part).append(": ").append(bytes_text(bytes)));
  }
  add_line(text, "bytes", std::string("in all: ").append(bytes_text(total)));
  for (const auto& shard : info.shards) add_line(text, "file", shard);
  for (const auto& field : info.unread_fields) add_line(text, "not read", field);
  return text;
}

int inspect_model(const InspectFlags& flags) {
  const ModelInfo info = inspect(flags.model);
  const std::string text = flags.json ? printed(to_json(info)) : table(info);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace

void add_inspect(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<InspectFlags>();
  auto& command = *app.add_subcommand("inspect", "Say what a checkpoint folder is");
  command.add_option("--model,model", flags->model, "Folder of the checkpoint")->required()->type_name("DIR");
  command.add_flag("--json", flags->json, "Print one JSON object");
  command.callback([flags, &action] { action = [flags] { return inspect_model(*flags); }; });
}

}  // namespace mlx_vision::cli
