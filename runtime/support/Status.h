// Errors as values: every fallible call returns a Status or an Expected<T>; nothing throws across a
// library boundary.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace plexus {

/// What kind of failure it was. The values are part of the C ABI (include/plexus/plugin.h) and never
/// change meaning.
enum class Code : int32_t {
  Ok = 0,
  InvalidArgument = 1, ///< The caller asked for something that makes no sense.
  NotFound = 2,        ///< A file, tensor, family, plugin or option of that name does not exist.
  Corrupt = 3,         ///< Bytes from outside break their format's rules.
  Unsupported = 4,     ///< Well formed, but Plexus does not do it; the message names it.
  Mismatch = 5,        ///< Versions, shapes, types or targets that do not fit each other.
  ResourceExhausted = 6, ///< Memory, disk, context length, or a stated limit.
  NotKept = 7,         ///< A state cannot go back that far (rings, recurrent states).
  Cancelled = 8,
  Internal = 9, ///< A defect of Plexus itself.
  Io = 10,
};

/// A code and a message. The message names the file, tensor, op or plugin, says what was expected
/// and what was found, and where it helps, what to do. No trailing full stop, no newline at the end.
class [[nodiscard]] Status {
public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}
  static Status ok() { return {}; }
  bool isOk() const { return code_ == Code::Ok; }
  explicit operator bool() const { return isOk(); }
  Code code() const { return code_; }
  const std::string &message() const { return message_; }
  /// The same error, with `prefix: ` before the message: where it happened, outermost first.
  Status at(std::string_view prefix) const {
    return isOk() ? *this : Status(code_, std::string(prefix) + ": " + message_);
  }

private:
  Code code_ = Code::Ok;
  std::string message_;
};

/// A T or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Expected {
public:
  Expected(T value) : value_(std::move(value)) {}
  Expected(Status status) : value_(std::move(status)) {}
  bool isOk() const { return std::holds_alternative<T>(value_); }
  explicit operator bool() const { return isOk(); }
  T &operator*() & { return std::get<T>(value_); }
  const T &operator*() const & { return std::get<T>(value_); }
  T &&operator*() && { return std::get<T>(std::move(value_)); }
  T *operator->() { return &std::get<T>(value_); }
  const T *operator->() const { return &std::get<T>(value_); }
  Status status() const { return isOk() ? Status() : std::get<Status>(value_); }

private:
  std::variant<T, Status> value_;
};

/// Builds an error message piece by piece: `return error(Code::Corrupt) << path << ": bad magic";`
class ErrorBuilder {
public:
  explicit ErrorBuilder(Code code) : code_(code) {}
  template <typename T>
  ErrorBuilder &&operator<<(const T &piece) && {
    append(piece);
    return std::move(*this);
  }
  operator Status() && { return Status(code_, std::move(text_)); }
  template <typename T>
  operator Expected<T>() && {
    return Status(code_, std::move(text_));
  }

private:
  void append(std::string_view s) { text_ += s; }
  void append(char c) { text_ += c; }
  template <typename N>
    requires std::is_arithmetic_v<N>
  void append(N n) {
    text_ += std::to_string(n);
  }
  Code code_;
  std::string text_;
};
inline ErrorBuilder error(Code code) { return ErrorBuilder(code); }

} // namespace plexus

/// Returns the error of `expr` (a Status) from the calling function.
#define PLX_RETURN_IF_ERROR(expr)                                                                  \
  do {                                                                                             \
    if (::plexus::Status plxStatus_ = (expr); !plxStatus_.isOk())                                  \
      return plxStatus_;                                                                           \
  } while (0)

#define PLX_CONCAT_(a, b) a##b
#define PLX_CONCAT(a, b) PLX_CONCAT_(a, b)

/// `PLX_ASSIGN(auto file, open(path));` declares `file` or returns the error.
#define PLX_ASSIGN(decl, expr) PLX_ASSIGN_(PLX_CONCAT(plxExpected_, __LINE__), decl, expr)
#define PLX_ASSIGN_(tmp, decl, expr)                                                               \
  auto tmp = (expr);                                                                               \
  if (!tmp.isOk())                                                                                 \
    return tmp.status();                                                                           \
  decl = *std::move(tmp)
