// plexus plugins: what was found, and why something was refused.
#include "Command.h"

#include "runtime/plugins/Host.h"

#include <cstdio>

namespace plexus::cli {
namespace {

struct Arguments {
  std::vector<std::string> plugins;
  bool load = false, json = false;
};

nlohmann::ordered_json toJson(const PluginRecord &record) {
  nlohmann::ordered_json provides = nlohmann::json::array();
  for (size_t i = 0; i < record.manifest.provides.size(); ++i) {
    const Provision &p = record.manifest.provides[i];
    nlohmann::ordered_json entry = {{"kind", p.kind}, {"id", p.id}, {"summary", p.summary}};
    if (p.kind == "strategy")
      entry["lossless"] = p.lossless;
    if (!p.modelTypes.empty())
      entry["model_types"] = p.modelTypes;
    if (!p.options.empty())
      entry["options"] = p.options;
    if (i < record.shadowed.size() && !record.shadowed[i])
      entry["shadowed"] = record.shadowed[i].message();
    provides.push_back(std::move(entry));
  }
  nlohmann::ordered_json out = {{"path", record.path},
                                {"name", record.manifest.name},
                                {"version", record.manifest.version},
                                {"provides", provides}};
  if (!record.refused)
    out["refused"] = record.refused.message();
  return out;
}

std::string joined(const std::vector<std::string> &words) {
  std::string out;
  for (const std::string &word : words)
    out += (out.empty() ? "" : ", ") + word;
  return out;
}

void print(const PluginRecord &record) {
  if (!record.refused) {
    std::printf("%s\n  REFUSED: %s\n", record.path.c_str(), record.refused.message().c_str());
    return;
  }
  std::printf("%s %s  %s\n", record.manifest.name.c_str(), record.manifest.version.c_str(),
              record.path.c_str());
  for (size_t i = 0; i < record.manifest.provides.size(); ++i) {
    const Provision &p = record.manifest.provides[i];
    std::printf("  %-9s %-20s %s%s\n", p.kind.c_str(), p.id.c_str(), p.summary.c_str(),
                p.lossless ? " (lossless)" : "");
    if (!p.options.empty())
      std::printf("  %-30s options: %s\n", "", joined(p.options).c_str());
    if (!p.modelTypes.empty())
      std::printf("  %-30s model types: %s\n", "", joined(p.modelTypes).c_str());
    if (i < record.shadowed.size() && !record.shadowed[i])
      std::printf("  %-30s not used: %s\n", "", record.shadowed[i].message().c_str());
  }
}

int run(const Arguments &a) {
  PluginHost &host = PluginHost::shared();
  // A file that is refused is listed with its reason, as any other.
  for (const std::string &path : a.plugins)
    if (Status s = host.add(path); !s)
      std::fprintf(stderr, "plexus: %s\n", s.message().c_str());
  const std::vector<PluginRecord> records = host.list(a.load);
  if (a.json) {
    nlohmann::ordered_json list = nlohmann::json::array();
    for (const PluginRecord &record : records)
      list.push_back(toJson(record));
    printJson({{"plugins", list}});
    return kDone;
  }
  for (const PluginRecord &record : records)
    print(record);
  return kDone;
}

} // namespace

std::function<int()> addPlugins(CLI::App &app) {
  auto a = std::make_shared<Arguments>();
  CLI::App *c = app.add_subcommand(
      "plugins", "List plugins: families, strategies, samplers; and what was refused, and why.\n\n"
                 "  plexus plugins\n"
                 "  plexus plugins --plugin ./my_strategy.so --load --json\n\n"
                 "They are searched in --plugin, PLEXUS_PLUGIN_PATH, the user's data folder and "
                 "the installation, in that order.");
  addRepeated(*c, "--plugin", a->plugins, "A plugin to add, or a folder of them");
  c->add_flag("--load", a->load, "Load each one, to see what fails only then");
  c->add_flag("--json", a->json, "Print the list as JSON");
  return [a] { return run(*a); };
}

} // namespace plexus::cli
