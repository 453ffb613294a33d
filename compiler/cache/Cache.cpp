// Entries of the compile cache.
#include "compiler/cache/Cache.h"

#include "runtime/artifact/Writer.h"
#include "runtime/io/Json.h"
#include "runtime/program/JsonCursor.h"

#include <cstdlib>
#include <filesystem>

namespace plexus::compiler {

using artifact::SectionKind;
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kReport = "report";

std::string defaultFolder() {
  auto variable = [](const char *name) {
    const char *value = std::getenv(name);
    return std::string(value ? value : "");
  };
  if (std::string folder = variable("PLEXUS_CACHE_DIR"); !folder.empty())
    return folder;
  if (std::string folder = variable("XDG_CACHE_HOME"); !folder.empty())
    return folder + "/plexus";
  if (std::string folder = variable("HOME"); !folder.empty())
    return folder + "/.cache/plexus";
  return {};
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
  for (const char *part : {"/code", "/models"}) {
    std::error_code failure;
    fs::create_directories(folder + part, failure);
    if (failure)
      return error(Code::Io) << "compile cache " << folder << part << ": " << failure.message();
  }
  return CompileCache(std::move(folder));
}

std::optional<CompiledCode> CompileCache::findCode(const std::string &key) const {
  auto entry = Container::open(folder_ + "/code/" + key);
  CompiledCode code;
  if (!entry || !readReport((*entry)->section(kReport), code.report))
    return std::nullopt;
  for (const Container::Section &section : (*entry)->sections())
    if (section.kind == SectionKind::Code)
      code.images.emplace_back(section.name.substr(artifact::kCodePrefix.size()),
                               (*entry)->section(section.name));
  return code;
}

Status CompileCache::storeCode(const std::string &key, const CompiledCode &code) const {
  PLX_ASSIGN(ArtifactWriter writer, ArtifactWriter::create(folder_ + "/code/" + key));
  PLX_RETURN_IF_ERROR(writer.addSection(kReport, SectionKind::Text, reportText(code.report)));
  for (const auto &[isa, image] : code.images)
    PLX_RETURN_IF_ERROR(
        writer.addSection(std::string(artifact::kCodePrefix) + isa, SectionKind::Code, image));
  return writer.commit();
}

std::string CompileCache::artifactPath(const std::string &codeKey,
                                       const std::string &weightsKey) const {
  return folder_ + "/models/" + weightsKey.substr(0, 32) + "-" + codeKey.substr(0, 32) + ".plx";
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
