#include "kernels/attention.h"

#include <stdexcept>
#include <utility>

#include "kernels/attend.h"
#include "kernels/cpu_array.h"
#include "mlx/primitives.h"

namespace mlx_vision::kernels {
namespace {

template <class T, class Array>
HeadsView<T> view_of(Array& x) {
  return {x.template data<T>(), std::ptrdiff_t(x.strides(0)), std::ptrdiff_t(x.strides(1)),
          std::ptrdiff_t(x.strides(2))};
}

/// Inputs q, k, v.
class AttentionPrimitive final : public mx::UnaryPrimitive {
 public:
  AttentionPrimitive(mx::Stream stream, AttentionSpec spec)
      : UnaryPrimitive(stream), spec_(std::move(spec)) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    auto& encoder = mx::cpu::get_command_encoder(stream());
    const mx::array q = with_contiguous_rows(inputs[0], encoder),
                    k = with_contiguous_rows(inputs[1], encoder),
                    v = with_contiguous_rows(inputs[2], encoder);
    const int batch = q.shape(0), heads = q.shape(1), queries = q.shape(2), d = v.shape(3);
    const std::int64_t row = std::int64_t(queries == 1 ? 1 : heads) * d;
    out.set_data(mx::allocator::malloc(out.nbytes()), out.size(),
                 {std::int64_t(heads) * queries * d, d, row, 1},
                 {.contiguous = true, .row_contiguous = heads == 1 || queries == 1, .col_contiguous = false});
    const Attention attention{.q = view_of<const float>(q),
                              .k = view_of<const float>(k),
                              .v = view_of<const float>(v),
                              .y = view_of<float>(out),
                              .batch = batch,
                              .heads = heads,
                              .kv_heads = k.shape(1),
                              .queries = queries,
                              .keys = k.shape(2),
                              .d = q.shape(3),
                              .value_d = d,
                              .scale = spec_.scale,
                              .softcap = spec_.softcap,
                              .causal = spec_.causal,
                              .first = spec_.first,
                              .last = spec_.last,
                              .ends = spec_.ends};
    encoder.dispatch([attention] { attend(attention); });
  }

  void eval_gpu(const std::vector<mx::array>&, mx::array&) override { refuse_gpu(name()); }

  const char* name() const override { return "MlxVisionAttention"; }

  bool is_equivalent(const mx::Primitive& other) const override {
    const auto& o = static_cast<const AttentionPrimitive&>(other).spec_;
    return spec_.scale == o.scale && spec_.softcap == o.softcap && spec_.causal == o.causal &&
           spec_.first == o.first && spec_.last == o.last && spec_.ends == o.ends;
  }

 private:
  AttentionSpec spec_;
};

}  // namespace

bool has_attention(const mx::array& q, const mx::array& k) {
  return is_cpu_float32(q) && is_cpu_float32(k) && q.shape(1) / k.shape(1) <= kQueryTile;
}

mx::array attention(const mx::array& q, const mx::array& k, const mx::array& v, AttentionSpec spec) {
  const auto fits_queries = [&](const std::vector<int>& keys) {
    return keys.empty() || keys.size() == std::size_t(q.shape(2));
  };
  const bool fits = q.ndim() == 4 && k.ndim() == 4 && v.ndim() == 4 && q.shape(0) == k.shape(0) &&
                    v.shape(0) == k.shape(0) && v.shape(1) == k.shape(1) && v.shape(2) == k.shape(2) &&
                    q.shape(3) == k.shape(3) && q.shape(1) % k.shape(1) == 0 && k.shape(2) > 0 &&
                    (!spec.causal || q.shape(2) <= k.shape(2)) && fits_queries(spec.first) &&
                    fits_queries(spec.last) && spec.first.size() == spec.last.size() &&
                    (spec.ends.empty() || (spec.ends.back() == q.shape(2) && q.shape(2) == k.shape(2)));
  if (!fits) throw std::invalid_argument("attention: the shapes of queries, keys and values do not fit");
  auto shape = q.shape();
  shape.back() = v.shape(3);
  return mx::array(std::move(shape), mx::float32,
                   std::make_shared<AttentionPrimitive>(cpu_stream(), std::move(spec)), {q, k, v});
}

}  // namespace mlx_vision::kernels
