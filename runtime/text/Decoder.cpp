// The decoders of tokenizer.json and the table that builds them by name.
#include "runtime/text/Decoder.h"
#include "runtime/text/ByteLevel.h"
#include "runtime/text/PreTokenizer.h"
#include "runtime/text/Utf8.h"

#include <map>

namespace plexus::text {

namespace {
using Made = Expected<std::unique_ptr<Decoder>>;
using Pieces = std::vector<std::string>;

/// A decoder that is one function of the list.
template <typename F>
class Simple : public Decoder {
public:
  explicit Simple(F f) : f_(std::move(f)) {}
  Status decode(Pieces &pieces) const override { return f_(pieces); }

private:
  F f_;
};
template <typename F>
Made simple(F f) {
  return std::unique_ptr<Decoder>(new Simple<F>(std::move(f)));
}
/// One that rewrites each piece: `f(piece, index, count)`.
template <typename F>
Made eachPiece(F f) {
  return simple([f](Pieces &pieces) {
    for (size_t i = 0; i < pieces.size(); ++i)
      pieces[i] = f(std::move(pieces[i]), i, pieces.size());
    return Status::ok();
  });
}

Made makeByteLevel(const Fields &, int) {
  return simple([](Pieces &pieces) {
    std::string bytes;
    for (const std::string &piece : pieces) {
      size_t before = bytes.size();
      for (char32_t c : codePoints(piece)) {
        std::optional<uint8_t> byte = charToByte(c);
        if (!byte) { // Not byte-level: an added token in plain text.
          bytes.resize(before);
          bytes += piece;
          break;
        }
        bytes += char(*byte);
      }
    }
    pieces = {lossyUtf8(bytes)};
    return Status::ok();
  });
}

/// Undoes the spaces that English tokenization puts around punctuation and contractions.
std::string cleanUp(std::string s) {
  constexpr std::pair<const char *, const char *> rules[] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (auto [from, to] : rules)
    if (s.find(from) != std::string::npos)
      s = replaceAll(s, from, to);
  return s;
}

Made makeWordPiece(const Fields &f, int) {
  PLX_ASSIGN(std::string prefix, f.string("prefix"));
  PLX_ASSIGN(bool cleanup, f.boolean("cleanup"));
  return eachPiece([=](std::string piece, size_t i, size_t) {
    if (i > 0)
      piece = piece.starts_with(prefix) ? piece.substr(prefix.size()) : " " + piece;
    return cleanup ? cleanUp(std::move(piece)) : piece;
  });
}

Made makeMetaspace(const Fields &f, int) {
  PLX_ASSIGN(MetaspaceOptions o, readMetaspace(f));
  std::string mark;
  appendUtf8(mark, o.replacement);
  bool strips = o.scheme != PrependScheme::Never;
  return eachPiece([=](std::string piece, size_t i, size_t) {
    return replaceAll(piece, mark, i == 0 && strips ? "" : " ");
  });
}

Made makeBpe(const Fields &f, int) {
  PLX_ASSIGN(std::string suffix, f.string("suffix"));
  return eachPiece([=](std::string piece, size_t i, size_t n) {
    return replaceAll(piece, suffix, i + 1 == n ? "" : " ");
  });
}

/// Joins runs of <0xNN> pieces into text; a run that is not UTF-8 gives one U+FFFD for each byte.
Made makeByteFallback(const Fields &, int) {
  return simple([](Pieces &pieces) {
    Pieces out;
    std::string bytes;
    auto flush = [&] {
      if (isValidUtf8(bytes)) {
        if (!bytes.empty())
          out.push_back(bytes);
      } else {
        out.insert(out.end(), bytes.size(), "\xEF\xBF\xBD");
      }
      bytes.clear();
    };
    for (std::string &piece : pieces) {
      if (std::optional<uint8_t> byte = parseByteToken(piece)) {
        bytes += char(*byte);
        continue;
      }
      flush();
      out.push_back(std::move(piece));
    }
    flush();
    pieces = std::move(out);
    return Status::ok();
  });
}

Made makeFuse(const Fields &, int) {
  return simple([](Pieces &pieces) {
    std::string all;
    for (const std::string &piece : pieces)
      all += piece;
    pieces = {std::move(all)};
    return Status::ok();
  });
}

Made makeStrip(const Fields &f, int) {
  PLX_ASSIGN(char32_t content, f.character("content"));
  PLX_ASSIGN(uint64_t start, f.number("start"));
  PLX_ASSIGN(uint64_t stop, f.number("stop"));
  std::string unit;
  appendUtf8(unit, content);
  return eachPiece([=](std::string piece, size_t, size_t) {
    std::string_view rest = piece;
    for (uint64_t i = 0; i < start && rest.starts_with(unit); ++i)
      rest.remove_prefix(unit.size());
    for (uint64_t i = 0; i < stop && rest.ends_with(unit); ++i)
      rest.remove_suffix(unit.size());
    return std::string(rest);
  });
}

Made makeReplace(const Fields &f, int) {
  PLX_ASSIGN(Regex pattern, patternField(f));
  PLX_ASSIGN(std::string content, f.string("content"));
  auto regex = std::make_shared<Regex>(std::move(pattern));
  return simple([=](Pieces &pieces) {
    std::vector<MatchSpan> spans;
    for (std::string &piece : pieces) {
      PLX_RETURN_IF_ERROR(regex->spans(piece, spans));
      std::string out;
      for (const MatchSpan &span : spans)
        out += span.isMatch ? content : piece.substr(span.begin, span.end - span.begin);
      piece = std::move(out);
    }
    return Status::ok();
  });
}

/// Connectionist temporal classification: repeats collapse, padding vanishes.
Made makeCtc(const Fields &f, int) {
  PLX_ASSIGN(std::string pad, f.string("pad_token"));
  PLX_ASSIGN(std::string delimiter, f.string("word_delimiter_token"));
  PLX_ASSIGN(bool cleanup, f.boolean("cleanup"));
  return simple([=](Pieces &pieces) {
    Pieces out;
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (i > 0 && pieces[i] == pieces[i - 1])
        continue;
      std::string piece = replaceAll(pieces[i], pad, "");
      if (cleanup)
        piece = replaceAll(cleanUp(std::move(piece)), delimiter, " ");
      if (!piece.empty())
        out.push_back(std::move(piece));
    }
    pieces = std::move(out);
    return Status::ok();
  });
}

Made makeSequence(const Fields &f, int depth) {
  PLX_ASSIGN(const Json *list, f.require("decoders"));
  if (!list->is_array())
    return f.wrongKind("decoders", "an array");
  auto steps = std::make_shared<std::vector<std::unique_ptr<Decoder>>>();
  for (const Json &item : *list) {
    PLX_ASSIGN(auto step, makeDecoder(item, depth + 1));
    steps->push_back(std::move(step));
  }
  return simple([steps](Pieces &pieces) {
    for (const auto &step : *steps)
      PLX_RETURN_IF_ERROR(step->decode(pieces));
    return Status::ok();
  });
}

const std::map<std::string, Made (*)(const Fields &, int)> makers = {
    {"BPEDecoder", makeBpe},      {"ByteFallback", makeByteFallback},
    {"ByteLevel", makeByteLevel}, {"CTC", makeCtc},
    {"Fuse", makeFuse},           {"Metaspace", makeMetaspace},
    {"Replace", makeReplace},     {"Sequence", makeSequence},
    {"Strip", makeStrip},         {"WordPiece", makeWordPiece},
};
} // namespace

Expected<std::unique_ptr<Decoder>> makeDecoder(const Json &json, int depth) {
  return makeComponent(json, "decoder", makers, depth);
}

} // namespace plexus::text
