#include "engine/memory_plan.h"

#include <algorithm>

#include "engine/device.h"
#include "memory/fit.h"
#include "mlx_vision/error.h"
#include "models/shapes.h"
#include "processing/prepare_images.h"

namespace mlx_vision::engine {
namespace mx = mlx::core;

namespace {

using memory::Part;
using models::image_work;
using processing::PictureSize;
using processing::PreparedSize;

// The outline with other pictures; what is not an image's row stays.
memory::Work with_images(const memory::ModelShape& model, memory::Work work,
                         const std::vector<PreparedSize>& sizes) {
  for (const auto& image : work.images) work.prompt_tokens -= image.rows;
  work.images.clear();
  for (const PreparedSize& size : sizes) {
    work.images.push_back(image_work(model, size));
    work.prompt_tokens += size.tokens;
  }
  return work;
}

class RemedySearch {
 public:
  RemedySearch(const Frontend& frontend, const Prompt& outline, const MemoryQuestion& question,
               memory::Work work)
      : frontend_(frontend), outline_(outline), question_(question), work_(std::move(work)) {}

  memory::Remedies run() const {
    return {.max_pixels = max_pixels(), .max_tokens = max_tokens(), .images = images()};
  }

 private:
  bool fits(const memory::Work& work) const {
    return memory::fit(question_.model, work, question_.wanted, question_.available).has_value();
  }

  std::optional<std::int64_t> max_tokens() const {
    return memory::largest_that_fits(1, work_.max_tokens - 1, [&](std::int64_t n) {
      memory::Work work = work_;
      work.max_tokens = n;
      return fits(work);
    });
  }

  std::optional<std::int64_t> images() const {
    return memory::largest_that_fits(1, std::int64_t(outline_.sizes.size()) - 1, [&](std::int64_t n) {
      return fits(with_images(question_.model, work_, {outline_.sizes.begin(), outline_.sizes.begin() + n}));
    });
  }

  std::optional<std::int64_t> max_pixels() const {
    return frontend_.largest_max_pixels(outline_, [&](const std::vector<PreparedSize>& sizes) {
      return fits(with_images(question_.model, work_, sizes));
    });
  }

