#pragma once
#include <cstdint>
#include <list>
#include <optional>
#include <utility>

#include "memory/plan.h"

namespace mlx_vision::memory {

/// What admitted requests were promised. Turns are taken one at a time, so all residents count, and of the
/// transients the largest. Not for several threads.
class Ledger {
  struct Entry {
    Demand all, device;
  };

 public:
  /// Returns the promise when it goes; must not outlive its ledger.
  class Reservation {
   public:
    Reservation(Ledger& ledger, std::list<Entry>::iterator entry) : ledger_(&ledger), entry_(entry) {}
    Reservation(Reservation&& other) noexcept
        : ledger_(std::exchange(other.ledger_, nullptr)), entry_(other.entry_) {}
    Reservation& operator=(Reservation&& other) noexcept {
      std::swap(ledger_, other.ledger_);
      std::swap(entry_, other.entry_);
      return *this;
    }
    ~Reservation() {
      if (ledger_) ledger_->entries_.erase(entry_);
    }

   private:
    Ledger* ledger_;
    std::list<Entry>::iterator entry_;
  };

  /// nullopt when the total with `all` would exceed `available`; then nothing changes.
  std::optional<Reservation> try_reserve(const Demand& all, const Demand& device, std::uint64_t available);
  /// Of all memory, and of MLX's allocator alone.
  std::uint64_t total() const { return sum(&Entry::all); }
  std::uint64_t device_total() const { return sum(&Entry::device); }

 private:
  std::uint64_t sum(Demand Entry::*which) const;
  std::list<Entry> entries_;
};

}  // namespace mlx_vision::memory
