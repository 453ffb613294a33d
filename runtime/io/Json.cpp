#include "runtime/io/Json.h"

#include "runtime/io/MappedFile.h"

#include <vector>

namespace plexus {
namespace {

using nlohmann::json;

/// Builds the document from the parser's events; returns false from an event to stop with `status`.
class Builder {
public:
  Builder(std::string_view source, const JsonLimits &limits) : source_(source), limits_(limits) {}

  json root;
  Status status;

  bool null() { return add(nullptr); }
  bool boolean(bool v) { return add(v); }
  bool number_integer(json::number_integer_t v) { return add(v); }
  bool number_unsigned(json::number_unsigned_t v) { return add(v); }
  bool number_float(json::number_float_t v, const std::string &) { return add(v); }
  bool string(std::string &v) { return add(std::move(v)); }
  bool binary(json::binary_t &) { return false; }
  bool start_object(size_t) { return open(json::object()); }
  bool start_array(size_t) { return open(json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string &name) {
    auto [place, isNew] = stack_.back()->get_ref<json::object_t &>().try_emplace(name, nullptr);
    if (!isNew) {
      status = error(Code::Corrupt) << source_ << ": the key \"" << name << "\" occurs twice";
      return false;
    }
    value_ = &place->second;
    return true;
  }

  bool parse_error(size_t position, const std::string &, const json::exception &problem) {
    std::string_view text = problem.what();
    size_t prefix = text.find("] "); // "[json.exception.parse_error.101] "
    status = error(Code::Corrupt) << source_ << ": no valid JSON at byte " << position << ": "
                                  << (prefix == text.npos ? text : text.substr(prefix + 2));
    return false;
  }

private:
  json *place(json &&value) {
    if (stack_.empty()) {
      root = std::move(value);
      return &root;
    }
    if (stack_.back()->is_array()) {
      auto &array = stack_.back()->get_ref<json::array_t &>();
      array.push_back(std::move(value));
      return &array.back();
    }
    *value_ = std::move(value);
    return value_;
  }

  bool add(json &&value) {
    place(std::move(value));
    return true;
  }

  bool open(json &&value) {
    if (static_cast<int>(stack_.size()) >= limits_.maxDepth) {
      status = error(Code::ResourceExhausted)
               << source_ << ": nested deeper than " << limits_.maxDepth << " levels";
      return false;
    }
    // The pointer stays good: a container grows only while it is the innermost open one.
    stack_.push_back(place(std::move(value)));
    return true;
  }

  bool close() {
    stack_.pop_back();
    return true;
  }

  std::string_view source_;
  const JsonLimits &limits_;
  std::vector<json *> stack_;
  json *value_ = nullptr; ///< Where the value of the last key goes.
};

} // namespace

Expected<json> parseJson(std::string_view text, std::string_view source, const JsonLimits &limits) {
  if (text.size() > limits.maxBytes)
    return error(Code::ResourceExhausted)
           << source << ": " << text.size() << " bytes of JSON, at most " << limits.maxBytes
           << " are read";
  Builder builder(source, limits);
  try {
    if (json::sax_parse(text.begin(), text.end(), &builder))
      return std::move(builder.root);
  } catch (const std::exception &problem) {
    return error(Code::ResourceExhausted) << source << ": " << problem.what();
  }
  return builder.status;
}

Expected<json> readJsonFile(const std::string &path, const JsonLimits &limits) {
  PLX_ASSIGN(auto file, MappedFile::open(path));
  return parseJson({reinterpret_cast<const char *>(file->data()), file->size()}, path, limits);
}

std::string_view jsonKind(const json &value) {
  switch (value.type()) {
  case json::value_t::object:
    return "an object";
  case json::value_t::array:
    return "an array";
  case json::value_t::string:
    return "a string";
  case json::value_t::boolean:
    return "a boolean";
  case json::value_t::number_integer:
  case json::value_t::number_unsigned:
    return "an integer";
  case json::value_t::number_float:
    return "a number";
  default:
    return "null";
  }
}

} // namespace plexus
