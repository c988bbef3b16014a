// What transformers and mlx-vlm do with the folders of tests/text/golden (made by
// tools/text_goldens/make.py).
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "mlx_vision/error.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

using namespace mlx_vision;
using namespace mlx_vision::text;
using Json = nlohmann::ordered_json;

namespace {

const std::filesystem::path kGolden = std::filesystem::path(TESTS_DIR) / "text/golden";

// strftime_now gives local time; the goldens were made in this zone.
const int kZone = setenv("TZ", "UTC", 1);

Json read_json(const std::filesystem::path& path) {
  std::ifstream file(path);
  REQUIRE_MESSAGE(file.good(), path.string());
  return Json::parse(file);
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path);
  REQUIRE_MESSAGE(file.good(), path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string streamed(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids, bool skip) {
  TokenStream stream = tokenizer.stream(skip);
  std::string out;
  for (const std::int32_t id : ids) out += stream.push(id);
  return out + stream.flush();
}

Json special_of(const SpecialTokens& special) {
  Json out = Json::object();
  const std::pair<const char*, std::string> standard[] = {{"bos_token", special.bos},
                                                          {"eos_token", special.eos},
                                                          {"unk_token", special.unk},
                                                          {"pad_token", special.pad}};
  for (const auto& [name, token] : standard)
    if (!token.empty()) out[name] = token;
  for (const auto& [name, token] : special.named) out[name] = token;
  return out;
}

// As sorted JSON: the reference's order of special tokens carries no meaning.
nlohmann::json sorted(const Json& value) { return nlohmann::json::parse(value.dump()); }

void check_tokenizer(const Tokenizer& tokenizer, const Json& golden) {
  CHECK(tokenizer.size() == golden["size"].get<int>());
  CHECK(sorted(special_of(tokenizer.special())) == sorted(golden["special"]));
  for (const auto& [token, id] : golden["ids"].items()) {
    CHECK(tokenizer.id(token) == id.get<std::int32_t>());
    CHECK(tokenizer.token(id.get<std::int32_t>()) == token);
  }
  for (const Json& entry : golden["texts"]) {
    const std::string text = entry["text"];
    CAPTURE(text);
    const auto ids = entry["ids"].get<std::vector<std::int32_t>>();
    CHECK(tokenizer.encode(text, false) == ids);
    CHECK(tokenizer.encode(text, true) == entry["with_special"].get<std::vector<std::int32_t>>());
    CHECK(tokenizer.decode(ids, false) == entry["decoded"].get<std::string>());
    CHECK(tokenizer.decode(ids, true) == entry["decoded_skip"].get<std::string>());
  }
  for (const Json& entry : golden["streams"]) {
    const auto ids = entry["ids"].get<std::vector<std::int32_t>>();
    CAPTURE(entry.dump());
    CHECK(streamed(tokenizer, ids, false) == entry["text"].get<std::string>());
    CHECK(streamed(tokenizer, ids, true) == entry["skip"].get<std::string>());
  }
}

void check_render(const ChatTemplate& chat, const Json& messages, const Json& expected,
                  const RenderOptions& options = {}, const Json* tools = nullptr) {
  if (expected.is_string()) {
    std::string text;
    CHECK_NOTHROW(text = chat.render(messages, options, tools));
    CHECK(text == expected.get<std::string>());
  } else {
    CHECK_THROWS_AS(chat.render(messages, options, tools), RequestError);
  }
}

}  // namespace

TEST_CASE("tokenizers give the reference's ids, texts and streams") {
  int count = 0;
  for (const auto& folder : std::filesystem::directory_iterator(kGolden / "tokenizers")) {
    CAPTURE(folder.path().filename().string());
    const Json golden = read_json(folder.path() / "golden.json");
    check_tokenizer(Tokenizer::open(folder.path(), golden["model_type"].get<std::string>()), golden);
    ++count;
  }
  CHECK(count >= 24);
}

TEST_CASE("chat templates render as in the reference") {
  REQUIRE(kZone == 0);
  const Json golden = read_json(kGolden / "templates/golden.json");
  const SpecialTokens special{
      .bos = "<s>", .eos = "</s>", .unk = {}, .pad = {}, .named = {{"image_token", "<image>"}}};
  const Json& conversations = golden["conversations"];
  for (const auto& [name, rendered] : golden["rendered"].items()) {
    CAPTURE(name);
    const ChatTemplate chat =
        ChatTemplate::from_source(read_text(kGolden / "templates" / (name + ".jinja")), special);
    for (std::size_t i = 0; i < conversations.size(); ++i) {
      const Json& conversation = conversations[i];
      CAPTURE(i);
      RenderOptions options{.add_generation_prompt = conversation.value("add_generation_prompt", true),
                            .enable_thinking = {},
                            .now_seconds = golden["now"].get<std::int64_t>()};
      if (conversation.contains("enable_thinking")) options.enable_thinking = conversation["enable_thinking"];
      const Json* tools = conversation.contains("tools") ? &conversation["tools"] : nullptr;
      check_render(chat, conversation["messages"], rendered[i], options, tools);
    }
  }
}

TEST_CASE("expressions and statements evaluate as in jinja2") {
  const Json golden = read_json(kGolden / "templates/golden.json");
  const SpecialTokens special{
      .bos = "<s>", .eos = "</s>", .unk = {}, .pad = {}, .named = {{"image_token", "<image>"}}};
  RenderOptions options;
  options.now_seconds = golden["now"].get<std::int64_t>();
  for (const Json& probe : golden["probes"]) {
    const std::string source = probe["source"];
    CAPTURE(source);
    std::optional<ChatTemplate> chat;
    CHECK_NOTHROW(chat = ChatTemplate::from_source(source, special));
    if (chat) check_render(*chat, golden["probe_messages"], probe["text"], options);
  }
}
