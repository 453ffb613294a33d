// Helpers that the executor's tests share: a session on the small model, and comparisons.
#pragma once

#include "FakeModel.h"
#include "runtime/exec/Session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace plexus::test {

inline constexpr float kTolerance = 2e-5f;

inline std::unique_ptr<Session> makeSession(const FakeOptions &options = {},
                                            const SessionOptions &sessionOptions = {}) {
  auto session = Session::create(makeFakeModel(options), sessionOptions);
  EXPECT_TRUE(session) << session.status().message();
  return *std::move(session);
}

inline void expectNear(std::span<const float> got, const std::vector<float> &want,
                       const std::string &what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t i = 0; i < want.size(); ++i)
    ASSERT_NEAR(got[i], want[i], kTolerance) << what << ", element " << i;
}

/// Runs one request and returns its outcome.
inline ForwardOutcome forwardOne(Session &session, const ForwardRequest &request) {
  ForwardOutcome outcome;
  session.forward({&request, 1}, {&outcome, 1});
  return outcome;
}

inline Want wantLogits(RowSet rows = RowSet::Last) {
  Want want;
  want.rows = rows;
  return want;
}

/// Pseudo-random ids, the same for the same arguments.
inline std::vector<int32_t> someIds(size_t count, uint32_t seed) {
  std::vector<int32_t> ids(count);
  for (int32_t &id : ids) {
    seed = seed * 1664525u + 1013904223u;
    id = static_cast<int32_t>((seed >> 8) % kVocabulary);
  }
  return ids;
}

inline int32_t argmax(std::span<const float> row) {
  return static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

/// Appends ids and returns the logits of the last row.
inline std::vector<float> append(Session &session, SequenceId sequence,
                                 const std::vector<int32_t> &ids) {
  Want want = wantLogits();
  ForwardRequest request;
  request.sequence = sequence;
  request.ids = ids;
  request.wants = {&want, 1};
  ForwardOutcome outcome = forwardOne(session, request);
  EXPECT_TRUE(outcome.status) << outcome.status.message();
  if (!outcome.status)
    return {};
  auto row = outcome.result[0].row(0);
  return {row.begin(), row.end()};
}

} // namespace plexus::test
