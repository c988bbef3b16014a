#include "memory/ledger.h"

#include <algorithm>

namespace mlx_vision::memory {

std::uint64_t Ledger::total() const {
  std::uint64_t resident = 0, transient = 0;
  for (const Demand& demand : entries_) {
    resident += demand.resident;
    transient = std::max(transient, demand.transient);
  }
  return resident + transient;
}

std::optional<Ledger::Reservation> Ledger::try_reserve(const Demand& demand, std::uint64_t available) {
  entries_.push_back(demand);
  if (total() <= available) return Reservation(*this, std::prev(entries_.end()));
  entries_.pop_back();
  return std::nullopt;
}

}  // namespace mlx_vision::memory
