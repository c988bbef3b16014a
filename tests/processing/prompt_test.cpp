#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "mlx_vision/error.h"
#include "processing/pattern.h"
#include "processing/prepare_images.h"
#include "processing/prompt_builder.h"

namespace mlx_vision::processing {
namespace {

using Json = nlohmann::ordered_json;

/// Leaves the placeholder as it is, so that a prompt's ids are those of its text.
class Unchanged final : public ImageProcessor {
 public:
  explicit Unchanged(std::string placeholder, PromptFrame frame = {})
      : placeholder_(std::move(placeholder)), frame_(frame) {}
  PreparedSize plan(Size image, int count) const override {
    return {.pixels = {}, .tokens = image.width * 100 + count, .expansion = placeholder_};
  }
  ImageInput prepare(const Image& image, int count) const override {
    if (image.width() == 13) throw MediaError("unlucky");
    PreparedSize size = plan({image.width(), image.height()}, count);
    return {.arrays = {}, .tokens = size.tokens, .expansion = std::move(size.expansion)};
  }
  std::vector<View> views(const ImageInput&, Size) const override { return {}; }
  std::vector<Tensor> batch(std::span<const ImageInput>) const override { return {}; }
  std::string_view placeholder() const override { return placeholder_; }
  PromptFrame frame() const override { return frame_; }
  std::string describe() const override { return ""; }

