#pragma once
#include <optional>

#include "nn/layers.h"

namespace mlx_vision::nn {

/// Equal linear maps, of which each row of the input takes its own: dense `[experts, out, in]` or packed.
class ExpertLinear {
 public:
  ExpertLinear(const Weights& w, int experts, int in, int out);
  explicit ExpertLinear(mx::array weight);
  /// x `[…, 1, in]`, experts `[…]` int → `[…, 1, out]`. `sorted`: the indices ascend.
  mx::array operator()(const mx::array& x, const mx::array& experts, bool sorted) const;
  /// x `[rows, in]` through one of the maps → `[rows, out]`.
  mx::array of_one(const mx::array& x, int expert) const;

 private:
  mx::array weight_;
  std::optional<mx::array> scales_, biases_;
  Quantization quant_;
};

/// How the original checkpoint lays out experts' gate_up_proj and down_proj.
enum class ExpertLayout { in_out, out_in };

struct MixtureSpec {
  int width = 0, hidden = 0, experts = 0, chosen = 0;
  bool normalized = true;     ///< the chosen experts' weights are divided by their sum
  int shared_hidden = 0;      ///< of an expert that every token takes, behind a sigmoid gate; 0 = none
  bool plain_shared = false;  ///< that expert stands under shared_experts and has no gate (DeepSeek-V2)
  float scaling = 1;          ///< of the chosen experts' weights
  ExpertLayout layout = ExpertLayout::out_in;
  Activation activation = Activation::silu;  ///< of the chosen experts
  /// What the router is given is normed without a weight, scaled by input and by 1 / sqrt(width), and the
  /// chosen weights by expert (Gemma 4). Names: router.{proj,scale,per_expert_scale}
  bool scaled_router = false;
  float norm_eps = 1e-6f;
};

/// Mixture of gated experts: softmax over all, the best `chosen` of them, their weighted sum (Qwen3-MoE,
/// arXiv 2505.09388). Names: gate, and switch_mlp.{gate,up,down}_proj as converted or, as in the originals,
/// experts.gate_up_proj and experts.down_proj, or experts.0.gate_proj…; shared_expert, shared_expert_gate,
/// or shared_experts.
class Mixture {
 public:
  Mixture(const Weights& w, const MixtureSpec& spec);
  /// `[B, L, width]` → the same.
  mx::array operator()(const mx::array& x) const { return (*this)(x, x); }
  /// The experts are given `x`, the router `routed`.
  mx::array operator()(const mx::array& x, const mx::array& routed) const;

 private:
  struct Experts {
    ExpertLinear gate, up, down;
  };
  static Experts load(const Weights& w, const MixtureSpec& s);
  mx::array chosen_sum(const mx::array& x, const mx::array& experts, const mx::array& weights) const;
  mx::array gathered(const mx::array& x, const mx::array& experts) const;
  mx::array one_by_one(const mx::array& x, const mx::array& experts) const;

  MixtureSpec spec_;
  Linear router_;
  std::optional<mx::array> router_scale_, expert_scale_;
  Experts experts_;
  std::optional<GatedMlp> shared_;
  std::optional<Linear> shared_gate_;
};

}  // namespace mlx_vision::nn
