// Last use is a file's modification time, since access times are often not kept.
#include "compiler/cache/Evict.h"

#include <algorithm>
#include <filesystem>
#include <vector>

namespace plexus::compiler {

namespace fs = std::filesystem;
using Time = fs::file_time_type;

namespace {

struct Entry {
  fs::path path;
  Time used;
  uint64_t size;
};

/// Files in the subfolders of `folder`; those that go away meanwhile are left out.
std::vector<Entry> filesBelow(const std::string &folder) {
  std::vector<Entry> out;
  std::error_code failure;
  auto at = fs::recursive_directory_iterator(folder, failure);
  for (; !failure && at != fs::recursive_directory_iterator(); at.increment(failure)) {
    std::error_code gone;
    Entry entry{at->path(), at->last_write_time(gone), 0};
    if (at.depth() != 1 || gone || !at->is_regular_file(gone))
      continue;
    entry.size = at->file_size(gone);
    if (!gone)
      out.push_back(std::move(entry));
  }
  return out;
}

/// AtomicFile writes to names that begin with a dot; entries never do.
bool isTemporary(const fs::path &path) { return path.filename().string().starts_with('.'); }

} // namespace

void touchEntry(const std::string &path) {
  std::error_code ignored;
  fs::last_write_time(path, Time::clock::now(), ignored);
}

void evict(const std::string &folder, uint64_t limit, const std::string &keep,
           std::chrono::hours age) {
  std::vector<Entry> entries = filesBelow(folder);
  std::error_code ignored;
  std::erase_if(entries, [&](const Entry &e) {
    const bool old = isTemporary(e.path) && e.used < Time::clock::now() - age;
    return old && fs::remove(e.path, ignored);
  });
  std::sort(entries.begin(), entries.end(),
            [](const Entry &a, const Entry &b) { return a.used < b.used; });
  uint64_t total = 0;
  for (const Entry &e : entries)
    total += e.size;
  for (const Entry &e : entries) {
    if (total <= limit)
      return;
    // Somebody may be writing a temporary file.
    if (e.path != keep && !isTemporary(e.path) && fs::remove(e.path, ignored))
      total -= e.size;
  }
}

} // namespace plexus::compiler
