#include "backbones/fast_vit.h"

#include <algorithm>
#include <cmath>

namespace mlx_vision::backbones {
namespace {

constexpr float kNormEps = 1e-5f;
constexpr int kHeadDim = 32, kMixerKernel = 3, kLargeKernel = 7;
constexpr float kSqueeze = 0.0625f;  // of squeeze and excitation: what is left of the channels

mx::array gelu(const mx::array& x) { return nn::activate(nn::Activation::gelu, x); }

nn::ConvSpec depthwise(int in, int out, int kernel, int stride = 1, bool bias = true) {
  return {.in = in, .out = out, .kernel = kernel, .stride = stride, .groups = in, .bias = bias};
}

bool torch_layout(const nn::Weights& mlp, int width, int hidden) {
  return mlp["fc1"].layout_of("weight", {hidden, 1, 1, width}) == weights::Layout::torch;
}

nn::Conv2d normed_conv(const nn::Weights& w, int width) {
  const nn::BatchNorm norm(w["bn"], width, kNormEps);
  return {w["conv"], depthwise(width, width, kLargeKernel, 1, false), norm.scale, norm.shift};
}

}  // namespace

std::int64_t FastVitSpec::most_values() const {
  // In the first stages: what enters a block, what enters its MLP, and the MLP's width three times.
  std::int64_t most = 0, side = image / 4;
  for (std::size_t i = 0; i < widths.size(); ++i, side /= 2)
    most = std::max(most, side * side * widths[i] * (3 + 3 * ratios[i]));
  return most;
}

FastVitSpec fast_vit(const core::ConfigReader& c) {
  FastVitSpec s;
  s.image = c.size_or("image_size", 1024, kFastVitStride, 1 << 14);
  s.layers = c.get_or("layers", s.layers);
  s.widths = c.get_or("embed_dims", s.widths);
  s.ratios = c.get_or("mlp_ratios", s.ratios);
  const auto fits = [](const std::vector<int>& v, int most) {
    return v.size() == 5 && std::all_of(v.begin(), v.end(), [&](int n) { return n >= 1 && n <= most; });
  };
  if (!fits(s.layers, 512)) c.fail("layers", "expected five numbers from 1 to 512");
  if (!fits(s.ratios, 64)) c.fail("mlp_ratios", "expected five numbers from 1 to 64");
  if (!fits(s.widths, 1 << 14)) c.fail("embed_dims", "expected five numbers from 1 to 16384");
  for (std::size_t i = 0; i + 1 < s.widths.size(); ++i)
    if (s.widths[i + 1] % s.widths[i] != 0) c.fail("embed_dims", "expected each to divide the next");
  for (std::size_t i = s.widths.size() - std::size_t(s.attention_stages); i < s.widths.size(); ++i)
    if (s.widths[i] % kHeadDim != 0) c.fail("embed_dims", "expected multiples of 32 in the last two stages");
  c.ignore({"model_type", "hidden_size", "intermediate_size", "patch_size", "projection_dim", "num_classes",
            "down_patch_size", "down_stride", "layer_scale_init_value", "cls_ratio", "downsamples",
            "pos_embs_shapes", "token_mixers", "repmixer_kernel_size"});
  return s;
}

FastVit::ConvMlp::ConvMlp(const nn::Weights& w, int width, int hidden)
    : conv(normed_conv(w["conv"], width)),
      fc1(w["fc1"], {.in = width, .out = hidden}),
      fc2(w["fc2"], {.in = hidden, .out = width}) {}

mx::array FastVit::ConvMlp::operator()(const mx::array& x) const {
  const auto h = conv(x);
  nn::settle(h);
  return fc2(gelu(fc1(h)));
}

FastVit::MixerBlock::MixerBlock(const nn::Weights& w, int width, int hidden)
    : mixer(w["token_mixer"]["reparam_conv"], depthwise(width, width, kMixerKernel)),
      mlp(w["convffn"], width, hidden),
      scale(nn::channel_scale(w, "layer_scale", width, torch_layout(w["convffn"], width, hidden))) {}

mx::array FastVit::MixerBlock::operator()(const mx::array& x) const {
  const auto h = mixer(x);
  nn::settle(h);
  return h + scale * mlp(h);
}

FastVit::AttentionBlock::AttentionBlock(const nn::Weights& w, int width, int hidden)
    : norm(w["norm"], width, kNormEps),
      qkv(w["token_mixer"]["qkv"], width, 3 * width, false),
      proj(w["token_mixer"]["proj"], width, width, true),
      mlp(w["convffn"], width, hidden),
      scale1(nn::channel_scale(w, "layer_scale_1", width, torch_layout(w["convffn"], width, hidden))),
      scale2(nn::channel_scale(w, "layer_scale_2", width, torch_layout(w["convffn"], width, hidden))) {}

mx::array FastVit::AttentionBlock::attend(const mx::array& x) const {
  const int width = x.shape(3), heads = width / kHeadDim;
  const auto parts =
      mx::split(qkv(mx::reshape(norm(x), {x.shape(0), x.shape(1) * x.shape(2), width})), 3, -1);
  const auto y =
      nn::attention(nn::split_heads(parts[0], heads), nn::split_heads(parts[1], heads),
                    nn::split_heads(parts[2], heads), 1 / std::sqrt(float(kHeadDim)), nn::Mask::none);
  return mx::reshape(proj(nn::merge_heads(y)), x.shape());
}

mx::array FastVit::AttentionBlock::operator()(const mx::array& x) const {
  const auto h = x + scale1 * attend(x);
  nn::settle(h);
  return h + scale2 * mlp(h);
}

FastVit::Downsample::Downsample(const nn::Weights& w, int in, int out)
    : large(w["proj"][0]["lkb_reparam"], depthwise(in, out, kLargeKernel, 2)),
      small(w["proj"][1]["reparam_conv"], {.in = out, .out = out}) {}

mx::array FastVit::Downsample::operator()(const mx::array& x) const {
  const auto h = gelu(large(x));
  nn::settle(h);
  return gelu(small(h));
}

FastVit::FastVit(const nn::Weights& w, const FastVitSpec& s)
    : expand_(w["conv_exp"]["reparam_conv"], depthwise(s.widths.back(), s.out(), kMixerKernel)),
      squeeze_(w["conv_exp"]["se"]["reduce"], {.in = s.out(), .out = int(float(s.out()) * kSqueeze)}),
      excite_(w["conv_exp"]["se"]["expand"], {.in = int(float(s.out()) * kSqueeze), .out = s.out()}) {
  const int first = s.widths.front();
  const auto stem = w["patch_embed"]["blocks"];
  stem_.emplace_back(stem[0]["reparam_conv"], nn::ConvSpec{.in = 3, .out = first, .kernel = 3, .stride = 2});
  stem_.emplace_back(stem[1]["reparam_conv"], depthwise(first, first, 3, 2));
  stem_.emplace_back(stem[2]["reparam_conv"], nn::ConvSpec{.in = first, .out = first});
  w["head"].skip();
  int at = 0;  // in the file's list of stages and what stands between them
  for (int i = 0; i < int(s.widths.size()); ++i) {
    const int width = s.widths[i], hidden = width * s.ratios[i];
    const bool attends = i >= int(s.widths.size()) - s.attention_stages;
    Stage stage;
    if (attends)
      stage.positions.emplace(w["network"][at++]["reparam_conv"], depthwise(width, width, kLargeKernel));
    const auto blocks = w["network"][at++];
    for (int b = 0; b < s.layers[i]; ++b) {
      if (attends)
        stage.blocks.emplace_back(AttentionBlock(blocks[b], width, hidden));
      else
        stage.blocks.emplace_back(MixerBlock(blocks[b], width, hidden));
    }
    if (i + 1 < int(s.widths.size())) stage.down.emplace(w["network"][at++], width, s.widths[i + 1]);
    stages_.push_back(std::move(stage));
  }
}

// Twice the channels, each weighed by what the whole picture says (Hu et al. 2018).
mx::array FastVit::expanded(const mx::array& x) const {
  const auto h = expand_(x);
  const auto mean = mx::mean(h, std::vector<int>{1, 2}, /*keepdims=*/true);
  return gelu(h * mx::sigmoid(excite_(mx::maximum(squeeze_(mean), nn::scalar(0, mean)))));
}

mx::array FastVit::operator()(const mx::array& pixels) const {
  auto h = mx::transpose(pixels, {0, 2, 3, 1});
  for (const auto& conv : stem_) {
    h = gelu(conv(h));
    nn::settle(h);
  }
  for (const auto& stage : stages_) {
    if (stage.positions) h = (*stage.positions)(h);
    for (const auto& block : stage.blocks) {
      h = std::visit([&](const auto& b) { return b(h); }, block);
      nn::settle(h);
    }
    if (stage.down) h = (*stage.down)(h);
    nn::settle(h);
  }
  h = expanded(h);
  return mx::reshape(h, {h.shape(0), h.shape(1) * h.shape(2), h.shape(3)});
}

}  // namespace mlx_vision::backbones
