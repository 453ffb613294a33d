// Linking with lld, in this process.
#include "compiler/codegen/Codegen.h"
#include "compiler/support/Diagnostics.h"
#include "compiler/support/TempFolder.h"
#include "runtime/io/MappedFile.h"

#include "lld/Common/Driver.h"
#include "llvm/Support/raw_ostream.h"

#include <dlfcn.h>
#include <link.h>
#include <mutex>

LLD_HAS_DRIVER(elf)

namespace plexus::compiler {
namespace {

/// Where this process has the library of that soname: what the linker resolves imports against.
Expected<std::string> pathOfLibrary(const char *soname) {
  void *handle = dlopen(soname, RTLD_LAZY);
  link_map *map = nullptr;
  if (!handle || dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0)
    return error(Code::NotFound) << "the C library " << soname << ": " << dlerror();
  std::string path = map->l_name;
  dlclose(handle);
  return path;
}

Expected<std::vector<std::string>> linkerArguments(std::span<const std::string> objects,
                                                   const LinkOptions &options,
                                                   const TempFolder &folder,
                                                   const std::string &output) {
  std::vector<std::string> arguments = {"ld.lld",
                                        "-shared",
                                        "-o",
                                        output,
                                        "-z",
                                        "now",
                                        "-z",
                                        "relro",
                                        "-z",
                                        "noexecstack",
                                        "-z",
                                        "defs",
                                        "-z",
                                        "max-page-size=4096",
                                        "--hash-style=sysv",
                                        "--build-id=none",
                                        "--gc-sections",
                                        "--strip-all",
                                        "--threads=1",
                                        "--as-needed"};
  if (!options.soname.empty()) {
    arguments.push_back("-soname");
    arguments.push_back(options.soname);
  }
  if (!options.exports.empty()) {
    std::string script = "{ global:";
    for (const std::string &name : options.exports)
      script += " " + name + ";";
    PLX_ASSIGN(std::string path, folder.write("exports", script + " local: *; };\n"));
    arguments.push_back("--version-script=" + path);
  }
  for (size_t i = 0; i < objects.size(); ++i) {
    PLX_ASSIGN(std::string path, folder.write(std::to_string(i) + ".o", objects[i]));
    arguments.push_back(path);
  }
  for (const char *library : {"libm.so.6", "libc.so.6"}) {
    PLX_ASSIGN(std::string path, pathOfLibrary(library));
    arguments.push_back(path);
  }
  return arguments;
}

} // namespace

Expected<std::string> linkSharedObject(std::span<const std::string> objects,
                                       const LinkOptions &options, CompileStats &stats) {
  PhaseTimer timer(stats.link);
  PLX_ASSIGN(TempFolder folder, TempFolder::create());
  std::string output = folder.path() + "/linked.so";
  PLX_ASSIGN(auto arguments, linkerArguments(objects, options, folder, output));
  std::vector<const char *> pointers;
  for (const std::string &argument : arguments)
    pointers.push_back(argument.c_str());
  std::string text;
  llvm::raw_string_ostream messages(text);
  static std::mutex oneAtATime; // lld keeps its state in globals
  static bool usable = true;
  std::scoped_lock lock(oneAtATime);
  if (!usable)
    return error(Code::Internal) << "an earlier failure left the linker unusable in this process";
  lld::Result result = lld::lldMain(pointers, messages, messages, {{lld::Gnu, &lld::elf::link}});
  usable = result.canRunAgain;
  if (result.retCode != 0)
    return error(Code::Internal) << "linking failed: " << messages.str();
  PLX_ASSIGN(std::string image, readTextFile(output, size_t(1) << 31));
  return image;
}

} // namespace plexus::compiler
