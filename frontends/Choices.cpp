// Words of the command line to the compiler's enumerations, by tables.
#include "frontends/Choices.h"

#include <array>

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

Expected<compiler::CompileOptions> readChoices(const CompileChoices &c) {
  using namespace compiler;
  static constexpr std::array<std::pair<const char *, WeightType>, 4> weights = {
      {{"source", WeightType::Source},
       {"f32", WeightType::F32},
       {"bf16", WeightType::Bf16},
       {"f16", WeightType::F16}}};
  static constexpr std::array<std::pair<const char *, Compute>, 3> computes = {
      {{"auto", Compute::Auto}, {"f32", Compute::F32}, {"bf16", Compute::Bf16}}};
  static constexpr std::array<std::pair<const char *, Products>, 3> products = {
      {{"auto", Products::Auto}, {"generated", Products::Generated}, {"onednn", Products::OneDnn}}};
  static constexpr std::array<std::pair<const char *, Decompositions>, 2> decompositions = {
      {{"needed", Decompositions::Needed}, {"all", Decompositions::All}}};
  compiler::CompileOptions options;
  PLX_ASSIGN(options.model.weights, choose("weights", c.weights, weights));
  PLX_ASSIGN(options.cpu.compute, choose("compute", c.compute, computes));
  PLX_ASSIGN(options.cpu.products, choose("products", c.products, products));
  PLX_ASSIGN(options.cpu.decompose, choose("decompose", c.decompose, decompositions));
  options.isas = c.isas;
  return options;
}

} // namespace plexus::frontends
