// Errors of sampled rows in each form decide; the model is planned once to learn what its weights
// are.
#include "compiler/choose/Choose.h"

#include "compiler/Stages.h"
#include "compiler/choose/FormErrors.h"
#include "compiler/choose/Spend.h"
#include "compiler/pack/JoinedTensors.h"
#include "dialects/plx/Packed.h"
#include "passes/quantize/FormRules.h"

#include <algorithm>
#include <map>

namespace plexus::compiler {

using namespace mlir;

namespace {

/// Smallest first. Longer groups than 128 or fewer bits cost more than they save.
constexpr const char *kForms[] = {"q4:128", "q4:64", "q4", "q4m", "q5", "q6", "q8", "bf16"};
constexpr const char *kJudge = "q4"; ///< Layers are put in bands by their errors in it.
constexpr int64_t kSizeRows = 48, kMinimaRows = 16;
/// Nothing is added to what heads and tables give, whose error goes straight into the result.
constexpr double kSharedWeight = 4;
/// Of the artifact, for each ISA's code of a segment, and for what the manifest says of a weight.
constexpr uint64_t kSegmentBytes = 40 << 10, kEntryBytes = 1 << 10;

/// A weight in some layers, and what it may become.
struct Item {
  std::string weight;
  SmallVector<int64_t> layers; ///< {-1}: shared by all.
  std::vector<std::string> forms;
  std::vector<FormCost> costs;
};

std::vector<std::string> formsFor(const PackedForm &stored) {
  std::vector<std::string> out;
  for (const char *spelling : kForms) {
    PackedForm form = *PackedForm::parse(spelling);
    bool shorter =
        !stored.isQuantized() || (form.isQuantized() && form.info().bits < stored.info().bits);
    if (shorter && form != stored)
      out.emplace_back(spelling);
  }
  out.push_back(stored.spelling());
  return out;
}

class Chooser {
public:
  Chooser(const ModelSource &source, const CompileOptions &options)
      : source(source), options(options), tensors(source.tensors) {}

  Status plan(const std::string &weights, const std::string &keep) {
    CompileOptions plain = options;
    plain.model.weights = weights;
    plain.model.keep = keep;
    plain.model.chosen.clear();
    CompileStats stats;
    PLX_ASSIGN(prepared, prepare(source, plain, stats));
    return Status::ok();
  }

  /// Mean squares of inputs are asked for below.
  Status measureInputs() {
    if (!options.calibration)
      return Status::ok();
    std::map<std::string, int64_t> depths;
    for (const PackJob &job : prepared.plan.jobs)
      if (job.info.encoding == WeightEncoding::Packed)
        depths[job.info.name] = job.info.shape[1];
    return options.calibration->measure(depths).at("calibration");
  }

  Expected<SampledRows> sample(const PackJob &job, int64_t rows) const {
    auto bound = bindRecipe(job.recipe, tensors, job.info.layer);
    if (!bound)
      return bound.status();
    PLX_ASSIGN(SampledRows out, sampleRows(*bound, rows));
    if (options.calibration)
      out.importance = options.calibration->importance(job.info.name, job.info.layer);
    dropSources(*bound);
    return out;
  }

  Expected<FormCost> costOf(const PackJob &job, const std::string &spelling,
                            const PackedForm &stored, const SampledRows &rows) const {
    PackedForm form = *PackedForm::parse(spelling);
    std::vector<PackJob> one = {job};
    one[0].info.dtype = form.dtype();
    one[0].info.quantized = form.isQuantized() ? std::optional<PackedForm>(form) : std::nullopt;
    PLX_RETURN_IF_ERROR(layOutWeights(one));
    FormCost cost{one[0].info.bytes, 0};
    if (form != stored) { // Else its values are the file's.
      PLX_ASSIGN(cost.error, errorIn(form, rows, options.ranges));
    }
    return cost;
  }

  const ModelSource &source;
  const CompileOptions &options;
  const JoinedTensors tensors;
  Prepared prepared;
};

//===--- A size -------------------------------------------------------------------------------===//

class SizeChooser : Chooser {
public:
  using Chooser::Chooser;

  Expected<std::string> run(uint64_t bytes) {
    PLX_RETURN_IF_ERROR(plan("source", ""));
    PLX_RETURN_IF_ERROR(measureInputs());
    auto rules = FormRules::read(options.model.keep);
    if (!rules)
      return error(Code::InvalidArgument) << "keep: " << llvm::toString(rules.takeError());
    uint64_t rest = source.tokenizer.size() + source.chatTemplate.size();
    std::vector<Item> single;
    for (const PackJob &job : prepared.plan.jobs) {
      rest += kEntryBytes;
      if (job.info.encoding != WeightEncoding::Packed) {
        rest += job.info.bytes;
        continue;
      }
      PLX_ASSIGN(Item item, itemOf(job, *rules));
      single.push_back(std::move(item));
    }
    std::vector<Item> items = joinBands(single);
    auto segments = prepared.model.getOps<plx::SegmentOp>();
    auto isas = options.isas.empty() ? everyIsa().size() : options.isas.size();
    rest += kSegmentBytes * isas *
            static_cast<uint64_t>(std::distance(segments.begin(), segments.end()));
    return spellOut(items, bytes, rest);
  }

private:
  Expected<Item> itemOf(const PackJob &job, FormRules &rules) {
    Item item{job.info.name, {job.info.layer}, {}, {}};
    auto weight = prepared.model.lookupSymbol<plx::WeightOp>(job.info.name);
    PackedForm stored = job.info.form();
    const FormRule *rule = rules.find(weight, job.info.layer);
    item.forms = rule ? std::vector<std::string>{rule->form.str()} : formsFor(stored);
    PLX_ASSIGN(SampledRows rows, sample(job, kSizeRows));
    for (const std::string &form : item.forms) {
      PLX_ASSIGN(FormCost cost, costOf(job, form, stored, rows));
      cost.error *= job.info.layer < 0 ? kSharedWeight : 1;
      item.costs.push_back(cost);
    }
    if (!rule) {
      auto judge = std::find(item.forms.begin(), item.forms.end(), kJudge);
      size_t at = judge == item.forms.end() ? 0 : judge - item.forms.begin();
      suffering[job.info.layer] += item.costs[at].error;
    }
    return item;
  }

