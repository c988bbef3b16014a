#include "processing/image_text.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "mlx_vision/error.h"
#include "text/tokenizer.h"

namespace mlx_vision::processing {
namespace {

constexpr std::int64_t kMostTokens = 1 << 20;  // of one image

}  // namespace

std::string ImageText::expanded(std::int64_t count) const {
  return std::string(before).append(token_run(token, count)).append(after);
}

std::string read_token(const core::ConfigReader& config, std::string_view key, std::string fallback) {
  std::string token = config.get_or<std::string>(key, std::move(fallback));
  if (token.empty()) config.fail(key, "expected the text of a token, got \"\"");
  return token;
}

void check_token_count(std::int64_t count) {
  if (count > kMostTokens)
    throw MediaError("image: would take " + std::to_string(count) + " tokens, at most " +
                     std::to_string(kMostTokens) + " are possible; make it smaller");
}

std::string token_run(std::string_view token, std::int64_t count) {
  check_token_count(count);
  std::string out;
  out.reserve(token.size() * std::size_t(count));
  for (std::int64_t i = 0; i < count; ++i) out.append(token);
  return out;
}

core::ConfigReader with_token_id(const core::ConfigReader& config, const std::filesystem::path& folder,
                                 const TokenOf& of) {
  const auto id = text::Tokenizer::open(folder, of.model_type).id(of.token);
  if (!id) return config;
  auto fields = config.raw();
  fields["image_token_index"] = *id;
  return core::ConfigReader::from_text(fields.dump(), config.path());
}

}  // namespace mlx_vision::processing
