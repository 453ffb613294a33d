// C entry points that lead back into the host's objects.
#include "runtime/exec/Host.h"

#include "runtime/profile/Profile.h"

namespace plexus {

Host::Host(ThreadPool &pool) : pool_(pool), matmul_(pool) {
  table_.self = this;
  table_.parallel_for = [](void *self, ThreadPool::Body body, void *ctx, int64_t n, int64_t grain) {
    static_cast<Host *>(self)->pool_.parallelFor(body, ctx, n, grain);
  };
  table_.matmul = [](void *self, const plx_matmul *args) {
    return static_cast<Host *>(self)->matmul_.run(*args);
  };
  table_.mark = [](void *, const char *op) {
    if (Profile *profile = Profile::active())
      profile->mark(op);
  };
  table_.matrix_unit = hasMatrixUnit() ? 1 : 0;
}

} // namespace plexus
