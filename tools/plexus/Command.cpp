// Options that several commands have, and how errors leave.
#include "Command.h"

#include "Progress.h"
#include "runtime/plugins/Host.h"
#include "runtime/threads/ThreadPool.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

namespace plexus::cli {

int fail(const Status &status) {
  std::fprintf(stderr, "plexus: %s\n", status.message().c_str());
  return status.code() == Code::InvalidArgument ? kUsage : kFailed;
}

void printJson(const nlohmann::ordered_json &document) {
  const std::string text =
      document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

CLI::Option *addRepeated(CLI::App &command, const std::string &name,
                         std::vector<std::string> &values, const std::string &help) {
  // Without this, one flag would take all words behind it, MODEL included.
  return command.add_option(name, values, help + "; may be repeated")->allow_extra_args(false);
}

Expected<std::vector<std::pair<std::string, std::string>>>
parseSettings(const std::vector<std::string> &settings) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const std::string &setting : settings) {
    const size_t eq = setting.find('=');
    if (eq == std::string::npos || eq == 0)
      return error(Code::InvalidArgument) << "--set wants key=value, got '" << setting << "'";
    out.emplace_back(setting.substr(0, eq), setting.substr(eq + 1));
  }
  return out;
}

Expected<std::string> readInput(const std::string &path) {
  if (path == "-")
    return std::string(std::istreambuf_iterator<char>(std::cin), {});
  std::ifstream file(path, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || file.bad())
    return error(Code::NotFound) << path << ": cannot be read";
  return bytes;
}

void ModelArguments::add(CLI::App &command, bool compileOnly) {
  command
      .add_option("MODEL", model,
                  compileOnly
                      ? "A Hugging Face directory, a GGUF file, or a module's text (.mlir)"
                      : "An artifact (.plx), or what `plexus compile` takes: it is compiled "
                        "through the cache")
      ->required();
  const char *group = "Compilation";
  command
      .add_option(
          "--weights", choices.weights,
          "How weights are stored: source (as in the file), f32, bf16, f16, q8, q4 (4 bits, a "
          "scale for 32 neighbours), q4:64, q4z (zero points), q8:channel, fp8, ...")
      ->group(group)
      ->capture_default_str();
  addRepeated(command, "--keep", choices.keep,
              "PATTERN=FORM or PATTERN@LAYERS=FORM: another form for weights by name (lm_head*=q8, "
              "*down_proj*@0-3+29=q8)")
      ->group(group);
  command
      .add_option(
          "--kv", choices.kv,
          "How keys and values are kept: auto (bf16 where weights have fewer than 32 bits), "
          "f32, bf16, int8 (token by token), int4 (pages of 32 tokens, keys by channel before "
          "rope)")
      ->group(group)
      ->capture_default_str();
  command
      .add_option(
          "--compute", choices.compute,
          "How activations enter products: auto, f32 (equality with references), bf16, int8")
      ->group(group)
      ->capture_default_str();
  command
      .add_option("--products", choices.products,
                  "Products with many rows: auto, generated, onednn")
      ->group(group)
      ->capture_default_str();
  command
      .add_option("--decompose", choices.decompose,
                  "Ops to lower by their decompositions: needed, all (slow; to compare with)")
      ->group(group)
      ->capture_default_str();
  command
      .add_option("--isa", choices.isas,
                  "Instruction sets to generate code for (x86-64-v3, avx512); default: all in an "
                  "artifact, this CPU's otherwise")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group(group);
  command.add_option("--cache", choices.cacheFolder, "Folder of the compile cache")->group(group);
  command.add_flag("!--no-cache", choices.useCache, "Compile afresh")->group(group);
  addRepeated(command, "--plugin", plugins, "A plugin to load, or a folder of them")->group(group);
  command.add_option("--threads", threads, "Threads that compute; default: one a core")
      ->check(CLI::Range(1, 1024));
}

Status ModelArguments::apply() const {
  for (const std::string &path : plugins)
    PLX_RETURN_IF_ERROR(PluginHost::shared().add(path));
  if (threads > 0)
    ThreadPool::shared().setThreads(threads);
  return Status::ok();
}

Expected<OpenedModelPtr> ModelArguments::openOne(const std::string &path, bool jit) const {
  OpenOptions options;
  options.compile = choices;
  options.jit = jit || !choices.useCache;
  options.progress = progressBar();
  return openModel(path, options);
}

} // namespace plexus::cli
