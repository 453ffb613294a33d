// Attributes and methods of template values: strings, mappings, loops, namespaces.
#include "runtime/text/UnicodeProps.h"
#include "runtime/text/Utf8.h"
#include "runtime/text/jinja/Value.h"

#include <algorithm>
#include <map>
#include <unicode/locid.h>
#include <unicode/unistr.h>

namespace plexus::text::jinja {

Bound::Bound(std::string function, std::vector<std::string> names, const Arguments &args,
             const Keywords &keywords)
    : function_(std::move(function)), names_(std::move(names)), values_(names_.size(), nullptr) {
  if (args.size() > names_.size())
    fail(function_ + "() takes at most " + std::to_string(names_.size()) + " arguments");
  for (size_t i = 0; i < args.size(); ++i)
    values_[i] = &args[i];
  for (const auto &[key, value] : keywords) {
    auto it = std::find(names_.begin(), names_.end(), key);
    if (it == names_.end())
      fail(function_ + "() has no argument '" + key + "'");
    const Value *&place = values_[size_t(it - names_.begin())];
    if (place)
      fail(function_ + "() got argument '" + key + "' twice");
    place = &value;
  }
}

const Value &Bound::at(size_t i) const {
  if (!values_[i])
    fail(function_ + "() needs argument '" + names_[i] + "'");
  return *values_[i];
}
std::string Bound::string(size_t i, std::string fallback) const {
  if (!values_[i] || values_[i]->isNone())
    return fallback;
  if (!values_[i]->string())
    fail(function_ + "(): argument '" + names_[i] + "' must be a string, not " +
         values_[i]->kind());
  return *values_[i]->string();
}
int64_t Bound::integer(size_t i, int64_t fallback) const {
  return !values_[i] || values_[i]->isNone() ? fallback : asInteger(*values_[i], names_[i].c_str());
}
bool Bound::boolean(size_t i, bool fallback) const {
  return values_[i] ? values_[i]->truthy() : fallback;
}

namespace {
bool isPythonSpace(char32_t c) { return isWhitespace(c) || (c >= 0x1C && c <= 0x1F); }

std::string throughIcu(std::string_view s, void (*change)(icu::UnicodeString &)) {
  icu::UnicodeString text =
      icu::UnicodeString::fromUTF8(icu::StringPiece(s.data(), int32_t(s.size())));
  change(text);
  std::string out;
  return text.toUTF8String(out);
}
} // namespace

std::string upperCase(std::string_view s) {
  return throughIcu(s, [](icu::UnicodeString &t) { t.toUpper(icu::Locale::getRoot()); });
}
std::string lowerCaseText(std::string_view s) {
  return throughIcu(s, [](icu::UnicodeString &t) { t.toLower(icu::Locale::getRoot()); });
}
std::string capitalize(std::string_view s) {
  if (s.empty())
    return "";
  size_t first = decodeAt(s, 0).length;
  return upperCase(s.substr(0, first)) + lowerCaseText(s.substr(first));
}
std::string titleCase(std::string_view s) {
  std::string out;
  bool inWord = false;
  for (size_t pos = 0; pos < s.size();) {
    DecodedChar c = decodeAt(s, pos);
    std::string_view part = s.substr(pos, c.length);
    bool letter = isWordChar(c.codePoint) && !isNumeric(c.codePoint) && c.codePoint != '_';
    out += !letter ? std::string(part) : inWord ? lowerCaseText(part) : upperCase(part);
    inWord = letter;
    pos += c.length;
  }
  return out;
}

std::string strip(std::string_view s, bool left, bool right, const std::string *chars) {
  std::vector<uint32_t> starts;
  std::vector<char32_t> text = codePoints(s, &starts);
  std::vector<char32_t> set = chars ? codePoints(*chars) : std::vector<char32_t>();
  auto goes = [&](char32_t c) {
    return chars ? std::find(set.begin(), set.end(), c) != set.end() : isPythonSpace(c);
  };
  size_t first = 0, last = text.size();
  while (left && first < last && goes(text[first]))
    ++first;
  while (right && last > first && goes(text[last - 1]))
    --last;
  return std::string(s.substr(starts[first], starts[last] - starts[first]));
}

namespace {
using Method = Value (*)(const std::string &, const Arguments &, const Keywords &);

Value listOf(const std::vector<std::string> &parts) {
  return Value::list(std::vector<Value>(parts.begin(), parts.end()));
}

/// str.split() without a separator: at runs of white space.
std::vector<std::string> splitAtSpace(const std::string &s, int64_t limit) {
  std::vector<std::string> out;
  std::string rest = strip(s, true, false);
  while (!rest.empty()) {
    size_t end = 0;
    while (end < rest.size() && !isPythonSpace(decodeAt(rest, end).codePoint))
      end += decodeAt(rest, end).length;
    if (limit >= 0 && int64_t(out.size()) == limit) {
      out.push_back(strip(rest, false, true));
      break;
    }
    out.push_back(rest.substr(0, end));
    rest = strip(std::string_view(rest).substr(end), true, false);
    Budget::spend(rest.size() / 16 + 1);
  }
  return out;
}

std::vector<std::string> splitAt(const std::string &s, const std::string &separator, int64_t limit,
                                 bool fromRight) {
  if (separator.empty())
    fail("split(): empty separator");
  std::vector<std::string> out;
  std::string_view rest = s;
  while (limit < 0 || int64_t(out.size()) < limit) {
    size_t at = fromRight ? rest.rfind(separator) : rest.find(separator);
    if (at == std::string_view::npos)
      break;
    out.push_back(std::string(fromRight ? rest.substr(at + separator.size()) : rest.substr(0, at)));
    rest = fromRight ? rest.substr(0, at) : rest.substr(at + separator.size());
  }
  out.push_back(std::string(rest));
  if (fromRight)
    std::reverse(out.begin(), out.end());
  return out;
}

template <bool fromRight>
Value split(const std::string &s, const Arguments &a, const Keywords &k) {
  Bound b("split", {"sep", "maxsplit"}, a, k);
  int64_t limit = b.integer(1, -1);
  if (b.has(0) && !b.at(0).isNone())
    return listOf(splitAt(s, b.string(0, ""), limit, fromRight));
  if (fromRight && limit >= 0)
    unsupported("rsplit() at white space with a limit");
  return listOf(splitAtSpace(s, limit));
}

template <bool left, bool right>
Value stripMethod(const std::string &s, const Arguments &a, const Keywords &k) {
  Bound b("strip", {"chars"}, a, k);
  if (!b.has(0) || b.at(0).isNone())
    return strip(s, left, right);
  std::string chars = b.string(0, "");
  return strip(s, left, right, &chars);
}

/// startswith and endswith take a string or a tuple of strings.
template <bool atStart>
Value affix(const std::string &s, const Arguments &a, const Keywords &k) {
  Bound b(atStart ? "startswith" : "endswith", {"prefix"}, a, k);
  auto matches = [&](const Value &v) {
    if (!v.string())
      fail(std::string("startswith/endswith needs a string, not ") + v.kind());
    return atStart ? s.starts_with(*v.string()) : s.ends_with(*v.string());
  };
  if (const List *l = b.at(0).list())
    return std::any_of(l->items.begin(), l->items.end(), matches);
  return matches(b.at(0));
}

template <bool fromRight>
Value find(const std::string &s, const Arguments &a, const Keywords &k) {
  Bound b("find", {"sub"}, a, k);
  std::string what = b.string(0, "");
  size_t at = fromRight ? s.rfind(what) : s.find(what);
  if (at == std::string::npos)
    return int64_t(-1);
  return int64_t(countChars(std::string_view(s).substr(0, at)));
}

Value replaceMethod(const std::string &s, const Arguments &a, const Keywords &k) {
  Bound b("replace", {"old", "new", "count"}, a, k);
  if (b.integer(2, -1) >= 0)
    unsupported("replace() with a count");
  std::string from = b.string(0, ""), to = b.string(1, "");
  size_t hits = from.empty() ? s.size() + 1 : s.size() / from.size();
  if (to.size() > 0 && hits > Budget::maxTextBytes / to.size())
    Budget::checkText(Budget::maxTextBytes + 1);
  Budget::checkText(s.size() + to.size() * hits);
  return replaceAll(s, from, to);
}

Value joinMethod(const std::string &s, const Arguments &a, const Keywords &k) {
  Bound b("join", {"iterable"}, a, k);
  std::string out;
  bool first = true;
  for (const Value &v : b.at(0).elements()) {
    if (!v.string())
      fail(std::string("join() of ") + v.kind());
    out += (std::exchange(first, false) ? "" : s) + *v.string();
    Budget::checkText(out.size() / 16);
  }
  return out;
}

Value splitlines(const std::string &s, const Arguments &a, const Keywords &k) {
  Bound b("splitlines", {"keepends"}, a, k);
  std::vector<std::string> out;
  std::string line;
  for (size_t i = 0; i < s.size(); ++i) {
    bool pair = s[i] == '\r' && i + 1 < s.size() && s[i + 1] == '\n';
    bool ends = s[i] == '\n' || s[i] == '\r';
    if (!ends || b.boolean(0, false))
      line += s.substr(i, pair ? 2 : 1);
    i += pair;
    if (ends)
      out.push_back(std::exchange(line, ""));
  }
  if (!line.empty())
    out.push_back(line);
  return listOf(out);
}

Value countMethod(const std::string &s, const Arguments &a, const Keywords &k) {
  Bound b("count", {"sub"}, a, k);
  std::string what = b.string(0, "");
  if (what.empty())
    return int64_t(countChars(s) + 1);
  int64_t n = 0;
  for (size_t at = 0; (at = s.find(what, at)) != std::string::npos; at += what.size())
    ++n;
  return n;
}

template <bool (*is)(char32_t)>
Value every(const std::string &s, const Arguments &a, const Keywords &k) {
  Bound b("is...", {}, a, k);
  std::vector<char32_t> chars = codePoints(s);
  return !chars.empty() && std::all_of(chars.begin(), chars.end(), is);
}
bool isAlpha(char32_t c) { return isWordChar(c) && !isNumeric(c) && c != '_'; }
bool isAlnum(char32_t c) { return isWordChar(c) && c != '_'; }

template <std::string (*change)(std::string_view)>
Value changed(const std::string &s, const Arguments &a, const Keywords &k) {
  Bound b("case method", {}, a, k);
  return change(s);
}

template <bool prefix>
Value removeAffix(const std::string &s, const Arguments &a, const Keywords &k) {
  Bound b("removeprefix/removesuffix", {"affix"}, a, k);
  std::string affix = b.string(0, "");
  if (prefix ? !s.starts_with(affix) : !s.ends_with(affix))
    return s;
  return prefix ? s.substr(affix.size()) : s.substr(0, s.size() - affix.size());
}

const std::map<std::string, Method, std::less<>> stringMethods = {
    {"capitalize", changed<capitalize>},
    {"count", countMethod},
    {"endswith", affix<false>},
    {"find", find<false>},
    {"isalnum", every<isAlnum>},
    {"isalpha", every<isAlpha>},
    {"isdigit", every<isNumeric>},
    {"isspace", every<isPythonSpace>},
    {"join", joinMethod},
    {"lower", changed<lowerCaseText>},
    {"lstrip", stripMethod<true, false>},
    {"removeprefix", removeAffix<true>},
    {"removesuffix", removeAffix<false>},
    {"replace", replaceMethod},
    {"rfind", find<true>},
    {"rsplit", split<true>},
    {"rstrip", stripMethod<false, true>},
    {"split", split<false>},
    {"splitlines", splitlines},
    {"startswith", affix<true>},
    {"strip", stripMethod<true, true>},
    {"title", changed<titleCase>},
    {"upper", changed<upperCase>},
};

template <typename F>
Value callable(std::string name, F f) {
  return Value(std::make_shared<const Callable>(Callable{std::move(name), std::move(f)}));
}

Value pairOf(const std::pair<std::string, Value> &entry) {
  return Value::tuple({Value(entry.first), entry.second});
}

/// items(), keys(), values() and get() of a mapping; undefined for another name.
Value dictMethod(const DictPtr &dict, const std::string &name) {
  if (name == "get")
    return callable("get", [dict](const Arguments &a, const Keywords &k) {
      Bound b("get", {"key", "default"}, a, k);
      const Value *found = b.at(0).string() ? dict->find(*b.at(0).string()) : nullptr;
      return found ? *found : b.has(1) ? b.at(1) : Value(None());
    });
  if (name != "items" && name != "keys" && name != "values")
    return Undefined{name};
  return callable(name, [dict, name](const Arguments &a, const Keywords &k) {
    Bound b(name, {}, a, k);
    std::vector<Value> out;
    for (const auto &entry : dict->entries)
      out.push_back(name == "items"  ? pairOf(entry)
                    : name == "keys" ? Value(entry.first)
                                     : entry.second);
    return Value::list(std::move(out));
  });
}

Value loopAttribute(const std::shared_ptr<const LoopState> &loop, const std::string &name) {
  int64_t i = int64_t(loop->index), n = int64_t(loop->items->items.size());
  const std::map<std::string, int64_t> numbers = {{"index", i + 1},
                                                  {"index0", i},
                                                  {"revindex", n - i},
                                                  {"revindex0", n - i - 1},
                                                  {"length", n},
                                                  {"depth", int64_t(loop->depth)},
                                                  {"depth0", int64_t(loop->depth) - 1}};
  if (auto it = numbers.find(name); it != numbers.end())
    return it->second;
  if (name == "first" || name == "last")
    return name == "first" ? i == 0 : i == n - 1;
  if (name == "previtem")
    return i > 0 ? loop->items->items[size_t(i - 1)] : Value(Undefined{"loop.previtem"});
  if (name == "nextitem")
    return i + 1 < n ? loop->items->items[size_t(i + 1)] : Value(Undefined{"loop.nextitem"});
  if (name == "cycle")
    return callable("cycle", [i](const Arguments &a, const Keywords &) {
      if (a.empty())
        fail("loop.cycle() needs arguments");
      return a[size_t(i) % a.size()];
    });
  unsupported("loop." + name);
}
} // namespace

Value getAttribute(const Value &object, const std::string &name) {
  if (auto u = object.as<Undefined>())
    fail("'" + u->name + "' is undefined");
  if (auto s = object.string()) {
    auto it = stringMethods.find(name);
    if (it == stringMethods.end())
      return Undefined{"str object has no attribute " + name};
    return callable(name, [text = *s, method = it->second](const Arguments &a, const Keywords &k) {
      Budget::spend(text.size() / 64 + 1);
      return method(text, a, k);
    });
  }
  if (auto d = object.as<DictPtr>()) {
    Value method = dictMethod(*d, name);
    if (!method.isUndefined())
      return method;
    for (const char *refused : {"pop", "update", "setdefault", "clear", "popitem"})
      if (name == refused)
        unsupported("changing a mapping by ." + name + "()");
    const Value *found = (*d)->find(name);
    return found ? *found : Value(Undefined{name});
  }
  if (auto n = object.as<std::shared_ptr<Namespace>>()) {
    auto it = (*n)->fields.find(name);
    return it != (*n)->fields.end() ? it->second : Value(Undefined{name});
  }
  if (auto l = object.as<std::shared_ptr<const LoopState>>())
    return loopAttribute(*l, name);
  if (object.list())
    for (const char *refused : {"append", "extend", "insert", "pop", "remove", "sort", "reverse"})
      if (name == refused)
        unsupported("changing a list by ." + name + "()");
  return Undefined{std::string(object.kind()) + " has no attribute " + name};
}

} // namespace plexus::text::jinja
