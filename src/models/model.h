#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "memory/shape.h"
#include "mlx/mlx.h"
#include "processing/processor.h"
#include "weights/weights.h"

namespace mlx_vision::models {
namespace mx = mlx::core;

/// What one answer in progress holds on the device: its prompt, image features, caches and positions.
/// Made by Model::start; each family may have its own. Engine thread only.
class Sequence {
 public:
  virtual ~Sequence() = default;
  /// Arrays to evaluate after a step so that the graph does not grow.
  virtual std::vector<mx::array> state() const = 0;
  /// Bytes held in caches now.
  virtual std::uint64_t cache_bytes() const = 0;

  int prompt_length = 0;  ///< tokens of the prompt, image rows included
  int processed = 0;      ///< of those (and, later, of the answer), how many are in the cache
};

/// A loaded checkpoint as the engine sees it. Immutable after construction. Engine thread only: MLX evaluates
/// a graph only in the thread that built it.
class Model {
 public:
  virtual ~Model() = default;

  /// One prepared image to the rows that enter the language model, `[rows, hidden]`, lazily.
  virtual mx::array encode(const processing::ImageInput& image) const = 0;

  /// Begins a sequence from expanded ids and the features of its images, in order.
  /// @throws RequestError when the number of places in `ids` and of feature rows differ.
  virtual std::unique_ptr<Sequence> start(std::vector<std::int32_t> ids,
                                          std::span<const processing::ImageInput> images,
                                          std::vector<mx::array> features) const = 0;

  /// Runs the next `count` prompt tokens. Returns the logits `[vocab]` that follow the last prompt token when
  /// the prompt is done, otherwise nothing; evaluate `sequence.state()` after each call.
  virtual std::optional<mx::array> prefill(Sequence& sequence, int count) const = 0;

  /// Runs one token of each sequence, all past their prompts. ids `[B]` → logits `[B, vocab]`.
  virtual mx::array decode(const mx::array& ids, std::span<Sequence* const> sequences) const = 0;

  virtual int vocab() const = 0;

  /// Its numbers for the memory plan, all but the weights' bytes. Known before any weight is read.
  virtual memory::ModelShape shape() const = 0;
};

/// A family in words, for people who choose a model.
struct About {
  std::string_view vision, language;
  /// Kinds of checkpoints that goldens of the references hold it to, separated by commas.
  std::string_view compared;
  /// Of mlx-community, for example, separated by commas.
  std::string_view repositories = {};
};

/// Everything the rest of the program knows about a family: one constant at the end of its file. How its
/// images are prepared stands in processing::image_processors(), under the same model_type and aliases.
struct Family {
  std::string_view model_type;
  std::span<const std::string_view> aliases = {};
  /// Other names that people give its checkpoints ("QVQ"), for telling a model by its name.
  std::span<const std::string_view> spellings = {};
  processing::PromptRule prompt_rule = processing::PromptRule::image_first;
  /// Text of the token that stands for one row of an image, for layouts whose config.json does not say its
  /// id: the tokenizer's is then in the config that build() is given, as image_token_index.
  std::string_view image_token = {};
  /// Where the reference renders with a template of its own whatever the folder has: that, in Jinja.
  std::string_view chat_template = {};
  /// The same for conversations with videos.
  std::string_view video_template = {};
  /// End-of-sequence tokens beyond those of config and tokenizer, by text.
  std::span<const std::string_view> extra_eos = {};
  About about = {};
  weights::NameMap (*names)(const core::ConfigReader& config) = nullptr;
  std::unique_ptr<Model> (*build)(const core::ConfigReader& config,
                                  const weights::Weights& weights) = nullptr;
};

// One line per file of a family.
extern const Family kFastVlm;
extern const Family kGemma3;
extern const Family kGemma3n;
extern const Family kGemma4;
extern const Family kGemma4Unified;
extern const Family kIdefics3;
extern const Family kInternVl;
extern const Family kInternVlChat;
extern const Family kLfm2Vl;
extern const Family kLlava;
extern const Family kLlavaBunny;
extern const Family kLlavaNext;
extern const Family kLlavaOnevision;
extern const Family kMistral3;
extern const Family kPaliGemma;
extern const Family kPixtral;
extern const Family kQwen2Vl;
extern const Family kQwen2_5Vl;
extern const Family kQwen3Vl;
extern const Family kQwen3_5;
extern const Family kQwen3_5Moe;
extern const Family kQwen3VlMoe;

/// By model_type or alias, in any case; null if it is not known.
const Family* lookup_family(std::string_view model_type);
/// By config.json's model_type. @throws ConfigError listing what is known.
const Family& find_family(std::string_view model_type);
/// config.json as families read it: with the id of the image token where it leaves that to the tokenizer.
/// @throws ConfigError
core::ConfigReader read_config(const std::filesystem::path& folder);
/// Names and aliases, separated by commas.
std::string known_families();
std::span<const Family* const> families();

}  // namespace mlx_vision::models
