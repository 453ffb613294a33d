// Norms and the products that read them are found in the segments; each layer gets its own factors.
#include "compiler/calibrate/Scaling.h"

#include "compiler/choose/FormErrors.h"
#include "compiler/pack/KeptBlocks.h"
#include "passes/raise/Taps.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace plexus::compiler {

using namespace mlir;

namespace {

constexpr int kGrid = 10;            ///< Steps of the exponent between 0 and 1.
constexpr int64_t kSampledRows = 64; ///< Of each product.

/// A norm and all products that read it.
struct Site {
  std::vector<std::string> norms; ///< Weight, and bias where there is one.
  std::vector<std::string> products;
  bool unitOffset = false;
};

std::string weightOf(Value value) {
  auto param = value ? value.getDefiningOp<plx::ParamOp>() : plx::ParamOp();
  return param ? param.getWeight().str() : "";
}

/// The sites of one segment whose weights nobody else has.
class SiteFinder {
public:
  explicit SiteFinder(plx::ModelOp model) {
    model.walk([&](plx::ParamOp param) {
      auto segment = param->getParentOfType<plx::SegmentOp>();
      StringRef name = segment.getName();
      name.consume_back(kTappedSuffix);
      users[param.getWeight().str()].insert(name.str());
    });
    // A tap would show what is divided.
    model.walk([&](plx::TapOp tap) {
      if (Operation *op = tap.getInput().getDefiningOp(); op && op->getNumOperands() > 1)
        tapped.insert(weightOf(op->getOperand(1)));
    });
  }

  std::vector<Site> find(plx::SegmentOp segment) const {
    std::vector<Site> sites;
    segment.walk([&](Operation *op) {
      Site site;
      if (auto norm = dyn_cast<plx::RmsNormOp>(op)) {
        site.norms = {weightOf(norm.getWeight())};
        site.unitOffset = norm.getUnitOffset();
      } else if (auto norm = dyn_cast<plx::LayerNormOp>(op)) {
        site.norms = {weightOf(norm.getWeight())};
        if (norm.getBias())
          site.norms.push_back(weightOf(norm.getBias()));
      } else {
        return;
      }
      if (addProducts(op->getResult(0), site))
        sites.push_back(std::move(site));
    });
    return sites;
  }

private:
  bool isOwn(const std::string &weight) const {
    auto found = users.find(weight);
    return found != users.end() && found->second.size() == 1 && !tapped.contains(weight);
  }

  bool addProducts(Value input, Site &site) const {
    for (OpOperand &use : input.getUses()) {
      if (!isa<plx::LinearOp, plx::FusedLinearOp>(use.getOwner()) || use.getOperandNumber() != 0)
        return false;
      site.products.push_back(weightOf(use.getOwner()->getOperand(1)));
    }
    auto own = [&](const std::string &weight) { return isOwn(weight); };
    return !site.products.empty() && std::all_of(site.norms.begin(), site.norms.end(), own) &&
           std::all_of(site.products.begin(), site.products.end(), own);
  }

  std::map<std::string, std::set<std::string>> users; ///< Segments by weight.
  std::set<std::string> tapped;
};

class FactorSearch {
public:
  FactorSearch(const ProgramPlan &plan, const TensorSource &tensors,
               const FindImportance &importance, const RangeRule &ranges)
      : tensors(tensors), importance(importance), ranges(ranges) {
    for (const PackJob &job : plan.jobs)
      jobs[{job.info.name, job.info.layer}] = &job;
  }