  /// The band of each layer: an eighth that suffers most, three eighths, and the others. Segments
  /// are compiled once for each mixture of forms, so that there should be few.
  std::map<int64_t, int> bands() const {
    std::vector<std::pair<double, int64_t>> sorted;
    for (auto [layer, error] : suffering)
      if (layer >= 0)
        sorted.push_back({-error, layer});
    std::sort(sorted.begin(), sorted.end());
    std::map<int64_t, int> out;
    for (size_t i = 0; i < sorted.size(); ++i)
      out[sorted[i].second] = 8 * i < sorted.size() ? 0 : 2 * i < sorted.size() ? 1 : 2;
    return out;
  }

  std::vector<Item> joinBands(const std::vector<Item> &single) const {
    std::map<int64_t, int> bandOf = bands();
    std::vector<Item> out;
    for (const Item &item : single) {
      auto band = bandOf.find(item.layers[0]);
      auto same = std::find_if(out.begin(), out.end(), [&](const Item &other) {
        return other.weight == item.weight && other.forms == item.forms && band != bandOf.end() &&
               bandOf.at(other.layers[0]) == band->second;
      });
      if (same == out.end()) {
        out.push_back(item);
        continue;
      }
      same->layers.append(item.layers);
      for (size_t f = 0; f < item.costs.size(); ++f) {
        same->costs[f].bytes += item.costs[f].bytes;
        same->costs[f].error += item.costs[f].error;
      }
    }
    return out;
  }

  static Expected<std::string> spellOut(const std::vector<Item> &items, uint64_t bytes,
                                        uint64_t rest) {
    std::vector<std::vector<FormCost>> costs;
    uint64_t least = rest;
    for (const Item &item : items) {
      costs.push_back(item.costs);
      least += std::min_element(item.costs.begin(), item.costs.end(), [](auto &a, auto &b) {
                 return a.bytes < b.bytes;
               })->bytes;
    }
    auto picked = bytes > rest ? spend(costs, bytes - rest) : std::nullopt;
    if (!picked)
      return error(Code::InvalidArgument)
             << "size: " << bytes << " bytes are too few; the smallest artifact of this model has "
             << "about " << (least + 999'999) / 1'000'000 << "MB";
    std::string rules;
    for (size_t i = 0; i < items.size(); ++i) {
      rules += (rules.empty() ? "" : ",") + items[i].weight;
      if (items[i].layers[0] >= 0)
        rules += "@" + LayerSet::of(items[i].layers).spelling();
      rules += "=" + items[i].forms[(*picked)[i]];
    }
    return rules;
  }

  std::map<int64_t, double> suffering;
};

//===--- A class of forms ---------------------------------------------------------------------===//

class MinimaChooser : Chooser {
public:
  using Chooser::Chooser;

  Expected<std::string> run() {
    PLX_RETURN_IF_ERROR(plan("q4", options.model.keep));
    PLX_RETURN_IF_ERROR(measureInputs());
    const PackedForm plain = *PackedForm::parse("q4"), minima = *PackedForm::parse("q4m");
    std::map<std::string, std::pair<double, double>> errors;
    for (const PackJob &job : prepared.plan.jobs) {
      if (job.info.quantized != plain)
        continue;
      PLX_ASSIGN(SampledRows rows, sample(job, kMinimaRows));
      PLX_ASSIGN(double without, errorIn(plain, rows, options.ranges));
      PLX_ASSIGN(double with, errorIn(minima, rows, options.ranges));
      auto &sums = errors[nameOfAllLayers(job.info.name).str()];
      sums.first += without;
      sums.second += with;
    }
    std::string rules;
    for (const auto &[name, sums] : errors)
      if (sums.first > 2 * sums.second)
        rules += (rules.empty() ? "" : ",") + name + "=q4m";
    return rules;
  }
};

} // namespace

Status chooseForSize(const ModelSource &source, CompileOptions &options, uint64_t bytes) {
  PLX_ASSIGN(options.model.chosen, SizeChooser(source, options).run(bytes));
  return Status::ok();
}

Status chooseMinima(const ModelSource &source, CompileOptions &options) {
  PLX_ASSIGN(options.model.chosen, MinimaChooser(source, options).run());
  return Status::ok();
}

} // namespace plexus::compiler
