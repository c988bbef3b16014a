#include "text/tokenizer_classes.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace mlx_vision::text {

namespace {

// Sources: models/<family>/tokenization_<family>.py of transformers 5.23, __init__ of each class.

constexpr std::string_view kByteLevelModel =
    R"("model": {"unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "",
       "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "dropout": null})";

constexpr std::string_view kLlama = R"({
  "normalizer": null,
  "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "@scheme", "split": false},
  "decoder": {"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}@strip]},
  "model": {"unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
    "fuse_unk": true, "byte_fallback": true, "ignore_merges": false, "dropout": null}})";

constexpr std::string_view kGemma = R"({
  "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
  "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false},
  "decoder": {"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},
  "model": {"unk_token": @unk, "continuing_subword_prefix": null, "end_of_word_suffix": null,
    "fuse_unk": true, "byte_fallback": true, "ignore_merges": false, "dropout": null}})";

constexpr std::string_view kSiglip2 = R"({
  "normalizer": {"type": "Sequence", "normalizers": [{"type": "Lowercase"},
    {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
  "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false},
  "decoder": {"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},
  "model": {"unk_token": @unk, "continuing_subword_prefix": null, "end_of_word_suffix": null,
    "fuse_unk": true, "byte_fallback": true, "ignore_merges": false, "dropout": null}})";

constexpr std::string_view kQwen2 = R"({
  "normalizer": {"type": "NFC"},
  "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
    {"type": "Split", "behavior": "Isolated", "invert": false, "pattern": {"Regex":
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
    {"type": "ByteLevel", "add_prefix_space": @prefix, "trim_offsets": true, "use_regex": false}]},
  "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
  @model})";

constexpr std::string_view kQwen35 = R"({
  "normalizer": {"type": "NFC"},
  "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
    {"type": "Split", "behavior": "Isolated", "invert": false, "pattern": {"Regex":
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
    {"type": "ByteLevel", "add_prefix_space": @prefix, "trim_offsets": true, "use_regex": false}]},
  "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
  @model})";

constexpr std::string_view kCohere = R"({
  "normalizer": {"type": "NFC"},
  "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true},
    {"type": "ByteLevel", "add_prefix_space": @prefix, "trim_offsets": true, "use_regex": true}]},
  "decoder": {"type": "ByteLevel", "add_prefix_space": @prefix, "trim_offsets": true, "use_regex": true},
  @model})";

constexpr std::string_view kGpt2 = R"({
  "normalizer": null,
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": @prefix, "trim_offsets": true, "use_regex": true},
  "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
  @model})";

constexpr std::string_view kGptNeoX = R"({
  "normalizer": {"type": "NFC"},
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": @prefix, "trim_offsets": true, "use_regex": true},
  "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
  @model})";

constexpr std::array<std::string_view, 7> kQwenSpecial = {"", "<|endoftext|>", "<|endoftext|>", "",
                                                          "<|endoftext|>"};
constexpr std::array<std::string_view, 7> kGemmaSpecial = {"<bos>", "<eos>", "<unk>", "",
                                                           "<pad>", "",      "<mask>"};
constexpr std::array<std::string_view, 7> kRobertaSpecial = {"<s>",   "</s>", "<unk>", "</s>",
                                                             "<pad>", "<s>",  "<mask>"};

constexpr TokenizerClass kClasses[] = {
    {.name = "LlamaTokenizer",
     .parts = kLlama,
     .special = {"<s>", "</s>", "<unk>"},
     .around = {},
     .prefix_by_default = true},
    {.name = "GemmaTokenizer", .parts = kGemma, .special = kGemmaSpecial, .around = {}},
    {.name = "Siglip2Tokenizer", .parts = kSiglip2, .special = kGemmaSpecial, .around = {}},
    {.name = "Qwen2Tokenizer",
     .parts = kQwen2,
     .special = kQwenSpecial,
     .around = {},
     .marks_specials = true},
    {.name = "Qwen3_5Tokenizer", .parts = kQwen35, .special = kQwenSpecial, .around = {}},
    {.name = "CohereTokenizer",
     .parts = kCohere,
     .special = {"<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>", "<UNK>", "<SEP>", "<PAD>", "<CLS>", "<MASK_TOKEN>"},
     .around = {}},
    {.name = "GPT2Tokenizer",
     .parts = kGpt2,
     .special = {"<|endoftext|>", "<|endoftext|>", "<|endoftext|>"},
     .around = {}},
    {.name = "GPTNeoXTokenizer",
     .parts = kGptNeoX,
     .special = {"<|endoftext|>", "<|endoftext|>", "<|endoftext|>", "", "<|padding|>"},
     .around = "A"},
    {.name = "RobertaTokenizer",
     .parts = kGpt2,
     .special = kRobertaSpecial,
     .around = "cls_token A sep_token"},
    {.name = "BartTokenizer", .parts = kGpt2, .special = kRobertaSpecial, .around = "cls_token A sep_token"},
};

