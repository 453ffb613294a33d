// Tells the kinds of models apart and hands them to their front ends.
#include "frontends/ImportModel.h"

#include "frontends/gguf/GgufModel.h"
#include "runtime/io/MappedFile.h"
#include "runtime/io/Safetensors.h"
#include "runtime/text/Tokenizer.h"

#include <filesystem>

namespace fs = std::filesystem;

namespace plexus::frontends {

static constexpr size_t kMaxModuleText = size_t(1) << 30;

static std::optional<int32_t> narrow(const std::optional<int64_t> &id) {
  return id ? std::optional(static_cast<int32_t>(*id)) : std::nullopt;
}

/// What the graph does not say, as the program states it.
static ModelInfo makeInfo(const ImportedModel &m) {
  ModelInfo info;
  info.name = m.name;
  info.family = m.family;
  info.eos.assign(m.special.eos.begin(), m.special.eos.end());
  info.bos = narrow(m.special.bos);
  info.pad = narrow(m.special.pad);
  info.generation = m.generation;
  if (m.embedding)
    info.pooling = Pooling{m.embedding->pooling, m.embedding->normalize,
                           m.embedding->maxSequenceLength.value_or(0), m.embedding->lowerCase,
                           m.embedding->defaultPrompt};
  return info;
}

static compiler::ModelSource toSource(ImportedModel m) {
  compiler::ModelSource out;
  out.info = makeInfo(m);
  out.module = std::move(m.module);
  out.tensors = std::move(m.sources);
  out.tokenizer = std::move(m.tokenizer);
  out.chatTemplate = std::move(m.chatTemplate);
  out.plugins = {std::move(m.pluginDigest)};
  return out;
}

static Expected<ImportedModel> importGguf(mlir::MLIRContext &context, const std::string &path,
                                          const FamilyFinder &findFamily) {
  PLX_ASSIGN(GgufModel gguf, GgufModel::open(path));
  PLX_ASSIGN(auto tokenizer, Tokenizer::fromGguf(gguf.vocabulary));
  ModelFiles files{gguf.config, path, gguf.weights};
  PLX_ASSIGN(ImportedModel out,
             buildModel(context, files, fs::path(path).stem().string(), findFamily));
  if (gguf.vocabulary.eosId)
    out.special.eos = {*gguf.vocabulary.eosId};
  out.special.bos = gguf.vocabulary.bosId;
  out.special.pad = gguf.vocabulary.padId;
  out.tokenizer = tokenizer->serialize();
  out.chatTemplate = gguf.vocabulary.chatTemplate;
  return out;
}

static Expected<compiler::ModelSource> importText(mlir::MLIRContext &context,
                                                  const std::string &path) {
  PLX_ASSIGN(std::string text, readTextFile(path, kMaxModuleText));
  compiler::ModelSource out;
  PLX_ASSIGN(out.module, compiler::parseModule(context, text, path));
  out.info.name = fs::path(path).stem().string();
  out.info.family = "mlir";
  // Weights that the text names lie beside it.
  auto weights = fs::path(path).replace_extension(".safetensors");
  if (fs::exists(weights)) {
    PLX_ASSIGN(auto tensors, openSafetensors(weights.string()));
    out.tensors = {std::move(tensors)};
  }
  return out;
}

Expected<compiler::ModelSource> importModel(mlir::MLIRContext &context, const std::string &path,
                                            const FamilyFinder &findFamily) {
  std::error_code ec;
  const auto status = fs::status(path, ec);
  if (!fs::exists(status))
    return error(Code::NotFound) << path << ": no such file or directory";
  if (fs::is_directory(status)) {
    PLX_ASSIGN(ImportedModel model, importDirectory(context, path, findFamily));
    return toSource(std::move(model));
  }
  const std::string extension = fs::path(path).extension().string();
  if (extension == ".mlir")
    return importText(context, path);
  PLX_ASSIGN(auto file, MappedFile::open(path));
  if (file->size() >= 4 &&
      std::string_view(reinterpret_cast<const char *>(file->data()), 4) == "GGUF") {
    PLX_ASSIGN(ImportedModel model, importGguf(context, path, findFamily));
    return toSource(std::move(model));
  }
  return error(Code::Unsupported)
         << path
         << ": not a model that Plexus reads. It reads a Hugging Face directory (config.json "
            "and safetensors), a GGUF file, or a module's text (.mlir)"
         << (extension == ".onnx" ? "; ONNX is not read by this version" : "");
}

} // namespace plexus::frontends
