#include "text/chat_template.h"

#include <doctest/doctest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "folder.h"
#include "mlx_vision/error.h"

using namespace mlx_vision;
using namespace mlx_vision::text;
using Json = nlohmann::ordered_json;

namespace {

const Json kHello = Json::parse(R"([{"role": "user", "content": "Hello"}])");

std::string opened(const TestFolder& folder, const Json* tools = nullptr) {
  const auto chat = ChatTemplate::open(folder.path(), {});
  return chat ? chat->render(kHello, {}, tools) : "none";
}

std::string fault_of(const ChatTemplate& chat, const Json& messages = kHello) {
  try {
    return "rendered " + chat.render(messages);
  } catch (const RequestError& e) {
    return e.what();
  }
}

}  // namespace

TEST_CASE("templates are looked for where the reference looks, in its order") {
  TestFolder folder;
  CHECK(opened(folder) == "none");
  folder.write("tokenizer_config.json", R"({"chat_template": "tokenizer"})");
  CHECK(opened(folder) == "tokenizer");
  folder.write("additional_chat_templates/default.jinja", "additional");
  CHECK(opened(folder) == "additional");
  folder.write("chat_template.jinja", "jinja");
  CHECK(opened(folder) == "jinja");
  folder.write("chat_template.json", R"({"chat_template": "json"})");
  CHECK(opened(folder) == "json");
  folder.write("processor_config.json", R"({"chat_template": null})");
  CHECK(opened(folder) == "json");
  folder.write("processor_config.json",
               R"({"chat_template": {"default": "processor", "tool_use": "never"}})");
  CHECK(opened(folder) == "processor");
  const Json tools = Json::array();
  CHECK(opened(folder, &tools) == "processor");
}

TEST_CASE("of named templates the one for tools serves conversations with tools") {
  TestFolder folder;
  folder.write("tokenizer_config.json", R"({"chat_template": [
      {"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools"}, {"name": "rag", "template": "{{"}]})");
  CHECK(opened(folder) == "plain");
  const Json tools = Json::array({{{"type", "function"}}});
  CHECK(opened(folder, &tools) == "tools");
}

TEST_CASE("a template that cannot be read or parsed is the checkpoint's fault") {
  for (const char* config :
       {R"({"chat_template": 3})", R"({"chat_template": [{"name": "rag", "template": "x"}]})",
        R"({"chat_template": [7]})", R"({"chat_template": "{% if %}"})", R"({"chat_template": "{{ x"})"}) {
    CAPTURE(config);
    TestFolder folder;
    folder.write("tokenizer_config.json", config);
    CHECK_THROWS_AS(ChatTemplate::open(folder.path(), {}), ConfigError);
  }
  CHECK_THROWS_AS(ChatTemplate::from_source("\xff", {}), ConfigError);
  CHECK_THROWS_AS(ChatTemplate::open("/nowhere", {}), ConfigError);
  TestFolder huge;
  huge.write("chat_template.jinja", std::string(5 << 20, ' '));
  CHECK_THROWS_AS(ChatTemplate::open(huge.path(), {}), ConfigError);
}

TEST_CASE("a refusal carries the template's own words") {
  CHECK(fault_of(ChatTemplate::from_source("{{ raise_exception('no images, please') }}", {})) ==
        "chat template: no images, please");
  const auto nested =
      ChatTemplate::from_source("{% macro f() %}{{ raise_exception('in ' ~ 1) }}{% endmacro %}{{ f() }}", {});
  CHECK(fault_of(nested) == "chat template: in 1");
}

TEST_CASE("a template that would run for ever or eat all memory is stopped") {
  for (const char* source :
       {"{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor "
        "%}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{{ 'x' * 100000000000 }}",
        "{{ 'x'.center(10000000000) }}", "{{ 'x'.ljust(9223372036854775807) }}",
        "{{ range(100000000000)|list }}",
        "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor "
        "%}{{ ns.s }}",
        "{{ [[1]*999]*999999999 }}",
        "{% set ns = namespace(s='xx') %}{% for i in range(99) %}{% set ns.s = ns.s.replace('x', 'xx') %}{% "
        "endfor %}",
        "{% for i in range(9999) %}{% for j in range(9999) %}{{ messages|tojson }}{% endfor %}{% endfor %}",
        "{{ {}|tojson(indent=99999999999) }}{{ missing.x }}"}) {
    CAPTURE(source);
    const auto start = std::chrono::steady_clock::now();
    const std::string fault = fault_of(ChatTemplate::from_source(source, {}));
    CHECK_MESSAGE(fault.starts_with("chat template: "), fault.substr(0, 200));
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
  }
}

TEST_CASE("deep nesting is refused, not a stack overflow") {
  std::string braces;
  for (int i = 0; i < 20000; ++i) braces += "{% if x %}";
  CHECK_THROWS_AS(ChatTemplate::from_source(braces, {}), ConfigError);
  CHECK_THROWS_AS(ChatTemplate::from_source("{{ " + std::string(20000, '(') + " }}", {}), ConfigError);
  CHECK_THROWS_AS(ChatTemplate::from_source("{{ " + std::string(20000, '[') + " }}", {}), ConfigError);
  Json deep = "x";
  for (int i = 0; i < 20000; ++i) deep = Json::array({std::move(deep)});
  Json messages = kHello;
  messages[0]["content"] = std::move(deep);
  CHECK(fault_of(ChatTemplate::from_source("{{ messages }}", {}), messages) ==
        "messages: nested more than 100 deep");
}

TEST_CASE("messages are checked before a template sees them") {
  const auto chat = ChatTemplate::from_source("{{ messages|length }}", {});
  CHECK(fault_of(chat, Json::array()) == "messages: expected a list of at least one message");
  CHECK(fault_of(chat, Json::object()) == "messages: expected a list of at least one message");
  CHECK(fault_of(chat, Json::array({"x"})) == "messages[0]: expected an object, got string");
  CHECK(fault_of(chat, Json::array({{{"content", "\xff"}}})) ==
        "messages: expected UTF-8 text, got invalid bytes");
}

TEST_CASE("the template sees special tokens, options and no null fields") {
  const SpecialTokens special{
      .bos = "<s>", .eos = "", .unk = "", .pad = "", .named = {{"image_token", "<image>"}}};
  const auto chat = ChatTemplate::from_source(
      "{{ bos_token }}{{ image_token }}{{ eos_token is defined }}{{ tools is none }}{{ documents is none }}"
      "{{ enable_thinking is defined }}{{ thinking_mode }}{{ messages[0].keys()|list }}{{ "
      "add_generation_prompt }}",
      special);
  const Json messages = Json::parse(R"([{"role": "user", "content": null, "reasoning": "r"}])");
  CHECK(chat.render(messages) ==
        "<s><image>FalseTrueTrueFalse['role', 'reasoning', 'thinking', 'reasoning_content']True");
  const RenderOptions thinking{.add_generation_prompt = false, .enable_thinking = true, .now_seconds = {}};
  CHECK(chat.render(messages, thinking).find("TrueTrueTrueenabled[") != std::string::npos);
  CHECK(chat.render(messages, thinking).ends_with("False"));
}

TEST_CASE("one template serves several threads") {
  const auto chat =
      ChatTemplate::from_source("{% for m in messages %}{{ m.role }}:{{ m.content|tojson }}{% endfor %}", {});
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) wrong += chat.render(kHello) != "user:\"Hello\"";
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}