/// TOKENIZER_MAPPING_NAMES, for the generic class and the classes above.
struct Registered {
  std::string_view tokenizer_class;  // empty: generic
  std::string_view model_types;
};
constexpr Registered kRegistered[] = {
    {"",
     " EvollaModel arctic aria beam bigbird_pegasus camembertv2-base canary chatlm cohere_asr ernie4_5 "
     "ernie4_5_moe flex_olmo fuyu glm glm4 glm4_moe glm4_moe_lite glm4v glm4v_moe glm_image glmasr got_ocr2 "
     "gpt_bigcode gradium_phonon_tts granite granitemoe granitemoehybrid granitemoeshared h2ovl_chat "
     "hyperclovax hyperclovax_vlm internlm2 internlm3 iquestcoder jamba kimi_k25 kimi_linear kosmos-2 llava "
     "llava_next mimo_v2_flash minicpm3 minicpm_ocr minicpmv minicpmv4_6 minicpmv4_7 minimax_m2 ministral "
     "ministral3 mistral mistral3 mistral_large4 mixtral modernbert modernbert-decoder molmo molmo2 "
     "nemo_speechlm nemotron nvfp4 nystromformer olmo2 olmo3 olmo_hybrid opencua openvla paddleocr_vl "
     "pegasus_x persimmon phi3 phi3_v phimoe pix2struct pixtral pocket_tts smolvlm stablelm step3_vl umt5 "
     "vipllava voxtral voxtral_realtime xlm-roberta-xl "},
    {"Qwen2Tokenizer",
     " audioflamingo3 colqwen2 cosmos3_omni dots3_note fun_asr_nano hunyuan_vl internvl lighton_ocr "
     "moss_transcribe_diarize ovis2 qianfan_ocr qwen2 qwen2_5_omni qwen2_5_vl qwen2_audio qwen2_moe qwen2_vl "
     "qwen3 qwen3_asr qwen3_moe qwen3_next qwen3_omni_moe qwen3_vl qwen3_vl_moe vibevoice "},
    {"Qwen3_5Tokenizer", " qwen3_5 qwen3_5_moe qwen3_5_moe_text qwen3_5_text qwen4_exp "},
    {"CohereTokenizer", " aya_vision cohere cohere2 "},
    {"RobertaTokenizer",
     " bart bridgetower clap data2vec-text ibert lilt longformer mega mra roberta roberta-prelayernorm "},
    {"BartTokenizer", " florence2 "},
    {"GPT2Tokenizer",
     " blip-2 codegen dbrx emu3 gpt2 gpt_neo gptj hyperclovax_vision_v2 instructblip instructblipvideo jais2 "
     "opt phi starcoder2 "},
    {"GemmaTokenizer",
     " diffusion_gemma gemma gemma2 gemma3 gemma3_text gemma3n gemma3n_text recurrent_gemma shieldgemma2 "
     "t5gemma zaya "},
    {"GPTNeoXTokenizer", " falcon_mamba gpt_neox mamba mamba2 mpt olmo olmoe rwkv xlstm "},
    {"LlamaTokenizer", " idefics idefics2 "},
    {"Siglip2Tokenizer", " siglip2 "},
};

/// MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS: the registered class wins over the repository's.
constexpr std::string_view kWrongOnHub =
    " arctic camembertv2-base chatlm cohere_asr ernie4_5 ernie4_5_moe fuyu h2ovl_chat hyperclovax "
    "hyperclovax_vision_v2 hyperclovax_vlm internlm2 internlm3 iquestcoder jamba llava llava_next minicpm3 "
    "minicpmv minimax_m2 modernbert modernbert-decoder molmo molmo2 nemotron nvfp4 opencua openvla "
    "paddleocr_vl phi3 phi3_v phimoe qwen2 qwen3_5 qwen3_5_moe qwen3_5_moe_text qwen4_exp siglip2 smolvlm "
    "step3_vl vipllava ";

