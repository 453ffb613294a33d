// Temporary folders.
#include "compiler/support/TempFolder.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace plexus::compiler {

Expected<TempFolder> TempFolder::create() {
  const char *base = std::getenv("TMPDIR");
  std::string path = std::string(base && *base ? base : "/tmp") + "/plexus-XXXXXX";
  if (!mkdtemp(path.data()))
    return error(Code::Io) << "cannot make a temporary folder like " << path << ": "
                           << std::strerror(errno);
  return TempFolder(std::move(path));
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  if (!path_.empty())
    std::filesystem::remove_all(path_, ignored);
}

Expected<std::string> TempFolder::write(std::string_view name, std::string_view bytes) const {
  std::string path = path_ + "/" + std::string(name);
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out)
    return error(Code::ResourceExhausted) << "cannot write " << path << "; is the disk full?";
  return path;
}

} // namespace plexus::compiler
