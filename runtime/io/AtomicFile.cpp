#include "runtime/io/AtomicFile.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <random>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace plexus {
namespace {

std::string folderOf(const std::string &path) {
  std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

/// Makes a rename durable; a file system that cannot sync a folder loses nothing but that.
void syncFolder(const std::string &folder) {
  int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return;
  ::fsync(fd);
  ::close(fd);
}

/// What the permissions of a new file would be: 0666 less the process's mask. The mask can only be
/// read by setting it, which is not safe with threads; Linux shows it in /proc.
mode_t newFileMode() {
  mode_t mask = 022;
  if (FILE *status = std::fopen("/proc/self/status", "re")) {
    std::array<char, 256> line;
    unsigned value = 0;
    while (std::fgets(line.data(), line.size(), status))
      if (std::sscanf(line.data(), "Umask: %o", &value) == 1)
        mask = static_cast<mode_t>(value);
    std::fclose(status);
  }
  return 0666 & ~mask;
}

/// A file without a name, which a process that dies takes with it; -1 where the file system has
/// none.
int openNameless(const std::string &folder) {
  if (::access("/proc/self/fd", X_OK) != 0)
    return -1;
  return ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
}

/// Gives a file without a name the first of the names "<prefix>XXXXXX" that is free; empty with
/// errno where that fails.
std::string nameFile(int fd, const std::string &prefix) {
  const std::string self = "/proc/self/fd/" + std::to_string(fd);
  std::random_device random;
  for (int tries = 0; tries < 100; ++tries) {
    std::string name = prefix + std::to_string(random());
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0)
      return name;
    if (errno != EEXIST)
      break;
  }
  return {};
}

} // namespace

Expected<AtomicFile> AtomicFile::create(const std::string &path) {
  AtomicFile file;
  file.path_ = path;
  std::filesystem::path name = std::filesystem::path(path).filename();
  struct stat info = {};
  const bool there = ::stat(path.c_str(), &info) == 0;
  if (name.empty() || (there && S_ISDIR(info.st_mode)))
    return error(Code::InvalidArgument) << path << ": expected a file name, found a folder";
  // The rename would put a file in a device's place.
  if (there && !S_ISREG(info.st_mode))
    return error(Code::InvalidArgument) << path << ": expected a file, found a device or pipe";
  file.prefix_ = folderOf(path) + "/." + name.string() + ".";
  file.fd_ = openNameless(folderOf(path));
  if (file.fd_ >= 0)
    return file;
  std::string pattern = file.prefix_ + "XXXXXX";
  file.fd_ = ::mkostemp(pattern.data(), O_CLOEXEC);
  if (file.fd_ < 0)
    return file.failed("cannot create a file in this folder", errno);
  file.temporary_ = pattern;
  ::fchmod(file.fd_, newFileMode()); // mkostemp gives 0600.
  return file;
}

AtomicFile::AtomicFile(AtomicFile &&other) noexcept { *this = std::move(other); }

AtomicFile &AtomicFile::operator=(AtomicFile &&other) noexcept {
  if (this != &other) {
    discard();
    path_ = std::move(other.path_);
    prefix_ = std::move(other.prefix_);
    temporary_ = std::exchange(other.temporary_, {});
    fd_ = std::exchange(other.fd_, -1);
    offset_ = other.offset_;
  }
  return *this;
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() {
  if (fd_ >= 0)
    ::close(std::exchange(fd_, -1));
  if (!temporary_.empty())
    ::unlink(std::exchange(temporary_, {}).c_str());
}

Status AtomicFile::failed(std::string_view what, int code) const {
  bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
  return error(full             ? Code::ResourceExhausted
               : code == ENOENT ? Code::NotFound
                                : Code::Io)
         << path_ << ": " << what << ": " << std::strerror(code)
         << (full ? "; nothing was written under this name" : "");
}

Status AtomicFile::writeAll(uint64_t offset, const void *bytes, size_t size) {
  if (fd_ < 0)
    return error(Code::Internal) << path_ << ": written to after it was closed";
  const auto *next = static_cast<const char *>(bytes);
  while (size > 0) {
    ssize_t written = ::pwrite(fd_, next, size, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return failed("cannot write", written < 0 ? errno : ENOSPC);
    next += written;
    offset += static_cast<uint64_t>(written);
    size -= static_cast<size_t>(written);
  }
  return Status::ok();
}

Status AtomicFile::write(const void *bytes, size_t size) {
  PLX_RETURN_IF_ERROR(writeAll(offset_, bytes, size));
  offset_ += size;
  return Status::ok();
}

Status AtomicFile::align(size_t alignment) {
  static constexpr std::array<char, 4096> zeros{};
  for (size_t missing = (alignment - offset_ % alignment) % alignment; missing > 0;) {
    size_t count = std::min(missing, zeros.size());
    PLX_RETURN_IF_ERROR(write(zeros.data(), count));
    missing -= count;
  }
  return Status::ok();
}

Status AtomicFile::writeAt(uint64_t offset, const void *bytes, size_t size) {
  if (offset > offset_ || size > offset_ - offset)
    return error(Code::Internal) << path_ << ": overwriting bytes that were never written";
  return writeAll(offset, bytes, size);
}

Status AtomicFile::commit() {
  if (fd_ < 0)
    return error(Code::Internal) << path_ << ": committed twice";
  // Some file systems report a full disk only here.
  if (::fsync(fd_) != 0)
    return failed("cannot write", errno);
  if (temporary_.empty() && (temporary_ = nameFile(fd_, prefix_)).empty())
    return failed("cannot create a file in this folder", errno);
  if (::close(std::exchange(fd_, -1)) != 0)
    return failed("cannot write", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0)
    return failed("cannot replace", errno);
  temporary_.clear();
  syncFolder(folderOf(path_));
  return Status::ok();
}

Status writeFileAtomically(const std::string &path, std::string_view bytes) {
  PLX_ASSIGN(AtomicFile file, AtomicFile::create(path));
  PLX_RETURN_IF_ERROR(file.write(bytes));
  return file.commit();
}

} // namespace plexus
