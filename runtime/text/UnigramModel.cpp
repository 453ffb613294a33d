// Unigram language model tokenization (Kudo 2018): the best path by summed log probability.
#include "runtime/text/ByteTrie.h"
#include "runtime/text/Model.h"
#include "runtime/text/Utf8.h"

#include <algorithm>

namespace plexus::text {

namespace {
/// How much worse than the worst token an unknown character is.
constexpr double unknownPenalty = 10.0;

class Unigram : public Model {
public:
  Unigram(Vocabulary vocabulary, std::vector<double> scores, std::optional<uint32_t> unknown,
          bool byteFallback);

  Status tokenize(std::string_view word, std::vector<Token> &out) const override;
  const Vocabulary &vocabulary() const override { return vocabulary_; }
  size_t size() const override { return scores_.size(); }
  std::optional<uint32_t> unknownId() const override { return unknown_; }

private:
  /// Best way to reach a byte position: from where and by which token.
  struct Step {
    double score = 0;
    int64_t from = -1;
    uint32_t id = 0;
  };
  Status bestSteps(std::string_view word, std::vector<Step> &steps) const;
  Status emit(std::string_view word, uint32_t begin, uint32_t end, std::vector<Token> &out) const;

  Vocabulary vocabulary_;
  std::vector<double> scores_;
  std::optional<uint32_t> unknown_;
  bool byteFallback_;
  double unknownScore_;
  ByteTrie trie_;
};

Unigram::Unigram(Vocabulary vocabulary, std::vector<double> scores, std::optional<uint32_t> unknown,
                 bool byteFallback)
    : vocabulary_(std::move(vocabulary)), scores_(std::move(scores)), unknown_(unknown),
      byteFallback_(byteFallback) {
  double lowest = std::numeric_limits<double>::infinity();
  for (double s : scores_)
    lowest = std::min(lowest, s);
  unknownScore_ = lowest - unknownPenalty;
  std::vector<std::pair<std::string_view, uint32_t>> entries;
  for (uint32_t id = 0; id < vocabulary_.idLimit(); ++id)
    entries.push_back({*vocabulary_.token(id), *vocabulary_.find(*vocabulary_.token(id))});
  trie_.build(std::move(entries));
}

Status Unigram::bestSteps(std::string_view word, std::vector<Step> &steps) const {
  steps.assign(word.size() + 1, {});
  auto offer = [&](size_t from, size_t to, double score, uint32_t id) {
    double total = score + steps[from].score;
    if (steps[to].from < 0 || total > steps[to].score)
      steps[to] = {total, int64_t(from), id};
  };
  for (size_t begin = 0; begin < word.size();) {
    size_t length = validLength(word[begin]);
    bool covered = false; // Whether this character alone is a token.
    uint32_t node = trie_.root();
    for (size_t end = begin; node != ByteTrie::none && end < word.size();) {
      node = trie_.step(node, uint8_t(word[end++]));
      if (node == ByteTrie::none || trie_.value(node) == ByteTrie::none)
        continue;
      offer(begin, end, scores_[trie_.value(node)], trie_.value(node));
      covered |= end - begin == length;
    }
    if (!covered) {
      if (!unknown_)
        return error(Code::Corrupt) << "model Unigram: '" << word.substr(begin, length)
                                    << "' is not in the vocabulary and there is no unk_id";
      offer(begin, begin + length, unknownScore_, *unknown_);
    }
    begin += length;
  }
  return Status::ok();
}

Status Unigram::emit(std::string_view word, uint32_t begin, uint32_t end,
                     std::vector<Token> &out) const {
  std::string_view piece = word.substr(begin, end - begin);
  if (auto id = vocabulary_.find(piece)) {
    out.push_back({*id, begin, end, piece});
    return Status::ok();
  }
  if (byteFallback_) {
    size_t before = out.size();
    for (char b : piece) {
      auto id = vocabulary_.find(byteToken(uint8_t(b)));
      if (!id)
        break;
      out.push_back({*id, begin, end, *vocabulary_.token(*id)});
    }
    if (out.size() - before == piece.size())
      return Status::ok();
    out.resize(before);
  }
  out.push_back({*unknown_, begin, end, piece});
  return Status::ok();
}

Status Unigram::tokenize(std::string_view word, std::vector<Token> &out) const {
  thread_local std::vector<Step> steps;
  PLX_RETURN_IF_ERROR(bestSteps(word, steps));
  // Walk back, gluing neighbouring unknown pieces together.
  std::vector<std::pair<uint32_t, uint32_t>> pieces;
  bool previousUnknown = false;
  for (size_t end = word.size(); end > 0;) {
    const Step &step = steps[end];
    bool isUnknown = unknown_ && step.id == *unknown_;
    if (isUnknown && previousUnknown)
      pieces.back().first = uint32_t(step.from);
    else
      pieces.push_back({uint32_t(step.from), uint32_t(end)});
    previousUnknown = isUnknown;
    end = size_t(step.from);
  }
  for (auto it = pieces.rbegin(); it != pieces.rend(); ++it)
    PLX_RETURN_IF_ERROR(emit(word, it->first, it->second, out));
  return Status::ok();
}
} // namespace

Expected<std::unique_ptr<Model>> makeUnigramModel(const Fields &f) {
  PLX_ASSIGN(const Json *vocab, f.require("vocab"));
  if (!vocab->is_array())
    return f.wrongKind("vocab", "an array of [token, score]");
  Vocabulary vocabulary;
  vocabulary.reserve(vocab->size());
  std::vector<double> scores;
  for (const Json &item : *vocab) {
    if (!item.is_array() || item.size() != 2 || !item[0].is_string() || !item[1].is_number())
      return f.wrongKind("vocab", "an array of [token, score]");
    PLX_RETURN_IF_ERROR(vocabulary.add(item[0].get<std::string>(), uint32_t(scores.size())));
    scores.push_back(item[1].get<double>());
  }
  std::optional<uint32_t> unknown;
  if (f.find("unk_id")) {
    PLX_ASSIGN(uint64_t id, f.number("unk_id"));
    if (id >= scores.size())
      return error(Code::Corrupt) << f.what() << ": unk_id " << id
                                  << " is beyond the vocabulary of " << scores.size();
    unknown = uint32_t(id);
  }
  PLX_ASSIGN(bool byteFallback, f.boolean("byte_fallback", false));
  return std::unique_ptr<Model>(
      new Unigram(std::move(vocabulary), std::move(scores), unknown, byteFallback));
}

} // namespace plexus::text
