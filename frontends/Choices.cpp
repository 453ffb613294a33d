// Words of the command line to the compiler's enumerations, by tables.
#include "frontends/Choices.h"

#include "runtime/io/PackedForm.h"
#include "runtime/state/KvForm.h"

#include <array>
#include <charconv>

namespace plexus::frontends {

template <typename E, size_t N>
static Expected<E> choose(const char *option, const std::string &word,
                          const std::array<std::pair<const char *, E>, N> &words) {
  std::string known;
  for (auto [name, value] : words) {
    if (word == name)
      return value;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  return error(Code::InvalidArgument) << option << " is '" << word << "'; known are " << known;
}

/// The word must be refused before the graph passes see it, without a weight to blame.
static Status checkWeights(const std::string &word) {
  if (word == "source" || PackedForm::parse(word))
    return Status::ok();
  return error(Code::InvalidArgument)
         << "weights is '" << word << "'; known are source, f32, bf16, f16, q8, q4 and other "
         << "forms with scales (docs/cli.md), as q4:64, q4z:128, q8:channel";
}

/// The rules with commas between.
static Expected<std::string> joinRules(const std::vector<std::string> &rules) {
  std::string joined;
  for (const std::string &rule : rules) {
    size_t equals = rule.rfind('=');
    bool whole = equals != std::string::npos && equals > 0 && rule.find(',') == std::string::npos;
    if (!whole || !PackedForm::parse(rule.substr(equals + 1)))
      return error(Code::InvalidArgument) << "keep is '" << rule
                                          << "'; expected PATTERN=FORM or PATTERN@LAYERS=FORM, as "
                                             "lm_head*=q8 or *down_proj*@0-3+29=q8";
    joined += (joined.empty() ? "" : ",") + rule;
  }
  return joined;
}

Expected<compiler::CompileOptions> readChoices(const CompileChoices &c) {
  using namespace compiler;
  static constexpr std::array<std::pair<const char *, Compute>, 4> computes = {
      {{"auto", Compute::Auto},
       {"f32", Compute::F32},
       {"bf16", Compute::Bf16},
       {"int8", Compute::Int8}}};
  static constexpr std::array<std::pair<const char *, Products>, 3> products = {
      {{"auto", Products::Auto}, {"generated", Products::Generated}, {"onednn", Products::OneDnn}}};
  static constexpr std::array<std::pair<const char *, Decompositions>, 2> decompositions = {
      {{"needed", Decompositions::Needed}, {"all", Decompositions::All}}};
  compiler::CompileOptions options;
  PLX_RETURN_IF_ERROR(checkWeights(c.weights));
  if (!c.size.empty() && c.weights != "source")
    return error(Code::InvalidArgument)
           << "--size chooses forms, and --weights " << c.weights << " too; --keep has exceptions";
  options.model.weights = c.weights;
  PLX_ASSIGN(options.model.keep, joinRules(c.keep));
  PLX_ASSIGN(options.cpu.compute, choose("compute", c.compute, computes));
  PLX_ASSIGN(options.cpu.products, choose("products", c.products, products));
  PLX_ASSIGN(options.cpu.decompose, choose("decompose", c.decompose, decompositions));
  auto ranges = compiler::RangeRule::parse(c.ranges);
  if (!ranges)
    return error(Code::InvalidArgument)
           << "ranges is '" << c.ranges
           << "'; known are mse, minmax, percentile and percentile:P with P above 50, up to 100";
  options.ranges = *ranges;
  if (c.kv != "auto" && !kvFormFromName(c.kv))
    return error(Code::InvalidArgument)
           << "kv is '" << c.kv << "'; known are auto, f32, bf16, int8, int4";
  // Nothing else is rounded then.
  bool exact = c.kv == "auto" && options.cpu.compute == Compute::F32;
  options.model.kv = exact ? "f32" : c.kv;
  options.isas = c.isas;
  PLX_RETURN_IF_ERROR(readStaticError(c).status());
  return options;
}

Expected<uint64_t> readSize(const std::string &text) {
  static constexpr std::array<std::pair<const char *, double>, 10> units = {{{"", 1},
                                                                             {"B", 1},
                                                                             {"KB", 1e3},
                                                                             {"MB", 1e6},
                                                                             {"GB", 1e9},
                                                                             {"TB", 1e12},
                                                                             {"KiB", 0x1p10},
                                                                             {"MiB", 0x1p20},
                                                                             {"GiB", 0x1p30},
                                                                             {"TiB", 0x1p40}}};
  double number = 0;
  auto [rest, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  for (auto [unit, bytes] : units)
    if (problem == std::errc() && std::string_view(rest, text.data() + text.size()) == unit &&
        number > 0 && number * bytes < 0x1p62)
      return static_cast<uint64_t>(number * bytes);
  return error(Code::InvalidArgument)
         << "size is '" << text << "'; expected bytes, as 300MB, 1.2GB or 512MiB";
}

// Fixed ranges are measured, and of inputs as they are without factors.
Expected<std::optional<double>> readStaticError(const CompileChoices &c) {
  constexpr double kMostPercent = 3;
  if (c.activations == "dynamic")
    return std::optional<double>();
  double percent = kMostPercent;
  constexpr std::string_view kStatic = "static";
  std::string_view rest(c.activations);
  bool known = rest.starts_with(kStatic);
  if (known && rest != kStatic) {
    const char *end = rest.data() + rest.size();
    auto [stop, problem] = std::from_chars(rest.data() + kStatic.size() + 1, end, percent);
    known = rest[kStatic.size()] == ':' && problem == std::errc() && stop == end && percent > 0 &&
            percent <= 100;
  }
  if (!known)
    return error(Code::InvalidArgument)
           << "activations is '" << c.activations
           << "'; known are dynamic, static and static:P with P percent of error, up to 100";
  auto refuse = [](const char *what) {
    return Status(Code::InvalidArgument, std::string("activations is 'static', which ") + what);
  };
  if (c.calibrate.empty())
    return refuse("takes ranges from samples; --calibrate FILE names some");
  if (c.compute != "int8")
    return refuse("is for products of bytes; --compute int8 asks for them");
  if (c.rounding.starts_with("scale"))
    return refuse("needs inputs as they were measured, and --rounding scale changes them; "
                  "compensate is the next best");
  return std::optional(percent / 100);
}

Expected<compiler::CalibrationOptions> readCalibration(const CompileChoices &c) {
  using compiler::Rounding;
  static constexpr std::array<std::pair<const char *, Rounding>, 5> roundings = {
      {{"nearest", Rounding::Nearest},
       {"importance", Rounding::Importance},
       {"scale", Rounding::Scale},
       {"compensate", Rounding::Compensate},
       {"scale+compensate", Rounding::ScaleCompensate}}};
  compiler::CalibrationOptions options;
  options.path = c.calibrate;
  options.tokens = c.calibrateTokens;
  PLX_ASSIGN(options.rounding, choose("rounding", c.rounding, roundings));
  return options;
}

} // namespace plexus::frontends
