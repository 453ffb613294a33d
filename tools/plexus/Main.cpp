// plexus: compiles and runs models.
#include "Command.h"

#include <cstdio>

using namespace plexus::cli;

int main(int argc, char **argv) {
  CLI::App app("Plexus compiles models ahead of time or just in time, and runs them.\n\n"
               "  plexus compile MODEL -o m.plx\n"
               "  plexus generate m.plx --prompt \"Once upon a time\"\n\n"
               "MODEL is a Hugging Face directory, a GGUF file, or a module's text (.mlir).",
               "plexus");
  app.require_subcommand(1);
  app.set_version_flag("--version", PLEXUS_VERSION);
  std::vector<std::pair<CLI::App *, std::function<int()>>> commands;
  for (Register add : {addCompile, addGenerate}) {
    auto run = add(app);
    commands.emplace_back(app.get_subcommands({}).back(), std::move(run));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &e) {
    return app.exit(e) == 0 ? kDone : kUsage;
  }
  for (auto &[command, run] : commands)
    if (command->parsed())
      return run();
  return kUsage;
}
