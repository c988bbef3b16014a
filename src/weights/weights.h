#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/config.h"
#include "mlx/mlx.h"

namespace mlx_vision::weights {
namespace mx = mlx::core;

/// How a packed layer is stored. Modes: "affine" (scales and biases in a float type), "mxfp4", "nvfp4",
/// "mxfp8" (uint8 scales, no biases).
struct Quantization {
  int group_size = 64;
  int bits = 4;
  std::string mode = "affine";
};

/// Of convolution kernels: OHWI (MLX), OIHW (torch), or not said, and then the declared shape decides.
enum class Layout { mlx, torch, unknown };

/// Old prefix → new prefix; the first that fits is applied, at most one per name. Applying a list twice must
/// change nothing.
struct Rename {
  std::string from, to;
};

/// A part of the names that begin with `within`, old → new, wherever it stands; after the prefixes, all that
/// fit in order. No `from` may be part of its `to`.
struct PartRename {
  std::string within, from, to;
};

struct NameMap {
  std::vector<Rename> renames = {};
  std::vector<PartRename> parts = {};
  std::vector<std::string> ignored_suffixes = {};  ///< in some files, used by no one
  std::vector<std::string> ignored_prefixes = {};
  std::string operator()(const std::string& name) const;
  /// The same for a module, whose name ends before a dot.
  std::string module(const std::string& name) const;
  bool ignored(const std::string& name) const;
};

/// The files that hold a folder's tensors: what model.safetensors.index.json names, else every *.safetensors
/// except *consolidated.safetensors. @throws WeightError: none, or one that the index names is absent.
std::vector<std::filesystem::path> weight_files(const std::filesystem::path& folder);

/// The tensors of one checkpoint, lazily loaded, and the record of what was asked of them. Problems are
/// collected while the model is built; finish() reports them all at once. Engine thread only.
class WeightStore {
 public:
  /// Finds and opens the files of a folder; reads headers only. `compute` is the type that floating-point
  /// tensors are turned into; absent = as stored.
  /// @throws WeightError: no weights, truncated, an index that names an absent file, an unknown element type.
  static WeightStore open(const std::filesystem::path& folder, const NameMap& names,
                          const core::ConfigReader& config, std::optional<mx::Dtype> compute);

  WeightStore(std::unordered_map<std::string, mx::array> tensors, Layout layout, const NameMap& names,
              const core::ConfigReader& config, std::optional<mx::Dtype> compute = std::nullopt);

  mx::array require(const std::string& name, const mx::Shape& shape);
  /// As require(), in the type of the file whatever `compute` says.
  mx::array require_stored(const std::string& name, const mx::Shape& shape);
  std::optional<mx::array> take(const std::string& name, const mx::Shape& shape);
  /// A convolution kernel, returned as O…I whatever the file's layout; `shape` is given as O…I (2 or 3
  /// spatial axes).
  mx::array require_conv(const std::string& name, const mx::Shape& shape);
  /// How a convolution kernel of that shape (as O…I) is laid out; `unknown` where neither the file nor the
  /// shape tells.
  Layout layout_of(const std::string& name, const mx::Shape& shape) const;
  bool has(const std::string& name) const { return tensors_.contains(name); }
  /// As stored; empty where there is no such tensor.
  mx::Shape shape_of(const std::string& name) const;
  /// How a packed module with `in` inputs is stored: its own entry of the table, else the default. Records a
  /// problem when the table has none or the group size does not divide `in`.
  Quantization quantization_of(const std::string& module, int in);
  /// Every packing that the table names.
  std::vector<Quantization> quantizations() const;
  /// Marks a module's tensors as known and without effect on the result.
  void skip(const std::string& prefix);
  /// Type of activations: `compute` if one was given, else what most floating tensors are stored in.
  mx::Dtype activation_dtype() const { return compute_.value_or(stored_); }
  /// Type that a tensor stored in `stored` is computed in.
  mx::Dtype computed(mx::Dtype stored) const {
    return mx::issubdtype(stored, mx::floating) ? compute_.value_or(stored) : stored;
  }
  void problem(std::string text) { problems_.push_back(std::move(text)); }

  /// @throws WeightError listing everything missing, mis-shaped, unused or ambiguous.
  void finish() const;
  /// All tensors that were taken, to be evaluated at load.
  std::vector<mx::array> taken() const;
  /// Their renamed names.
  const std::set<std::string>& taken_names() const { return taken_; }
  Layout layout() const { return layout_; }
  /// Bytes held besides for each byte of a tensor while it is read and turned into its type.
  double held_while_read() const { return held_while_read_; }
  /// Whether the files hold 8-bit floats.
  bool unpacks_fp8() const { return unpacks_fp8_; }
  /// All tensors by their renamed names, taken or not.
  const std::unordered_map<std::string, mx::array>& tensors() const { return tensors_; }

 private:
  std::optional<mx::array> take_stored(const std::string& name, const mx::Shape& shape);
  mx::array missing(const std::string& name, const mx::Shape& shape);
  void read_quantization(const NameMap& names, const core::ConfigReader& config);

  std::unordered_map<std::string, mx::array> tensors_;
  Layout layout_;
  double held_while_read_ = 0.5;
  bool unpacks_fp8_ = false;
  std::optional<mx::Dtype> compute_;
  mx::Dtype stored_ = mx::float32;
  std::set<std::string> taken_, skipped_;
  std::vector<std::string> problems_;
  std::optional<Quantization> default_;
  std::map<std::string, std::optional<Quantization>> overrides_;
};

/// A cursor into a WeightStore: cheap to copy, names one module.
class Weights {
 public:
  explicit Weights(WeightStore& store, std::string path = "") : store_(&store), path_(std::move(path)) {}

  Weights operator[](std::string_view name) const { return Weights(*store_, join(name)); }
  Weights operator[](int index) const { return (*this)[std::to_string(index)]; }

  mx::array require(std::string_view name, const mx::Shape& shape) const {
    return store_->require(join(name), shape);
  }
  mx::array require_stored(std::string_view name, const mx::Shape& shape) const {
    return store_->require_stored(join(name), shape);
  }
  mx::array require_conv(std::string_view name, const mx::Shape& shape) const {
    return store_->require_conv(join(name), shape);
  }
  Layout layout_of(std::string_view name, const mx::Shape& shape) const {
    return store_->layout_of(join(name), shape);
  }
  std::optional<mx::array> take(std::string_view name, const mx::Shape& shape) const {
    return store_->take(join(name), shape);
  }
  bool has(std::string_view name) const { return store_->has(join(name)); }
  /// As stored; empty where there is no such tensor.
  mx::Shape shape_of(std::string_view name) const { return store_->shape_of(join(name)); }
  Quantization quantization(int in) const { return store_->quantization_of(path_, in); }
  void skip() const { store_->skip(path_); }
  mx::Dtype activation_dtype() const { return store_->activation_dtype(); }
  mx::Dtype computed(mx::Dtype stored) const { return store_->computed(stored); }
  void problem(std::string text) const { store_->problem(std::move(text)); }
  const std::string& path() const { return path_; }

 private:
  std::string join(std::string_view name) const {
    return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  }
  WeightStore* store_;
  std::string path_;
};

}  // namespace mlx_vision::weights
