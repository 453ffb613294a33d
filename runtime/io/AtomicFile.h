// Writing a file so that its final name holds all of it or nothing.
#pragma once

#include "runtime/support/Status.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace plexus {

/// Writes to a file without a name in the same folder; commit() makes the bytes durable, names it
/// and renames. A process that dies while writing leaves the final name as it was, and nothing
/// else. (Where the file system has no files without a name, the temporary name stays.) Destroyed
/// without commit(), what was written is gone. Every error names the file; a full disk is
/// ResourceExhausted.
class AtomicFile {
public:
  static Expected<AtomicFile> create(const std::string &path);
  AtomicFile(AtomicFile &&other) noexcept;
  AtomicFile &operator=(AtomicFile &&other) noexcept;
  ~AtomicFile();

  /// Appends at offset().
  Status write(const void *bytes, size_t size);
  Status write(std::string_view bytes) { return write(bytes.data(), bytes.size()); }
  /// Appends zeros until offset() is a multiple of `alignment`.
  Status align(size_t alignment);
  /// Overwrites bytes that were written before, as for a header that is known last.
  Status writeAt(uint64_t offset, const void *bytes, size_t size);
  /// Bytes appended so far.
  uint64_t offset() const { return offset_; }

  /// Writes out, syncs, renames to the final name. Call once; nothing may be written after.
  Status commit();

private:
  AtomicFile() = default;
  Status failed(std::string_view what, int code) const;
  Status writeAll(uint64_t offset, const void *bytes, size_t size);
  void discard();
  std::string path_;
  std::string prefix_;    ///< Of temporary names: folder and "." and name and ".".
  std::string temporary_; ///< Empty while the file has no name.
  int fd_ = -1;
  uint64_t offset_ = 0;
};

/// The whole file at once.
Status writeFileAtomically(const std::string &path, std::string_view bytes);

} // namespace plexus
