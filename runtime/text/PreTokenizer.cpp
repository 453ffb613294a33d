// The pre-tokenizers of tokenizer.json and the table that builds them by name.
#include "runtime/text/PreTokenizer.h"
#include "runtime/text/ByteLevel.h"
#include "runtime/text/UnicodeProps.h"
#include "runtime/text/Utf8.h"

#include <map>

namespace plexus::text {

Status
resplit(std::vector<Split> &splits,
        const std::function<Status(NormalizedString &, std::vector<NormalizedString> &)> &cut) {
  std::vector<Split> out;
  out.reserve(splits.size());
  std::vector<NormalizedString> pieces;
  for (Split &split : splits) {
    if (split.addedToken) {
      out.push_back(std::move(split));
      continue;
    }
    pieces.clear();
    PLX_RETURN_IF_ERROR(cut(split.text, pieces));
    for (NormalizedString &piece : pieces)
      if (!piece.empty())
        out.push_back({std::move(piece), std::nullopt});
  }
  splits = std::move(out);
  return Status::ok();
}

namespace {
using Made = Expected<std::unique_ptr<PreTokenizer>>;
using Cut = std::function<Status(NormalizedString &, std::vector<NormalizedString> &)>;

/// A pre-tokenizer that cuts each piece by itself.
class Cutter : public PreTokenizer {
public:
  explicit Cutter(Cut cut) : cut_(std::move(cut)) {}
  Status preTokenize(std::vector<Split> &splits) const override { return resplit(splits, cut_); }

private:
  Cut cut_;
};
Made cutter(Cut cut) { return std::unique_ptr<PreTokenizer>(new Cutter(std::move(cut))); }

class Sequence : public PreTokenizer {
public:
  explicit Sequence(std::vector<std::unique_ptr<PreTokenizer>> steps) : steps_(std::move(steps)) {}
  Status preTokenize(std::vector<Split> &splits) const override {
    for (const auto &step : steps_)
      PLX_RETURN_IF_ERROR(step->preTokenize(splits));
    return Status::ok();
  }

private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

/// Cuts at characters of a class.
Cut cutAtChars(std::function<bool(char32_t)> isDelimiter, SplitBehavior behavior) {
  return [=](NormalizedString &s, std::vector<NormalizedString> &out) {
    std::vector<MatchSpan> spans;
    charSpans(s.get(), isDelimiter, spans);
    s.split(std::move(spans), behavior, out);
    return Status::ok();
  };
}

/// Cuts at matches of a pattern, or with `invert` at what lies between them.
Cut cutAtPattern(std::shared_ptr<const Regex> regex, SplitBehavior behavior, bool invert) {
  return [=](NormalizedString &s, std::vector<NormalizedString> &out) {
    std::vector<MatchSpan> spans;
    PLX_RETURN_IF_ERROR(regex->spans(s.get(), spans));
    if (invert)
      for (MatchSpan &span : spans)
        span.isMatch = !span.isMatch;
    s.split(std::move(spans), behavior, out);
    return Status::ok();
  };
}

Expected<SplitBehavior> behaviorField(const Fields &f, std::optional<std::string> fallback = {}) {
  PLX_ASSIGN(std::string name, f.string("behavior", std::move(fallback)));
  static const std::map<std::string, SplitBehavior> behaviors = {
      {"Contiguous", SplitBehavior::Contiguous},
      {"Isolated", SplitBehavior::Isolated},
      {"MergedWithNext", SplitBehavior::MergedWithNext},
      {"MergedWithPrevious", SplitBehavior::MergedWithPrevious},
      {"Removed", SplitBehavior::Removed},
  };
  if (auto it = behaviors.find(name); it != behaviors.end())
    return it->second;
  return f.wrongKind("behavior",
                     "Contiguous, Isolated, MergedWithNext, MergedWithPrevious or Removed");
}

/// GPT-2's own pattern, which the byte-level pre-tokenizer applies unless told otherwise.
constexpr const char *gpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

class ByteLevelPreTokenizer : public PreTokenizer {
public:
  ByteLevelPreTokenizer(bool addPrefixSpace, std::shared_ptr<const Regex> regex)
      : addPrefixSpace_(addPrefixSpace),
        cut_(regex ? cutAtPattern(std::move(regex), SplitBehavior::Isolated, false) : Cut()) {}

