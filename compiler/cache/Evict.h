// Keeps a cache folder within a size, and free of what killed writers left.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace plexus::compiler {

/// Marks an entry as used now, by its modification time: the oldest go first.
void touchEntry(const std::string &path);

/// Deletes temporary files in the subfolders of `folder` whose last write is `age` ago, then, while
/// all files there together are larger than `limit` bytes, the entry whose last use is longest ago.
/// `keep` stays. Whoever has a deleted file open or mapped keeps it. What cannot be deleted, stays.
void evict(const std::string &folder, uint64_t limit, const std::string &keep,
           std::chrono::hours age = std::chrono::hours(24));

} // namespace plexus::compiler
