// What stands behind the handles of <plexus/plexus.h>, and the edge where errors become statuses.
#pragma once

#include "runtime/api/OpenModel.h"
#include "runtime/engine/GenerationTypes.h"
#include "runtime/exec/PreparedRun.h"
#include "runtime/exec/Session.h"
#include "runtime/exec/Stream.h"
#include "runtime/plugins/Structs.h"
#include "runtime/tensor/Tensor.h"

#include <plexus/plexus.h>

#include <exception>
#include <new>

struct plx_buffer {
  std::string bytes;
};

struct plx_tensors {
  std::vector<plexus::NamedTensor> list;
};

struct plx_model {
  plexus::OpenedModelPtr opened;
  /// Of the runs on named tensors; made, used and destroyed on the engine's thread only.
  std::unique_ptr<plexus::Session> session;
};

/// Made, used and destroyed on the engine's thread only, as streams are.
struct plx_prepared {
  plexus::OpenedModelPtr opened;
  std::unique_ptr<plexus::Session> session;
  std::unique_ptr<plexus::PreparedRun> run; ///< Goes before its session.
};

struct plx_stream {
  plexus::OpenedModelPtr opened;
  std::unique_ptr<plexus::Session> session;
  std::unique_ptr<plexus::Stream> stream; ///< Goes before its session.
};

struct plx_generated {
  plexus::GenerationResult result;
};

struct plx_graph_build {
  std::unique_ptr<plexus::GraphBuild> build;
  std::string name;
  bool ended = false;
};

namespace plexus::capi {

/// Runs fn, which returns a Status; nothing that it throws passes.
template <typename Fn>
plx_status guarded(plx_error *error, Fn &&fn) noexcept {
  try {
    return giveStatus(fn(), error);
  } catch (const std::bad_alloc &) {
    return giveStatus(Status(Code::ResourceExhausted, "out of memory"), error);
  } catch (const std::exception &e) {
    return giveStatus(Status(Code::Internal, e.what()), error);
  } catch (...) {
    return giveStatus(Status(Code::Internal, "an unknown exception"), error);
  }
}

/// InvalidArgument where a pointer that must be there is not.
inline Status need(const void *pointer, const char *name) {
  return pointer ? Status::ok() : Status(Code::InvalidArgument, std::string(name) + " is NULL");
}

inline std::string str(plx_str s) { return std::string(fromStr(s)); }

/// Choices and progress of the options, which may be NULL.
Expected<OpenOptions> readCompileOptions(const plx_compile_options *options);

} // namespace plexus::capi
