// Running a tokenizer conformance pack: what the plexus-conformance tool and the tests share.
#pragma once

#include "runtime/support/Status.h"
#include "runtime/text/GgufVocabulary.h"
#include <functional>
#include <string>
#include <vector>

namespace plexus::conformance {

/// One case of a pack. `difference` is empty where it passed, else says what was expected and
/// found.
struct TokenizerCaseResult {
  std::string name; ///< "cases[3] prose", "streams[0]" ...
  std::string difference;
  bool passed() const { return difference.empty(); }
};

/// How a pack's vocab.gguf is read; the runner itself knows no file format but the pack's JSON.
using GgufVocabularyReader = std::function<Expected<GgufVocabulary>(const std::string &path)>;

/// Runs every case, batch, stream, decode and vocabulary check of the pack in folder `path`. An
/// error where the pack cannot be read or its tokenizer not be loaded.
Expected<std::vector<TokenizerCaseResult>> runTokenizerPack(const std::string &path,
                                                            const GgufVocabularyReader &readGguf);

} // namespace plexus::conformance
