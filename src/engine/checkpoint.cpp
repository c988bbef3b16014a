#include "engine/checkpoint.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/files.h"
#include "engine/device.h"
#include "mlx_vision/error.h"
#include "nn/attention.h"
#include "processing/prepare_images.h"

namespace mlx_vision::engine {
namespace mx = mlx::core;

namespace {

constexpr std::uint64_t kLoadBatchBytes = 256ull << 20;  // between two reports

core::ConfigReader optional_file(const std::filesystem::path& path) {
  return std::filesystem::exists(path) ? core::ConfigReader::from_file(path)
                                       : core::ConfigReader::empty(path.filename().string());
}

// A field of generation_config.json takes the place of config.json's even when it is null.
const core::ConfigReader& owner(const core::ConfigReader& config, const core::ConfigReader& generation,
                                const char* key) {
  return generation.raw().contains(key) ? generation : config;
}

std::vector<int> ids(const core::ConfigReader& config, const char* key) {
  if (!config.has(key)) return {};
  return config.raw().at(key).is_array() ? config.get<std::vector<int>>(key)
                                         : std::vector<int>{config.get<int>(key)};
}

SamplingDefaults sampling_defaults(const core::ConfigReader& config, const core::ConfigReader& generation) {
  const auto from = [&](const char* key) { return owner(config, generation, key); };
  SamplingDefaults out{.temperature = from("temperature").find<float>("temperature"),
                       .top_p = from("top_p").find<float>("top_p"),
                       .top_k = from("top_k").find<int>("top_k"),
                       .do_sample = from("do_sample").find<bool>("do_sample")};
  if (out.temperature && !(*out.temperature >= 0))
    from("temperature").fail("temperature", "expected 0 or more, got " + std::to_string(*out.temperature));
  if (out.top_p && !(*out.top_p >= 0 && *out.top_p <= 1)) out.top_p = 1;  // off, as in the reference
  return out;
}

std::set<std::int32_t> end_tokens(const core::ConfigReader& config, const core::ConfigReader& generation,
                                  const text::Tokenizer& tokenizer, const models::Family& family) {
  std::set<std::int32_t> out;
  const core::ConfigReader& source = owner(config, generation, "eos_token_id");
  for (const int id : ids(source, "eos_token_id")) out.insert(id);
  const auto add = [&](std::string_view token) {
    if (const auto id = tokenizer.id(token)) out.insert(*id);
  };
  if (!tokenizer.special().eos.empty()) add(tokenizer.special().eos);
  for (const std::string_view token : family.extra_eos) add(token);
  return out;
}

std::int64_t context_length(const core::ConfigReader& config) {
  for (const auto& part : {config.child_or_empty("text_config"), config.child_or_empty("llm_config"), config})
    if (const auto length = part.find<std::int64_t>("max_position_embeddings"); length && *length > 0)
      return *length;
  return 0;
}

// As the reference resolves eos_tokens: a space before, and of what that gives the last.
std::int32_t end_token(const text::Tokenizer& tokenizer, const std::string& token) {
  const auto ids = tokenizer.encode(" " + token, false);
  if (ids.empty()) throw RequestError("eos_tokens: expected text with a token, got \"" + token + "\"");
  return ids.back();
}

std::vector<ImagePart> unnamed(const std::vector<Image>& images) {
  std::vector<ImagePart> out;
  for (const Image& image : images) out.push_back({image, {}});
  return out;
}

void evaluate(const std::vector<mx::array>& weights, const ProgressCallback& progress) {
  std::uint64_t total = 0, done = 0;
  for (const mx::array& w : weights) total += w.nbytes();
  if (progress) progress({.stage = Progress::Stage::load, .done = 0, .total = total});
  std::vector<mx::array> batch;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    batch.push_back(weights[i]);
    bytes += weights[i].nbytes();
    if (bytes < kLoadBatchBytes && i + 1 < weights.size()) continue;
    mx::eval(std::exchange(batch, {}));
    done += std::exchange(bytes, 0);
    if (progress) progress({.stage = Progress::Stage::load, .done = done, .total = total});
  }
}

}  // namespace

Frontend open_frontend(const std::filesystem::path& folder, const LoadOptions& options) {
  core::require_directory(folder);
  const auto config = core::ConfigReader::from_file(folder / "config.json");
  const auto generation = optional_file(folder / "generation_config.json");
  const std::string model_type = config.get<std::string>("model_type");
  const models::Family& family = models::find_family(model_type);
  const auto tokenizer = text::Tokenizer::open(folder, family.model_type);
  auto chat_template = text::ChatTemplate::open(folder, tokenizer.special());
  const bool has_template = chat_template.has_value();
  processing::PromptBuilder prompts(
      {.tokenizer = tokenizer,
       .chat_template = std::move(chat_template),
       .processor = family.processor(processing::read_processor_files(folder),
                                     {.min_pixels = options.min_pixels, .max_pixels = options.max_pixels}),
       .rule = family.prompt_rule});
  return {.model_type = model_type,
          .family = &family,
          .prompts = std::move(prompts),
          .has_template = has_template,
          .sampling = sampling_defaults(config, generation),
          .eos = end_tokens(config, generation, tokenizer, family),
          .context_length = context_length(config)};
}

