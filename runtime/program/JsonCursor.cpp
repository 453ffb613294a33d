// Typed access to a JSON document, with messages that say where.
#include "runtime/program/JsonCursor.h"

#include <algorithm>

namespace plexus {
namespace {

constexpr size_t kMaxString = 1 << 20;
const nlohmann::json kNull;

} // namespace

void JsonCursor::fail(Code code, std::string_view message) const {
  if (error_->isOk())
    *error_ = Status(code, path_ + ": " + std::string(message));
}

void JsonCursor::expectFields(std::initializer_list<std::string_view> required,
                              std::initializer_list<std::string_view> optional) const {
  if (!node_->is_object())
    return fail(Code::Corrupt, std::string("expected an object, found ") + node_->type_name());
  for (std::string_view name : required)
    if (!has(name))
      return fail(Code::Corrupt, "field '" + std::string(name) + "' is missing");
  auto among = [](std::initializer_list<std::string_view> names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const auto &entry : node_->items())
    if (!among(required, entry.key()) && !among(optional, entry.key()))
      return fail(Code::Corrupt, "unknown field '" + entry.key() + "'");
}

bool JsonCursor::has(std::string_view name) const {
  return node_->is_object() && node_->contains(std::string(name));
}

JsonCursor JsonCursor::field(std::string_view name) const {
  std::string path = path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  return {has(name) ? node_->at(std::string(name)) : kNull, std::move(path), *error_};
}

size_t JsonCursor::listSize(size_t most) const {
  if (!error_->isOk())
    return 0;
  if (!node_->is_array()) {
    fail(Code::Corrupt, std::string("expected a list, found ") + node_->type_name());
    return 0;
  }
  if (node_->size() > most) {
    fail(Code::ResourceExhausted,
         std::to_string(node_->size()) + " entries; the limit is " + std::to_string(most));
    return 0;
  }
  return node_->size();
}

JsonCursor JsonCursor::item(size_t index) const {
  bool there = node_->is_array() && index < node_->size();
  return {there ? (*node_)[index] : kNull, path_ + "[" + std::to_string(index) + "]", *error_};
}

int64_t JsonCursor::integer(int64_t least, int64_t most) const {
  bool fits = node_->is_number_integer() &&
              !(node_->is_number_unsigned() && node_->get<uint64_t>() > uint64_t(INT64_MAX));
  int64_t value = fits ? node_->get<int64_t>() : 0;
  if (fits && value >= least && value <= most)
    return value;
  fail(Code::Corrupt, "expected an integer from " + std::to_string(least) + " to " +
                          std::to_string(most) + ", found " +
                          node_->dump(-1, ' ', true).substr(0, 64));
  return least;
}

double JsonCursor::number() const {
  if (node_->is_number())
    return node_->get<double>();
  fail(Code::Corrupt, std::string("expected a number, found ") + node_->type_name());
  return 0;
}

bool JsonCursor::boolean() const {
  if (node_->is_boolean())
    return node_->get<bool>();
  fail(Code::Corrupt, std::string("expected true or false, found ") + node_->type_name());
  return false;
}

std::string JsonCursor::string() const {
  if (!node_->is_string()) {
    fail(Code::Corrupt, std::string("expected a string, found ") + node_->type_name());
    return {};
  }
  const auto &text = node_->get_ref<const std::string &>();
  if (text.size() > kMaxString) {
    fail(Code::ResourceExhausted, "string of " + std::to_string(text.size()) + " bytes");
    return {};
  }
  return text;
}

std::string JsonCursor::objectText() const {
  if (node_->is_object())
    return node_->dump();
  fail(Code::Corrupt, std::string("expected an object, found ") + node_->type_name());
  return "{}";
}

} // namespace plexus
