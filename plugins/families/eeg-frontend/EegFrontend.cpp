// What stands in front of an EEG decoder: filters, references, norms and spectra, one schedule for
// each. Recordings are [channels, samples]; the causal ones (sosfilt, sosfilt_zi, ema) are streams
// too.
#include <plexus/brain.hpp>
#include <plexus/family.hpp>
#include <plexus/plugin.hpp>
#include <plexus/ssm.hpp>

#include <algorithm>
#include <cmath>

using namespace plexus::graph;
namespace filters = plexus::filters;

namespace {

using Sections = filters::Sections;

/// Longest recording: no state grows with it.
constexpr int64_t kContext = int64_t(1) << 24;

struct FrontEnd {
  const Config &c;
  Builder &b;
  double rate;
  int64_t channels;
  Sections band;

  //===--- The filter ---===//

  filters::Design readDesign() const {
    static constexpr std::pair<const char *, filters::Kind> kinds[] = {
        {"butter", filters::Kind::Butterworth},
        {"cheby1", filters::Kind::Chebyshev1},
        {"cheby2", filters::Kind::Chebyshev2},
        {"ellip", filters::Kind::Elliptic},
        {"bessel", filters::Kind::Bessel}};
    static constexpr std::pair<const char *, filters::BesselNorm> norms[] = {
        {"phase", filters::BesselNorm::Phase},
        {"delay", filters::BesselNorm::Delay},
        {"mag", filters::BesselNorm::Magnitude}};
    static constexpr std::pair<const char *, filters::Pass> passes[] = {
        {"lowpass", filters::Pass::Low},
        {"highpass", filters::Pass::High},
        {"bandpass", filters::Pass::Band},
        {"bandstop", filters::Pass::Stop}};
    filters::Design d;
    d.rate = rate;
    d.order = static_cast<int>(c.integer("order"));
    const bool isList = c.has("band.0");
    for (int64_t i = 0; i < (isList ? c.size("band") : 1); ++i)
      d.band.push_back(c.number(isList ? "band." + std::to_string(i) : "band"));
    d.ripple = c.number("ripple", d.ripple);
    d.attenuation = c.number("attenuation", d.attenuation);
    choose("design", "butter", kinds, d.kind);
    if (d.kind == filters::Kind::Bessel)
      choose("norm", "phase", norms, d.norm);
    choose("btype", d.band.size() == 1 ? "lowpass" : "bandpass", passes, d.pass);
    return d;
  }

  template <typename T, size_t n>
  void choose(const char *path, const char *otherwise, const std::pair<const char *, T> (&known)[n],
              T &into) const {
    const std::string name = c.string(path, otherwise);
    std::string names;
    for (const auto &[key, value] : known) {
      if (name == key) {
        into = value;
        return;
      }
      names += (names.empty() ? "" : ", ") + std::string(key);
    }
    c.refuse(path, "'" + name + "'", names);
  }

  /// The design, in double; or the file's sections where they are something else than its
  /// rounding to float.
  void readFilter() {
    const filters::Design design = readDesign();
    if (const std::string problem = design.problem(); !problem.empty())
      return b.fail(3, "band, order or fs: " + problem);
    band = design.make();
    const std::vector<float> file = c.weightValues("sos");
    bool same = file.size() == 6 * band.size();
    for (size_t i = 0; same && i < file.size(); ++i)
      same = std::abs(file[i] - band[i / 6][i % 6]) <= 1e-6 * (1 + std::abs(file[i]));
    if (file.empty() || same)
      return;
    if (file.size() % 6)
      return b.fail(3, "sos must be [sections, 6]");
    band.assign(file.size() / 6, {});
    for (size_t i = 0; i < file.size(); ++i)
      band[i / 6][i % 6] = file[i] / double(file[i - i % 6 + 3]);
  }

  //===--- Schedules ---===//

  /// A schedule of recordings under each of `names`, whose samples one segment makes others of.
  /// Segments with a state have the layer 0.
  /// `least`: they are seen whole, and have so many samples.
  void signal(std::initializer_list<const char *> names, const char *segment, int64_t layer = -1,
              int64_t least = 1) {
    for (const char *name : names) {
      auto in = b.schedule(name, {"x"}, {Builder::rows({channels})});
      b.port("x", "c s");
      b.leastSamples("x", least);
      b.port("y", "c s");
      b.endSchedule({{"y", b.run(segment, layer, {in[0]})}});
    }
  }

