#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

#include "mlx_vision/export.h"

namespace mlx_vision {

/// Root of every error this library throws on purpose. The text reads `place: what was expected, got what`,
/// and names what to do where there is something to do.
class MLX_VISION_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  /// The process exit code that the command line uses for this kind of error.
  virtual int exit_code() const noexcept { return 1; }
};

/// A file of the model folder is missing, malformed or asks for something unsupported.
class MLX_VISION_API ConfigError : public Error {
 public:
  using Error::Error;
  int exit_code() const noexcept override { return 3; }
};

/// Tensors missing, unused, mis-shaped or unreadable; lists every problem found.
class MLX_VISION_API WeightError : public Error {
 public:
  using Error::Error;
  int exit_code() const noexcept override { return 3; }
};

/// The caller's request cannot be served as it stands; the text holds the field path or image index.
class MLX_VISION_API RequestError : public Error {
 public:
  using Error::Error;
  int exit_code() const noexcept override { return 2; }
};

/// An image cannot be decoded or prepared.
class MLX_VISION_API MediaError : public Error {
 public:
  using Error::Error;
  int exit_code() const noexcept override { return 2; }
};

/// The generic image preparation (process_image) failed; says at which stage, and why.
class MLX_VISION_API ImageProcessingError : public MediaError {
 public:
  enum class Stage { load, convert, resize, normalize };

  ImageProcessingError(Stage stage, const std::string& cause);
  /// The provider of the arrays: "mlx".
  const char* provider() const noexcept { return "mlx"; }
  Stage stage() const noexcept { return stage_; }
  const std::string& cause() const noexcept { return cause_; }

 private:
  Stage stage_;
  std::string cause_;
};

/// "load", "convert", "resize" or "normalize".
MLX_VISION_API const char* to_string(ImageProcessingError::Stage stage);

/// The work would not fit in memory, context or queue.
class MLX_VISION_API CapacityError : public Error {
 public:
  CapacityError(const std::string& what, std::uint64_t needed, std::uint64_t available)
      : Error(what), needed_(needed), available_(available) {}
  int exit_code() const noexcept override { return 4; }
  /// In the unit that the text names (bytes, tokens or requests).
  std::uint64_t needed() const noexcept { return needed_; }
  std::uint64_t available() const noexcept { return available_; }

 private:
  std::uint64_t needed_, available_;
};

/// Pictures that are more than the device holds in one array; see check_memory_requirements().
class MLX_VISION_API MemoryError : public CapacityError {
 public:
  using CapacityError::CapacityError;
};

/// MLX failed during a step; holds MLX's own text.
class MLX_VISION_API EngineError : public Error {
 public:
  using Error::Error;
  int exit_code() const noexcept override { return 5; }
};

}  // namespace mlx_vision
