// Finds, checks and loads plugins of the stable tier, and says why one was refused.
#pragma once

#include "runtime/plugins/Manifest.h"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include <plexus/plugin.h>

namespace plexus {

/// A plugin whose code is loaded. Unloaded with the last pointer, so that whoever holds an instance
/// holds this too.
class LoadedPlugin {
public:
  virtual ~LoadedPlugin() = default;
  /// The factory of that id, or NULL.
  const void *factory(const char *id) const { return entry_->get_factory(id); }
  const PluginManifest &manifest() const { return manifest_; }
  const std::string &path() const { return path_; }

protected:
  PluginManifest manifest_;
  std::string path_;
  const plx_plugin *entry_ = nullptr;
};

/// One file that the search met.
struct PluginRecord {
  std::string path;
  PluginManifest manifest; ///< Empty where the manifest could not be read.
  Status refused;          ///< Why it is not used; Ok: it is, or will be when first needed.
  /// For each provision, why it is not used: another plugin came first with the same kind and id.
  std::vector<Status> shadowed;
  std::shared_ptr<LoadedPlugin> loaded; ///< Null until something of it is used.
};

/// A provision with the code behind it.
struct Provider {
  std::shared_ptr<LoadedPlugin> plugin;
  const Provision *provision = nullptr;
};

struct PluginHostOptions {
  std::vector<std::string> paths; ///< Files or folders, as --plugin gives them; searched first.
  bool environment = true;        ///< PLEXUS_PLUGIN_PATH, colon-separated files or folders.
  bool userDirectory = true;      ///< $XDG_DATA_HOME/plexus/plugins, else ~/.local/share/...
  bool installed = true;          ///< plexus/plugins beside the library that this code is in.
  /// What plugins log; empty: stderr.
  std::function<void(plx_log_level, std::string_view plugin, std::string_view message)> log;
};

/// The plugins of a process or of a test. Manifests are read when the host is made; code is loaded
/// when something of a plugin is first asked for. All functions may be called from any thread.
class PluginHost {
public:
  explicit PluginHost(PluginHostOptions options = {});
  ~PluginHost();
  PluginHost(const PluginHost &) = delete;
  PluginHost &operator=(const PluginHost &) = delete;

  /// The host of the library's own use: the default places.
  static PluginHost &shared();

  /// Adds a file, or the *.so of a folder, behind what is there. For one file, returns why it was
  /// refused, if it was; a folder never fails unless it cannot be read.
  Status add(const std::string &path);

  /// The provision of that kind and id, its plugin loaded. NotFound lists what there is and which
  /// plugins were refused; a plugin that cannot be loaded gives that error.
  Expected<Provider> find(std::string_view kind, std::string_view id);

  /// The manifest's entry without loading code; null when there is none.
  const Provision *provision(std::string_view kind, std::string_view id) const;

  /// Everything found, in search order; for `plexus plugins`. With `load`, loads each plugin first,
  /// so that what fails only then is told too.
  std::vector<PluginRecord> list(bool load = false);

private:
  struct Found {
    PluginRecord *record;
    size_t provision;
  };
  void addDirectory(const std::string &directory);
  Status addFile(const std::string &path);
  Status load(PluginRecord &record);
  std::optional<Found> lookup(std::string_view kind, std::string_view id) const;

  PluginHostOptions options_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<PluginRecord>> records_;
};

/// lib/plexus/plugins of the installation or build tree that this library was loaded from; empty if
/// the loader does not tell.
std::string installedPluginDirectory();

} // namespace plexus
