#include "core/new_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "mlx_vision/error.h"

namespace mlx_vision::core {

namespace {

// mkstemp makes files that only the owner can read; a result should have the rights of any new file.
mode_t default_mode() {
  const mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

}  // namespace

NewFile::NewFile(std::filesystem::path path) : path_(std::move(path)) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path_, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    throw RequestError(path_.string() + ": expected the name of a file to write, got a folder or a device");
  temporary_ = path_.string() + ".XXXXXX";
  const int descriptor = mkstemp(temporary_.data());
  if (descriptor < 0) {
    const int error = errno;
    temporary_.clear();
    fail(error);
  }
  file_.reset(fdopen(descriptor, "wb"));
  if (!file_) {
    const int error = errno;
    close(descriptor);
    unlink(temporary_.c_str());
    fail(error);
  }
  fchmod(descriptor, default_mode());
}

NewFile::~NewFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void NewFile::write(const void* data, std::size_t bytes) {
  if (bytes != 0 && std::fwrite(data, 1, bytes, file_.get()) != bytes) fail(errno);
}

void NewFile::commit() {
  if (std::fclose(file_.release()) != 0) fail(errno);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail(errno);
  temporary_.clear();
}

void NewFile::fail(int error) const {
  throw RequestError(path_.string() + ": cannot be written: " + std::generic_category().message(error));
}

}  // namespace mlx_vision::core
