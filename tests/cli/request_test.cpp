#include "cli/request.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

#include "cli/input_file.h"
#include "mlx_vision/error.h"

using namespace mlx_vision;
using namespace mlx_vision::cli;
namespace fs = std::filesystem;

namespace {

const std::string kImage = std::string(TESTS_DIR) + "/fixtures/images/gray_50x45.png";

std::string message(auto&& call) {
  try {
    call();
  } catch (const RequestError& e) {
    return e.what();
  }
  return "no error";
}

std::string chat_error(const PromptFlags& flags) {
  return message([&] { make_chat(flags); });
}

struct TextFile {
  fs::path path = fs::temp_directory_path() / ("mlx_vision_request_" + std::to_string(getpid()));
  explicit TextFile(const std::string& text) { std::ofstream(path) << text; }
  ~TextFile() { fs::remove(path); }
};

std::size_t images_in(const Message& message) {
  std::size_t count = 0;
  for (const auto& part : message.parts) count += std::holds_alternative<ImagePart>(part);
  return count;
}

}  // namespace

TEST_CASE("prompts become user messages, and the images go to the last") {
  PromptFlags flags;
  flags.prompts = {"One", "Two"};
  flags.images = {kImage, kImage};
  flags.system = "Be brief.";
  const auto chat = make_chat(flags);
  REQUIRE(chat.messages.size() == 3);
  CHECK(chat.messages[0].role == "system");
  CHECK(images_in(chat.messages[1]) == 0);
  CHECK(images_in(chat.messages[2]) == 2);
  CHECK(chat.place_images_by_family);
}

TEST_CASE("images beside messages go to the last user message") {
  const TextFile file(R"([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
                          {"role": "user", "content": "c"}])");
  PromptFlags flags;
  flags.messages = file.path.string();
  CHECK_FALSE(make_chat(flags).place_images_by_family);
  flags.images = {kImage};
  const auto chat = make_chat(flags);
  CHECK(images_in(chat.messages.at(2)) == 1);
  CHECK(chat.place_images_by_family);
}

TEST_CASE("exactly one way to give the prompt") {
  CHECK(chat_error({}) == "no prompt: give one of --prompt, --messages, --raw-prompt and --input-ids");
  PromptFlags two;
  two.prompts = {"a"};
  two.raw_prompt = "b";
  CHECK(chat_error(two) == "several prompts: give one of --prompt, --messages, --raw-prompt and --input-ids");
  PromptFlags raw;
  raw.raw_prompt = "b";
  raw.system = "c";
  CHECK(message([&] { make_request(raw, {}); }) == "--system: goes with --prompt or --messages only");
}

TEST_CASE("flags that contradict the messages") {
  const TextFile file(R"([{"role": "system", "content": "a"}])");
  PromptFlags flags;
  flags.messages = file.path.string();
  flags.system = "b";
  CHECK(chat_error(flags) == "--system: the messages begin with a system message of their own");
  flags.system.reset();
  flags.images = {kImage};
  CHECK(chat_error(flags) == "--image: there is no user message to hold the images");
  flags.messages = "/nowhere.json";
  CHECK(chat_error(flags) == "--messages: /nowhere.json: no such file");
  const TextFile with_image(R"([{"role": "user", "content": [{"type": "image", "image": ")" + kImage +
                            "\"}]}]");
  flags.messages = with_image.path.string();
  CHECK(chat_error(flags) == "--image: the messages hold images of their own; give all images in one way");
}

TEST_CASE("a raw prompt and ids take their images beside them") {
  PromptFlags flags;
  flags.raw_prompt = "<image>x";
  flags.images = {kImage};
  auto request = make_request(flags, {});
  CHECK(request.raw_prompt == "<image>x");
  CHECK(request.images.size() == 1);
  CHECK(request.options.enable_thinking == false);
  flags.raw_prompt.reset();
  const TextFile file("[1, -200, 7]");
  flags.input_ids = file.path.string();
  CHECK(make_request(flags, {}).input_ids == std::vector<std::int32_t>{1, -200, 7});
}

TEST_CASE("ids that are none") {
  CHECK(message([] { parse_input_ids("{}"); }) == "--input-ids: expected a JSON list of token ids");
  CHECK(message([] { parse_input_ids("[]"); }) == "--input-ids: expected a JSON list of token ids");
  CHECK(message([] { parse_input_ids("[1"); }).starts_with("--input-ids: not valid JSON"));
  CHECK(message([] { parse_input_ids("[1, 2.5]"); }) == "--input-ids[1]: expected a token id, got 2.5");
  CHECK(message([] { parse_input_ids("[2147483648]"); }) ==
        "--input-ids[0]: expected a token id, got 2147483648");
  CHECK(message([] { parse_input_ids("[-2147483649]"); }) ==
        "--input-ids[0]: expected a token id, got -2147483649");
  CHECK(message([] { parse_input_ids("[18446744073709551615]"); }) ==
        "--input-ids[0]: expected a token id, got 18446744073709551615");
  CHECK(parse_input_ids("[2147483647, -2147483648]").size() == 2);
}

TEST_CASE("logit biases, stop strings and end tokens") {
  SamplingFlags flags;
  flags.logit_bias = {"13=-5.5", "-1=2"};
  flags.options.stop = {"a\\nb"};
  flags.options.eos_tokens = {"\\u00e9"};
  const auto options = make_options(flags);
  CHECK(options.sampling.logit_bias == std::map<std::int32_t, float>{{13, -5.5f}, {-1, 2.f}});
  CHECK(options.stop == std::vector<std::string>{"a\nb"});
  CHECK(options.eos_tokens == std::vector<std::string>{"é"});
  for (const char* text : {"", "13", "=1", "13=", "13=x", "x=1", "13=1 ", "99999999999=1", "1=nan"}) {
    flags.logit_bias = {text};
    CHECK(message([&] { make_options(flags); }) ==
          std::string("--logit-bias: expected ID=VALUE, got \"").append(text).append("\""));
  }
  flags.logit_bias = {"1=2", "1=3"};
  CHECK(message([&] { make_options(flags); }) == "--logit-bias: two values for id 1");
}

TEST_CASE("nothing is written into the model folder") {
  const fs::path root = fs::temp_directory_path() / ("mlx_vision_output_" + std::to_string(getpid()));
  fs::create_directories(root / "model" / "sub");
  fs::create_directory_symlink(root / "model", root / "link");
  const auto refused = [&](const fs::path& output, const fs::path& model) {
    return message([&] { check_output("--output", output, model); }) != "no error";
  };
  CHECK(refused(root / "model" / "x", root / "model"));
  CHECK(refused(root / "model" / "sub" / "x", root / "model/"));
  CHECK(refused(root / "link" / "x", root / "model"));
  CHECK(refused(root / "model" / "x", root / "link"));
  CHECK(refused(root / "other" / ".." / "model" / "x", root / "model"));
  CHECK(refused("", root / "model"));
  CHECK_FALSE(refused(root / "x", root / "model"));
  CHECK_FALSE(refused(root / "model-2" / "x", root / "model"));
  CHECK_FALSE(refused(root / "x", root / "absent"));
  fs::remove_all(root);
}
