#pragma once
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "mlx_vision/tensor.h"

namespace mlx_vision::core {

/// Writes tensors as one .safetensors file: 8 bytes of header length, a JSON header padded to 8 bytes, the
/// data (https://github.com/huggingface/safetensors#format). Wider elements come first, so that every tensor
/// is aligned to its element. The file appears under its name only when it is complete.
/// @throws RequestError: a name is empty, taken twice or reserved; a shape, its values and the element type
/// do not fit together; the file cannot be written.
void write_safetensors(const std::filesystem::path& path, std::span<const Tensor> tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace mlx_vision::core