  Status preTokenize(std::vector<Split> &splits) const override {
    for (Split &split : splits)
      if (addPrefixSpace_ && !split.addedToken && !split.text.get().starts_with(' '))
        split.text.prepend(" ");
    if (cut_)
      PLX_RETURN_IF_ERROR(resplit(splits, cut_));
    for (Split &split : splits)
      if (!split.addedToken)
        toByteLevel(split.text);
    return Status::ok();
  }

private:
  bool addPrefixSpace_;
  Cut cut_;
};

Made makeByteLevel(const Fields &f, int) {
  PLX_ASSIGN(bool addPrefixSpace, f.boolean("add_prefix_space"));
  PLX_ASSIGN(bool useRegex, f.boolean("use_regex", true));
  std::shared_ptr<const Regex> regex;
  if (useRegex) {
    PLX_ASSIGN(Regex compiled, Regex::compile(gpt2Pattern));
    regex = std::make_shared<Regex>(std::move(compiled));
  }
  return std::unique_ptr<PreTokenizer>(new ByteLevelPreTokenizer(addPrefixSpace, std::move(regex)));
}

Made makeBert(const Fields &, int) {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  steps.push_back(std::make_unique<Cutter>(cutAtChars(isWhitespace, SplitBehavior::Removed)));
  steps.push_back(std::make_unique<Cutter>(cutAtChars(isPunctuation, SplitBehavior::Isolated)));
  return std::unique_ptr<PreTokenizer>(new Sequence(std::move(steps)));
}

Made makeWhitespaceSplit(const Fields &, int) {
  return cutter(cutAtChars(isWhitespace, SplitBehavior::Removed));
}

/// Runs of word characters, and runs of what is neither word nor space: `\w+|[^\w\s]+`.
Made makeWhitespace(const Fields &, int) {
  return cutter([](NormalizedString &s, std::vector<NormalizedString> &out) {
    auto kind = [](char32_t c) { return isWordChar(c) ? 2 : isWhitespace(c) ? 0 : 1; };
    size_t begin = 0;
    int current = 0;
    for (size_t pos = 0; pos < s.get().size();) {
      DecodedChar c = decodeAt(s.get(), pos);
      int next = kind(c.codePoint);
      if (next != current) {
        if (current != 0)
          out.push_back(s.slice(begin, pos));
        begin = pos;
        current = next;
      }
      pos += c.length;
    }
    if (current != 0)
      out.push_back(s.slice(begin, s.get().size()));
    return Status::ok();
  });
}

Made makePunctuation(const Fields &f, int) {
  PLX_ASSIGN(SplitBehavior behavior, behaviorField(f, "Isolated"));
  return cutter(cutAtChars(isPunctuation, behavior));
}

Made makeDigits(const Fields &f, int) {
  PLX_ASSIGN(bool individual, f.boolean("individual_digits"));
  return cutter(
      cutAtChars(isNumeric, individual ? SplitBehavior::Isolated : SplitBehavior::Contiguous));
}

Made makeDelimiter(const Fields &f, int) {
  PLX_ASSIGN(char32_t delimiter, f.character("delimiter"));
  return cutter(cutAtChars([=](char32_t c) { return c == delimiter; }, SplitBehavior::Removed));
}

Made makeSplit(const Fields &f, int) {
  PLX_ASSIGN(Regex pattern, patternField(f));
  PLX_ASSIGN(SplitBehavior behavior, behaviorField(f));
  PLX_ASSIGN(bool invert, f.boolean("invert"));
  return cutter(cutAtPattern(std::make_shared<Regex>(std::move(pattern)), behavior, invert));
}

Made makeFixedLength(const Fields &f, int) {
  PLX_ASSIGN(uint64_t length, f.number("length", 5));
  if (length == 0)
    return f.wrongKind("length", "at least 1");
  return cutter([length](NormalizedString &s, std::vector<NormalizedString> &out) {
    std::vector<uint32_t> starts;
    size_t chars = codePoints(s.get(), &starts).size();
    for (size_t i = 0; i < chars; i += length)
      out.push_back(s.slice(starts[i], starts[std::min<size_t>(chars, i + length)]));
    return Status::ok();
  });
}

/// Cuts where the script changes; spaces and unassigned characters go with what is before them.
Made makeUnicodeScripts(const Fields &, int) {
  return cutter([](NormalizedString &s, std::vector<NormalizedString> &out) {
    constexpr int noScript = -2;
    int last = noScript;
    size_t begin = std::string::npos;
    for (size_t pos = 0; pos < s.get().size();) {
      DecodedChar c = decodeAt(s.get(), pos);
      int script = splitScript(c.codePoint);
      if (script != anyScript) {
        if (script != last) {
          if (begin != std::string::npos)
            out.push_back(s.slice(begin, pos));
          begin = pos;
        }
        last = script;
      }
      pos += c.length;
    }
    // What stands before the first character of a script is lost, as in the reference.
    if (begin != std::string::npos)
      out.push_back(s.slice(begin, s.get().size()));
    return Status::ok();
  });
}

Made makeMetaspace(const Fields &f, int) {
  PLX_ASSIGN(MetaspaceOptions o, readMetaspace(f));
  std::string mark;
  appendUtf8(mark, o.replacement);
  auto isMark = [o](char32_t c) { return c == o.replacement; };
  return cutter([=](NormalizedString &s, std::vector<NormalizedString> &out) {
    std::vector<MatchSpan> spans;
    charSpans(s.get(), [](char32_t c) { return c == ' '; }, spans);
    s.replace(spans, mark);
    bool atStart = o.scheme == PrependScheme::Always ||
                   (o.scheme == PrependScheme::First && s.originalBegin() == 0);
    if (atStart && !s.get().starts_with(mark))
      s.prepend(mark);
    if (!o.split) {
      out.push_back(std::move(s));
      return Status::ok();
    }
    charSpans(s.get(), isMark, spans);
    s.split(std::move(spans), SplitBehavior::MergedWithNext, out);
    return Status::ok();
  });
}

Made makeSequence(const Fields &f, int depth) {
  PLX_ASSIGN(const Json *list, f.require("pretokenizers"));
  if (!list->is_array())
    return f.wrongKind("pretokenizers", "an array");
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  for (const Json &item : *list) {
    PLX_ASSIGN(auto step, makePreTokenizer(item, depth + 1));
    steps.push_back(std::move(step));
  }
  return std::unique_ptr<PreTokenizer>(new Sequence(std::move(steps)));
}

const std::map<std::string, Made (*)(const Fields &, int)> makers = {
    {"BertPreTokenizer", makeBert},
    {"ByteLevel", makeByteLevel},
    {"CharDelimiterSplit", makeDelimiter},
    {"Digits", makeDigits},
    {"FixedLength", makeFixedLength},
    {"Metaspace", makeMetaspace},
    {"Punctuation", makePunctuation},
    {"Sequence", makeSequence},
    {"Split", makeSplit},
    {"UnicodeScripts", makeUnicodeScripts},
    {"Whitespace", makeWhitespace},
    {"WhitespaceSplit", makeWhitespaceSplit},
};
} // namespace

Expected<MetaspaceOptions> readMetaspace(const Fields &f) {
  MetaspaceOptions o{};
  PLX_ASSIGN(o.replacement, f.character("replacement"));
  PLX_ASSIGN(std::string scheme, f.string("prepend_scheme", "always"));
  static const std::map<std::string, PrependScheme> schemes = {{"always", PrependScheme::Always},
                                                               {"first", PrependScheme::First},
                                                               {"never", PrependScheme::Never}};
  auto it = schemes.find(scheme);
  if (it == schemes.end())
    return f.wrongKind("prepend_scheme", "always, first or never");
  o.scheme = it->second;
  PLX_ASSIGN(bool addPrefixSpace, f.boolean("add_prefix_space", true));
  if (!addPrefixSpace) {
    if (f.find("prepend_scheme") && o.scheme != PrependScheme::Never)
      return error(Code::Corrupt) << f.what()
                                  << ": add_prefix_space false contradicts prepend_scheme '"
                                  << scheme << "'";
    o.scheme = PrependScheme::Never;
  }
  PLX_ASSIGN(o.split, f.boolean("split", true));
  return o;
}

Expected<std::unique_ptr<PreTokenizer>> makePreTokenizer(const Json &json, int depth) {
  return makeComponent(json, "pre_tokenizer", makers, depth);
}

} // namespace plexus::text
