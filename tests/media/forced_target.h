#pragma once
#include <hwy/targets.h>

#include <cstdint>

namespace mlx_vision::test {

/// Has Highway choose `target` for as long as it lives.
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
  ForcedTarget& operator=(const ForcedTarget&) = delete;
};

/// Calls `use` with each instruction set of this machine in turn; returns how many there are.
template <class Use>
int for_each_target(const Use& use) {
  int targets = 0;
  for (std::int64_t rest = hwy::SupportedTargets(); rest != 0; rest &= rest - 1, ++targets) {
    const ForcedTarget forced(rest & -rest);
    use(hwy::TargetName(rest & -rest));
  }
  return targets;
}

}  // namespace mlx_vision::test
