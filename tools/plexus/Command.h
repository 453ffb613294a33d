// What the commands share: how one is declared, how errors leave, and the options that several
// have.
#pragma once

#include "runtime/api/OpenModel.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <functional>

namespace plexus::cli {

/// Exit codes: 0 done, 1 failed, 2 wrong usage.
inline constexpr int kDone = 0, kFailed = 1, kUsage = 2;

/// A command: adds itself to the app, and what runs when it was chosen.
using Register = std::function<int()> (*)(CLI::App &app);

std::function<int()> addCompile(CLI::App &app);
std::function<int()> addGenerate(CLI::App &app);
std::function<int()> addRun(CLI::App &app);
std::function<int()> addStream(CLI::App &app);
std::function<int()> addBench(CLI::App &app);
std::function<int()> addEmbed(CLI::App &app);
std::function<int()> addTokenize(CLI::App &app);
std::function<int()> addPerplexity(CLI::App &app);
std::function<int()> addInspect(CLI::App &app);
std::function<int()> addPlugins(CLI::App &app);

/// Prints an error to stderr; returns its exit code (wrong usage for InvalidArgument).
int fail(const Status &status);

/// One JSON document on stdout.
void printJson(const nlohmann::ordered_json &document);

/// An option that may be given several times, one value each time.
CLI::Option *addRepeated(CLI::App &command, const std::string &name,
                         std::vector<std::string> &values, const std::string &help);

/// An option with one list of numbers, as 1,2,3: no signs, nothing empty.
template <typename Number>
CLI::Option *addNumbers(CLI::App &command, const std::string &name, std::vector<Number> &numbers,
                        const std::string &help) {
  return command.add_option(name, numbers, help)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check([](const std::string &text) {
        const bool digits = text.find_first_not_of("0123456789") == std::string::npos;
        return digits && !text.empty() ? "" : "'" + text + "': expected whole numbers, as in 1,2,3";
      });
}

/// The arguments of --set, each key=value.
Expected<std::vector<std::pair<std::string, std::string>>>
parseSettings(const std::vector<std::string> &settings);

/// All bytes of a file, or of stdin for "-".
Expected<std::string> readInput(const std::string &path);

/// MODEL, --weights, --compute, --products, --isa, --cache, --no-cache, --plugin.
struct ModelArguments {
  std::string model;
  CompileChoices choices;
  std::vector<std::string> plugins;
  int threads = 0;
  void add(CLI::App &command, bool compileOnly);
  /// Loads --plugin files and sets --threads.
  Status apply() const;
  Expected<OpenedModelPtr> open(bool jit = false) const { return openOne(model, jit); }
  Expected<OpenedModelPtr> openOne(const std::string &path, bool jit) const;
};

} // namespace plexus::cli
