#include "cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/report.h"

namespace mlx_vision::cli {

namespace {

constexpr auto kInterval = std::chrono::milliseconds(50);
constexpr int kBar = 24;

const char* name_of(Progress::Stage stage) {
  switch (stage) {
    case Progress::Stage::load:
      return "load      ";
    case Progress::Stage::preprocess:
      return "preprocess";
    case Progress::Stage::encode:
      return "encode    ";
    case Progress::Stage::prefill:
      return "prefill   ";
  }
  return "";
}

int terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string progress_line(const Progress& p, int width) {
  const double share = p.total > 0 ? std::min(1.0, double(p.done) / double(p.total)) : 0.0;
  const int filled = int(share * kBar);
  std::string text = name_of(p.stage);
  text.append(" [").append(std::size_t(filled), '#').append(std::size_t(kBar - filled), '.').append("] ");
  const std::string percent = std::to_string(int(share * 100));
  text.append(3 - std::min<std::size_t>(3, percent.size()), ' ').append(percent).append(" %  ");
  if (p.stage == Progress::Stage::load)
    text.append(bytes_text(p.done)).append(" / ").append(bytes_text(p.total));
  else
    text.append(std::to_string(p.done)).append("/").append(std::to_string(p.total));
  // The last column stays free: a full line would wrap and could not be taken away again.
  return text.substr(0, std::size_t(std::max(0, width - 1)));
}

ProgressBar::ProgressBar() : visible_(isatty(STDERR_FILENO) != 0) {}

ProgressCallback ProgressBar::callback() {
  if (!visible_) return {};
  return [this](const Progress& progress) { show(progress); };
}

void ProgressBar::show(const Progress& progress) {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (drawn_ && progress.done < progress.total && now - last_ < kInterval) return;
  last_ = now;
  drawn_ = true;
  std::fprintf(stderr, "\r\033[K%s", progress_line(progress, terminal_width()).c_str());
  std::fflush(stderr);
}

void ProgressBar::clear() {
  const std::lock_guard lock(mutex_);
  if (!drawn_) return;
  drawn_ = false;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
}

}  // namespace mlx_vision::cli
