// plexus embed: texts to vectors.
#include "Command.h"

#include "runtime/api/Embed.h"

#include <cstdio>
#include <sstream>

namespace plexus::cli {
namespace {

struct Arguments {
  ModelArguments model;
  std::vector<std::string> texts;
  std::string file;
  bool jit = false, json = false;
};

Status runAll(Arguments &a) {
  PLX_RETURN_IF_ERROR(a.model.apply());
  if (!a.file.empty()) {
    PLX_ASSIGN(std::string bytes, readInput(a.file));
    std::istringstream lines(bytes);
    for (std::string line; std::getline(lines, line);)
      a.texts.push_back(line);
  }
  if (a.texts.empty())
    return Status(Code::InvalidArgument, "give --text TEXT or --lines FILE");
  PLX_ASSIGN(OpenedModelPtr model, a.model.open(a.jit));
  PLX_ASSIGN(auto rows, embed(*model, a.texts));
  if (a.json) {
    printJson({{"dimensions", rows.front().size()}, {"embeddings", rows}});
    return Status::ok();
  }
  for (const std::vector<float> &row : rows) {
    for (size_t i = 0; i < row.size(); ++i)
      std::printf("%s%.7g", i ? " " : "", row[i]);
    std::putchar('\n');
  }
  return Status::ok();
}

} // namespace

std::function<int()> addEmbed(CLI::App &app) {
  auto a = std::make_shared<Arguments>();
  CLI::App *c = app.add_subcommand(
      "embed", "Turn texts into vectors.\n\n"
               "  plexus embed minilm.plx --text \"a cat\" --text \"a dog\" --json\n"
               "  plexus embed minilm.plx --lines sentences.txt\n\n"
               "Pooling, normalisation and the longest text are the model's own "
               "(sentence-transformers' files); without them, the mean over the tokens.");
  a->model.add(*c, false);
  addRepeated(*c, "--text", a->texts, "A text to embed");
  c->add_option("--lines", a->file, "A file with one text a line; - reads stdin");
  c->add_flag("--jit", a->jit, "Compile in memory, leaving nothing behind");
  c->add_flag("--json", a->json, "Print the vectors as JSON");
  return [a] {
    const Status s = runAll(*a);
    return s ? kDone : fail(s);
  };
}

} // namespace plexus::cli
