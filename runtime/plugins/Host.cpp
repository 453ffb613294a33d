// The plugin host: search, checks, registry.
#include "runtime/plugins/Host.h"

#include "runtime/plugins/SharedObject.h"

#include <algorithm>
#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <optional>

namespace fs = std::filesystem;

namespace plexus {
namespace {

constexpr size_t maxPluginsOfFolder = 1024;

std::string userPluginDirectory() {
  if (const char *data = std::getenv("XDG_DATA_HOME"); data && *data)
    return std::string(data) + "/plexus/plugins";
  if (const char *home = std::getenv("HOME"); home && *home)
    return std::string(home) + "/.local/share/plexus/plugins";
  return {};
}

std::vector<std::string> splitPath(std::string_view list) {
  std::vector<std::string> paths;
  while (!list.empty()) {
    const size_t colon = std::min(list.find(':'), list.size());
    if (colon > 0)
      paths.emplace_back(list.substr(0, colon));
    list.remove_prefix(std::min(colon + 1, list.size()));
  }
  return paths;
}

std::string resolved(const std::string &path) {
  std::error_code failed;
  fs::path real = fs::canonical(path, failed);
  return failed ? path : real.string();
}

} // namespace

std::string installedPluginDirectory() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<const void *>(&installedPluginDirectory), &info) || !info.dli_fname)
    return {};
  return (fs::path(resolved(info.dli_fname)).parent_path() / "plexus" / "plugins").string();
}

PluginHost::PluginHost(PluginHostOptions options) : options_(std::move(options)) {
  // A default place that does not exist is no error; a path that somebody named is kept as refused.
  const auto addPlace = [&](const std::string &place) {
    std::error_code failed;
    if (!place.empty() && fs::is_directory(place, failed))
      addDirectory(place);
  };
  for (const std::string &path : options_.paths)
    (void)add(path);
  if (const char *list = std::getenv("PLEXUS_PLUGIN_PATH"); options_.environment && list)
    for (const std::string &path : splitPath(list))
      (void)add(path);
  if (options_.userDirectory)
    addPlace(userPluginDirectory());
  if (options_.installed)
    addPlace(installedPluginDirectory());
}

PluginHost::~PluginHost() = default;

PluginHost &PluginHost::shared() {
  static PluginHost host;
  return host;
}

Status PluginHost::add(const std::string &path) {
  std::lock_guard lock(mutex_);
  std::error_code failed;
  if (!fs::is_directory(path, failed))
    return addFile(path);
  addDirectory(path);
  return Status::ok();
}

void PluginHost::addDirectory(const std::string &directory) {
  std::vector<std::string> files;
  std::error_code failed;
  for (fs::directory_iterator it(directory, failed), end; !failed && it != end;
       it.increment(failed))
    if (it->path().extension() == ".so" && files.size() < maxPluginsOfFolder)
      files.push_back(it->path().string());
  std::sort(files.begin(), files.end());
  for (const std::string &file : files)
    (void)addFile(file);
}

Status PluginHost::addFile(const std::string &path) {
  const std::string real = resolved(path);
  for (const auto &record : records_)
    if (record->path == real)
      return record->refused; // met again on another way: the first one counts
  auto record = std::make_unique<PluginRecord>();
  record->path = real;
  if (auto manifest = readManifest(real)) {
    record->manifest = *std::move(manifest);
    record->refused = checkManifestAbi(record->manifest, PLX_ABI_MAJOR, PLX_ABI_MINOR).at(real);
  } else {
    record->refused = manifest.status();
  }
  for (const Provision &provision : record->manifest.provides) {
    Status &why = record->shadowed.emplace_back();
    if (const auto first = lookup(provision.kind, provision.id); first && record->refused)
      why = error(Code::InvalidArgument) << provision.kind << " '" << provision.id
                                         << "' is already provided by " << first->record->path;
  }
  records_.push_back(std::move(record));
  return records_.back()->refused;
}

std::optional<PluginHost::Found> PluginHost::lookup(std::string_view kind,
                                                    std::string_view id) const {
  for (const auto &record : records_)
    for (size_t i = 0; record->refused && i < record->manifest.provides.size(); ++i)
      if (const Provision &provision = record->manifest.provides[i];
          record->shadowed[i] && provision.kind == kind && provision.id == id)
        return Found{record.get(), i};
  // A family builds models of other types than its id, where it lists them.
  for (const auto &record : records_)
    for (size_t i = 0; kind == "family" && record->refused && i < record->manifest.provides.size();
         ++i)
      if (const Provision &provision = record->manifest.provides[i];
          record->shadowed[i] && provision.kind == kind &&
          std::find(provision.modelTypes.begin(), provision.modelTypes.end(), id) !=
              provision.modelTypes.end())
        return Found{record.get(), i};
  return std::nullopt;
}

const Provision *PluginHost::provision(std::string_view kind, std::string_view id) const {
  std::lock_guard lock(mutex_);
  const auto found = lookup(kind, id);
  return found ? &found->record->manifest.provides[found->provision] : nullptr;
}

Status PluginHost::load(PluginRecord &record) {
  if (!record.refused || record.loaded)
    return record.refused;
  auto loaded = loadSharedObject(record.path, record.manifest, options_.log);
  if (loaded)
    record.loaded = *std::move(loaded);
  else
    record.refused = loaded.status();
  return record.refused;
}

Expected<Provider> PluginHost::find(std::string_view kind, std::string_view id) {
  std::lock_guard lock(mutex_);
  if (const auto found = lookup(kind, id)) {
    PLX_RETURN_IF_ERROR(load(*found->record));
    return Provider{found->record->loaded, &found->record->manifest.provides[found->provision]};
  }
  std::string known, refused;
  for (const auto &record : records_) {
    if (!record->refused)
      refused += "\n  refused: " + record->refused.message();
    for (const Provision &provision : record->manifest.provides)
      if (record->refused && provision.kind == kind)
        known += (known.empty() ? "" : ", ") + provision.id;
  }
  return error(Code::NotFound) << "no " << kind << " '" << id << "'; there is "
                               << (known.empty() ? "none" : known)
                               << " (add plugins with --plugin or PLEXUS_PLUGIN_PATH)" << refused;
}

std::vector<PluginRecord> PluginHost::list(bool loadAll) {
  std::lock_guard lock(mutex_);
  std::vector<PluginRecord> all;
  for (const auto &record : records_) {
    if (loadAll)
      (void)load(*record);
    all.push_back(*record);
  }
  return all;
}

} // namespace plexus
