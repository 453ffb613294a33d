// Loading by Boost.DLL, with messages that say what the loader said.
#include "runtime/plugins/SharedObject.h"

#include "runtime/plugins/Structs.h"

#include <boost/dll/shared_library.hpp>

#include <cstdio>
#include <dlfcn.h>

namespace plexus {
namespace {

class SharedObject final : public LoadedPlugin {
public:
  SharedObject(std::string path, PluginManifest manifest, decltype(PluginHostOptions::log) log)
      : log_(std::move(log)) {
    path_ = std::move(path);
    manifest_ = std::move(manifest);
    api_.struct_size = sizeof(api_);
    api_.abi_major = PLX_ABI_MAJOR;
    api_.abi_minor = PLX_ABI_MINOR;
    api_.version = toStr(PLEXUS_VERSION);
    api_.self = this;
    api_.log = &SharedObject::logMessage;
    api_.get_extension = [](void *, const char *) -> const void * { return nullptr; };
  }

  ~SharedObject() override {
    if (initialised_ && entry_->deinit)
      entry_->deinit();
  }

  Status load() {
    boost::dll::fs::error_code failed;
    dlerror();
    library_.load(path_, failed,
                  boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
    if (failed) {
      // Boost reports every failure as "Bad file descriptor"; the loader knows better.
      const char *why = dlerror();
      return fail(Code::Io) << "cannot be loaded: " << (why ? why : failed.message().c_str());
    }
    if (!library_.has(PLX_PLUGIN_ENTRY_SYMBOL))
      return fail(Code::NotFound) << "does not export " << PLX_PLUGIN_ENTRY_SYMBOL;
    entry_ = &library_.get<const plx_plugin>(PLX_PLUGIN_ENTRY_SYMBOL);
    plx_plugin entry;
    PLX_RETURN_IF_ERROR(readStruct(entry_, entry, PLX_PLUGIN_ENTRY_SYMBOL).at(path_));
    if (entry.abi_major != manifest_.abiMajor || entry.abi_minor != manifest_.abiMinor)
      return fail(Code::Mismatch) << "its entry point says ABI " << entry.abi_major << '.'
                                  << entry.abi_minor << ", its manifest " << manifest_.abiMajor
                                  << '.' << manifest_.abiMinor;
    if (!entry.get_factory)
      return fail(Code::InvalidArgument) << PLX_PLUGIN_ENTRY_SYMBOL << ".get_factory is NULL";
    return initialise();
  }

private:
  Status initialise() {
    if (entry_->init) {
      ErrorReceiver receiver;
      const plx_status code = entry_->init(&api_, receiver.get());
      PLX_RETURN_IF_ERROR(receiver.status(code, path_ + ": plugin '" + manifest_.name + "'"));
    }
    initialised_ = true;
    return Status::ok();
  }

  ErrorBuilder fail(Code code) const {
    ErrorBuilder builder(code);
    return std::move(builder) << path_ << ": plugin '" << manifest_.name << "' ";
  }

  static void logMessage(void *self, int32_t level, plx_str message) {
    const auto &plugin = *static_cast<SharedObject *>(self);
    if (plugin.log_)
      plugin.log_(static_cast<plx_log_level>(level), plugin.manifest_.name, fromStr(message));
    else
      std::fprintf(stderr, "plexus: %s: %.*s\n", plugin.manifest_.name.c_str(),
                   static_cast<int>(std::min<size_t>(message.size, 4096)), message.data);
  }

  decltype(PluginHostOptions::log) log_;
  plx_host_api api_ = {};
  boost::dll::shared_library library_;
  bool initialised_ = false;
};

} // namespace

Expected<std::shared_ptr<LoadedPlugin>>
loadSharedObject(const std::string &path, const PluginManifest &manifest,
                 const decltype(PluginHostOptions::log) &log) {
  auto plugin = std::make_shared<SharedObject>(path, manifest, log);
  PLX_RETURN_IF_ERROR(plugin->load());
  return std::shared_ptr<LoadedPlugin>(std::move(plugin));
}

} // namespace plexus
