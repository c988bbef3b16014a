#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "mlx_vision/export.h"

namespace mlx_vision {

/// What a checkpoint folder is, read from its configuration and the headers of its weight files alone.
struct ModelInfo {
  std::string model_type;                                  ///< as in config.json
  std::string family;                                      ///< the family that serves it
  std::vector<std::pair<std::string, std::string>> sizes;  ///< part → numbers, in words
  std::string quantization;  ///< default and number of overrides, or "none (bfloat16)"
  std::string image_rule, prompt_rule;
  std::int64_t context_length = 0;         ///< 0 = the configuration does not say
  std::vector<std::string> unread_fields;  ///< paths in config.json that nobody read
  std::vector<std::pair<std::string, std::uint64_t>>
      bytes_by_part;  ///< weights as stored: vision, projector, language
  std::vector<std::string> shards;
};

/// @throws ConfigError, WeightError
MLX_VISION_API ModelInfo inspect(const std::filesystem::path& model);

/// The machine and the MLX build, measured now.
struct DeviceInfo {
  std::string mlx_version, backend;  ///< backend: "metal", "cuda" or "cpu"
  std::string device;                ///< name, as MLX or the system reports it
  std::uint64_t memory_bytes = 0, available_bytes = 0, max_buffer_bytes = 0;  ///< 0 = unknown
  std::string blas_library;  ///< path of the library that cblas_sgemm resolves to
  std::string blas_kernel;   ///< what the BLAS says of itself, e.g. "Haswell MAX_THREADS=2"
  double sgemm_gflops = 0;   ///< float32 product through MLX on its default device
  std::string kernels;       ///< instruction set of the kernels that serve the CPU backend, e.g. "AVX2"
  int threads = 0;           ///< that these share
  double read_gbps = 0;      ///< of memory, by these threads, in 10^9 bytes a second
  /// Greatest relative error of products, the BLAS's and the kernels', against double precision; more than
  /// 1e-5 means that one of them is broken on this processor.
  double product_error = 0;
};

MLX_VISION_API DeviceInfo device_info();

/// A family that can be loaded.
struct FamilyInfo {
  std::string model_type;
  std::vector<std::string> aliases;  ///< further model_types that it serves
  std::string image_rule;        ///< the reference's defaults in words: size or rule, limits, mean and std
  std::string placeholder;       ///< of one image in a rendered prompt
  bool images_first = true;      ///< where the images of a prompt with --image stand
  bool videos = false;           ///< whether it takes any
  std::string vision, language;  ///< its parts in words
  std::string compared;          ///< kinds of checkpoints that were compared with the references
  std::string repositories;      ///< of mlx-community, for example, separated by commas
};

/// Every family, in the order of their names.
MLX_VISION_API std::vector<FamilyInfo> families();

/// How the images of a model_type are prepared where its checkpoint says nothing else.
struct ImageRule {
  std::string model_type;
  std::string rule;    ///< the reference's defaults in words
  bool loads = false;  ///< a family serves it; else only preprocess and see do
};

/// Every `model_type` whose images can be prepared, in order.
MLX_VISION_API std::vector<ImageRule> image_rules();

/// `model_type`s that can be loaded, aliases included.
MLX_VISION_API std::vector<std::string> known_model_types();

}  // namespace mlx_vision