  /// Numbers that no input changes.
  void facts(const std::string &segment, const std::vector<float> &values,
             std::initializer_list<int64_t> shape) {
    b.segment(segment, {});
    b.endSegment({b.param(segment + ".values", b.constant(values, shape))});
  }

  static std::vector<float> numbersOf(const Sections &sos) {
    std::vector<float> values;
    for (const filters::Section &section : sos)
      values.insert(values.end(), section.begin(), section.end());
    return values;
  }

  void causal() {
    b.carryState("filter", brain::filterState({band}, channels));
    b.carryState("steady", brain::filterState({band}, channels, true));
    auto s = b.segment("causal", {Builder::rows({channels})});
    b.endSegment({brain::sosFilter(b, s.args[0], s.batch, {band}, b.state("filter"))});
    signal({"sosfilt", "filter:sosfilt", "stream"}, "causal", 0);
    s = b.segment("steady_start", {Builder::rows({channels})});
    b.endSegment({brain::sosFilter(b, s.args[0], s.batch, {band}, b.state("steady"), true)});
    std::vector<float> zi;
    for (const auto &pair : filters::steadyState(band))
      zi.insert(zi.end(), pair.begin(), pair.end());
    const auto sections = static_cast<int64_t>(band.size());
    facts("zi", zi, {sections, 2});
    auto in = b.schedule("sosfilt_zi", {"x"}, {Builder::rows({channels})});
    b.port("x", "c s");
    b.port("y", "c s");
    b.endSchedule({{"y", b.run("steady_start", 0, {in[0]})}, {"zi", b.run("zi", -1, {})}});
    facts("sections", numbersOf(band), {sections, 6});
    b.schedule("design", {}, {});
    b.endSchedule({{"sos", b.run("sections", -1, {})}});
  }

  void zeroPhase() {
    auto s = b.segment("zero_phase", {Builder::rows({channels})});
    const int64_t padding = c.integer("padlen", filters::defaultPadding(band));
    b.endSegment(
        {brain::sosFiltFilt(b, s.args[0], s.batch, {band}, padding, c.string("padtype", "odd"))});
    signal({"sosfiltfilt", "filter:sosfiltfilt"}, "zero_phase", -1,
           std::max<int64_t>(padding + 1, 2));
  }

  /// A mains filter: "notch50" and its coefficients.
  void notch(int64_t frequency, double quality) {
    if (!(double(frequency) < rate / 2))
      return;
    const std::string name = "notch" + std::to_string(frequency);
    const Sections sos = filters::notch(double(frequency), quality, rate);
    auto s = b.segment(name + ".filter", {Builder::rows({channels})});
    b.endSegment({brain::sosFiltFilt(b, s.args[0], s.batch, {sos})});
    const std::vector<float> all = numbersOf(sos);
    facts(name + ".b", {all.begin(), all.begin() + 3}, {3});
    facts(name + ".a", {all.begin() + 3, all.end()}, {3});
    auto in = b.schedule(name, {"x"}, {Builder::rows({channels})});
    b.port("x", "c s");
    b.leastSamples("x", filters::defaultPadding(sos) + 1);
    b.port("y", "c s");
    b.endSchedule({{"y", b.run(name + ".filter", -1, {in[0]})},
                   {"b", b.run(name + ".b", -1, {})},
                   {"a", b.run(name + ".a", -1, {})}});
  }

  void norms() {
    auto s = b.segment("average_reference", {Builder::rows({channels})});
    b.endSegment({brain::apply(b, s.args[0], "car.matrix", brain::averageReference(channels))});
    signal({"car", "reference"}, "average_reference");
    s = b.segment("standardize", {Builder::rows({channels})});
    b.endSegment({ssm::standardize(b, s.args[0], s.batch, 0).rows});
    signal({"zscore", "normalise"}, "standardize", -1, 2);
    b.carryState("norm", {3, channels, 2});
    s = b.segment("running_norm", {Builder::rows({channels})});
    b.endSegment({brain::emaStandardize(b, s.args[0], s.batch, b.state("norm"),
                                        c.number("ema_alpha", 0.01), c.number("ema_eps", 1e-4))});
    signal({"ema"}, "running_norm", 0);
  }

