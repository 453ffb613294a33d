#include "runtime/engine/Output.h"

#include <algorithm>

namespace plexus {

bool StopRules::isStopToken(int32_t id) const {
  return std::find(tokens.begin(), tokens.end(), id) != tokens.end();
}

plx_stop StopRules::afterToken(int64_t length, int32_t last) const {
  if (isStopToken(last))
    return PLX_STOP_TOKEN;
  if (length >= maxTokens)
    return PLX_STOP_LENGTH;
  return length >= contextTokens ? PLX_STOP_CONTEXT : PLX_STOP_NONE;
}

bool StopScanner::push(std::string_view text, std::string &out) {
  if (strings_->empty()) {
    out += text;
    return false;
  }
  held_ += text;
  size_t found = std::string::npos;
  for (const std::string &stop : *strings_)
    found = std::min(found, held_.find(stop));
  if (found != std::string::npos) {
    out.append(held_, 0, found);
    held_.clear();
    return true;
  }
  // Hold back the longest tail that begins a stop string.
  size_t keep = 0;
  for (const std::string &stop : *strings_)
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n)
      if (held_.compare(held_.size() - n, n, stop, 0, n) == 0)
        keep = n;
  out.append(held_, 0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return false;
}

void StopScanner::finish(std::string &out) {
  out += held_;
  held_.clear();
}

Output::Output(const StopRules *rules, const TextCodec *codec, SamplerChain chain)
    : rules_(rules), chain_(std::move(chain)), stream_(codec ? codec->stream() : nullptr),
      scanner_(&rules->strings) {
  // Reserved up to a bound, so that emitting allocates nothing in the steady state.
  ids_.reserve(static_cast<size_t>(std::clamp<int64_t>(rules->maxTokens, 0, 1 << 16)));
}

Expected<plx_stop> Output::addText(int32_t id, std::string &piece) {
  if (!stream_ || rules_->isStopToken(id))
    return PLX_STOP_NONE;
  fresh_.clear();
  PLX_RETURN_IF_ERROR(stream_->step(id, fresh_));
  const size_t before = piece.size();
  const bool stopped = scanner_.push(fresh_, piece);
  text_.append(piece, before);
  return stopped ? PLX_STOP_STRING : PLX_STOP_NONE;
}

Status Output::closeText(std::string &piece) {
  if (!stream_)
    return Status::ok();
  fresh_.clear();
  const size_t before = piece.size();
  PLX_RETURN_IF_ERROR(stream_->finish(fresh_));
  if (!scanner_.push(fresh_, piece))
    scanner_.finish(piece);
  text_.append(piece, before);
  return Status::ok();
}

Expected<Output::Taken> Output::emit(std::span<const int32_t> ids, std::string &piece) {
  Taken taken;
  for (const int32_t id : ids) {
    if (stop_ != PLX_STOP_NONE)
      break;
    ids_.push_back(id);
    ++taken.ids;
    PLX_ASSIGN(const plx_stop byText, addText(id, piece));
    stop_ = byText != PLX_STOP_NONE ? byText
                                    : rules_->afterToken(static_cast<int64_t>(ids_.size()), id);
    if (stop_ != PLX_STOP_NONE && byText == PLX_STOP_NONE)
      PLX_RETURN_IF_ERROR(closeText(piece));
  }
  PLX_RETURN_IF_ERROR(chain_.accept(ids.first(static_cast<size_t>(taken.ids))));
  taken.stop = stop_;
  return taken;
}

Status Output::finish(plx_stop reason, std::string &piece) {
  if (stop_ != PLX_STOP_NONE)
    return Status::ok();
  stop_ = reason;
  return closeText(piece);
}

Expected<Output::Taken> stopTest(const StopRules &rules, const TextCodec *codec,
                                 std::span<const int32_t> ids) {
  if (!rules.strings.empty() && codec) {
    Output trial(&rules, codec, {});
    std::string piece;
    return trial.emit(ids, piece);
  }
  Output::Taken taken;
  for (const int32_t id : ids) {
    taken.stop = rules.afterToken(++taken.ids, id);
    if (taken.stop != PLX_STOP_NONE)
      break;
  }
  return taken;
}

} // namespace plexus
