// The C++ SDK of samplers and logit processors, over the C ABI of sampler.h. Header-only.
//
//   class Temperature : public plexus::Sampler { ... };
//   std::unique_ptr<plexus::Sampler> make(const plexus::SamplerOptions &o) { ... }   // null:
//   neutral PLX_SAMPLER_PLUGIN("temperature", "1.0.0",
//                      R"([{"kind": "sampler", "id": "temperature", "options": ["temperature"]}])",
//                      {"temperature", make});
#pragma once

#include <plexus/plugin.hpp>
#include <plexus/sampler.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <memory>
#include <span>

namespace plexus {

/// One sampler of one output. What it throws is reported to the host.
class Sampler {
public:
  explicit Sampler(plx_sampler_stage stage) : stage(stage) {}
  virtual ~Sampler() = default;
  const plx_sampler_stage stage;

  virtual void apply(plx_candidates &candidates) = 0;
  virtual std::unique_ptr<Sampler> clone() const = 0;
  /// Whether accept and rollback are to be called at all.
  virtual bool remembers() const { return false; }
  virtual void accept(std::span<const int32_t>) {}
  virtual void rollback(size_t) {}
};

/// What a sampler is made with.
class SamplerOptions {
public:
  SamplerOptions(const plx_option *const *options, size_t count, int64_t vocabSize)
      : options_(options), count_(count), vocabSize_(vocabSize) {}
  int64_t vocabSize() const { return vocabSize_; }
  /// The option's value, or `fallback`; what is no number from `least` to `most` is refused.
  double number(std::string_view key, double fallback, double least, double most) const {
    for (size_t i = 0; i < count_; ++i)
      if (sdk::view(options_[i]->key) == key)
        return parse(key, sdk::view(options_[i]->value), least, most);
    return fallback;
  }

private:
  static double parse(std::string_view key, std::string_view text, double least, double most) {
    double value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed == std::errc() && end == text.data() + text.size() && value >= least &&
        value <= most)
      return value;
    char range[96];
    std::snprintf(range, sizeof(range), "a number from %g to %g", least, most);
    throw sdk::Error(PLX_INVALID_ARGUMENT, "option '" + std::string(key) + "' is '" +
                                               std::string(text) + "': expected " + range);
  }
  const plx_option *const *options_;
  size_t count_;
  int64_t vocabSize_;
};

namespace sdk {

/// The C functions of a Sampler.
struct SamplerTable {
  static Sampler &of(void *self) { return *static_cast<Sampler *>(self); }
  static plx_status apply(void *self, plx_candidates *candidates, plx_error *error) noexcept {
    return guard(error, [&] { of(self).apply(*candidates); });
  }
  static plx_status accept(void *self, const int32_t *ids, size_t count,
                           plx_error *error) noexcept {
    return guard(error, [&] { of(self).accept({ids, count}); });
  }
  static plx_status rollback(void *self, size_t count, plx_error *error) noexcept {
    return guard(error, [&] { of(self).rollback(count); });
  }
  static plx_status clone(void *self, plx_sampler *out, plx_error *error) noexcept {
    return guard(error, [&] { fill(of(self).clone(), *out); });
  }
  static void destroy(void *self) noexcept { delete &of(self); }

  static void fill(std::unique_ptr<Sampler> sampler, plx_sampler &out) {
    if (!sampler)
      return;
    out.stage = sampler->stage;
    out.apply = &apply;
    out.accept = sampler->remembers() ? &accept : nullptr;
    out.rollback = sampler->remembers() ? &rollback : nullptr;
    out.clone = &clone;
    out.destroy = &destroy;
    out.self = sampler.release();
  }
};

/// A sampler's id and its maker, which returns null where the options leave it neutral.
struct SamplerEntry {
  const char *id;
  std::unique_ptr<Sampler> (*make)(const SamplerOptions &options);
};

template <size_t N>
plx_status createSampler(const SamplerEntry (&entries)[N], plx_str id,
                         const plx_option *const *options, size_t count, int64_t vocabSize,
                         plx_sampler *out, plx_error *error) noexcept {
  return guard(error, [&] {
    for (const SamplerEntry &entry : entries)
      if (view(id) == entry.id)
        return SamplerTable::fill(entry.make(SamplerOptions(options, count, vocabSize)), *out);
    throw Error(PLX_NOT_FOUND, "no sampler '" + std::string(view(id)) + "' in this plugin");
  });
}

} // namespace sdk
} // namespace plexus

/// The outside of a plugin of samplers, at file scope; the last arguments are {"id", maker}.
#define PLX_SAMPLER_PLUGIN(name, version, provides, ...)                                           \
  static constexpr ::plexus::sdk::SamplerEntry plxSamplers_[] = {__VA_ARGS__};                     \
  static plx_status plxCreateSampler_(plx_str id, const plx_option *const *options, size_t count,  \
                                      int64_t vocabSize, plx_sampler *out, plx_error *error) {     \
    return ::plexus::sdk::createSampler(plxSamplers_, id, options, count, vocabSize, out, error);  \
  }                                                                                                \
  static const plx_sampler_factory plxSamplerFactory_ = {sizeof(plx_sampler_factory), nullptr,     \
                                                         &plxCreateSampler_};                      \
  PLX_PLUGIN(name, version, provides, {PLX_SAMPLER_FACTORY_ID, &plxSamplerFactory_})
