// Goes through pictures of which some cannot be used, and tells the kinds of failure apart:
// errors IMAGE... The model is the small one that is installed.
#include <mlx_vision/mlx_vision.h>

#include <cstdio>
#include <exception>

namespace mv = mlx_vision;

namespace {

void describe(mv::Runtime& runtime, const char* path) {
  mv::Request request;
  request.chat.messages.push_back(
      {"user", {mv::ImagePart{mv::Image::open(path), path}, mv::TextPart{"Describe this image."}}});
  request.options.max_tokens = 200;
  std::printf("%s: %s\n", path, runtime.generate(request).text.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    mv::Runtime::load("no/such/folder");
  } catch (const mv::ConfigError& e) {
    std::printf("not a model: %s\n", e.what());
  }
  try {
    // A failed request ends alone: the same runtime serves the next.
    mv::Runtime runtime = mv::Runtime::load(DEMO_MODEL);
    for (int i = 1; i < argc; ++i) try {
        describe(runtime, argv[i]);
      } catch (const mv::MediaError& e) {
        std::printf("not usable: %s\n", e.what());
      } catch (const mv::CapacityError& e) {
        std::printf("too large, by %llu bytes: %s\n",
                    static_cast<unsigned long long>(e.needed() - e.available()), e.what());
      }

    // Not a fault, but told apart the same way: someone else ends the answer early.
    mv::Request request;
    request.raw_prompt = "hello";
    request.cancellation.cancel();
    std::printf("finished because: %s\n", mv::to_string(runtime.generate(request).finish_reason));
    return 0;
  } catch (const mv::Error& e) {  // everything else that the library throws
    std::fprintf(stderr, "error: %s\n", e.what());
    return e.exit_code();
  } catch (const std::exception& e) {  // of this program's own
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}
