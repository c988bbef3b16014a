#include "cli/interrupt.h"

#include <unistd.h>

#include <csignal>
#include <cstring>
#include <optional>

namespace mlx_vision::cli {

namespace {

// What the handler touches. Stays when a scope ends: a handler may still be running in another thread.
std::optional<Cancellation> current;
struct sigaction old_interrupt, old_terminate;

void on_signal(int) {
  if (current->cancelled()) _exit(kInterrupted);
  current->cancel();
}

}  // namespace

InterruptScope::InterruptScope(const Cancellation& cancellation) {
  current = cancellation;
  struct sigaction action;
  std::memset(&action, 0, sizeof(action));
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, &old_interrupt);
  sigaction(SIGTERM, &action, &old_terminate);
}

InterruptScope::~InterruptScope() {
  sigaction(SIGINT, &old_interrupt, nullptr);
  sigaction(SIGTERM, &old_terminate, nullptr);
}

}  // namespace mlx_vision::cli
