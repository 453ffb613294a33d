// Python's printing, truth, equality and order for template values.
#include "runtime/text/jinja/Value.h"
#include "runtime/text/Utf8.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace plexus::text::jinja {

void fail(std::string message, Code code) { throw TemplateError{code, std::move(message)}; }
void unsupported(std::string message) { fail(std::move(message), Code::Unsupported); }

namespace {
constexpr size_t maxNesting = 64;
constexpr size_t maxUnits = 5'000'000;
thread_local size_t spent = 0;

size_t checkedNesting(size_t inner) {
  if (inner + 1 > maxNesting)
    fail("value nested deeper than " + std::to_string(maxNesting) + " levels",
         Code::ResourceExhausted);
  return inner + 1;
}
} // namespace

void Budget::reset() { spent = 0; }
void Budget::spend(size_t units) {
  spent += units;
  if (spent > maxUnits)
    fail("rendering takes more than " + std::to_string(maxUnits) + " steps",
         Code::ResourceExhausted);
}
void Budget::checkText(size_t bytes) {
  if (bytes > maxTextBytes)
    fail("text of more than " + std::to_string(maxTextBytes) + " bytes", Code::ResourceExhausted);
  spend(bytes / 64);
}

Value::Value(std::string s) {
  Budget::spend(1 + s.size() / 64);
  data_ = std::make_shared<const std::string>(std::move(s));
}

Value Value::list(std::vector<Value> items, bool isTuple) {
  Budget::spend(items.size());
  size_t inner = 0;
  for (const Value &v : items)
    inner = std::max(inner, v.nesting());
  Value out;
  out.data_ = std::make_shared<const List>(List{std::move(items), checkedNesting(inner), isTuple});
  return out;
}

Value Value::dict(std::vector<std::pair<std::string, Value>> entries) {
  Budget::spend(entries.size());
  Dict dict;
  std::map<std::string, size_t> seen;
  size_t inner = 0;
  for (auto &[key, value] : entries) {
    inner = std::max(inner, value.nesting());
    auto [it, isNew] = seen.emplace(key, dict.entries.size());
    if (isNew)
      dict.entries.push_back({key, std::move(value)});
    else
      dict.entries[it->second].second = std::move(value);
  }
  dict.nesting = checkedNesting(inner);
  Value out;
  out.data_ = std::make_shared<const Dict>(std::move(dict));
  return out;
}

const List *Value::list() const {
  auto p = as<ListPtr>();
  return p ? p->get() : nullptr;
}
const Dict *Value::dict() const {
  auto p = as<DictPtr>();
  return p ? p->get() : nullptr;
}

size_t Value::nesting() const {
  if (const List *l = list())
    return l->nesting;
  const Dict *d = dict();
  return d ? d->nesting : 0;
}

const Value *Dict::find(std::string_view key) const {
  for (const auto &[k, v] : entries)
    if (k == key)
      return &v;
  return nullptr;
}

bool Value::truthy() const {
  if (auto b = as<bool>())
    return *b;
  if (auto i = as<int64_t>())
    return *i != 0;
  if (auto d = as<double>())
    return *d != 0;
  if (auto s = string())
    return !s->empty();
  if (const List *l = list())
    return !l->items.empty();
  if (const Dict *d = dict())
    return !d->entries.empty();
  return !isUndefined() && !isNone();
}

const char *Value::kind() const {
  constexpr const char *names[] = {"undefined",   "none",       "a boolean", "an integer",
                                   "a float",     "a string",   "a list",    "a mapping",
                                   "a namespace", "a function", "a loop"};
  return names[data_.index()];
}

