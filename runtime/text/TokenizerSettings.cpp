// Reading truncation and padding settings.
#include "runtime/text/TokenizerSettings.h"

#include <map>

namespace plexus::text {

namespace {
template <typename E>
Expected<E> enumField(const Fields &f, const char *name, const std::map<std::string, E> &values,
                      std::optional<std::string> fallback = {}) {
  PLX_ASSIGN(std::string value, f.string(name, std::move(fallback)));
  if (auto it = values.find(value); it != values.end())
    return it->second;
  std::vector<std::string> known;
  for (const auto &[key, unused] : values)
    known.push_back(key);
  return unknownName(f.what() + " " + name, value, known);
}

/// "BatchLongest" or {"Fixed": n}
Status readPaddingStrategy(const Fields &f, TokenizerPadding &out) {
  PLX_ASSIGN(const Json *strategy, f.require("strategy"));
  if (strategy->is_string() && *strategy == "BatchLongest")
    return Status::ok();
  if (!strategy->is_object() || strategy->size() != 1 || !strategy->contains("Fixed"))
    return f.wrongKind("strategy", "\"BatchLongest\" or {\"Fixed\": length}");
  PLX_ASSIGN(out.fixedLength, Fields(*strategy, "padding strategy").number("Fixed"));
  return Status::ok();
}

constexpr size_t maxPaddedLength = 1u << 24;
} // namespace

Expected<std::optional<TokenizerTruncation>> readTruncation(const Json &json) {
  using T = TokenizerTruncation;
  const Json *section = Fields(json, "").find("truncation");
  if (!section)
    return std::optional<T>();
  Fields f(*section, "truncation");
  T out;
  PLX_ASSIGN(out.maxLength, f.number("max_length"));
  PLX_ASSIGN(out.stride, f.number("stride"));
  static const std::map<std::string, T::Strategy> strategies = {
      {"LongestFirst", T::Strategy::LongestFirst},
      {"OnlyFirst", T::Strategy::OnlyFirst},
      {"OnlySecond", T::Strategy::OnlySecond}};
  static const std::map<std::string, T::Direction> directions = {{"Left", T::Direction::Left},
                                                                 {"Right", T::Direction::Right}};
  PLX_ASSIGN(out.strategy, enumField(f, "strategy", strategies));
  PLX_ASSIGN(out.direction, enumField(f, "direction", directions, "Right"));
  return std::optional<T>(out);
}

Expected<std::optional<TokenizerPadding>> readPadding(const Json &json) {
  using P = TokenizerPadding;
  const Json *section = Fields(json, "").find("padding");
  if (!section)
    return std::optional<P>();
  Fields f(*section, "padding");
  P out;
  PLX_RETURN_IF_ERROR(readPaddingStrategy(f, out));
  static const std::map<std::string, P::Direction> directions = {{"Left", P::Direction::Left},
                                                                 {"Right", P::Direction::Right}};
  PLX_ASSIGN(out.direction, enumField(f, "direction", directions));
  if (f.find("pad_to_multiple_of")) {
    PLX_ASSIGN(out.multipleOf, f.number("pad_to_multiple_of"));
  }
  PLX_ASSIGN(uint64_t id, f.number("pad_id"));
  PLX_ASSIGN(uint64_t typeId, f.number("pad_type_id"));
  out.padId = uint32_t(id);
  out.padTypeId = uint32_t(typeId);
  if (out.fixedLength.value_or(0) > maxPaddedLength || out.multipleOf.value_or(0) > maxPaddedLength)
    return error(Code::ResourceExhausted)
           << "padding: lengths are limited to " << maxPaddedLength << " tokens";
  return std::optional<P>(out);
}

} // namespace plexus::text