 private:
  std::string placeholder_;
  PromptFrame frame_;
};

Json goldens() {
  std::ifstream file(TESTS_DIR "/processing/golden/prompts.json");
  REQUIRE(file.good());
  return Json::parse(file);
}

Part image_part(int side) { return ImagePart{test::pattern(side, 2), ""}; }

Chat chat_of(const Json& golden) {
  Chat chat;
  chat.place_images_by_family = golden["place_images_by_family"].get<bool>();
  for (const Json& message : golden["chat"]) {
    Message& out = chat.messages.emplace_back(Message{message["role"].get<std::string>(), {}});
    for (const Json& part : message["parts"])
      out.parts.push_back(part.contains("image") ? image_part(2)
                                                 : Part(TextPart{part["text"].get<std::string>()}));
  }
  return chat;
}

text::Tokenizer toy_tokenizer() {
  return text::Tokenizer::open(TESTS_DIR "/processing/golden/tokenizer", "toy");
}

PromptBuilder builder_of(const Json& format) {
  auto tokenizer = toy_tokenizer();
  std::optional<text::ChatTemplate> chat_template;
  if (format["template"].is_string())
    chat_template =
        text::ChatTemplate::from_source(format["template"].get<std::string>(), tokenizer.special());
  return PromptBuilder(
      {.tokenizer = tokenizer,
       .chat_template = chat_template,
       .processor = std::make_shared<Unchanged>(format["placeholder"].get<std::string>()),
       .rule = format["rule"] == "text_first" ? PromptRule::text_first : PromptRule::image_first});
}

PromptBuilder plain_builder() {
  return builder_of({{"template", nullptr}, {"placeholder", "<image>"}, {"rule", "image_first"}});
}

TEST_CASE("messages, prompts and ids equal the reference's") {
  for (const Json& format : goldens()) {
    const PromptBuilder builder = builder_of(format);
    const auto rule = format["rule"] == "text_first" ? PromptRule::text_first : PromptRule::image_first;
    for (const Json& golden : format["prompts"]) {
      const std::string label =
          format["model_type"].get<std::string>() + ": " + golden["name"].get<std::string>();
      CAPTURE(label);
      const Chat chat = chat_of(golden);
      CHECK(to_template_messages(chat, rule) == golden["messages"]);
      const Prompt prompt = builder.build(chat);
      CHECK(prompt.text == golden["prompt"].get<std::string>());
      CHECK(prompt.ids.size() == golden["ids_count"].get<std::size_t>());
      CHECK(test::checksum(prompt.ids, [](std::int32_t id) { return std::uint64_t(id); }) ==
            golden["ids_checksum"].get<std::string>());
      CHECK(prompt.images.size() == media_of(chat).size());
    }
  }
}

TEST_CASE("a prompt has one BOS whether or not the text brings it") {
  const PromptBuilder builder = plain_builder();
  const std::int32_t bos = toy_tokenizer().id("<s>").value();
  const auto own = builder.encode("a"), given = builder.encode("<s>a");
  CHECK(own == given);
  REQUIRE(own.size() == 2);
  CHECK(own[0] == bos);
  CHECK(own[1] != bos);
}

TEST_CASE("where one id stands for a picture, the text around it is tokenized in parts, with one BOS") {
  const auto tokenizer = toy_tokenizer();
  const PromptBuilder builder(
      {.tokenizer = tokenizer,
       .chat_template = std::nullopt,
       .processor = std::make_shared<Unchanged>("<image>", PromptFrame{.place_id = -200}),
       .rule = PromptRule::token_newline});
  const Chat chat{{{"user", {image_part(2), image_part(3), TextPart{"ab"}}}}, true};
  const Prompt prompt = builder.build(chat);
  CHECK(prompt.text == "<image>\n<image>\nab");
  std::vector<std::int32_t> expected = tokenizer.encode("", true);
  const auto append = [&](const std::vector<std::int32_t>& ids) {
    expected.insert(expected.end(), ids.begin(), ids.end());
  };
  append({-200});
  append(tokenizer.encode("\n", false));
  append({-200});
  append(tokenizer.encode("\nab", false));
  CHECK(prompt.ids == expected);
  // Each picture counts as its rows: 100 for a pixel of width and one for each picture.
  CHECK(prompt.length() == std::int64_t(expected.size()) - 2 + 202 + 302);
}

TEST_CASE("placeholders are replaced left to right and must be as many as the images") {
  std::vector<PreparedSize> images(2);
  images[0].expansion = "<image><image>";
  images[1].expansion = "[b]";
  CHECK(expand_placeholders("x<image>y<image>", {"<image>"}, images) == "x<image><image>y[b]");
  CHECK(expand_placeholders("text", {"<image>"}, {}) == "text");
  CHECK_THROWS_WITH_AS(expand_placeholders("<image><image>", {"<image>"}, std::span(images).first(1)),
                       doctest::Contains("prompt: 2 places for images (<image>), got 1 image;"),
                       RequestError);
  std::vector<PreparedSize> mixed{{.expansion = "v1", .of_video = true},
                                  {.expansion = "v2", .of_video = true, .continued = true},
                                  {.expansion = "i"}};
  const Placeholders both{"<image>", "<video>"};
  CHECK(expand_placeholders("a<video>b<image>c", both, mixed) == "av1v2bic");
  CHECK_THROWS_WITH_AS(expand_placeholders("<image><video>", both, mixed),
                       "prompt: images and videos stand in another order than they are given in",
                       RequestError);
  CHECK_THROWS_WITH_AS(expand_placeholders("<image>", both, mixed),
                       doctest::Contains("0 places for videos (<video>), got 1 video"), RequestError);
  CHECK_THROWS_WITH_AS(expand_placeholders("<image>", {"<image>"}, images),
                       doctest::Contains("prompt: 1 place for images (<image>), got 2 images;"),
                       RequestError);
}

TEST_CASE("a text that holds the placeholder is refused") {
  const Chat chat{{{"user", {TextPart{"what is <image>?"}}}}, false};
  CHECK_THROWS_AS(plain_builder().build(chat), RequestError);
}

TEST_CASE("only the user's messages may hold images; a tool's parts go through") {
  const auto render = [](const std::string& role) {
    return to_template_messages({{{role, {TextPart{"t"}, image_part(2)}}}, false}, PromptRule::image_first);
  };
  CHECK_THROWS_WITH_AS(render("assistant"), doctest::Contains("messages[0]"), RequestError);
  CHECK_THROWS_AS(render("system"), RequestError);
  CHECK(render("tool")[0]["content"] == Json::parse(R"([{"type":"text","text":"t"},{"type":"image"}])"));
  const Chat plain{{{"tool", {TextPart{" 42 "}}}}, false};
  CHECK(to_template_messages(plain, PromptRule::image_first)[0]["content"] == " 42 ");
}

TEST_CASE("where answers are plain, an assistant's content is a string and all else are parts") {
  const Chat chat{
      {{"user", {TextPart{"a"}}}, {"assistant", {TextPart{"b"}}}, {"user", {TextPart{"c"}, image_part(2)}}},
      true};
  CHECK(to_template_messages(chat, PromptRule::plain_answers)[1]["content"] == "b");
  CHECK(to_template_messages(chat, PromptRule::image_first)[1]["content"].is_array());
  CHECK(to_template_messages(chat, PromptRule::plain_answers)[2] ==
        to_template_messages(chat, PromptRule::image_first)[2]);
}

TEST_CASE("an empty conversation is refused") { CHECK_THROWS_AS(plain_builder().render({}), RequestError); }

TEST_CASE("images keep their order on several threads, and an error names its image") {
  const Unchanged processor("<image>");
  std::vector<Media> images;
  for (int i = 0; i < 40; ++i) images.emplace_back(ImagePart{test::pattern(20 + i, 1), ""});
  const auto prepared = prepare_images(processor, images, sizes_of(processor, images));
  REQUIRE(prepared.size() == 40);
  for (int i = 0; i < 40; ++i) CHECK(prepared[std::size_t(i)].tokens == (20 + i) * 100 + 40);
  images[7] = ImagePart{test::pattern(13, 1), "cat.png"};
  images[30] = ImagePart{test::pattern(13, 1), "dog.png"};
  CHECK_THROWS_WITH_AS(prepare_images(processor, images, sizes_of(processor, images)),
                       "image 8 (cat.png): unlucky", MediaError);
}

TEST_CASE("a picture that is still encoded counts among those between it and its values") {
  const PictureSize picture{.size = {3, 1}, .source = "", .undecoded_pixels = 3};
  const Unchanged processor("<image>");
  CHECK(plan_images(processor, {picture, {.size = {3, 1}, .source = ""}})[0].scratch_pixels == 3);
  CHECK(plan_images(processor, {picture, {.size = {3, 1}, .source = ""}})[1].scratch_pixels == 0);
}

TEST_CASE("a rendered prompt takes its images in order") {
  const Prompt prompt = plain_builder().build_raw(
      "<s>a<image>b<image>", {ImagePart{test::pattern(3, 1), ""}, ImagePart{test::pattern(4, 1), ""}});
  REQUIRE(prompt.images.size() == 2);
  CHECK(prompt.images[0].tokens == 302);
  CHECK(prompt.images[1].tokens == 402);
  CHECK(prompt.ids.size() == 5);
}

}  // namespace
}  // namespace mlx_vision::processing
