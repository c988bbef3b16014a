#pragma once
#include <vector>

#include "nn/layers.h"

namespace mlx_vision::nn {

/// Several streams of states of which a block computes one (AltUp, NeurIPS 2023: Baykal et al.; Gemma 3n).
struct AltUpSpec {
  int streams = 4, active = 0;  ///< active: the one that blocks compute
  bool scaled = true;           ///< the active stream is scaled before it meets per-layer embeddings
};

/// A block's prediction of all streams and their correction by the one that it computed, under the names
/// router_norm, modality_router, prediction_coefs, correction_coefs, correct_output_scale.
class AltUp {
 public:
  struct Sizes {
    int hidden;
    float norm_eps;
  };
  AltUp(const Weights& w, const AltUpSpec& spec, const Sizes& sizes);

  /// x `[B, L, streams, hidden]` → the same.
  mx::array predict(const mx::array& x) const;
  /// `predicted` `[B, L, streams, hidden]`, `computed` `[B, L, hidden]` → `[B, L, streams, hidden]`.
  mx::array correct(const mx::array& predicted, const mx::array& computed) const;
  /// `[B, L, streams, hidden]` → `[B, L, hidden]`
  mx::array active(const mx::array& x) const;
  /// The active stream as per-layer embeddings meet it, `[B, L, hidden]`.
  mx::array scaled_active(const mx::array& x) const;
  /// x with `y` `[B, L, hidden]` added to all streams but the first.
  static mx::array added_behind_first(const mx::array& x, const mx::array& y);

 private:
  mx::array modalities(const mx::array& x) const;

  AltUpSpec spec_;
  Sizes sizes_;
  RmsNorm norm_;
  Linear router_, prediction_, correction_;
  mx::array scale_;
};

/// The way into the streams and out of them, under the names altup_projections, altup_unembed_projections.
class AltUpStreams {
 public:
  AltUpStreams(const Weights& body, int streams, int hidden);
  /// `[B, L, hidden]` → `[B, L, streams, hidden]`: itself and projections of its magnitude.
  mx::array expand(const mx::array& h) const;
  /// `[B, L, streams, hidden]` → `[B, L, hidden]`: the mean of the first and projections of its magnitude.
  mx::array combine(const mx::array& x) const;

 private:
  std::vector<Linear> into_, out_of_;
};

/// A map of low rank beside attention (LAuReL, arXiv 2411.07501), under the names linear_left, linear_right,
/// post_laurel_norm.
class Laurel {
 public:
  struct Sizes {
    int hidden, rank;
    float norm_eps;
  };
  Laurel(const Weights& w, const Sizes& s)
      : left_(w["linear_left"], s.hidden, s.rank, false),
        right_(w["linear_right"], s.rank, s.hidden, false),
        norm_(w["post_laurel_norm"], s.hidden, s.norm_eps) {}
  mx::array operator()(const mx::array& x) const { return x + norm_(right_(left_(x))); }

 private:
  Linear left_, right_;
  RmsNorm norm_;
};

}  // namespace mlx_vision::nn
