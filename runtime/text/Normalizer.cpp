// The normalizers of tokenizer.json and the table that builds them by name.
#include "runtime/text/Normalizer.h"
#include "runtime/text/ByteLevel.h"
#include "runtime/text/JsonFields.h"
#include "runtime/text/UnicodeProps.h"
#include "runtime/text/Utf8.h"

#include <map>

namespace plexus::text {

namespace {
using Made = Expected<std::unique_ptr<Normalizer>>;

/// A normalizer that is one function.
template <typename F>
class Simple : public Normalizer {
public:
  explicit Simple(F f) : f_(std::move(f)) {}
  Status normalize(NormalizedString &s) const override {
    f_(s);
    return Status::ok();
  }

private:
  F f_;
};
template <typename F>
Made simple(F f) {
  return std::unique_ptr<Normalizer>(new Simple<F>(std::move(f)));
}

class Replace : public Normalizer {
public:
  Replace(Regex pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  Status normalize(NormalizedString &s) const override {
    std::vector<MatchSpan> spans;
    PLX_RETURN_IF_ERROR(pattern_.spans(s.get(), spans));
    s.replace(spans, content_);
    return Status::ok();
  }

private:
  Regex pattern_;
  std::string content_;
};

class Sequence : public Normalizer {
public:
  explicit Sequence(std::vector<std::unique_ptr<Normalizer>> steps) : steps_(std::move(steps)) {}
  Status normalize(NormalizedString &s) const override {
    for (const auto &step : steps_)
      PLX_RETURN_IF_ERROR(step->normalize(s));
    return Status::ok();
  }

private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

struct BertOptions {
  bool cleanText, handleChineseChars, stripAccents, lowercase;
};

void setIdeographsApart(NormalizedString &s) {
  std::vector<CharChange> changes;
  bool found = false;
  for (char32_t c : codePoints(s.get())) {
    if (isCjkIdeograph(c)) {
      changes.insert(changes.end(), {{U' ', 0}, {c, 1}, {U' ', 1}});
      found = true;
    } else {
      changes.push_back({c, 0});
    }
  }
  if (found)
    s.transform(changes, 0);
}

void bertNormalize(NormalizedString &s, const BertOptions &options) {
  auto isControl = [](char32_t c) {
    return c != '\t' && c != '\n' && c != '\r' && isControlOther(c);
  };
  if (options.cleanText) {
    s.filter([&](char32_t c) { return c != 0 && c != 0xFFFD && !isControl(c); });
    s.map([](char32_t c) { return isWhitespace(c) ? U' ' : c; });
  }
  if (options.handleChineseChars) {
    setIdeographsApart(s);
  }
  if (options.stripAccents) {
    applyNormalForm(s, NormalForm::Nfd);
    s.filter([](char32_t c) { return !isNonspacingMark(c); });
  }
  if (options.lowercase)
    s.lowerCase();
}

/// What SentencePiece's "nmt" rules remove and turn into spaces.
void nmtNormalize(NormalizedString &s) {
  s.filter([](char32_t c) {
    return !((c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
             c == 0x9F);
  });
  s.map([](char32_t c) {
    bool space = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
                 (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                 c == 0xFEFF || c == 0xFFFD;
    return space ? U' ' : c;
  });
}

Made makeBert(const Fields &f, int) {
  BertOptions o{};
  PLX_ASSIGN(o.cleanText, f.boolean("clean_text"));
  PLX_ASSIGN(o.handleChineseChars, f.boolean("handle_chinese_chars"));
  PLX_ASSIGN(o.lowercase, f.boolean("lowercase"));
  PLX_ASSIGN(o.stripAccents, f.boolean("strip_accents", o.lowercase));
  return simple([o](NormalizedString &s) { bertNormalize(s, o); });
}

Made makeStrip(const Fields &f, int) {
  PLX_ASSIGN(bool left, f.boolean("strip_left"));
  PLX_ASSIGN(bool right, f.boolean("strip_right"));
  return simple([left, right](NormalizedString &s) { s.strip(left, right); });
}

Made makeReplace(const Fields &f, int) {
  PLX_ASSIGN(Regex pattern, patternField(f));
  PLX_ASSIGN(std::string content, f.string("content"));
  return std::unique_ptr<Normalizer>(new Replace(std::move(pattern), std::move(content)));
}

Made makeSequence(const Fields &f, int depth) {
  PLX_ASSIGN(const Json *list, f.require("normalizers"));
  if (!list->is_array())
    return f.wrongKind("normalizers", "an array");
  std::vector<std::unique_ptr<Normalizer>> steps;
  for (const Json &item : *list) {
    PLX_ASSIGN(auto step, makeNormalizer(item, depth + 1));
    steps.push_back(std::move(step));
  }
  return std::unique_ptr<Normalizer>(new Sequence(std::move(steps)));
}

Made makePrependNormalizer(const Fields &f, int) {
  PLX_ASSIGN(std::string prefix, f.string("prepend"));
  return simple([prefix](NormalizedString &s) { s.prepend(prefix); });
}

Made makePrecompiledNormalizer(const Fields &f, int) {
  PLX_ASSIGN(std::string map, f.string("precompiled_charsmap"));
  return makePrecompiled(map);
}

template <NormalForm form>
Made makeForm(const Fields &, int) {
  return simple([](NormalizedString &s) { applyNormalForm(s, form); });
}

template <void (*f)(NormalizedString &)>
Made makePlain(const Fields &, int) {
  return simple([](NormalizedString &s) { f(s); });
}
void lowercaseNormalize(NormalizedString &s) { s.lowerCase(); }
void stripAccentsNormalize(NormalizedString &s) {
  s.filter([](char32_t c) { return !isCombiningMark(c); });
}

const std::map<std::string, Made (*)(const Fields &, int)> makers = {
    {"BertNormalizer", makeBert},
    {"ByteLevel", makePlain<toByteLevel>},
    {"Lowercase", makePlain<lowercaseNormalize>},
    {"NFC", makeForm<NormalForm::Nfc>},
    {"NFD", makeForm<NormalForm::Nfd>},
    {"NFKC", makeForm<NormalForm::Nfkc>},
    {"NFKD", makeForm<NormalForm::Nfkd>},
    {"Nmt", makePlain<nmtNormalize>},
    {"Precompiled", makePrecompiledNormalizer},
    {"Prepend", makePrependNormalizer},
    {"Replace", makeReplace},
    {"Sequence", makeSequence},
    {"Strip", makeStrip},
    {"StripAccents", makePlain<stripAccentsNormalize>},
};
} // namespace

Expected<std::unique_ptr<Normalizer>> makeNormalizer(const Json &json, int depth) {
  return makeComponent(json, "normalizer", makers, depth);
}

} // namespace plexus::text
