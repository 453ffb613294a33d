// The linker's build ids of this compiler's libraries.
#include "compiler/cache/Keys.h"

#include "llvm/ADT/StringExtras.h"

#include <algorithm>
#include <cstring>
#include <link.h>

namespace plexus::compiler {
namespace {

constexpr std::string_view kOurs = "libplexus_";

/// The build id among the notes of one segment, in hex; empty where there is none.
std::string buildIdIn(const char *notes, size_t size) {
  ElfW(Nhdr) header;
  auto padded = [](size_t length) { return (length + 3) / 4 * 4; };
  while (size >= sizeof(header)) {
    std::memcpy(&header, notes, sizeof(header));
    const size_t name = padded(header.n_namesz), value = padded(header.n_descsz);
    if (name > size - sizeof(header) || value > size - sizeof(header) - name)
      break;
    const char *text = notes + sizeof(header);
    if (header.n_type == NT_GNU_BUILD_ID &&
        std::string_view(text, header.n_namesz) == std::string_view("GNU\0", 4))
      return llvm::toHex(llvm::StringRef(text + name, header.n_descsz), /*LowerCase=*/true);
    notes += sizeof(header) + name + value;
    size -= sizeof(header) + name + value;
  }
  return {};
}

int collect(dl_phdr_info *library, size_t, void *out) {
  std::string_view path = library->dlpi_name ? library->dlpi_name : "";
  if (path.substr(path.rfind('/') + 1).starts_with(kOurs))
    for (int i = 0; i < library->dlpi_phnum; ++i) {
      const ElfW(Phdr) &segment = library->dlpi_phdr[i];
      if (segment.p_type != PT_NOTE)
        continue;
      auto *notes = reinterpret_cast<const char *>(library->dlpi_addr + segment.p_vaddr);
      if (std::string id = buildIdIn(notes, segment.p_memsz); !id.empty())
        static_cast<std::vector<std::string> *>(out)->push_back(std::move(id));
    }
  return 0;
}

} // namespace

const std::string &compilerBuild() {
  static const std::string joined = [] {
    std::vector<std::string> ids;
    dl_iterate_phdr(collect, &ids);
    std::sort(ids.begin(), ids.end()); // libraries load in any order
    std::string out;
    for (const std::string &id : ids)
      out += id;
    return out;
  }();
  return joined;
}

} // namespace plexus::compiler
