#pragma once
#include <hwy/detect_targets.h>
#include <hwy/targets.h>

#include <cstdint>

namespace mlx_vision::test {

/// Lets kernels use one instruction set only.
struct ForcedTarget {
  explicit ForcedTarget(std::int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().DeInit();
  }
  ~ForcedTarget() {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().DeInit();
  }
  ForcedTarget(const ForcedTarget&) = delete;
};

/// Calls work(name) once for each instruction set that this machine has and the kernels are compiled for,
/// with nothing else in use.
template <class Work>
int for_each_target(const Work& work) {
  int targets = 0;
  for (std::int64_t rest = hwy::SupportedTargets() & HWY_TARGETS; rest != 0; rest &= rest - 1, ++targets) {
    const std::int64_t target = rest & -rest;
    const ForcedTarget forced(target);
    work(hwy::TargetName(target));
  }
  return targets;
}

}  // namespace mlx_vision::test
