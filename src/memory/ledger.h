#pragma once
#include <cstdint>
#include <list>
#include <optional>
#include <utility>

namespace mlx_vision::memory {

/// Bytes of one request: held until its end, and the most it takes besides while it is its turn.
struct Demand {
  std::uint64_t resident = 0, transient = 0;
};

/// What admitted requests were promised. Turns are taken one at a time, so all residents count, and of the
/// transients the largest. Not for several threads.
class Ledger {
 public:
  /// Returns the promise when it goes; must not outlive its ledger.
  class Reservation {
   public:
    Reservation(Ledger& ledger, std::list<Demand>::iterator entry) : ledger_(&ledger), entry_(entry) {}
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
    std::list<Demand>::iterator entry_;
  };

  /// nullopt when the total with `demand` would exceed `available`; then nothing changes.
  std::optional<Reservation> try_reserve(const Demand& demand, std::uint64_t available);
  std::uint64_t total() const;

 private:
  std::list<Demand> entries_;
};

}  // namespace mlx_vision::memory
