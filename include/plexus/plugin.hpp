// What every C++ plugin needs around the C ABI: errors as exceptions inside, statuses outside, and
// the entry point in one line. Header-only; needs nothing but plugin.h and the standard library.
#pragma once

#include <plexus/plugin.h>

#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace plexus::sdk {

inline plx_str str(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view view(plx_str text) { return {text.data, text.size}; }

/// A failure inside a plugin: thrown anywhere, reported to the host as `code` and `what()`.
class Error : public std::runtime_error {
public:
  Error(plx_status code, const std::string &message) : std::runtime_error(message), code_(code) {}
  plx_status code() const { return code_; }

private:
  plx_status code_;
};

/// Collects the message of a host function that failed; `check` throws it.
class ErrorSink {
public:
  operator plx_error *() { return &error_; }
  void check(plx_status status) {
    if (status != PLX_OK)
      throw Error(status, message_.empty() ? "the host gave no message" : std::move(message_));
  }

private:
  static void set(void *self, plx_str message) noexcept {
    try {
      static_cast<ErrorSink *>(self)->message_.assign(message.data, message.size);
    } catch (...) { // out of memory: the code has to do
    }
  }
  std::string message_;
  plx_error error_ = {sizeof(plx_error), this, &ErrorSink::set};
};

/// Reports to the host, if it listens, and passes `code` on.
inline plx_status report(plx_error *error, plx_status code, std::string_view message) noexcept {
  if (error && error->set)
    error->set(error->self, str(message));
  return code;
}

/// Runs `body` (which returns nothing) and turns whatever it throws into a status and a message:
/// the trampoline under every function that a plugin hands to the host.
template <typename Body>
plx_status guard(plx_error *error, Body &&body) noexcept {
  try {
    std::forward<Body>(body)();
    return PLX_OK;
  } catch (const Error &e) {
    return report(error, e.code(), e.what());
  } catch (const std::bad_alloc &) {
    return report(error, PLX_RESOURCE_EXHAUSTED, "out of memory");
  } catch (const std::exception &e) {
    return report(error, PLX_INTERNAL, e.what());
  } catch (...) {
    return report(error, PLX_INTERNAL, "an exception that is not a std::exception");
  }
}

/// A factory id and the table behind it.
struct FactoryEntry {
  const char *id;
  const void *factory;
};

} // namespace plexus::sdk

/// The whole of a plugin's outside, at file scope:
///   PLX_PLUGIN("greedy", "1.0.0", R"([{"kind": "strategy", "id": "greedy"}])",
///              {PLX_STRATEGY_FACTORY_ID, &factory})
#define PLX_PLUGIN(name, version, provides, ...)                                                   \
  PLX_PLUGIN_MANIFEST(name, version, provides);                                                    \
  static const void *plxGetFactory_(const char *id) {                                              \
    static const ::plexus::sdk::FactoryEntry entries[] = {__VA_ARGS__};                            \
    for (const auto &entry : entries)                                                              \
      if (std::strcmp(entry.id, id) == 0)                                                          \
        return entry.factory;                                                                      \
    return nullptr;                                                                                \
  }                                                                                                \
  const plx_plugin plx_plugin_entry = {sizeof(plx_plugin),   nullptr, PLX_ABI_MAJOR,               \
                                       PLX_PLUGIN_ABI_MINOR, nullptr, nullptr,                     \
                                       &plxGetFactory_}
