#pragma once
#include <string>
#include <utility>
#include <vector>

#include "mlx_vision/chat.h"

namespace mlx_vision::cli {

/// An image or a video and how to find it again: an absolute path or a data: URI.
struct Attachment {
  Part part;
  std::string source;
};

/// What has been said in a chat. Images stay on the turn they were given.
class Conversation {
 public:
  /// Replaces the system message; empty = none.
  void set_system(std::string text) { system_ = std::move(text); }
  /// For the next turn.
  void attach(Attachment media) { pending_.push_back(std::move(media)); }
  /// Forgets everything but the system message.
  void clear();

  /// Adds the user's turn, with the images and videos that wait, and returns what the model is to answer.
  Chat begin_turn(std::string text);
  void finish_turn(std::string answer) { turns_.back().answer = std::move(answer); }
  /// Takes back a turn that got no answer.
  void drop_turn() { turns_.pop_back(); }

  std::size_t turns() const { return turns_.size(); }
  std::size_t pending() const { return pending_.size(); }
  /// JSON text that `--messages` reads.
  std::string saved() const;

 private:
  struct Turn {
    std::string text;
    std::vector<Attachment> media;
    std::string answer;
  };
  std::string system_;
  std::vector<Turn> turns_;
  std::vector<Attachment> pending_;
};

/// Splits as a shell does: blanks separate, quotes and backslashes keep them; "~/" at the beginning of a word
/// becomes the home folder. An open quote ends with the text.
std::vector<std::string> split_words(const std::string& text);

}  // namespace mlx_vision::cli
