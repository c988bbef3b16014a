// Asks one question about several pictures, each at its own place in the message:
// several_images QUESTION IMAGE IMAGE... [--model MODEL_FOLDER]
#include <mlx_vision/mlx_vision.h>

#include <cstdio>
#include <string>
#include <vector>

namespace mv = mlx_vision;

int main(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  std::string model = DEMO_MODEL;
  if (words.size() >= 2 && words[words.size() - 2] == "--model") {
    model = words.back();
    words.resize(words.size() - 2);
  }
  if (words.size() < 3) {
    std::fprintf(stderr, "usage: %s QUESTION IMAGE IMAGE... [--model MODEL_FOLDER]\n", argv[0]);
    return 2;
  }
  try {
    mv::Runtime runtime = mv::Runtime::load(model);

    // Parts keep their order, so "picture 2" is the second one here and the second one for the model.
    mv::Message question{"user", {}};
    for (std::size_t i = 1; i < words.size(); ++i)
      question.parts.push_back(mv::ImagePart{mv::Image::open(words[i]), words[i]});
    question.parts.push_back(mv::TextPart{words[0]});

    mv::Request request;
    request.chat.messages = {question};
    request.options.max_tokens = 200;
    const mv::Result result = runtime.generate(request);

    std::printf("%s\n", result.text.c_str());
    for (std::size_t i = 0; i < result.image_tokens.size(); ++i)
      std::printf("picture %zu takes %d tokens of the prompt\n", i + 1, result.image_tokens[i]);
    return 0;
  } catch (const mv::Error& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return e.exit_code();
  }
}
