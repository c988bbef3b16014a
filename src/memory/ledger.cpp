#include "memory/ledger.h"

#include <algorithm>

namespace mlx_vision::memory {

std::uint64_t Ledger::sum(Demand Entry::*which) const {
  std::uint64_t resident = 0, transient = 0;
  for (const Entry& entry : entries_) {
    resident += (entry.*which).resident;
    transient = std::max(transient, (entry.*which).transient);
  }
  return resident + transient;
}

std::optional<Ledger::Reservation> Ledger::try_reserve(const Demand& all, const Demand& device,
                                                       std::uint64_t available) {
  entries_.push_back({all, device});
  if (total() <= available) return Reservation(*this, std::prev(entries_.end()));
  entries_.pop_back();
  return std::nullopt;
}

}  // namespace mlx_vision::memory
