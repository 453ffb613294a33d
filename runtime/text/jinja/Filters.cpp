// The filters and tests of chat templates.
#include "runtime/text/Utf8.h"
#include "runtime/text/jinja/Value.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace plexus::text::jinja {

namespace {
using Filter = Value (*)(const Value &, const Arguments &, const Keywords &);

Value length(const Value &v, const Arguments &, const Keywords &) {
  if (auto s = v.string())
    return int64_t(countChars(*s));
  if (const List *l = v.list())
    return int64_t(l->items.size());
  if (const Dict *d = v.dict())
    return int64_t(d->entries.size());
  if (v.isUndefined())
    return int64_t(0);
  fail(std::string(v.kind()) + " has no length");
}

Value defaultFilter(const Value &v, const Arguments &a, const Keywords &k) {
  Bound b("default", {"default_value", "boolean"}, a, k);
  bool use = v.isUndefined() || (b.boolean(1, false) && !v.truthy());
  return !use ? v : b.has(0) ? b.at(0) : Value("");
}

Value trim(const Value &v, const Arguments &a, const Keywords &k) {
  Bound b("trim", {"chars"}, a, k);
  if (!b.has(0) || b.at(0).isNone())
    return strip(v.text(), true, true);
  std::string chars = b.string(0, "");
  return strip(v.text(), true, true, &chars);
}

Value tojson(const Value &v, const Arguments &a, const Keywords &k) {
  Bound b("tojson", {"ensure_ascii", "indent", "separators", "sort_keys"}, a, k);
  if (b.boolean(0, false) || (b.has(2) && !b.at(2).isNone()))
    unsupported("tojson with ensure_ascii or separators");
  // A positional first argument means indent in plain Jinja and ensure_ascii here; it is false
  // above.
  return toJson(v, int(std::clamp<int64_t>(b.integer(1, -1), -1, 64)), b.boolean(3, false));
}

Value at(const Value &v, bool atEnd) {
  std::vector<Value> items = v.elements();
  if (items.empty())
    return Undefined{atEnd ? "last element" : "first element"};
  return atEnd ? items.back() : items.front();
}
Value first(const Value &v, const Arguments &, const Keywords &) { return at(v, false); }
Value last(const Value &v, const Arguments &, const Keywords &) { return at(v, true); }

Value list(const Value &v, const Arguments &, const Keywords &) {
  return Value::list(v.elements());
}

Value reverse(const Value &v, const Arguments &, const Keywords &) {
  std::vector<Value> items = v.elements();
  std::reverse(items.begin(), items.end());
  if (!v.string())
    return Value::list(std::move(items));
  std::string out;
  for (const Value &c : items)
    out += *c.string();
  return out;
}

/// The value at a dotted path of attributes: "function.name".
Value path(const Value &v, const std::string &attribute) {
  Value at = v;
  size_t begin = 0;
  while (begin <= attribute.size()) {
    size_t end = std::min(attribute.find('.', begin), attribute.size());
    std::string part = attribute.substr(begin, end - begin);
    bool digits = !part.empty() && part.size() < 10 &&
                  part.find_first_not_of("0123456789") == std::string::npos;
    at = digits ? getItem(at, Value(int64_t(std::stoll(part)))) : getItem(at, Value(part));
    begin = end + 1;
  }
  return at;
}

Value join(const Value &v, const Arguments &a, const Keywords &k) {
  Bound b("join", {"d", "attribute"}, a, k);
  std::string out, separator = b.has(0) ? b.at(0).text() : "";
  bool isFirst = true;
  for (const Value &item : v.elements()) {
    out += isFirst ? "" : separator;
    isFirst = false;
    out += b.has(1) ? path(item, b.string(1, "")).text() : item.text();
    Budget::checkText(out.size() / 16);
  }
  return out;
}

Value replace(const Value &v, const Arguments &a, const Keywords &k) {
  Value method = getAttribute(Value(v.text()), "replace");
  return (*method.as<std::shared_ptr<const Callable>>())->call(a, k);
}

Value items(const Value &v, const Arguments &, const Keywords &) {
  if (v.isUndefined())
    return Value::list({});
  if (!v.dict())
    fail(std::string("items of ") + v.kind());
  Value method = getAttribute(v, "items");
  return (*method.as<std::shared_ptr<const Callable>>())->call({}, {});
}

Value dictsort(const Value &v, const Arguments &a, const Keywords &k) {
  Bound b("dictsort", {}, a, k);
  std::vector<Value> out = items(v, {}, {}).elements();
  std::sort(out.begin(), out.end(), [](const Value &x, const Value &y) {
    return lowerCaseText(*x.list()->items[0].string()) <
           lowerCaseText(*y.list()->items[0].string());
  });
  return Value::list(std::move(out));
}

/// Sorting and comparing without regard to case, as Jinja does unless told otherwise.
Value sortKey(const Value &v, const std::string &attribute, bool caseSensitive) {
  Value key = attribute.empty() ? v : path(v, attribute);
  return key.string() && !caseSensitive ? Value(lowerCaseText(*key.string())) : key;
}

Value sort(const Value &v, const Arguments &a, const Keywords &k) {
  Bound b("sort", {"reverse", "case_sensitive", "attribute"}, a, k);
  struct Keyed {
    Value key, value;
    size_t at;
  };
  std::vector<Keyed> keyed;
  for (const Value &item : v.elements())
    keyed.push_back({sortKey(item, b.string(2, ""), b.boolean(1, false)), item, keyed.size()});
  bool reversed = b.boolean(0, false);
  std::sort(keyed.begin(), keyed.end(), [&](const Keyed &x, const Keyed &y) {
    Budget::spend(1);
    int c = order(x.key, y.key);
    return c != 0 ? (reversed ? c > 0 : c < 0) : x.at < y.at;
  });
  std::vector<Value> out;
  for (Keyed &item : keyed)
    out.push_back(std::move(item.value));
  return Value::list(std::move(out));
}

Value unique(const Value &v, const Arguments &a, const Keywords &k) {
  Bound b("unique", {"case_sensitive", "attribute"}, a, k);
  std::vector<Value> keys, out;
  for (const Value &item : v.elements()) {
    Value key = sortKey(item, b.string(1, ""), b.boolean(0, false));
    if (std::any_of(keys.begin(), keys.end(), [&](const Value &x) { return equal(x, key); }))
      continue;
    keys.push_back(key);
    out.push_back(item);
  }
  return Value::list(std::move(out));
}

template <bool largest>
Value extreme(const Value &v, const Arguments &a, const Keywords &k) {
  Bound b("min/max", {"case_sensitive", "attribute"}, a, k);
  Value best = Undefined{"element of an empty sequence"}, bestKey;
  for (const Value &item : v.elements()) {
    Value key = sortKey(item, b.string(1, ""), b.boolean(0, false));
    if (best.isUndefined() || (largest ? order(key, bestKey) > 0 : order(key, bestKey) < 0)) {
      best = item;
      bestKey = key;
    }
  }
  return best;
}

Value sum(const Value &v, const Arguments &a, const Keywords &k) {
  Bound b("sum", {"attribute", "start"}, a, k);
  Value total = b.has(1) ? b.at(1) : Value(int64_t(0));
  for (const Value &item : v.elements())
    total = binary("+", total, b.has(0) && !b.at(0).isNone() ? path(item, b.string(0, "")) : item);
  return total;
}

/// map("filter", ...) or map(attribute="name", default=...).
Value map(const Value &v, const Arguments &a, const Keywords &k) {
  std::vector<Value> out;
  std::vector<Value> items = v.elements();
  if (a.empty()) {
    Bound b("map", {"attribute", "default"}, a, k);
    for (const Value &item : items) {
      Value found = path(item, b.string(0, ""));
      out.push_back(found.isUndefined() && b.has(1) ? b.at(1) : found);
    }
    return Value::list(std::move(out));
  }
  std::string name = a[0].string() ? *a[0].string() : "";
  if (!isFilter(name))
    unsupported("map by filter '" + name + "'; known are " + filterNames());
  for (const Value &item : items)
    out.push_back(applyFilter(name, item, Arguments(a.begin() + 1, a.end()), k));
  return Value::list(std::move(out));
}

/// select, reject, selectattr and rejectattr: by truth, or by a test with arguments.
template <bool keep, bool byAttribute>
Value select(const Value &v, const Arguments &a, const Keywords &k) {
  if (!k.empty())
    unsupported("select with keyword arguments");
  size_t testAt = byAttribute ? 1 : 0;
  if (a.size() < testAt || (byAttribute && !a[0].string()))
    fail("selectattr/rejectattr needs the name of an attribute");
  std::string test = a.size() > testAt && a[testAt].string() ? *a[testAt].string() : "";
  if (a.size() > testAt && !isTest(test))
    unsupported("select by test '" + test + "'; known are " + testNames());
  Arguments rest(a.begin() + ptrdiff_t(std::min(a.size(), testAt + 1)), a.end());
  std::vector<Value> out;
  for (const Value &item : v.elements()) {
    Value subject = byAttribute ? path(item, *a[0].string()) : item;
    bool passes = test.empty() ? subject.truthy() : applyTest(test, subject, rest);
    if (passes == keep)
      out.push_back(item);
  }
  return Value::list(std::move(out));
}

Value toInteger(const Value &v, const Arguments &a, const Keywords &k) {
  Bound b("int", {"default", "base"}, a, k);
  if (b.integer(1, 10) != 10)
    unsupported("int with a base");
  if (auto d = v.as<double>(); d && std::abs(*d) < 9e18)
    return int64_t(*d);
  if (v.isNumber() && !v.as<double>())
    return asInteger(v, "value");
  try {
    if (auto s = v.string()) {
      std::string digits = strip(*s, true, true);
      size_t end = 0;
      double value = std::stod(digits, &end);
      if (end == digits.size() && std::abs(value) < 9e15)
        return int64_t(value);
    }
  } catch (const std::exception &) {
    // Not a number: the default.
  }
  return b.has(0) ? b.at(0) : Value(int64_t(0));
}

Value toFloat(const Value &v, const Arguments &a, const Keywords &k) {
  Bound b("float", {"default"}, a, k);
  if (auto d = v.as<double>())
    return *d;
  if (v.isNumber())
    return double(asInteger(v, "value"));
  try {
    if (auto s = v.string()) {
      std::string digits = strip(*s, true, true);
      size_t end = 0;
      double value = std::stod(digits, &end);
      if (end == digits.size())
        return value;
    }
  } catch (const std::exception &) {
    // Not a number: the default.
  }
  return b.has(0) ? b.at(0) : Value(0.0);
}

Value absolute(const Value &v, const Arguments &, const Keywords &) {
  if (auto d = v.as<double>())
    return std::abs(*d);
  int64_t i = asInteger(v, "value");
  return i < 0 ? binary("-", Value(int64_t(0)), Value(i)) : Value(i);
}

Value round(const Value &v, const Arguments &a, const Keywords &k) {
  Bound b("round", {"precision", "method"}, a, k);
  std::string method = b.string(1, "common");
  double scale = std::pow(10.0, double(std::clamp<int64_t>(b.integer(0, 0), -300, 300)));
  double x = v.as<double>() ? *v.as<double>() : double(asInteger(v, "value"));
  if (method == "common")
    return std::nearbyint(x * scale) / scale;
  if (method != "ceil" && method != "floor")
    fail("round method '" + method + "'");
  return (method == "ceil" ? std::ceil(x * scale) : std::floor(x * scale)) / scale;
}

Value indent(const Value &v, const Arguments &a, const Keywords &k) {
  Bound b("indent", {"width", "first", "blank"}, a, k);
  std::string pad = b.has(0) && b.at(0).string()
                        ? *b.at(0).string()
                        : std::string(size_t(std::clamp<int64_t>(b.integer(0, 4), 0, 1000)), ' ');
  std::string out, text = v.text() + "\n";
  Budget::checkText(text.size() + pad.size() * size_t(std::count(text.begin(), text.end(), '\n')));
  bool firstLine = true;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    std::string line = text.substr(begin, end - begin);
    bool padded = firstLine ? b.boolean(1, false) : (b.boolean(2, false) || !line.empty());
    out += (firstLine ? "" : "\n") + (padded ? pad : "") + line;
    firstLine = false;
    begin = end + 1;
  }
  // Every line end of the text is kept; the one added above is not part of it.
  return out;
}