  const Frontend& frontend_;
  const Prompt& outline_;
  const MemoryQuestion& question_;
  memory::Work work_;
};

}  // namespace

const char* part_of(const std::string& tensor) {
  if (tensor.starts_with("language_model.")) return "language";
  for (const char* word : {"projector", "connector", "merger", "embed_vision"})
    if (tensor.find(word) != std::string::npos) return "projector";
  return "vision";
}

memory::WeightBytes weigh(const weights::WeightStore& store) {
  memory::WeightBytes out;
  std::uint64_t largest = 0;
  for (const std::string& name : store.taken_names()) {
    const std::uint64_t bytes = store.tensors().at(name).nbytes();
    const std::string_view part = part_of(name);
    (part == "language" ? out.language : part == "vision" ? out.vision : out.projector) += bytes;
    largest = std::max(largest, bytes);
  }
  out.load_extra =
      std::uint64_t(double(std::min(out.total(), kLoadBatchBytes + largest)) * store.held_while_read());
  return out;
}

memory::Work work_of(const memory::ModelShape& model, const Prompt& outline, int max_tokens) {
  memory::Work work{.images = {}, .prompt_tokens = outline.length(), .max_tokens = max_tokens};
  for (const PreparedSize& size : outline.sizes) work.images.push_back(image_work(model, size));
  return work;
}

memory::Settings settings_of(const LoadOptions& options) {
  return {.attention_bytes = options.attention_bytes, .prefill_chunk = options.prefill_step_size};
}

memory::MemoryPlan plan_or_refuse(const Frontend& frontend, const Prompt& outline, int max_tokens,
                                  const MemoryQuestion& question) {
  const memory::Work work = work_of(question.model, outline, max_tokens);
  if (auto plan = memory::fit(question.model, work, question.wanted, question.available)) return *plan;
  const auto plan = memory::plan_request(question.model, work, memory::least(question.wanted));
  const auto remedies = RemedySearch(frontend, outline, question, work).run();
  throw CapacityError(memory::refusal(plan, question.available, remedies), plan.total_peak(),
                      question.available);
}

void require_room_for_weights(const memory::ModelShape& model, std::uint64_t available) {
  const memory::Phase load = memory::plan_load(model);
  if (load.total() <= available) return;
  throw CapacityError("memory: the weights need " + memory::bytes_text(load.total()) +
                          " while they are read, " + memory::bytes_text(available) +
                          " are available; use a smaller model or one with fewer bits",
                      load.total(), available);
}

namespace {

Prompt outline_of(const Frontend& frontend, const PlanRequest& request) {
  std::vector<PictureSize> pictures;
  Message message{.role = "user", .parts = {}};
  for (const auto& [width, height] : request.images) {
    if (width < 1 || height < 1)
      throw RequestError("image " + std::to_string(pictures.size() + 1) +
                         ": expected a size of at least 1x1, got " + std::to_string(width) + "x" +
                         std::to_string(height));
    pictures.push_back({.size = {width, height}, .source = {}});
    message.parts.emplace_back(ImagePart{Image::from_rgb(1, 1, {0, 0, 0}), {}});  // holds the place
  }
  message.parts.emplace_back(TextPart{request.prompt});
  const Chat chat{.messages = {std::move(message)}, .place_images_by_family = true};
  return frontend.prompts.outline(frontend.prompts.render(chat), std::move(pictures));
}

void fill(MemoryReport& report, const memory::ModelShape& model, const memory::MemoryPlan& plan) {
  std::vector<memory::Phase> phases = {memory::plan_load(model)};
  phases.insert(phases.end(), plan.phases.begin(), plan.phases.end());
  for (const auto& phase : phases) {
    report.phases.emplace_back(phase.name);
    report.totals.push_back(phase.total());
  }
  for (std::size_t i = 0; i < memory::kParts; ++i) {
    MemoryReport::Row row{.part = std::string(memory::name_of(Part(i))), .bytes = {}};
    for (const auto& phase : phases) row.bytes.push_back(phase[Part(i)]);
    if (std::any_of(row.bytes.begin(), row.bytes.end(), [](std::uint64_t n) { return n > 0; }))
      report.rows.push_back(std::move(row));
  }
  report.planned_peak_bytes = plan.device_peak();
}

}  // namespace

MemoryReport describe_plan(const std::filesystem::path& folder, const PlanRequest& request,
                           const LoadOptions& options) {
  const Frontend frontend = open_frontend(folder, options);
  const memory::ModelShape model = open_shape(folder, options);
  const Prompt outline = outline_of(frontend, request);
  const int max_tokens = frontend.room(outline, request.max_tokens);

  MemoryReport report;
  report.prompt_tokens = int(outline.length());
  for (const auto& size : outline.sizes) report.image_tokens.push_back(size.tokens);
  report.largest_buffer_bytes = largest_buffer();
  std::uint64_t decoded = 0;  // the pictures themselves, which a running program has already
  for (const auto& [width, height] : request.images)
    decoded += std::uint64_t(width) * std::uint64_t(height) * 3;
  const std::uint64_t capacity = memory_capacity(options.memory_limit);
  report.available_bytes = capacity - std::min(capacity, decoded);
  const memory::Settings wanted = settings_of(options);
  const memory::Work work = work_of(model, outline, max_tokens);
  memory::MemoryPlan plan = memory::plan_request(model, work, memory::least(wanted));
  try {
    require_room_for_weights(model, report.available_bytes);
    plan = plan_or_refuse(frontend, outline, max_tokens,
                          {.model = model, .wanted = wanted, .available = report.available_bytes});
    report.adjustments = memory::changes(wanted, plan.settings);
  } catch (const CapacityError& error) {
    report.refusal = error.what();
  }
  fill(report, model, plan);
  report.process_peak_bytes = plan.total_peak() + decoded + program_bytes();
  return report;
}

}  // namespace mlx_vision::engine
