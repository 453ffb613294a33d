// One output of a generation: its ids, its text, and when it stops.
#pragma once

#include "runtime/engine/SamplerChain.h"
#include "runtime/engine/TextCodec.h"

#include <plexus/strategy.h>

namespace plexus {

/// When outputs of a generation stop.
struct StopRules {
  std::vector<int32_t> tokens;      ///< End the output; part of its ids, not of its text.
  std::vector<std::string> strings; ///< End the output before them.
  int64_t maxTokens = 0;
  int64_t contextTokens = 0; ///< Ids after the prompt that the model can still run.

  bool isStopToken(int32_t id) const;
  /// Why an output of `length` ids that ends in `last` stops, by its ids alone.
  plx_stop afterToken(int64_t length, int32_t last) const;
};

/// Text with its stop strings: what may begin one is held back until it is known not to.
class StopScanner {
public:
  /// `strings` must outlive it.
  explicit StopScanner(const std::vector<std::string> *strings) : strings_(strings) {}
  /// Takes more text and appends to `out` what is safe. True when a stop string was found: the text
  /// before it is in `out`, the rest dropped.
  bool push(std::string_view text, std::string &out);
  /// The text ended: appends what was held.
  void finish(std::string &out);

private:
  const std::vector<std::string> *strings_;
  std::string held_;
};

class Output {
public:
  /// `codec` may be null: then there is no text.
  Output(const StopRules *rules, const TextCodec *codec, SamplerChain chain);

  struct Taken {
    int64_t ids = 0;
    plx_stop stop = PLX_STOP_NONE;
  };
  /// Takes ids up to the first that stops the output; the text that became safe is appended to
  /// `piece`.
  Expected<Taken> emit(std::span<const int32_t> ids, std::string &piece);
  /// Closes the output; text that was held back is appended to `piece`.
  Status finish(plx_stop reason, std::string &piece);

  const std::vector<int32_t> &ids() const { return ids_; }
  const std::string &text() const { return text_; }
  plx_stop stopped() const { return stop_; }
  SamplerChain &chain() { return chain_; }

  double score = 0;
  bool hasScore = false;

private:
  Expected<plx_stop> addText(int32_t id, std::string &piece);
  Status closeText(std::string &piece);

  const StopRules *rules_;
  SamplerChain chain_;
  std::unique_ptr<TextStream> stream_;
  StopScanner scanner_;
  std::vector<int32_t> ids_;
  std::string text_, fresh_;
  plx_stop stop_ = PLX_STOP_NONE;
};

/// What emitting exactly `ids` to a fresh output would give.
Expected<Output::Taken> stopTest(const StopRules &rules, const TextCodec *codec,
                                 std::span<const int32_t> ids);

} // namespace plexus
