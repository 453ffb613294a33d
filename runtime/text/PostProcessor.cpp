// The post-processors of tokenizer.json and the table that builds them by name.
#include "runtime/text/PostProcessor.h"

#include <algorithm>
#include <map>

namespace plexus::text {

namespace {
using Made = Expected<std::unique_ptr<PostProcessor>>;
using Sequences = std::vector<TokenSequence>;

/// Takes the white space of a token's spelling out of its offsets. With `addPrefixSpace`, one
/// leading space of the first token was never in the text.
void trimOffsets(TokenSequence &s, bool addPrefixSpace) {
  for (size_t i = 0; i < s.slots.size(); ++i) {
    TokenSlot &t = s.slots[i];
    uint32_t leading = t.leadingSpaces;
    bool isFirst = i == 0 || t.begin == 0;
    if (isFirst && addPrefixSpace && leading == 1)
      leading = 0;
    t.begin = std::min(t.begin + leading, t.end);
    if (t.trailingSpaces > 0 && t.end >= t.trailingSpaces)
      t.end = std::max(t.end - t.trailingSpaces, t.begin);
  }
}

void trimAll(Sequences &sequences, bool addPrefixSpace) {
  for (TokenSequence &s : sequences) {
    trimOffsets(s, addPrefixSpace);
    for (TokenSequence &part : s.overflowing)
      trimOffsets(part, addPrefixSpace);
  }
}

TokenSlot specialSlot(uint32_t id, uint32_t typeId) {
  TokenSlot slot;
  slot.id = id;
  slot.typeId = typeId;
  slot.special = true;
  return slot;
}

class ByteLevelTrim : public PostProcessor {
public:
  ByteLevelTrim(bool trim, bool addPrefixSpace) : trim_(trim), addPrefixSpace_(addPrefixSpace) {}
  size_t addedTokens(bool) const override { return 0; }
  Status process(Sequences &sequences, bool) const override {
    if (trim_)
      trimAll(sequences, addPrefixSpace_);
    return Status::ok();
  }

private:
  bool trim_, addPrefixSpace_;
};

/// Fixed tokens around each sequence: BERT's and RoBERTa's.
struct Wrapping {
  uint32_t cls, sep;
  bool roberta;
  bool trim = false, addPrefixSpace = false;
};

class Wrapper : public PostProcessor {
public:
  explicit Wrapper(Wrapping w) : w_(w) {}
  size_t addedTokens(bool isPair) const override { return isPair ? (w_.roberta ? 4 : 3) : 2; }
  Status process(Sequences &sequences, bool addSpecialTokens) const override {
    if (w_.trim)
      trimAll(sequences, w_.addPrefixSpace);
    if (w_.roberta) // RoBERTa knows one type only.
      for (TokenSequence &s : sequences)
        s.setTypeIds(0);
    if (!addSpecialTokens)
      return Status::ok();
    for (size_t i = 0; i < sequences.size(); ++i) {
      wrap(sequences[i], i > 0);
      for (TokenSequence &part : sequences[i].overflowing) {
        if (w_.roberta)
          part.setTypeIds(0);
        wrap(part, i > 0);
      }
    }
    return Status::ok();
  }

private:
  void wrap(TokenSequence &s, bool isPair) const {
    for (TokenSlot &slot : s.slots) {
      slot.special = false;
      slot.attended = true;
    }
    if (!isPair)
      s.slots.insert(s.slots.begin(), specialSlot(w_.cls, 0));
    else if (w_.roberta)
      s.slots.insert(s.slots.begin(), specialSlot(w_.sep, 0));
    s.slots.push_back(specialSlot(w_.sep, isPair && !w_.roberta ? 1 : 0));
  }
  Wrapping w_;
};

/// One element of a template: a sequence, or special tokens.
struct Piece {
  std::optional<size_t> sequence; ///< 0 or 1.
  std::vector<uint32_t> ids;
  uint32_t typeId = 0;
};
using Template = std::vector<Piece>;

class TemplateProcessor : public PostProcessor {
public:
  TemplateProcessor(Template single, Template pair)
      : single_(std::move(single)), pair_(std::move(pair)) {}

