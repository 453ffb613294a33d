// The lexer of the template engine.
#include "runtime/text/jinja/Lexer.h"
#include "runtime/text/Utf8.h"
#include "runtime/text/jinja/Value.h"

#include <algorithm>
#include <iterator>

namespace plexus::text::jinja {

namespace {
bool isSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool isNameStart(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool isDigit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
public:
  explicit Lexer(std::string_view source) {
    // Line ends count as \n, and one at the very end is dropped.
    source_ = replaceAll(replaceAll(source, "\r\n", "\n"), "\r", "\n");
    if (source_.ends_with('\n'))
      source_.pop_back();
  }

  std::vector<LexToken> run() {
    while (pos_ < source_.size())
      textThenTag();
    add(TokenKind::End, "");
    return std::move(out_);
  }

private:
  void textThenTag();
  void comment();
  void raw(std::string_view afterTag);
  void tag(bool isStatement);
  void token();
  void string(char quote);
  void number();
  void endOfTag(bool isStatement, char control);
  bool atRaw() const;

  bool at(std::string_view s) const {
    return std::string_view(source_).substr(pos_).starts_with(s);
  }
  void add(TokenKind kind, std::string text) { out_.push_back({kind, std::move(text), line_}); }
  void advance(size_t n) {
    line_ += uint32_t(
        std::count(source_.begin() + ptrdiff_t(pos_), source_.begin() + ptrdiff_t(pos_ + n), '\n'));
    pos_ += n;
  }
  [[noreturn]] void failHere(std::string message) {
    throw TemplateError{Code::InvalidArgument, std::move(message), line_};
  }

  std::string source_;
  size_t pos_ = 0;
  uint32_t line_ = 1;
  std::vector<LexToken> out_;
};

/// The text in front of a tag, as the tag's own white space control leaves it.
std::string_view trimmedBefore(std::string_view text, std::string_view tag, bool lineBegins) {
  char control = tag.size() > 2 ? tag[2] : ' ';
  if (control == '-') {
    while (!text.empty() && isSpace(text.back()))
      text.remove_suffix(1);
    return text;
  }
  if (control == '+' || tag[1] == '{')
    return text;
  // lstrip_blocks: blanks go if nothing else stands before the tag in its line.
  size_t end = text.size();
  while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\t'))
    --end;
  bool alone = end == 0 ? lineBegins : text[end - 1] == '\n';
  return alone ? text.substr(0, end) : text;
}

void Lexer::textThenTag() {
  size_t tagAt = pos_;
  auto isTag = [&](size_t i) {
    return source_[i] == '{' && i + 1 < source_.size() &&
           (source_[i + 1] == '%' || source_[i + 1] == '{' || source_[i + 1] == '#');
  };
  while (tagAt < source_.size() && !isTag(tagAt))
    ++tagAt;
  std::string_view text = std::string_view(source_).substr(pos_, tagAt - pos_);
  std::string_view tagText = std::string_view(source_).substr(tagAt);
  bool lineBegins = pos_ == 0 || source_[pos_ - 1] == '\n';
  if (!tagText.empty())
    text = trimmedBefore(text, tagText, lineBegins);
  if (!text.empty())
    add(TokenKind::Text, std::string(text));
  advance(tagAt - pos_);
  if (tagText.empty())
    return;
  if (tagText[1] == '#')
    return comment();
  bool isStatement = tagText[1] == '%';
  advance(tagText.size() > 2 && (tagText[2] == '-' || tagText[2] == '+') ? 3 : 2);
  if (isStatement && atRaw())
    return raw(tagText);
  tag(isStatement);
}

void Lexer::comment() {
  size_t end = source_.find("#}", pos_ + 2);
  if (end == std::string::npos)
    failHere("comment is not closed");
  char control = end > pos_ + 2 ? source_[end - 1] : ' ';
  advance(end + 2 - pos_);
  endOfTag(true, control);
}

bool Lexer::atRaw() const {
  size_t i = pos_;
  while (i < source_.size() && isSpace(source_[i]))
    ++i;
  return std::string_view(source_).substr(i).starts_with("raw") && i + 3 < source_.size() &&
         !isNameStart(source_[i + 3]) && !isDigit(source_[i + 3]);
}

void Lexer::raw(std::string_view) {
  size_t open = source_.find("%}", pos_);
  if (open == std::string::npos)
    failHere("raw block is not closed");
  char control = source_[open - 1];
  advance(open + 2 - pos_);
  endOfTag(true, control);
  for (size_t tagAt = pos_; (tagAt = source_.find("{%", tagAt)) != std::string::npos; tagAt += 2) {
    size_t i = tagAt + 2;
    while (i < source_.size() && (isSpace(source_[i]) || source_[i] == '-' || source_[i] == '+'))
      ++i;
    if (!std::string_view(source_).substr(i).starts_with("endraw"))
      continue;
    size_t close = source_.find("%}", i);
    if (close == std::string::npos)
      break;
    std::string_view body = std::string_view(source_).substr(pos_, tagAt - pos_);
    body = trimmedBefore(body, std::string_view(source_).substr(tagAt),
                         pos_ == 0 || source_[pos_ - 1] == '\n');
    if (!body.empty())
      add(TokenKind::Text, std::string(body));
    char endControl = source_[close - 1];
    advance(close + 2 - pos_);
    return endOfTag(true, endControl);
  }
  failHere("raw block is not closed");
}

void Lexer::endOfTag(bool isStatement, char control) {
  if (control == '-') {
    size_t end = pos_;
    while (end < source_.size() && isSpace(source_[end]))
      ++end;
    advance(end - pos_);
  } else if (isStatement && control != '+' && at("\n")) {
    advance(1); // trim_blocks
  }
}

void Lexer::tag(bool isStatement) {
  add(isStatement ? TokenKind::StatementBegin : TokenKind::OutputBegin, "");
  std::string close = isStatement ? "%}" : "}}";
  std::vector<char> open; // Brackets not yet closed: a "}}" inside them closes mappings.
  while (true) {
    while (pos_ < source_.size() && isSpace(source_[pos_]))
      advance(1);
    if (pos_ >= source_.size())
      failHere(isStatement ? "'%}' is missing" : "'}}' is missing");
    char c = source_[pos_];
    bool controlled =
        (c == '-' || c == '+') && std::string_view(source_).substr(pos_ + 1).starts_with(close);
    if (open.empty() && (at(close) || controlled)) {
      add(isStatement ? TokenKind::StatementEnd : TokenKind::OutputEnd, "");
      advance(controlled ? 3 : 2);
      return endOfTag(isStatement, controlled ? c : ' ');
    }
    if (c == '(' || c == '[' || c == '{')
      open.push_back(c);
    else if ((c == ')' || c == ']' || c == '}') && !open.empty())
      open.pop_back();
    token();
  }
}

void Lexer::token() {
  char c = source_[pos_];
  if (c == '"' || c == '\'')
    return string(c);
  if (isDigit(c))
    return number();
  if (isNameStart(c)) {
    size_t end = pos_;
    while (end < source_.size() && (isNameStart(source_[end]) || isDigit(source_[end])))
      ++end;
    add(TokenKind::Name, source_.substr(pos_, end - pos_));
    return advance(end - pos_);
  }
  constexpr std::string_view operators[] = {"==", "!=", "<=", ">=", "//", "**", "<", ">", "=",
                                            "+",  "-",  "*",  "/",  "%",  "~",  "|", ".", ",",
                                            ":",  "(",  ")",  "[",  "]",  "{",  "}"};
  for (std::string_view op : operators)
    if (at(op)) {
      add(TokenKind::Operator, std::string(op));
      return advance(op.size());
    }
  failHere(std::string("unexpected character '") + c + "'");
}

void Lexer::number() {
  size_t end = pos_;
  bool isFloat = false;
  auto digits = [&] {
    while (end < source_.size() && (isDigit(source_[end]) || source_[end] == '_'))
      ++end;
  };
  digits();
  if (end + 1 < source_.size() && source_[end] == '.' && isDigit(source_[end + 1])) {
    isFloat = true;
    ++end;
    digits();
  }
  if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
    size_t exponent = end + 1;
    if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-'))
      ++exponent;
    if (exponent < source_.size() && isDigit(source_[exponent])) {
      isFloat = true;
      end = exponent;
      digits();
    }
  }
  std::string text = source_.substr(pos_, end - pos_);
  std::erase(text, '_');
  add(isFloat ? TokenKind::Float : TokenKind::Integer, std::move(text));
  advance(end - pos_);
}

/// Python's escapes; one that Python does not know stays as it is written.
void Lexer::string(char quote) {
  std::string text;
  size_t i = pos_ + 1;
  for (; i < source_.size() && source_[i] != quote; ++i) {
    if (source_[i] != '\\' || i + 1 >= source_.size()) {
      text += source_[i];
      continue;
    }
    char c = source_[++i];
    constexpr std::string_view names = "ntrbfav\\'\"", values = "\n\t\r\b\f\a\v\\'\"";
    size_t at = names.find(c);
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (at != std::string_view::npos) {
      text += values[at];
    } else if (digits > 0) {
      std::string hex = source_.substr(i + 1, digits);
      if (hex.size() < digits ||
          hex.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
        failHere("bad escape in a string");
      appendUtf8(text, char32_t(std::stoul(hex, nullptr, 16)));
      i += digits;
    } else if (c != '\n') {
      (text += '\\') += c;
    }
  }
  if (i >= source_.size())
    failHere("string is not closed");
  add(TokenKind::String, std::move(text));
  advance(i + 1 - pos_);
}
} // namespace

std::vector<LexToken> lex(std::string_view source) { return Lexer(source).run(); }

} // namespace plexus::text::jinja
