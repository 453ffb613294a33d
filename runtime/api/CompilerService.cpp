// Finds and loads the compiler's library beside the one that this code is in.
#include "runtime/api/CompilerService.h"

#include <dlfcn.h>

#include <filesystem>
#include <mutex>

namespace plexus {

Expected<CompilerService *> compilerService() {
  static std::mutex mutex;
  static CompilerService *service = nullptr;
  std::lock_guard lock(mutex);
  if (service)
    return service;
  Dl_info self;
  if (!dladdr(reinterpret_cast<const void *>(&compilerService), &self))
    return error(Code::NotFound) << "cannot tell where Plexus's runtime library lies";
  auto path = std::filesystem::path(self.dli_fname).parent_path() / kCompilerLibrary;
  // Never unloaded: it registers dialects and passes.
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return error(Code::NotFound)
           << "the compiler cannot be loaded, so only artifacts (.plx) can be "
              "run: "
           << dlerror();
  auto entry = reinterpret_cast<CompilerEntry>(dlsym(library, kCompilerEntry));
  if (!entry)
    return error(Code::Mismatch) << path.string() << ": has no " << kCompilerEntry
                                 << "; it is not of this installation";
  service = entry();
  return service;
}

} // namespace plexus