namespace {
/// Python's repr of a float: the shortest digits that read back, with an exponent outside
/// 1e-4..1e16.
std::string floatText(double d) {
  if (std::isnan(d))
    return "nan";
  if (std::isinf(d))
    return d < 0 ? "-inf" : "inf";
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::scientific).ptr;
  std::string scientific(buffer, end);
  int exponent = std::stoi(scientific.substr(scientific.find('e') + 1));
  if (d != 0 && (exponent < -4 || exponent >= 16))
    return scientific;
  end = std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::fixed).ptr;
  std::string fixed(buffer, end);
  return fixed.find('.') == std::string::npos ? fixed + ".0" : fixed;
}

std::string stringRepr(const std::string &s) {
  char quote = s.find('\'') != std::string::npos && s.find('"') == std::string::npos ? '"' : '\'';
  std::string out(1, quote);
  for (char c : s) {
    constexpr char hex[] = "0123456789abcdef";
    if (c == quote || c == '\\')
      (out += '\\') += c;
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c == '\r')
      out += "\\r";
    else if (uint8_t(c) < 32 || c == 127)
      ((out += "\\x") += hex[uint8_t(c) >> 4]) += hex[c & 15];
    else
      out += c;
  }
  return out + quote;
}
} // namespace

std::string Value::repr() const {
  if (auto s = string())
    return stringRepr(*s);
  if (isUndefined())
    return "Undefined";
  std::string out;
  if (const List *l = list()) {
    for (const Value &v : l->items)
      out += (out.empty() ? "" : ", ") + v.repr();
    Budget::checkText(out.size());
    if (l->isTuple)
      return "(" + out + (l->items.size() == 1 ? ",)" : ")");
    return "[" + out + "]";
  }
  if (const Dict *d = dict()) {
    for (const auto &[key, v] : d->entries)
      out += (out.empty() ? "" : ", ") + stringRepr(key) + ": " + v.repr();
    Budget::checkText(out.size());
    return "{" + out + "}";
  }
  return text();
}

std::string Value::text() const {
  if (auto s = string())
    return *s;
  if (isUndefined())
    return "";
  if (isNone())
    return "None";
  if (auto b = as<bool>())
    return *b ? "True" : "False";
  if (auto i = as<int64_t>())
    return std::to_string(*i);
  if (auto d = as<double>())
    return floatText(*d);
  if (list() || dict())
    return repr();
  unsupported(std::string("printing ") + kind());
}

std::vector<Value> Value::elements() const {
  if (const List *l = list())
    return l->items;
  std::vector<Value> out;
  if (const Dict *d = dict()) {
    for (const auto &[key, v] : d->entries)
      out.push_back(key);
  } else if (auto s = string()) {
    for (size_t pos = 0; pos < s->size();) {
      size_t length = decodeAt(*s, pos).length;
      out.push_back(s->substr(pos, length));
      pos += length;
    }
  } else if (!isUndefined()) {
    fail(std::string(kind()) + " cannot be iterated over");
  }
  Budget::spend(out.size());
  return out;
}

namespace {
double number(const Value &v) {
  if (auto b = v.as<bool>())
    return *b;
  if (auto i = v.as<int64_t>())
    return double(*i);
  return *v.as<double>();
}
int64_t whole(const Value &v) { return v.as<bool>() ? *v.as<bool>() : *v.as<int64_t>(); }
} // namespace

bool equal(const Value &a, const Value &b) {
  Budget::spend(1);
  if (a.isNumber() && b.isNumber()) {
    if (!a.as<double>() && !b.as<double>())
      return whole(a) == whole(b);
    return number(a) == number(b);
  }
  if (a.string() && b.string())
    return *a.string() == *b.string();
  if (a.list() && b.list())
    return a.list()->isTuple == b.list()->isTuple &&
           std::equal(a.list()->items.begin(), a.list()->items.end(), b.list()->items.begin(),
                      b.list()->items.end(), equal);
  if (a.dict() && b.dict()) {
    if (a.dict()->entries.size() != b.dict()->entries.size())
      return false;
    return std::all_of(a.dict()->entries.begin(), a.dict()->entries.end(), [&](const auto &entry) {
      const Value *other = b.dict()->find(entry.first);
      return other && equal(entry.second, *other);
    });
  }
  return (a.isNone() && b.isNone()) || (a.isUndefined() && b.isUndefined());
}

