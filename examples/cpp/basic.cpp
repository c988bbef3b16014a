// Describes a picture: basic IMAGE [MODEL_FOLDER [PROMPT]]. The default model is the small one that is
// installed.
#include <mlx_vision/mlx_vision.h>

#include <cstdio>
#include <string_view>

namespace mv = mlx_vision;

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s IMAGE [MODEL_FOLDER [PROMPT]]\n", argv[0]);
    return 2;
  }
  try {
    mv::Runtime runtime = mv::Runtime::load(argc > 2 ? argv[2] : DEMO_MODEL);

    mv::Request request;
    request.chat.messages.push_back({"user",
                                     {mv::ImagePart{mv::Image::open(argv[1]), argv[1]},
                                      mv::TextPart{argc > 3 ? argv[3] : "Describe this image."}}});
    request.chat.place_images_by_family = true;  // before or after the text, as this model was trained
    request.options.max_tokens = 200;

    // Text comes as soon as its characters are complete.
    const mv::Result result = runtime.generate(request, [](std::string_view text) {
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    });
    std::printf("\n%d tokens in, %d out, %.1f tokens a second\n", result.usage.prompt_tokens,
                result.usage.completion_tokens, result.timings.generation_tps);
    return 0;
  } catch (const mv::Error& e) {  // what was wrong, where, and what to do about it
    std::fprintf(stderr, "error: %s\n", e.what());
    return e.exit_code();
  }
}
