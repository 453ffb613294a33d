// Reading structs that crossed the plugin ABI: size, extensions and unknown fields are checked
// once, here, so that nothing is ignored.
#pragma once

#include "runtime/support/Status.h"

#include <plexus/plugin.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace plexus {

inline plx_str toStr(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view fromStr(plx_str text) {
  return text.data ? std::string_view(text.data, text.size) : std::string_view();
}

/// Copies *from to `to`. `name` ("plx_forward") opens the message. Errors: InvalidArgument for
/// NULL, Mismatch for a struct that is too small, Unsupported for an extension or a field of a
/// later version that is not zero.
template <typename T>
Status readStruct(const T *from, T &to, std::string_view name) {
  if (!from)
    return error(Code::InvalidArgument) << name << " is NULL";
  const size_t size = from->struct_size;
  if (size < sizeof(T))
    return error(Code::Mismatch) << name << ".struct_size is " << size << ", expected at least "
                                 << sizeof(T);
  if (size > (size_t(1) << 16))
    return error(Code::Mismatch) << name << ".struct_size is " << size << ": not a size";
  std::memcpy(&to, from, sizeof(T));
  const auto *bytes = reinterpret_cast<const unsigned char *>(from);
  if (std::any_of(bytes + sizeof(T), bytes + size, [](unsigned char b) { return b != 0; }))
    return error(Code::Unsupported)
           << name << " sets a field that this version of Plexus does not know (ABI "
           << PLX_ABI_MAJOR << '.' << PLX_ABI_MINOR << ")";
  if (from->next)
    return error(Code::Unsupported) << name << ".next has an extension of kind " << from->next->kind
                                    << ", which is not known";
  return Status::ok();
}

/// Receives the message of a plugin's function; `status` joins it with the code.
class ErrorReceiver {
public:
  plx_error *get() { return &error_; }
  /// Ok, or the plugin's code (an unknown one is Internal) and message.
  Status status(plx_status code, std::string_view who) {
    if (code == PLX_OK)
      return Status::ok();
    const bool known = code > PLX_OK && code <= PLX_IO;
    return Status(known ? static_cast<Code>(code) : Code::Internal,
                  std::string(who) + ": " +
                      (message_.empty()
                           ? "failed without a message (status " + std::to_string(code) + ")"
                           : std::move(message_)));
  }

private:
  static void set(void *self, plx_str message) {
    constexpr size_t most = size_t(1) << 20;
    if (message.data)
      static_cast<ErrorReceiver *>(self)->message_.assign(message.data,
                                                          std::min(message.size, most));
  }
  std::string message_;
  plx_error error_ = {sizeof(plx_error), this, &ErrorReceiver::set};
};

/// Passes a Status to a plugin: the message to `out` (may be NULL), the code as the return value.
inline plx_status giveStatus(const Status &status, plx_error *out) {
  if (!status && out && out->struct_size >= sizeof(plx_error) && out->set)
    out->set(out->self, toStr(status.message()));
  return static_cast<plx_status>(status.code());
}

} // namespace plexus