Value escape(const Value &v, const Arguments &, const Keywords &) {
  std::string s = v.text();
  Budget::checkText(s.size() * 5);
  for (auto [from, to] : {std::pair("&", "&amp;"), std::pair("<", "&lt;"), std::pair(">", "&gt;"),
                          std::pair("'", "&#39;"), std::pair("\"", "&#34;")})
    s = replaceAll(s, from, to);
  return s;
}

Value text(const Value &v, const Arguments &, const Keywords &) { return v.text(); }
template <std::string (*change)(std::string_view)>
Value textual(const Value &v, const Arguments &, const Keywords &) {
  return change(v.text());
}

const std::map<std::string, Filter> filters = {
    {"abs", absolute},
    {"capitalize", textual<capitalize>},
    {"count", length},
    {"d", defaultFilter},
    {"default", defaultFilter},
    {"dictsort", dictsort},
    {"e", escape},
    {"escape", escape},
    {"first", first},
    {"float", toFloat},
    {"indent", indent},
    {"int", toInteger},
    {"items", items},
    {"join", join},
    {"last", last},
    {"length", length},
    {"list", list},
    {"lower", textual<lowerCaseText>},
    {"map", map},
    {"max", extreme<true>},
    {"min", extreme<false>},
    {"reject", select<false, false>},
    {"rejectattr", select<false, true>},
    {"replace", replace},
    {"reverse", reverse},
    {"round", round},
    {"safe", text},
    {"select", select<true, false>},
    {"selectattr", select<true, true>},
    {"sort", sort},
    {"string", text},
    {"sum", sum},
    {"title", textual<titleCase>},
    {"tojson", tojson},
    {"trim", trim},
    {"unique", unique},
    {"upper", textual<upperCase>},
};

