// Loading of code objects through memfd and dlopen.
#include "runtime/artifact/CodeObject.h"

#include "runtime/artifact/ElfCheck.h"

#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace plexus {
namespace {

/// Closes a file descriptor at the end of its life.
struct Descriptor {
  int fd;
  explicit Descriptor(int fd) : fd(fd) {}
  Descriptor(Descriptor &&other) noexcept : fd(std::exchange(other.fd, -1)) {}
  ~Descriptor() {
    if (fd >= 0)
      close(fd);
  }
};

class ElfModule : public CodeModule {
public:
  ElfModule(Descriptor file, void *handle, std::string isa)
      : file_(std::move(file)), handle_(handle), isa_(std::move(isa)) {}
  ~ElfModule() override { dlclose(handle_); }
  void *lookup(std::string_view symbol) const override {
    return dlsym(handle_, std::string(symbol).c_str());
  }
  std::string_view isa() const override { return isa_; }

private:
  /// Stays open as long as the code is loaded: the dynamic linker knows a library by its path, and
  /// would take another one under the same descriptor number for this one.
  Descriptor file_;
  void *handle_;
  std::string isa_;
};

} // namespace

Expected<std::shared_ptr<const CodeModule>> loadCodeObject(std::string_view image,
                                                           std::string isa) {
  PLX_RETURN_IF_ERROR(
      checkCodeObject(reinterpret_cast<const uint8_t *>(image.data()), image.size()));
  Descriptor file{memfd_create("plexus-code", MFD_CLOEXEC)};
  if (file.fd < 0)
    return error(Code::Io) << "memfd_create: " << std::strerror(errno);
  for (size_t done = 0; done < image.size();) {
    ssize_t wrote = write(file.fd, image.data() + done, image.size() - done);
    if (wrote < 0 && errno == EINTR)
      continue;
    if (wrote <= 0)
      return error(Code::ResourceExhausted)
             << "writing the code to memory: " << std::strerror(errno);
    done += static_cast<size_t>(wrote);
  }
  std::string path = "/proc/self/fd/" + std::to_string(file.fd);
  void *handle = dlopen(path.c_str(), RTLD_LOCAL | RTLD_NOW);
  if (!handle)
    return error(Code::Corrupt) << "the dynamic linker refused the code: " << dlerror();
  return std::shared_ptr<const CodeModule>(
      std::make_shared<ElfModule>(std::move(file), handle, std::move(isa)));
}

} // namespace plexus