Prompt Frontend::prompt(const Request& request) const {
  const bool chat = !request.chat.messages.empty();
  if (int(chat) + int(request.raw_prompt.has_value()) + int(request.input_ids.has_value()) != 1)
    throw RequestError("request: expected exactly one of chat, raw_prompt and input_ids");
  if (chat) {
    if (!request.images.empty())
      throw RequestError("images: a chat holds its images in its messages; expected none beside it, got " +
                         std::to_string(request.images.size()));
    return prompts.build(request.chat, request.options.enable_thinking);
  }
  if (request.raw_prompt) return prompts.build_raw(*request.raw_prompt, unnamed(request.images));
  return {.text = {},
          .ids = *request.input_ids,
          .images = processing::prepare_images(prompts.processor(), unnamed(request.images))};
}

Job Frontend::job(Prompt prompt, const Request& request, int vocab) const {
  const GenerateOptions& options = request.options;
  if (prompt.ids.empty()) throw RequestError("prompt: expected at least one token, got none");
  if (options.max_tokens < 0)
    throw RequestError("max_tokens: expected 0 or more, got " + std::to_string(options.max_tokens));
  Job job;
  job.max_tokens = options.max_tokens;
  if (const std::int64_t length = std::int64_t(prompt.ids.size()); context_length > 0) {
    if (length > context_length)
      throw CapacityError("prompt: " + std::to_string(length) + " tokens, the model's context holds " +
                              std::to_string(context_length) + "; use fewer or smaller images (max_pixels)",
                          std::uint64_t(length), std::uint64_t(context_length));
    // The last token is never fed back and needs no place.
    job.max_tokens = int(std::min<std::int64_t>(job.max_tokens, context_length - length + 1));
  }
  job.ids = std::move(prompt.ids);
  job.images = std::move(prompt.images);
  job.sampling = resolve(options.sampling, sampling, vocab);
  if (!options.ignore_eos) {
    job.eos = eos;
    for (const std::string& token : options.eos_tokens) job.eos.insert(end_token(prompts.tokenizer(), token));
  }
  job.stop = options.stop;
  job.capture = options.capture_logits;
  const auto stream =
      std::make_shared<text::TokenStream>(prompts.tokenizer().stream(options.skip_special_tokens));
  job.detokenizer = {.push = [stream](std::int32_t id) { return stream->push(id); },
                     .flush = [stream] { return stream->flush(); }};
  job.cancellation = request.cancellation;
  job.progress = request.progress;
  return job;
}

Preprocessed prepare_images(const std::filesystem::path& folder, const std::vector<Image>& images,
                            const LoadOptions& options) {
  core::require_directory(folder);
  const auto files = processing::read_processor_files(folder);
  const models::Family& family = models::find_family(files.config.get<std::string>("model_type"));
  const auto processor =
      family.processor(files, {.min_pixels = options.min_pixels, .max_pixels = options.max_pixels});
  const auto inputs = processing::prepare_images(*processor, unnamed(images));
  Preprocessed out{.arrays = processor->batch(inputs), .image_tokens = {}};
  for (const auto& input : inputs) out.image_tokens.push_back(input.tokens);
  return out;
}

std::vector<std::string> known_model_types() {
  std::vector<std::string> out;
  for (const models::Family* family : models::families()) {
    out.emplace_back(family->model_type);
    for (const std::string_view alias : family->aliases) out.emplace_back(alias);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::unique_ptr<models::Model> load_model(const std::filesystem::path& folder, const LoadOptions& options) {
  core::require_directory(folder);
  const auto config = core::ConfigReader::from_file(folder / "config.json");
  const models::Family& family = models::find_family(config.get<std::string>("model_type"));
  nn::set_attention_budget(options.attention_bytes);
  if (mx::default_device() == mx::Device::cpu) set_threads(options.threads);
  std::optional<mx::Dtype> compute;
  if (options.float32 || mx::default_device() == mx::Device::cpu) compute = mx::float32;
  auto store = weights::WeightStore::open(folder, family.names(config), config, compute);
  auto model = family.build(config, weights::Weights(store));
  store.finish();
  evaluate(store.taken(), options.progress);
  return model;
}

}  // namespace mlx_vision::engine
