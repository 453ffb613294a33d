// What generated code may ask of the process: the pool's threads and oneDNN's products.
#pragma once

#include "runtime/abi/Call.h"
#include "runtime/onednn/Matmul.h"
#include "runtime/threads/ThreadPool.h"

namespace plexus {

/// The plx_host of one user. Not for several threads at once: products share scratch.
class Host {
public:
  explicit Host(ThreadPool &pool = ThreadPool::shared());
  Host(const Host &) = delete;
  Host &operator=(const Host &) = delete;
  const plx_host *table() const { return &table_; }
  ThreadPool &pool() { return pool_; }
  MatmulEngine &matmul() { return matmul_; }

private:
  ThreadPool &pool_;
  MatmulEngine matmul_;
  plx_host table_;
};

} // namespace plexus