  /// Adds what is found for the site in one layer.
  Status search(const Site &site, int layer, FactorMap &out) {
    std::vector<const PackJob *> products, norms;
    for (const std::string &name : site.products)
      products.push_back(find(name, layer));
    for (const std::string &name : site.norms)
      norms.push_back(find(name, layer));
    PLX_ASSIGN(bool fits, sampleAll(products, norms));
    if (!fits)
      return Status::ok();
    std::vector<float> squares = importance(products[0]->info), best;
    double least = INFINITY;
    for (int step = 0; step <= kGrid; ++step) {
      std::vector<float> factors = factorsOf(squares, static_cast<double>(step) / kGrid);
      PLX_ASSIGN(double error, errorWith(factors, squares, products));
      if (error < least) {
        least = error;
        best = step == 0 ? std::vector<float>() : factors;
      }
    }
    if (best.empty())
      return Status::ok();
    auto columns = std::make_shared<PackFactors>(PackFactors{best, false});
    for (float &factor : best)
      factor = 1 / factor;
    auto inverse = std::make_shared<PackFactors>(PackFactors{best, site.unitOffset});
    for (const PackJob *job : products)
      out[{job->info.name, job->info.layer}] = columns;
    for (const PackJob *job : norms)
      out[{job->info.name, job->info.layer}] = inverse;
    return Status::ok();
  }

private:
  const PackJob *find(const std::string &name, int layer) const {
    auto found = jobs.find({name, layer});
    return found == jobs.end() ? nullptr : found->second;
  }

  /// Whether all of the site is one for each layer, rounded to few bits, and was seen.
  Expected<bool> sampleAll(const std::vector<const PackJob *> &products,
                           const std::vector<const PackJob *> &norms) {
    samples.clear();
    for (const PackJob *job : norms)
      if (!job)
        return false;
    for (const PackJob *job : products) {
      if (!job || !job->info.quantized || job->info.quantized->info().bits >= 8 ||
          importance(job->info).empty())
        return false;
      PLX_ASSIGN(Recipe bound, bindRecipe(job->recipe, tensors, job->info.layer));
      if (keepsBlocks(bound, *job->info.quantized))
        return false;
      PLX_ASSIGN(SampledRows rows, sampleRows(bound, kSampledRows));
      samples.push_back(std::move(rows));
    }
    return true;
  }

  /// With a geometric mean of 1.
  static std::vector<float> factorsOf(const std::vector<float> &squares, double exponent) {
    double mean = 0;
    for (float square : squares)
      mean += std::log(square) / static_cast<double>(squares.size());
    std::vector<float> out;
    for (float square : squares)
      out.push_back(static_cast<float>(std::exp(exponent / 2 * (std::log(square) - mean))));
    return out;
  }

  Expected<double> errorWith(const std::vector<float> &factors, const std::vector<float> &squares,
                             const std::vector<const PackJob *> &products) const {
    double sum = 0;
    for (size_t i = 0; i < samples.size(); ++i) {
      SampledRows rows = samples[i];
      for (size_t at = 0; at < rows.x.size(); ++at)
        rows.x[at] *= factors[at % rows.depth];
      for (size_t k = 0; k < squares.size(); ++k)
        rows.importance.push_back(squares[k] / (factors[k] * factors[k]));
      PLX_ASSIGN(double error, errorIn(*products[i]->info.quantized, rows, ranges));
      sum += error;
    }
    return sum;
  }

  const TensorSource &tensors;
  const FindImportance &importance;
  const RangeRule &ranges;
  std::map<std::pair<std::string, int>, const PackJob *> jobs;
  std::vector<SampledRows> samples;
};

} // namespace

Expected<FactorMap> findFactors(plx::ModelOp model, const ProgramPlan &plan,
                                const TensorSource &tensors, const FindImportance &importance,
                                const RangeRule &ranges) {
  SiteFinder finder(model);
  FactorSearch search(plan, tensors, importance, ranges);
  FactorMap out;
  std::map<std::string, std::set<int>> layers;
  model.walk([&](plx::RunOp run) {
    layers[run.getSegment().str()].insert(run.getLayer() ? static_cast<int>(*run.getLayer()) : -1);
  });
  for (auto segment : model.getOps<plx::SegmentOp>())
    for (const Site &site : finder.find(segment))
      for (int layer : layers[segment.getName().str()])
        PLX_RETURN_IF_ERROR(search.search(site, layer, out));
  return out;
}

} // namespace plexus::compiler