int order(const Value &a, const Value &b) {
  if (a.isNumber() && b.isNumber()) {
    if (!a.as<double>() && !b.as<double>())
      return whole(a) < whole(b) ? -1 : whole(a) > whole(b);
    return number(a) < number(b) ? -1 : number(a) > number(b);
  }
  if (a.string() && b.string())
    return a.string()->compare(*b.string());
  if (a.list() && b.list()) {
    const auto &x = a.list()->items, &y = b.list()->items;
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i)
      if (!equal(x[i], y[i]))
        return order(x[i], y[i]);
    return x.size() < y.size() ? -1 : x.size() > y.size();
  }
  fail(std::string(a.kind()) + " and " + b.kind() + " have no order");
}

bool contains(const Value &container, const Value &item) {
  if (auto s = container.string()) {
    if (!item.string())
      fail(std::string("'in <string>' needs a string, not ") + item.kind());
    return s->find(*item.string()) != std::string::npos;
  }
  if (const Dict *d = container.dict())
    return item.string() && d->find(*item.string());
  if (container.isUndefined())
    return false;
  const List *l = container.list();
  if (!l)
    fail(std::string(container.kind()) + " is not a container");
  return std::any_of(l->items.begin(), l->items.end(),
                     [&](const Value &v) { return equal(v, item); });
}

namespace {
std::string jsonString(const std::string &s) {
  std::string out = "\"";
  for (char c : s) {
    constexpr char hex[] = "0123456789abcdef";
    constexpr std::string_view special = "\"\\\n\r\t\b\f", names = "\"\\nrtbf";
    size_t at = special.find(c);
    if (at != std::string_view::npos)
      (out += '\\') += names[at];
    else if (uint8_t(c) < 32)
      ((out += "\\u00") += hex[uint8_t(c) >> 4]) += hex[c & 15];
    else
      out += c;
  }
  return out + '"';
}

void writeJson(const Value &v, int indent, bool sortKeys, int level, std::string &out) {
  Budget::spend(1);
  auto newline = [&](int depth) {
    if (indent >= 0)
      out += "\n" + std::string(size_t(indent * depth), ' ');
  };
  const char *separator = indent >= 0 ? "," : ", ";
  if (const List *l = v.list()) {
    out += '[';
    for (size_t i = 0; i < l->items.size(); ++i) {
      out += i > 0 ? separator : "";
      newline(level + 1);
      writeJson(l->items[i], indent, sortKeys, level + 1, out);
    }
    if (!l->items.empty())
      newline(level);
    out += ']';
  } else if (const Dict *d = v.dict()) {
    auto entries = d->entries;
    if (sortKeys)
      std::sort(entries.begin(), entries.end(),
                [](const auto &a, const auto &b) { return a.first < b.first; });
    out += '{';
    for (size_t i = 0; i < entries.size(); ++i) {
      out += i > 0 ? separator : "";
      newline(level + 1);
      out += jsonString(entries[i].first) + ": ";
      writeJson(entries[i].second, indent, sortKeys, level + 1, out);
    }
    if (!entries.empty())
      newline(level);
    out += '}';
  } else if (v.isNone()) {
    out += "null";
  } else if (auto b = v.as<bool>()) {
    out += *b ? "true" : "false";
  } else if (auto s = v.string()) {
    out += jsonString(*s);
  } else if (v.isNumber()) {
    out += v.text();
  } else {
    fail(std::string(v.kind()) + " cannot be written as JSON");
  }
  Budget::checkText(out.size() / 16);
}
} // namespace

std::string toJson(const Value &value, int indent, bool sortKeys) {
  std::string out;
  writeJson(value, indent, sortKeys, 0, out);
  return out;
}

} // namespace plexus::text::jinja