  void stft(int64_t size, int64_t overlap) {
    const brain::Spectrum spectrum{.size = size, .rate = rate};
    const int64_t bins = spectrum.bins(), hop = size - overlap;
    auto s = b.segment("spectrum", {Builder::rows({channels, size})});
    Value y = brain::apply(b, s.args[0], "stft.matrix", spectrum.matrix());
    b.endSegment({b.slice(y, 0, bins), b.slice(y, bins, bins),
                  brain::times(b, s.batch, 0, double(hop) / rate)});
    facts("stft.freqs", spectrum.frequencies(), {bins});
    auto in = b.schedule("stft", {"x"}, {Builder::rows({channels, size})});
    b.port("x", "c s");
    b.frames(size, hop, size / 2, true);
    for (const char *name : {"real", "imag"})
      b.port(name, "c f s");
    b.port("times", "s");
    auto parts = b.runs("spectrum", -1, {in[0]}, 3);
    b.endSchedule({{"real", parts[0]},
                   {"imag", parts[1]},
                   {"times", parts[2]},
                   {"freqs", b.run("stft.freqs", -1, {})}});
  }

  /// Bands of EEG, or what the config says of them.
  std::vector<std::array<double, 2>> readBands() const {
    static constexpr struct {
      const char *name;
      double low, high;
    } usual[] = {
        {"delta", 1, 4}, {"theta", 4, 8}, {"alpha", 8, 13}, {"beta", 13, 30}, {"gamma", 30, 45}};
    std::vector<std::array<double, 2>> bands;
    for (const auto &band : usual) {
      const std::string path = std::string("bands.") + band.name;
      bands.push_back({c.number(path + ".0", band.low), c.number(path + ".1", band.high)});
    }
    return bands;
  }

  void bandPower(int64_t size, int64_t overlap) {
    const brain::Spectrum spectrum{.size = size, .detrend = true, .density = true, .rate = rate};
    const int64_t bins = spectrum.bins();
    auto s = b.segment("powers", {Builder::rows({channels, size})});
    Value y = brain::apply(b, s.args[0], "bandpower.matrix", spectrum.matrix());
    y = b.reshape(brain::power(b, y, bins), {channels * bins});
    Value psd = b.reshape(b.pool(y, s.batch, "mean"), {channels, bins});
    b.endSegment({psd, brain::apply(b, psd, "bandpower.bands", spectrum.bands(readBands()))});
    facts("bandpower.freqs", spectrum.frequencies(), {bins});
    auto in = b.schedule("bandpower", {"x"}, {Builder::rows({channels, size})});
    b.port("x", "c s");
    b.frames(size, size - overlap);
    b.leastSamples("x", size);
    b.port("psd", "c f");
    b.port("power", "c band");
    auto made = b.runs("powers", -1, {in[0]}, 2);
    b.endSchedule(
        {{"psd", made[0]}, {"power", made[1]}, {"freqs", b.run("bandpower.freqs", -1, {})}});
  }
};

void build(const Config &c, Builder &b) {
  FrontEnd f{c, b, c.number("fs"), c.integer("channels"), {}};
  c.inert({"family"});
  if (f.channels < 1)
    return c.refuse("channels", std::to_string(f.channels), "1 and more");
  f.readFilter();
  if (!b.ok())
    return;
  c.unusedWeights({"sos"});
  b.info("task", "sequence");
  b.info("context", kContext);
  b.info("layers", 1);
  b.info("hidden_size", f.channels);
  f.causal();
  f.zeroPhase();
  for (int64_t mains : {50, 60})
    f.notch(mains, c.number("notch_quality", 30));
  f.norms();
  const int64_t size = c.integer("nperseg", 128), overlap = c.integer("noverlap", size / 2);
  if (size < 2 || overlap < 0 || overlap >= size)
    return c.refuse("nperseg, noverlap", std::to_string(size) + ", " + std::to_string(overlap),
                    "windows of 2 samples and more, overlapping by fewer than they have");
  f.stft(size, overlap);
  f.bandPower(size, overlap);
}

} // namespace

PLX_FAMILY_PLUGIN("eeg-frontend", "Filters, references, norms and spectra of EEG", build);
