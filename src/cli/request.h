#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/flags.h"
#include "mlx_vision/runtime.h"

namespace mlx_vision::cli {

/// The conversation that --prompt, --image, --system and --messages describe; images are decoded.
/// @throws RequestError, MediaError
Chat make_chat(const PromptFlags& flags);

/// What `generate` asks of the runtime. @throws RequestError naming the flag, MediaError
Request make_request(const PromptFlags& flags, const SamplingFlags& sampling);

/// @throws RequestError naming the flag or the place in the list.
GenerateOptions make_options(const SamplingFlags& flags);

/// A JSON list of token ids. @throws RequestError naming the element.
std::vector<std::int32_t> parse_input_ids(std::string_view json);

}  // namespace mlx_vision::cli
