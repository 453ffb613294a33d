// Names to values: outputs, layer boundaries, hidden states, taps.
#include "runtime/exec/Wants.h"

#include <charconv>

namespace plexus {
namespace {

/// Takes "hidden_states." or the like off the front of `name`.
bool takePrefix(std::string_view &name, std::string_view prefix) {
  if (!name.starts_with(prefix))
    return false;
  name.remove_prefix(prefix.size());
  return true;
}

/// Takes a number off the front of `name`.
bool takeNumber(std::string_view &name, int32_t &number) {
  auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (failed != std::errc())
    return false;
  name.remove_prefix(static_cast<size_t>(end - name.data()));
  return true;
}

class Resolver {
public:
  Resolver(const Model &model, int schedule)
      : program_(model.program()), schedule_(program_.schedules[schedule]),
        bound_(model.schedule(schedule)) {}

  Expected<WantTarget> value(int32_t value) const {
    WantTarget target;
    target.value = value;
    target.type = &schedule_.values[value];
    return target;
  }

  Expected<WantTarget> output(std::string_view name) const {
    int index = schedule_.findOutput(name);
    if (index >= 0)
      return value(schedule_.outputs[index].value);
    std::string_view rest = name;
    int32_t number = 0;
    if (takePrefix(rest, "hidden_states.") && takeNumber(rest, number) && rest.empty() &&
        number >= 0 && number < static_cast<int32_t>(schedule_.hidden.size()))
      return value(schedule_.hidden[number]);
    rest = name;
    if (takePrefix(rest, "taps.") && takeNumber(rest, number) && takePrefix(rest, "."))
      return tap(number, rest);
    return error(Code::NotFound) << "there is no output \"" << name << "\"; there are "
                                 << outputNames();
  }

  Expected<WantTarget> hidden(int32_t layer) const {
    if (layer >= 0 && layer < static_cast<int32_t>(bound_.boundaries.size()))
      return value(bound_.boundaries[layer]);
    if (layer == -1 && schedule_.findOutput("last_hidden_state") >= 0)
      return output("last_hidden_state");
    if (layer == -1 && !schedule_.hidden.empty())
      return value(schedule_.hidden.back());
    return error(Code::NotFound) << "there are no hidden states at layer " << layer
                                 << "; the model has layers 0 to " << bound_.layers()
                                 << ", and -1 behind the final norm";
  }

  Expected<WantTarget> tap(int32_t layer, std::string_view name) const {
    WantTarget target;
    eachTap(layer, [&](TapRef ref, const Tap &candidate) {
      if (candidate.name != name || target.isTap)
        return;
      target.isTap = true;
      target.tap = ref;
      target.type = &candidate.type;
    });
    if (target.isTap)
      return target;
    std::string known;
    eachTap(layer, [&](TapRef, const Tap &candidate) {
      known += (known.empty() ? "" : ", ") + candidate.name;
    });
    return error(Code::NotFound) << "layer " << layer << " has no tap \"" << name << "\"; it has "
                                 << (known.empty() ? std::string("none") : known);
  }

private:
  template <typename Fn>
  void eachTap(int32_t layer, Fn fn) const {
    for (size_t s = 0; s < schedule_.steps.size(); ++s) {
      const Segment &segment = program_.segments[schedule_.steps[s].segment];
      if (schedule_.steps[s].layer != layer || !segment.tapped)
        continue;
      for (size_t t = 0; t < segment.tapped->taps.size(); ++t)
        fn(TapRef{static_cast<int32_t>(s), static_cast<int32_t>(t)}, segment.tapped->taps[t]);
    }
  }

  std::string outputNames() const {
    std::string names;
    for (const ScheduleOutput &output : schedule_.outputs)
      names += output.name + ", ";
    if (!schedule_.hidden.empty())
      names += "hidden_states.0 to " + std::to_string(schedule_.hidden.size() - 1) + ", ";
    return names + "taps.LAYER.NAME";
  }

  const Program &program_;
  const Schedule &schedule_;
  const BoundSchedule &bound_;
};

} // namespace

Expected<WantTarget> resolveWant(const Model &model, int schedule, const Want &want) {
  Resolver resolver(model, schedule);
  switch (want.source) {
  case Source::Logits:
    return resolver.output("logits");
  case Source::Hidden:
    return resolver.hidden(want.layer);
  case Source::Tap:
    return resolver.tap(want.layer, want.name);
  case Source::Output:
    return resolver.output(want.name);
  }
  return error(Code::InvalidArgument) << "unknown source " << static_cast<int>(want.source);
}

Status checkReduction(const Want &want, const WantTarget &target) {
  if (want.reduce == Reduce::Full)
    return Status::ok();
  if (target.type->dtype != DType::F32)
    return error(Code::Unsupported) << "top-k and log-probabilities of " << toString(*target.type);
  int64_t width = target.width();
  if (want.reduce == Reduce::TopK && (want.k < 1 || want.k > width))
    return error(Code::InvalidArgument) << "top-k of " << want.k << ": a row has " << width;
  if (want.reduce == Reduce::LogProbs)
    for (int32_t id : want.ids)
      if (id < 0 || id >= width)
        return error(Code::InvalidArgument)
               << "log-probability of id " << id << ": a row has " << width;
  return Status::ok();
}

} // namespace plexus
