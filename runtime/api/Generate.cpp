// From a request to the engine's options.
#include "runtime/api/Generate.h"

#include "runtime/engine/SessionBackend.h"

#include <map>

namespace plexus {

Engine &sharedEngine() {
  static Engine engine(PluginHost::shared(), EngineThread::shared());
  return engine;
}

static std::optional<std::string> tokenText(const Tokenizer &tokenizer,
                                            const std::optional<uint32_t> &id) {
  return id ? tokenizer.idToToken(*id) : std::nullopt;
}

static Expected<std::string> renderChat(const OpenedModel &model,
                                        const std::vector<ChatMessage> &chat) {
  if (model.chatTemplate.empty())
    return error(Code::NotFound) << model.path
                                 << ": the model has no chat template; prompt it "
                                    "without --chat";
  PLX_ASSIGN(const Tokenizer *tokenizer, model.needTokenizer());
  const SpecialTokenIds &ids = tokenizer->specialIds();
  ChatOptions options;
  options.bosToken = tokenText(*tokenizer, ids.bos);
  options.eosToken = tokenText(*tokenizer, ids.eos);
  options.unkToken = tokenText(*tokenizer, ids.unk);
  options.padToken = tokenText(*tokenizer, ids.pad);
  auto text = renderChat(model.chatTemplate, chat, options);
  return text ? text : Expected<std::string>(text.status().at(model.path + ": chat template"));
}

Expected<std::vector<int32_t>> promptIds(const OpenedModel &model, const GenerateRequest &r) {
  if (int(r.prompt.has_value()) + int(!r.chat.empty()) + int(!r.promptIds.empty()) != 1)
    return error(Code::InvalidArgument) << "give a prompt, a chat or prompt ids: exactly one";
  if (!r.promptIds.empty())
    return r.promptIds;
  PLX_ASSIGN(const Tokenizer *tokenizer, model.needTokenizer());
  std::string text;
  EncodeOptions options;
  if (r.prompt) {
    text = *r.prompt;
  } else {
    // The template writes the special tokens itself.
    PLX_ASSIGN(text, renderChat(model, r.chat));
    options.addSpecialTokens = false;
  }
  PLX_ASSIGN(Encoding encoding, tokenizer->encode(text, options));
  if (encoding.ids.empty())
    return error(Code::InvalidArgument)
           << "the prompt is empty, and this model's tokenizer adds no token of its own: give at "
              "least one character, or a first id with --prompt-ids";
  return std::vector<int32_t>(encoding.ids.begin(), encoding.ids.end());
}

/// One engine model for each opened one, kept as long as somebody generates with it: its session's
/// buffers are used again.
static Expected<std::shared_ptr<EngineModel>> engineModel(const OpenedModel &opened) {
  static std::mutex mutex;
  static std::map<const Model *, std::weak_ptr<EngineModel>> models;
  std::lock_guard lock(mutex);
  if (auto known = models[opened.model.get()].lock())
    return known;
  PLX_ASSIGN(auto made, makeEngineModel(opened.model, {}, opened.codec));
  models[opened.model.get()] = made;
  return made;
}

/// A draft model proposes ids of the target's: they must mean the same to both.
static Status checkDraft(const OpenedModel &target, const OpenedModel &draft) {
  if (draft.info().task != "causal-lm")
    return error(Code::Unsupported)
           << draft.path << ": a draft model must be a causal language model, this is of task "
           << draft.info().task;
  const Tokenizer *ours = target.tokenizer.get(), *theirs = draft.tokenizer.get();
  const std::string needed = draft.path + ": a draft model must have the target's tokenizer";
  if (!ours || !theirs) {
    if (target.info().vocabSize == draft.info().vocabSize)
      return Status::ok();
    return error(Code::Mismatch) << needed << ": its vocabulary has " << draft.info().vocabSize
                                 << " ids, the target's " << target.info().vocabSize;
  }
  // Thousands of strings: not again for each generation of the same two models.
  static std::mutex mutex;
  static std::weak_ptr<const Tokenizer> equal[2];
  std::lock_guard lock(mutex);
  if (equal[0].lock() == target.tokenizer && equal[1].lock() == draft.tokenizer)
    return Status::ok();
  const size_t count = std::max(ours->vocabSizeWithAdded(), theirs->vocabSizeWithAdded());
  for (uint32_t id = 0; id < count; ++id) {
    const auto a = ours->idToToken(id), b = theirs->idToToken(id);
    if (a != b)
      return error(Code::Mismatch)
             << needed << ": id " << id << " is '" << a.value_or("(none)") << "' in the target's, '"
             << b.value_or("(none)") << "' in the draft's";
  }
  equal[0] = target.tokenizer;
  equal[1] = draft.tokenizer;
  return Status::ok();
}

Expected<std::shared_ptr<GenerationHandle>> startGenerate(const OpenedModel &model,
                                                          const GenerateRequest &r) {
  GenerationOptions g;
  if (model.info().task != "causal-lm")
    return error(Code::Unsupported)
           << model.path << ": only causal language models generate; this is of task "
           << model.info().task;
  PLX_ASSIGN(g.prompt, promptIds(model, r));
  PLX_ASSIGN(g.model, engineModel(model));
  for (const OpenedModelPtr &draft : r.drafts) {
    PLX_RETURN_IF_ERROR(checkDraft(model, *draft));
    PLX_ASSIGN(auto d, engineModel(*draft));
    g.drafts.push_back(std::move(d));
  }
  g.strategy = r.strategy;
  g.options = r.options;
  g.maxTokens = r.maxTokens;
  g.seed = r.seed;
  if (!r.ignoreEos)
    g.stopTokens = r.eos.empty() ? model.info().eos : r.eos;
  g.stopStrings = r.stopStrings;
  g.onPiece = r.onPiece;
  return sharedEngine().start(std::move(g));
}

GenerationResult generate(const OpenedModel &model, const GenerateRequest &request) {
  auto handle = startGenerate(model, request);
  if (!handle) {
    GenerationResult failed;
    failed.status = handle.status();
    return failed;
  }
  return (*handle)->wait();
}

} // namespace plexus
