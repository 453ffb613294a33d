// Operators, subscripts and slices of template values, with Python's meaning.
#include "runtime/text/Utf8.h"
#include "runtime/text/jinja/Value.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace plexus::text::jinja {

int64_t asInteger(const Value &v, const char *what) {
  if (auto i = v.as<int64_t>())
    return *i;
  if (auto b = v.as<bool>())
    return *b;
  fail(std::string(what) + " must be an integer, not " + v.kind());
}

namespace {
double asDouble(const Value &v) {
  if (auto d = v.as<double>())
    return *d;
  return double(asInteger(v, "operand"));
}

[[noreturn]] void wrongOperands(const std::string &op, const Value &a, const Value &b) {
  if (a.isUndefined())
    fail("'" + a.as<Undefined>()->name + "' is undefined");
  if (b.isUndefined())
    fail("'" + b.as<Undefined>()->name + "' is undefined");
  fail("'" + op + "' between " + a.kind() + " and " + b.kind());
}

int64_t checked(bool overflowed, int64_t value) {
  if (overflowed)
    fail("integer too large", Code::ResourceExhausted);
  return value;
}

int64_t floorDivide(int64_t a, int64_t b) {
  if (b == 0)
    fail("division by zero");
  if (b == -1)
    return checked(a == INT64_MIN, a == INT64_MIN ? 0 : -a);
  return a / b - ((a % b != 0) && ((a < 0) != (b < 0)));
}

Value integerPower(int64_t base, int64_t exponent) {
  if (exponent < 0)
    return std::pow(double(base), double(exponent));
  int64_t out = 1;
  bool overflow = false;
  // |base| < 2 never overflows and would loop long.
  if (base == 0 || base == 1 || base == -1)
    return exponent == 0 ? int64_t(1) : base == -1 && exponent % 2 == 0 ? int64_t(1) : base;
  for (; exponent > 0 && !overflow; --exponent)
    overflow = __builtin_mul_overflow(out, base, &out);
  return checked(overflow, out);
}

Value integers(const std::string &op, int64_t a, int64_t b) {
  int64_t out = 0;
  if (op == "+")
    return checked(__builtin_add_overflow(a, b, &out), out);
  if (op == "-")
    return checked(__builtin_sub_overflow(a, b, &out), out);
  if (op == "*")
    return checked(__builtin_mul_overflow(a, b, &out), out);
  if (op == "//")
    return floorDivide(a, b);
  if (op == "%")
    return b == -1 ? int64_t(0) : a - floorDivide(a, b) * b;
  if (op == "**")
    return integerPower(a, b);
  if (b == 0)
    fail("division by zero");
  return double(a) / double(b);
}

Value floats(const std::string &op, double a, double b) {
  if (op == "+")
    return a + b;
  if (op == "-")
    return a - b;
  if (op == "*")
    return a * b;
  if (op == "**")
    return std::pow(a, b);
  if (b == 0)
    fail("division by zero");
  if (op == "/")
    return a / b;
  double quotient = std::floor(a / b);
  return op == "//" ? quotient : a - quotient * b;
}

Value repeat(const Value &sequence, int64_t times) {
  times = std::max<int64_t>(times, 0);
  if (auto s = sequence.string()) {
    if (!s->empty() && uint64_t(times) > Budget::maxTextBytes / s->size())
      Budget::checkText(Budget::maxTextBytes + 1);
    Budget::checkText(s->size() * size_t(times));
    std::string out;
    for (int64_t i = 0; i < times; ++i)
      out += *s;
    return out;
  }
  std::vector<Value> out;
  for (int64_t i = 0; i < times; ++i) {
    Budget::spend(sequence.list()->items.size() + 1);
    out.insert(out.end(), sequence.list()->items.begin(), sequence.list()->items.end());
  }
  return Value::list(std::move(out), sequence.list()->isTuple);
}
} // namespace

