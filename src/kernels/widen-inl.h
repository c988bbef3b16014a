// Vectors and the widening of stored elements: compiled once for each instruction set by the files that
// include it.
#if defined(MLX_VISION_KERNELS_WIDEN_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef MLX_VISION_KERNELS_WIDEN_INL_H
#undef MLX_VISION_KERNELS_WIDEN_INL_H
#else
#define MLX_VISION_KERNELS_WIDEN_INL_H
#endif

#include <hwy/highway.h>

#include "kernels/weight_view.h"

// NOLINTBEGIN(readability-identifier-naming): functions are named as Highway names its own.

HWY_BEFORE_NAMESPACE();
namespace mlx_vision::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR
constexpr int kLanes = 1;
#else
constexpr int kLanes = HWY_MAX_BYTES >= 64 ? 16 : HWY_MAX_BYTES >= 32 ? 8 : 4;
#endif
using DF = hn::CappedTag<float, kLanes>;
using DI = hn::Rebind<std::int32_t, DF>;
using DU = hn::Rebind<std::uint32_t, DF>;
using VF = hn::Vec<DF>;

/// The elements `i` … of an array as float32.
template <Element kElement, class D>
HWY_INLINE hn::Vec<D> LoadWidened(D d, const void* values, std::size_t i) {
  if constexpr (kElement == Element::float32) {
    return hn::LoadU(d, static_cast<const float*>(values) + i);
  } else if constexpr (kElement == Element::float16) {
    return hn::PromoteTo(
        d, hn::LoadU(hn::Rebind<hwy::float16_t, D>(), static_cast<const hwy::float16_t*>(values) + i));
  } else {
    const hn::Rebind<std::uint16_t, D> d16;
    const hn::Rebind<std::uint32_t, D> du;
    const auto wide = hn::PromoteTo(du, hn::LoadU(d16, static_cast<const std::uint16_t*>(values) + i));
    return hn::BitCast(d, hn::ShiftLeft<16>(wide));
  }
}

template <Element kElement>
HWY_INLINE void WidenRowOf(const void* values, std::size_t first, int count, float* out) {
  const DF d;
  const hn::CappedTag<float, 1> one;
  int i = 0;
  for (; i + kLanes <= count; i += kLanes)
    hn::StoreU(LoadWidened<kElement>(d, values, first + std::size_t(i)), d, out + i);
  for (; i < count; ++i) hn::StoreU(LoadWidened<kElement>(one, values, first + std::size_t(i)), one, out + i);
}

/// Elements first … first + count - 1 as float32.
HWY_INLINE void WidenRow(Element element, const void* values, std::size_t first, int count, float* out) {
  switch (element) {
    case Element::float32:
      return WidenRowOf<Element::float32>(values, first, count, out);
    case Element::bfloat16:
      return WidenRowOf<Element::bfloat16>(values, first, count, out);
    case Element::float16:
      return WidenRowOf<Element::float16>(values, first, count, out);
  }
}

}  // namespace
}  // namespace mlx_vision::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// NOLINTEND(readability-identifier-naming)
#endif
