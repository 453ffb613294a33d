// Reads manifests. Every offset and count of the ELF file is checked before it is followed: the
// file comes from outside and nothing of it has been trusted yet.
#include "runtime/plugins/Manifest.h"

#include "runtime/io/Json.h"
#include "runtime/io/MappedFile.h"

#include <plexus/plugin.h>

#include <cstring>
#include <elf.h>
#include <optional>

namespace plexus {
namespace {

#if defined(__x86_64__)
constexpr uint16_t hostMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr uint16_t hostMachine = EM_AARCH64;
#else
#error "add this machine's ELF number"
#endif

/// Bounds-checked reads from the file.
class ElfFile {
public:
  ElfFile(std::span<const uint8_t> bytes, std::string_view path) : bytes_(bytes), path_(path) {}

  Status open() {
    if (!read(0, header_) || std::memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0)
      return corrupt("not an ELF file");
    if (header_.e_ident[EI_CLASS] != ELFCLASS64 || header_.e_ident[EI_DATA] != ELFDATA2LSB ||
        header_.e_machine != hostMachine)
      return error(Code::Mismatch) << path_ << ": built for another machine (ELF machine "
                                   << header_.e_machine << ", expected " << hostMachine << ")";
    if (header_.e_type != ET_DYN)
      return error(Code::Mismatch) << path_ << ": not a shared object";
    if (header_.e_shentsize != sizeof(Elf64_Shdr) || header_.e_shstrndx >= header_.e_shnum)
      return corrupt("its section table is malformed");
    if (!section(header_.e_shstrndx, names_))
      return corrupt("its section names lie outside the file");
    return Status::ok();
  }

  uint16_t sections() const { return header_.e_shnum; }

  bool section(size_t index, Elf64_Shdr &out) const {
    const uint64_t offset = index * sizeof(Elf64_Shdr);
    return index < header_.e_shnum && header_.e_shoff <= bytes_.size() &&
           read(header_.e_shoff + offset, out);
  }

  bool isNamed(const Elf64_Shdr &section, std::string_view name) const {
    return stringIs(names_, section.sh_name, name);
  }

  /// Whether the NUL-terminated string at `offset` of a string table is `text`.
  bool stringIs(const Elf64_Shdr &table, uint64_t offset, std::string_view text) const {
    const auto data = content(table);
    if (!data || offset > data->size() || data->size() - offset <= text.size())
      return false;
    const uint8_t *at = data->data() + offset;
    return std::memcmp(at, text.data(), text.size()) == 0 && at[text.size()] == 0;
  }

  std::optional<std::span<const uint8_t>> content(const Elf64_Shdr &section) const {
    if (section.sh_type == SHT_NOBITS || section.sh_offset > bytes_.size() ||
        section.sh_size > bytes_.size() - section.sh_offset)
      return std::nullopt;
    return bytes_.subspan(section.sh_offset, section.sh_size);
  }

  Status corrupt(std::string_view what) const {
    return error(Code::Corrupt) << path_ << ": " << what;
  }

private:
  template <typename T>
  bool read(uint64_t offset, T &out) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T))
      return false;
    std::memcpy(&out, bytes_.data() + offset, sizeof(T));
    return true;
  }

  std::span<const uint8_t> bytes_;
  std::string_view path_;
  Elf64_Ehdr header_ = {};
  Elf64_Shdr names_ = {};
};

/// Whether a symbol table exports a defined object `name`.
bool exports(const ElfFile &file, const Elf64_Shdr &table, std::string_view name) {
  Elf64_Shdr strings;
  const auto symbols = file.content(table);
  if (!symbols || !file.section(table.sh_link, strings))
    return false;
  for (size_t at = 0; symbols->size() - at >= sizeof(Elf64_Sym); at += sizeof(Elf64_Sym)) {
    Elf64_Sym symbol;
    std::memcpy(&symbol, symbols->data() + at, sizeof(symbol));
    if (symbol.st_shndx != SHN_UNDEF && ELF64_ST_BIND(symbol.st_info) != STB_LOCAL &&
        ELF64_ST_VISIBILITY(symbol.st_other) == STV_DEFAULT &&
        file.stringIs(strings, symbol.st_name, name))
      return true;
  }
  return false;
}

