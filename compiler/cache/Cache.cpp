// Entries of the compile cache.
#include "compiler/cache/Cache.h"

#include "compiler/cache/Evict.h"
#include "runtime/artifact/Writer.h"
#include "runtime/io/Json.h"
#include "runtime/program/JsonCursor.h"

#include <charconv>
#include <cstdlib>
#include <filesystem>

namespace plexus::compiler {

using artifact::SectionKind;
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kReport = "report";

std::string variable(const char *name) {
  const char *value = std::getenv(name);
  return value ? value : "";
}

std::string defaultFolder() {
  if (std::string folder = variable("PLEXUS_CACHE_DIR"); !folder.empty())
    return folder;
  if (std::string folder = variable("XDG_CACHE_HOME"); !folder.empty())
    return folder + "/plexus";
  if (std::string folder = variable("HOME"); !folder.empty())
    return folder + "/.cache/plexus";
  return {};
}

/// Bytes of "123", "500M", "20G".
Expected<uint64_t> readSize(const std::string &text) {
  if (text.empty())
    return CompileCache::kDefaultSize;
  uint64_t number = 0;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  const size_t scale = unit.empty() ? 0 : std::string_view("KMGT").find(unit[0]) + 1;
  if (code != std::errc() || unit.size() > 1 || (!unit.empty() && scale == 0) ||
      number > (UINT64_MAX >> (10 * scale)))
    return error(Code::InvalidArgument)
           << "PLEXUS_CACHE_SIZE is '" << text << "', expected bytes such as 500M or 20G";
  return number << (10 * scale);
}

std::string reportText(const std::vector<ReportEntry> &report) {
  nlohmann::json rows = nlohmann::json::array();
  for (const ReportEntry &r : report)
    rows.push_back({r.segment, r.op, r.location, r.target, r.why});
  return rows.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool readReport(std::string_view text, std::vector<ReportEntry> &report) {
  auto document = parseJson(text, kReport);
  if (!document)
    return false;
  Status failure;
  JsonCursor(*document, "report", failure).each(kMaxListEntries, [&](const JsonCursor &row) {
    report.push_back({row.item(0).string(), row.item(1).string(), row.item(2).string(),
                      row.item(3).string(), row.item(4).string()});
  });
  return failure.isOk();
}

} // namespace

Expected<CompileCache> CompileCache::open(std::string folder) {
  if (folder.empty())
    folder = defaultFolder();
  if (folder.empty())
    return error(Code::NotFound) << "no folder for the compile cache; set PLEXUS_CACHE_DIR or HOME";
  PLX_ASSIGN(uint64_t limit, readSize(variable("PLEXUS_CACHE_SIZE")));
  for (const char *part : {"/code", "/models"}) {
    std::error_code failure;
    fs::create_directories(folder + part, failure);
    if (failure)
      return error(Code::Io) << "compile cache " << folder << part << ": " << failure.message();
  }
  return CompileCache(std::move(folder), limit);
}

std::optional<CompiledCode> CompileCache::findCode(const std::string &key) const {
  const std::string path = folder_ + "/code/" + key;
  auto entry = Container::open(path);
  CompiledCode code;
  if (!entry || !readReport((*entry)->section(kReport), code.report))
    return std::nullopt;
  for (const Container::Section &section : (*entry)->sections())
    if (section.kind == SectionKind::Code)
      code.images.emplace_back(section.name.substr(artifact::kCodePrefix.size()),
                               (*entry)->section(section.name));
  touchEntry(path);
  return code;
}

Status CompileCache::storeCode(const std::string &key, const CompiledCode &code) const {
  const std::string path = folder_ + "/code/" + key;
  PLX_ASSIGN(ArtifactWriter writer, ArtifactWriter::create(path));
  PLX_RETURN_IF_ERROR(writer.addSection(kReport, SectionKind::Text, reportText(code.report)));
  for (const auto &[isa, image] : code.images)
    PLX_RETURN_IF_ERROR(
        writer.addSection(std::string(artifact::kCodePrefix) + isa, SectionKind::Code, image));
  PLX_RETURN_IF_ERROR(writer.commit());
  evict(folder_, limit_, path);
  return Status::ok();
}

std::string CompileCache::artifactPath(const std::string &codeKey,
                                       const std::string &weightsKey) const {
  return folder_ + "/models/" + weightsKey.substr(0, 32) + "-" + codeKey.substr(0, 32) + ".plx";
}

void CompileCache::usedArtifact(const std::string &path) const {
  touchEntry(path);
  evict(folder_, limit_, path);
}

std::shared_ptr<const Container> CompileCache::findWeights(const std::string &weightsKey) const {
  std::error_code failure;
  fs::directory_iterator entry(folder_ + "/models", failure);
  for (; !failure && entry != fs::directory_iterator(); entry.increment(failure)) {
    if (!entry->path().filename().string().starts_with(weightsKey.substr(0, 32) + "-"))
      continue;
    if (auto found = Container::open(entry->path()))
      return *found;
  }
  return nullptr;
}

} // namespace plexus::compiler
