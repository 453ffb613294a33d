// Any bytes as an artifact: refused with a message, or loaded. The hashes are made to fit first, so
// that what lies behind them is reached.
#include "runtime/artifact/Artifact.h"
#include "runtime/artifact/ElfCheck.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

using namespace plexus;
using namespace plexus::artifact;

namespace {

/// Makes the table's hashes and then the header's those of the bytes there are.
void repairHashes(std::string &bytes) {
  Header header;
  if (bytes.size() < kAlignment)
    return;
  std::memcpy(&header, bytes.data(), sizeof(header));
  size_t count = std::min(header.sectionCount, kMaxSections);
  char *table = bytes.data() + sizeof(header);
  Hash128 weightHashes = {};
  for (int round = 0; round < 2; ++round)
    for (size_t i = 0; i < count; ++i) {
      SectionEntry entry;
      std::memcpy(&entry, table + i * sizeof(entry), sizeof(entry));
      if (entry.offset > bytes.size() || entry.size > bytes.size() - entry.offset)
        continue;
      entry.hash = entry.kind == uint32_t(SectionKind::Weights)
                       ? weightHashes
                       : hash128(bytes.data() + entry.offset, entry.size);
      if (entry.kind == uint32_t(SectionKind::WeightHashes))
        weightHashes = entry.hash;
      std::memcpy(table + i * sizeof(entry), &entry, sizeof(entry));
    }
  header.tableHash = hash128(table, count * sizeof(SectionEntry));
  std::memcpy(bytes.data(), &header, sizeof(header));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string bytes(reinterpret_cast<const char *>(data), size);
  repairHashes(bytes);
  int fd = memfd_create("artifact", MFD_CLOEXEC);
  if (fd < 0 || write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    __builtin_trap();
  auto artifact = Artifact::open("/proc/self/fd/" + std::to_string(fd));
  if (artifact) {
    (void)(*artifact)->verify();
    // Code with a repaired hash is checked, never run.
    for (std::string_view isa : (*artifact)->isas()) {
      std::string_view code = (*artifact)->section(std::string(kCodePrefix) + std::string(isa));
      (void)checkCodeObject(reinterpret_cast<const uint8_t *>(code.data()), code.size());
    }
  }
  close(fd);
  return 0;
}