bool isName(const nlohmann::json &value) {
  if (!value.is_string())
    return false;
  const auto &text = value.get_ref<const std::string &>();
  return !text.empty() && text.size() <= ManifestLimits::maxNameLength &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "._+-") == std::string::npos;
}

/// Reads the keys of one object, naming it in errors.
class Fields {
public:
  Fields(const nlohmann::json &object, std::string where)
      : object_(object), where_(std::move(where)) {}

  Status name(const char *key, std::string &out) const {
    const auto found = object_.find(key);
    if (found == object_.end() || !isName(*found))
      return error(Code::Corrupt) << where_ << '.' << key << ": expected 1 to "
                                  << ManifestLimits::maxNameLength
                                  << " characters of [A-Za-z0-9._+-]"
                                  << (found == object_.end() ? ", found nothing" : "");
    out = found->get<std::string>();
    return Status::ok();
  }
  Status text(const char *key, std::string &out) const {
    const auto found = object_.find(key);
    if (found == object_.end())
      return Status::ok();
    if (!found->is_string())
      return expected(key, "a string", *found);
    out = found->get<std::string>();
    return Status::ok();
  }
  Status flag(const char *key, bool &out) const {
    const auto found = object_.find(key);
    if (found == object_.end())
      return Status::ok();
    if (!found->is_boolean())
      return expected(key, "true or false", *found);
    out = found->get<bool>();
    return Status::ok();
  }
  Status names(const char *key, std::vector<std::string> &out) const {
    const auto found = object_.find(key);
    if (found == object_.end())
      return Status::ok();
    if (!found->is_array())
      return expected(key, "an array of names", *found);
    for (const auto &entry : *found) {
      if (!isName(entry))
        return expected(key, "an array of names", entry);
      out.push_back(entry.get<std::string>());
    }
    return Status::ok();
  }

private:
  Status expected(const char *key, std::string_view what, const nlohmann::json &found) const {
    return error(Code::Corrupt) << where_ << '.' << key << ": expected " << what << ", found "
                                << jsonKind(found);
  }
  const nlohmann::json &object_;
  std::string where_;
};

Status parseProvision(const nlohmann::json &value, std::string where, Provision &out) {
  if (!value.is_object())
    return error(Code::Corrupt) << where << ": expected an object, found " << jsonKind(value);
  const Fields fields(value, std::move(where));
  PLX_RETURN_IF_ERROR(fields.name("kind", out.kind));
  PLX_RETURN_IF_ERROR(fields.name("id", out.id));
  PLX_RETURN_IF_ERROR(fields.text("summary", out.summary));
  PLX_RETURN_IF_ERROR(fields.flag("lossless", out.lossless));
  PLX_RETURN_IF_ERROR(fields.names("model_types", out.modelTypes));
  return fields.names("options", out.options);
}

Status parseAbi(const nlohmann::json &root, std::string_view path, PluginManifest &out) {
  const auto abi = root.find("abi");
  const auto isVersion = [](const nlohmann::json &v) {
    return v.is_number_unsigned() && v.get<uint64_t>() < 65536;
  };
  if (abi == root.end() || !abi->is_array() || abi->size() != 2 || !isVersion((*abi)[0]) ||
      !isVersion((*abi)[1]))
    return error(Code::Corrupt) << path << ": manifest.abi: expected [major, minor]";
  out.abiMajor = (*abi)[0].get<uint32_t>();
  out.abiMinor = (*abi)[1].get<uint32_t>();
  return Status::ok();
}

} // namespace

