#include "text/tokenizer.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "folder.h"
#include "mlx_vision/error.h"

using namespace mlx_vision;
using namespace mlx_vision::text;

namespace {

Tokenizer qwen() {
  return Tokenizer::open(std::filesystem::path(TESTS_DIR) / "text/golden/tokenizers/qwen2_class", "qwen2_vl");
}

void check_fault(const TestFolder& folder, const std::string& part) {
  std::string fault = "none";
  try {
    Tokenizer::open(folder.path(), "toy");
  } catch (const ConfigError& e) {
    fault = e.what();
  }
  CAPTURE(part);
  CAPTURE(fault);
  CHECK(fault.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("a broken folder is refused by name and fault") {
  check_fault(TestFolder(), "expected tokenizer.json, tokenizer.model");
  check_fault(TestFolder().write("tokenizer.json", "{"), "tokenizer.json: ");
  check_fault(TestFolder().write("tokenizer.json", "[]"), "tokenizer.json: ");
  check_fault(TestFolder().write("tokenizer.json", "{\"version\": \"1.0\"}"), "tokenizer.json: ");
  check_fault(TestFolder().write("tokenizer.json", "\xff\xfe"), "tokenizer.json: expected UTF-8");
  check_fault(TestFolder().write("tokenizer.json", std::string(1 << 20, '[')), "tokenizer.json: ");
  check_fault(TestFolder().write("tokenizer_config.json", "{"), "tokenizer_config.json: not valid JSON");
  check_fault(TestFolder().write("tokenizer_config.json", "[]"), "tokenizer_config.json: expected an object");
  check_fault(TestFolder("qwen2_class").write("tokenizer_config.json", R"({"eos_token": 7})"),
              "tokenizer_config.json.eos_token: expected a token");
  check_fault(
      TestFolder("qwen2_class").write("tokenizer_config.json", R"({"added_tokens_decoder": {"-1": "a"}})"),
      "added_tokens_decoder: expected ids");
  check_fault(
      TestFolder("qwen2_class").write("tokenizer_config.json", R"({"added_tokens_decoder": {"1": 2}})"),
      "added_tokens_decoder.1: expected a token");
  check_fault(TestFolder("legacy_files").write("added_tokens.json", R"({"<a>": "b"})"),
              "added_tokens.json.<a>");
  CHECK_THROWS_AS(Tokenizer::open("/nowhere", "toy"), ConfigError);
}

TEST_CASE("a broken vocabulary file is refused by name and fault") {
  check_fault(TestFolder().write("tokenizer.model", "no model"),
              "tokenizer.model: expected a SentencePiece model");
  check_fault(TestFolder().write("tokenizer.model", ""), "tokenizer.model: ");
  // A length beyond the end, and a number that never ends.
  check_fault(TestFolder().write("tokenizer.model", "\x0a\x7f"), "tokenizer.model: ");
  check_fault(TestFolder().write("tokenizer.model", std::string("\x08") + std::string(12, '\xff')),
              "tokenizer.model: ");
  check_fault(TestFolder().write("tokenizer.model", std::string("\x0a\x02\x0a\x7f", 4)), "tokenizer.model: ");
  // model_type 3 (word)
  check_fault(TestFolder().write("tokenizer.model", std::string("\x12\x02\x18\x03", 4)),
              "model type 3 is not supported");
  check_fault(TestFolder().write("tokenizer.model", std::string("\x0a\x03\x0a\x01\xff", 5)),
              "expected tokens in UTF-8");
  check_fault(TestFolder("vocab_and_merges").remove("merges.txt"), "expected tokenizer.json");
  TestFolder qwen_files("vocab_and_merges");
  qwen_files.write("merges.txt", "a b c\n");
  CHECK_THROWS_WITH_AS(Tokenizer::open(qwen_files.path(), "qwen2_vl"),
                       "merges.txt: expected two tokens in a line, got \"a b c\"", ConfigError);
}

TEST_CASE("a truncated tokenizer.model never crashes") {
  const auto path =
      std::filesystem::path(TESTS_DIR) / "text/golden/tokenizers/spm_bpe_generic/tokenizer.model";
  std::ifstream file(path, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(file), {}};
  REQUIRE(whole.size() > 1000);
  int refused = 0;
  for (std::size_t size = 1; size < whole.size(); size += 97) {
    TestFolder folder;
    folder.write("tokenizer.model", std::string_view(whole).substr(0, size));
    try {
      const int tokens = Tokenizer::open(folder.path(), "toy").size();  // cut between two pieces
      CHECK(tokens > 0);
    } catch (const ConfigError&) {
      ++refused;
    }
  }
  CHECK(refused > 0);
}

TEST_CASE("text that is not UTF-8 and ids that cannot be are the caller's fault") {
  const Tokenizer tokenizer = qwen();
  CHECK_THROWS_WITH_AS(tokenizer.encode("ab\xff", false), "text: expected UTF-8, got an invalid byte at 2",
                       RequestError);
  const std::vector<std::int32_t> negative = {1, -200};
  CHECK_THROWS_AS(tokenizer.decode(negative, false), RequestError);
  CHECK_THROWS_AS(tokenizer.stream(false).push(-1), RequestError);
}

TEST_CASE("ids that no token has give no text") {
  const Tokenizer tokenizer = qwen();
  const std::vector<std::int32_t> ids = {*tokenizer.id("a"), tokenizer.size(), INT32_MAX, *tokenizer.id("b")};
  CHECK(tokenizer.decode(ids, false) == "ab");
  TokenStream stream = tokenizer.stream(false);
  std::string text;
  for (const auto id : ids) text += stream.push(id);
  CHECK(text + stream.flush() == "ab");
  CHECK(!tokenizer.token(tokenizer.size()));
  CHECK(!tokenizer.token(-1));
  CHECK(!tokenizer.id("no such token"));
  CHECK_THROWS_AS(tokenizer.id("\xff"), RequestError);
}

TEST_CASE("pieces of a stream add up to the whole text") {
  const Tokenizer tokenizer = qwen();
  for (const std::string text : {"Größe 图像 🙂🚀 naïve", "", " ", "a\r\n\tb", "<|im_start|>x"}) {
    CAPTURE(text);
    const auto ids = tokenizer.encode(text, false);
    TokenStream stream = tokenizer.stream(false);
    std::string out;
    for (const auto id : ids) {
      const std::string piece = stream.push(id);
      CHECK_NOTHROW(nlohmann::json(piece).dump());  // no piece ends inside a character
      out += piece;
    }
    CHECK(out + stream.flush() == text);
    CHECK(stream.flush().empty());
  }
}

TEST_CASE("a stream outlives its tokenizer") {
  std::optional<Tokenizer> tokenizer = qwen();
  const auto ids = tokenizer->encode("still here", false);
  TokenStream stream = tokenizer->stream(true);
  tokenizer.reset();
  std::string out;
  for (const auto id : ids) out += stream.push(id);
  CHECK(out + stream.flush() == "still here");
}

TEST_CASE("one tokenizer serves several threads") {
  const Tokenizer tokenizer = qwen();
  const std::string text = "The image shows a small red house. 图像 🙂";
  const auto expected = tokenizer.encode(text, true);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) wrong += tokenizer.encode(text, true) != expected;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("a processor's own tokens are tokens") {
  const std::filesystem::path folder =
      std::filesystem::path(TESTS_DIR) / "text/golden/tokenizers/gemma_class";
  const Tokenizer plain = Tokenizer::open(folder, "gemma3"), with = Tokenizer::open(folder, "paligemma");
  CHECK(with.size() == plain.size() + 1152);
  CHECK(with.encode("<loc0007><seg127>", true).size() == 2);
  CHECK(with.decode(with.encode("<loc0007>", false), true) == "<loc0007>");
  CHECK(Tokenizer::open(folder, "idefics3").encode("<end_of_utterance>", false).size() == 1);
}
