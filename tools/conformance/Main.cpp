// plexus-conformance: compares models and tokenizers with recorded results of their reference.
#include "compiler/support/TempFolder.h"
#include "frontends/gguf/GgufModel.h"
#include "tools/conformance/ModelPack.h"
#include "tools/conformance/TokenizerPack.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <map>

using namespace plexus;
using namespace plexus::conformance;

namespace {

struct Arguments {
  std::vector<std::string> packs, compileOptions;
  bool keepGoing = false, jit = false, quiet = false;
  double norm = 0;
};

/// Counts results and prints one line for each.
class Report {
public:
  explicit Report(const Arguments &arguments) : arguments_(arguments) {}
  /// False where the run should end.
  bool add(const std::string &pack, const CaseResult &result) {
    ++(result.passed() ? passed_ : failed_);
    if (!result.passed())
      std::printf("FAIL %s/%s: %s\n", pack.c_str(), result.name.c_str(), result.difference.c_str());
    else if (!arguments_.quiet)
      std::printf("pass %s/%s  %s%.3g\n", pack.c_str(), result.name.c_str(),
                  result.remark.empty() ? "largest error " : (result.remark + "  ").c_str(),
                  result.largestError);
    std::fflush(stdout);
    return goesOn();
  }
  bool goesOn() const { return !failed_ || arguments_.keepGoing; }
  int close() const {
    std::printf("%zu passed, %zu failed\n", passed_, failed_);
    return failed_ ? 1 : 0;
  }

private:
  const Arguments &arguments_;
  size_t passed_ = 0, failed_ = 0;
};

/// key=value into the choices, by the names of plexus compile's options.
Status readChoice(const std::string &text, CompileChoices &choices) {
  const std::map<std::string, std::string CompileChoices::*> words = {
      {"weights", &CompileChoices::weights},     {"kv", &CompileChoices::kv},
      {"compute", &CompileChoices::compute},     {"products", &CompileChoices::products},
      {"decompose", &CompileChoices::decompose}, {"cache", &CompileChoices::cacheFolder}};
  const size_t eq = text.find('=');
  const std::string key = text.substr(0, eq);
  if (eq != std::string::npos && key == "isa") {
    choices.isas = {text.substr(eq + 1)};
    return Status::ok();
  }
  auto word = words.find(key);
  if (eq == std::string::npos || word == words.end())
    return error(Code::InvalidArgument)
           << "--compile-option " << text
           << ": expected key=value with weights, kv, compute, products, "
              "decompose, isa or cache";
  choices.*word->second = text.substr(eq + 1);
  return Status::ok();
}

Expected<GgufVocabulary> readGguf(const std::string &path) {
  PLX_ASSIGN(auto file, frontends::GgufFile::open(path));
  return frontends::readGgufVocabulary(*file);
}

bool isTokenizerPack(const std::string &path) {
  return !std::filesystem::exists(path + "/cases.safetensors");
}

Status runPack(const std::string &path, const std::string &name, const OpenOptions &options,
               double norm, Report &report) {
  if (!isTokenizerPack(path))
    return runModelPack(path, options, norm,
                        [&](const CaseResult &result) { return report.add(name, result); });
  PLX_ASSIGN(auto results, runTokenizerPack(path, readGguf));
  for (const TokenizerCaseResult &r : results) {
    CaseResult result;
    result.name = r.name;
    result.difference = r.difference;
    if (!report.add(name, result))
      break;
  }
  return Status::ok();
}

int usage(const Status &status) {
  std::fprintf(stderr, "plexus-conformance: %s\n", status.message().c_str());
  return 2;
}

int run(const Arguments &arguments) {
  OpenOptions options;
  options.jit = arguments.jit;
  options.compile.compute = "f32"; // What equality with a reference is judged with.
  for (const std::string &text : arguments.compileOptions)
    if (Status s = readChoice(text, options.compile); !s)
      return usage(s);
  for (const std::string &pack : arguments.packs)
    if (!std::filesystem::is_regular_file(pack + "/cases.json"))
      return usage(error(Code::NotFound) << pack << ": no conformance pack (no cases.json in it)");
  // A cache of its own: what an older build left must not answer for this one.
  auto cache = compiler::TempFolder::create();
  if (!cache)
    return usage(cache.status());
  if (options.compile.cacheFolder.empty())
    options.compile.cacheFolder = cache->path();
  Report report(arguments);
  for (const std::string &pack : arguments.packs) {
    const std::string name =
        std::filesystem::absolute(pack + "/.").parent_path().lexically_normal().filename().string();
    if (Status s = runPack(pack, name, options, arguments.norm, report); !s)
      report.add(name, {"(pack)", s.message(), ""});
    if (!report.goesOn())
      break;
  }
  return report.close();
}

} // namespace

int main(int argc, char **argv) {
  CLI::App app("Compares models and tokenizers with recorded results of their reference.\n\n"
               "  plexus-conformance --keep-going tests/conformance/packs/*\n"
               "  plexus-conformance --compile-option products=generated PACK\n\n"
               "A pack is a folder with cases.json, cases.safetensors and model/. One line a case; "
               "the last line is 'N passed, N failed'.",
               "plexus-conformance");
  Arguments arguments;
  app.add_option("PACK", arguments.packs, "Folders of packs")->required();
  app.add_flag("--keep-going", arguments.keepGoing, "Go on after a case that failed");
  app.add_flag("--jit", arguments.jit, "Compile in memory instead of to an artifact");
  app.add_option("--norm", arguments.norm,
                 "Run forward and chunked cases alone, and judge each float tensor as a whole: "
                 "||got - want|| is at most this times ||want||")
      ->check(CLI::PositiveNumber);
  app.add_flag("--quiet", arguments.quiet, "Print only what failed, and the count");
  app.add_option(
         "--compile-option", arguments.compileOptions,
         "key=value as for plexus compile: weights, kv, compute (f32 if not given), products, "
         "decompose, isa, cache")
      ->allow_extra_args(false);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return run(arguments);
}
