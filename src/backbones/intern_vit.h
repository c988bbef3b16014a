#pragma once
#include <optional>
#include <variant>
#include <vector>

#include "nn/attention.h"
#include "nn/layers.h"

namespace mlx_vision::backbones {
namespace mx = mlx::core;

/// InternVL's image tower (arXiv 2312.14238): class token, learned positions, a learned factor for what each
/// half of a block adds.
struct InternVitSpec {
  int hidden = 0, layers = 0, heads = 0, mlp_hidden = 0, image = 0, patch = 0, channels = 3;
  float norm_eps = 1e-6f;
  bool rms_norm = false;  ///< in place of LayerNorm
  bool qkv_bias = true;
  bool qk_norm = false;  ///< RMSNorm of queries and of keys, all heads together
  bool fused = false;    ///< queries, keys and values in one map, as in the original
  nn::Activation activation = nn::Activation::gelu;

  int side() const { return image / patch; }
};

/// As OpenGVLab's own files have it (vision_config of internvl_chat). @throws ConfigError
InternVitSpec intern_vit_original(const core::ConfigReader& c);
/// As transformers has it (vision_config of internvl). @throws ConfigError
InternVitSpec intern_vit(const core::ConfigReader& c);

/// Under transformers' names.
class InternVit {
 public:
  InternVit(const nn::Weights& w, const InternVitSpec& spec);
  /// Tiles `[n, C, image, image]` → states behind the last block, `[n, 1 + patches, hidden]`, the class
  /// token's first.
  mx::array operator()(const mx::array& pixels) const;

 private:
  using Norm = std::variant<nn::LayerNorm, nn::RmsNorm>;
  static Norm make_norm(const nn::Weights& w, const InternVitSpec& s);

  struct Qkv {
    Qkv(const nn::Weights& w, const InternVitSpec& s);
    /// `[n, L, hidden]` → queries, keys and values, each of the same shape.
    std::vector<mx::array> operator()(const mx::array& x) const;
    std::vector<nn::Linear> maps;  ///< one of all, or one of each
  };
  struct Block {
    Block(const nn::Weights& w, const InternVitSpec& s);
    mx::array operator()(const mx::array& x) const;
    mx::array attend(const mx::array& x) const;
    Norm norm1, norm2;
    Qkv qkv;
    std::optional<nn::RmsNorm> q_norm, k_norm;
    nn::Linear out;
    nn::Mlp mlp;
    mx::array scale1, scale2;
    int heads;
  };

  InternVitSpec spec_;
  nn::PatchEmbed patch_;
  mx::array class_token_, positions_;
  std::vector<Block> blocks_;
};

}  // namespace mlx_vision::backbones