Expected<std::string_view> findManifest(std::span<const uint8_t> bytes, std::string_view path) {
  ElfFile file(bytes, path);
  PLX_RETURN_IF_ERROR(file.open());
  std::string_view manifest;
  bool hasEntry = false;
  for (size_t i = 0; i < file.sections(); ++i) {
    Elf64_Shdr section;
    if (!file.section(i, section))
      return file.corrupt("its section table lies outside the file");
    if (section.sh_type == SHT_DYNSYM)
      hasEntry |= exports(file, section, PLX_PLUGIN_ENTRY_SYMBOL);
    if (!file.isNamed(section, PLX_MANIFEST_SECTION))
      continue;
    const auto content = file.content(section);
    if (!content)
      return file.corrupt("its manifest lies outside the file");
    if (content->size() > ManifestLimits::maxBytes)
      return error(Code::ResourceExhausted) << path << ": its manifest has " << content->size()
                                            << " bytes, at most " << ManifestLimits::maxBytes;
    manifest = {reinterpret_cast<const char *>(content->data()), content->size()};
  }
  const size_t end = manifest.find_last_not_of('\0');
  if (end == std::string_view::npos)
    return error(Code::NotFound) << path << ": not a Plexus plugin: it has no section "
                                 << PLX_MANIFEST_SECTION << " (write PLX_PLUGIN_MANIFEST once)";
  if (!hasEntry)
    return error(Code::NotFound) << path << ": it does not export " << PLX_PLUGIN_ENTRY_SYMBOL;
  return manifest.substr(0, end + 1);
}

Expected<PluginManifest> parseManifest(std::string_view text, std::string_view path) {
  PLX_ASSIGN(const nlohmann::json root, parseJson(text, path,
                                                  {.maxBytes = ManifestLimits::maxBytes,
                                                   .maxDepth = ManifestLimits::maxDepth}));
  if (!root.is_object())
    return error(Code::Corrupt) << path << ": manifest: expected an object, found "
                                << jsonKind(root);
  PluginManifest manifest;
  const Fields fields(root, std::string(path) + ": manifest");
  PLX_RETURN_IF_ERROR(parseAbi(root, path, manifest));
  PLX_RETURN_IF_ERROR(fields.name("name", manifest.name));
  PLX_RETURN_IF_ERROR(fields.name("version", manifest.version));
  const auto provides = root.find("provides");
  if (provides == root.end() || !provides->is_array() ||
      provides->size() > ManifestLimits::maxProvisions)
    return error(Code::Corrupt) << path << ": manifest.provides: expected an array of at most "
                                << ManifestLimits::maxProvisions << " objects";
  for (const auto &entry : *provides)
    PLX_RETURN_IF_ERROR(parseProvision(entry,
                                       std::string(path) + ": manifest.provides[" +
                                           std::to_string(manifest.provides.size()) + "]",
                                       manifest.provides.emplace_back()));
  return manifest;
}

Status checkManifestAbi(const PluginManifest &manifest, uint32_t hostMajor, uint32_t hostMinor) {
  if (manifest.abiMajor == hostMajor && manifest.abiMinor <= hostMinor)
    return Status::ok();
  const bool newer = manifest.abiMajor > hostMajor ||
                     (manifest.abiMajor == hostMajor && manifest.abiMinor > hostMinor);
  return error(Code::Mismatch) << "plugin '" << manifest.name << "' wants plugin ABI "
                               << manifest.abiMajor << '.' << manifest.abiMinor
                               << ", this Plexus has " << hostMajor << '.' << hostMinor << ": "
                               << (newer ? "use a newer Plexus, or build the plugin for this one"
                                         : "build the plugin again with current headers");
}

Expected<PluginManifest> readManifest(const std::string &path) {
  PLX_ASSIGN(auto file, MappedFile::open(path));
  PLX_ASSIGN(auto text, findManifest({file->data(), file->size()}, path));
  return parseManifest(text, path);
}

} // namespace plexus
