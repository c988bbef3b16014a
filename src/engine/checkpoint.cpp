#include "engine/checkpoint.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "core/files.h"
#include "core/thread_pool.h"
#include "engine/device.h"
#include "engine/image_preparation.h"
#include "engine/memory_plan.h"
#include "memory/fit.h"
#include "mlx_vision/error.h"
#include "nn/attention.h"
#include "processing/image_processors.h"
#include "processing/prepare_images.h"

namespace mlx_vision::engine {
namespace mx = mlx::core;

namespace {

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

std::vector<processing::Media> media_of(const Request& request) {
  return request.chat.messages.empty() ? unnamed(request.images) : processing::media_of(request.chat);
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

// A model over weights that have not been read.
struct Opened {
  Opened(const std::filesystem::path& folder, const LoadOptions& options)
      : config(models::read_config(folder)),
        family(models::find_family(config.get<std::string>("model_type"))),
        store(weights::WeightStore::open(folder, family.names(config), config, compute_type(options))),
        model(family.build(config, weights::Weights(store))) {
    store.finish();
    shape = model->shape();
    shape.weights = weigh(store);
    if (mx::default_device() == mx::Device::cpu)
      shape.kernel_threads = options.threads > 0 ? options.threads : core::physical_cores();
    for (const std::string& name : store.taken_names()) {
      if (!name.ends_with(".scales")) continue;
      std::string biases = name;
      biases.replace(biases.size() - 6, 6, "biases");
      // The kernels multiply affine packings as they are.
      if (shape.kernel_threads > 0 && store.tensors().contains(biases)) continue;
      (part_of(name) == std::string_view("language") ? shape.packed_text : shape.packed_vision) = true;
    }
  }

  static std::optional<mx::Dtype> compute_type(const LoadOptions& options) {
    if (options.float32 || mx::default_device() == mx::Device::cpu) return mx::float32;
    return std::nullopt;
  }

  core::ConfigReader config;
  const models::Family& family;
  weights::WeightStore store;
  std::unique_ptr<models::Model> model;
  memory::ModelShape shape;
};

}  // namespace

Frontend open_frontend(const std::filesystem::path& folder, const LoadOptions& options) {
  core::require_directory(folder);
  const auto config = core::ConfigReader::from_file(folder / "config.json");
  const auto generation = optional_file(folder / "generation_config.json");
  const std::string model_type = config.get<std::string>("model_type");
  const models::Family& family = models::find_family(model_type);
  const auto tokenizer = text::Tokenizer::open(folder, family.model_type);
  const auto from_source = [&](std::string_view source) {
    return text::ChatTemplate::from_source(std::string(source), tokenizer.special());
  };
  auto chat_template = family.chat_template.empty() ? text::ChatTemplate::open(folder, tokenizer.special())
                                                    : from_source(family.chat_template);
  const bool has_template = chat_template.has_value();
  const auto processor_for = [folder, options](const processing::ImageLimits& limits) {
    LoadOptions limited = options;
    limited.min_pixels = limits.min_pixels;
    limited.max_pixels = limits.max_pixels;
    return open_processor(folder, limited);
  };
  processing::PromptBuilder prompts(
      {.tokenizer = tokenizer,
       .chat_template = std::move(chat_template),
       .video_template =
           family.video_template.empty() ? std::nullopt : std::optional(from_source(family.video_template)),
       .processor = open_processor(folder, options),
       .rule = family.prompt_rule});
  return {.model_type = model_type,
          .family = &family,
          .prompts = std::move(prompts),
          .has_template = has_template,
          .sampling = sampling_defaults(config, generation),
          .eos = end_tokens(config, generation, tokenizer, family),
          .context_length = context_length(config),
          .processor_for = processor_for};
}

Prompt Frontend::outline(const Request& request) const {
  const bool chat = !request.chat.messages.empty();
  if (int(chat) + int(request.raw_prompt.has_value()) + int(request.input_ids.has_value()) != 1)
    throw RequestError("request: expected exactly one of chat, raw_prompt and input_ids");
  if (chat && !request.images.empty())
    throw RequestError("images: a chat holds its images in its messages; expected none beside it, got " +
                       std::to_string(request.images.size()));
  auto pictures = processing::sizes_of(prompts.processor(), media_of(request));
  if (chat)
    return prompts.outline(prompts.render(request.chat, request.options.enable_thinking),
                           std::move(pictures));
  if (request.raw_prompt) return prompts.outline(*request.raw_prompt, std::move(pictures));
  Prompt prompt{.text = {}, .ids = *request.input_ids, .pictures = std::move(pictures)};
  prompt.sizes = processing::plan_images(prompts.processor(), prompt.pictures);
  return prompt;
}

void Frontend::prepare(Prompt& prompt, const Request& request) const {
  prompt.images = processing::prepare_images(prompts.processor(), media_of(request), prompt.pictures);
}

namespace {

[[noreturn]] void refuse_length(const Frontend& frontend, const Prompt& prompt) {
  const auto tokens = [](const std::vector<processing::PreparedSize>& sizes) {
    return std::accumulate(sizes.begin(), sizes.end(), std::int64_t(0),
                           [](std::int64_t sum, const auto& size) { return sum + size.tokens; });
  };
  const std::int64_t length = prompt.length(), context = frontend.context_length;
  const std::int64_t words = length - tokens(prompt.sizes);
  std::string text = "prompt: " + std::to_string(length) + " tokens, the model's context holds ";
  text.append(std::to_string(context));
  const auto max_pixels = frontend.largest_max_pixels(
      prompt, [&](const auto& sizes) { return words + tokens(sizes) <= context; });
  if (max_pixels)
    text.append("; it would fit with --max-pixels ").append(std::to_string(*max_pixels));
  else
    text.append(prompt.sizes.empty() ? "; use a shorter prompt" : "; use fewer images or a shorter prompt");
  throw CapacityError(text, std::uint64_t(length), std::uint64_t(context));
}

}  // namespace

std::optional<std::int64_t> Frontend::largest_max_pixels(
    const Prompt& outline,
    const std::function<bool(const std::vector<processing::PreparedSize>&)>& fits) const {
  std::int64_t most = 0;
  for (const auto& size : outline.sizes)
    most = std::max(
        most,
        std::accumulate(size.pixels.begin(), size.pixels.end(), std::int64_t(1), std::multiplies<>()) / 3);
  try {
    return memory::largest_that_fits(1, most, [&](std::int64_t n) {
      const auto processor = processor_for({.min_pixels = 1, .max_pixels = n});
      return fits(processing::plan_images(*processor, outline.pictures));
    });
  } catch (const RequestError&) {
    return std::nullopt;
  }
}

int Frontend::room(const Prompt& prompt, int max_tokens) const {
  if (prompt.ids.empty()) throw RequestError("prompt: expected at least one token, got none");
  if (max_tokens < 0) throw RequestError("max_tokens: expected 0 or more, got " + std::to_string(max_tokens));
  const std::int64_t length = prompt.length();
  if (context_length <= 0) return max_tokens;
  if (length > context_length) refuse_length(*this, prompt);
  // The last token is never fed back and needs no place.
  return int(std::min<std::int64_t>(max_tokens, context_length - length + 1));
}

Job Frontend::job(Prompt prompt, const Request& request, int vocab) const {
  const GenerateOptions& options = request.options;
  Job job;
  job.max_tokens = room(prompt, options.max_tokens);
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

std::vector<FamilyInfo> describe_families() {
  std::vector<FamilyInfo> out;
  for (const models::Family* family : models::families()) {
    const auto processor = open_processor(ModelType{std::string(family->model_type)}, {});
    out.push_back({.model_type = std::string(family->model_type),
                   .aliases = {family->aliases.begin(), family->aliases.end()},
                   .image_rule = processor->describe(),
                   .placeholder = std::string(processor->placeholder()),
                   .images_first = family->prompt_rule != processing::PromptRule::text_first,
                   .videos = processor->videos() != nullptr,
                   .vision = std::string(family->about.vision),
                   .language = std::string(family->about.language),
                   .compared = std::string(family->about.compared),
                   .repositories = std::string(family->about.repositories)});
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.model_type < b.model_type; });
  return out;
}

std::vector<ImageRule> describe_image_rules() {
  std::vector<ImageRule> out;
  for (const auto& images : processing::image_processors()) {
    const std::string model_type(images.model_type);
    out.push_back({.model_type = model_type,
                   .rule = open_processor(ModelType{model_type}, {})->describe(),
                   .loads = models::lookup_family(model_type) != nullptr});
  }
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

memory::ModelShape open_shape(const std::filesystem::path& folder, const LoadOptions& options) {
  return Opened(folder, options).shape;
}

LoadedModel load_model(const std::filesystem::path& folder, const LoadOptions& options) {
  nn::set_attention_budget(options.attention_bytes);
  if (mx::default_device() == mx::Device::cpu) set_threads(options.threads);
  Opened opened(folder, options);
  require_room_for_weights(opened.shape, memory_capacity(options.memory_limit));
  evaluate(opened.store.taken(), options.progress);
  return {std::move(opened.model), opened.shape};
}

}  // namespace mlx_vision::engine
