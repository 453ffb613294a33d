// plexus: compiles and runs models.
#include "Command.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

using namespace plexus::cli;

namespace {

using Commands = std::vector<std::pair<CLI::App *, std::function<int()>>>;

bool isCommand(const Commands &commands, const std::string &name) {
  for (auto &[command, run] : commands)
    if (command->get_name() == name)
      return true;
  return false;
}

int unknownCommand(const Commands &commands, const std::string &name) {
  std::string known;
  for (auto &[command, run] : commands)
    known += (known.empty() ? "" : ", ") + command->get_name();
  std::fprintf(stderr, "plexus: there is no command '%s'; there is %s\n", name.c_str(),
               known.c_str());
  return kUsage;
}

/// A full disk behind stdout is a failure like any other.
int flushed(int code) {
  if (std::fflush(stdout) == 0 && !std::ferror(stdout))
    return code;
  std::fprintf(stderr, "plexus: stdout cannot be written: %s\n", std::strerror(errno));
  return kFailed;
}

} // namespace

int main(int argc, char **argv) {
  CLI::App app("Plexus compiles models ahead of time or just in time, and runs them.\n\n"
               "  plexus compile MODEL -o m.plx\n"
               "  plexus generate m.plx --prompt \"Once upon a time\"\n\n"
               "MODEL is a Hugging Face directory, a GGUF file, or a module's text (.mlir).",
               "plexus");
  app.require_subcommand(1);
  app.set_version_flag("--version", PLEXUS_VERSION);
  Commands commands;
  for (Register add : {addCompile, addGenerate, addRun, addStream, addBench, addEmbed, addTokenize,
                       addPerplexity, addInspect, addPlugins}) {
    auto run = add(app);
    commands.emplace_back(app.get_subcommands({}).back(), std::move(run));
  }
  try {
    app.parse(argc, argv);
    for (auto &[command, run] : commands)
      if (command->parsed())
        return flushed(run());
  } catch (const CLI::ParseError &e) {
    if (argc > 1 && argv[1][0] != '-' && !isCommand(commands, argv[1]))
      return unknownCommand(commands, argv[1]);
    return app.exit(e) == 0 ? kDone : kUsage;
  } catch (const std::exception &e) { // Memory, above all.
    std::fprintf(stderr, "plexus: %s\n", e.what());
    return kFailed;
  }
  return kUsage;
}
