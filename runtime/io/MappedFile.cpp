#include "runtime/io/MappedFile.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace plexus {
namespace {

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0)
      ::close(fd);
  }
};

std::string describeIdentity(const std::string &path, const struct stat &info) {
  std::error_code ignored;
  std::string absolute = std::filesystem::absolute(path, ignored).string();
  return absolute + ":" + std::to_string(info.st_size) + ":" + std::to_string(info.st_dev) + "." +
         std::to_string(info.st_ino) + ":" + std::to_string(info.st_mtim.tv_sec) + "." +
         std::to_string(info.st_mtim.tv_nsec);
}

} // namespace

Expected<std::shared_ptr<const MappedFile>> MappedFile::open(const std::string &path) {
  // O_NONBLOCK: a FIFO must be refused, not waited for.
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0)
    return error(errno == ENOENT || errno == ENOTDIR ? Code::NotFound : Code::Io)
           << path << ": " << std::strerror(errno);
  struct stat info = {};
  if (::fstat(file.fd, &info) != 0)
    return error(Code::Io) << path << ": " << std::strerror(errno);
  if (!S_ISREG(info.st_mode))
    return error(Code::InvalidArgument)
           << path << ": expected a file, found "
           << (S_ISDIR(info.st_mode) ? "a directory" : "something that is no regular file");

  std::shared_ptr<MappedFile> mapped(new MappedFile());
  mapped->path_ = path;
  mapped->identity_ = describeIdentity(path, info);
  if (info.st_size > 0) {
    size_t size = static_cast<size_t>(info.st_size);
    void *address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
    if (address == MAP_FAILED)
      return error(Code::Io) << path << ": cannot map " << size
                             << " bytes: " << std::strerror(errno);
    mapped->data_ = static_cast<const uint8_t *>(address);
    mapped->size_ = size;
  }
  return std::shared_ptr<const MappedFile>(std::move(mapped));
}

MappedFile::~MappedFile() {
  if (data_)
    ::munmap(const_cast<uint8_t *>(data_), size_);
}

void MappedFile::adviseSequential() const {
  if (data_)
    ::madvise(const_cast<uint8_t *>(data_), size_, MADV_SEQUENTIAL);
}

void MappedFile::dropRange(size_t offset, size_t length) const {
  if (!data_ || offset >= size_)
    return;
  size_t end = length > size_ - offset ? size_ : offset + length;
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  size_t first = (offset + page - 1) / page * page;
  size_t last = end == size_ ? size_ : end / page * page;
  if (first < last)
    ::madvise(const_cast<uint8_t *>(data_) + first, last - first, MADV_DONTNEED);
}

Expected<std::string> readTextFile(const std::string &path, size_t maxBytes) {
  PLX_ASSIGN(auto file, MappedFile::open(path));
  if (file->size() > maxBytes)
    return error(Code::ResourceExhausted)
           << path << ": " << file->size() << " bytes, at most " << maxBytes << " are read";
  return std::string(reinterpret_cast<const char *>(file->data()), file->size());
}

} // namespace plexus
