// The values that a chat template computes with: Python's, as far as published templates use them.
#pragma once

#include "runtime/support/Status.h"
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace plexus::text::jinja {

/// Thrown inside the template engine only; ChatTemplate turns it into a Status. `line` 0 means the
/// line that is being rendered.
struct TemplateError {
  Code code;
  std::string message;
  uint32_t line = 0;
};
[[noreturn]] void fail(std::string message, Code code = Code::InvalidArgument);
[[noreturn]] void unsupported(std::string message);

class Value;
struct List;
struct Dict;
struct Namespace;
struct Callable;
struct LoopState;
using Arguments = std::vector<Value>;
using Keywords = std::vector<std::pair<std::string, Value>>;

struct Undefined {
  std::string name; ///< What was looked up, for messages.
};
struct None {};

using ListPtr = std::shared_ptr<const List>;
using DictPtr = std::shared_ptr<const Dict>;

class Value {
public:
  /// Strings and lists are shared, so that copies cost no memory.
  using StringPtr = std::shared_ptr<const std::string>;
  using Data = std::variant<Undefined, None, bool, int64_t, double, StringPtr, ListPtr, DictPtr,
                            std::shared_ptr<Namespace>, std::shared_ptr<const Callable>,
                            std::shared_ptr<const LoopState>>;
  Value() = default;
  Value(Undefined u) : data_(std::move(u)) {}
  Value(None n) : data_(n) {}
  Value(bool b) : data_(b) {}
  Value(int64_t i) : data_(i) {}
  Value(double d) : data_(d) {}
  Value(std::string s);
  Value(std::string_view s) : Value(std::string(s)) {}
  Value(const char *s) : Value(std::string(s)) {}
  Value(std::shared_ptr<Namespace> n) : data_(std::move(n)) {}
  Value(std::shared_ptr<const Callable> c) : data_(std::move(c)) {}
  Value(std::shared_ptr<const LoopState> l) : data_(std::move(l)) {}
  /// Refuse nesting beyond a limit, so that no walk over a value can exhaust the stack.
  static Value list(std::vector<Value> items, bool isTuple = false);
  static Value tuple(std::vector<Value> items) { return list(std::move(items), true); }
  static Value dict(std::vector<std::pair<std::string, Value>> entries);

  template <typename T>
  const T *as() const {
    return std::get_if<T>(&data_);
  }
  bool isUndefined() const { return as<Undefined>(); }
  bool isNone() const { return as<None>(); }
  bool isNumber() const { return as<int64_t>() || as<double>() || as<bool>(); }
  const std::string *string() const {
    auto s = as<StringPtr>();
    return s ? s->get() : nullptr;
  }
  const List *list() const;
  const Dict *dict() const;

  bool truthy() const;
  /// What `{{ x }}` prints: Python's str().
  std::string text() const;
  /// Python's repr(), as inside a printed list.
  std::string repr() const;
  /// "a string", "a list" ... for messages.
  const char *kind() const;
  /// Elements that a loop visits: of a list, the keys of a dict, the characters of a string.
  std::vector<Value> elements() const;
  size_t nesting() const;

private:
  Data data_;
};

struct List {
  std::vector<Value> items;
  size_t nesting = 1;
  bool isTuple = false; ///< Only printing and equality tell tuples from lists.
};
/// A mapping with string keys, in order of insertion.
struct Dict {
  std::vector<std::pair<std::string, Value>> entries;
  size_t nesting = 1;
  const Value *find(std::string_view key) const;
};
/// The one mutable thing: namespace() of Jinja.
struct Namespace {
  std::map<std::string, Value, std::less<>> fields;
};
struct Callable {
  std::string name;
  std::function<Value(const Arguments &, const Keywords &)> call;
};
struct LoopState {
  ListPtr items;
  size_t index = 0;
  size_t depth = 1;
};

bool equal(const Value &a, const Value &b);
/// Less than zero, zero or more; fails for values without an order.
int order(const Value &a, const Value &b);
bool contains(const Value &container, const Value &item);

/// json.dumps(value, ensure_ascii=False): `indent` < 0 for one line.
std::string toJson(const Value &value, int indent, bool sortKeys);

/// Limits of one rendering; each operation reports what it costs.
class Budget {
public:
  static constexpr size_t maxTextBytes = 64u << 20;
  /// Fails once the total cost passes a fixed limit. One unit is one step or 64 bytes.
  static void spend(size_t units);
  static void reset();
  static void checkText(size_t bytes);
};

Value getAttribute(const Value &object, const std::string &name);
Value getItem(const Value &object, const Value &key);
/// x[start:stop:step]; none stands for what was left out.
Value slice(const Value &object, const Value &start, const Value &stop, const Value &step);
Value binary(const std::string &op, const Value &a, const Value &b);

Value applyFilter(const std::string &name, const Value &input, const Arguments &args,
                  const Keywords &keywords);
bool applyTest(const std::string &name, const Value &input, const Arguments &args);
/// Whether the name is known; refused when parsing otherwise.
bool isFilter(const std::string &name);
bool isTest(const std::string &name);
std::string filterNames();
std::string testNames();

/// The arguments of a call by position or keyword, each at most once.
class Bound {
public:
  Bound(std::string function, std::vector<std::string> names, const Arguments &args,
        const Keywords &keywords);
  bool has(size_t i) const { return values_[i] != nullptr; }
  const Value &at(size_t i) const;
  std::string string(size_t i, std::string fallback) const;
  int64_t integer(size_t i, int64_t fallback) const;
  bool boolean(size_t i, bool fallback) const;

private:
  std::string function_;
  std::vector<std::string> names_;
  std::vector<const Value *> values_;
};

/// White space as str.strip() sees it.
std::string strip(std::string_view s, bool left, bool right, const std::string *chars = nullptr);
std::string upperCase(std::string_view s);
std::string lowerCaseText(std::string_view s);
std::string capitalize(std::string_view s);
std::string titleCase(std::string_view s);
int64_t asInteger(const Value &v, const char *what);

} // namespace plexus::text::jinja
