#include "engine/inspect.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>

#include "engine/checkpoint.h"
#include "engine/memory_plan.h"
#include "processing/image_processors.h"

namespace mlx_vision::engine {
namespace mx = mlx::core;

namespace {

using Config = core::ConfigReader;

// A size that configurations call by several names.
struct Size {
  const char* label;
  std::initializer_list<const char*> keys;
};

std::string sizes(const Config& config, std::initializer_list<Size> wanted) {
  std::string text;
  for (const Size& size : wanted)
    for (const char* key : size.keys) {
      if (!config.has(key) || !config.raw().at(key).is_number_integer()) continue;
      text.append(text.empty() ? "" : ", ").append(size.label).append(" ");
      text.append(std::to_string(config.raw().at(key).get<std::int64_t>()));
      break;
    }
  return text;
}

std::vector<std::pair<std::string, std::string>> all_sizes(const Config& config) {
  // Some families keep the language model's numbers at the top level.
  const char* part = config.is_object("llm_config") ? "llm_config" : "text_config";
  const Config text = config.is_object(part) ? config.child(part) : config;
  return {{"language", sizes(text, {{"hidden", {"hidden_size"}},
                                    {"layers", {"num_hidden_layers"}},
                                    {"heads", {"num_attention_heads"}},
                                    {"key-value heads", {"num_key_value_heads"}},
                                    {"intermediate", {"intermediate_size"}},
                                    {"vocabulary", {"vocab_size"}}})},
          {"vision",
           sizes(config.child_or_empty("vision_config"), {{"hidden", {"embed_dim", "hidden_size"}},
                                                          {"layers", {"depth", "num_hidden_layers"}},
                                                          {"heads", {"num_heads", "num_attention_heads"}},
                                                          {"patch", {"patch_size"}},
                                                          {"image", {"image_size"}}})}};
}

std::string dtype_name(mx::Dtype dtype) {
  std::ostringstream out;
  out << dtype;
  return out.str();
}

std::string quantization(const weights::WeightStore& store) {
  const auto all = store.quantizations();
  if (all.empty())
    return (store.unpacks_fp8() ? "8-bit floats, unpacked when loaded (" : "none (") +
           dtype_name(store.activation_dtype()) + ")";
  std::map<std::string, int> kinds;
  for (const auto& q : all)
    ++kinds[std::to_string(q.bits) + " bits " + q.mode + " in groups of " + std::to_string(q.group_size)];
  std::string text;
  for (const auto& [kind, count] : kinds) {
    text.append(text.empty() ? "" : "; ").append(kind);
    if (count > 1) text.append(" (").append(std::to_string(count)).append(" entries)");
  }
  return text;
}

std::vector<std::pair<std::string, std::uint64_t>> bytes_by_part(const weights::WeightStore& store) {
  std::map<std::string, std::uint64_t> bytes;
  for (const auto& [name, tensor] : store.tensors()) bytes[part_of(name)] += tensor.nbytes();
  return {{"vision", bytes["vision"]}, {"projector", bytes["projector"]}, {"language", bytes["language"]}};
}

std::string prompt_rule(processing::PromptRule rule, bool has_template) {
  std::string text =
      rule != processing::PromptRule::text_first ? "images before the text" : "images after the text";
  return text.append(has_template ? ", the checkpoint's own chat template" : ", no chat template");
}

// Fields that nobody reads although they are known: they say where a checkpoint comes from or steer training.
void ignore_known(const Config& config) {
  config.ignore({"architectures", "transformers_version", "torch_dtype", "dtype", "_name_or_path",
                 "use_cache", "initializer_range", "attention_dropout", "bos_token_id", "eos_token_id",
                 "pad_token_id"});
  if (config.is_object("quantization_config")) {  // a copy of "quantization"
    const Config copy = config.child("quantization_config");
    for (const std::string& key : copy.keys()) copy.ignore({key});
  }
  for (const char* part : {"text_config", "llm_config", "vision_config"})
    if (config.is_object(part))
      config.child(part).ignore({"architectures", "transformers_version", "torch_dtype", "dtype",
                                 "_name_or_path", "use_cache", "initializer_range", "attention_dropout",
                                 "bos_token_id", "eos_token_id", "pad_token_id", "model_type"});
}

}  // namespace

ModelInfo describe_model(const std::filesystem::path& folder) {
  const Frontend frontend = open_frontend(folder, {});
  const Config config = models::read_config(folder);
  auto store = weights::WeightStore::open(folder, frontend.family->names(config), config, std::nullopt);
  frontend.family->build(config, weights::Weights(store));
  store.finish();

  ModelInfo info;
  info.model_type = frontend.model_type;
  info.family = frontend.family->model_type;
  info.quantization = quantization(store);
  info.image_rule = frontend.prompts.processor().describe();
  info.prompt_rule = prompt_rule(frontend.family->prompt_rule, frontend.has_template);
  info.context_length = frontend.context_length;
  info.bytes_by_part = bytes_by_part(store);
  for (const auto& file : weights::weight_files(folder)) info.shards.push_back(file.filename().string());

  // What the front end read, it read from a copy of its own.
  const auto prepared = processing::read_processor_files(folder);
  processing::find_image_processor(info.model_type).make(prepared, {});
  ignore_known(config);
  config.ignore({"model_type", "max_position_embeddings", "temperature", "top_p", "top_k", "do_sample"});
  const auto unread_there = prepared.config.unread();
  const auto read_there = [&](const std::string& path) {
    return std::none_of(unread_there.begin(), unread_there.end(), [&](const std::string& other) {
      return path == other || path.starts_with(other + ".");
    });
  };
  for (std::string& path : info.unread_fields = config.unread())
    if (read_there(path)) path.clear();
  std::erase(info.unread_fields, std::string());
  info.sizes = all_sizes(config);
  return info;
}

}  // namespace mlx_vision::engine