  size_t addedTokens(bool isPair) const override {
    size_t n = 0;
    for (const Piece &piece : isPair ? pair_ : single_)
      n += piece.ids.size();
    return n;
  }

  Status process(Sequences &sequences, bool addSpecialTokens) const override {
    if (sequences.empty() || sequences.size() > 2)
      return error(Code::Unsupported)
             << "post_processor TemplateProcessing: a template after another template";
    Sequences out;
    for (const Piece &piece : sequences.size() == 2 ? pair_ : single_) {
      if (!piece.sequence) {
        if (!addSpecialTokens)
          continue;
        TokenSequence special;
        for (uint32_t id : piece.ids)
          special.slots.push_back(specialSlot(id, piece.typeId));
        out.push_back(std::move(special));
      } else if (*piece.sequence < sequences.size()) {
        TokenSequence &s = sequences[*piece.sequence];
        s.setTypeIds(piece.typeId);
        out.push_back(s);
      } else {
        return error(Code::Corrupt)
               << "post_processor TemplateProcessing: the single template names sequence B";
      }
    }
    sequences = std::move(out);
    return Status::ok();
  }

private:
  Template single_, pair_;
};

class ProcessorSequence : public PostProcessor {
public:
  explicit ProcessorSequence(std::vector<std::unique_ptr<PostProcessor>> steps)
      : steps_(std::move(steps)) {}
  size_t addedTokens(bool isPair) const override {
    size_t n = 0;
    for (const auto &step : steps_)
      n += step->addedTokens(isPair);
    return n;
  }
  Status process(Sequences &sequences, bool addSpecialTokens) const override {
    for (const auto &step : steps_)
      PLX_RETURN_IF_ERROR(step->process(sequences, addSpecialTokens));
    return Status::ok();
  }

private:
  std::vector<std::unique_ptr<PostProcessor>> steps_;
};

Made makeByteLevel(const Fields &f, int) {
  PLX_ASSIGN(bool trim, f.boolean("trim_offsets"));
  PLX_ASSIGN(bool addPrefixSpace, f.boolean("add_prefix_space"));
  return std::unique_ptr<PostProcessor>(new ByteLevelTrim(trim, addPrefixSpace));
}

/// ["[SEP]", 102]
Expected<uint32_t> tokenAndId(const Fields &f, const char *name) {
  PLX_ASSIGN(const Json *pair, f.require(name));
  if (!pair->is_array() || pair->size() != 2 || !(*pair)[0].is_string() ||
      !(*pair)[1].is_number_unsigned())
    return f.wrongKind(name, "[token, id]");
  return (*pair)[1].get<uint32_t>();
}

Made makeBert(const Fields &f, int) {
  Wrapping w{};
  PLX_ASSIGN(w.sep, tokenAndId(f, "sep"));
  PLX_ASSIGN(w.cls, tokenAndId(f, "cls"));
  return std::unique_ptr<PostProcessor>(new Wrapper(w));
}

Made makeRoberta(const Fields &f, int) {
  Wrapping w{};
  w.roberta = true;
  PLX_ASSIGN(w.sep, tokenAndId(f, "sep"));
  PLX_ASSIGN(w.cls, tokenAndId(f, "cls"));
  PLX_ASSIGN(w.trim, f.boolean("trim_offsets"));
  PLX_ASSIGN(w.addPrefixSpace, f.boolean("add_prefix_space"));
  return std::unique_ptr<PostProcessor>(new Wrapper(w));
}

/// {"Sequence": {"id": "A", "type_id": 0}} or {"SpecialToken": {"id": "[CLS]", "type_id": 0}}
Expected<Piece> readPiece(const Fields &f, const Json &json, const Json &specialTokens) {
  Status wrong = f.wrongKind("single/pair", "an array of {\"Sequence\": {\"id\", \"type_id\"}} and "
                                            "{\"SpecialToken\": {\"id\", \"type_id\"}}");
  if (!json.is_object() || json.size() != 1 || !json.begin()->is_object())
    return wrong;
  Fields inner(*json.begin(), f.what() + " " + json.begin().key());
  Piece piece;
  PLX_ASSIGN(std::string id, inner.string("id"));
  PLX_ASSIGN(uint64_t typeId, inner.number("type_id"));
  piece.typeId = uint32_t(typeId);
  if (json.begin().key() == "Sequence" && (id == "A" || id == "B")) {
    piece.sequence = id == "B";
    return piece;
  }
  if (json.begin().key() != "SpecialToken")
    return wrong;
  auto it = specialTokens.is_object() ? specialTokens.find(id) : specialTokens.end();
  if (it == specialTokens.end() || !it->is_object() || !it->contains("ids") ||
      !(*it)["ids"].is_array())
    return error(Code::Corrupt) << f.what() << ": special token '" << id
                                << "' has no ids in 'special_tokens'";
  for (const Json &tokenId : (*it)["ids"]) {
    if (!tokenId.is_number_unsigned())
      return f.wrongKind("special_tokens", "a map to {\"ids\": [numbers]}");
    piece.ids.push_back(tokenId.get<uint32_t>());
  }
  return piece;
}

Expected<Template> readTemplate(const Fields &f, const char *name, const Json &specialTokens) {
  PLX_ASSIGN(const Json *list, f.require(name));
  if (!list->is_array())
    return f.wrongKind(name, "an array");
  Template out;
  for (const Json &item : *list) {
    PLX_ASSIGN(Piece piece, readPiece(f, item, specialTokens));
    out.push_back(std::move(piece));
  }
  return out;
}

Made makeTemplate(const Fields &f, int) {
  PLX_ASSIGN(const Json *specialTokens, f.require("special_tokens"));
  PLX_ASSIGN(Template single, readTemplate(f, "single", *specialTokens));
  PLX_ASSIGN(Template pair, readTemplate(f, "pair", *specialTokens));
  return std::unique_ptr<PostProcessor>(new TemplateProcessor(std::move(single), std::move(pair)));
}

Made makeSequence(const Fields &f, int depth) {
  PLX_ASSIGN(const Json *list, f.require("processors"));
  if (!list->is_array())
    return f.wrongKind("processors", "an array");
  std::vector<std::unique_ptr<PostProcessor>> steps;
  for (const Json &item : *list) {
    PLX_ASSIGN(auto step, makePostProcessor(item, depth + 1));
    steps.push_back(std::move(step));
  }
  return std::unique_ptr<PostProcessor>(new ProcessorSequence(std::move(steps)));
}

const std::map<std::string, Made (*)(const Fields &, int)> makers = {
    {"BertProcessing", makeBert},         {"ByteLevel", makeByteLevel},
    {"RobertaProcessing", makeRoberta},   {"Sequence", makeSequence},
    {"TemplateProcessing", makeTemplate},
};
} // namespace

Expected<std::unique_ptr<PostProcessor>> makePostProcessor(const Json &json, int depth) {
  return makeComponent(json, "post_processor", makers, depth);
}

std::unique_ptr<PostProcessor> makeBosEos(std::optional<uint32_t> bos,
                                          std::optional<uint32_t> eos) {
  Template single, pair;
  for (size_t sequence = 0; sequence < 2; ++sequence) {
    Template part;
    if (bos)
      part.push_back({std::nullopt, {*bos}, uint32_t(sequence)});
    part.push_back({sequence, {}, uint32_t(sequence)});
    if (eos)
      part.push_back({std::nullopt, {*eos}, uint32_t(sequence)});
    if (sequence == 0)
      single = part;
    pair.insert(pair.end(), part.begin(), part.end());
  }
  return std::make_unique<TemplateProcessor>(std::move(single), std::move(pair));
}

} // namespace plexus::text
