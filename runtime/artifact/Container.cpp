// The container's reader: every bound and hash is checked before the bytes are used.
#include "runtime/artifact/Container.h"

#include <algorithm>
#include <cstring>

namespace plexus {

using namespace artifact;

namespace {

bool allZero(const uint8_t *begin, const uint8_t *end) {
  return std::all_of(begin, end, [](uint8_t byte) { return byte == 0; });
}

Status checkHeader(const MappedFile &file, Header &header) {
  if (file.size() < kMagic.size() || std::memcmp(file.data(), kMagic.data(), kMagic.size()) != 0)
    return error(Code::Corrupt) << "not a Plexus artifact (it does not begin with its magic)";
  if (file.size() < sizeof(Header))
    return error(Code::Corrupt) << "truncated inside the header";
  std::memcpy(&header, file.data(), sizeof(header));
  if (header.version != kVersion)
    return error(Code::Mismatch) << "artifact has format " << header.version
                                 << ", this Plexus reads " << kVersion;
  if (header.sectionCount == 0 || header.sectionCount > kMaxSections)
    return error(Code::Corrupt) << "section table: " << header.sectionCount << " sections; 1 to "
                                << kMaxSections << " are possible";
  if (file.size() < kAlignment)
    return error(Code::Corrupt) << "truncated inside the section table";
  return Status::ok();
}

} // namespace

Expected<std::shared_ptr<const Container>> Container::open(const std::string &path) {
  PLX_ASSIGN(auto file, MappedFile::open(path));
  std::shared_ptr<Container> container(new Container);
  container->file_ = std::move(file);
  auto check = [&]() -> Status {
    PLX_RETURN_IF_ERROR(container->readTable());
    PLX_RETURN_IF_ERROR(container->checkSections());
    return container->checkWeights();
  };
  PLX_RETURN_IF_ERROR(check().at(path));
  return std::shared_ptr<const Container>(std::move(container));
}

Status Container::readTable() {
  Header header;
  PLX_RETURN_IF_ERROR(checkHeader(*file_, header));
  const uint8_t *table = file_->data() + sizeof(Header);
  size_t tableBytes = header.sectionCount * sizeof(SectionEntry);
  if (hash128(table, tableBytes) != header.tableHash)
    return error(Code::Corrupt) << "section table: its hash differs, the file was altered";
  if (!allZero(table + tableBytes, file_->data() + kAlignment))
    return error(Code::Corrupt) << "section table: bytes behind it are not zero";
  uint64_t next = kAlignment;
  for (uint32_t i = 0; i < header.sectionCount; ++i) {
    SectionEntry entry;
    std::memcpy(&entry, table + i * sizeof(entry), sizeof(entry));
    size_t length = strnlen(entry.name, sizeof(entry.name));
    std::string name(entry.name, length);
    if (length == 0 || length == sizeof(entry.name) || entry.flags != 0)
      return error(Code::Corrupt) << "section table: entry " << i << " is malformed";
    if (entry.offset != next || entry.size > INT64_MAX / 2)
      return error(Code::Corrupt) << "section '" << name << "': begins at " << entry.offset
                                  << ", expected " << next;
    if (entry.offset > file_->size() || entry.size > file_->size() - entry.offset)
      return error(Code::Corrupt) << "section '" << name << "': truncated, it ends at "
                                  << entry.offset + entry.size << " but the file has "
                                  << file_->size() << " bytes";
    if (!section(name).empty())
      return error(Code::Corrupt) << "section '" << name << "' is there twice";
    sections_.push_back({std::move(name), SectionKind(entry.kind), entry.offset, entry.size});
    hashes_.push_back(entry.hash);
    next = alignUp(entry.offset + entry.size, kAlignment);
  }
  uint64_t end = sections_.back().offset + sections_.back().size;
  if (file_->size() != end || header.fileSize != end)
    return error(Code::Corrupt) << "file has " << file_->size() << " bytes, its header says "
                                << header.fileSize << " and its sections end at " << end;
  return Status::ok();
}

Status Container::checkSections() const {
  for (size_t i = 0; i < sections_.size(); ++i) {
    const Section &section = sections_[i];
    const uint8_t *begin = file_->data() + section.offset;
    uint64_t next = i + 1 < sections_.size() ? sections_[i + 1].offset : file_->size();
    if (!allZero(begin + section.size, file_->data() + next))
      return error(Code::Corrupt) << "section '" << section.name
                                  << "': bytes behind it are not zero";
    // The weights are covered by the section of hashes, and that by the weights' entry too.
    if (section.kind != SectionKind::Weights && hash128(begin, section.size) != hashes_[i])
      return error(Code::Corrupt) << "section '" << section.name
                                  << "': its hash differs, the file was altered";
  }
  return Status::ok();
}

Status Container::checkWeights() const {
  uint64_t size = section(kWeights).size();
  uint64_t chunks = (size + kHashChunk - 1) / kHashChunk;
  std::string_view hashes = section(kWeightHashes);
  if (hashes.size() != chunks * sizeof(uint64_t))
    return error(Code::Corrupt) << "section 'weights.hashes': has " << hashes.size() << " bytes, "
                                << chunks << " chunks need " << chunks * sizeof(uint64_t);
  for (size_t i = 0; i < sections_.size(); ++i)
    if (sections_[i].kind == SectionKind::Weights &&
        (sections_[i].name != kWeights || hashes_[i] != hash128(hashes.data(), hashes.size())))
      return error(Code::Corrupt) << "section '" << sections_[i].name
                                  << "': does not belong to 'weights.hashes'";
  return Status::ok();
}

std::string_view Container::section(std::string_view name) const {
  for (const Section &section : sections_)
    if (section.name == name)
      return {reinterpret_cast<const char *>(file_->data() + section.offset), section.size};
  return {};
}

Status Container::verify(const std::function<void(uint64_t, uint64_t)> &progress) const {
  std::string_view weights = section(kWeights), hashes = section(kWeightHashes);
  uint64_t base =
      static_cast<uint64_t>(weights.data() - reinterpret_cast<const char *>(file_->data()));
  for (uint64_t at = 0, chunk = 0; at < weights.size(); at += kHashChunk, ++chunk) {
    std::string_view bytes = weights.substr(at, kHashChunk);
    auto hash = hash64(bytes.data(), bytes.size());
    if (std::memcmp(hash.data(), hashes.data() + chunk * hash.size(), hash.size()) != 0)
      return error(Code::Corrupt) << path() << ": section 'weights': bytes " << at << " to "
                                  << at + bytes.size() << " were altered (chunk " << chunk << ")";
    file_->dropRange(base + at, bytes.size());
    if (progress)
      progress(at + bytes.size(), weights.size());
  }
  return Status::ok();
}

} // namespace plexus
