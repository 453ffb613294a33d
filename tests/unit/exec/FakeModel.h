// A small transformer whose segments are C++ functions on plx_call, and its naive recomputation:
// what the executor's tests run instead of compiled code.
#pragma once

#include "runtime/exec/Model.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace plexus::test {

/// Layers with a recurrence instead of attention.
enum class Recurrent { None, Odd, All };

struct FakeOptions {
  int layers = 3;
  int64_t context = 512;
  int window = 0; ///< Of odd layers, in a state of their own; 0: all layers see everything.
  std::string task = "causal-lm";
  std::optional<int32_t> positionPadding = {};
  Recurrent recurrent = Recurrent::None;

  bool isRecurrent(int layer) const {
    return recurrent == Recurrent::All || (recurrent == Recurrent::Odd && layer % 2 == 1);
  }
};

/// One token of a sequence: what a row of the batch says about it.
struct FakeToken {
  int32_t id = 0;
  int32_t position = 0;
  int32_t type = 0;
};

/// What to leave out or read on the way; the defaults run everything.
struct FakeRun {
  std::vector<uint8_t> skip; ///< SkipBits of each layer.
};

/// Values of every token of one sequence.
struct FakeTrace {
  std::vector<std::vector<std::vector<float>>> hidden; ///< [layers + 1][token][kHidden]
  std::vector<std::vector<std::vector<float>>>
      attention;                          ///< [layer][token][kHidden]: tap "attn.out"
  std::vector<std::vector<float>> last;   ///< [token][kHidden]: behind the final norm
  std::vector<std::vector<float>> logits; ///< [token][kVocabulary]
};

inline constexpr int kHidden = 8, kHeads = 2, kHeadDim = 4, kVocabulary = 37, kPositions = 1024;

/// "plain", "window7", "hybrid", "recurrent": the name of a test's parameter.
inline std::string optionsName(const FakeOptions &options) {
  if (options.recurrent != Recurrent::None)
    return options.recurrent == Recurrent::All ? "recurrent" : "hybrid";
  return options.window == 0 ? "plain" : "window" + std::to_string(options.window);
}

/// `embed`, then for each layer `attn` (with tap "attn.out"), `attn_ring` or `mix` and `ffn`, then
/// `norm` and `head`, and `pool`: outputs logits [R], last_hidden_state [T], pooled [S].
std::shared_ptr<const ModelImage> makeFakeImage(const FakeOptions &options = {});
std::shared_ptr<const Model> makeFakeModel(const FakeOptions &options = {});

/// Recomputes everything for a chain of tokens, each seeing those before it (all, where the task is
/// not "causal-lm").
FakeTrace recompute(const FakeOptions &options, const std::vector<FakeToken> &tokens,
                    const FakeRun &run = {});
/// The chain of those ids at positions 0, 1, ...
std::vector<FakeToken> chain(const std::vector<int32_t> &ids);

/// How often a segment of that name was called since the last reset, in this process.
int64_t callsOf(const std::string &segment);
void resetCalls();

} // namespace plexus::test
