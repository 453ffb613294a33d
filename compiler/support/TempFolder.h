// A private folder for intermediate files, removed with all that is in it.
#pragma once

#include "runtime/support/Status.h"

#include <string>
#include <string_view>

namespace plexus::compiler {

class TempFolder {
public:
  /// In TMPDIR, or /tmp; readable by this user alone.
  static Expected<TempFolder> create();
  TempFolder(TempFolder &&other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  TempFolder &operator=(TempFolder &&) = delete;
  ~TempFolder();
  const std::string &path() const { return path_; }
  /// Writes a file into it; returns its path.
  Expected<std::string> write(std::string_view name, std::string_view bytes) const;

private:
  explicit TempFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

} // namespace plexus::compiler