Value binary(const std::string &op, const Value &a, const Value &b) {
  if (op == "~") {
    std::string out = a.text() + b.text();
    Budget::checkText(out.size());
    return out;
  }
  if (op == "+" && a.string() && b.string()) {
    Budget::checkText(a.string()->size() + b.string()->size());
    return *a.string() + *b.string();
  }
  if (op == "+" && a.list() && b.list() && a.list()->isTuple == b.list()->isTuple) {
    std::vector<Value> out = a.list()->items;
    out.insert(out.end(), b.list()->items.begin(), b.list()->items.end());
    return Value::list(std::move(out), a.list()->isTuple);
  }
  if (op == "*" && (a.string() || a.list()) && b.isNumber())
    return repeat(a, asInteger(b, "factor"));
  if (op == "*" && (b.string() || b.list()) && a.isNumber())
    return repeat(b, asInteger(a, "factor"));
  if (op == "%" && a.string())
    unsupported("formatting by '%'");
  if (!a.isNumber() || !b.isNumber())
    wrongOperands(op, a, b);
  if (a.as<double>() || b.as<double>())
    return floats(op, asDouble(a), asDouble(b));
  return integers(op, asInteger(a, "operand"), asInteger(b, "operand"));
}

namespace {
/// The element at Python index `i` (negative from the end), or nothing.
const Value *element(const List &list, int64_t i) {
  int64_t n = int64_t(list.items.size());
  i += i < 0 ? n : 0;
  return i >= 0 && i < n ? &list.items[size_t(i)] : nullptr;
}

Value character(const std::string &s, int64_t i) {
  std::vector<uint32_t> starts;
  int64_t n = int64_t(codePoints(s, &starts).size());
  Budget::spend(size_t(n) / 16 + 1);
  i += i < 0 ? n : 0;
  if (i < 0 || i >= n)
    return Undefined{"string index"};
  return s.substr(starts[size_t(i)], starts[size_t(i) + 1] - starts[size_t(i)]);
}
} // namespace

Value getItem(const Value &object, const Value &key) {
  if (object.isUndefined())
    fail("'" + object.as<Undefined>()->name + "' is undefined");
  if (const Dict *d = object.dict()) {
    const Value *found = key.string() ? d->find(*key.string()) : nullptr;
    return found ? *found : Value(Undefined{key.string() ? *key.string() : key.text()});
  }
  bool isIndex = key.as<int64_t>() || key.as<bool>();
  if (object.list() && isIndex) {
    const Value *found = element(*object.list(), asInteger(key, "index"));
    return found ? *found : Value(Undefined{"list index " + key.text()});
  }
  if (object.string() && isIndex)
    return character(*object.string(), asInteger(key, "index"));
  if (key.string())
    return getAttribute(object, *key.string());
  return Undefined{key.text()};
}

Value slice(const Value &object, const Value &startValue, const Value &stopValue,
            const Value &stepValue) {
  std::vector<Value> items = object.elements();
  if (!object.string() && !object.list())
    fail(std::string("slice of ") + object.kind());
  int64_t n = int64_t(items.size());
  int64_t step = stepValue.isNone() ? 1 : asInteger(stepValue, "slice step");
  if (step == 0)
    fail("slice step cannot be zero");
  auto bound = [&](const Value &v, int64_t fallback) {
    if (v.isNone())
      return fallback;
    int64_t i = asInteger(v, "slice bound");
    i = std::clamp<int64_t>(i, -n - 1, n);
    i += i < 0 ? n : 0;
    return step > 0 ? std::clamp<int64_t>(i, 0, n) : std::clamp<int64_t>(i, -1, n - 1);
  };
  int64_t start = bound(startValue, step > 0 ? 0 : n - 1),
          stop = bound(stopValue, step > 0 ? n : -1);
  // Steps beyond the length do what the length does, without overflow.
  step = std::clamp<int64_t>(step, -n - 1, n + 1);
  std::vector<Value> out;
  for (int64_t i = start; step > 0 ? i < stop : i > stop; i += step)
    out.push_back(items[size_t(i)]);
  if (!object.string())
    return Value::list(std::move(out), object.list()->isTuple);
  std::string text;
  for (const Value &c : out)
    text += *c.string();
  return text;
}

} // namespace plexus::text::jinja