using Test = bool (*)(const Value &, const Arguments &);

const Value &operand(const Arguments &a) {
  if (a.size() != 1)
    fail("test needs one operand");
  return a[0];
}
bool isWhole(const Value &v) { return v.as<int64_t>() || v.as<bool>(); }
template <bool even>
bool parity(const Value &v, const Arguments &) {
  return (asInteger(v, "value") % 2 == 0) == even;
}
bool isEqual(const Value &v, const Arguments &a) { return equal(v, operand(a)); }
bool isLess(const Value &v, const Arguments &a) { return order(v, operand(a)) < 0; }
bool isGreater(const Value &v, const Arguments &a) { return order(v, operand(a)) > 0; }
bool isNotEqual(const Value &v, const Arguments &a) { return !isEqual(v, a); }
bool isAtMost(const Value &v, const Arguments &a) { return order(v, operand(a)) <= 0; }
bool isAtLeast(const Value &v, const Arguments &a) { return order(v, operand(a)) >= 0; }
bool isCased(const Value &v, bool upper) {
  std::string s = v.text(), lower = lowerCaseText(s), raised = upperCase(s);
  return lower != raised && s == (upper ? raised : lower);
}

const std::map<std::string, Test> tests = {
    {"!=", isNotEqual},
    {"<", isLess},
    {"<=", isAtMost},
    {"==", isEqual},
    {">", isGreater},
    {">=", isAtLeast},
    {"boolean", [](const Value &v, const Arguments &) { return v.as<bool>() != nullptr; }},
    {"callable",
     [](const Value &v, const Arguments &) {
       return v.as<std::shared_ptr<const Callable>>() != nullptr;
     }},
    {"defined", [](const Value &v, const Arguments &) { return !v.isUndefined(); }},
    {"divisibleby",
     [](const Value &v, const Arguments &a) {
       return asInteger(binary("%", v, operand(a)), "remainder") == 0;
     }},
    {"eq", isEqual},
    {"equalto", isEqual},
    {"even", parity<true>},
    {"false", [](const Value &v, const Arguments &) { return v.as<bool>() && !v.truthy(); }},
    {"float", [](const Value &v, const Arguments &) { return v.as<double>() != nullptr; }},
    {"ge", isAtLeast},
    {"greaterthan", isGreater},
    {"gt", isGreater},
    {"in", [](const Value &v, const Arguments &a) { return contains(operand(a), v); }},
    {"integer", [](const Value &v, const Arguments &) { return v.as<int64_t>() != nullptr; }},
    {"iterable",
     [](const Value &v, const Arguments &) {
       return v.string() || v.list() || v.dict() || v.isUndefined();
     }},
    {"le", isAtMost},
    {"lessthan", isLess},
    {"lower", [](const Value &v, const Arguments &) { return isCased(v, false); }},
    {"lt", isLess},
    {"mapping", [](const Value &v, const Arguments &) { return v.dict() != nullptr; }},
    {"ne", isNotEqual},
    {"none", [](const Value &v, const Arguments &) { return v.isNone(); }},
    {"number", [](const Value &v, const Arguments &) { return v.isNumber(); }},
    {"odd", parity<false>},
    {"sameas",
     [](const Value &v, const Arguments &a) {
       const Value &other = operand(a);
       return isWhole(v) == isWhole(other) && !v.as<bool>() == !other.as<bool>() && equal(v, other);
     }},
    {"sequence",
     [](const Value &v, const Arguments &) {
       return v.string() || v.list() || v.dict() || v.isUndefined();
     }},
    {"string", [](const Value &v, const Arguments &) { return v.string() != nullptr; }},
    {"true", [](const Value &v, const Arguments &) { return v.as<bool>() && v.truthy(); }},
    {"undefined", [](const Value &v, const Arguments &) { return v.isUndefined(); }},
    {"upper", [](const Value &v, const Arguments &) { return isCased(v, true); }},
};

template <typename Map>
std::string keys(const Map &m) {
  std::string out;
  for (const auto &[name, unused] : m)
    out += (out.empty() ? "" : ", ") + name;
  return out;
}
} // namespace

bool isFilter(const std::string &name) { return filters.contains(name); }
bool isTest(const std::string &name) { return tests.contains(name); }
std::string filterNames() { return keys(filters); }
std::string testNames() { return keys(tests); }

Value applyFilter(const std::string &name, const Value &input, const Arguments &args,
                  const Keywords &keywords) {
  Budget::spend(1);
  return filters.at(name)(input, args, keywords);
}

bool applyTest(const std::string &name, const Value &input, const Arguments &args) {
  Budget::spend(1);
  return tests.at(name)(input, args);
}

} // namespace plexus::text::jinja
