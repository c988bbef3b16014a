#include "cli/interrupt.h"

#include <unistd.h>

#include <csignal>
#include <cstring>

namespace mlx_vision::cli {

namespace {

// What the handler touches: set before the handler is installed, read by it only.
Cancellation* current = nullptr;
struct sigaction old_interrupt, old_terminate;

void on_signal(int) {
  if (current->cancelled()) _exit(kInterrupted);
  current->cancel();
}

}  // namespace

InterruptScope::InterruptScope(const Cancellation& cancellation) {
  current = new Cancellation(cancellation);
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
  delete current;
  current = nullptr;
}

}  // namespace mlx_vision::cli
