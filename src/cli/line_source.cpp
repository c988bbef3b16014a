#include "cli/line_source.h"

#include <histedit.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <cwchar>
#include <iostream>

namespace mlx_vision::cli {

namespace {

constexpr int kHistory = 1000;

volatile std::sig_atomic_t interrupted = 0;

void on_interrupt(int) { interrupted = 1; }

// libedit's own reading tries again after a signal; a prompt must come back at once.
int read_character(EditLine* editor, wchar_t* out) {
  std::mbstate_t state{};
  for (;;) {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (interrupted) return -1;
    if (poll(&input, 1, -1) < 0) {
      if (errno != EINTR) return -1;
      el_resize(editor);  // the signal may have been a change of the window's size
      continue;
    }
    char byte = 0;
    const ssize_t count = read(STDIN_FILENO, &byte, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return int(count);
    const std::size_t used = std::mbrtowc(out, &byte, 1, &state);
    if (used == std::size_t(-2)) continue;
    if (used == std::size_t(-1)) *out = L'\uFFFD';
    return 1;
  }
}

// SIGINT ends the line being typed, for as long as one of these lives.
class InterruptsLine {
 public:
  InterruptsLine() {
    interrupted = 0;
    struct sigaction action;
    std::memset(&action, 0, sizeof(action));
    action.sa_handler = on_interrupt;  // without SA_RESTART, so that poll returns
    sigaction(SIGINT, &action, &old_);
  }
  ~InterruptsLine() { sigaction(SIGINT, &old_, nullptr); }
  InterruptsLine(const InterruptsLine&) = delete;
  InterruptsLine& operator=(const InterruptsLine&) = delete;

 private:
  struct sigaction old_;
};

class LineEditor final : public LineSource {
 public:
  explicit LineEditor(const char* prompt) : prompt_(prompt) {
    std::setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
    // The prompt goes to stderr: stdout carries the answers only.
    editor_.reset(el_init("mlx-vision", stdin, stderr, stderr));
    history_.reset(history_init());
    if (!editor_ || !history_) return;
    HistEvent event;
    history(history_.get(), &event, H_SETSIZE, kHistory);
    history(history_.get(), &event, H_SETUNIQUE, 1);
    el_set(editor_.get(), EL_CLIENTDATA, this);
    el_set(editor_.get(), EL_PROMPT, &LineEditor::prompt_of);
    el_set(editor_.get(), EL_EDITOR, "emacs");
    el_set(editor_.get(), EL_HIST, history, history_.get());
    el_set(editor_.get(), EL_GETCFN, &read_character);
    el_source(editor_.get(), nullptr);  // ~/.editrc
  }

  Status next(std::string& line) override {
    if (!editor_ || !history_) return Status::end;
    const InterruptsLine scope;
    int count = 0;
    // Before the prompt is shown, which libedit does first: what is typed at a visible prompt reaches the
    // editor, Ctrl-D too.
    el_set(editor_.get(), EL_PREP_TERM, 1);
    const char* text = el_gets(editor_.get(), &count);
    if (interrupted) {
      el_reset(editor_.get());
      std::fputs("\n", stderr);
      return Status::interrupted;
    }
    if (!text || count <= 0) {
      std::fputs("\n", stderr);
      return Status::end;
    }
    line.assign(text, std::size_t(count));
    while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
    HistEvent event;
    if (!line.empty()) history(history_.get(), &event, H_ENTER, line.c_str());
    return Status::line;
  }

 private:
  static char* prompt_of(EditLine* editor) {
    LineEditor* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return self->prompt_.data();
  }

  struct Free {
    void operator()(EditLine* editor) const { el_end(editor); }
    void operator()(History* history) const { history_end(history); }
  };
  std::string prompt_;
  std::unique_ptr<History, Free> history_;
  std::unique_ptr<EditLine, Free> editor_;
};

class PlainLines final : public LineSource {
 public:
  Status next(std::string& line) override {
    if (!std::getline(std::cin, line)) return Status::end;
    if (line.ends_with('\r')) line.pop_back();
    return Status::line;
  }
};

}  // namespace

std::unique_ptr<LineSource> make_line_editor(const char* prompt) {
  return std::make_unique<LineEditor>(prompt);
}

std::unique_ptr<LineSource> make_plain_lines() { return std::make_unique<PlainLines>(); }

}  // namespace mlx_vision::cli