/// Special tokens that a processor adds.
struct ProcessorTokens {
  std::string_view model_types, tokens;
  bool locations = false;  ///< also <loc0000>…<loc1023> and <seg000>…<seg127>, and no bos or eos
};
constexpr ProcessorTokens kProcessors[] = {
    {" idefics2 idefics3 smolvlm ", "<fake_token_around_image> <image> <end_of_utterance>"},
    {" glm4v glm4v_moe ", "<|begin_of_box|> <|end_of_box|>"},
    {" deepseek_vl_v2 deepseekocr deepseekocr_2 ",
     "<image> <|ref|> <|/ref|> <|det|> <|/det|> <|grounding|> <|User|> <|Assistant|>"},
    {" paligemma ", "<image>", true},
};

bool lists(std::string_view words, std::string_view word) {
  if (word.empty() || word.find(' ') != std::string_view::npos) return false;
  std::string spaced = " ";
  return words.find(spaced.append(word).append(" ")) != std::string_view::npos;
}

const TokenizerClass* by_name(std::string_view name) {
  const auto* it = std::find_if(std::begin(kClasses), std::end(kClasses),
                                [&](const TokenizerClass& c) { return c.name == name; });
  return it == std::end(kClasses) ? nullptr : it;
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

bool flag(const nlohmann::ordered_json& config, const char* key, bool fallback) {
  const auto it = config.find(key);
  return it != config.end() && it->is_boolean() ? it->get<bool>() : fallback;
}

}  // namespace

const TokenizerClass* find_tokenizer_class(const TokenizerIdentity& identity) {
  std::string_view hub = identity.hub_class;
  if (hub.ends_with("Fast")) hub.remove_suffix(4);
  const bool wrong_on_hub = lists(kWrongOnHub, identity.model_type);
  if (identity.remote_code) return wrong_on_hub ? by_name(hub) : nullptr;
  if (hub == "LlamaTokenizer" && !wrong_on_hub && identity.byte_level) return nullptr;
  for (const Registered& entry : kRegistered) {
    if (!lists(entry.model_types, identity.model_type)) continue;
    if (hub.empty() || (wrong_on_hub && hub != entry.tokenizer_class)) return by_name(entry.tokenizer_class);
    if (entry.tokenizer_class.empty()) return nullptr;
    break;
  }
  return by_name(hub);
}

nlohmann::ordered_json processor_changes(std::string_view model_type) {
  using Json = nlohmann::ordered_json;
  Json tokens = Json::array(), out = Json::object();
  const auto add = [&](std::string text, bool special) {
    tokens.push_back({{"content", std::move(text)},
                      {"single_word", false},
                      {"lstrip", false},
                      {"rstrip", false},
                      {"normalized", !special},
                      {"special", special}});
  };
  const auto add_numbered = [&](const char* name, int count, std::size_t digits) {
    for (int i = 0; i < count; ++i) {
      const std::string number = std::to_string(i);
      add(std::string("<").append(name).append(digits - number.size(), '0').append(number).append(">"),
          false);
    }
  };
  for (const ProcessorTokens& entry : kProcessors) {
    if (!lists(entry.model_types, model_type)) continue;
    for (std::string_view rest = entry.tokens; !rest.empty();) {
      const std::size_t end = std::min(rest.find(' '), rest.size());
      add(std::string(rest.substr(0, end)), true);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (!entry.locations) continue;
    add_numbered("loc", 1024, 4);
    add_numbered("seg", 128, 3);
    out["template"] = Json::array({nullptr});
  }
  out["processor_tokens"] = std::move(tokens);
  return out;
}

nlohmann::ordered_json class_parts(const TokenizerClass& rule, const nlohmann::ordered_json& config,
                                   const std::string& unk_token) {
  const bool prefix = flag(config, "add_prefix_space", rule.prefix_by_default);
  std::string text(rule.parts);
  replace_all(text, "@model", kByteLevelModel);
  replace_all(text, "@prefix", prefix ? "true" : "false");
  replace_all(text, "@scheme", !prefix ? "never" : flag(config, "legacy", false) ? "always" : "first");
  replace_all(text, "@strip", prefix ? R"(, {"type": "Strip", "content": " ", "start": 1, "stop": 0})" : "");
  replace_all(text, "@unk", nlohmann::ordered_json(unk_token).dump());
  return nlohmann::ordered_json::parse(text);
}

}  // namespace mlx_vision::text
