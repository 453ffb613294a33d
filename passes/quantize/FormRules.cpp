//===- FormRules.cpp - which weights have which form ------------------------------------------===//
// Reads and matches rules.
//===----------------------------------------------------------------------------------------------===//
#include "passes/quantize/FormRules.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace plexus::compiler {

std::optional<LayerSet> LayerSet::parse(StringRef text) {
  LayerSet set;
  SmallVector<StringRef> parts;
  text.split(parts, '+');
  for (StringRef part : parts) {
    auto [first, last] = part.split('-');
    std::pair<int64_t, int64_t> span;
    if (first.getAsInteger(10, span.first) ||
        (last.empty() ? part.contains('-') : last.getAsInteger(10, span.second)))
      return std::nullopt;
    if (last.empty())
      span.second = span.first;
    if (span.first < 0 || span.second < span.first)
      return std::nullopt;
    set.spans.push_back(span);
  }
  return set;
}

LayerSet LayerSet::of(ArrayRef<int64_t> layers) {
  LayerSet set;
  SmallVector<int64_t> sorted(layers);
  llvm::sort(sorted);
  for (int64_t layer : sorted)
    if (!set.spans.empty() && set.spans.back().second >= layer - 1)
      set.spans.back().second = layer;
    else
      set.spans.push_back({layer, layer});
  return set;
}

bool LayerSet::contains(int64_t layer) const {
  return llvm::any_of(spans,
                      [&](auto span) { return span.first <= layer && layer <= span.second; });
}

std::string LayerSet::spelling() const {
  std::string text;
  for (auto [first, last] : spans)
    text += (text.empty() ? "" : "+") + std::to_string(first) +
            (first == last ? "" : "-" + std::to_string(last));
  return text;
}

llvm::Expected<FormRules> FormRules::read(StringRef text) {
  FormRules out;
  out.text = std::make_shared<const std::string>(text.str());
  SmallVector<StringRef> texts;
  StringRef(*out.text).split(texts, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  for (StringRef each : texts) {
    auto [name, form] = each.rsplit('=');
    std::optional<LayerSet> layers;
    if (size_t at = name.rfind('@'); at != StringRef::npos) {
      layers = LayerSet::parse(name.substr(at + 1));
      if (layers)
        name = name.take_front(at);
    }
    auto pattern = llvm::GlobPattern::create(name);
    if (!pattern)
      return llvm::createStringError("pattern '" + name +
                                     "': " + llvm::toString(pattern.takeError()));
    out.rules.push_back({each, form, std::move(*pattern), std::move(layers)});
  }
  return out;
}

FormRule *FormRules::find(plx::WeightOp weight, int64_t layer) {
  for (FormRule &rule : rules) {
    if (rule.layers && !rule.layers->contains(layer))
      continue;
    auto matches = [&](StringRef name) { return rule.pattern.match(name); };
    if (matches(nameOfAllLayers(weight.getSymName())) ||
        llvm::any_of(plx::recipeSources(weight.getRecipe()), matches))
      return &rule;
  }
  return nullptr;
}

FormRule *FormRules::find(plx::WeightOp weight) {
  auto layers = weight->getAttrOfType<DenseI64ArrayAttr>(kLayersAttr);
  return find(weight, layers && !layers.empty() ? layers[0] : -1);
}

bool FormRules::haveLayers() const {
  return llvm::any_of(rules, [](const FormRule &rule) { return rule.layers.has_value(); });
}

} // namespace plexus::compiler
