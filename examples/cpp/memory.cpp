// Asks first what a picture would take, and makes it fit a limit:
// memory LIMIT_MEGABYTES IMAGE. The model is the small one that is installed.
#include <mlx_vision/mlx_vision.h>

#include <cstdio>
#include <cstdlib>

namespace mv = mlx_vision;

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s LIMIT_MEGABYTES IMAGE\n", argv[0]);
    return 2;
  }
  try {
    mv::LoadOptions options;
    options.memory_limit = std::strtoull(argv[1], nullptr, 10) * 1'000'000;

    // From file headers alone: no weight is loaded, no pixel decoded.
    const auto [width, height] = mv::read_image_info(argv[2]).seen_size();
    mv::check_memory_requirements({width, height}, 1);
    const mv::PlanRequest wanted{.images = {{width, height}}, .max_tokens = 64};
    const auto plan = [&] { return mv::plan_memory(DEMO_MODEL, wanted, options); };

    // Every pixel if possible, else half as many until it fits.
    options.max_pixels = std::int64_t(width) * height;
    mv::MemoryReport report = plan();
    std::printf("all pixels: %s\n", report.refusal.empty() ? "fit" : report.refusal.c_str());
    while (!report.refusal.empty() && *options.max_pixels > 4096) {
      *options.max_pixels /= 2;
      report = plan();
    }
    if (!report.refusal.empty()) {
      std::printf("no size fits\n");
      return 4;
    }
    std::printf("planned with at most %lld pixels\n", static_cast<long long>(*options.max_pixels));

    mv::Runtime runtime = mv::Runtime::load(DEMO_MODEL, options);
    mv::Request request;
    request.chat.messages.push_back(
        {"user", {mv::ImagePart{mv::Image::open(argv[2]), argv[2]}, mv::TextPart{wanted.prompt}}});
    request.options.max_tokens = wanted.max_tokens;
    const mv::Result result = runtime.generate(request);
    std::printf("%s\n", result.text.c_str());
    std::printf("measured peak within the plan: %s\n",
                result.memory.peak_bytes <= result.memory.planned_peak_bytes ? "yes" : "no");
    return 0;
  } catch (const mv::Error& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return e.exit_code();
  }
}
