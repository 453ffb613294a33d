// Tokenizes, runs all texts as one ragged batch, pools.
#include "runtime/api/Embed.h"

#include "runtime/exec/EngineThread.h"
#include "runtime/exec/Session.h"

#include <algorithm>
#include <cmath>

#include <unicode/unistr.h>

namespace plexus {
namespace {

using Row = std::vector<float>;

/// Weights of the rows [n] whose weighted sum is the pooled row; empty for "max".
Expected<std::vector<float>> rowWeights(const std::string &mode, int64_t n) {
  std::vector<float> w(n, 0.0f);
  if (mode == "cls") {
    w.front() = 1;
  } else if (mode == "last") {
    w.back() = 1;
  } else if (mode == "mean" || mode == "mean_sqrt_len") {
    const float each = mode == "mean" ? 1.0f / n : 1.0f / std::sqrt(static_cast<float>(n));
    std::fill(w.begin(), w.end(), each);
  } else if (mode == "weighted_mean") { // Muennighoff, 2022 (SGPT): later tokens count for more.
    const float sum = 0.5f * n * (n + 1);
    for (int64_t i = 0; i < n; ++i)
      w[i] = (i + 1) / sum;
  } else if (mode == "max") {
    w.clear();
  } else {
    return error(Code::Unsupported) << "pooling mode '" << mode << "'";
  }
  return w;
}

Expected<Row> pool(const Wanted &rows, const Pooling &pooling) {
  PLX_ASSIGN(std::vector<float> weights, rowWeights(pooling.mode, rows.rows));
  Row out(rows.width, weights.empty() ? -INFINITY : 0.0f);
  for (int64_t r = 0; r < rows.rows; ++r)
    for (int64_t i = 0; i < rows.width; ++i)
      out[i] =
          weights.empty() ? std::max(out[i], rows.row(r)[i]) : out[i] + weights[r] * rows.row(r)[i];
  if (pooling.normalize) {
    double sum = 0;
    for (float x : out)
      sum += double(x) * x;
    const float scale = static_cast<float>(1.0 / std::max(std::sqrt(sum), 1e-12));
    for (float &x : out)
      x *= scale;
  }
  return out;
}

Expected<std::vector<int32_t>> tokenize(const OpenedModel &model, const Pooling &pooling,
                                        const std::string &text) {
  PLX_ASSIGN(const Tokenizer *tokenizer, model.needTokenizer());
  EncodeOptions options;
  TokenizerTruncation cut;
  const int64_t context = model.info().context;
  cut.maxLength =
      static_cast<size_t>(pooling.maxTokens ? std::min(pooling.maxTokens, context) : context);
  options.truncation = cut;
  std::string input = pooling.prompt + text;
  if (pooling.lowerCase)
    icu::UnicodeString::fromUTF8(std::exchange(input, {})).toLower().toUTF8String(input);
  PLX_ASSIGN(Encoding encoding, tokenizer->encode(input, options));
  if (encoding.ids.empty())
    return error(Code::InvalidArgument) << "a text without tokens has no embedding";
  return std::vector<int32_t>(encoding.ids.begin(), encoding.ids.end());
}

Expected<std::vector<Row>> run(const OpenedModel &model, const Pooling &pooling,
                               const std::vector<std::vector<int32_t>> &ids) {
  PLX_ASSIGN(auto session, Session::create(model.model));
  std::vector<ForwardRequest> requests(ids.size());
  Want want;
  want.source = Source::Hidden;
  want.rows = RowSet::All;
  for (size_t i = 0; i < ids.size(); ++i) {
    PLX_ASSIGN(requests[i].sequence, session->openSequence());
    requests[i].ids = ids[i];
    requests[i].wants = {&want, 1};
    requests[i].bidirectional = model.info().task != "causal-lm";
    requests[i].mode = RowMode::Append;
  }
  std::vector<ForwardOutcome> outcomes(ids.size());
  session->forward(requests, outcomes);
  std::vector<Row> out;
  for (const ForwardOutcome &o : outcomes) {
    PLX_RETURN_IF_ERROR(o.status);
    PLX_ASSIGN(Row row, pool(o.result[0], pooling));
    out.push_back(std::move(row));
  }
  return out;
}

} // namespace

Expected<std::vector<Row>> embed(const OpenedModel &model, const std::vector<std::string> &texts) {
  const Pooling pooling = model.info().pooling.value_or(Pooling{"mean", false, 0, false, ""});
  std::vector<std::vector<int32_t>> ids;
  for (const std::string &text : texts) {
    PLX_ASSIGN(auto tokens, tokenize(model, pooling, text));
    ids.push_back(std::move(tokens));
  }
  Expected<std::vector<Row>> out = std::vector<Row>();
  EngineThread::shared().run([&] { out = run(model, pooling, ids); });
  return out;
}

} // namespace plexus
