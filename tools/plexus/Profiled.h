// plexus bench --profile: the ops of timed runs as text, JSON, a trace, and a page.
#pragma once

#include "Command.h"
#include "runtime/profile/Ceilings.h"
#include "runtime/profile/Profile.h"

namespace plexus::cli {

/// A profile of one timed part: its rows, and how long the same took without marks.
struct ProfiledPart {
  std::string name;        ///< "prefill", "decode", "encode", "run"
  double seconds = 0;      ///< Of the profiled runs.
  double plainSeconds = 0; ///< Of one repeat without marks, the median.
  std::vector<OpRow> rows;
};

struct ProfileReport {
  Ceilings ceilings;
  std::vector<ProfiledPart> parts;

  /// The least time that the ceilings allow a row, and what bounds it.
  double least(const OpRow &row) const;
  bool boundByMemory(const OpRow &row) const;
};

/// The same model with profiling code, compiled from its artifact's text for the ISA that `model`
/// runs. InvalidArgument where it came from no artifact.
Expected<OpenedModelPtr> openProfiled(const OpenedModel &model, CompileChoices choices);

void printProfile(const ProfileReport &report);
nlohmann::ordered_json toJson(const ProfileReport &report);
/// Trace events (the format that Perfetto and chrome://tracing read): steps, and ops within them.
Status writeTrace(const Profile &profile, const std::string &path);
/// A page that needs no other file: ops of each part, a roofline, and the last run in time.
Status writePage(const ProfileReport &report, const Profile &profile, const OpenedModel &model,
                 const std::string &path);

} // namespace plexus::cli
