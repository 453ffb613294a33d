// Imports a Hugging Face directory through the plugin of its family.
#include "frontends/huggingface/Import.h"

#include "compiler/builder/GraphApi.h"
#include "compiler/cache/Keys.h"
#include "frontends/huggingface/ModelDirectory.h"
#include "frontends/huggingface/QuantizedCheckpoint.h"
#include "frontends/huggingface/SourceApi.h"
#include "frontends/huggingface/WeightIndex.h"
#include "runtime/io/MappedFile.h"
#include "runtime/plugins/Host.h"
#include "runtime/text/Tokenizer.h"

#include <filesystem>

using namespace mlir;

namespace plexus::frontends {

static constexpr size_t kMaxTokenizerBytes = size_t(256) << 20;

FamilyFinder familyFinder(PluginHost &host) {
  return [&host](const std::string &type) -> Expected<FoundFamily> {
    auto provider = host.find("family", type);
    if (!provider)
      return error(provider.status().code())
             << "no family for models of type '" << type << "': " << provider.status().message()
             << ". docs/writing-a-family.md says how to add one; --plugin or PLEXUS_PLUGIN_PATH "
                "loads it";
    auto *family = static_cast<const plx_family *>(
        provider->plugin->factory((PLX_FAMILY_FACTORY + provider->provision->id).c_str()));
    if (!family || family->struct_size < sizeof(plx_family) || !family->build)
      return error(Code::Mismatch)
             << "plugin " << provider->plugin->path() << " says that it has the family '" << type
             << "' but gives no factory for it";
    return FoundFamily{family, provider->plugin->path()};
  };
}

/// SHA-256 of the plugin's file: another build of a family may build another graph.
static Expected<std::string> digestOf(const std::string &plugin) {
  PLX_ASSIGN(auto file, MappedFile::open(plugin));
  return compiler::KeyHasher().add(file->data(), file->size()).hex();
}

/// Missing and unused weights, all of them in one message.
static Status checkWeights(compiler::GraphBuilder &builder, const ModelSource &source) {
  WeightIndex index(source.weights);
  for (const std::string &pattern : source.allowedUnused)
    index.allowUnused(pattern);
  for (const std::string &name : builder.neededWeights())
    index.use(name);
  return index.check();
}

static std::string symbolName(const std::string &name) {
  std::string out;
  for (char c : name)
    out +=
        std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.' ? c : '_';
  return out.empty() ? "model" : out;
}

Expected<ImportedModel> buildModel(MLIRContext &context, const ModelFiles &files,
                                   const std::string &name, const FamilyFinder &findFamily) {
  ModelSource source{ConfigReader(files.config, files.configPath), files.weights, {}};
  const std::string *type = source.config.getString("model_type");
  if (!type) // Models of no library say it themselves.
    type = source.config.getString("family");
  if (!type)
    return error(Code::NotFound) << files.configPath
                                 << ": no 'model_type' and no 'family', which says which family "
                                    "builds the model";
  ImportedModel out;
  out.name = name;
  out.family = *type;
  auto family = findFamily(out.family);
  if (!family)
    return family.status().at(files.configPath);

  compiler::GraphBuilder builder(context, symbolName(name), files.weights);
  PLX_ASSIGN(out.pluginDigest, digestOf(family->plugin));
  const int32_t code = family->family->build(sourceApi(), handle(source), compiler::graphApi(),
                                             compiler::handle(builder));
  PLX_RETURN_IF_ERROR(source.config.check());
  if (!builder.ok())
    return builder.status().at(files.configPath + ": family '" + out.family + "'");
  if (code != 0)
    return error(Code::Internal) << files.configPath << ": family '" << out.family
                                 << "' failed with code " << code << " and no message";
  PLX_RETURN_IF_ERROR(source.config.allHonoured());
  PLX_RETURN_IF_ERROR(checkWeights(builder, source));
  auto module = builder.finish();
  if (!module)
    return module.status().at(files.configPath);
  out.module = *std::move(module);
  out.sources = {files.weights, builder.constants()};
  return out;
}

/// The directory's tokenizer, checked and serialized; empty where it has none.
static Expected<std::string> readTokenizer(const ModelDirectory &directory) {
  auto path = directory.tokenizerPath();
  if (!path)
    return std::string();
  PLX_ASSIGN(std::string json, readTextFile(*path, kMaxTokenizerBytes));
  std::string config;
  if (auto configPath = directory.tokenizerConfigPath()) {
    PLX_ASSIGN(config, readTextFile(*configPath, kMaxTokenizerBytes));
  }
  auto tokenizer = Tokenizer::fromJson(json, config);
  if (!tokenizer)
    return tokenizer.status().at(*path);
  return (*tokenizer)->serialize();
}

Expected<ImportedModel> importDirectory(MLIRContext &context, const std::string &path,
                                        const FamilyFinder &findFamily) {
  PLX_ASSIGN(ModelDirectory directory, ModelDirectory::open(path));
  ModelFiles files;
  PLX_ASSIGN(files.config, directory.readConfig());
  files.configPath = directory.configPath();
  PLX_ASSIGN(nlohmann::json generation, directory.readGenerationConfig());
  PLX_ASSIGN(SpecialTokens special, readSpecialTokens(files.config, generation, files.configPath));
  PLX_ASSIGN(files.weights, directory.openWeights());
  PLX_ASSIGN(auto quantization, takeQuantizationConfig(files.config, files.configPath));
  if (quantization) {
    PLX_ASSIGN(files.weights, openQuantizedCheckpoint(files.weights, *quantization));
  }

  auto name = std::filesystem::weakly_canonical(path).filename().string();
  PLX_ASSIGN(ImportedModel out, buildModel(context, files, name, findFamily));
  out.special = std::move(special);
  if (!generation.is_null())
    out.generation = generation.dump();
  out.embedding = directory.sentenceEmbedding();
  PLX_ASSIGN(auto chat, directory.readChatTemplate());
  out.chatTemplate = chat.value_or("");
  PLX_ASSIGN(out.tokenizer, readTokenizer(directory));
  return out;
}

} // namespace plexus::frontends
