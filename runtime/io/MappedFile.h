// A file mapped into memory for reading.
#pragma once

#include "runtime/support/Status.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace plexus {

/// Read-only view of a regular file; unmapped when the last pointer goes. Its bytes are page cache,
/// not anonymous memory. A file that another process shortens while it is mapped raises SIGBUS on
/// access, as with every mapped file: replace files by renaming, as AtomicFile does.
class MappedFile {
public:
  /// NotFound, Io, or InvalidArgument (not a regular file). An empty file has size 0 and no data.
  static Expected<std::shared_ptr<const MappedFile>> open(const std::string &path);
  ~MappedFile();
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;

  const uint8_t *data() const { return data_; }
  size_t size() const { return size_; }
  const std::string &path() const { return path_; }
  /// Changes whenever the file is replaced or written: absolute path, size, inode, time of change.
  const std::string &identity() const { return identity_; }

  /// The file is about to be read front to back: more read-ahead.
  void adviseSequential() const;
  /// Bytes [offset, offset + length) are no longer needed: their pages leave this process's memory
  /// (whole pages only) and are read again if touched. For streaming through large files.
  void dropRange(size_t offset, size_t length) const;

private:
  MappedFile() = default;
  std::string path_, identity_;
  const uint8_t *data_ = nullptr;
  size_t size_ = 0;
};

/// The whole of a file as a string. Refuses more than `maxBytes`: small text files only.
Expected<std::string> readTextFile(const std::string &path, size_t maxBytes);

} // namespace plexus
